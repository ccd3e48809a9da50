//! What the operator tells this node: a YAML file, overruled by the environment, overruled by flags.
//!
//! Invariants: a [`Config`] that exists is valid; whatever is wrong is said with its place, its key and what would
//! be right, all of it at once. Field names follow `projectcalico.org/v3` where the meaning is the same.
//!
//! Deliberately absent: anything that belongs to the whole fabric (pools, policies): that is the datastore's.

mod overrides;
#[cfg(test)]
mod tests;
mod validate;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use datastore::document::{Document, Problem};
use serde::Deserialize;

pub use overrides::Overrides;

/// A node's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// This node.
    pub node: Node,
    /// Where resources are kept.
    pub datastore: Datastore,
    /// How the agent is asked.
    #[serde(default)]
    pub api: Api,
    /// The BGP speaker.
    pub bgp: Bgp,
    /// Logging.
    #[serde(default)]
    pub log: Log,
}

/// This node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Node {
    /// Its name in the fabric; in Kubernetes the Node object's.
    pub name: String,
    /// Its own addresses, at most one per family: the source of what the node sends to pods, and advertised
    /// as /32 and /128 unless `bgp.advertiseNodeAddresses` is false.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
}

/// Where resources are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Datastore {
    /// An SQLite file; several agents on one machine may share it.
    pub sqlite: Sqlite,
}

/// The SQLite backend.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sqlite {
    /// Absolute path of the file; made if it is missing.
    pub path: PathBuf,
}

/// How the agent is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Api {
    /// Absolute path of the Unix socket.
    pub socket: PathBuf,
}

impl Default for Api {
    fn default() -> Self {
        Self { socket: PathBuf::from(proto::DEFAULT_SOCKET) }
    }
}

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
    /// Where sessions are accepted.
    #[serde(default)]
    pub listen: Listen,
    /// Neighbours.
    #[serde(default)]
    pub peers: Vec<Peer>,
    /// RFC 4724.
    #[serde(default)]
    pub graceful_restart: GracefulRestart,
    /// Advertise `node.addresses` as host routes.
    #[serde(default = "yes")]
    pub advertise_node_addresses: bool,
    /// Equally good paths used side by side.
    #[serde(default = "default_multipath_limit")]
    pub multipath_limit: u16,
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

impl Default for Listen {
    fn default() -> Self {
        Self {
            addresses: vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)],
            port: BGP_PORT,
        }
    }
}

/// A neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peer {
    /// Its address; one session per address.
    pub address: IpAddr,
    /// Its AS; an internal peer if equal to `localAS`.
    #[serde(rename = "remoteAS")]
    pub remote_as: u32,
    /// TCP port to dial.
    #[serde(default = "default_bgp_port")]
    pub port: u16,
    /// Source address of the session.
    #[serde(default)]
    pub local_address: Option<IpAddr>,
    /// Proposed hold time in seconds: 0 for none, else at least 3.
    #[serde(default = "default_hold_time_secs")]
    pub hold_time_secs: u16,
    /// Seconds between attempts to connect.
    #[serde(default = "default_connect_retry_secs")]
    pub connect_retry_secs: u16,
    /// Never dial, only accept.
    #[serde(default)]
    pub passive: bool,
    /// IP TTL for an external peer that is not on a link of ours.
    #[serde(default)]
    pub ttl: Option<u8>,
    /// `ipv4-unicast`, `ipv6-unicast`; both if not given.
    #[serde(default = "all_families")]
    pub families: Vec<Family>,
    /// What it is sent: `originated` (this node's own prefixes) or `all` (transit, a reflector's upstream).
    #[serde(default)]
    pub export: Export,
    /// Pass routes on to an internal peer with ourselves as next hop.
    #[serde(default)]
    pub next_hop_self: bool,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// AFI 1, SAFI 1.
    Ipv4Unicast,
    /// AFI 2, SAFI 1.
    Ipv6Unicast,
}

/// Which routes a peer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Export {
    /// This node's own prefixes: a leaf is no transit.
    #[default]
    Originated,
    /// Everything that BGP's rules allow.
    All,
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
}

impl Default for GracefulRestart {
    fn default() -> Self {
        Self { enabled: true, restart_time_secs: 120, deferral_time_secs: 120 }
    }
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`, one line an event, on standard error.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: LogLevel,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What needs a person.
    Error,
    /// What may need one.
    Warn,
    /// What changed.
    #[default]
    Info,
    /// Why.
    Debug,
    /// Everything.
    Trace,
}

const BGP_PORT: u16 = 179;

fn yes() -> bool {
    true
}

fn default_multipath_limit() -> u16 {
    16
}

fn default_bgp_port() -> u16 {
    BGP_PORT
}

fn default_hold_time_secs() -> u16 {
    9
}

fn default_connect_retry_secs() -> u16 {
    5
}

fn all_families() -> Vec<Family> {
    vec![Family::Ipv4Unicast, Family::Ipv6Unicast]
}

/// Everything that is wrong with the configuration, a line each: `FILE:LINE:COLUMN: KEY: what; what would be right`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Invalid(pub Vec<String>);

impl From<Vec<Problem>> for Invalid {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems.iter().map(ToString::to_string).collect())
    }
}

impl Config {
    /// Reads `file`, lays `overrides` over it and checks the result.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn load(file: &Path, overrides: &Overrides) -> Result<Self, Invalid> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| {
            Invalid(vec![format!(
                "{name}: {error}; give the configuration's path with --config or FABRIC_CONFIG"
            )])
        })?;
        Self::parse(&name, &text, overrides)
    }

    /// As [`load`](Self::load), of a text that has been read; `name` is what errors call it.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn parse(name: &str, text: &str, overrides: &Overrides) -> Result<Self, Invalid> {
        let mut documents = Document::parse(name, text).map_err(Invalid::from)?;
        let (Some(mut document), true) = (documents.pop(), documents.is_empty()) else {
            return Err(Invalid(vec![format!(
                "{name}: one YAML document is expected, neither none nor several"
            )]));
        };
        overrides.lay_over(&mut document)?;
        let config: Self = document.read().map_err(Invalid::from)?;
        let problems = validate::problems(&config, &document);
        if problems.is_empty() { Ok(config) } else { Err(problems.into()) }
    }

    /// The BGP identifier: as configured, else the node's IPv4 address.
    #[must_use]
    pub fn router_id(&self) -> Option<Ipv4Addr> {
        self.bgp.router_id.or_else(|| {
            self.node.addresses.iter().find_map(|address| match address {
                IpAddr::V4(address) => Some(*address),
                IpAddr::V6(_) => None,
            })
        })
    }
}
