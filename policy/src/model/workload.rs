//! From Pod, Namespace and Node to [`Endpoint`], [`Namespace`] and [`Node`].

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Container, Namespace as ApiNamespace, Node as ApiNode, Pod};
use thiserror::Error;

use super::{Endpoint, NAMESPACE_NAME_LABEL, NamedPort, Namespace, Node, Problem};
use crate::program::{EndpointId, Protocol};

/// The object has no name (or, a pod, no namespace) and cannot be kept: skip it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("metadata.name or metadata.namespace is missing")]
pub struct Unnamed;

impl Namespace {
    /// A namespace with these labels; its name label is added, as the API server does.
    pub fn new(name: &str, mut labels: super::Labels) -> Self {
        labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned());
        Self { labels }
    }

    /// Name and labels of a Namespace object.
    pub fn from_kubernetes(object: &ApiNamespace) -> Result<(String, Self), Unnamed> {
        let name = object.metadata.name.clone().ok_or(Unnamed)?;
        let labels = object.metadata.labels.clone().unwrap_or_default();
        let namespace = Self::new(&name, labels);
        Ok((name, namespace))
    }
}

impl Node {
    /// What policy needs of a Node. Addresses that are names are none.
    pub fn from_kubernetes(object: &ApiNode) -> Result<(String, Self), Unnamed> {
        let name = object.metadata.name.clone().ok_or(Unnamed)?;
        let listed = object.status.iter().flat_map(|status| status.addresses.iter().flatten());
        let addresses = listed.filter_map(|address| address.address.parse().ok()).collect();
        Ok((name, Self { labels: object.metadata.labels.clone().unwrap_or_default(), addresses }))
    }
}

impl Endpoint {
    /// What policy needs of a Pod, and what of it could not be used.
    pub fn from_kubernetes(pod: &Pod) -> Result<(Self, Vec<Problem>), Unnamed> {
        let metadata = &pod.metadata;
        let (Some(namespace), Some(name)) = (&metadata.namespace, &metadata.name) else {
            return Err(Unnamed);
        };
        let mut problems = Vec::new();
        let spec = pod.spec.as_ref();
        let status = pod.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref());
        let endpoint = Self {
            id: EndpointId { namespace: namespace.clone(), name: name.clone() },
            labels: metadata.labels.clone().unwrap_or_default(),
            addresses: addresses(pod, &mut problems),
            named_ports: named_ports(pod, &mut problems),
            service_account: spec
                .and_then(|spec| spec.service_account_name.clone())
                .filter(|name| !name.is_empty()),
            host_network: spec.and_then(|spec| spec.host_network).unwrap_or(false),
            finished: matches!(phase, Some("Succeeded" | "Failed")),
        };
        Ok((endpoint, problems))
    }
}

fn addresses(pod: &Pod, problems: &mut Vec<Problem>) -> BTreeSet<IpAddr> {
    let Some(status) = &pod.status else { return BTreeSet::new() };
    let listed = status.pod_ips.iter().flatten().map(|address| address.ip.as_str());
    let texts = listed.chain(status.pod_ip.as_deref()).filter(|text| !text.is_empty());
    let mut addresses = BTreeSet::new();
    for text in texts {
        match text.parse() {
            Ok(address) => drop(addresses.insert(address)),
            Err(_) => {
                problems.push(Problem::new("status.podIPs", format!("{text:?} is no address; ignored")))
            }
        }
    }
    addresses
}

/// Ports of the containers that run as long as the pod: the ordinary ones and sidecars, which are init
/// containers that are restarted (KEP-753).
fn named_ports(pod: &Pod, problems: &mut Vec<Problem>) -> BTreeSet<NamedPort> {
    let Some(spec) = &pod.spec else { return BTreeSet::new() };
    let is_sidecar = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(is_sidecar);
    let mut ports = BTreeSet::new();
    for port in spec.containers.iter().chain(sidecars).flat_map(|container| container.ports.iter().flatten())
    {
        let Some(name) = port.name.clone().filter(|name| !name.is_empty()) else { continue };
        let protocol = match port.protocol.as_deref() {
            None | Some("TCP") => Some(Protocol::Tcp),
            Some("UDP") => Some(Protocol::Udp),
            Some("SCTP") => Some(Protocol::Sctp),
            Some(_) => None,
        };
        let number = u16::try_from(port.container_port).ok().filter(|number| *number > 0);
        match (protocol, number) {
            (Some(protocol), Some(number)) => drop(ports.insert(NamedPort { name, protocol, number })),
            _ => problems.push(Problem::new(
                "spec.containers.ports",
                format!("port {name:?} has an unknown protocol or a number outside of 1 to 65535; ignored"),
            )),
        }
    }
    ports
}
