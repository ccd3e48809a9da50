//! The one trait over all backends.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::error::Error;
use crate::key::{Key, Kind};
use crate::resource::Resource;

/// Counts the writes of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl From<ipam::Revision> for Revision {
    fn from(revision: ipam::Revision) -> Self {
        Self(revision.0)
    }
}

impl From<Revision> for ipam::Revision {
    fn from(revision: Revision) -> Self {
        Self(revision.0)
    }
}

/// A resource as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned {
    /// Revision of its last write.
    pub revision: Revision,
    /// The value.
    pub resource: Resource,
}

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

/// What a watcher is told: this key now has this value, or none.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Whose value.
    pub key: Key,
    /// The value; `None` if it is gone.
    pub value: Option<Versioned>,
    /// The store's revision that this change brings the watcher to.
    pub revision: Revision,
}

/// All resources of a kind, as they were at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The moment. A watch from here misses nothing.
    pub revision: Revision,
    /// The resources.
    pub items: BTreeMap<Key, Versioned>,
}

/// A store of resources, used as `Arc<dyn Store>`.
pub trait Store: Send + Sync + fmt::Debug {
    /// Reads one resource.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Refused`].
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Versioned>, Error>>;

    /// Reads all resources of a kind.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Refused`].
    fn list(&self, kind: Kind) -> BoxFuture<'_, Result<Listing, Error>>;

    /// Writes one resource, and returns its new revision. When this returns, the write survives a power failure.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the precondition does not hold; [`Error::Unavailable`] and [`Error::Refused`].
    fn put(&self, resource: Resource, precondition: Precondition) -> BoxFuture<'_, Result<Revision, Error>>;

    /// Deletes one resource. Deleting what is not there succeeds unless the precondition demands it to be there.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the precondition does not hold; [`Error::Unavailable`] and [`Error::Refused`].
    fn delete(&self, key: &Key, precondition: Precondition) -> BoxFuture<'_, Result<(), Error>>;

    /// Every change after `from`, of all kinds, in the order of their revisions, without end. Changes of one resource may
    /// be merged into the last. An error ends the stream; watch again from the last change seen.
    ///
    /// # Errors
    /// [`Error::Compacted`] if `from` lies too far back, then or later in the stream; [`Error::Unavailable`] and
    /// [`Error::Refused`].
    fn watch(
        &self,
        from: Revision,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>>;
}
