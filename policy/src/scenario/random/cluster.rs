//! `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{NETWORKS, POD_KEYS, PORT_NAMES, PORTS, metadata, namespace_selector, often_empty, selector};
use crate::api::cluster::{
    ClusterNetworkPolicySpec, Destination, EgressPeer, EgressRule, IngressPeer, IngressRule, NamespacedPods,
    Port, PortRange, Protocol, Subject,
};
use crate::api::{ClusterNetworkPolicy, Rest};

pub(super) fn policies() -> impl Strategy<Value = Vec<ClusterNetworkPolicy>> {
    vec(spec(), 0..4)
        .prop_map(|specs| specs.into_iter().enumerate().map(|(index, spec)| policy(index, spec)).collect())
}

/// The policy with this number: `c<number>`.
pub(crate) fn policy(index: usize, spec: ClusterNetworkPolicySpec) -> ClusterNetworkPolicy {
    ClusterNetworkPolicy { metadata: metadata(index, "c", true), spec }
}

pub(crate) fn spec() -> impl Strategy<Value = ClusterNetworkPolicySpec> {
    let tier = prop_oneof![10 => Just("Admin"), 10 => Just("Baseline"), 1 => Just("Middle")];
    let priority = select(vec![Some(0), Some(1), Some(1), Some(1000)]);
    let ingress = vec((action(), vec(peer(false), 1..4), protocols(), mishap()), 0..4);
    let egress = vec((action(), vec(peer(true), 1..4), protocols(), mishap()), 0..4);
    (tier, priority, subject(), ingress, egress).prop_map(|(tier, priority, subject, ingress, egress)| {
        let ingress = ingress.into_iter().map(|(action, peers, protocols, mishap)| {
            let from = peers.into_iter().map(|peer| IngressPeer {
                namespaces: peer.namespaces,
                pods: peer.pods,
                rest: peer.rest,
            });
            let from = if mishap == 0 { vec![] } else { from.collect() };
            let rest = if mishap == 1 { unknown() } else { Rest::new() };
            IngressRule { name: String::new(), action, from, protocols, rest }
        });
        let egress = egress.into_iter().map(|(action, peers, protocols, mishap)| {
            let to = if mishap == 0 { vec![] } else { peers };
            let rest = if mishap == 1 { unknown() } else { Rest::new() };
            EgressRule { name: String::new(), action, to, protocols, rest }
        });
        ClusterNetworkPolicySpec {
            tier: tier.to_owned(),
            priority,
            subject,
            ingress: ingress.collect(),
            egress: egress.collect(),
            ..ClusterNetworkPolicySpec::default()
        }
    })
}

/// Almost always none of 0 and 1.
fn mishap() -> impl Strategy<Value = u8> {
    0..200u8
}

/// What a newer version of the API might say.
pub(super) fn unknown() -> Rest {
    Rest::from([("since".to_owned(), serde_json::json!(1))])
}

fn action() -> impl Strategy<Value = String> {
    prop_oneof![40 => Just("Accept"), 30 => Just("Deny"), 30 => Just("Pass"), 1 => Just("Explode")]
        .prop_map(str::to_owned)
}

fn subject() -> impl Strategy<Value = Subject> {
    let namespaces = often_empty(namespace_selector())
        .prop_map(|namespaces| Subject { namespaces: Some(namespaces), ..Subject::default() });
    let pods = namespaced_pods().prop_map(|pods| Subject { pods: Some(pods), ..Subject::default() });
    let unknown = Just(Subject { rest: unknown(), ..Subject::default() });
    prop_oneof![10 => namespaces, 10 => pods, 1 => Just(Subject::default()), 1 => unknown]
}

fn namespaced_pods() -> impl Strategy<Value = NamespacedPods> + Clone {
    (often_empty(namespace_selector()), selector(POD_KEYS)).prop_map(|(namespace_selector, pod_selector)| {
        NamespacedPods { namespace_selector, pod_selector, ..NamespacedPods::default() }
    })
}

fn peer(is_egress: bool) -> impl Strategy<Value = EgressPeer> {
    let namespaces = often_empty(namespace_selector())
        .prop_map(|namespaces| EgressPeer { namespaces: Some(namespaces), ..EgressPeer::default() });
    let pods = namespaced_pods().prop_map(|pods| EgressPeer { pods: Some(pods), ..EgressPeer::default() });
    let network = select([&NETWORKS[..], &["10.0.0.0/40"][..]].concat());
    let network = prop_oneof![100 => select(NETWORKS.to_vec()), 1 => network];
    let networks = vec(network, 1..3).prop_map(|networks| EgressPeer {
        networks: Some(networks.into_iter().map(str::to_owned).collect()),
        ..EgressPeer::default()
    });
    let nodes = often_empty(selector(&["role"]))
        .prop_map(|nodes| EgressPeer { nodes: Some(nodes), ..EgressPeer::default() });
    let names =
        Just(EgressPeer { domain_names: Some(vec!["example.org".to_owned()]), ..EgressPeer::default() });
    let unknown = Just(EgressPeer { rest: unknown(), ..EgressPeer::default() });
    let more = prop_oneof![40 => networks, 20 => nodes, 1 => names];
    let broken = prop_oneof![1 => unknown, 1 => Just(EgressPeer::default())];
    let either = prop_oneof![1 => namespaces, 1 => pods];
    (either, more, broken, 0..150u8).prop_map(move |(either, more, broken, which)| match which {
        0 => broken,
        which if is_egress && which % 2 == 1 => more,
        _ => either,
    })
}

fn protocols() -> impl Strategy<Value = Vec<Protocol>> {
    let number = || select(PORTS.to_vec()).prop_map(i32::from);
    let single = number().prop_map(|number| Port { number: Some(number), ..Port::default() });
    let range = (number(), number(), 0..20u8).prop_map(|(a, b, mishap)| {
        let (start, end) =
            if mishap == 0 { (a, b) } else { (a.min(b), a.max(b).max(a.min(b) + 1).min(65535)) };
        Port { range: Some(PortRange { start, end }), ..Port::default() }
    });
    let odd = select(vec![Port::default(), Port { number: Some(0), ..Port::default() }]);
    let port = prop_oneof![50 => single, 50 => range, 1 => odd];
    let destination = prop::option::weighted(0.8, port)
        .prop_map(|destination_port| Destination { destination_port, ..Destination::default() });
    let numbered = (0..3u8, destination).prop_map(|(protocol, destination)| match protocol {
        0 => Protocol { tcp: Some(destination), ..Protocol::default() },
        1 => Protocol { udp: Some(destination), ..Protocol::default() },
        _ => Protocol { sctp: Some(destination), ..Protocol::default() },
    });
    let named = select(PORT_NAMES.to_vec())
        .prop_map(|name| Protocol { destination_named_port: Some(name.to_owned()), ..Protocol::default() });
    let protocol = prop_oneof![80 => numbered, 60 => named, 1 => Just(Protocol::default())];
    prop_oneof![1 => Just(vec![]), 1 => vec(protocol, 1..4)]
}
