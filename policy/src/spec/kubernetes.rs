//! `networking.k8s.io/v1` NetworkPolicy.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::text::{Network, destination_of, is_port, is_port_name};
use super::things::{has_address, labels_of, namespace_of, serves};
use super::{Cluster, Ruling, labels};
use crate::evaluate::Packet;
use crate::program::Direction;

fn spec_of(policy: &NetworkPolicy) -> NetworkPolicySpec {
    policy.spec.clone().unwrap_or_default()
}

/// "podSelector selects the pods to which this NetworkPolicy object applies", in the policy's namespace. One that cannot
/// be read (our choice) selects what the part of it that can be read selects.
pub(super) fn selects(policy: &NetworkPolicy, pod: &Pod) -> bool {
    policy.metadata.namespace == pod.metadata.namespace
        && spec_of(policy)
            .pod_selector
            .is_none_or(|selector| labels::selects(&selector, &labels_of(&pod.metadata)))
}

/// "If this field is not specified, it will default based on the existence of ingress or egress rules; policies
/// that contain an egress section are assumed to affect egress, and all policies [...] ingress." An unknown type
/// (our choice) is both.
pub(super) fn has_type(policy: &NetworkPolicy, direction: Direction) -> bool {
    let spec = spec_of(policy);
    let types = spec.policy_types.unwrap_or_default();
    if types.iter().any(|name| name != "Ingress" && name != "Egress") {
        return true;
    }
    match direction {
        Direction::Ingress => types.is_empty() || types.contains(&"Ingress".to_owned()),
        Direction::Egress if types.is_empty() => spec.egress.is_some_and(|rules| !rules.is_empty()),
        Direction::Egress => types.contains(&"Egress".to_owned()),
    }
}

/// "If isolated, the only allowed connections are those allowed by some policy that applies to the pod in that direction.
/// [...] Policies do not conflict; they are additive." That nothing else is allowed is the end of their tier.
pub(super) fn ruling(
    cluster: &Cluster,
    policy: &NetworkPolicy,
    direction: Direction,
    packet: &Packet,
) -> Option<Ruling> {
    let spec = spec_of(policy);
    // Whom it isolates is not what its author wrote: it allows nothing.
    if !spec.pod_selector.as_ref().is_none_or(labels::is_valid) {
        return None;
    }
    let rules: Vec<_> = match direction {
        Direction::Ingress => {
            spec.ingress.into_iter().flatten().map(|rule| (rule.from, rule.ports)).collect()
        }
        Direction::Egress => spec.egress.into_iter().flatten().map(|rule| (rule.to, rule.ports)).collect(),
    };
    for (peers, ports) in rules {
        // "allows traffic which matches both the from and ports sections"; empty or missing matches all.
        let peers = peers.unwrap_or_default();
        let ports = ports.unwrap_or_default();
        let other = match direction {
            Direction::Ingress => packet.source,
            Direction::Egress => packet.destination,
        };
        let peer = peers.is_empty() || peers.iter().any(|peer| is_peer(cluster, policy, peer, other));
        let port = ports.is_empty() || ports.iter().any(|port| is_service(cluster, port, packet));
        if peer && port {
            return Some(Ruling::Allow);
        }
    }
    None
}

fn is_peer(cluster: &Cluster, policy: &NetworkPolicy, peer: &NetworkPolicyPeer, address: IpAddr) -> bool {
    let selectors = [&peer.namespace_selector, &peer.pod_selector];
    if !selectors.into_iter().flatten().all(labels::is_valid) {
        return false;
    }
    match (&peer.ip_block, &peer.namespace_selector, &peer.pod_selector) {
        (Some(block), None, None) => is_in_block(block, address),
        (None, None, Some(pods)) => cluster.pods().any(|pod| {
            has_address(pod, address)
                && pod.metadata.namespace == policy.metadata.namespace
                && labels::selects(pods, &labels_of(&pod.metadata))
        }),
        (None, Some(namespaces), pods) => cluster.pods().any(|pod| {
            has_address(pod, address)
                && labels::selects_namespace(cluster, namespaces, &namespace_of(pod))
                && pods.as_ref().is_none_or(|pods| labels::selects(pods, &labels_of(&pod.metadata)))
        }),
        // ipBlock with a selector, or nothing at all: not valid, matches nothing.
        (Some(_), _, _) | (None, None, None) => false,
    }
}

fn is_service(cluster: &Cluster, port: &NetworkPolicyPort, packet: &Packet) -> bool {
    let Some((protocol, number)) = destination_of(packet.transport) else { return false };
    // "If not specified, this field defaults to TCP."
    if port.protocol.as_deref().unwrap_or("TCP") != protocol {
        return false;
    }
    match (&port.port, port.end_port) {
        // "If this field is not provided, this matches all port names and numbers."
        (None, None) => true,
        (Some(IntOrString::Int(wanted)), None) => *wanted == number,
        (Some(IntOrString::Int(first)), Some(last)) => {
            is_port(*first) && is_port(last) && (*first..=last).contains(&number)
        }
        // The name is the destination's in both directions: of ingress it is the subject, of egress the peer.
        (Some(IntOrString::String(name)), None) => {
            is_port_name(name) && serves(cluster, packet.destination, name, protocol, number)
        }
        (None | Some(IntOrString::String(_)), Some(_)) => false,
    }
}

/// "Except values will be rejected if they are outside the cidr range."
fn is_in_block(block: &IPBlock, address: IpAddr) -> bool {
    let Some(network) = Network::read(&block.cidr) else { return false };
    let mut excepted = false;
    for text in block.except.iter().flatten() {
        match Network::read(text) {
            Some(exception) if network.has_part(&exception) => excepted |= exception.contains(address),
            Some(_) | None => return false,
        }
    }
    network.contains(address) && !excepted
}
