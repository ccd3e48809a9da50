//! What NetworkPolicy means, as slow and obvious as possible: the oracle that the engine is tested against.
//!
//! Written from the API's documentation (`networking.k8s.io/v1` types and the Network Policies concept page), over
//! the API's own objects, one sentence after the other. It shares no code with the compiler, the evaluator or the
//! validated model, has no sets and no index, and decides each packet from nothing. Where the documentation leaves
//! a choice, ours is named at the function that makes it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use k8s_openapi::api::core::v1::{ContainerPort, Namespace, Pod};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::evaluate::{Packet, Transport};
use crate::program::{Direction, Protocol};

/// All objects of a cluster that matter.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// Pods with their status.
    pub pods: Vec<Pod>,
    /// Policies, each valid for the API server or with parts that match nothing.
    pub policies: Vec<NetworkPolicy>,
}

/// What the ends say; `None` where no pod is at that end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the source may send.
    pub egress: Option<bool>,
    /// Whether the destination may receive.
    pub ingress: Option<bool>,
}

/// Whether each end allows the connection that begins with this packet.
pub fn judge(cluster: &Cluster, packet: &Packet) -> Judgement {
    let source = cluster.pod_at(packet.source);
    let destination = cluster.pod_at(packet.destination);
    // "A Pod cannot block access to itself."
    let itself = matches!((source, destination), (Some(from), Some(to)) if name_of(from) == name_of(to));
    Judgement {
        egress: source.map(|pod| itself || cluster.allows(pod, Direction::Egress, packet)),
        ingress: destination.map(|pod| itself || cluster.allows(pod, Direction::Ingress, packet)),
    }
}

impl Cluster {
    /// Pods on the host's network cannot be told from their node (our choice: they are not pods for policy), and
    /// the address of a pod that has finished may be another's.
    fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(|pod| {
            let host_network = pod.spec.as_ref().and_then(|spec| spec.host_network) == Some(true);
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default();
            !host_network && phase != "Succeeded" && phase != "Failed"
        })
    }

    fn pod_at(&self, address: IpAddr) -> Option<&Pod> {
        self.pods().find(|pod| has_address(pod, address))
    }

    /// "By default, a pod is non-isolated [...]. If isolated, the only allowed connections are those allowed by
    /// some policy that applies to the pod in that direction. [...] Policies do not conflict; they are additive."
    fn allows(&self, pod: &Pod, direction: Direction, packet: &Packet) -> bool {
        let mut isolated = false;
        for policy in &self.policies {
            let spec = policy.spec.clone().unwrap_or_default();
            if !applies(policy, &spec, pod) || !has_type(&spec, direction) {
                continue;
            }
            isolated = true;
            let rules: Vec<_> = match direction {
                Direction::Ingress => {
                    spec.ingress.into_iter().flatten().map(|rule| (rule.from, rule.ports)).collect()
                }
                Direction::Egress => {
                    spec.egress.into_iter().flatten().map(|rule| (rule.to, rule.ports)).collect()
                }
            };
            for (peers, ports) in rules {
                // "allows traffic which matches both the from and ports sections"; empty or missing matches all.
                let peers = peers.unwrap_or_default();
                let ports = ports.unwrap_or_default();
                let other = match direction {
                    Direction::Ingress => packet.source,
                    Direction::Egress => packet.destination,
                };
                let peer = peers.is_empty() || peers.iter().any(|peer| self.is_peer(policy, peer, other));
                let port = ports.is_empty() || ports.iter().any(|port| self.is_port(port, packet));
                if peer && port {
                    return true;
                }
            }
        }
        !isolated
    }

    fn is_peer(&self, policy: &NetworkPolicy, peer: &NetworkPolicyPeer, address: IpAddr) -> bool {
        match (&peer.ip_block, &peer.namespace_selector, &peer.pod_selector) {
            (Some(block), None, None) => is_in_block(block, address),
            (None, None, Some(pods)) => self.pods().any(|pod| {
                has_address(pod, address)
                    && pod.metadata.namespace == policy.metadata.namespace
                    && selects(pods, &labels_of(pod))
            }),
            (None, Some(namespaces), pods) => self.pods().any(|pod| {
                has_address(pod, address)
                    && self.is_in_namespaces(pod, namespaces)
                    && pods.as_ref().is_none_or(|pods| selects(pods, &labels_of(pod)))
            }),
            // ipBlock with a selector, or nothing at all: not valid, matches nothing.
            (Some(_), _, _) | (None, None, None) => false,
        }
    }

    fn is_in_namespaces(&self, pod: &Pod, selector: &LabelSelector) -> bool {
        let name = pod.metadata.namespace.clone().unwrap_or_default();
        let mut labels = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), name.clone())]);
        match self.namespaces.iter().find(|namespace| namespace.metadata.name.as_ref() == Some(&name)) {
            Some(namespace) => {
                let own = namespace.metadata.labels.clone().unwrap_or_default();
                labels = own.into_iter().chain(labels).collect();
                selects(selector, &labels)
            }
            // Not known yet (our choice): only what does not depend on other labels than the name.
            None => {
                let keys = selector.match_labels.iter().flat_map(|labels| labels.keys());
                let more_keys = selector.match_expressions.iter().flatten().map(|expression| &expression.key);
                let certain = keys.chain(more_keys).all(|key| key == "kubernetes.io/metadata.name");
                certain && selects(selector, &labels)
            }
        }
    }

    fn is_port(&self, port: &NetworkPolicyPort, packet: &Packet) -> bool {
        let Transport::Port { protocol, destination: number, .. } = packet.transport else { return false };
        let protocol = match protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        };
        // "If not specified, this field defaults to TCP."
        if port.protocol.as_deref().unwrap_or("TCP") != protocol {
            return false;
        }
        match (&port.port, port.end_port) {
            // "If this field is not provided, this matches all port names and numbers."
            (None, None) => true,
            (Some(IntOrString::Int(wanted)), None) => *wanted == i32::from(number),
            (Some(IntOrString::Int(first)), Some(last)) => (*first..=last).contains(&i32::from(number)),
            // The name is the destination's in both directions: of ingress it is the subject, of egress the peer.
            (Some(IntOrString::String(name)), None) => self.pods().any(|pod| {
                has_address(pod, packet.destination)
                    && container_ports(pod).iter().any(|container_port| {
                        container_port.name.as_ref() == Some(name)
                            && container_port.protocol.as_deref().unwrap_or("TCP") == protocol
                            && container_port.container_port == i32::from(number)
                    })
            }),
            (None | Some(IntOrString::String(_)), Some(_)) => false,
        }
    }
}

