//! What a speaker is told: itself, its peers, and how to treat them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::wire::Family;

/// A speaker's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// This speaker's AS.
    pub local_as: u32,
    /// BGP identifier; never zero.
    pub router_id: Ipv4Addr,
    /// By address: there is one session to each.
    pub peers: BTreeMap<IpAddr, PeerConfig>,
    /// RFC 4724 for this speaker's own restarts.
    pub graceful_restart: GracefulRestart,
    /// How many equally good paths are used side by side; 1 for none.
    pub multipath_limit: usize,
}

/// How a restart of this speaker is announced and recovered from (RFC 4724).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GracefulRestart {
    /// Advertise the capability, and keep restarting peers' routes.
    pub enabled: bool,
    /// What peers are told to wait for this speaker; at most 4095 s.
    pub restart_time: Duration,
    /// This process follows one whose routes are still in the kernel: the R and F bits are set until the
    /// initial synchronisation is over.
    pub restarting: bool,
    /// The longest wait for the peers' End-of-RIB after a restart before the table is taken as complete.
    pub deferral_time: Duration,
}

/// One peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// Its AS; internal if equal to ours.
    pub remote_as: u32,
    /// TCP port to dial.
    pub port: u16,
    /// Source address of the session; the kernel's choice if none.
    pub local_address: Option<IpAddr>,
    /// Proposed hold time: 0, or at least 3 s.
    pub hold_time: Duration,
    /// Between attempts to connect, before jitter.
    pub connect_retry: Duration,
    /// Never dials.
    pub passive: bool,
    /// IP TTL of an external session is 1 unless this says more (multihop).
    pub ttl: Option<u8>,
    /// Families to carry.
    pub families: Vec<Family>,
    /// What it is sent.
    pub export: Export,
    /// Next hop of routes passed on to an internal peer: ourselves instead of the one received.
    pub next_hop_self: bool,
    /// For people.
    pub description: String,
}

/// Which routes a peer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// Only those that this speaker originates: a leaf is no transit.
    Originated,
    /// Everything that RFC 4271 §9.2 allows.
    All,
}

/// Where the shell listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Every address to accept sessions on.
    pub addresses: Vec<SocketAddr>,
}
