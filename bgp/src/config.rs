//! What a speaker is told: itself, its peers, and how to treat them.
//!
//! Plain values: comparing two of them tells what a reload changes. Each type's `Default` is the RFCs' default.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use crate::filter::Filter;
use crate::wire::{Community, Family, Role};

/// A speaker's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// This speaker's AS.
    pub local_as: u32,
    /// BGP identifier; never zero.
    pub router_id: Ipv4Addr,
    /// RFC 4456 §7; the router identifier if none.
    pub cluster_id: Option<Ipv4Addr>,
    /// RFC 4456 §6: clients' routes go to other clients as well. Not needed where those have sessions with each other.
    pub client_to_client_reflection: bool,
    /// By key: there is one session to each.
    pub peers: BTreeMap<PeerKey, PeerConfig>,
    /// Peers that are known by their network only, and only ever accepted.
    pub listen_ranges: Vec<ListenRange>,
    /// RFC 4724 for this speaker's own restarts.
    pub graceful_restart: GracefulRestart,
    /// How many equally good paths are used side by side.
    pub multipath: Multipath,
    /// Summaries of own prefixes.
    pub aggregates: BTreeMap<IpNetwork, Aggregate>,
    /// RFC 8326: the node is about to go. Everything announced carries GRACEFUL_SHUTDOWN, and LOCAL_PREF 0 inside the
    /// AS.
    pub graceful_shutdown: bool,
    /// Best paths go to the owner's forwarding table. A reflector beside the data path does without.
    pub forwarding: bool,
    /// What peers say is told to [`Output::Monitored`](crate::speaker::Output::Monitored) (BMP).
    pub monitoring: bool,
}

/// What names a configured peer, and the session with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKey {
    /// By its address.
    Address(IpAddr),
    /// By the interface that it is behind, unnumbered: its link-local address is found by router advertisements.
    Interface(Arc<str>),
}

/// One peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerConfig {
    /// Which AS it may be in.
    pub remote_as: RemoteAs,
    /// Another AS than the speaker's towards this peer.
    pub local_as: Option<LocalAs>,
    /// Administratively down, with what is said to the peer about it (RFC 9003; may be empty).
    pub shutdown: Option<String>,
    /// TCP port to dial.
    pub port: u16,
    /// Source address of the session; the kernel's choice if none.
    pub local_address: Option<IpAddr>,
    /// Never dials.
    pub passive: bool,
    /// How far away it may be.
    pub hops: Hops,
    /// TCP MD5 signature, RFC 2385.
    pub password: Option<Secret>,
    /// TCP Authentication Option, RFC 5925, in the place of a password, which does nothing beside it. Where the kernel
    /// has none there is no session.
    pub tcp_ao: Option<TcpAo>,
    /// How long things may take.
    pub timers: Timers,
    /// Families to carry, and what is taken and told in each.
    pub families: BTreeMap<Family, FamilyConfig>,
    /// RFC 9234.
    pub role: Option<RoleConfig>,
    /// RFC 4456: it is a client of ours. For internal peers.
    pub route_reflector_client: bool,
    /// How often our own AS may be in a path from it.
    pub allow_own_as: u8,
    /// Its own AS is replaced by ours in what it is told, so that sites that share an AS reach each other.
    pub as_override: bool,
    /// What is given as next hop of routes passed on.
    pub next_hop: NextHopMode,
    /// Offer IPv6 next hops for IPv4 prefixes (RFC 8950).
    pub extended_next_hop: bool,
    /// Offer messages of 65,535 octets (RFC 8654).
    pub extended_messages: bool,
    /// RFC 4724 with this peer, in both roles, if the speaker speaks it at all.
    pub graceful_restart: bool,
    /// Watch the way to it by BFD.
    pub bfd: Option<Bfd>,
    /// Interior cost of its routes' next hops (RFC 4271 §9.1.2.2 e); there is no IGP to tell.
    pub cost: u32,
    /// For people.
    pub description: String,
}

