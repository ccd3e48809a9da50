//! What the administrator of a lab's node tells its agent, and the configuration file that says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Uplink;
use crate::topology::addresses;
use crate::tor::{CONNECT_RETRY_SECS, HOLD_TIME_SECS};

#[cfg(test)]
mod tests;

/// How long peers are told to wait for a restarting agent, seconds.
const RESTART_TIME_SECS: u16 = 60;

/// What is told to an agent beside its name, addresses and peers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where resources are kept.
    pub datastore: Datastore,
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
    /// How garbage is collected, if not as agents do by themselves.
    pub collection: Option<Collection>,
    /// Addresses of each family that are kept ready for when the datastore is away.
    pub standby: u32,
}

/// Where resources are kept.
#[derive(Debug, Clone)]
pub enum Datastore {
    /// A file.
    Sqlite(PathBuf),
    /// An etcd without TLS and authentication.
    Etcd {
        /// URLs of its members.
        endpoints: Vec<String>,
        /// What all keys begin with.
        prefix: String,
    },
}

/// How garbage is collected.
#[derive(Debug, Clone, Copy)]
pub struct Collection {
    /// Between two looks, seconds.
    pub interval_secs: u32,
    /// How long something must have been garbage, seconds.
    pub grace_period_secs: u32,
}

/// Nothing is kept ready, so that addresses in use are those that somebody asked for.
impl From<Datastore> for Settings {
    fn from(datastore: Datastore) -> Self {
        Self { datastore, labels: BTreeMap::new(), collection: None, standby: 0 }
    }
}

/// An SQLite file there.
impl From<PathBuf> for Settings {
    fn from(path: PathBuf) -> Self {
        Datastore::Sqlite(path).into()
    }
}

impl Datastore {
    /// The value of `datastore:`, on one line.
    fn render(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite: {{ path: {} }}", path.display()),
            Self::Etcd { endpoints, prefix } => {
                let endpoints: Vec<String> = endpoints.iter().map(|url| format!("\"{url}\"")).collect();
                format!("etcd: {{ endpoints: [{}], prefix: \"{prefix}\" }}", endpoints.join(", "))
            }
        }
    }
}

impl Settings {
    /// The configuration of the agent of the node of this number.
    #[must_use]
    pub fn render(&self, number: u8, socket: &Path, uplinks: &[Uplink]) -> String {
        let [v4, v6] = addresses::node_loopbacks(number).map(|network| network.ip());
        let mut text = format!("node:\n  name: node{number}\n  addresses: [\"{v4}\", \"{v6}\"]\n");
        if !self.labels.is_empty() {
            text.push_str("  labels:\n");
        }
        for (key, value) in &self.labels {
            let _ = writeln!(text, "    {key}: \"{value}\"");
        }
        let _ = write!(
            text,
            "datastore:\n  {}\napi: {{ socket: {} }}\n",
            self.datastore.render(),
            socket.display()
        );
        let journal = socket.with_file_name("agent.journal");
        let _ = writeln!(text, "ipam:\n  standby: {}\n  journal: {}", self.standby, journal.display());
        if let Some(Collection { interval_secs, grace_period_secs }) = self.collection {
            let _ = writeln!(
                text,
                "  garbageCollection: {{ intervalSecs: {interval_secs}, gracePeriodSecs: {grace_period_secs} }}"
            );
        }
        let _ = write!(
            text,
            "bgp:\n  \
               localAS: {asn}\n  \
               routerID: {id}\n  \
               listen: {{ addresses: [\"0.0.0.0\", \"::\"], port: 179 }}\n  \
               gracefulRestart: {{ restartTimeSecs: {RESTART_TIME_SECS} }}\n",
            asn = addresses::node_asn(number),
            id = addresses::node_router_id(number),
        );
        text.push_str(if uplinks.is_empty() { "  peers: []\n" } else { "  peers:\n" });
        for uplink in uplinks {
            render_peers(&mut text, uplink);
        }
        text.push_str("log: { format: text, level: info }\n");
        text
    }
}

fn render_peers(text: &mut String, uplink: &Uplink) {
    let Uplink { name, asn, gateways } = uplink;
    for gateway in gateways {
        let family = if gateway.is_ipv4() { "ipv4-unicast" } else { "ipv6-unicast" };
        let _ = write!(
            text,
            "    - address: \"{gateway}\"\n      \
               remoteAS: {asn}\n      \
               description: {name}\n      \
               families: [{family}]\n      \
               holdTimeSecs: {HOLD_TIME_SECS}\n      \
               connectRetrySecs: {CONNECT_RETRY_SECS}\n      \
               import: all\n      \
               export: originated\n",
        );
    }
}
