//! A node's claim to a block.

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// A node's claim to a block: written before the block is created, confirmed after.
///
/// The block's own record decides who owns it; the affinity is the index "which blocks are mine", and the
/// state in which a claim survives the crash of its claimant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Affinity {
    /// The claimant.
    pub node: String,
    /// The block.
    pub cidr: IpNetwork,
    /// How far the claim has come.
    pub state: AffinityState,
}

/// How far a claim has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AffinityState {
    /// Wanted. The block may not exist, or be another node's.
    Pending,
    /// The block is this node's. Only now may the node announce it.
    Confirmed,
    /// About to be given back.
    PendingDeletion,
}

impl AffinityState {
    /// As it is written in records: `pending`, `confirmed`, `pendingDeletion`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::PendingDeletion => "pendingDeletion",
        }
    }
}
