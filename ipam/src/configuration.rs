//! What holds for the assignment of addresses in the whole fabric.
//!
//! Field names and meanings follow `projectcalico.org/v3` IPAMConfiguration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The name of the one such object.
pub const NAME: &str = "default";

/// What holds for the assignment of addresses in the whole fabric. Without such an object, its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Configuration {
    /// A node gives out addresses of its own blocks only, and never borrows.
    pub strict_affinity: bool,
    /// Blocks that a node may have of each family, 0 for [`DEFAULT_BLOCKS_PER_HOST`].
    pub max_blocks_per_host: u32,
    /// Nodes claim blocks by themselves.
    pub auto_allocate_blocks: bool,
    /// Seconds for which an address that was given back rests before someone else gets it.
    pub ip_cooldown_seconds: u32,
}

/// Blocks that a node may have of each family unless it is said.
pub const DEFAULT_BLOCKS_PER_HOST: u32 = 20;

/// As long as connection tracking remembers a UDP exchange (`nf_conntrack_udp_timeout`) that was never answered.
pub const DEFAULT_COOLDOWN_SECONDS: u32 = 30;

/// The longest rest that can be asked for.
pub const MAX_COOLDOWN_SECONDS: u32 = 1200;

impl Default for Configuration {
    fn default() -> Self {
        Self {
            strict_affinity: false,
            max_blocks_per_host: 0,
            auto_allocate_blocks: true,
            ip_cooldown_seconds: DEFAULT_COOLDOWN_SECONDS,
        }
    }
}

impl Configuration {
    /// Blocks that a node may have of each family.
    #[must_use]
    pub const fn block_budget(&self) -> u32 {
        if self.max_blocks_per_host == 0 { DEFAULT_BLOCKS_PER_HOST } else { self.max_blocks_per_host }
    }

    /// How long an address rests.
    #[must_use]
    pub const fn cooldown(&self) -> Duration {
        Duration::from_secs(self.ip_cooldown_seconds as u64)
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// Nobody could ever have an address.
    #[error(
        "nodes neither claim blocks (autoAllocateBlocks: false) nor may all of them borrow (strictAffinity: true): \
         set one of the two the other way"
    )]
    NoBlocks,
    /// Nobody waits that long.
    #[error("{0} s is too long; write at most {MAX_COOLDOWN_SECONDS}")]
    Cooldown(u32),
}

impl ConfigurationError {
    /// The field of the manifest that is to blame.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::NoBlocks => "spec.autoAllocateBlocks",
            Self::Cooldown(_) => "spec.ipCooldownSeconds",
        }
    }
}

/// Everything that is wrong with a configuration.
#[must_use]
pub fn problems(configuration: &Configuration) -> Vec<ConfigurationError> {
    let mut problems = Vec::new();
    if configuration.strict_affinity && !configuration.auto_allocate_blocks {
        problems.push(ConfigurationError::NoBlocks);
    }
    if configuration.ip_cooldown_seconds > MAX_COOLDOWN_SECONDS {
        problems.push(ConfigurationError::Cooldown(configuration.ip_cooldown_seconds));
    }
    problems
}