/// Which AS a peer may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteAs {
    /// This one.
    Is(u32),
    /// Ours.
    Internal,
    /// Any but ours.
    External,
    /// Any.
    Any,
}

/// An AS that this speaker pretends to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalAs {
    /// Which.
    pub asn: u32,
    /// The speaker's own AS is not put into paths beside it, in either direction.
    pub replace: bool,
}

/// How far away a peer may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hops {
    /// External: on one of our links (TTL 1). Internal: wherever routing finds it.
    #[default]
    Usual,
    /// So many hops at most: outgoing TTL.
    Multihop(u8),
    /// RFC 5082: TTL 255 out, and whatever came further than so many hops is not heard. 1 is a neighbour.
    Security(u8),
}

/// A password, kept out of logs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(pub Arc<str>);

/// A master key tuple of the TCP Authentication Option, RFC 5925 §3.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpAo {
    /// KeyID of what is sent: the peer's `receive_id`.
    pub send_id: u8,
    /// KeyID of what is received: the peer's `send_id`.
    pub receive_id: u8,
    /// Of both the signatures and the traffic keys.
    pub algorithm: TcpAoAlgorithm,
    /// The master key: 1 to 80 octets.
    pub secret: Secret,
}

/// The algorithms that RFC 5926 demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpAoAlgorithm {
    /// HMAC-SHA-1-96 with KDF_HMAC_SHA1.
    HmacSha1,
    /// AES-128-CMAC-96 with KDF_AES_128_CMAC.
    CmacAes128,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Proposed hold time: 0, or at least 3 s.
    pub hold: Duration,
    /// A third of the negotiated hold time if none.
    pub keepalive: Option<Duration>,
    /// Between attempts to connect, before jitter.
    pub connect_retry: Duration,
    /// RFC 9687: how long a peer may take nothing from us; 8 min or twice the hold time if none, zero for ever.
    pub send_hold: Option<Duration>,
}

/// One family with one peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FamilyConfig {
    /// What is taken.
    pub import: Policy,
    /// What is told.
    pub export: Policy,
    /// How many prefixes it may announce.
    pub max_prefixes: Option<MaxPrefixes>,
    /// RFC 7911: take several paths to a prefix.
    pub add_path_receive: bool,
    /// RFC 7911: tell several paths to a prefix; more than one offers the capability.
    pub add_path_send: SendPaths,
    /// RFC 9494: keep its routes so long beyond its restart time, and ask it for the same; zero for not.
    pub long_lived_stale_time: Duration,
}

/// Which routes pass, one way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Policy {
    /// Nobody said: everything with an internal peer, nothing with an external one (RFC 8212).
    #[default]
    Unset,
    /// Everything.
    Accept,
    /// Nothing.
    Reject,
    /// Export alone: what this speaker originates. A leaf is no transit.
    Originated,
    /// What the filter says.
    Filter(Arc<Filter>),
}

/// How many paths a peer is told, RFC 7911.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SendPaths {
    /// The best one, without path identifiers.
    #[default]
    Best,
    /// The best ones, so many at most.
    Limit(u16),
    /// All.
    All,
}

/// A limit on a peer's prefixes of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPrefixes {
    /// Rejected ones count as well: they take memory.
    pub limit: u32,
    /// Say so when this share of the limit is passed, in percent.
    pub warn_percent: u8,
    /// What happens beyond the limit.
    pub beyond: Beyond,
}

/// What happens to a peer with too many prefixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// It is said, no more.
    Warn,
    /// The session ends (Cease, Maximum Number of Prefixes) until somebody resets it.
    Idle,
    /// The session ends and is tried again after this long.
    Restart(Duration),
}

/// RFC 9234 with one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleConfig {
    /// Ours.
    pub role: Role,
    /// A peer that does not say its own is refused.
    pub strict: bool,
}

/// What is given as next hop of routes passed on (RFC 4271 §5.1.3). Own prefixes always have ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NextHopMode {
    /// Internal peers: what was received. External ones: ourselves, unless the next hop is on the link that we share
    /// with the peer (a third party).
    #[default]
    Usual,
    /// Ourselves.
    Itself,
    /// What was received.
    Unchanged,
}

