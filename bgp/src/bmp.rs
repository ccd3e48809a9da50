//! BGP Monitoring Protocol, RFC 7854: what peers say, told to a collector. Pure: what happened in, octets out.
//!
//! ```text
//! Initiation │ for each peer: Peer Up │ its routes, an UPDATE each │ End-of-RIB │ … as it happens … │ Termination
//! ```
//!
//! What is told is each peer's Adj-RIB-In before policy (§5). UPDATEs have been read and are written anew: with four-octet
//! AS numbers (the A flag is clear), with path identifiers where the peer sends them, and with routes that RFC 7606 treats
//! as withdrawn among the withdrawn ones. The OPENs of a Peer Up are written anew as well: the same capabilities in the
//! same order, each parameter framed as we do it.
//!
//! Invariant: of a peer nothing is told before its Peer Up, nor after its Peer Down. Deliberately absent: route
//! mirroring (§4.7), the Loc-RIB (RFC 9069), and the Adj-RIB-Out but for its size (RFC 8671).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut, BytesMut};

use crate::session::State;
use crate::speaker::{Monitored, MonitoredDown, MonitoredId, MonitoredPeer, PeerView};
use crate::wire::framer::HEADER_OCTETS;
use crate::wire::{Capability, Codec, Family, FamilySet, Message, Notification, Open, Update};

#[cfg(test)]
mod tests;

const VERSION: u8 = 3;

/// Message types, RFC 7854 §4.1.
mod kind {
    pub(super) const ROUTE_MONITORING: u8 = 0;
    pub(super) const STATISTICS_REPORT: u8 = 1;
    pub(super) const PEER_DOWN: u8 = 2;
    pub(super) const PEER_UP: u8 = 3;
    pub(super) const INITIATION: u8 = 4;
    pub(super) const TERMINATION: u8 = 5;
}

/// The V flag of the per-peer header, §4.2: the peer's address is IPv6.
const IPV6: u8 = 0x80;

/// Information TLVs, §4.4 and §4.5.
const SYSTEM_DESCRIPTION: u16 = 1;
const SYSTEM_NAME: u16 = 2;
const TERMINATION_REASON: u16 = 1;
/// Termination reason: "administratively closed".
const ADMINISTRATIVELY_CLOSED: u16 = 0;

/// Statistics, §4.8 and RFC 8671 §6.2.
mod statistic {
    pub(super) const ADJ_RIB_IN: u16 = 7;
    pub(super) const ADJ_RIB_IN_OF_FAMILY: u16 = 9;
    pub(super) const ADJ_RIB_OUT: u16 = 15;
    pub(super) const ADJ_RIB_OUT_OF_FAMILY: u16 = 17;
}

/// Peer Down reasons, §4.9.
mod down {
    pub(super) const NOTIFICATION_SENT: u8 = 1;
    pub(super) const NOTIFICATION_RECEIVED: u8 = 3;
    pub(super) const CLOSED_WITHOUT: u8 = 4;
    pub(super) const DECONFIGURED: u8 = 5;
}

/// Writes what happened to peers, remembering of each how its UPDATEs are written.
#[derive(Debug, Clone, Default)]
pub struct Encoder {
    peers: BTreeMap<MonitoredId, Sessions>,
}

/// What a peer's two OPENs agreed on.
#[derive(Debug, Clone)]
struct Sessions {
    codec: Codec,
    families: FamilySet,
}

/// The first message on a connection, §4.3.
pub fn encode_initiation(system_name: &str, description: &str, out: &mut BytesMut) {
    message(kind::INITIATION, out, |out| {
        information(SYSTEM_DESCRIPTION, description.as_bytes(), out);
        information(SYSTEM_NAME, system_name.as_bytes(), out);
    });
}

/// The last message on a connection, §4.5: closed on purpose.
pub fn encode_termination(out: &mut BytesMut) {
    message(kind::TERMINATION, out, |out| {
        information(TERMINATION_REASON, &ADMINISTRATIVELY_CLOSED.to_be_bytes(), out);
    });
}

