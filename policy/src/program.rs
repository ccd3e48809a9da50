//! The rule program: what the kernel, the evaluator and the explanation share.
//!
//! A program holds only what the local endpoints need. Sets and profiles are content-addressed: equal content
//! has an equal name, so endpoints with the same policies share a profile, rules with the same selector share a
//! set, and a difference between two programs is a difference of names and members.
//!
//! Semantics, for one connection: the source endpoint's egress profile judges it, then the destination
//! endpoint's ingress profile. A direction without a profile is not isolated: everything passes. Within a profile
//! the first rule that matches decides; if none does, the verdict is to drop.
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
/// selector, a selector and a port's name, or networks), not who is selected now: members change under it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId(pub String);

/// Content-addressed name of a profile: `p` and 16 hexadecimal digits. The name covers rules and
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    /// Addresses of the endpoints that a selector selects.
    Addresses(BTreeSet<IpAddr>),
    /// For named ports on egress: what a selector's endpoints serve under that name.
    AddressPorts(BTreeSet<(IpAddr, Protocol, u16)>),
    /// An ipBlock with its exceptions already subtracted: disjoint networks.
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

/// One direction of one or more endpoints: rules, then drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Whose traffic it judges.
    pub direction: Direction,
    /// First match decides; every rule of a NetworkPolicy allows.
    pub rules: Vec<Rule>,
    /// The policies that isolate, for explanations: `(namespace, name)`.
    pub isolated_by: BTreeSet<(String, String)>,
}

/// As seen from the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards the endpoint; a rule's peer is the source.
    Ingress,
    /// From the endpoint; a rule's peer is the destination.
    Egress,
}

/// If the peer and the service match, the verdict is given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Where it comes from.
    pub origin: RuleOrigin,
    /// The other end's address.
    pub peer: PeerMatch,
    /// Protocol and destination port.
    pub service: ServiceMatch,
    /// What then.
    pub verdict: Verdict,
}

/// The place in a policy that a rule was compiled from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleOrigin {
    /// The policy's namespace.
    pub namespace: String,
    /// The policy's name.
    pub policy: String,
    /// Index in `spec.ingress` or `spec.egress`, from 0.
    pub rule: u32,
}

/// The other end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerMatch {
    /// Anyone.
    Any,
    /// A member of this set ([`Set::Addresses`] or [`Set::Networks`]).
    In(SetId),
}

/// Protocol and destination port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceMatch {
    /// Every protocol.
    Any,
    /// Every port of this protocol.
    Protocol(Protocol),
    /// Ports first to last, inclusive; sorted, disjoint, not adjacent, never empty.
    Ports(Protocol, Vec<(u16, u16)>),
    /// The destination's (address, protocol, port) is a member of this set ([`Set::AddressPorts`]); the peer is
    /// then implied and [`PeerMatch::Any`].
    NamedPort(SetId),
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
