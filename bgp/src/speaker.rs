//! Peers and RIBs as one value. Its owner brings bytes' meaning and time in, and takes what is to be done out.
//!
//! ```text
//! handle(Input, now)          what happened
//! poll_output()               what to do, until None
//! poll_transmit(conn, now)    the next message for a connection whose socket can take it, until None
//! deadline()                  when to call handle(Input::Deadline, now) at the latest
//! view(now), routes(query)    what there is to see
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use ipnetwork::IpNetwork;

use crate::config::Config;
use crate::wire::{DecodeError, Message, NextHop};

/// A TCP connection, numbered by the shell; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

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

/// Placeholder for the clock type in this contract.
pub type Now = Instant;
