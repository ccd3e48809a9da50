//! One nf_tables table as a value.
//!
//! The vocabulary is that of `nft(8)`, cut down to what we say: a rule is a list of [`Statement`]s, each of which
//! compiles to a fixed run of kernel expressions and is recognised in them again. Two tables are equal exactly if the
//! kernel holds the same sets, elements, chains and rules; handles, counters and generation are not part of it.
//!
//! Deliberately absent: named objects, timeouts, flowtables, anonymous sets (they are loaded in quadratic time), packet
//! marks.

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
    /// `mark`: any number, of which nft has no type of its own.
    Number,
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
    /// Any number.
    Number(u32),
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
    /// `meta l4proto !=`
    NotProtocol(u8),
    /// `iifname` or `oifname` equal to a name.
    InterfaceIs(Side, String),
    /// `iifname "fab*"`: the name begins so.
    InterfaceBegins(Side, String),
    /// Source or destination address in a network.
    AddressIn(Side, IpNetwork),
    /// Source or destination port, first to last inclusive.
    PortIn(Side, u16, u16),
    /// Source or destination port outside of first to last.
    PortNotIn(Side, u16, u16),
    /// ICMP or ICMPv6 type, first to last inclusive.
    IcmpTypeIn(u8, u8),
    /// Any other ICMP or ICMPv6 type.
    IcmpTypeIsNot(u8),
    /// ICMP or ICMPv6 code.
    IcmpCodeIs(u8),
    /// Any other ICMP or ICMPv6 code.
    IcmpCodeIsNot(u8),
    /// A TCP segment that does not just ask for a connection: `tcp flags & (fin | syn | rst | ack) != syn`.
    NotPlainSyn,
    /// Connection tracking state is one of these.
    ConntrackState(BTreeSet<ConntrackState>),
    /// Sent by whoever did not begin the connection: `ct direction reply`.
    IsReply,
    /// These bits of the connection's mark have this value.
    MarkIs(Bits),
    /// Gives these bits of the connection's mark this value, and leaves the others.
    SetMark(Bits),
    /// The concatenation of the fields is in the set.
    InSet(Vec<Field>, String),
    /// The concatenation of the fields is not in the set.
    NotInSet(Vec<Field>, String),
    /// The verdict that the map has for the fields; no match if it has none.
    VerdictMap(Vec<Field>, String),
    /// Counts packets and bytes that came this far.
    Counter,
    /// Matches no more often than this.
    Limit(Limit),
    /// Tells the listeners of an NFLOG group.
    Log(Log),
    /// Done.
    Verdict(Verdict),
}

/// Some bits of a connection's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits {
    /// Which; never none.
    pub mask: u32,
    /// Their value, within the mask.
    pub value: u32,
}

/// How often a rule may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit {
    /// Packets a second in the long run, at least 1.
    pub per_second: u32,
    /// Packets at once beyond that, at least 1.
    pub burst: u32,
}

/// What is told of a packet, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Log {
    /// At most [`LOG_PREFIX_MAX_BYTES`], never empty.
    pub prefix: String,
    /// The group of listeners.
    pub group: u16,
    /// How many bytes of the packet are shown, at least 1.
    pub snaplen: u32,
}

/// `NF_LOG_PREFIXLEN` of `linux/netfilter/nf_log.h`, less the byte that ends it.
pub const LOG_PREFIX_MAX_BYTES: usize = 127;

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
    /// `th sport`, `th dport`
    Port(Side),
    /// No part of the packet: this number.
    Number(u32),
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
    /// Of a connection that was not answered.
    New,
}

impl Statement {
    /// The set that is asked, and whether for who is *not* in it.
    pub fn asks(&self) -> Option<(&str, bool)> {
        if let Statement::InSet(_, set) = self {
            return Some((set, false));
        }
        if let Statement::NotInSet(_, set) = self { Some((set, true)) } else { None }
    }
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
