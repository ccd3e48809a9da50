//! One nf_tables table as a value.
//!
//! The vocabulary is that of `nft(8)`, cut down to what we say: a rule is a list of [`Statement`]s, each of which
//! compiles to a fixed run of kernel expressions and is recognised in them again. Two tables are equal exactly if the
//! kernel holds the same sets, elements, chains and rules; handles, counters and generation are not part of it.
//!
//! Deliberately absent: named objects, timeouts, flowtables, anonymous sets (they are loaded in quadratic time).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

/// The content of `table inet fabric`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Sets and verdict maps by name.
    pub sets: BTreeMap<String, Set>,
    /// Chains by name.
    pub chains: BTreeMap<String, Chain>,
}

/// A named set or verdict map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Type of the key; more than one component is a concatenation. Never empty.
    pub key: Vec<Datatype>,
    /// Members, and with them the kind of the set.
    pub elements: Elements,
}

/// Members of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elements {
    /// A hash set of keys.
    Keys(BTreeSet<Vec<Value>>),
    /// An interval set (`flags interval`) of address ranges, first to last inclusive; disjoint and not adjacent, all of
    /// the one family that the key says.
    Ranges(BTreeSet<(IpAddr, IpAddr)>),
    /// A hash map from key to verdict (`vmap`).
    Verdicts(BTreeMap<Vec<Value>, Verdict>),
}

/// Type of a key's component; the names are those of `nft describe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datatype {
    /// `ipv4_addr`
    Ipv4Address,
    /// `ipv6_addr`
    Ipv6Address,
    /// `inet_proto`
    Protocol,
    /// `inet_service`
    Port,
    /// `ifname`
    Interface,
}

/// Value of a key's component.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// An address of either family.
    Address(IpAddr),
    /// An IP protocol number.
    Protocol(u8),
    /// A TCP, UDP or SCTP port.
    Port(u16),
    /// An interface name of 1 to 15 bytes.
    Interface(String),
}

/// What ends a rule, or what a verdict map answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// No further rule of this hook in this table is asked.
    Accept,
    /// The packet is gone, silently.
    Drop,
    /// Back to the chain that jumped here.
    Return,
    /// Go to that chain and come back.
    Jump(String),
    /// Go to that chain; its end returns to where the present chain would.
    Goto(String),
}

/// A list of rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chain {
    /// `Some` for a base chain, which packets enter by themselves; its policy is always to accept.
    pub hook: Option<Hook>,
    /// Asked in order.
    pub rules: Vec<Rule>,
}

/// Where packets enter a base chain of type `filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hook {
    /// Place on the packet's way.
    pub point: HookPoint,
    /// Order among base chains of all tables at that place, lowest first: `raw` is −300, `filter` is 0.
    pub priority: i32,
}

/// Netfilter hooks of the IP families (`enum nf_inet_hooks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookPoint {
    /// Arrived, not yet routed.
    Prerouting,
    /// Routed to this node itself.
    Input,
    /// Routed through this node.
    Forward,
    /// Sent by this node itself.
    Output,
    /// About to leave.
    Postrouting,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rule {
    /// For people, empty for none; at most [`COMMENT_MAX_BYTES`].
    pub comment: String,
    /// Evaluated left to right until one does not match.
    pub statements: Vec<Statement>,
}

/// Longest rule comment that `nft` itself would take back.
pub const COMMENT_MAX_BYTES: usize = 127;

/// A condition or an action of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statement {
    /// `meta nfproto`: precedes every look into a network header.
    Family(Family),
    /// `meta l4proto`: precedes every look into a transport header.
    Protocol(u8),
    /// `iifname` or `oifname` equal to a name.
    InterfaceIs(Side, String),
    /// `iifname "fab*"`: the name begins so.
    InterfaceBegins(Side, String),
    /// Source or destination address in a network.
    AddressIn(Side, IpNetwork),
    /// Destination port, first to last inclusive.
    PortIn(u16, u16),
    /// ICMPv6 type, first to last inclusive.
    Icmpv6TypeIn(u8, u8),
    /// Connection tracking state is one of these.
    ConntrackState(BTreeSet<ConntrackState>),
    /// The concatenation of the fields is in the set.
    InSet(Vec<Field>, String),
    /// The verdict that the map has for the fields; no match if it has none.
    VerdictMap(Vec<Field>, String),
    /// Counts packets and bytes that came this far.
    Counter,
    /// Done.
    Verdict(Verdict),
}

/// IP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Which end of the packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Incoming interface, source address.
    Source,
    /// Outgoing interface, destination address.
    Destination,
}

/// Part of a packet that a set is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `iifname` or `oifname`.
    Interface(Side),
    /// `ip saddr`, `ip6 daddr` and the like.
    Address(Side, Family),
    /// `meta l4proto`
    Protocol,
    /// `th dport`
    DestinationPort,
}

/// Connection tracking states (`enum ip_conntrack_info` as nf_tables shows it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConntrackState {
    /// Not understood by connection tracking.
    Invalid,
    /// Of a connection that was answered.
    Established,
    /// Caused by another connection, an ICMP error for instance.
    Related,
}

impl Set {
    /// An empty set of the same type and kind.
    pub fn emptied(&self) -> Set {
        let elements = match &self.elements {
            Elements::Keys(_) => Elements::Keys(BTreeSet::new()),
            Elements::Ranges(_) => Elements::Ranges(BTreeSet::new()),
            Elements::Verdicts(_) => Elements::Verdicts(BTreeMap::new()),
        };
        Set { key: self.key.clone(), elements }
    }
}

impl Elements {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Elements::Keys(keys) => keys.len(),
            Elements::Ranges(ranges) => ranges.len(),
            Elements::Verdicts(verdicts) => verdicts.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Verdict {
    /// The chain that the packet is sent to, if any.
    pub fn target(&self) -> Option<&str> {
        match self {
            Verdict::Jump(chain) | Verdict::Goto(chain) => Some(chain),
            Verdict::Accept | Verdict::Drop | Verdict::Return => None,
        }
    }
}

impl Family {
    /// The family of an address.
    pub fn of(address: &IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// The type of its addresses.
    pub fn datatype(self) -> Datatype {
        match self {
            Family::V4 => Datatype::Ipv4Address,
            Family::V6 => Datatype::Ipv6Address,
        }
    }
}
