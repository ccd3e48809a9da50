//! What policies select and speak of: endpoints, namespaces, nodes, sets of networks, services.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::program::{EndpointId, Protocol};
use crate::selector::Labels;

/// The label that Kubernetes keeps on every namespace, with its name as the value.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A namespace's labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespace {
    /// Including [`NAMESPACE_NAME_LABEL`].
    pub labels: Labels,
}

/// A pod, as far as policy goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Namespace and name.
    pub id: EndpointId,
    /// The pod's labels.
    pub labels: Labels,
    /// Its addresses, at most one per family.
    pub addresses: BTreeSet<IpAddr>,
    /// Ports that its containers give names to. One name may have several numbers.
    pub named_ports: BTreeSet<NamedPort>,
    /// Name of the service account that it runs as, of its namespace; `None`: not known.
    pub service_account: Option<String>,
    /// It shares the node's network: never a subject, never in a selector's set.
    pub host_network: bool,
    /// It succeeded or failed and will not run again; its address is free for others.
    pub finished: bool,
}

impl Endpoint {
    /// An endpoint without labels, addresses and ports.
    pub fn new(id: EndpointId) -> Self {
        Self {
            id,
            labels: Labels::new(),
            addresses: BTreeSet::new(),
            named_ports: BTreeSet::new(),
            service_account: None,
            host_network: false,
            finished: false,
        }
    }

    /// Whether policies select it, as subject and as peer.
    pub fn is_policed(&self) -> bool {
        !self.host_network && !self.finished
    }
}

/// A name for a port of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedPort {
    /// The name, as policies write it.
    pub name: String,
    /// A rule matches only with the same protocol.
    pub protocol: Protocol,
    /// The number that packets carry.
    pub number: u16,
}

/// The numbers among these that have this name and protocol.
pub(crate) fn ports_named<'a>(
    ports: &'a BTreeSet<NamedPort>,
    name: &'a str,
    protocol: Protocol,
) -> impl Iterator<Item = u16> + 'a {
    ports.iter().filter(move |port| port.name == name && port.protocol == protocol).map(|port| port.number)
}

/// A node, as far as policy goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// The node's labels.
    pub labels: Labels,
    /// Its addresses (`status.addresses`).
    pub addresses: BTreeSet<IpAddr>,
}

/// A set of networks: its name, and for one of a namespace, that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkSetId {
    /// `None`: a GlobalNetworkSet.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

/// Networks with labels: our own policies' selectors select them like endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkSet {
    /// The set's labels.
    pub labels: Labels,
    /// Any; they may overlap.
    pub networks: BTreeSet<IpNetwork>,
}

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAccountId {
    /// Kubernetes namespace.
    pub namespace: String,
    /// The account's name.
    pub name: String,
}

/// A Kubernetes Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    /// Kubernetes namespace.
    pub namespace: String,
    /// The service's name.
    pub name: String,
}

/// What is behind a service: addresses and ports as its backends have them.
pub type Backends = BTreeSet<(IpAddr, Protocol, u16)>;
