//! Routing tables as files: MRT, RFC 6396.
//!
//! Route collectors publish what they hear in this format: a `TABLE_DUMP_V2` is a table index of peers and then a record
//! for each prefix; `BGP4MP` records are messages as they came. [`Reader`] reads both, [`Writer`] writes tables.
//! [`Table`] is a table of one peer in memory; it is read from a file, or [made up](Table::generate) with the shape of
//! the Internet's, and becomes messages by [`updates`].
//!
//! Path attributes stay the octets that they are in the file: to a feed they are cargo. Lengths are checked against
//! what is there, so that a file can lie and only gets an error.
//!
//! Deliberately absent: RFC 6396's obsolete `TABLE_DUMP`, multicast and generic RIBs, and ADD-PATH's (RFC 8050), which
//! are read as [`Body::Other`].

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;

mod decode;
mod encode;
mod generate;
mod table;
pub mod updates;

#[cfg(test)]
mod tests;

pub use decode::{ReadError, Reader};
pub use encode::{Unwritable, Writer};
pub use generate::Shape;
pub use table::{Route, Table, TableError};

/// `TABLE_DUMP_V2`, RFC 6396 §4.3.
const TABLE_DUMP_V2: u16 = 13;
/// `BGP4MP`, RFC 6396 §4.4.
const BGP4MP: u16 = 16;
/// `BGP4MP_ET`, RFC 6396 §3: with microseconds.
const BGP4MP_ET: u16 = 17;

/// Subtypes of `TABLE_DUMP_V2`.
const PEER_INDEX_TABLE: u16 = 1;
const RIB_IPV4_UNICAST: u16 = 2;
const RIB_IPV6_UNICAST: u16 = 4;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Of the second; 0 but in `BGP4MP_ET`.
    pub microseconds: u32,
    /// What it says.
    pub body: Body,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Whose routes follow; the first record of a table.
    PeerIndexTable(PeerIndexTable),
    /// The routes to a prefix.
    Rib(Rib),
    /// A message between two speakers.
    Message(PeerMessage),
    /// A session came or went.
    StateChange(StateChange),
    /// A record of another type, skipped.
    Other {
        /// MRT type.
        kind: u16,
        /// MRT subtype.
        subtype: u16,
    },
}

/// `PEER_INDEX_TABLE`, RFC 6396 §4.3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIndexTable {
    /// The collector's BGP identifier.
    pub collector: Ipv4Addr,
    /// The name of the view; usually empty.
    pub view: String,
    /// Whom [`Entry::peer`] counts.
    pub peers: Vec<Peer>,
}

/// One peer of a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its address.
    pub address: IpAddr,
    /// Its AS.
    pub asn: u32,
}

/// `RIB_IPV4_UNICAST` and `RIB_IPV6_UNICAST`, RFC 6396 §4.3.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rib {
    /// Counts the records of a table.
    pub sequence: u32,
    /// To where. Host bits are zero.
    pub prefix: IpNetwork,
    /// One for each peer that has a route.
    pub entries: Vec<Entry>,
}

/// One peer's route, RFC 6396 §4.3.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which of the [peers](PeerIndexTable::peers).
    pub peer: u16,
    /// Seconds since 1970.
    pub originated: u32,
    /// Path attributes as in an UPDATE, ASes of four octets; `MP_REACH_NLRI` is only a next hop with its length.
    pub attributes: Vec<u8>,
}

/// `BGP4MP_MESSAGE` and its variants, RFC 6396 §4.4.2, §4.4.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerMessage {
    /// Who and who.
    pub session: Session,
    /// ASes in the message have four octets.
    pub four_octet_as: bool,
    /// It was sent by the collector, not received (subtypes `_LOCAL`).
    pub sent: bool,
    /// The whole message, marker and all.
    pub message: Vec<u8>,
}

/// `BGP4MP_STATE_CHANGE`, RFC 6396 §4.4.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateChange {
    /// Who and who.
    pub session: Session,
    /// From which state of RFC 4271, Idle being 1.
    pub old: u16,
    /// To which.
    pub new: u16,
}

/// The two ends of what a `BGP4MP` record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The peer's AS.
    pub peer_as: u32,
    /// The collector's.
    pub local_as: u32,
    /// The collector's interface index.
    pub interface: u16,
    /// The peer's address.
    pub peer: IpAddr,
    /// The collector's.
    pub local: IpAddr,
}
