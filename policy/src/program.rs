//! The rule program: what the kernel, the evaluator and the explanation share.
//!
//! A program holds only what the local endpoints need. Sets and profiles are content-addressed: equal content
//! has an equal name, so endpoints with the same policies share a profile, rules with the same selector share a
//! set, and a difference between two programs is a difference of names and members.
//!
//! Semantics, for one connection: the source endpoint's egress profile judges it, then the destination
//! endpoint's ingress profile. A direction without a profile is not isolated: everything passes. A profile is a list of
//! tiers. Within a tier the first rule that matches acts: it allows, denies, or passes on to the next tier; one that
//! logs is told of, and the search goes on. If no rule acts, the tier's end says what happens; what the last tier
//! passes on, the profile's fallback decides.
//!
//! Deliberately absent: interface names, nftables, connection tracking. The agent lowers this to its kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

/// Everything that the local endpoints' policies compile to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// Sets that a rule of `profiles` refers to.
    pub sets: BTreeMap<SetId, Set>,
    /// Profiles that an endpoint of `endpoints` refers to.
    pub profiles: BTreeMap<ProfileId, Profile>,
    /// Every local endpoint, isolated or not.
    pub endpoints: BTreeMap<EndpointId, EndpointProgram>,
}

/// Content-addressed name of a set: `s` and 16 hexadecimal digits. The name covers what the set consists of (a
/// selector, a selector and a port's name, a service, or networks), not who is selected now: members change under it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub String);

/// Content-addressed name of a profile: `p` and 16 hexadecimal digits. The name covers tiers, rules and
/// direction, not the members of sets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileId(pub String);

/// A pod: `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId {
    /// Kubernetes namespace.
    pub namespace: String,
    /// Pod name.
    pub name: String,
}

/// Members of a set. Families may be mixed; the lowering splits them.
///
/// A set without members (of the packet's family) holds nothing: a match of it fails, a negated one holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// Single addresses: of the endpoints or nodes that a selector selects, or behind a service.
    Addresses(BTreeSet<IpAddr>),
    /// What a selector's endpoints serve under a port's name, or what is behind a service.
    AddressPorts(BTreeSet<(IpAddr, Protocol, u16)>),
    /// Disjoint networks: of one rule with exceptions already subtracted, or of the sets of networks that a selector
    /// selects. Only the latter change under their name.
    Networks(BTreeSet<IpNetwork>),
}

/// Protocols that ports belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// IP protocol 6.
    Tcp,
    /// IP protocol 17.
    Udp,
    /// IP protocol 132.
    Sctp,
}

impl Protocol {
    /// Its IP protocol number (IANA protocol-numbers).
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The one with this IP protocol number; `None` for a protocol without ports.
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Sctp].into_iter().find(|protocol| protocol.number() == number)
    }
}

/// IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The IP protocol number of its ICMP.
    pub fn icmp(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 58,
        }
    }
}

/// Which end of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// One direction of one or more endpoints: tiers in order; what none of them decides, `fallback` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Whose traffic it judges.
    pub direction: Direction,
    /// Never empty.
    pub tiers: Vec<Tier>,
    /// What happens to that which every tier passes on.
    pub fallback: Verdict,
}

/// The rules of those policies of a tier that select the endpoint in this direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The tier's name.
    pub name: String,
    /// In the order in which they are asked; never empty, though all of them may be without rules.
    pub policies: Vec<PolicyId>,
    /// First match acts, in the order of the policies and of their rules.
    pub rules: Vec<Rule>,
    /// What happens if no rule acts.
    pub end: TierEnd,
}

/// What happens at the end of a tier of which no rule acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TierEnd {
    /// Dropped silently.
    Deny,
    /// On to the next tier.
    Pass,
}

/// As seen from the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards the endpoint; a rule's peer is the source.
    Ingress,
    /// From the endpoint; a rule's peer is the destination.
    Egress,
}

impl Direction {
    /// Where the other end is.
    pub fn peer(self) -> Side {
        match self {
            Self::Ingress => Side::Source,
            Self::Egress => Side::Destination,
        }
    }
}

