//! What a set consists of, independent of who is in it now.
//!
//! A set is named by its definition, not by its members: when a pod comes or goes, elements change and no rule
//! does.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::digest::Digest;
use crate::model::{Endpoint, EndpointSelector, NamespaceScope};
use crate::program::{Protocol, Set, SetId};
use crate::selector::{Condition, Selector};

/// Where the members of a set come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetDefinition {
    /// Addresses of the selected endpoints.
    Addresses(EndpointSelector),
    /// What the selected endpoints serve under a name.
    Services {
        /// Of these endpoints,
        of: EndpointSelector,
        /// those of their addresses that are in these networks (`None`: all),
        within: Option<BTreeSet<IpNetwork>>,
        /// with the ports of this protocol
        protocol: Protocol,
        /// and name.
        port_name: String,
    },
    /// These networks.
    Networks(BTreeSet<IpNetwork>),
}

/// One member of a set that is fed by endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Element {
    Address(IpAddr),
    Service(IpAddr, Protocol, u16),
}

impl SetDefinition {
    /// The set's name.
    pub(crate) fn id(&self) -> SetId {
        let digest = match self {
            Self::Addresses(of) => write_selector(Digest::of("addresses"), of),
            Self::Services { of, within, protocol, port_name } => {
                let digest = write_selector(Digest::of("services"), of);
                let digest = match within {
                    None => digest.number(0),
                    Some(networks) => {
                        digest.number(1).list(networks, |digest, network| digest.network(network))
                    }
                };
                digest.protocol(*protocol).text(port_name)
            }
            Self::Networks(networks) => {
                Digest::of("networks").list(networks, |digest, network| digest.network(network))
            }
        };
        SetId(digest.name('s'))
    }

    /// The endpoints that feed it; `None` if its members never change.
    pub(crate) fn selector(&self) -> Option<&EndpointSelector> {
        match self {
            Self::Addresses(of) | Self::Services { of, .. } => Some(of),
            Self::Networks(_) => None,
        }
    }

    /// The set with no endpoint selected.
    pub(crate) fn empty(&self) -> Set {
        match self {
            Self::Addresses(_) => Set::Addresses(BTreeSet::new()),
            Self::Services { .. } => Set::AddressPorts(BTreeSet::new()),
            Self::Networks(networks) => Set::Networks(networks.clone()),
        }
    }

    /// What a selected endpoint adds.
    pub(crate) fn elements(&self, endpoint: &Endpoint) -> BTreeSet<Element> {
        let addresses = endpoint.addresses.iter().copied();
        match self {
            Self::Addresses(_) => addresses.map(Element::Address).collect(),
            Self::Services { within, protocol, port_name, .. } => addresses
                .filter(|address| match within {
                    None => true,
                    Some(networks) => networks.iter().any(|network| network.contains(*address)),
                })
                .flat_map(|address| {
                    let ports = endpoint.ports_named(port_name, *protocol);
                    ports.map(move |port| Element::Service(address, *protocol, port))
                })
                .collect(),
            Self::Networks(_) => BTreeSet::new(),
        }
    }
}

impl Element {
    /// Adds it to a set of its kind.
    pub(crate) fn insert_into(self, set: &mut Set) {
        match (self, set) {
            (Self::Address(address), Set::Addresses(members)) => drop(members.insert(address)),
            (Self::Service(address, protocol, port), Set::AddressPorts(members)) => {
                members.insert((address, protocol, port));
            }
            (Self::Address(_) | Self::Service(..), _) => {}
        }
    }

    /// Takes it out of a set of its kind.
    pub(crate) fn remove_from(self, set: &mut Set) {
        match (self, set) {
            (Self::Address(address), Set::Addresses(members)) => drop(members.remove(&address)),
            (Self::Service(address, protocol, port), Set::AddressPorts(members)) => {
                members.remove(&(address, protocol, port));
            }
            (Self::Address(_) | Self::Service(..), _) => {}
        }
    }
}

fn write_selector(digest: Digest, selector: &EndpointSelector) -> Digest {
    let digest = match &selector.namespaces {
        NamespaceScope::Named(name) => digest.number(0).text(name),
        NamespaceScope::Matching(labels) => write_labels(digest.number(1), labels),
    };
    write_labels(digest, &selector.endpoints)
}

fn write_labels(digest: Digest, selector: &Selector) -> Digest {
    let requirements: Vec<_> = selector.requirements().collect();
    digest.list(requirements, |digest, requirement| {
        let digest = digest.text(&requirement.key);
        match &requirement.condition {
            Condition::In(values) => digest.number(0).list(values, |digest, value| digest.text(value)),
            Condition::NotIn(values) => digest.number(1).list(values, |digest, value| digest.text(value)),
            Condition::Exists => digest.number(2),
            Condition::DoesNotExist => digest.number(3),
        }
    })
}
