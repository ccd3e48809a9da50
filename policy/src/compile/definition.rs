//! What a set consists of, independent of who is in it now.
//!
//! A set is named by its definition, not by its members: when a pod comes or goes, elements change and no rule
//! does.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::digest::Digest;
use crate::delta::Member;
use crate::model::member::Member as Selected;
use crate::model::{EndpointSelector, Model, NamespaceScope, ServiceId, ports_named};
use crate::program::{Protocol, Set, SetId};
use crate::ranges::{Cut, cover};
use crate::selector::{Condition, Predicate, Selector};

/// Where the members of a set come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SetDefinition {
    /// Addresses of the selected endpoints or nodes.
    Addresses(EndpointSelector),
    /// Networks of the selected sets of networks.
    NetworkSets(EndpointSelector),
    /// What the selected endpoints serve under a name.
    NamedPorts {
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
    /// Addresses behind a service.
    ServiceAddresses(ServiceId),
    /// Addresses and ports behind a service.
    ServicePorts(ServiceId),
}

/// What changes the members of a set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// Nothing does.
    Fixed,
    /// What a selector selects.
    Selector(&'a EndpointSelector),
    /// A service.
    Service(&'a ServiceId),
}

/// Something that a source adds to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Element {
    Address(IpAddr),
    Port(IpAddr, Protocol, u16),
    Network(IpNetwork),
}

impl SetDefinition {
    /// The set's name.
    pub(crate) fn id(&self) -> SetId {
        let digest = match self {
            Self::Addresses(of) => write_selector(Digest::of("addresses"), of),
            Self::NetworkSets(of) => write_selector(Digest::of("network sets"), of),
            Self::NamedPorts { of, within, protocol, port_name } => {
                let digest = write_selector(Digest::of("services"), of);
                let digest = match within {
                    None => digest.number(0),
                    Some(networks) => digest.number(1).list(networks, Digest::network),
                };
                digest.protocol(*protocol).text(port_name)
            }
            Self::Networks(networks) => Digest::of("networks").list(networks, Digest::network),
            Self::ServiceAddresses(ServiceId { namespace, name }) => {
                Digest::of("service addresses").text(namespace).text(name)
            }
            Self::ServicePorts(ServiceId { namespace, name }) => {
                Digest::of("service ports").text(namespace).text(name)
            }
        };
        SetId(digest.name('s'))
    }

    /// What changes its members.
    pub(crate) fn source(&self) -> Source<'_> {
        match self {
            Self::Addresses(of) | Self::NetworkSets(of) | Self::NamedPorts { of, .. } => Source::Selector(of),
            Self::Networks(_) => Source::Fixed,
            Self::ServiceAddresses(id) | Self::ServicePorts(id) => Source::Service(id),
        }
    }

    /// The set of these elements of its kind.
    pub(crate) fn set(&self, elements: impl IntoIterator<Item = Element>) -> Set {
        match self {
            Self::Addresses(_) | Self::ServiceAddresses(_) => {
                Set::Addresses(elements.into_iter().filter_map(Element::address).collect())
            }
            Self::NamedPorts { .. } | Self::ServicePorts(_) => {
                Set::AddressPorts(elements.into_iter().filter_map(Element::port).collect())
            }
            Self::NetworkSets(_) => {
                let networks = elements.into_iter().filter_map(Element::network);
                Set::Networks(cover(networks.map(|network| Cut { network, except: &[] })))
            }
            Self::Networks(networks) => Set::Networks(networks.clone()),
        }
    }

    /// What a selected thing adds.
    pub(crate) fn elements(&self, member: Selected<'_>) -> BTreeSet<Element> {
        match (self, member) {
            (Self::Addresses(_), Selected::Endpoint(endpoint)) => {
                endpoint.addresses.iter().copied().map(Element::Address).collect()
            }
            (Self::Addresses(_), Selected::Node(node)) => {
                node.addresses.iter().copied().map(Element::Address).collect()
            }
            (Self::NetworkSets(_), Selected::NetworkSet(_, set)) => {
                set.networks.iter().copied().map(Element::Network).collect()
            }
            (Self::NamedPorts { within, protocol, port_name, .. }, Selected::Endpoint(endpoint)) => {
                let is_within = |address: &IpAddr| {
                    within.as_ref().is_none_or(|all| all.iter().any(|network| network.contains(*address)))
                };
                let addresses = endpoint.addresses.iter().copied().filter(is_within);
                let ports = |address| {
                    ports_named(&endpoint.named_ports, port_name, *protocol)
                        .map(move |port| Element::Port(address, *protocol, port))
                };
                addresses.flat_map(ports).collect()
            }
            _ => BTreeSet::new(),
        }
    }

    /// What its service adds.
    pub(crate) fn service_elements(&self, model: &Model) -> BTreeSet<Element> {
        let backends = |id| model.services.get(id).into_iter().flatten();
        match self {
            Self::ServiceAddresses(id) => {
                backends(id).map(|(address, _, _)| Element::Address(*address)).collect()
            }
            Self::ServicePorts(id) => {
                let element = |(address, protocol, port): &_| Element::Port(*address, *protocol, *port);
                backends(id).map(element).collect()
            }
            Self::Addresses(_) | Self::NetworkSets(_) | Self::NamedPorts { .. } | Self::Networks(_) => {
                BTreeSet::new()
            }
        }
    }
}

