//! Inputs depend on what is, not on how it came about.

use std::collections::{BTreeMap, BTreeSet};

use bgp::rib::Hop;
use datastore::{Change, Key, Kind, Resource, Revision, Unreadable, Versioned, WorkloadEndpoint};
use ipam::{Affinity, AffinityState};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use policy::model::ServiceId;
use policy::program::EndpointId;
use proptest::prelude::*;
use serde_json::json;

use super::{Inputs, Node};

fn inputs() -> Inputs {
    Inputs::new(Node { name: "node1".to_owned(), addresses: Vec::new() })
}

fn id(name: &str) -> EndpointId {
    EndpointId { namespace: "shop".to_owned(), name: name.to_owned() }
}

fn endpoint(name: &str, node: &str, container: &str, address: &str) -> WorkloadEndpoint {
    WorkloadEndpoint {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        node: node.to_owned(),
        container_id: container.to_owned(),
        interface: "eth0".to_owned(),
        host_interface: format!("fab{container}"),
        mac: String::new(),
        addresses: vec![address.parse().expect("address")],
        labels: BTreeMap::from([("from".to_owned(), "cni".to_owned())]),
        netns: String::new(),
    }
}

fn pod(name: &str, labels: &[(&str, &str)]) -> Resource {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let metadata = ObjectMeta {
        namespace: Some("shop".to_owned()),
        name: Some(name.to_owned()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    Resource::Pod(Box::new(Pod { metadata, ..Pod::default() }))
}

fn affinity(node: &str, cidr: &str, state: AffinityState) -> Resource {
    let cidr = cidr.parse().expect("prefix");
    Resource::BlockAffinity(Box::new(Affinity { node: node.to_owned(), cidr, state }))
}

fn value(resource: Resource) -> Change {
    let key = resource.key();
    let versioned = Versioned { revision: Revision(1), resource };
    Change { key, value: Some(versioned), revision: Revision(1), resume: Revision(1) }
}

fn gone(key: Key) -> Change {
    Change { key, value: None, revision: Revision(2), resume: Revision(2) }
}

#[test]
fn a_block_is_ours_once_it_is_confirmed() {
    let mut inputs = inputs();
    inputs.change(value(affinity("node1", "10.42.0.0/26", AffinityState::Pending)));
    assert!(inputs.blocks.is_empty());
    inputs.change(value(affinity("node1", "10.42.0.0/26", AffinityState::Confirmed)));
    inputs.change(value(affinity("node2", "10.42.0.64/26", AffinityState::Confirmed)));
    assert_eq!(inputs.blocks, BTreeSet::from(["10.42.0.0/26".parse().expect("prefix")]));
    let key = affinity("node1", "10.42.0.0/26", AffinityState::Confirmed).key();
    inputs.change(gone(key));
    assert!(inputs.blocks.is_empty());
}

#[test]
fn only_endpoints_of_this_node_are_its_workloads() {
    let mut inputs = inputs();
    for (name, node) in [("a", "node1"), ("b", "node2")] {
        let endpoint = endpoint(name, node, name, "10.42.0.1");
        inputs.change(value(Resource::WorkloadEndpoint(Box::new(endpoint))));
    }
    assert_eq!(inputs.workloads.keys().collect::<Vec<_>>(), [&id("a")]);
    assert_eq!(inputs.cluster.endpoints().count(), 2);
    // It moves away.
    inputs.change(value(Resource::WorkloadEndpoint(Box::new(endpoint("a", "node2", "a2", "10.42.0.65")))));
    assert!(inputs.workloads.is_empty());
}

#[test]
fn a_detach_takes_only_its_own_container() {
    let mut inputs = inputs();
    inputs.attach(endpoint("a", "node1", "new", "10.42.0.2"), Some(Revision(7)));
    assert!(!inputs.detach(&id("a"), "old"));
    assert!(inputs.workloads.contains_key(&id("a")));
    assert!(inputs.detach(&id("a"), "new"));
    assert!(inputs.workloads.is_empty());
    assert!(!inputs.detach(&id("a"), "new"));
}

#[test]
fn what_the_datastore_says_late_does_not_undo_what_this_node_did_since() {
    let mut inputs = inputs();
    let key = Key::namespaced(Kind::WorkloadEndpoint, "shop", "a");
    inputs.attach(endpoint("a", "node1", "new", "10.42.0.2"), Some(Revision(7)));
    // The deletion of the one before, and a listing from before the attachment.
    inputs.change(Change { key: key.clone(), value: None, revision: Revision(6), resume: Revision(6) });
    inputs.reset(Revision(6), BTreeMap::new(), &Unreadable::new());
    assert!(inputs.workloads.contains_key(&id("a")));
    // The write itself, after the pod has gone.
    inputs.detach(&id("a"), "new");
    let resource = Resource::WorkloadEndpoint(Box::new(endpoint("a", "node1", "new", "10.42.0.2")));
    let versioned = Versioned { revision: Revision(7), resource: resource.clone() };
    inputs.change(Change {
        key: key.clone(),
        value: Some(versioned),
        revision: Revision(7),
        resume: Revision(7),
    });
    assert!(inputs.workloads.is_empty());
    // Nor does what is written of the same link before the datastore has been told.
    inputs.change(value(resource.clone()));
    assert!(inputs.workloads.is_empty());
    // What comes after counts again.
    inputs.forgotten(&endpoint("a", "node1", "new", "10.42.0.2").host_interface);
    let versioned = Versioned { revision: Revision(9), resource };
    inputs.change(Change { key, value: Some(versioned), revision: Revision(9), resume: Revision(9) });
    assert!(inputs.workloads.contains_key(&id("a")));
}

/// While the datastore is away, and when it is back and has not been told.
#[test]
fn what_was_attached_without_the_datastore_stays_until_that_knows() {
    let mut inputs = inputs();
    let key = Key::namespaced(Kind::WorkloadEndpoint, "shop", "a");
    let own = endpoint("a", "node1", "new", "10.42.0.2");
    let told = |revision: u64, endpoint: Option<WorkloadEndpoint>| {
        let revision = Revision(revision);
        let value = endpoint.map(|endpoint| Resource::WorkloadEndpoint(Box::new(endpoint)));
        let value = value.map(|resource| Versioned { revision, resource });
        Change { key: key.clone(), value, revision, resume: revision }
    };
    inputs.attach(own.clone(), None);
    inputs.reset(Revision(40), BTreeMap::new(), &Unreadable::new());
    assert!(!inputs.change(told(41, None)), "it changes nothing");
    inputs.change(told(42, Some(endpoint("a", "node1", "old", "10.42.0.9"))));
    assert_eq!(inputs.workloads[&id("a")], own);
    // Another's word on whose write it was, and then the right one: what is older does not count, what is newer does.
    inputs.written(&id("a"), "other", Revision(50));
    assert!(!inputs.change(told(43, None)));
    inputs.written(&id("a"), "new", Revision(50));
    assert_eq!(inputs.workloads[&id("a")], own);
    assert!(!inputs.change(told(49, None)));
    assert!(inputs.change(told(51, None)));
    assert!(inputs.workloads.is_empty());

    // Somebody wrote it after this node did, and that was heard of first.
    inputs.attach(own.clone(), None);
    let moved = endpoint("a", "node2", "moved", "10.42.0.70");
    inputs.change(told(61, Some(moved)));
    inputs.written(&id("a"), "new", Revision(60));
    assert!(inputs.workloads.is_empty());
    assert_eq!(inputs.cluster.endpoints().count(), 1);
    assert!(inputs.change(told(62, None)));

    // It goes before it was ever written.
    inputs.attach(own.clone(), None);
    inputs.change(told(71, Some(own.clone())));
    assert!(inputs.detach(&id("a"), "new"));
    inputs.reset(
        Revision(72),
        [(key.clone(), told(72, Some(own.clone())).value.unwrap())].into(),
        &Unreadable::new(),
    );
    assert!(inputs.workloads.is_empty(), "its end is not undone");
    inputs.attach(own, None);
    assert!(inputs.workloads.contains_key(&id("a")), "but by itself");
}

#[test]
fn the_pod_object_says_the_labels_and_the_cni_call_stands_in_for_it() {
    let mut inputs = inputs();
    inputs.attach(endpoint("a", "node1", "c", "10.42.0.2"), Some(Revision(1)));
    assert_eq!(inputs.cluster.labels_of(&id("a"))["from"], "cni");
    inputs.change(value(pod("a", &[("app", "web")])));
    assert_eq!(inputs.cluster.labels_of(&id("a")), BTreeMap::from([("app".to_owned(), "web".to_owned())]));
    inputs.change(gone(Key::namespaced(Kind::Pod, "shop", "a")));
    assert_eq!(inputs.cluster.labels_of(&id("a"))["from"], "cni");
}

#[test]
fn pools_and_handles_do_not_concern_the_plan() {
    let mut inputs = inputs();
    assert!(!inputs.change(gone(Key::global(Kind::IpPool, "pods"))));
    assert!(!inputs.change(gone(Key::global(Kind::IpamHandle, "h"))));
    assert!(inputs.change(gone(Key::namespaced(Kind::NetworkPolicy, "shop", "p"))));
    assert!(inputs.change(gone(Key::global(Kind::Tier, "security"))));
    assert!(inputs.change(gone(Key::global(Kind::GlobalNetworkPolicy, "p"))));
}

/// An object of which only metadata and specification (or the rest) matter.
fn object(kind: Kind, namespace: &str, name: &str, rest: &serde_json::Value) -> Resource {
    let mut object = rest.clone();
    object["metadata"]["name"] = name.into();
    if kind.is_namespaced() {
        object["metadata"]["namespace"] = namespace.into();
    }
    Resource::decode(kind, object).expect("an object")
}

fn slice(name: &str, service: &str, address: &str) -> Resource {
    let rest = json!({
        "metadata": { "labels": { "kubernetes.io/service-name": service } },
        "addressType": "IPv4", "endpoints": [{ "addresses": [address] }], "ports": [{ "port": 80 }],
    });
    object(Kind::EndpointSlice, "shop", name, &rest)
}

#[test]
fn a_service_is_all_of_its_slices() {
    let mut inputs = inputs();
    let id = |name: &str| ServiceId { namespace: "shop".to_owned(), name: name.to_owned() };
    let addresses = |inputs: &Inputs, name: &str| -> Option<Vec<String>> {
        let services = &inputs.cluster.engine().model().services;
        services
            .get(&id(name))
            .map(|backends| backends.iter().map(|(address, ..)| address.to_string()).collect())
    };
    let some = |addresses: &[&str]| Some(addresses.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    inputs.change(value(slice("one", "web", "10.0.0.1")));
    inputs.change(value(slice("two", "web", "10.0.0.2")));
    assert_eq!(addresses(&inputs, "web"), some(&["10.0.0.1", "10.0.0.2"]));
    // One becomes another service's, and the other goes.
    inputs.change(value(slice("one", "db", "10.0.0.1")));
    assert_eq!(addresses(&inputs, "web"), some(&["10.0.0.2"]));
    inputs.change(gone(Key::namespaced(Kind::EndpointSlice, "shop", "two")));
    assert_eq!((addresses(&inputs, "web"), addresses(&inputs, "db")), (None, some(&["10.0.0.1"])));
    inputs.reset(Revision(9), BTreeMap::new(), &BTreeMap::new());
    assert_eq!(inputs.cluster.engine().model(), &policy::model::Model::default());
}

#[test]
fn policies_of_every_kind_reach_the_engine() {
    let mut inputs = inputs();
    let deny = json!({ "spec": { "tier": "security", "ingress": [{ "action": "Deny" }] } });
    let everything = json!({ "spec": { "podSelector": {} } });
    let cluster = json!({ "spec": { "tier": "Admin", "priority": 1, "subject": { "namespaces": {} },
        "ingress": [{ "action": "Deny", "from": [{ "namespaces": {} }] }] } });
    let broken = json!({ "spec": { "preDNAT": true, "applyOnForward": true } });
    for (kind, name, rest) in [
        (Kind::Tier, "security", &json!({ "spec": { "order": 5 } })),
        (Kind::NetworkPolicy, "a", &everything),
        (Kind::ClusterNetworkPolicy, "b", &cluster),
        (Kind::FabricNetworkPolicy, "a", &deny),
        (Kind::GlobalNetworkPolicy, "c", &deny),
        (Kind::GlobalNetworkPolicy, "d", &broken),
        (Kind::StagedNetworkPolicy, "a", &deny),
        (Kind::StagedGlobalNetworkPolicy, "c", &json!({ "spec": { "stagedAction": "Delete" } })),
        (Kind::StagedKubernetesNetworkPolicy, "a", &everything),
        (Kind::NetworkSet, "s", &json!({ "spec": { "nets": ["10.0.0.0/8"] } })),
        (Kind::GlobalNetworkSet, "s", &json!({ "spec": { "nets": ["10.0.0.0/8"] } })),
        (Kind::ServiceAccount, "bot", &json!({ "metadata": { "labels": { "a": "b" } } })),
        (
            Kind::Node,
            "n1",
            &json!({ "status": { "addresses": [{ "type": "InternalIP", "address": "192.0.2.1" }] } }),
        ),
    ] {
        assert!(inputs.change(value(object(kind, "shop", name, rest))), "{kind}");
    }
    let model = inputs.cluster.engine().model();
    let ids: Vec<String> = model.policies.keys().map(ToString::to_string).collect();
    assert_eq!(ids.len(), 5, "{ids:?}");
    assert_eq!((model.staged.len(), model.tiers.len(), model.network_sets.len()), (3, 1, 2));
    assert_eq!((model.service_accounts.len(), model.nodes["n1"].addresses.len()), (1, 1));
    let problems: Vec<String> =
        inputs.cluster.engine().summaries().into_iter().flat_map(|summary| summary.problems).collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("spec.preDNAT: is for host endpoints"), "{problems:?}");
    // What is no longer listed is gone.
    inputs.reset(Revision(9), BTreeMap::new(), &BTreeMap::new());
    assert_eq!(inputs.cluster.engine().model(), &policy::model::Model::default());
}

/// What can be seen of the inputs.
fn picture(inputs: &mut Inputs) -> String {
    inputs.cluster.settle();
    let labels: Vec<_> = inputs.cluster.endpoints().map(|(id, _)| inputs.cluster.labels_of(id)).collect();
    let endpoints: Vec<_> = inputs.cluster.endpoints().collect();
    format!(
        "{:?} {:?} {endpoints:?} {labels:?} {:?} {:?}",
        inputs.blocks,
        inputs.workloads,
        inputs.cluster.program(),
        inputs.cluster.engine().model()
    )
}

fn resources() -> impl Strategy<Value = Resource> {
    let names = prop::sample::select(vec!["a", "b", "c"]);
    let nodes = prop::sample::select(vec!["node1", "node2"]);
    prop_oneof![
        (names.clone(), nodes.clone(), 1..9u8).prop_map(|(name, node, last)| {
            let endpoint = endpoint(name, node, "c", &format!("10.42.0.{last}"));
            Resource::WorkloadEndpoint(Box::new(endpoint))
        }),
        (names, prop::sample::select(vec!["web", "db"])).prop_map(|(name, app)| pod(name, &[("app", app)])),
        (prop::sample::select(vec!["one", "two"]), prop::sample::select(vec!["web", "db"]), 1..3u8)
            .prop_map(|(name, service, last)| slice(name, service, &format!("10.0.0.{last}"))),
        (0..6usize, prop::sample::select(vec!["a", "b"]), prop::sample::select(vec!["t", "u"])).prop_map(
            |(kind, name, tier)| {
                let kinds = [
                    Kind::Tier,
                    Kind::FabricNetworkPolicy,
                    Kind::GlobalNetworkPolicy,
                    Kind::StagedNetworkPolicy,
                    Kind::NetworkSet,
                    Kind::ServiceAccount,
                ];
                let ingress = json!([{ "action": "Allow", "source": { "selector": "has(app)" } }]);
                let spec = json!({ "order": 1, "nets": ["10.0.0.0/8"], "tier": tier, "ingress": ingress });
                object(
                    kinds[kind],
                    "shop",
                    name,
                    &json!({ "spec": spec, "metadata": { "labels": { "app": tier } } }),
                )
            }
        ),
        (nodes, 0..3u8).prop_map(|(node, third)| {
            affinity(node, &format!("10.42.{third}.0/26"), AffinityState::Confirmed)
        }),
    ]
}

proptest! {
    /// Any history that ends in the same content gives the same inputs, whether it was told or listed.
    #[test]
    fn a_listing_tells_the_same_as_any_history(
        history in prop::collection::vec((resources(), any::<bool>()), 0..30),
        before in prop::collection::vec(resources(), 0..10),
    ) {
        let mut content = BTreeMap::new();
        let mut told = inputs();
        for (resource, there) in history {
            let key = resource.key();
            let change = if there { value(resource) } else { gone(key.clone()) };
            match &change.value {
                Some(versioned) => content.insert(key, versioned.clone()),
                None => content.remove(&key),
            };
            told.change(change);
        }
        let mut listed = inputs();
        for resource in before {
            listed.change(value(resource));
        }
        listed.reset(Revision(3), content, &Unreadable::new());
        prop_assert_eq!(picture(&mut told), picture(&mut listed));
    }
}

#[test]
fn what_bgp_withdraws_is_gone_before_it_has_told_everything() {
    let hop = Hop { next_hop: "10.1.1.0".parse().expect("next hop"), interface: None };
    let [known, unknown] = ["198.51.100.0/24", "203.0.113.0/24"].map(|text| text.parse().expect("prefix"));
    let mut fib = super::Fib::default();
    fib.update(BTreeMap::from([(known, Some(BTreeSet::from([hop])))]));
    assert!(!fib.may_sweep(&unknown), "not heard of yet is not gone");
    fib.update(BTreeMap::from([(known, None)]));
    assert!(fib.paths.is_empty() && fib.may_sweep(&known) && !fib.may_sweep(&unknown));
    fib.synchronise();
    assert!(fib.may_sweep(&unknown), "now everything has been told");
}

/// Two may have it for a moment: one is told gone after the other has come.
#[test]
fn an_address_is_somebodys_until_the_last_that_has_it_is_gone() {
    let mut inputs = inputs();
    let address = "10.42.0.2".parse().expect("address");
    let resource = |name| Resource::WorkloadEndpoint(Box::new(endpoint(name, "node2", name, "10.42.0.2")));
    assert!(!inputs.cluster.has_address(&address));
    for name in ["a", "a", "b"] {
        inputs.change(value(resource(name)));
    }
    for (name, left) in [("a", true), ("a", true), ("b", false)] {
        inputs.change(gone(resource(name).key()));
        assert_eq!(inputs.cluster.has_address(&address), left, "{name}");
    }
}