/// A peer's statistics report, §4.8: sizes of its Adj-RIB-In and Adj-RIB-Out, and of each family's. Nothing for a peer
/// that is not Established.
pub fn encode_statistics(peer: &PeerView, at: SystemTime, out: &mut BytesMut) {
    let (State::Established, Some(address), Some(asn), Some(router_id)) =
        (peer.state, peer.address, peer.remote_as, peer.router_id)
    else {
        return;
    };
    let families: Vec<_> = peer.families.iter().filter(|family| family.negotiated).collect();
    let of_each = 2 * families.len();
    message(kind::STATISTICS_REPORT, out, |out| {
        per_peer(&MonitoredId { address, asn, router_id }, Some(at), out);
        out.put_u32(u32::try_from(2 + of_each).unwrap_or(u32::MAX));
        let received = families.iter().map(|family| family.received).sum::<u64>();
        let advertised = families.iter().map(|family| family.advertised).sum::<u64>();
        information(statistic::ADJ_RIB_IN, &received.to_be_bytes(), out);
        information(statistic::ADJ_RIB_OUT, &advertised.to_be_bytes(), out);
        for view in families {
            of_family(statistic::ADJ_RIB_IN_OF_FAMILY, view.family, view.received, out);
            of_family(statistic::ADJ_RIB_OUT_OF_FAMILY, view.family, view.advertised, out);
        }
    });
}

impl Encoder {
    /// Knows no peer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends what tells a collector of this; nothing if it is about a peer that is not up. Without a time, the
    /// collector is told that it is not known (§4.2): in a dump, most of it happened long ago.
    pub fn encode(&mut self, monitored: &Monitored, at: Option<SystemTime>, out: &mut BytesMut) {
        match monitored {
            Monitored::Up(peer) => {
                self.learn(peer);
                message(kind::PEER_UP, out, |out| peer_up(peer, at, out));
            }
            Monitored::Down { peer, reason } => {
                if self.peers.remove(peer).is_some() {
                    message(kind::PEER_DOWN, out, |out| {
                        per_peer(peer, at, out);
                        peer_down(reason, out);
                    });
                }
            }
            Monitored::Routes { peer, update } => {
                if let Some(session) = self.peers.get(peer) {
                    routes(peer, update, &session.codec, at, out);
                }
            }
        }
    }

    /// Takes note of what is told elsewhere.
    pub fn note(&mut self, monitored: &Monitored) {
        match monitored {
            Monitored::Up(peer) => self.learn(peer),
            Monitored::Down { peer, .. } => _ = self.peers.remove(peer),
            Monitored::Routes { .. } => {}
        }
    }

    /// Appends the End-of-RIB markers of every peer that is up (§5): its routes have all been told.
    pub fn encode_ends(&self, out: &mut BytesMut) {
        for (peer, session) in &self.peers {
            for family in session.families.iter() {
                let update = Update { end_of_rib: Some(family), ..Update::default() };
                routes(peer, &update, &session.codec, None, out);
            }
        }
    }

    fn learn(&mut self, peer: &MonitoredPeer) {
        self.peers.insert(peer.peer.clone(), Sessions::between(&peer.sent, &peer.received));
    }
}

impl Sessions {
    fn between(sent: &Open, received: &Open) -> Self {
        let both = |wanted: fn(&Capability) -> bool| {
            sent.capabilities.iter().any(wanted) && received.capabilities.iter().any(wanted)
        };
        // Written for the collector, who is neither end: nothing is left out for being internal, and the identifiers that
        // the peer sends are written as if we sent them.
        let codec = Codec {
            four_octet_as: true,
            external: false,
            extended_messages: both(|it| matches!(it, Capability::ExtendedMessage)),
            extended_next_hop: both(|it| matches!(it, Capability::ExtendedNextHop(_))),
            add_path_receive: FamilySet::default(),
            add_path_send: identified(received, true).intersection(identified(sent, false)),
        };
        Self { codec, families: families(sent).intersection(families(received)) }
    }
}

/// Families that the sender of this OPEN can send (or receive) path identifiers in, RFC 7911 §4.
fn identified(open: &Open, sends: bool) -> FamilySet {
    let lists = open
        .capabilities
        .iter()
        .filter_map(|capability| if let Capability::AddPath(list) = capability { Some(list) } else { None });
    lists.flatten().filter(|it| if sends { it.send } else { it.receive }).map(|it| it.family).collect()
}

