//! What the engine knows: namespaces, endpoints and policies, validated.
//!
//! Values of this module cannot be half valid: what the API server would have rejected is reported as a
//! [`Problem`] and *narrowed* on the way in. An unusable peer or port matches nothing; an unusable subject selector
//! isolates and allows nothing. A broken object may cost reachability, never protection.
//!
//! Absent, and deliberately so: anything of the node (interfaces, routes) and anything of time. A pod's phase is
//! reduced to [`Endpoint::finished`]; a Terminating pod is an endpoint like any other until it is removed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::program::{Direction, EndpointId, Protocol};
use crate::selector::{Labels, Selector};

mod policy;
mod workload;

#[cfg(test)]
mod tests;

pub use crate::program::{PolicyId, PolicyKind};
pub use workload::Unnamed;

/// The tier of NetworkPolicies.
pub const DEFAULT_TIER: &str = "default";

/// The label that Kubernetes keeps on every namespace, with its name as the value.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Everything known at one time; input of [`compile`](crate::compile::compile).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// Namespaces by name. Endpoints may be of namespaces that are not (yet) known.
    pub namespaces: BTreeMap<String, Namespace>,
    /// Endpoints of the whole fabric.
    pub endpoints: BTreeMap<EndpointId, Endpoint>,
    /// Policies of the whole fabric.
    pub policies: BTreeMap<PolicyId, Policy>,
}

impl Model {
    /// Whether the peer or subject selector selects the endpoint.
    pub fn selects(&self, selector: &EndpointSelector, endpoint: &Endpoint) -> bool {
        let namespace = &endpoint.id.namespace;
        let labels = self.namespaces.get(namespace).map(|namespace| &namespace.labels);
        endpoint.is_policed()
            && selector.namespaces.contains(namespace, labels)
            && selector.endpoints.matches(&endpoint.labels)
    }
}

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
            host_network: false,
            finished: false,
        }
    }

    /// Whether policies select it, as subject and as peer.
    pub fn is_policed(&self) -> bool {
        !self.host_network && !self.finished
    }

    /// The numbers that it serves under this name and protocol.
    pub fn ports_named<'a>(&'a self, name: &'a str, protocol: Protocol) -> impl Iterator<Item = u16> + 'a {
        self.named_ports
            .iter()
            .filter(move |port| port.name == name && port.protocol == protocol)
            .map(|port| port.number)
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

/// A NetworkPolicy, validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Kind and name.
    pub id: PolicyId,
    /// Which endpoints of its namespace it isolates.
    pub subject: Selector,
    /// What it allows towards them; `None`: it says nothing about ingress.
    pub ingress: Option<Vec<PolicyRule>>,
    /// What it allows from them; `None`: it says nothing about egress.
    pub egress: Option<Vec<PolicyRule>>,
    /// What of the object could not be used.
    pub problems: Vec<Problem>,
}

impl Policy {
    /// The rules of a direction; `None`: it does not isolate in this direction.
    pub fn rules(&self, direction: Direction) -> Option<&[PolicyRule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }

    /// The directions that it isolates in.
    pub fn directions(&self) -> impl Iterator<Item = Direction> + '_ {
        [Direction::Ingress, Direction::Egress]
            .into_iter()
            .filter(|direction| self.rules(*direction).is_some())
    }

    /// Its subject with its namespace.
    pub fn subjects(&self) -> EndpointSelector {
        EndpointSelector {
            namespaces: NamespaceScope::Named(self.id.namespace.clone().unwrap_or_default()),
            endpoints: self.subject.clone(),
        }
    }
}

/// Traffic that a policy allows: any of the peers, with any of the services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRule {
    /// `None`: anyone, inside or outside of the cluster. Empty: nobody.
    pub peers: Option<Vec<Peer>>,
    /// `None`: every protocol, also those without ports. Empty: nothing.
    pub services: Option<Vec<Service>>,
}

/// One item of `from` or `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Endpoints by their labels.
    Endpoints(EndpointSelector),
    /// Addresses, of endpoints or not.
    Block {
        /// The addresses.
        network: IpNetwork,
        /// Networks inside of `network` that this peer does not match.
        except: Vec<IpNetwork>,
    },
}

/// One item of `ports`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Every port of a protocol.
    Protocol(Protocol),
    /// First and last port, inclusive.
    Range(Protocol, u16, u16),
    /// What the destination serves under this name.
    Named(Protocol, String),
}

/// Endpoints by their namespaces and labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointSelector {
    /// In these namespaces,
    pub namespaces: NamespaceScope,
    /// those with matching labels.
    pub endpoints: Selector,
}

impl EndpointSelector {
    /// Every endpoint of the fabric.
    pub fn everything() -> Self {
        let namespaces = NamespaceScope::Matching(Selector::everything());
        Self { namespaces, endpoints: Selector::everything() }
    }
}

/// Namespaces by name or by labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceScope {
    /// One namespace.
    Named(String),
    /// Those with matching labels.
    Matching(Selector),
}

impl NamespaceScope {
    /// Whether the namespace is one of them.
    ///
    /// The labels of a namespace that is not known yet (`None`) could be any, except that one of them is its name:
    /// it belongs only if it would belong with any labels. So a pod that is seen before its namespace is not
    /// let in because a label is "missing".
    pub fn contains(&self, name: &str, labels: Option<&Labels>) -> bool {
        match (self, labels) {
            (Self::Named(own), _) => own == name,
            (Self::Matching(selector), Some(labels)) => selector.matches(labels),
            (Self::Matching(selector), None) => {
                let certain = Labels::from([(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned())]);
                selector.matches(&certain)
                    && selector.requirements().all(|requirement| requirement.key == NAMESPACE_NAME_LABEL)
            }
        }
    }
}

/// Something in an object that could not be used, and how it is treated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where, as a path in the object: `spec.ingress[0].from[1].ipBlock.cidr`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Problem {
    /// A problem at a field.
    pub fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.what)
    }
}
