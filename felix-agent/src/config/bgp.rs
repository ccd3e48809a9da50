//! The speaker as it is written in the file: itself, its listener, its restarts, its summaries, and whom it tells.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnetwork::IpNetwork;
use serde::Deserialize;

use super::filter::Filter;
use super::peer::Peer;

/// IANA's port for BGP.
pub(super) const PORT: u16 = 179;

/// The BGP speaker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bgp {
    /// This node's AS.
    #[serde(rename = "localAS")]
    pub local_as: u32,
    /// BGP identifier; the node's IPv4 address if not given.
    #[serde(rename = "routerID", default)]
    pub router_id: Option<Ipv4Addr>,
    /// RFC 4456: the cluster that this reflector is of; its BGP identifier if not given.
    #[serde(rename = "clusterID", default)]
    pub cluster_id: Option<Ipv4Addr>,
    /// RFC 4456: clients' routes go to other clients too; not where those peer with each other.
    #[serde(default = "yes")]
    pub client_to_client_reflection: bool,
    /// Where sessions are accepted.
    #[serde(default)]
    pub listen: Listen,
    /// Neighbours.
    #[serde(default)]
    pub peers: Vec<Peer>,
    /// Neighbours that are known by their network only.
    #[serde(default)]
    pub listen_ranges: Vec<ListenRange>,
    /// Import and export filters, by name.
    #[serde(default)]
    pub filters: BTreeMap<String, Filter>,
    /// RFC 4724.
    #[serde(default)]
    pub graceful_restart: GracefulRestart,
    /// RFC 8326: this node is about to go; its neighbours are to prefer other ways.
    #[serde(default)]
    pub graceful_shutdown: bool,
    /// Advertise `node.addresses` as host routes.
    #[serde(default = "yes")]
    pub advertise_node_addresses: bool,
    /// Equally good paths used side by side, of whatever peers; `multipath` says it more exactly.
    #[serde(default = "default_multipath_limit")]
    pub multipath_limit: u16,
    /// Equally good paths used side by side.
    #[serde(default)]
    pub multipath: Multipath,
    /// Summaries of this node's own prefixes.
    #[serde(default)]
    pub aggregates: Vec<Aggregate>,
    /// RFC 7854.
    #[serde(default)]
    pub bmp: Bmp,
}

/// Where sessions are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Listen {
    /// Local addresses; empty for a node that only dials.
    pub addresses: Vec<IpAddr>,
    /// TCP port.
    pub port: u16,
}

/// Neighbours that are known by their network only, and only ever accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenRange {
    /// Where they connect from.
    pub network: IpNetwork,
    /// So many at a time.
    #[serde(default = "default_range_limit")]
    pub limit: u32,
    /// What each of them is.
    pub peer: Peer,
}

/// RFC 4724.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GracefulRestart {
    /// Advertise the capability and keep restarting peers' routes.
    pub enabled: bool,
    /// Seconds that peers are told to wait for this node; at most 4095.
    pub restart_time_secs: u16,
    /// The longest wait, in seconds, for the peers' End-of-RIB after a restart before old routes are swept.
    pub deferral_time_secs: u16,
    /// How many seconds a peer that is back may take to announce its routes again.
    pub stale_time_secs: u16,
    /// RFC 8538: routes are kept over NOTIFICATIONs too, but for a Hard Reset.
    pub notification: bool,
}

/// Equally good paths used side by side: 1 for none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Multipath {
    /// Of external peers; `multipathLimit` if not given.
    pub external: Option<u16>,
    /// Of internal peers; `multipathLimit` if not given.
    pub internal: Option<u16>,
    /// AS paths need only be equally long; else the neighbouring AS has to be the same as well.
    #[serde(rename = "relaxedASPath")]
    pub relaxed_as_path: bool,
}

/// A summary, announced while at least one of this node's own prefixes lies in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Aggregate {
    /// Which.
    pub prefix: IpNetwork,
    /// What lies in it is not announced by itself.
    #[serde(default)]
    pub summary_only: bool,
}

/// RFC 7854: what peers say is passed on to collectors.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bmp {
    /// `address:port` of each.
    pub collectors: Vec<SocketAddr>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            addresses: vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)],
            port: PORT,
        }
    }
}

impl Default for GracefulRestart {
    fn default() -> Self {
        Self {
            enabled: true,
            restart_time_secs: 120,
            deferral_time_secs: 120,
            stale_time_secs: 360,
            notification: true,
        }
    }
}

impl Default for Multipath {
    fn default() -> Self {
        Self { external: None, internal: None, relaxed_as_path: true }
    }
}

impl Bgp {
    /// Every peer's settings, those of ranges too, each with its key in the file.
    pub fn every_peer(&self) -> impl Iterator<Item = (String, &Peer)> {
        let named = self.peers.iter().enumerate().map(|(index, peer)| (format!("bgp.peers[{index}]"), peer));
        let ranges = self.listen_ranges.iter().enumerate();
        named.chain(ranges.map(|(index, range)| (format!("bgp.listenRanges[{index}].peer"), &range.peer)))
    }

    /// The same, to be completed.
    pub(super) fn every_peer_mut(&mut self) -> impl Iterator<Item = (String, &mut Peer)> {
        let named = self.peers.iter_mut().enumerate();
        let named = named.map(|(index, peer)| (format!("bgp.peers[{index}]"), peer));
        let ranges = self.listen_ranges.iter_mut().enumerate();
        named.chain(ranges.map(|(index, range)| (format!("bgp.listenRanges[{index}].peer"), &mut range.peer)))
    }
}

fn yes() -> bool {
    true
}

fn default_multipath_limit() -> u16 {
    16
}

fn default_range_limit() -> u32 {
    100
}
