//! Random clusters, small enough that everything meets everything.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use k8s_openapi::api::core::v1::{Container, ContainerPort, Namespace, Pod, PodIP, PodSpec, PodStatus};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::Scenario;
use crate::evaluate::{Packet, Transport};
use crate::program::Protocol;
use crate::spec::Cluster;

pub(crate) const NAMESPACES: [&str; 3] = ["red", "green", "blue"];
const PODS: usize = 8;
const PORTS: [u16; 7] = [1, 53, 80, 81, 443, 8080, 65535];
const PORT_NAMES: [&str; 3] = ["http", "dns", "api"];
const BLOCKS: [&str; 9] = [
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

/// A cluster. Some endpoints' namespaces may be unknown.
pub(crate) fn scenarios() -> impl Strategy<Value = Scenario> {
    let namespaces = NAMESPACES.map(|name| option::weighted(0.9, namespace(name)));
    let pods: Vec<_> = (0..PODS).map(pod).collect();
    let policies = vec(policy_spec(), 1..6);
    (namespaces, pods, policies).prop_map(|(namespaces, pods, policies)| {
        let policies = policies.into_iter().enumerate().map(|(index, spec)| policy(index, spec)).collect();
        Scenario {
            cluster: Cluster { namespaces: namespaces.into_iter().flatten().collect(), pods, policies },
        }
    })
}

pub(crate) fn packets() -> impl Strategy<Value = Packet> {
    let address = || {
        let inside = (0..PODS, any::<bool>()).prop_map(|(index, v6)| address(index, v6));
        let outside = select(vec!["192.0.2.1", "192.0.2.200", "172.16.0.1", "2001:db8::1", "fe80::1"]);
        prop_oneof![6 => inside, 1 => outside.prop_map(|text| text.parse::<IpAddr>().unwrap())]
    };
    let port =
        (protocols(), select(PORTS.to_vec())).prop_map(|(protocol, port)| Transport::to_port(protocol, port));
    let transport = prop_oneof![
        8 => port,
        1 => select(vec![Transport::Icmp { kind: 8, code: 0 }, Transport::Other(47)]),
    ];
    (address(), address(), transport).prop_map(|(source, destination, transport)| Packet {
        source,
        destination,
        transport,
    })
}

pub(crate) fn namespace(name: &'static str) -> impl Strategy<Value = Namespace> {
    labels(&["env", "team"]).prop_map(move |labels| Namespace {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() },
        ..Namespace::default()
    })
}

/// The pod with this number. Its addresses follow from its number, except that one that has finished or is on the
/// host's network may share those of another.
pub(crate) fn pod(index: usize) -> impl Strategy<Value = Pod> {
    let phase = prop_oneof![8 => Just("Running"), 1 => Just("Succeeded"), 1 => Just("Failed")];
    let host_network = prop_oneof![8 => Just(None), 1 => Just(Some(true)), 1 => Just(Some(false))];
    let restart = select(vec![None, Some("Always".to_owned())]);
    let addresses = (any::<bool>(), any::<bool>(), 0..PODS);
    let shape = (phase, host_network, restart, addresses);
    let ports = (vec(container_port(), 0..3), vec(container_port(), 0..2));
    (labels(&["app", "tier"]), shape, ports).prop_map(move |(labels, shape, (main, init))| {
        let (phase, host_network, restart_policy, (v4, v6, other)) = shape;
        let idle = phase != "Running" || host_network == Some(true);
        let number = if idle { other } else { index };
        let families = [(v4 || !v6, false), (v6, true)];
        let families = families.into_iter().filter(|(present, _)| *present);
        let pod_ips = families.map(|(_, v6)| PodIP { ip: address(number, v6).to_string() }).collect();
        let container = |name: &str, ports| Container {
            name: name.to_owned(),
            ports: Some(ports),
            ..Container::default()
        };
        Pod {
            metadata: ObjectMeta {
                namespace: Some(NAMESPACES[index % NAMESPACES.len()].to_owned()),
                name: Some(format!("pod{index}")),
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            spec: Some(PodSpec {
                containers: vec![container("main", main)],
                init_containers: Some(vec![Container { restart_policy, ..container("init", init) }]),
                host_network,
                ..PodSpec::default()
            }),
            status: Some(PodStatus {
                phase: Some(phase.to_owned()),
                pod_ips: Some(pod_ips),
                ..PodStatus::default()
            }),
        }
    })
}

pub(crate) fn pods() -> impl Strategy<Value = Pod> {
    (0..PODS).prop_flat_map(pod)
}

/// The policy with this number: `p<number>`.
pub(crate) fn policy(index: usize, spec: NetworkPolicySpec) -> NetworkPolicy {
    let metadata = ObjectMeta {
        namespace: Some(NAMESPACES[index % NAMESPACES.len()].to_owned()),
        name: Some(format!("p{index}")),
        ..ObjectMeta::default()
    };
    NetworkPolicy { metadata, spec: Some(spec) }
}

pub(crate) fn policy_spec() -> impl Strategy<Value = NetworkPolicySpec> {
    let types = select(vec![
        None,
        None,
        Some(vec![]),
        Some(vec!["Ingress"]),
        Some(vec!["Egress"]),
        Some(vec!["Ingress", "Egress"]),
    ]);
    let ingress = vec((peers(), ports()), 0..3);
    let egress = vec((peers(), ports()), 0..3);
    let subject = option::weighted(0.8, selector(&["app", "tier"]));
    (subject, types, option::of(ingress), option::of(egress)).prop_map(
        |(pod_selector, types, ingress, egress)| {
            let ingress = ingress.map(|rules| {
                rules.into_iter().map(|(from, ports)| NetworkPolicyIngressRule { from, ports }).collect()
            });
            let egress = egress.map(|rules| {
                rules.into_iter().map(|(to, ports)| NetworkPolicyEgressRule { to, ports }).collect()
            });
            let policy_types = types.map(|types| types.into_iter().map(str::to_owned).collect());
            NetworkPolicySpec { pod_selector, policy_types, ingress, egress }
        },
    )
}

fn address(index: usize, v6: bool) -> IpAddr {
    let text = if v6 { format!("fd00::{index}") } else { format!("10.0.0.{index}") };
    text.parse().unwrap()
}

fn protocols() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Tcp, Protocol::Tcp, Protocol::Udp, Protocol::Sctp])
}

