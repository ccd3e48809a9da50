//! The one trait over all backends.
//!
//! A backend says how it reads ([`Store::get`], [`Store::list_page`]), writes ([`Store::commit`]) and watches; all
//! else is made of that. Nothing here depends on a clock of the store's or of a client's: what is newer is said by
//! revisions alone.

mod page;
mod write;

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::BoxStream;

use crate::error::Error;
use crate::key::{Key, Kind};
use crate::resource::Resource;

pub use page::{Continue, Page, Query};
pub(crate) use write::check;
pub use write::{ATOMIC_WRITES, CommitError, Precondition, Write};

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

/// Resources that are there and cannot be understood, and why. Never to be taken for absent.
pub type Unreadable = BTreeMap<Key, String>;

/// What a watcher is told: this key now has this value, or none.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Whose value.
    pub key: Key,
    /// The value; `None` if it is gone.
    pub value: Option<Versioned>,
    /// When that was written; the value's revision, if there is one. Of one kind, these never fall.
    pub revision: Revision,
    /// From here a watch misses nothing that comes after this change. Never ahead of `revision`, and never falling. Of several
    /// changes that were made in one write, only the last brings the watcher to the revision of that write; and a store
    /// that keeps each kind by itself may know only later how far it has told them all.
    pub resume: Revision,
}

/// Resources, as they were at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The moment. A watch from here misses nothing.
    pub revision: Revision,
    /// The resources.
    pub items: BTreeMap<Key, Versioned>,
    /// Those that cannot be understood.
    pub unreadable: Unreadable,
}

/// How often [`Store::snapshot`] looks whether the store stands still.
const LOOKS: u32 = 8;

/// A store of resources, used as `Arc<dyn Store>`.
pub trait Store: Send + Sync + fmt::Debug {
    /// Reads one resource, as the last completed write of anyone left it.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Unreadable`] and [`Error::Refused`].
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Versioned>, Error>>;

    /// Reads the resources of a kind that the query selects: all of them as they were at one moment, or with a limit
    /// so many of them and where to go on.
    ///
    /// Page after page, whatever is written meanwhile: what was there all the time is listed once, neither skipped nor
    /// repeated; what came, went or changed since the first page may be listed as it was or as it is. A watch from
    /// the *first* page's revision misses nothing of it.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::Refused`], also if `after` is not of a page of such a query.
    fn list_page(&self, kind: Kind, query: &Query) -> BoxFuture<'_, Result<Page, Error>>;

    /// Does the writes in order, up to the first that fails, and returns the new revision of each; of a deletion perhaps
    /// an older one, where the store does not tell. When this returns, all of them survive a power failure. A key may stand
    /// in it once. A write that changes nothing may keep the revision that there was.
    ///
    /// Where the store [is atomic](Store::is_atomic), up to [`ATOMIC_WRITES`] are all done or none is, and nobody
    /// ever sees some of them; more may be cut into several such groups. Deleting what is not there succeeds, and
    /// changes nothing, unless the precondition demands it to be there.
    ///
    /// # Errors
    /// The first write that failed, and how many were done nevertheless. [`Error::Conflict`] if its precondition
    /// does not hold; [`Error::Unavailable`] and [`Error::Refused`].
    fn commit(&self, writes: Vec<Write>) -> BoxFuture<'_, Result<Vec<Revision>, CommitError>>;

    /// Whether [`Store::commit`] does up to [`ATOMIC_WRITES`] writes all or none, in one durable transaction.
    fn is_atomic(&self) -> bool;

    /// Every change after `from`, those of each kind in the order of their revisions, without end. Changes of one resource
    /// may be merged into the last. [`Error::Unreadable`] is such a change, of a resource that nobody can understand. Any
    /// other error ends the stream; watch again from where the last change says ([`Change::resume`]).
    ///
    /// # Errors
    /// [`Error::Compacted`] if `from` lies too far back, then or later in the stream; [`Error::Unavailable`] and
    /// [`Error::Refused`].
    fn watch(
        &self,
        from: Revision,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>>;

    /// Reads all resources of a kind, as they were at one moment.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Refused`].
    fn list(&self, kind: Kind) -> BoxFuture<'_, Result<Listing, Error>> {
        let page = self.list_page(kind, &Query::default());
        async move {
            page.await.map(|Page { revision, items, unreadable, .. }| Listing { revision, items, unreadable })
        }
        .boxed()
    }

    /// Reads all resources of these kinds, as they were at one moment.
    ///
    /// Unless a backend knows better, by listing all of it until two listings in a row are the same: then there was
    /// a moment between them. A store that is written all the time is unavailable for that.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Refused`].
    fn snapshot(&self, kinds: &[Kind]) -> BoxFuture<'_, Result<Listing, Error>> {
        let kinds = kinds.to_owned();
        async move {
            let mut last: Option<Listing> = None;
            for _ in 0..LOOKS {
                let mut found =
                    Listing { revision: Revision(0), items: BTreeMap::new(), unreadable: Unreadable::new() };
                for (index, kind) in kinds.iter().enumerate() {
                    let Listing { revision, items, unreadable } = self.list(*kind).await?;
                    found.revision = if index == 0 { revision } else { revision.min(found.revision) };
                    found.items.extend(items);
                    found.unreadable.extend(unreadable);
                }
                match last {
                    Some(last) if last.items == found.items && last.unreadable == found.unreadable => {
                        return Ok(found);
                    }
                    Some(_) | None => last = Some(found),
                }
            }
            Err(Error::Unavailable(format!("it changed while it was read, {LOOKS} times in a row")))
        }
        .boxed()
    }

    /// Writes one resource, and returns its new revision: [`Store::commit`] of one.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the precondition does not hold; [`Error::Unavailable`] and [`Error::Refused`].
    fn put(&self, resource: Resource, precondition: Precondition) -> BoxFuture<'_, Result<Revision, Error>> {
        let committed = self.commit(vec![Write::put(resource, precondition)]);
        async move { Ok(committed.await?.first().copied().unwrap_or_default()) }.boxed()
    }

    /// Deletes one resource: [`Store::commit`] of one. Deleting what is not there succeeds unless the precondition
    /// demands it to be there.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the precondition does not hold; [`Error::Unavailable`] and [`Error::Refused`].
    fn delete(&self, key: &Key, precondition: Precondition) -> BoxFuture<'_, Result<(), Error>> {
        let committed = self.commit(vec![Write::delete(key.clone(), precondition)]);
        async move { Ok(committed.await.map(drop)?) }.boxed()
    }
}
