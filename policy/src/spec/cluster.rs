//! `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::text::{Network, destination_of, is_port, is_port_name};
use super::things::{has_address, labels_of, namespace_of, serves};
use super::{Cluster, Ruling, labels};
use crate::api::ClusterNetworkPolicy;
use crate::api::cluster::{Destination, EgressPeer, NamespacedPods, Port, Protocol};
use crate::evaluate::Packet;
use crate::program::Direction;

/// "ClusterNetworkPolicy can use 2 of these tiers." One that is for another tier, or whose subject has not exactly one of
/// the fields, has no effect (our choice): nobody knows for whom it is.
pub(super) fn tier(policy: &ClusterNetworkPolicy) -> Option<&'static str> {
    let subject = &policy.spec.subject;
    let known = usize::from(subject.namespaces.is_some()) + usize::from(subject.pods.is_some());
    let more = !subject.rest.is_empty() || subject.pods.iter().any(|pods| !pods.rest.is_empty());
    if known != 1 || more {
        return None;
    }
    match policy.spec.tier.as_str() {
        "Admin" => Some("kube-admin"),
        "Baseline" => Some("kube-baseline"),
        _ => None,
    }
}

/// "CNPs with no ingress rules do not affect ingress traffic."
pub(super) fn has_rules(policy: &ClusterNetworkPolicy, direction: Direction) -> bool {
    match direction {
        Direction::Ingress => !policy.spec.ingress.is_empty(),
        Direction::Egress => !policy.spec.egress.is_empty(),
    }
}

/// "Subject defines the pods to which this ClusterNetworkPolicy applies." What of it cannot be read (our choice) selects
/// everything.
pub(super) fn selects(cluster: &Cluster, policy: &ClusterNetworkPolicy, pod: &Pod) -> bool {
    let subject = &policy.spec.subject;
    let namespaces = subject.namespaces.as_ref();
    namespaces.is_none_or(|namespaces| labels::selects_namespace(cluster, namespaces, &namespace_of(pod)))
        && subject.pods.as_ref().is_none_or(|pods| selects_pod(cluster, pods, pod))
}

fn selects_pod(cluster: &Cluster, pods: &NamespacedPods, pod: &Pod) -> bool {
    labels::selects_namespace(cluster, &pods.namespace_selector, &namespace_of(pod))
        && labels::selects(&pods.pod_selector, &labels_of(&pod.metadata))
}

/// A rule of either direction, with its peers in the larger of the two types.
struct Rule {
    action: String,
    peers: Vec<EgressPeer>,
    protocols: Vec<Protocol>,
    has_more: bool,
}

fn rules(policy: &ClusterNetworkPolicy, direction: Direction) -> Vec<Rule> {
    let mut rules = Vec::new();
    match direction {
        Direction::Ingress => {
            for rule in policy.spec.ingress.clone() {
                let peers = rule.from.into_iter().map(|peer| EgressPeer {
                    namespaces: peer.namespaces,
                    pods: peer.pods,
                    rest: peer.rest,
                    ..EgressPeer::default()
                });
                let (peers, has_more) = (peers.collect(), !rule.rest.is_empty());
                rules.push(Rule { action: rule.action, peers, protocols: rule.protocols, has_more });
            }
        }
        Direction::Egress => {
            for rule in policy.spec.egress.clone() {
                let has_more = !rule.rest.is_empty();
                rules.push(Rule { action: rule.action, peers: rule.to, protocols: rule.protocols, has_more });
            }
        }
    }
    rules
}

/// "The relative precedence of rules within a single CNP object will be determined by the order in which the rule is
/// written."
pub(super) fn ruling(
    cluster: &Cluster,
    policy: &ClusterNetworkPolicy,
    direction: Direction,
    packet: &Packet,
) -> Option<Ruling> {
    let sound = is_subject_valid(policy) && policy.spec.rest.is_empty();
    rules(policy, direction).iter().find_map(|rule| {
        let ruling = rule_ruling(cluster, rule, direction, packet)?;
        match ruling {
            _ if sound => Some(ruling),
            // It is for more pods than its author meant (our choice): they are closed to what it speaks of.
            Ruling::Allow => None,
            Ruling::Deny | Ruling::Pass => Some(Ruling::Deny),
        }
    })
}

fn rule_ruling(cluster: &Cluster, rule: &Rule, direction: Direction, packet: &Packet) -> Option<Ruling> {
    let action = match rule.action.as_str() {
        "Accept" => Ruling::Allow,
        "Pass" => Ruling::Pass,
        // Deny, and what a newer API has (our choice).
        _ => Ruling::Deny,
    };
    if !are_peers_valid(rule) {
        // "For Accept rules, fail closed means: treat the rule as matching no traffic. For Deny and Pass rules [...]:
        // treat the rule as a Deny all rule."
        return (action != Ruling::Allow).then_some(Ruling::Deny);
    }
    let other = match direction {
        Direction::Ingress => packet.source,
        Direction::Egress => packet.destination,
    };
    if !rule.peers.iter().any(|peer| is_peer(cluster, peer, other)) {
        return None;
    }
    // "If unspecified, protocol-specific attributes will not be used to match traffic."
    if rule.protocols.is_empty() {
        return Some(action);
    }
    let usable = |protocol: &&Protocol| is_protocol_usable(rule, protocol);
    let mut known = rule.protocols.iter().filter(usable);
    let matches = known.any(|protocol| is_protocol(cluster, protocol, packet));
    // What cannot be read (our choice) is no protocol for an Accept rule, and any for one that is there to deny.
    match (action, rule.protocols.iter().all(|protocol| is_protocol_usable(rule, protocol))) {
        (Ruling::Deny | Ruling::Pass, false) => Some(Ruling::Deny),
        (_, _) => matches.then_some(action),
    }
}

