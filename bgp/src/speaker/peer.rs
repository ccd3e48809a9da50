//! One configured peer: its dialer, its sessions, what it has been told, and its record.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ConnId;
use super::restart::Helper;
use crate::config::{Export, PeerConfig};
use crate::rib::adj_out::AdjRibOut;
use crate::rib::path::Neighbour;
use crate::session::State;
use crate::session::dialer::Dialer;
use crate::session::jitter::Jitter;
use crate::session::negotiation::Negotiated;
use crate::wire::Family;

/// A peer and everything about it but its routes, which are in the RIB.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) config: PeerConfig,
    pub(super) dialer: Dialer,
    pub(super) jitter: Jitter,
    /// The connection that the shell is making for us.
    pub(super) dialling: Option<ConnId>,
    /// Connections in OpenSent or later.
    pub(super) sessions: BTreeSet<ConnId>,
    pub(super) established: Option<Established>,
    /// A session was Established before: whatever ended it, our forwarding state outlived it.
    pub(super) was_established: bool,
    pub(super) adj_out: AdjRibOut,
    pub(super) helper: Helper,
    pub(super) counters: Counters,
    pub(super) state: State,
    pub(super) state_since: Instant,
    pub(super) last_down: LastDown,
}

/// The session that carries routes.
#[derive(Debug)]
pub(super) struct Established {
    pub(super) conn: ConnId,
    pub(super) since: Instant,
    pub(super) neighbour: Arc<Neighbour>,
    pub(super) negotiated: Negotiated,
    /// Families whose End-of-RIB has come.
    pub(super) end_of_rib: BTreeSet<Family>,
    /// A KEEPALIVE has come since.
    pub(super) kept_alive: bool,
}

/// Why the peering was last down.
#[derive(Debug, Default)]
pub(super) struct LastDown {
    pub(super) reason: String,
    /// It was but an attempt to connect: any better reason is kept in its place.
    pub(super) only_dialling: bool,
}

/// Since the peer was configured.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) messages_received: u64,
    pub(super) messages_sent: u64,
    pub(super) updates_received: u64,
    pub(super) updates_sent: u64,
    pub(super) flaps: u64,
}

impl Peer {
    pub(super) fn new(address: IpAddr, config: PeerConfig, router_id: Ipv4Addr, now: Instant) -> Self {
        let mut jitter = Jitter::new(router_id, address);
        let dialer = Dialer::new(config.passive, config.connect_retry, jitter.fork(), now);
        Self {
            config,
            dialer,
            jitter,
            dialling: None,
            sessions: BTreeSet::new(),
            established: None,
            was_established: false,
            adj_out: AdjRibOut::default(),
            helper: Helper::default(),
            counters: Counters::default(),
            state: State::Idle,
            state_since: now,
            last_down: LastDown::default(),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.dialer.deadline(), self.helper.deadline()].into_iter().flatten().min()
    }

    pub(super) fn established_conn(&self) -> Option<ConnId> {
        self.established.as_ref().map(|established| established.conn)
    }

    /// Whether routes of the family are exchanged now.
    pub(super) fn carries(&self, family: Family) -> bool {
        self.established.as_ref().is_some_and(|established| established.negotiated.families.contains(&family))
    }

    /// Whether it is told others' routes, and hence may have to wait for them.
    pub(super) fn is_told_transit(&self) -> bool {
        match self.config.export {
            Export::All => true,
            Export::Originated => false,
        }
    }

    /// How long the session has been Established, if it is the one on this connection.
    pub(super) fn established_for(&self, conn: ConnId, now: Instant) -> Duration {
        let this = self.established.as_ref().filter(|established| established.conn == conn);
        this.map_or(Duration::ZERO, |established| now.saturating_duration_since(established.since))
    }

    pub(super) fn session_down(&mut self, reason: String) {
        self.last_down = LastDown { reason, only_dialling: false };
    }

    pub(super) fn dial_failed(&mut self, reason: String) {
        if self.last_down.reason.is_empty() || self.last_down.only_dialling {
            self.last_down = LastDown { reason, only_dialling: true };
        }
    }
}