impl Element {
    fn address(self) -> Option<IpAddr> {
        if let Self::Address(address) = self { Some(address) } else { None }
    }

    fn port(self) -> Option<(IpAddr, Protocol, u16)> {
        if let Self::Port(address, protocol, port) = self { Some((address, protocol, port)) } else { None }
    }

    fn network(self) -> Option<IpNetwork> {
        if let Self::Network(network) = self { Some(network) } else { None }
    }

    /// It as a member of a set; a network only of the set that is made of it.
    pub(crate) fn member(self) -> Member {
        match self {
            Self::Address(address) => Member::Address(address),
            Self::Port(address, protocol, port) => Member::AddressPort(address, protocol, port),
            Self::Network(network) => Member::Network(network),
        }
    }

    /// Adds it to a set of its kind; `false` if that takes more than adding it.
    pub(crate) fn insert_into(self, set: &mut Set) -> bool {
        match (self, set) {
            (Self::Address(address), Set::Addresses(members)) => drop(members.insert(address)),
            (Self::Port(address, protocol, port), Set::AddressPorts(members)) => {
                members.insert((address, protocol, port));
            }
            (Self::Address(_) | Self::Port(..) | Self::Network(_), _) => return false,
        }
        true
    }

    /// Takes it out of a set of its kind; `false` if that takes more than removing it.
    pub(crate) fn remove_from(self, set: &mut Set) -> bool {
        match (self, set) {
            (Self::Address(address), Set::Addresses(members)) => drop(members.remove(&address)),
            (Self::Port(address, protocol, port), Set::AddressPorts(members)) => {
                members.remove(&(address, protocol, port));
            }
            (Self::Address(_) | Self::Port(..) | Self::Network(_), _) => return false,
        }
        true
    }
}

/// Different selectors are written differently: what stands for the length of a list of requirements is none where no
/// such list follows.
fn write_selector(digest: Digest, selector: &EndpointSelector) -> Digest {
    const EXPRESSION: u64 = u64::MAX;
    const ACCOUNTS: u64 = u64::MAX - 1;
    let write = |digest: Digest, predicate: &Predicate| match predicate {
        Predicate::Kubernetes(selector) => write_labels(digest, selector),
        Predicate::Expression(selector) => digest.number(EXPRESSION).text(&selector.to_string()),
    };
    let digest = match &selector.namespaces {
        NamespaceScope::Named(name) => digest.number(0).text(name),
        NamespaceScope::Matching(labels) => write(digest.number(1), labels),
        NamespaceScope::Global => digest.number(2),
        NamespaceScope::Everywhere => digest.number(3),
        NamespaceScope::Nodes => digest.number(4),
    };
    let digest = match &selector.service_accounts {
        None => digest,
        Some(accounts) => {
            let digest = digest.number(ACCOUNTS).list(&accounts.names, |digest, name| digest.text(name));
            digest.text(&accounts.selector.to_string())
        }
    };
    write(digest, &selector.endpoints)
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
