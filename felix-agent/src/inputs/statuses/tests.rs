use std::net::IpAddr;

use datastore::{Change, Versioned, WorkloadEndpoint};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use policy::program::PolicyKind;
use serde_json::json;

use super::*;
use crate::inputs::Node;

fn inputs(node: &str) -> Inputs {
    Inputs::new(Node { name: node.to_owned(), addresses: vec!["172.16.0.1".parse::<IpAddr>().unwrap()] })
}

fn tell(inputs: &mut Inputs, revision: u64, resource: Resource) {
    let (key, revision) = (resource.key(), Revision(revision));
    let value = Some(Versioned { revision, resource });
    inputs.change(Change { key, value, revision, resume: revision });
}

fn pod(node: &str, name: &str, address: &str) -> Resource {
    Resource::WorkloadEndpoint(Box::new(WorkloadEndpoint {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        node: node.to_owned(),
        container_id: name.to_owned(),
        interface: "eth0".to_owned(),
        host_interface: format!("fab{name}"),
        mac: String::new(),
        addresses: vec![address.parse().unwrap()],
        labels: [("app".to_owned(), name.to_owned())].into(),
        netns: String::new(),
    }))
}

fn policy(name: &str, app: &str) -> Resource {
    let object: NetworkPolicy = serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": "shop" },
        "spec": { "podSelector": { "matchLabels": { "app": app } } },
    }))
    .unwrap();
    Resource::NetworkPolicy(Box::new(object))
}

fn id(name: &str) -> PolicyId {
    PolicyId::namespaced(PolicyKind::NetworkPolicy, "shop", name)
}

fn enforced(inputs: &Inputs) -> Enforcement {
    Enforcement { stands: true, seen: inputs.statuses.seen().clone(), unfulfilled: BTreeMap::new() }
}

#[test]
fn a_node_reports_only_when_a_policy_that_concerns_it_is_newer() {
    let mut inputs = inputs("n1");
    tell(&mut inputs, 1, pod("n1", "web", "10.0.0.1"));
    tell(&mut inputs, 2, pod("n2", "db", "10.0.1.1"));
    assert_eq!(inputs.report(&enforced(&inputs)), None, "no policy, no report");
    tell(&mut inputs, 3, policy("other", "db"));
    assert_eq!(inputs.report(&enforced(&inputs)), None, "it concerns another node");
    tell(&mut inputs, 4, policy("web", "web"));
    let report = inputs.report(&enforced(&inputs)).unwrap();
    assert_eq!(report.seen, BTreeMap::from([("NetworkPolicy".to_owned(), 4)]));
    tell(&mut inputs, 5, Resource::PolicyStatus(Box::new(report)));
    assert_eq!(inputs.report(&enforced(&inputs)), None);
    tell(&mut inputs, 6, policy("other", "db"));
    assert_eq!(inputs.report(&enforced(&inputs)), None);
    // An older pass has nothing new to say; one that failed says nothing at all.
    let before = enforced(&inputs);
    tell(&mut inputs, 7, policy("web", "web"));
    assert_eq!(inputs.report(&before), None);
    assert_eq!(inputs.report(&Enforcement { stands: false, ..enforced(&inputs) }), None);
    assert_eq!(inputs.report(&enforced(&inputs)).unwrap().seen["NetworkPolicy"], 7);
}

#[test]
fn a_policy_is_in_force_where_its_newest_version_is_reported_and_did_not_fail() {
    let mut inputs = inputs("n1");
    tell(&mut inputs, 1, pod("n1", "web", "10.0.0.1"));
    let mut twin = pod("n2", "web2", "10.0.1.1");
    if let Resource::WorkloadEndpoint(endpoint) = &mut twin {
        endpoint.labels = [("app".to_owned(), "web".to_owned())].into();
    }
    tell(&mut inputs, 2, twin);
    tell(&mut inputs, 3, policy("web", "web"));
    let report = |node: &str, seen, failed: &[(&str, &str)]| {
        let failed = failed.iter().map(|(id, why)| ((*id).to_owned(), (*why).to_owned())).collect();
        let seen = [("NetworkPolicy".to_owned(), seen)].into();
        Resource::PolicyStatus(Box::new(PolicyStatus { node: node.to_owned(), seen, failed }))
    };
    let silent = Some("its agent has not reported yet".to_owned());
    let nodes = |inputs: &Inputs| inputs.reach(&id("web")).nodes;
    assert_eq!(nodes(&inputs), [("n1".to_owned(), silent.clone()), ("n2".to_owned(), silent)].into());
    tell(&mut inputs, 4, report("n1", 3, &[]));
    tell(&mut inputs, 5, report("n2", 2, &[]));
    let old = Some("its agent has not reported the newest version yet".to_owned());
    assert_eq!(nodes(&inputs), [("n1".to_owned(), None), ("n2".to_owned(), old)].into());
    tell(&mut inputs, 6, report("n2", 3, &[("shop/web", "too deep")]));
    assert_eq!(nodes(&inputs)["n2"], Some("too deep".to_owned()));
    assert_eq!(inputs.reach(&id("nobody")), Reach::default());
}

#[test]
fn an_endpoint_without_its_policy_fails_all_that_select_it() {
    let mut inputs = inputs("n1");
    tell(&mut inputs, 1, pod("n1", "web", "10.0.0.1"));
    tell(&mut inputs, 2, policy("web", "web"));
    let endpoint = EndpointId { namespace: "shop".to_owned(), name: "web".to_owned() };
    let unfulfilled = [(endpoint, "too deep".to_owned())].into();
    let report = inputs.report(&Enforcement { unfulfilled, ..enforced(&inputs) }).unwrap();
    assert_eq!(report.failed, BTreeMap::from([("shop/web".to_owned(), "shop/web: too deep".to_owned())]));
    tell(&mut inputs, 3, Resource::PolicyStatus(Box::new(report)));
    let better = inputs.report(&enforced(&inputs)).unwrap();
    assert_eq!(better.failed, BTreeMap::new());
}
