//! How far the watches of all kinds have come.
//!
//! The API server numbers the writes of all kinds together, but is watched kind by kind, and each watch comes
//! along at its own pace. So what all of it has been told up to is the least of their positions: a low
//! watermark. A watch of a kind that nobody writes comes along by bookmarks: about once a minute with etcd 3.6,
//! but with 3.4, which is not asked for its progress, only after many minutes.

use std::collections::BTreeMap;

use crate::key::Kind;
use crate::store::Revision;

/// The position of each watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Positions(BTreeMap<Kind, Revision>);

impl Positions {
    /// All watches begin at `from`.
    pub(super) fn new(kinds: &[Kind], from: Revision) -> Self {
        Self(kinds.iter().map(|kind| (*kind, from)).collect())
    }

    /// This watch has told everything up to `position`. Returns up to where all have.
    pub(super) fn advance(&mut self, kind: Kind, position: Revision) -> Revision {
        if let Some(known) = self.0.get_mut(&kind) {
            *known = position.max(*known);
        }
        self.0.values().min().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