/// If everything matches, the action is done.
///
/// Several neighbours with the same origin and action are the alternatives of one rule of a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Where it comes from.
    pub origin: RuleOrigin,
    /// All of them must hold; none: everything matches. Sorted.
    pub matches: Vec<Match>,
    /// What then.
    pub action: Action,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// This direction lets it pass.
    Allow,
    /// Dropped silently.
    Deny,
    /// On to the next tier.
    Pass,
    /// Told of; the next rule is asked.
    Log,
}

/// The place in a policy that a rule was compiled from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleOrigin {
    /// Which policy.
    pub policy: PolicyId,
    /// Index in `spec.ingress` or `spec.egress`, from 0.
    pub rule: u32,
    /// The rule's own name, where its kind of policy gives it one.
    pub name: Option<String>,
}

/// A policy's kind and name.
///
/// The order (kind, namespace, name) is that of policies of one tier whose orders are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId {
    /// Which kind of object.
    pub kind: PolicyKind,
    /// Kubernetes namespace, for the kinds that have one.
    pub namespace: Option<String>,
    /// The object's name.
    pub name: String,
}

/// Kinds of policies. A staged object has the kind that it would have when enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy,
    /// `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy.
    ClusterNetworkPolicy,
    /// `fabric.rs/v1` NetworkPolicy.
    FabricNetworkPolicy,
    /// `fabric.rs/v1` GlobalNetworkPolicy.
    GlobalNetworkPolicy,
}

impl PolicyId {
    /// A policy of a kind with namespaces.
    pub fn namespaced(kind: PolicyKind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind, namespace: Some(namespace.into()), name: name.into() }
    }

    /// A policy of a kind without namespaces.
    pub fn global(kind: PolicyKind, name: impl Into<String>) -> Self {
        Self { kind, namespace: None, name: name.into() }
    }
}

/// One condition of a rule.
///
/// A set that the program lacks makes it broken, and a broken program must not open anything: a rule with such a set,
/// negated or not, never matches if it allows or logs; if it denies or passes, it denies what its other conditions
/// match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// The packet's IP version.
    Family(Family),
    /// The IP protocol number is this, or (negated) another.
    Protocol {
        /// IANA protocol-numbers.
        number: u8,
        /// Any but this.
        negated: bool,
    },
    /// ICMP of this family, with this type and code, or (negated) with another. Not ICMP of this family: no match, also
    /// when negated.
    Icmp {
        /// ICMP (protocol 1) for IPv4, ICMPv6 (58) for IPv6.
        family: Family,
        /// The type.
        kind: u8,
        /// The code; `None`: any.
        code: Option<u8>,
        /// Any type and code but these.
        negated: bool,
    },
    /// The address of that side is in the set ([`Set::Addresses`] or [`Set::Networks`]), or (negated) is not.
    Address {
        /// Whose address.
        side: Side,
        /// Which set.
        set: SetId,
        /// Not in it.
        negated: bool,
    },
    /// The port of that side is in one of the ranges, or (negated) in none. A [`Match::Protocol`] (TCP, UDP or SCTP, not
    /// negated) is among the rule's conditions.
    Ports {
        /// Whose port.
        side: Side,
        /// First to last, inclusive; sorted, disjoint, not adjacent, never empty.
        ranges: Vec<(u16, u16)>,
        /// In none of them.
        negated: bool,
    },
    /// Address, protocol and port of that side are in the set ([`Set::AddressPorts`]), or (negated) are not; they never
    /// are for a protocol without ports.
    AddressPort {
        /// Whose address and port.
        side: Side,
        /// Which set.
        set: SetId,
        /// Not in it.
        negated: bool,
    },
}

impl Match {
    /// The set that it asks.
    pub fn set(&self) -> Option<&SetId> {
        match self {
            Self::Address { set, .. } | Self::AddressPort { set, .. } => Some(set),
            Self::Family(_) | Self::Protocol { .. } | Self::Icmp { .. } | Self::Ports { .. } => None,
        }
    }
}

/// What happens to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// This direction lets it pass.
    Allow,
    /// Dropped silently.
    Deny,
}

/// One local endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointProgram {
    /// Its addresses, at most one per family.
    pub addresses: BTreeSet<IpAddr>,
    /// `None`: not isolated.
    pub ingress: Option<ProfileId>,
    /// `None`: not isolated.
    pub egress: Option<ProfileId>,
}
