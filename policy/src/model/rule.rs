//! Policies and their rules, whichever object they come from.

use ipnetwork::IpNetwork;

use super::{EndpointSelector, Order, Problem, ServiceId};
use crate::program::{Action, Direction, Family, PolicyId, Protocol, Side};

/// A policy, validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Kind and name.
    pub id: PolicyId,
    /// The name of its tier.
    pub tier: String,
    /// Its place in the tier; equal ones go by their ids.
    pub order: Order,
    /// Which endpoints it selects.
    pub subject: EndpointSelector,
    /// What it says of traffic towards them; `None`: nothing, and it does not isolate them.
    pub ingress: Option<Vec<PolicyRule>>,
    /// What it says of traffic from them; `None`: nothing, and it does not isolate them.
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
}

/// What is staged under a policy's id: what would become of that policy. It is never enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// It would be there, and be this.
    Set(Box<Policy>),
    /// It would be gone.
    Delete,
}

/// Some traffic, and what to do with it: any of the peers, with any of the services, under all of the conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRule {
    /// What its author calls it.
    pub name: Option<String>,
    /// What to do.
    pub action: Action,
    /// The other end. `None`: anyone, inside or outside of the cluster. Empty: nobody.
    pub peers: Option<Vec<Peer>>,
    /// `None`: every protocol, also those without ports. Empty: nothing.
    pub services: Option<Vec<Service>>,
    /// What only our own policies can say.
    pub conditions: Conditions,
}

impl PolicyRule {
    /// All traffic.
    pub fn everything(action: Action) -> Self {
        Self { name: None, action, peers: None, services: None, conditions: Conditions::default() }
    }

    /// No traffic: a place in the list, so that those behind it keep their numbers.
    pub fn nothing(action: Action) -> Self {
        Self { peers: Some(Vec::new()), ..Self::everything(action) }
    }
}

/// One item of `from` or `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Endpoints (or nodes) by their labels. Sets of networks are no such peers, whatever the selector.
    Endpoints(EndpointSelector),
    /// Addresses, of endpoints or not.
    Block {
        /// The addresses.
        network: IpNetwork,
        /// Networks inside of `network` that this peer does not match.
        except: Vec<IpNetwork>,
    },
}

/// One item of `ports` or `protocols`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// All of an IP protocol (IANA protocol-numbers).
    Protocol(u8),
    /// First and last destination port, inclusive.
    Range(Protocol, u16, u16),
    /// What the destination serves under this name.
    Named(Protocol, String),
}

/// Conditions that our own policies add; all of them must hold. The default is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// This IP version only.
    pub family: Option<Family>,
    /// Any IP protocol but this.
    pub not_protocol: Option<u8>,
    /// ICMP of this kind.
    pub icmp: Option<Icmp>,
    /// ICMP of the same family, but of another kind.
    pub not_icmp: Option<Icmp>,
    /// The end that it comes from.
    pub source: Entity,
    /// The end that it goes to.
    pub destination: Entity,
}

impl Conditions {
    /// Those on one end.
    pub fn of(&self, side: Side) -> &Entity {
        match side {
            Side::Source => &self.source,
            Side::Destination => &self.destination,
        }
    }
}

/// A kind of ICMP messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Icmp {
    /// ICMP or ICMPv6.
    pub family: Family,
    /// The type.
    pub kind: u8,
    /// The code; `None`: any.
    pub code: Option<u8>,
}

/// Conditions on one end of a connection; all of them must hold. The default is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entity {
    /// In one of these networks. Empty: nobody.
    pub nets: Option<Vec<IpNetwork>>,
    /// In none of these.
    pub not_nets: Vec<IpNetwork>,
    /// One that is selected; the namespaces are part of the selector.
    pub selector: Option<EndpointSelector>,
    /// None that is selected; whoever is not known is not.
    pub not_selector: Option<EndpointSelector>,
    /// Behind this service: of a destination, address and port; of a source, the address.
    pub service: Option<ServiceId>,
    /// One of these ports, of a rule whose services are protocols with ports; it fails for any other. Empty: none.
    pub ports: Option<Vec<PortMatch>>,
    /// None of these, of a rule whose services are protocols with ports; it holds for any other.
    pub not_ports: Vec<PortMatch>,
}

/// Ports of a protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortMatch {
    /// First and last, inclusive.
    Range(u16, u16),
    /// What the endpoint at that end serves under this name.
    Named(String),
}