/// BFD for one peer, RFC 5880.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bfd {
    /// Desired Min TX Interval.
    pub transmit_interval: Duration,
    /// Required Min RX Interval.
    pub receive_interval: Duration,
    /// Detect Mult.
    pub multiplier: u8,
    /// RFC 5883 instead of RFC 5881.
    pub multihop: bool,
}

/// Peers that are known by their network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenRange {
    /// Where they connect from.
    pub network: IpNetwork,
    /// So many at a time.
    pub limit: u32,
    /// What each of them is; passive whatever it says.
    pub peer: PeerConfig,
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
    /// How long a peer that is back may take to announce its routes again.
    pub stale_time: Duration,
    /// RFC 8538: routes are kept over NOTIFICATIONs too, but for a Hard Reset.
    pub notification: bool,
}

/// How many equally good paths are used side by side; 1 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multipath {
    /// Of external peers.
    pub external: usize,
    /// Of internal peers.
    pub internal: usize,
    /// AS paths need only be equally long. Otherwise the neighbouring AS has to be the same as well.
    pub relaxed_as_path: bool,
}

/// A summary, originated while at least one of our own prefixes lies in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aggregate {
    /// What lies in it is not announced by itself.
    pub summary_only: bool,
}

/// Why this speaker originates a prefix, for filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Source {
    /// A block of pod addresses.
    #[default]
    Block,
    /// The node itself.
    Node,
    /// A service.
    Service,
    /// A summary.
    Aggregate,
}

/// A prefix that this speaker originates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Origination {
    /// Why.
    pub source: Source,
    /// What it is announced with.
    pub communities: BTreeSet<Community>,
}

/// Where the shell listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Every address to accept sessions on.
    pub addresses: Vec<SocketAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            local_as: 0,
            router_id: Ipv4Addr::UNSPECIFIED,
            cluster_id: None,
            client_to_client_reflection: true,
            peers: BTreeMap::new(),
            listen_ranges: Vec::new(),
            graceful_restart: GracefulRestart::default(),
            multipath: Multipath::default(),
            aggregates: BTreeMap::new(),
            graceful_shutdown: false,
            forwarding: true,
            monitoring: false,
        }
    }
}

impl Default for GracefulRestart {
    fn default() -> Self {
        Self {
            enabled: true,
            restart_time: Duration::from_secs(120),
            restarting: false,
            deferral_time: Duration::from_secs(30),
            stale_time: Duration::from_secs(360),
            notification: true,
        }
    }
}

impl Default for Multipath {
    fn default() -> Self {
        Self { external: 1, internal: 1, relaxed_as_path: true }
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(90),
            keepalive: None,
            connect_retry: Duration::from_secs(5),
            send_hold: None,
        }
    }
}

impl PeerConfig {
    /// A peer in this AS with everything as usual, both families, and no policy.
    #[must_use]
    pub fn new(remote_as: RemoteAs) -> Self {
        Self {
            remote_as,
            local_as: None,
            shutdown: None,
            port: 179,
            local_address: None,
            passive: false,
            hops: Hops::Usual,
            password: None,
            tcp_ao: None,
            timers: Timers::default(),
            families: Family::ALL.into_iter().map(|family| (family, FamilyConfig::default())).collect(),
            role: None,
            route_reflector_client: false,
            allow_own_as: 0,
            as_override: false,
            next_hop: NextHopMode::Usual,
            extended_next_hop: false,
            extended_messages: true,
            graceful_restart: true,
            bfd: None,
            cost: 0,
            description: String::new(),
        }
    }

    /// The same with one policy each way in every family.
    #[must_use]
    pub fn with_policy(mut self, import: &Policy, export: &Policy) -> Self {
        for family in self.families.values_mut() {
            family.import = import.clone();
            family.export = export.clone();
        }
        self
    }
}

impl From<IpAddr> for PeerKey {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Interface(interface) => f.pad(interface),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
