//! What addresses are used for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The owner of blocks for [`Use::LoadBalancer`]: no node of that name can exist, since it has a colon.
pub const LOAD_BALANCER_NODE: &str = "virtual:load-balancer";

/// What an address is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Use {
    /// A pod.
    #[default]
    Workload,
    /// A node's end of a tunnel.
    Tunnel,
    /// A service. Such addresses are no node's: their blocks belong to [`LOAD_BALANCER_NODE`].
    LoadBalancer,
}

impl Use {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Workload, Self::Tunnel, Self::LoadBalancer];

    /// As it is written in manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Workload => "Workload",
            Self::Tunnel => "Tunnel",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Text that is no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing that addresses are used for; write Workload, Tunnel or LoadBalancer")]
pub struct UnknownUse(String);

impl FromStr for Use {
    type Err = UnknownUse;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|usage| usage.name() == text).ok_or_else(|| UnknownUse(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
