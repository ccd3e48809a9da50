//! What the operator tells this node: a YAML file, overruled by the environment, overruled by flags.
//!
//! ```text
//! bgp/ peer/ filter/   the speaker's part, as it is written      value   what is written in more than one way
//! datastore ipam       where resources are kept; addresses
//! policy               how it is enforced
//! validate             what the types cannot say                 secret  passwords, from files too
//! overrides            environment and flags                     reload  what a new file may change in a running agent
//! ```
//!
//! Invariants: a [`Config`] that exists is valid; whatever is wrong is said with its place, its key and what would
//! be right, all of it at once. Field names follow `projectcalico.org/v3` where the meaning is the same.
//!
//! Deliberately absent: anything that belongs to the whole fabric (pools, policies): that is the datastore's.

pub mod bgp;
pub mod datastore;
pub mod filter;
pub mod ipam;
mod overrides;
pub mod peer;
pub mod policy;
pub mod reload;
mod secret;
#[cfg(test)]
mod tests;
mod validate;
pub mod value;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ::datastore::document::{Document, Problem};
use serde::Deserialize;

pub use self::bgp::Bgp;
pub use self::datastore::Datastore;
pub use self::ipam::Ipam;
pub use overrides::Overrides;
pub use peer::Peer;
pub use policy::Policy;

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
    /// Addresses.
    #[serde(default)]
    pub ipam: Ipam,
    /// How policy is enforced.
    #[serde(default)]
    pub policy: Policy,
    /// The BGP speaker.
    pub bgp: Bgp,
    /// Counters for Prometheus.
    #[serde(default)]
    pub metrics: Metrics,
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
    /// What selectors of pools choose it by; written into its Node object.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
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

/// Counters for Prometheus, over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Metrics {
    /// Where they are served, e.g. `127.0.0.1:9091`; nowhere if not given, for whoever reaches the port may read them.
    pub listen: Option<SocketAddr>,
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

/// Everything that is wrong with the configuration, a line each: `FILE:LINE:COLUMN: KEY: what; what would be right`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Invalid(pub Vec<String>);

impl From<Vec<Problem>> for Invalid {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems.iter().map(ToString::to_string).collect())
    }
}

/// A configuration that has been read, and what its author may not have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Valid.
    pub config: Config,
    /// A line each, in the form of [`Invalid`]'s.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads `file`, lays `overrides` over it and checks the result; then reads the files of secrets that it names.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn load(file: &Path, overrides: &Overrides) -> Result<Reading, Invalid> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| {
            Invalid(vec![format!(
                "{name}: {error}; give the configuration's path with --config or FABRIC_CONFIG"
            )])
        })?;
        let (mut reading, document) = Self::decode(&name, &text, overrides)?;
        let mut problems = secret::read(&mut reading.config.bgp, &document);
        problems.extend(reading.config.datastore.read(&document));
        if problems.is_empty() { Ok(reading) } else { Err(problems.into()) }
    }

    /// As [`load`](Self::load), of a text that has been read, without the files that it names; `name` is what errors
    /// call it.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn parse(name: &str, text: &str, overrides: &Overrides) -> Result<Reading, Invalid> {
        Self::decode(name, text, overrides).map(|(reading, _)| reading)
    }

    fn decode(name: &str, text: &str, overrides: &Overrides) -> Result<(Reading, Document), Invalid> {
        let mut documents = Document::parse(name, text).map_err(Invalid::from)?;
        let (Some(mut document), true) = (documents.pop(), documents.is_empty()) else {
            return Err(Invalid(vec![format!(
                "{name}: one YAML document is expected, neither none nor several"
            )]));
        };
        overrides.lay_over(&mut document)?;
        let config: Self = document.read().map_err(Invalid::from)?;
        let problems = validate::problems(&config, &document);
        if !problems.is_empty() {
            return Err(problems.into());
        }
        let warnings = validate::warnings(&config, &document).iter().map(ToString::to_string).collect();
        Ok((Reading { config, warnings }, document))
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

    /// Every file that this was read from, given the main one: when one of them changes, it is to be read again.
    #[must_use]
    pub fn files(&self, file: &Path) -> Vec<PathBuf> {
        let peers = self.bgp.every_peer().map(|(_, peer)| peer);
        let passwords = peers.flat_map(|peer| {
            let ao = peer.tcp_ao.as_ref().and_then(|ao| ao.password_file.clone());
            peer.password_file.clone().into_iter().chain(ao)
        });
        std::iter::once(file.to_owned()).chain(passwords).chain(self.datastore.files()).collect()
    }
}
