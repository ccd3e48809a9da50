//! What people and programs see of a speaker: peers with the state of their sessions, routes with the reasons for their
//! fate.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnetwork::IpNetwork;

use crate::bfd;
use crate::config::PeerKey;
use crate::rib::Sizes;
use crate::session::State;
use crate::wire::{Attributes, Family, NextHop, Role};

mod peers;
mod routes;
mod why;

/// The speaker and its peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// This speaker's AS.
    pub local_as: u32,
    /// This speaker's BGP identifier.
    pub router_id: Ipv4Addr,
    /// RFC 4456.
    pub cluster_id: Ipv4Addr,
    /// The initial synchronisation is over.
    pub synchronised: bool,
    /// By key; dynamic ones as well.
    pub peers: Vec<PeerView>,
    /// How much there is of what.
    pub sizes: Sizes,
}

/// A peer and its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// What names it.
    pub key: PeerKey,
    /// Its address; none while an unnumbered peer has not been found.
    pub address: Option<IpAddr>,
    /// The interface of an unnumbered peer.
    pub interface: Option<String>,
    /// It came by a listen range.
    pub dynamic: bool,
    /// Its AS: as its OPEN said, else as configured; none if any would do and it has not said.
    pub remote_as: Option<u32>,
    /// Ours towards it.
    pub local_as: u32,
    /// It is a reflector's client.
    pub route_reflector_client: bool,
    /// Administratively down, and what was said about it.
    pub shutdown: Option<String>,
    /// RFC 4271 §8.2.2; of several connections, the one that has got furthest.
    pub state: State,
    /// How long in this state.
    pub state_age: Duration,
    /// Why the session was last down, one sentence; empty if it never was. An attempt that ends without a word does not
    /// take the place of a better reason.
    pub last_down_reason: String,
    /// How long ago that was; none if it never was.
    pub last_down_age: Option<Duration>,
    /// The peer's BGP identifier, while Established.
    pub router_id: Option<Ipv4Addr>,
    /// Negotiated; zero while not Established.
    pub hold_time: Duration,
    /// Negotiated, before jitter; zero while not Established.
    pub keepalive: Duration,
    /// Until the hold timer expires, if it runs.
    pub hold_remaining: Option<Duration>,
    /// Until the next attempt to connect, if one waits.
    pub retry_in: Option<Duration>,
    /// Capabilities that both ends sent, while Established.
    pub capabilities: Vec<String>,
    /// Our role, RFC 9234.
    pub role: Option<Role>,
    /// Configured families.
    pub families: Vec<FamilyView>,
    /// What has passed since it was configured.
    pub counters: Counters,
    /// As configured.
    pub description: String,
    /// The peer's routes are kept while it restarts (RFC 4724, RFC 9494).
    pub stale: bool,
    /// None if it is not watched.
    pub bfd: Option<bfd::State>,
}

/// What has passed on a peer's sessions since it was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// All messages, malformed ones included.
    pub messages_received: u64,
    /// All messages.
    pub messages_sent: u64,
    /// UPDATEs among them.
    pub updates_received: u64,
    /// UPDATEs among them.
    pub updates_sent: u64,
    /// NOTIFICATIONs among them.
    pub notifications_received: u64,
    /// NOTIFICATIONs among them.
    pub notifications_sent: u64,
    /// ROUTE-REFRESHes among them.
    pub refreshes_received: u64,
    /// Octets handed to the socket.
    pub octets_sent: u64,
    /// Attribute errors that were survived (RFC 7606).
    pub update_errors: u64,
    /// Times that an Established session went down.
    pub flaps: u64,
}

/// One family of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FamilyView {
    /// Which.
    pub family: Family,
    /// Both ends carry it in the session that is Established.
    pub negotiated: bool,
    /// Routes received.
    pub received: u64,
    /// Received and usable.
    pub accepted: u64,
    /// Received and left out: by loops or policy.
    pub rejected: u64,
    /// Kept over a restart.
    pub stale: u64,
    /// Routes that the peer was told.
    pub advertised: u64,
    /// How many it may announce.
    pub limit: Option<u32>,
    /// The peer has sent all it had (RFC 4724 §2).
    pub end_of_rib_received: bool,
    /// Nothing is told of this family: we have no address of it on the connection, hence no next hop.
    pub no_next_hop: bool,
    /// Nothing is taken: an external peer without import policy (RFC 8212).
    pub no_import_policy: bool,
    /// Nothing is told: an external peer without export policy (RFC 8212).
    pub no_export_policy: bool,
}

/// Which table to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// The Loc-RIB, with unusable routes beside the candidates.
    LocRib,
    /// What a peer announced.
    AdjRibIn,
    /// What a peer was told.
    AdjRibOut,
}

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteQuery {
    /// Where.
    pub table: Table,
    /// Whose Adj-RIB; without it, of all peers. In the Loc-RIB: only paths of this peer.
    pub peer: Option<PeerKey>,
    /// Only this family.
    pub family: Option<Family>,
    /// Only these prefixes.
    pub prefix: Option<(IpNetwork, Match)>,
    /// Only routes that are unusable.
    pub rejected: bool,
    /// So many prefixes at most; the rest is left out.
    pub limit: usize,
}

/// Which prefixes a query's prefix means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// Itself.
    Exact,
    /// Itself and all inside.
    Longer,
    /// Itself and all around: what a packet could follow.
    Shorter,
}

/// A prefix and its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteView {
    /// Which.
    pub prefix: IpNetwork,
    /// Best first, then those used beside it, then by peer.
    pub paths: Vec<PathView>,
}

/// A path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathView {
    /// Who announced it, or (Adj-RIB-Out) was told; none for our own in the Loc-RIB.
    pub peer: Option<PeerKey>,
    /// None for our own.
    pub next_hop: Option<NextHop>,
    /// RFC 7911; 0 without.
    pub path_id: u32,
    /// As the table has them.
    pub attributes: Attributes,
    /// Chosen by the decision process.
    pub best: bool,
    /// Used beside the best path.
    pub multipath: bool,
    /// Kept over a restart of the peer.
    pub stale: bool,
    /// Why it lost or is unusable; empty if it is used.
    pub reason: String,
    /// Left out of the decision process.
    pub unusable: bool,
    /// Since it was announced; zero where that is not known (Adj-RIB-Out).
    pub age: Duration,
}

/// Why a prefix is routed as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// As asked.
    pub asked: IpNetwork,
    /// The longest prefix around it that has a route.
    pub prefix: Option<IpNetwork>,
    /// Each route, best first, with its way through the speaker.
    pub routes: Vec<WhyRoute>,
    /// Each Established peer: whether it is told, and why (not).
    pub told: Vec<WhyTold>,
}

/// One route's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyRoute {
    /// As the Loc-RIB shows it.
    pub path: PathView,
    /// "received from 10.0.0.1 2 min ago", "accepted by filter tor-in, rule 2", "lost: longer AS path than 10.0.0.2".
    pub steps: Vec<String>,
}

/// One peer's telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyTold {
    /// Whom.
    pub peer: PeerKey,
    /// Some path is told.
    pub told: bool,
    /// One sentence.
    pub reason: String,
}
