//! Random clusters, small enough that everything meets everything.
//!
//! Three namespaces with eight pods, two nodes and a few networks outside; every kind of policy; every selector is about
//! a handful of labels and every rule about a handful of ports, so that most rules match some packet. Among them are
//! objects that cannot be used, and some that are not known.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

use super::Scenario;
use crate::evaluate::{Packet, Transport};
use crate::program::Protocol;
use crate::spec::Cluster;

pub(crate) mod changes;
pub(crate) mod cluster;
pub(crate) mod kubernetes;
pub(crate) mod objects;
pub(crate) mod own;

pub(crate) const NAMESPACES: [&str; 3] = ["red", "green", "blue"];
/// How many pods there are.
pub(crate) const PODS: usize = 8;
const PORTS: [u16; 7] = [1, 53, 80, 81, 443, 8080, 65535];
/// Ports that pods serve, and most packets go to.
const SERVED: [u16; 3] = [53, 80, 81];
const PORT_NAMES: [&str; 2] = ["http", "dns"];
const NETWORKS: [&str; 9] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.0.0/29",
    "10.0.0.2/31",
    "192.0.2.0/24",
    "::/0",
    "fd00::/64",
    "fd00::4/126",
    "2001:db8::/32",
];
/// Parts of [`NETWORKS`].
const HOLES: [&str; 8] = [
    "10.0.0.0/30",
    "10.0.0.3/32",
    "10.0.0.4/32",
    "192.0.2.128/25",
    "fd00::/126",
    "fd00::5/128",
    "fd00::2/127",
    "10.0.0.6/31",
];
/// Of nobody, and of the nodes.
const OUTSIDE: [[&str; 5]; 2] = [
    ["192.0.2.1", "192.0.2.200", "198.51.100.1", "172.16.0.1", "172.16.0.2"],
    ["2001:db8::1", "2001:db8::200", "fe80::1", "fd16::1", "fd16::2"],
];
const VALUES: [&str; 3] = ["a", "b", ""];

/// So many cases of a property, from a seed that a failing test prints: `PROPTEST_RNG_SEED=seed` plays them again.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().build_hasher().finish(),
    };
    println!("PROPTEST_RNG_SEED={seed}");
    ProptestConfig {
        cases: count,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 20_000,
        ..config
    }
}

/// A cluster with every kind of object. Some namespaces and service accounts may be unknown.
pub(crate) fn scenarios() -> impl Strategy<Value = Scenario> {
    let policies = (kubernetes::policies(), cluster::policies(), own::policies());
    (objects::clusters(), policies).prop_map(|(cluster, (policies, cluster_policies, own))| {
        let own::Policies { tiers, own_policies, global_policies, staged } = own;
        let cluster = Cluster { policies, cluster_policies, tiers, own_policies, global_policies, ..cluster };
        Scenario { cluster, staged }
    })
}

/// Mostly from pod to pod.
pub(crate) fn packets() -> impl Strategy<Value = Packet> {
    let end = || (0..PODS, select(vec![0usize, 1, 2, 3, 4]), prop::bool::weighted(0.8));
    (any::<bool>(), end(), end(), transports()).prop_map(|(v6, source, destination, transport)| {
        let address = |(pod, other, is_pod): (usize, usize, bool)| {
            if is_pod { pod_address(pod, v6) } else { OUTSIDE[usize::from(v6)][other].parse().unwrap() }
        };
        Packet { source: address(source), destination: address(destination), transport }
    })
}

fn transports() -> impl Strategy<Value = Transport> {
    let port = || prop_oneof![1 => select(PORTS.to_vec()), 2 => select(SERVED.to_vec())];
    let port = (protocols(), port(), port()).prop_map(|(protocol, source, destination)| Transport::Port {
        protocol,
        source,
        destination,
    });
    let icmp = (select(ICMP_TYPES.to_vec()), 0..2u8).prop_map(|(kind, code)| Transport::Icmp { kind, code });
    prop_oneof![10 => port, 3 => icmp, 1 => select(vec![Transport::Other(47), Transport::Other(136)])]
}

const ICMP_TYPES: [u8; 3] = [3, 8, 128];

/// The address of the pod with this number.
pub(crate) fn pod_address(index: usize, v6: bool) -> IpAddr {
    let text = if v6 { format!("fd00::{index}") } else { format!("10.0.0.{index}") };
    text.parse().unwrap()
}

fn protocols() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

/// `n0`, `n1` and so on; in one of the namespaces, if it is in any.
fn metadata(index: usize, prefix: &str, is_global: bool) -> ObjectMeta {
    ObjectMeta {
        namespace: (!is_global).then(|| NAMESPACES[index % NAMESPACES.len()].to_owned()),
        name: Some(format!("{prefix}{index}")),
        ..ObjectMeta::default()
    }
}

fn labels(keys: &'static [&'static str]) -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(select(keys), select(VALUES.to_vec()), 0..3).prop_map(|labels| {
        labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    })
}

/// Labels of pods and of network sets have these keys,
const POD_KEYS: &[&str] = &["app", "tier"];
/// and those of namespaces these.
const NAMESPACE_KEYS: &[&str] = &["env", "team"];

/// A selector of Kubernetes' language; sometimes one that the API would reject.
fn selector(keys: &'static [&'static str]) -> impl Strategy<Value = LabelSelector> + Clone {
    let listed = vec(select(VALUES.to_vec()), 1..3);
    let operator = select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
    let expression =
        (select(keys), operator, listed, 0..250u8).prop_map(|(key, operator, values, mishap)| {
            let values = operator.ends_with("In").then(|| values.into_iter().map(str::to_owned).collect());
            let sound =
                LabelSelectorRequirement { key: key.to_owned(), operator: operator.to_owned(), values };
            match mishap {
                0 => LabelSelectorRequirement { operator: "Like".to_owned(), ..sound },
                1 => LabelSelectorRequirement { key: "no key".to_owned(), ..sound },
                2 => LabelSelectorRequirement { values: Some(vec!["no value!".to_owned()]), ..sound },
                3 if operator.ends_with("In") => LabelSelectorRequirement { values: None, ..sound },
                _ => sound,
            }
        });
    let labels = btree_map(select(keys), select(VALUES.to_vec()), 0..2);
    let labels = labels.prop_map(|labels| {
        labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    });
    let match_labels = prop_oneof![2 => Just(None), 1 => labels.prop_map(Some)];
    let match_expressions = prop_oneof![1 => Just(None), 1 => vec(expression, 0..3).prop_map(Some)];
    (match_labels, match_expressions)
        .prop_map(|(match_labels, match_expressions)| LabelSelector { match_labels, match_expressions })
}

fn namespace_selector() -> impl Strategy<Value = LabelSelector> + Clone {
    let by_name = (select(NAMESPACES.to_vec()), select(vec!["In", "NotIn"])).prop_map(|(name, operator)| {
        let expression = LabelSelectorRequirement {
            key: "kubernetes.io/metadata.name".to_owned(),
            operator: operator.to_owned(),
            values: Some(vec![name.to_owned()]),
        };
        LabelSelector { match_labels: None, match_expressions: Some(vec![expression]) }
    });
    prop_oneof![3 => selector(NAMESPACE_KEYS), 1 => by_name]
}

/// One that most things have, or none.
fn often_empty<T: std::fmt::Debug + Default + Clone>(
    some: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = T> + Clone {
    option::weighted(0.5, some).prop_map(Option::unwrap_or_default)
}
