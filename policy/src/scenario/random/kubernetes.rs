//! `networking.k8s.io/v1` NetworkPolicy.

use ipnetwork::IpNetwork;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{HOLES, NETWORKS, POD_KEYS, PORT_NAMES, PORTS, metadata, namespace_selector, selector};

pub(super) fn policies() -> impl Strategy<Value = Vec<NetworkPolicy>> {
    vec(policy_spec(), 0..5)
        .prop_map(|specs| specs.into_iter().enumerate().map(|(index, spec)| policy(index, spec)).collect())
}

/// The policy with this number: `p<number>`.
pub(crate) fn policy(index: usize, spec: NetworkPolicySpec) -> NetworkPolicy {
    NetworkPolicy { metadata: metadata(index, "p", false), spec: Some(spec) }
}

pub(crate) fn policy_spec() -> impl Strategy<Value = NetworkPolicySpec> {
    let types = prop_oneof![
        2 => Just(None),
        1 => Just(Some(vec![])),
        3 => Just(Some(vec!["Ingress"])),
        3 => Just(Some(vec!["Egress"])),
        3 => Just(Some(vec!["Ingress", "Egress"])),
    ];
    let ingress = vec((peers(), ports()), 0..3);
    let egress = vec((peers(), ports()), 0..3);
    let subject = option::weighted(0.8, selector(POD_KEYS));
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

fn peers() -> impl Strategy<Value = Option<Vec<NetworkPolicyPeer>>> {
    let pods = selector(POD_KEYS).prop_map(|pods| (None, None, Some(pods)));
    let namespaces = namespace_selector().prop_map(|namespaces| (None, Some(namespaces), None));
    let both = (namespace_selector(), selector(POD_KEYS))
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
    (select(NETWORKS.to_vec()), vec(select(HOLES.to_vec()), 0..4), 0..40u8).prop_map(
        |(cidr, holes, mishap)| {
            let network: IpNetwork = cidr.parse().unwrap();
            let is_inside = |hole: &&str| {
                let hole: IpNetwork = hole.parse().unwrap();
                network.contains(hole.ip()) && hole.prefix() > network.prefix()
            };
            let except = match mishap {
                0 => vec!["203.0.113.0/24".to_owned()],
                1 => vec!["nowhere".to_owned()],
                _ => holes.into_iter().filter(is_inside).map(str::to_owned).collect(),
            };
            let cidr = if mishap == 2 { "10.0.0.0" } else { cidr };
            IPBlock { cidr: cidr.to_owned(), except: Some(except) }
        },
    )
}

fn ports() -> impl Strategy<Value = Option<Vec<NetworkPolicyPort>>> {
    let number = select(PORTS.to_vec());
    let single = number.clone().prop_map(|port| (Some(IntOrString::Int(port.into())), None));
    // Now and then the wrong way around.
    let range = (number.clone(), number, prop::bool::weighted(0.9)).prop_map(|(a, b, sorted)| {
        let (first, last) = if sorted { (a.min(b), a.max(b)) } else { (a, b) };
        (Some(IntOrString::Int(first.into())), Some(i32::from(last)))
    });
    let named =
        select(PORT_NAMES.to_vec()).prop_map(|name| (Some(IntOrString::String(name.to_owned())), None));
    let odd = select(vec![
        (Some(IntOrString::Int(0)), None),
        (Some(IntOrString::Int(70000)), None),
        (Some(IntOrString::String("80".to_owned())), None),
        (Some(IntOrString::String("http".to_owned())), Some(90)),
        (None, Some(90)),
    ]);
    let port = prop_oneof![9 => single, 6 => range, 12 => named, 3 => Just((None, None)), 1 => odd];
    let protocol = select(vec![None, Some("TCP"), Some("UDP"), Some("SCTP")]);
    let protocol = prop_oneof![20 => protocol, 1 => Just(Some("ICMP"))];
    let port = (port, protocol).prop_map(|((port, end_port), protocol)| NetworkPolicyPort {
        port,
        end_port,
        protocol: protocol.map(str::to_owned),
    });
    prop_oneof![1 => Just(None), 3 => vec(port, 0..4).prop_map(Some)]
}
