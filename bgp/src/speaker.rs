//! Peers and RIBs as one value. Its owner brings bytes' meaning and time in, and takes what is to be done out.
//!
//! ```text
//! handle(Input, now)          what happened
//! poll_output()               what to do, until None
//! poll_transmit(conn, now)    the next message for a connection whose socket can take it, until None
//! deadline()                  when to call handle(Input::Deadline, now) at the latest
//! view(now), routes(query)    what there is to see
//!
//! peer/          one peer: its dialer, its sessions, what it has been told
//! connection/    one TCP connection: its session, its control messages
//! connections/   inputs about connections
//! sessions/      what sessions want done: establish, learn routes, go down
//! configuration/ inputs from the owner: configuration, own prefixes, resets
//! restart/       RFC 4724, both roles
//! transmit/      messages for sockets that can take them
//! view/          what people see
//! ```
//!
//! Each input is worked off completely, RIB included, before `handle` returns. The same inputs at the same times give
//! the same outputs: nothing here reads a clock, draws a random number or depends on the order of a hash map.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use ipnetwork::IpNetwork;

use crate::config::{Config, GracefulRestart};
use crate::rib::Rib;
use crate::session::State;
use crate::wire::{DecodeError, Family, Message, NextHop};

mod configuration;
mod connection;
mod connections;
mod peer;
mod restart;
mod sessions;
mod transmit;
pub mod view;

#[cfg(test)]
mod tests;

use connection::Connection;
use peer::Peer;
use restart::Synchronisation;
pub use view::{FamilyView, PathView, PeerView, RouteQuery, RouteView, Table, View};

/// A TCP connection; never reused. The shell numbers those that it accepts, from 0 up; the speaker numbers those that
/// it asks for in [`Output::Connect`], from [`FIRST_DIALLED`](Self::FIRST_DIALLED) up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl ConnId {
    /// The lowest number of a connection that the speaker asked for.
    pub const FIRST_DIALLED: Self = Self(1 << 63);
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The whole configuration, first or new. Only sessions whose own settings changed are reset.
    Configure(Config),
    /// The complete set of prefixes that this speaker originates.
    Originate(BTreeSet<IpNetwork>),
    /// A peer connected to us.
    Accepted(ConnId, IpAddr, LocalAddresses),
    /// A connection that [`Output::Connect`] asked for stands.
    Connected(ConnId, LocalAddresses),
    /// A connection that [`Output::Connect`] asked for could not be made.
    ConnectFailed(ConnId, String),
    /// The connection brought a message, or something that is none.
    Received(ConnId, Result<Message, DecodeError>),
    /// The connection is gone.
    Closed(ConnId, String),
    /// The interface towards this peer lost its carrier or went away: do not wait for the hold timer.
    LinkDown(IpAddr),
    /// Drop the session with this peer and start anew (administrative reset).
    Reset(IpAddr),
    /// Ask this peer for all routes of a family again (RFC 2918).
    Refresh(IpAddr, Family),
    /// Time has passed; see [`deadline`](self).
    Deadline,
}

/// Our addresses on the interface of a connection: what can be a next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LocalAddresses {
    /// For IPv4 routes.
    pub v4: Option<Ipv4Addr>,
    /// For IPv6 routes.
    pub v6: Option<Ipv6Addr>,
    /// Sent beside `v6` to peers on the same link.
    pub v6_link_local: Option<Ipv6Addr>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Dial this peer.
    Connect(ConnId, IpAddr),
    /// Send what [`poll_transmit`](self) still has for this connection, then close it.
    Disconnect(ConnId),
    /// The codec of this connection has been negotiated: UPDATEs from now on are read and written with it.
    Codec(ConnId, crate::wire::Codec),
    /// There may be something to transmit on this connection.
    Transmit(ConnId),
    /// Best paths that changed since the last such output; `None` where no path is left. The next hops are the
    /// multipath set, sorted.
    BestPaths(BTreeMap<IpNetwork, Option<BTreeSet<NextHop>>>),
    /// The initial synchronisation is over (RFC 4724 §4.1): all that peers still had for us is in the best paths, so
    /// what is in the kernel and not in them may go. Once per life.
    Synchronised,
    /// A peer changed state, for logs: address, RFC 4271 state name, reason.
    PeerChanged(IpAddr, &'static str, String),
}