fn protocol_names() -> impl Strategy<Value = Option<String>> {
    select(vec![None, Some("TCP"), Some("UDP"), Some("SCTP")]).prop_map(|name| name.map(str::to_owned))
}

fn labels(keys: &'static [&'static str]) -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(select(keys), select(vec!["a", "b", ""]), 0..3).prop_map(|labels| {
        labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    })
}

fn selector(keys: &'static [&'static str]) -> impl Strategy<Value = LabelSelector> {
    let listed = vec(select(vec!["a", "b", ""]), 1..3);
    let operator = select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
    let expression = (select(keys), operator, listed).prop_map(|(key, operator, values)| {
        let values = operator.ends_with("In").then(|| values.into_iter().map(str::to_owned).collect());
        LabelSelectorRequirement { key: key.to_owned(), operator: operator.to_owned(), values }
    });
    let match_labels = prop_oneof![2 => Just(None), 1 => labels(keys).prop_map(Some)];
    let match_expressions = prop_oneof![1 => Just(None), 1 => vec(expression, 0..3).prop_map(Some)];
    (match_labels, match_expressions)
        .prop_map(|(match_labels, match_expressions)| LabelSelector { match_labels, match_expressions })
}

fn namespace_selector() -> impl Strategy<Value = LabelSelector> {
    let by_name = (select(NAMESPACES.to_vec()), select(vec!["In", "NotIn"])).prop_map(|(name, operator)| {
        let expression = LabelSelectorRequirement {
            key: "kubernetes.io/metadata.name".to_owned(),
            operator: operator.to_owned(),
            values: Some(vec![name.to_owned()]),
        };
        LabelSelector { match_labels: None, match_expressions: Some(vec![expression]) }
    });
    prop_oneof![3 => selector(&["env", "team"]), 1 => by_name]
}

fn peers() -> impl Strategy<Value = Option<Vec<NetworkPolicyPeer>>> {
    let pods = selector(&["app", "tier"]).prop_map(|pods| (None, None, Some(pods)));
    let namespaces = namespace_selector().prop_map(|namespaces| (None, Some(namespaces), None));
    let both = (namespace_selector(), selector(&["app", "tier"]))
        .prop_map(|(namespaces, pods)| (None, Some(namespaces), Some(pods)));
    let block = block().prop_map(|block| (Some(block), None, None));
    let mixed = block.clone().prop_map(|(block, ..)| (block, None, Some(LabelSelector::default())));
    let peer = prop_oneof![8 => pods, 8 => namespaces, 8 => both, 12 => block, 1 => mixed, 1 => Just((None, None, None))];
    let peer = peer.prop_map(|(ip_block, namespace_selector, pod_selector)| NetworkPolicyPeer {
        ip_block,
        namespace_selector,
        pod_selector,
    });
    prop_oneof![1 => Just(None), 5 => vec(peer, 0..4).prop_map(Some)]
}

fn block() -> impl Strategy<Value = IPBlock> + Clone {
    (select(BLOCKS.to_vec()), vec(select(HOLES.to_vec()), 0..4)).prop_map(|(cidr, holes)| {
        let network: IpNetwork = cidr.parse().unwrap();
        let is_inside = |hole: &&str| {
            let hole: IpNetwork = hole.parse().unwrap();
            network.contains(hole.ip()) && hole.prefix() > network.prefix()
        };
        let except = holes.into_iter().filter(is_inside).map(str::to_owned).collect();
        IPBlock { cidr: cidr.to_owned(), except: Some(except) }
    })
}

fn ports() -> impl Strategy<Value = Option<Vec<NetworkPolicyPort>>> {
    let number = select(PORTS.to_vec());
    let single = number.clone().prop_map(|port| (Some(IntOrString::Int(port.into())), None));
    let range = (number.clone(), number)
        .prop_map(|(a, b)| (Some(IntOrString::Int(a.min(b).into())), Some(i32::from(a.max(b)))));
    let named =
        select(PORT_NAMES.to_vec()).prop_map(|name| (Some(IntOrString::String(name.to_owned())), None));
    let port = prop_oneof![3 => single, 2 => range, 4 => named, 1 => Just((None, None))];
    let port = (port, protocol_names()).prop_map(|((port, end_port), protocol)| NetworkPolicyPort {
        port,
        end_port,
        protocol,
    });
    prop_oneof![1 => Just(None), 3 => vec(port, 0..4).prop_map(Some)]
}

fn container_port() -> impl Strategy<Value = ContainerPort> {
    (option::weighted(0.9, select(PORT_NAMES.to_vec())), protocol_names(), select(PORTS.to_vec())).prop_map(
        |(name, protocol, port)| ContainerPort {
            name: name.map(str::to_owned),
            protocol,
            container_port: port.into(),
            ..ContainerPort::default()
        },
    )
}
