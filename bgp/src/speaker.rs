//! Peers and RIBs as one value. Its owner brings bytes' meaning and time in, and takes what is to be done out.
//!
//! ```text
//! handle(Input, now)          what happened
//! poll_output()               what to do, until None
//! poll_transmit(conn, now)    the next octets for a connection whose socket has taken everything before, until None
//! deadline()                  when to call handle(Input::Deadline, now) at the latest
//! view(now), routes(query), why(prefix)   what there is to see
//! ```
//!
//! ```text
//! configuration  neighbours     what is wanted, and who it is           ─► peers
//! connections ─► sessions       what comes from sockets, what it means  ─► RIB
//! membership  transmit          routes out of the RIB, onto sockets
//! restart  limits  refresh  path_watch   what may happen to a peer meanwhile
//! view  monitor                 what is seen of it all
//! ```
//!
//! Each input is worked off completely, RIB included, before `handle` returns. The same inputs at the same times give
//! the same outputs: nothing here reads a clock, draws a random number or depends on the order of a hash map.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use ipnetwork::IpNetwork;

use crate::bfd;
use crate::config::{Config, Origination, PeerKey};
use crate::rib::{Hops, Rib};
use crate::session::machine::Cease;
use crate::session::{State, dialer, machine};
use crate::wire::{Codec, DecodeError, Family, Message, Open, Update};

mod configuration;
mod connection;
mod connections;
mod limits;
mod membership;
mod monitor;
mod neighbours;
mod path_watch;
mod peer;
mod proposal;
mod refresh;
mod restart;
mod sessions;
mod timers;
mod transmit;
pub mod view;

#[cfg(test)]
mod tests;

use connection::Connection;
use peer::{Peer, PeerId, Peers};
use restart::Synchronisation;
use timers::{Timed, Timers};

/// Hold, send hold, keepalive.
const SESSION_TIMERS: usize = 3;
/// Prefixes in one [`Output::BestPaths`] at most.
const FORWARDING_CHUNK: usize = 4096;

pub use view::{PeerView, RouteQuery, RouteView, Table, View, Why};

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
    /// The whole configuration, first or new. Only sessions whose own settings demand it are reset.
    Configure(Box<Config>),
    /// The complete set of prefixes that this speaker originates.
    Originate(BTreeMap<IpNetwork, Origination>),
    /// Somebody connected to us.
    Accepted(ConnId, Endpoint, LocalAddresses),
    /// A connection that [`Output::Connect`] asked for stands.
    Connected(ConnId, LocalAddresses),
    /// A connection that [`Output::Connect`] asked for could not be made.
    ConnectFailed(ConnId, String),
    /// The connection brought a message, or something that is none.
    Received(ConnId, Result<Message, DecodeError>),
    /// The connection is gone.
    Closed(ConnId, String),
    /// The link towards this peer lost its carrier or went away: do not wait for the hold timer.
    LinkDown(PeerKey),
    /// A router advertisement was heard on an interface that an unnumbered peer is behind.
    Discovered(Arc<str>, Ipv6Addr),
    /// BFD says so of a session that [`Output::WatchPeer`] asked for.
    Bfd(PeerKey, bfd::Report),
    /// What people do to a peer.
    Reset(PeerKey, Reset),
    /// Time has passed; see [`deadline`](Speaker::deadline).
    Deadline,
}

/// The far end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub address: IpAddr,
    /// The interface that a link-local address is on.
    pub interface: Option<Arc<str>>,
}

/// What people do to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reset {
    /// End the session and start anew, with a word to the peer (RFC 9003). Ends a rest after errors as well.
    Hard(Option<String>),
    /// Judge its routes anew, and ask it for all of them again.
    SoftIn(Option<Family>),
    /// Tell it everything again.
    SoftOut(Option<Family>),
}