/// A BGP speaker.
#[derive(Debug)]
pub struct Speaker {
    config: Config,
    peers: BTreeMap<IpAddr, Peer>,
    connections: BTreeMap<ConnId, Connection>,
    /// Connections of strangers that are yet to be told so.
    rejected: BTreeSet<ConnId>,
    rib: Rib,
    synchronisation: Synchronisation,
    next_dialled: u64,
    outputs: VecDeque<Output>,
    to_transmit: BTreeSet<ConnId>,
}

impl Default for Speaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Speaker {
    /// A speaker that waits for its first [`Input::Configure`].
    #[must_use]
    pub fn new() -> Self {
        let graceful_restart = GracefulRestart {
            enabled: false,
            restart_time: std::time::Duration::ZERO,
            restarting: false,
            deferral_time: std::time::Duration::ZERO,
        };
        Self {
            config: Config {
                local_as: 0,
                router_id: Ipv4Addr::UNSPECIFIED,
                peers: BTreeMap::new(),
                graceful_restart,
                multipath_limit: 1,
            },
            peers: BTreeMap::new(),
            connections: BTreeMap::new(),
            rejected: BTreeSet::new(),
            rib: Rib::default(),
            synchronisation: Synchronisation::default(),
            next_dialled: ConnId::FIRST_DIALLED.0,
            outputs: VecDeque::new(),
            to_transmit: BTreeSet::new(),
        }
    }

    /// Takes in what happened, and works it off.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Configure(config) => self.configure(config, now),
            Input::Originate(prefixes) => self.rib.originate(prefixes, now),
            Input::Accepted(conn, peer, local) => self.accepted(conn, peer, local, now),
            Input::Connected(conn, local) => self.connected(conn, local, now),
            Input::ConnectFailed(conn, why) => self.connect_failed(conn, &why, now),
            Input::Received(conn, message) => self.received(conn, message, now),
            Input::Closed(conn, why) => self.closed(conn, why, now),
            Input::LinkDown(peer) => self.link_down(peer, now),
            Input::Reset(peer) => self.reset(peer, now),
            Input::Refresh(peer, family) => self.refresh(peer, family),
            Input::Deadline => self.fire_timers(now),
        }
        self.synchronise(now);
        self.mark_changes();
    }

    /// What to do next; none when everything is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if self.rib.forwarding_changed() {
            return Some(Output::BestPaths(self.rib.take_forwarding()));
        }
        self.to_transmit.pop_first().map(Output::Transmit)
    }

    /// When to call [`handle`](Self::handle) with [`Input::Deadline`] at the latest; none if only for other inputs.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let peers = self.peers.values().filter_map(Peer::deadline);
        let connections = self.connections.values().filter_map(Connection::deadline);
        peers.chain(connections).chain(self.synchronisation.deadline(&self.config)).min()
    }

    fn fire_timers(&mut self, now: Instant) {
        let due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let connections: Vec<_> =
            self.connections.iter().filter(|(_, c)| due(c.deadline())).map(|(conn, _)| *conn).collect();
        for conn in connections {
            self.drive(conn, crate::session::machine::Event::Timers, now);
        }
        let peers: Vec<_> =
            self.peers.iter().filter(|(_, peer)| due(peer.deadline())).map(|(address, _)| *address).collect();
        for address in peers {
            self.expire_stale(address, now);
            self.dial(address, crate::session::dialer::Event::Timers, "", now);
        }
    }

    /// Passes on to the peers which best paths have changed.
    fn mark_changes(&mut self) {
        for prefix in self.rib.take_best_changed() {
            let family = Family::of(&prefix);
            for peer in self.peers.values_mut() {
                if let Some(conn) = peer.established_conn()
                    && peer.carries(family)
                {
                    peer.adj_out.mark(prefix);
                    self.to_transmit.insert(conn);
                }
            }
        }
    }

    /// Tells the owner if a peer's visible state is another than it was told last.
    fn report(&mut self, address: IpAddr, reason: &str, now: Instant) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let sessions = peer.sessions.iter().filter_map(|conn| self.connections.get(conn));
        let state = sessions.map(|c| c.session.state()).max().unwrap_or(State::Idle).max(peer.dialer.state());
        if state != peer.state {
            peer.state = state;
            peer.state_since = now;
            self.outputs.push_back(Output::PeerChanged(address, state.name(), reason.to_owned()));
        }
    }
}
