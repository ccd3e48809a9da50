//! How this node goes about addresses. What holds for the whole fabric is in the datastore (IPAMConfiguration).

use std::time::Duration;

use serde::Deserialize;

/// How this node goes about addresses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Ipam {
    /// Finding addresses whose holder is gone; done by one agent of the fabric at a time.
    pub garbage_collection: GarbageCollection,
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
