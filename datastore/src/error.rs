//! Errors, named by what the caller must do.

use crate::key::Key;
use crate::store::Revision;

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Read again and retry: the resource is not as the precondition says.
    #[error("{key} was changed by someone else; read it again and retry")]
    Conflict {
        /// The resource.
        key: Key,
        /// The revision that it has; `None` if it does not exist.
        found: Option<Revision>,
    },
    /// Retry later: busy, full, or out of reach. Whether a write was done is not known.
    #[error("the datastore is unavailable: {0}; retry later")]
    Unavailable(String),
    /// List again: the store no longer knows what was deleted since the revision asked for.
    #[error("changes before revision {oldest} are no longer kept; list again", oldest = .oldest.0)]
    Compacted {
        /// The oldest revision from which one can watch.
        oldest: Revision,
    },
    /// A human must act: this one resource is there, and nobody knows what it says. All others can be used.
    #[error("{key} in the datastore cannot be understood: {why}; delete or repair it")]
    Unreadable {
        /// The resource.
        key: Key,
        /// The revision of its last write.
        revision: Revision,
        /// What is wrong with it.
        why: String,
    },
    /// A human must act: the data is damaged, of a newer version, or not ours. It was left untouched.
    #[error("{0}")]
    Refused(String),
}