fn is_subject_valid(policy: &ClusterNetworkPolicy) -> bool {
    let subject = &policy.spec.subject;
    subject.namespaces.iter().all(labels::is_valid) && subject.pods.iter().all(are_pods_valid)
}

fn are_pods_valid(pods: &NamespacedPods) -> bool {
    labels::is_valid(&pods.namespace_selector) && labels::is_valid(&pods.pod_selector) && pods.rest.is_empty()
}

/// What the definition of the resource has the API server check, and that nothing is said which is not known here.
fn are_peers_valid(rule: &Rule) -> bool {
    !rule.has_more && !rule.peers.is_empty() && rule.peers.iter().all(is_peer_valid)
}

fn is_protocol_usable(rule: &Rule, protocol: &Protocol) -> bool {
    let lacks_ports = |peer: &EgressPeer| peer.networks.is_some() || peer.nodes.is_some();
    // "There are no namedPorts for networks/nodes/domainNames."
    let names_nothing = protocol.destination_named_port.is_some() && rule.peers.iter().any(lacks_ports);
    is_protocol_valid(protocol) && !names_nothing
}

/// "Exactly one of the fields must be set for a given peer." Names of the DNS are not known here (our choice, until they are).
fn is_peer_valid(peer: &EgressPeer) -> bool {
    let EgressPeer { namespaces, pods, nodes, networks, domain_names, rest } = peer;
    let set = [namespaces.is_some(), pods.is_some(), nodes.is_some(), networks.is_some()];
    set.into_iter().filter(|set| *set).count() == 1
        && domain_names.is_none()
        && rest.is_empty()
        && namespaces.iter().chain(nodes).all(labels::is_valid)
        && pods.iter().all(are_pods_valid)
        && networks.iter().all(|networks| !networks.is_empty())
        && networks.iter().flatten().all(|network| Network::read(network).is_some())
}

fn is_protocol_valid(protocol: &Protocol) -> bool {
    let Protocol { tcp, udp, sctp, destination_named_port, rest } = protocol;
    let destinations: Vec<&Destination> = [tcp, udp, sctp].into_iter().flatten().collect();
    destinations.len() + usize::from(destination_named_port.is_some()) == 1
        && rest.is_empty()
        && destination_named_port.iter().all(|name| is_port_name(name))
        && destinations.iter().all(|destination| {
            destination.rest.is_empty() && destination.destination_port.iter().all(is_port_valid)
        })
}

/// "You must specify either Port or Range." "The Start value must be less than End."
fn is_port_valid(port: &Port) -> bool {
    let number = port.number.iter().all(|number| is_port(*number));
    let range =
        port.range.iter().all(|range| is_port(range.start) && is_port(range.end) && range.start < range.end);
    port.number.is_some() != port.range.is_some() && port.rest.is_empty() && number && range
}

fn is_peer(cluster: &Cluster, peer: &EgressPeer, address: IpAddr) -> bool {
    // "Note that host-networked pods are not included in this type of peer."
    let mut pods = cluster.pods().filter(|pod| has_address(pod, address));
    let mut networks = peer.networks.iter().flatten().filter_map(|text| Network::read(text));
    peer.namespaces.as_ref().is_some_and(|namespaces| {
        pods.clone().any(|pod| labels::selects_namespace(cluster, namespaces, &namespace_of(pod)))
    }) || peer.pods.as_ref().is_some_and(|wanted| pods.any(|pod| selects_pod(cluster, wanted, pod)))
        || peer.nodes.as_ref().is_some_and(|nodes| is_node(cluster, nodes, address))
        // "Cluster-internal traffic will be checked against the rule as well."
        || networks.any(|network| network.contains(address))
}

/// "It selects the nodeIPs as the peer type by matching on the IPs present in the node.Status.Addresses field of the node."
fn is_node(cluster: &Cluster, selector: &LabelSelector, address: IpAddr) -> bool {
    cluster.nodes.iter().any(|node| {
        let addresses = node.status.iter().flat_map(|status| status.addresses.iter().flatten());
        let mut addresses = addresses.filter_map(|listed| listed.address.parse::<IpAddr>().ok());
        labels::selects(selector, &labels_of(&node.metadata)) && addresses.any(|listed| listed == address)
    })
}

fn is_protocol(cluster: &Cluster, wanted: &Protocol, packet: &Packet) -> bool {
    let Some((protocol, number)) = destination_of(packet.transport) else { return false };
    let destination = match protocol {
        "TCP" => &wanted.tcp,
        "UDP" => &wanted.udp,
        _ => &wanted.sctp,
    };
    let is_in = |port: &Port| {
        port.number == Some(number)
            || port.range.as_ref().is_some_and(|range| (range.start..=range.end).contains(&number))
    };
    // A destination without a port is every port.
    destination.as_ref().is_some_and(|destination| destination.destination_port.as_ref().is_none_or(is_in))
        // "Selects a destination port on a pod based on the ContainerPort name", whatever its protocol.
        || wanted
            .destination_named_port
            .as_ref()
            .is_some_and(|name| serves(cluster, packet.destination, name, protocol, number))
}