/// Our addresses on the interface of a connection: what can be a next hop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalAddresses {
    /// For IPv4 routes.
    pub v4: Option<Ipv4Addr>,
    /// For IPv6 routes, and IPv4 ones by RFC 8950.
    pub v6: Option<Ipv6Addr>,
    /// Sent beside `v6` to peers on the same link.
    pub v6_link_local: Option<Ipv6Addr>,
    /// The networks of the interface: next hops in them are on the link that we share with the peer.
    pub subnets: Vec<IpNetwork>,
    /// Our end of the connection: address and port, for BMP and BFD.
    pub local: Option<std::net::SocketAddr>,
    /// The peer's port.
    pub remote_port: u16,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Dial this peer, at this address.
    Connect(ConnId, PeerKey, Endpoint),
    /// Send what [`poll_transmit`](Speaker::poll_transmit) still has for this connection, then close it.
    Disconnect(ConnId),
    /// The codec of this connection has been negotiated: messages are read with it from now on.
    Codec(ConnId, Codec),
    /// There may be something to transmit on this connection.
    Transmit(ConnId),
    /// Best paths that changed since the last such output; `None` where no path is left. The next hops are the
    /// multipath set.
    BestPaths(BTreeMap<IpNetwork, Option<Hops>>),
    /// The initial synchronisation is over (RFC 4724 §4.1): all that peers still had for us is in the best paths, so
    /// what is in the kernel and not in them may go. Once per life.
    Synchronised,
    /// Start or change the BFD session towards a peer; with none, end it.
    WatchPeer(PeerKey, Option<bfd::Watch>),
    /// Something that people and logs want to know.
    Notice(Notice),
    /// What peers said, for BMP; only if [`Config::monitoring`] is set.
    Monitored(Monitored),
}

/// Something that people want to know of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which peer.
    pub peer: PeerKey,
    /// What.
    pub kind: NoticeKind,
}

/// What happened to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeKind {
    /// RFC 4271 state, and why.
    State {
        /// The state it is in now.
        state: State,
        /// One sentence.
        reason: String,
    },
    /// An UPDATE had errors that RFC 7606 lets the session survive.
    Malformed(String),
    /// A limit on prefixes is near, or passed.
    Prefixes {
        /// Of which family.
        family: Family,
        /// How many there are.
        count: u32,
        /// How many there may be.
        limit: u32,
    },
    /// A family's routes are kept over a restart of the peer, or no longer.
    Stale {
        /// Which.
        family: Family,
        /// Routes kept.
        count: u32,
        /// RFC 9494.
        long_lived: bool,
    },
    /// The way to the peer, as BFD sees it.
    Bfd(bfd::State),
}

/// What BMP tells of a peer (RFC 7854).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are routes, which a box would only make slower"
)]
pub enum Monitored {
    /// Established.
    Up(Box<MonitoredPeer>),
    /// No longer.
    Down {
        /// Who.
        peer: MonitoredId,
        /// What ended it.
        reason: MonitoredDown,
    },
    /// It announced and withdrew (Adj-RIB-In, before policy).
    Routes {
        /// Who.
        peer: MonitoredId,
        /// As it came.
        update: Update,
    },
}

/// RFC 7854 §4.2: which peer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonitoredId {
    /// Its address.
    pub address: IpAddr,
    /// Its AS.
    pub asn: u32,
    /// Its BGP identifier.
    pub router_id: Ipv4Addr,
}

/// RFC 7854 §4.10: Peer Up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitoredPeer {
    /// Who.
    pub peer: MonitoredId,
    /// Our end.
    pub local: Option<std::net::SocketAddr>,
    /// Its port.
    pub remote_port: u16,
    /// Our OPEN.
    pub sent: Open,
    /// Its OPEN.
    pub received: Open,
}

/// RFC 7854 §4.9: Peer Down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MonitoredDown {
    /// 1: we sent this.
    Sent(crate::wire::Notification),
    /// 3: the peer sent this.
    Received(crate::wire::Notification),
    /// 2, 4: without a NOTIFICATION.
    Lost,
    /// 5: it is configured no longer.
    Deconfigured,
}

/// A BGP speaker.
#[derive(Debug, Default)]
pub struct Speaker {
    config: Config,
    originated: BTreeMap<IpNetwork, Origination>,
    /// Link-local addresses of routers that were heard, by interface.
    discovered: BTreeMap<Arc<str>, Ipv6Addr>,
    peers: Peers,
    connections: BTreeMap<ConnId, Connection>,
    /// Connections that the shell is making.
    dials: BTreeMap<ConnId, PeerId>,
    /// Connections of strangers that are yet to be told so.
    rejected: BTreeSet<ConnId>,
    rib: Rib,
    synchronisation: Synchronisation,
    timers: Timers,
    dialled: u64,
    outputs: VecDeque<Output>,
    to_transmit: BTreeSet<ConnId>,
}

