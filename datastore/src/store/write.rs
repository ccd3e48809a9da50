//! What is asked of a store when it is written to.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::key::Key;
use crate::resource::Resource;
use crate::store::Revision;

/// So many writes, of a mebibyte of JSON together, every atomic store does all or none.
pub const ATOMIC_WRITES: usize = 128;

/// What must hold for a write to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// There is no such resource.
    Absent,
    /// The resource was last written at this revision.
    Unchanged(Revision),
}

impl Precondition {
    /// Whether it holds for a resource of this revision, `None` if there is none.
    #[must_use]
    pub fn holds(self, found: Option<Revision>) -> bool {
        match self {
            Self::None => true,
            Self::Absent => found.is_none(),
            Self::Unchanged(revision) => found == Some(revision),
        }
    }
}

/// One write: this key shall have this value, or none, if the precondition holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Whose value; the value's own key, if there is one.
    pub key: Key,
    /// What must hold.
    pub precondition: Precondition,
    /// The value; `None` deletes.
    pub value: Option<Resource>,
}

impl Write {
    /// Writes a resource.
    #[must_use]
    pub fn put(resource: Resource, precondition: Precondition) -> Self {
        Self { key: resource.key(), precondition, value: Some(resource) }
    }

    /// Deletes a resource.
    #[must_use]
    pub const fn delete(key: Key, precondition: Precondition) -> Self {
        Self { key, precondition, value: None }
    }

    /// The value as JSON text, as backends that keep text keep it.
    ///
    /// # Errors
    /// [`Error::Refused`], in practice never: all resources can be written as JSON.
    pub fn text(&self) -> Result<Option<String>, Error> {
        let encode = |resource: &Resource| match resource.encode() {
            Ok(value) => Ok(value.to_string()),
            Err(error) => Err(Error::Refused(format!("{}: {error}", self.key))),
        };
        self.value.as_ref().map(encode).transpose()
    }
}

/// Why a commit ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct CommitError {
    /// The write that failed, counted from 0; the first of a group that failed as a whole.
    pub index: usize,
    /// How many are done nevertheless: the first so many. None of the others is, except where `error` is
    /// [`Error::Unavailable`]: then nobody knows of those that were tried together with it.
    pub done: usize,
    /// Why.
    pub error: Error,
}

impl From<CommitError> for Error {
    fn from(failed: CommitError) -> Self {
        failed.error
    }
}

/// Refuses what no backend can do: a key without a name, or one that stands in a commit twice.
pub(crate) fn check(writes: &[Write]) -> Result<(), CommitError> {
    let mut seen = BTreeSet::new();
    for (index, Write { key, value, .. }) in writes.iter().enumerate() {
        let wrong = if key.name.is_empty() {
            "has no name; give it one"
        } else if value.as_ref().is_some_and(|resource| resource.key() != *key) {
            "is to get the value of another; write each under its own key"
        } else if !seen.insert(key) {
            "is written twice in one commit; write it once, with the last value"
        } else {
            continue;
        };
        return Err(CommitError { index, done: 0, error: Error::Refused(format!("{key} {wrong}")) });
    }
    Ok(())
}