fn name_of(pod: &Pod) -> (&Option<String>, &Option<String>) {
    (&pod.metadata.namespace, &pod.metadata.name)
}

fn labels_of(pod: &Pod) -> BTreeMap<String, String> {
    pod.metadata.labels.clone().unwrap_or_default()
}

fn has_address(pod: &Pod, address: IpAddr) -> bool {
    let addresses = pod.status.iter().flat_map(|status| status.pod_ips.iter().flatten());
    addresses.filter_map(|listed| listed.ip.parse::<IpAddr>().ok()).any(|listed| listed == address)
}

/// Of containers that run beside each other: not of init containers that end before the others start.
fn container_ports(pod: &Pod) -> Vec<ContainerPort> {
    let spec = pod.spec.clone().unwrap_or_default();
    let mut containers = spec.containers;
    for container in spec.init_containers.unwrap_or_default() {
        if container.restart_policy.as_deref() == Some("Always") {
            containers.push(container);
        }
    }
    containers.into_iter().flat_map(|container| container.ports.unwrap_or_default()).collect()
}

/// "podSelector selects the pods to which this NetworkPolicy object applies", in the policy's namespace.
fn applies(policy: &NetworkPolicy, spec: &NetworkPolicySpec, pod: &Pod) -> bool {
    policy.metadata.namespace == pod.metadata.namespace
        && spec.pod_selector.as_ref().is_none_or(|selector| selects(selector, &labels_of(pod)))
}

/// "If this field is not specified, it will default based on the existence of ingress or egress rules; policies
/// that contain an egress section are assumed to affect egress, and all policies [...] ingress."
fn has_type(spec: &NetworkPolicySpec, direction: Direction) -> bool {
    let types = spec.policy_types.clone().unwrap_or_default();
    match direction {
        Direction::Ingress => types.is_empty() || types.contains(&"Ingress".to_owned()),
        Direction::Egress if types.is_empty() => spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
        Direction::Egress => types.contains(&"Egress".to_owned()),
    }
}

fn is_in_block(block: &IPBlock, address: IpAddr) -> bool {
    let Ok(network) = block.cidr.parse::<IpNetwork>() else { return false };
    let mut exceptions = Vec::new();
    for text in block.except.iter().flatten() {
        match text.parse::<IpNetwork>() {
            Ok(exception) => exceptions.push(exception),
            Err(_) => return false,
        }
    }
    network.contains(address) && !exceptions.iter().any(|exception| exception.contains(address))
}

/// "The result of matchLabels and matchExpressions are ANDed. An empty label selector matches all objects."
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    for (key, value) in selector.match_labels.iter().flatten() {
        if labels.get(key) != Some(value) {
            return false;
        }
    }
    for expression in selector.match_expressions.iter().flatten() {
        let value = labels.get(&expression.key);
        let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|item| item == value));
        let holds = match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        };
        if !holds {
            return false;
        }
    }
    true
}
