//! How this node goes about addresses. What holds for the whole fabric is in the datastore (IPAMConfiguration).

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::datastore::Datastore;

/// Where journals are unless it is said, and there is no datastore's file to put them beside.
const STATE: &str = "/var/lib/fabric";

/// Standby addresses unless it is said.
const STANDBY: u32 = 8;

/// More are no preparation but a hoard.
pub const MOST_STANDBY: u32 = 256;

/// How this node goes about addresses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ipam {
    /// How many addresses of each family are kept ready for pods that come while the datastore is away; of pools for certain
    /// namespaces, as many for each of those. Never more than a quarter of a block. 0: none, and while the datastore is away
    /// no pod can be attached or detached.
    pub standby: u32,
    /// Absolute path of the file that says what was promised while the datastore was away; it should outlive the machine's
    /// restart. If not given, `NODE.journal` beside the datastore's file, or in `/var/lib/fabric`.
    pub journal: Option<PathBuf>,
    /// Finding addresses whose holder is gone; done by one agent of the fabric at a time.
    pub garbage_collection: GarbageCollection,
}

impl Default for Ipam {
    fn default() -> Self {
        Self { standby: STANDBY, journal: None, garbage_collection: GarbageCollection::default() }
    }
}

impl Ipam {
    /// Where this node's journal is.
    #[must_use]
    pub fn journal(&self, node: &str, datastore: &Datastore) -> PathBuf {
        let beside = match datastore {
            Datastore::Sqlite(sqlite) => sqlite.path.parent(),
            Datastore::Etcd(_) | Datastore::Kubernetes(_) => None,
        };
        let own = || beside.unwrap_or(Path::new(STATE)).join(format!("{node}.journal"));
        self.journal.clone().unwrap_or_else(own)
    }
}

/// Finding addresses whose holder is gone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GarbageCollection {
    /// Between two looks.
    pub interval_secs: u32,
    /// How long a holder must be gone before its addresses are given back.
    pub grace_period_secs: u32,
}

impl Default for GarbageCollection {
    fn default() -> Self {
        Self { interval_secs: 60, grace_period_secs: 900 }
    }
}

impl GarbageCollection {
    /// Between two looks.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_secs as u64)
    }

    /// How long a holder must be gone.
    #[must_use]
    pub const fn grace_period(&self) -> Duration {
        Duration::from_secs(self.grace_period_secs as u64)
    }
}
