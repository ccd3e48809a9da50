//! One peer: its settings, its dialer, its sessions, and its record. Its routes are in the RIB.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use super::limits::Level;
use super::restart::Helper;
use super::view::Counters;
use super::{ConnId, Endpoint};
use crate::bfd;
use crate::config::{Config, PeerConfig, PeerKey, Policy};
use crate::rib::{MemberId, Neighbour, SourceId};
use crate::session::State;
use crate::session::dialer::{self, Dialer};
use crate::session::jitter::Jitter;
use crate::session::negotiation::Negotiated;
use crate::wire::{Family, FamilySet};

/// A peer's number here; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PeerId(u32);

/// A peer and everything about it but its routes.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) key: PeerKey,
    pub(super) config: PeerConfig,
    /// The listen range that it came by.
    pub(super) range: Option<IpNetwork>,
    /// Where it is; none while an unnumbered peer has not been found.
    pub(super) endpoint: Option<Endpoint>,
    pub(super) dialer: Dialer,
    pub(super) jitter: Jitter,
    /// The connection that the shell is making for us.
    pub(super) dialling: Option<ConnId>,
    /// Connections in OpenSent or later.
    pub(super) sessions: BTreeSet<ConnId>,
    pub(super) established: Option<Established>,
    /// A session was Established before: whatever ended it, our forwarding state outlived it.
    pub(super) was_established: bool,
    pub(super) source: Option<Source>,
    pub(super) helper: Helper,
    pub(super) levels: BTreeMap<Family, Level>,
    pub(super) watch: Option<bfd::Watch>,
    pub(super) bfd: Option<bfd::State>,
    pub(super) counters: Counters,
    /// When a malformed UPDATE was last said, and how many have come since.
    pub(super) malformed: Option<(Instant, u64)>,
    pub(super) state: State,
    pub(super) state_since: Instant,
    pub(super) last_down: LastDown,
}

/// The session that carries routes.
#[derive(Debug)]
pub(super) struct Established {
    pub(super) conn: ConnId,
    pub(super) since: Instant,
    pub(super) source: SourceId,
    pub(super) negotiated: Negotiated,
    /// By family: what the peer is told.
    pub(super) members: BTreeMap<Family, MemberId>,
    /// The family whose turn it is to be told.
    pub(super) turn: Family,
    /// Families whose End-of-RIB has come.
    pub(super) end_of_rib: FamilySet,
    /// A KEEPALIVE has come since.
    pub(super) kept_alive: bool,
}

/// The peer as sender of routes.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) id: SourceId,
    pub(super) neighbour: Neighbour,
    /// Our addresses on the last connection.
    pub(super) addresses: Vec<IpAddr>,
}

/// Why the peering was last down.
#[derive(Debug, Default)]
pub(super) struct LastDown {
    pub(super) reason: String,
    pub(super) at: Option<Instant>,
    /// It was but an attempt that came to nothing, and nobody said why: any better reason is kept in its place.
    pub(super) only_attempted: bool,
}

impl Peer {
    pub(super) fn new(key: PeerKey, config: PeerConfig, router_id: Ipv4Addr, now: Instant) -> Self {
        let mut jitter = Jitter::new(router_id, seed(&key));
        let mut dialer = Dialer::new(config.passive, config.timers.connect_retry, jitter.fork(), now);
        if config.shutdown.is_some() {
            dialer.on(dialer::Event::Shutdown, now);
        }
        let endpoint = match &key {
            PeerKey::Address(address) => Some(Endpoint { address: *address, interface: None }),
            PeerKey::Interface(_) => {
                dialer.on(dialer::Event::Missing, now);
                None
            }
        };
        Self {
            key,
            config,
            range: None,
            endpoint,
            dialer,
            jitter,
            dialling: None,
            sessions: BTreeSet::new(),
            established: None,
            was_established: false,
            source: None,
            helper: Helper::default(),
            levels: BTreeMap::new(),
            watch: None,
            bfd: None,
            counters: Counters::default(),
            malformed: None,
            state: State::Idle,
            state_since: now,
            last_down: LastDown::default(),
        }
    }

    /// Nobody expects it to come: it is administratively down, or rests until somebody resets it.
    pub(super) fn is_out(&self) -> bool {
        !self.dialer.accepts() && self.dialer.deadline().is_none()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.dialer.deadline(), self.helper.deadline()].into_iter().flatten().min()
    }

    /// Our AS towards it.
    pub(super) fn local_as(&self, config: &Config) -> u32 {
        self.config.local_as.map_or(config.local_as, |local_as| local_as.asn)
    }

    pub(super) fn established_conn(&self) -> Option<ConnId> {
        self.established.as_ref().map(|established| established.conn)
    }

    /// Whether it is told others' routes, and hence may have to wait for them. This is what the RIB holds back by.
    pub(super) fn is_told_transit(&self) -> bool {
        self.config.families.values().any(|family| match family.export {
            Policy::Originated | Policy::Reject => false,
            Policy::Unset | Policy::Accept | Policy::Filter(_) => true,
        })
    }

    /// How long the session has been Established, if it is the one on this connection.
    pub(super) fn established_for(&self, conn: ConnId, now: Instant) -> Duration {
        let this = self.established.as_ref().filter(|established| established.conn == conn);
        this.map_or(Duration::ZERO, |established| now.saturating_duration_since(established.since))
    }

    /// A session that stood is over, or one end said why there is none.
    pub(super) fn session_down(&mut self, reason: String, now: Instant) {
        self.last_down = LastDown { reason, at: Some(now), only_attempted: false };
    }

    /// A connection that could not be made, or went before there was a session on it. Whoever shut the peer down with
    /// words takes our next connection perhaps, and closes it: the words are what people want to read.
    pub(super) fn attempt_failed(&mut self, reason: String, now: Instant) {
        if self.last_down.reason.is_empty() || self.last_down.only_attempted {
            self.last_down = LastDown { reason, at: Some(now), only_attempted: true };
        }
    }
}

/// All peers, by number and by key.
#[derive(Debug, Default)]
pub(super) struct Peers {
    peers: BTreeMap<PeerId, Peer>,
    keys: BTreeMap<PeerKey, PeerId>,
    next: u32,
}

impl Peers {
    pub(super) fn id(&self, key: &PeerKey) -> Option<PeerId> {
        self.keys.get(key).copied()
    }

    pub(super) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(&id)
    }

    pub(super) fn insert(&mut self, peer: Peer) -> PeerId {
        let id = PeerId(self.next);
        self.next = self.next.wrapping_add(1);
        self.keys.insert(peer.key.clone(), id);
        self.peers.insert(id, peer);
        id
    }

    pub(super) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        let peer = self.peers.remove(&id)?;
        self.keys.remove(&peer.key);
        Some(peer)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        self.peers.iter().map(|(id, peer)| (*id, peer))
    }

    pub(super) fn by_key(&self) -> impl Iterator<Item = &Peer> {
        self.keys.values().filter_map(|id| self.peers.get(id))
    }

    /// As they are now, so that each may be changed in turn.
    pub(super) fn ids(&self) -> Vec<PeerId> {
        self.keys.values().copied().collect()
    }
}

/// What tells the jitter of one peer from that of another.
fn seed(key: &PeerKey) -> IpAddr {
    match key {
        PeerKey::Address(address) => *address,
        PeerKey::Interface(interface) => {
            let mut octets = [0; 16];
            for (index, octet) in interface.bytes().enumerate() {
                if let Some(slot) = octets.get_mut(index % 16) {
                    *slot ^= octet;
                }
            }
            Ipv6Addr::from(octets).into()
        }
    }
}