fn families(open: &Open) -> FamilySet {
    let named = open.capabilities.iter().filter_map(|capability| {
        if let Capability::MultiProtocol(family) = capability { Some(*family) } else { None }
    });
    let named: Vec<Family> = named.collect();
    // RFC 4760 §8: who says nothing carries IPv4 unicast.
    if named.is_empty() { [Family::Ipv4Unicast].into_iter().collect() } else { named.into_iter().collect() }
}

/// §4.10.
fn peer_up(peer: &MonitoredPeer, at: Option<SystemTime>, out: &mut BytesMut) {
    per_peer(&peer.peer, at, out);
    match peer.local {
        Some(local) => {
            address(local.ip(), out);
            out.put_u16(local.port());
        }
        None => out.put_bytes(0, 18),
    }
    out.put_u16(peer.remote_port);
    bgp(Message::Open(peer.sent.clone()), &Codec::default(), out);
    bgp(Message::Open(peer.received.clone()), &Codec::default(), out);
}

/// §4.9. A session that ended without a word was closed by the other end, as far as anybody can tell.
fn peer_down(reason: &MonitoredDown, out: &mut BytesMut) {
    let (code, notification): (u8, Option<&Notification>) = match reason {
        MonitoredDown::Sent(notification) => (down::NOTIFICATION_SENT, Some(notification)),
        MonitoredDown::Received(notification) => (down::NOTIFICATION_RECEIVED, Some(notification)),
        MonitoredDown::Lost => (down::CLOSED_WITHOUT, None),
        MonitoredDown::Deconfigured => (down::DECONFIGURED, None),
    };
    out.put_u8(code);
    if let Some(notification) = notification {
        bgp(Message::Notification(notification.clone()), &Codec::default(), out);
    }
}

/// §4.6: one UPDATE in each message.
fn routes(peer: &MonitoredId, update: &Update, codec: &Codec, at: Option<SystemTime>, out: &mut BytesMut) {
    let mut updates = BytesMut::new();
    bgp(Message::Update(update.clone()), codec, &mut updates);
    while let Some(length) = updates.get(HEADER_OCTETS - 3..HEADER_OCTETS - 1) {
        let length = length.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
        let one = updates.split_to(length.clamp(1, updates.len()));
        message(kind::ROUTE_MONITORING, out, |out| {
            per_peer(peer, at, out);
            out.put_slice(&one);
        });
    }
}

fn bgp(message: Message, codec: &Codec, out: &mut BytesMut) {
    // What came over a session fits back into it. If ever it did not, it is told as withdrawn: the collector knows less
    // then, and nothing wrong.
    let _ = message.encode(codec, out);
}

/// §4.1: version, length of all of it, type.
fn message(kind: u8, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_u8(VERSION);
    out.put_u32(0);
    out.put_u8(kind);
    body(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start + 1..start + 5) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

/// §4.2: a global instance peer, before policy.
fn per_peer(peer: &MonitoredId, at: Option<SystemTime>, out: &mut BytesMut) {
    out.put_u8(0);
    out.put_u8(if peer.address.is_ipv6() { IPV6 } else { 0 });
    out.put_u64(0);
    address(peer.address, out);
    out.put_u32(peer.asn);
    out.put_slice(&peer.router_id.octets());
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    out.put_u32(u32::try_from(since.as_secs()).unwrap_or(u32::MAX));
    out.put_u32(since.subsec_micros());
}

/// Sixteen octets, IPv4 in the last four.
fn address(address: IpAddr, out: &mut BytesMut) {
    match address {
        IpAddr::V4(v4) => {
            out.put_bytes(0, 12);
            out.put_slice(&v4.octets());
        }
        IpAddr::V6(v6) => out.put_slice(&v6.octets()),
    }
}

/// A TLV; what its length cannot say is cut off.
fn information(kind: u16, value: &[u8], out: &mut BytesMut) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.put_u16(kind);
    out.put_u16(length);
    out.put_slice(value.get(..usize::from(length)).unwrap_or(value));
}

fn of_family(kind: u16, family: Family, gauge: u64, out: &mut BytesMut) {
    let mut value = BytesMut::with_capacity(11);
    value.put_u16(family.afi());
    value.put_u8(family.safi());
    value.put_u64(gauge);
    information(kind, &value, out);
}