impl Speaker {
    /// A speaker that waits for its first [`Input::Configure`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what happened, and works it off.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Configure(config) => self.configure(*config, now),
            Input::Originate(prefixes) => {
                self.originated = prefixes;
                self.rib.originate(&self.originated, &self.config.aggregates, now);
            }
            Input::Accepted(conn, endpoint, local) => self.accepted(conn, &endpoint, local, now),
            Input::Connected(conn, local) => self.connected(conn, local, now),
            Input::ConnectFailed(conn, why) => self.connect_failed(conn, &why, now),
            Input::Received(conn, message) => self.received(conn, message, now),
            Input::Closed(conn, why) => self.closed(conn, why, now),
            Input::LinkDown(key) => self.with_peer(&key, |speaker, id| speaker.link_down(id, now)),
            Input::Discovered(interface, address) => self.discovered(&interface, address, now),
            Input::Bfd(key, report) => {
                self.with_peer(&key, |speaker, id| speaker.path_changed(id, report, now));
            }
            Input::Reset(key, reset) => self.with_peer(&key, |speaker, id| speaker.reset(id, reset, now)),
            Input::Deadline => self.fire_timers(now),
        }
        self.drop_overrun(now);
        self.synchronise(now);
    }

    /// What is said of somebody who is no peer any more concerns nobody.
    fn with_peer(&mut self, key: &PeerKey, act: impl FnOnce(&mut Self, PeerId)) {
        if let Some(id) = self.peers.id(key) {
            act(self, id);
        }
    }

    /// What to do next; none when everything is done.
    ///
    /// Who has something to transmit is looked up when all else is done, once for all inputs before: many peers that
    /// announce at the same time do not cost a look at every peer each.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if self.rib.forwarding_changed() {
            return Some(Output::BestPaths(self.rib.take_forwarding(FORWARDING_CHUNK)));
        }
        if self.to_transmit.is_empty() {
            self.note_pending();
        }
        self.to_transmit.pop_first().map(Output::Transmit)
    }

    /// When to call [`handle`](Self::handle) with [`Input::Deadline`] at the latest; none if only for other inputs.
    /// It may turn out that nothing was due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn fire_timers(&mut self, now: Instant) {
        for timed in self.timers.take_due(now) {
            match timed {
                Timed::Connection(conn) => self.fire_connection(conn, now),
                Timed::Peer(id) => self.fire_peer(id, now),
                Timed::Synchronisation => self.synchronisation.look_again(),
            }
        }
    }

    fn fire_connection(&mut self, conn: ConnId, now: Instant) {
        let due = |speaker: &Self| {
            let deadline =
                speaker.connections.get(&conn).and_then(|connection| connection.session.deadline());
            deadline.is_some_and(|deadline| deadline <= now)
        };
        // One step works off one of the session's timers.
        for _ in 0..SESSION_TIMERS {
            if due(self) {
                self.drive(conn, machine::Event::Timers, now);
            }
        }
        self.arm_connection(conn);
    }

    fn fire_peer(&mut self, id: PeerId, now: Instant) {
        self.expire_stale(id, now);
        self.dial(id, dialer::Event::Timers, "", now);
        self.retire(id, now);
    }

    /// Tells the owner if a peer's visible state is another than it was told last, and sees to its next deadline.
    fn report(&mut self, id: PeerId, reason: &str, now: Instant) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let sessions = peer.sessions.iter().filter_map(|conn| self.connections.get(conn));
        let state = sessions.map(|c| c.session.state()).max().unwrap_or(State::Idle);
        let state = state.max(peer.dialer.state());
        let deadline = peer.deadline();
        if state != peer.state {
            peer.state = state;
            peer.state_since = now;
            self.notice(id, NoticeKind::State { state, reason: reason.to_owned() });
        }
        self.timers.arm(Timed::Peer(id), deadline);
    }

    fn notice(&mut self, id: PeerId, kind: NoticeKind) {
        if let Some(peer) = self.peers.get(id) {
            self.outputs.push_back(Output::Notice(Notice { peer: peer.key.clone(), kind }));
        }
    }
}
