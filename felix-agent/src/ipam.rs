//! Assigning and releasing addresses: the loop around [`ipam::plan`] that reads, plans, commits, and retries.
//!
//! The node's own blocks and claims stay in memory between requests. An ordinary assignment reads its handle and the
//! (few) pools, and then only compares and swaps; all blocks of the fabric are read only to claim or borrow one.
//! What is in memory may be outdated: the comparison of the write says so, and the record is read again.
//!
//! Requests of one agent go one after the other, so they never conflict among themselves. A request that is
//! dropped halfway leaves what a crash would leave: it can be asked again, or released by its handle.
//!
//! Deliberately absent: knowing whether an address is still in use. Who asked releases.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use datastore::{Key, Kind, Precondition, Resource, Revision, Store, Versioned};
use ipam::plan::{self, AssignError, Assignment, Release, Wanted};
use ipam::{Attributes, Record, Scope, Snapshot, Write};
use tokio::sync::Mutex;

/// How often to plan anew after a conflict.
const ATTEMPTS: u32 = 40;

/// The longest pause before that.
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// Who wants which addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who will hold them, unique in the fabric: `<container id>.<interface>`.
    pub handle: String,
    /// For whom; the node is filled in.
    pub attributes: Attributes,
    /// Which, at most one per family. All or none are given.
    pub wanted: Vec<Wanted>,
}

/// Why there are no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Tell who asked: pools are missing or full, or the address asked for cannot be had. Nothing was taken.
    #[error(transparent)]
    Impossible(#[from] AssignError),
    /// Do what the datastore's error says.
    #[error(transparent)]
    Store(#[from] datastore::Error),
    /// Retry later: others wrote the same records at the same time, again and again.
    #[error("too many others assign addresses at the same time; retry later")]
    Contended,
}

/// Assigns addresses to what runs on this node.
#[derive(Debug)]
pub struct Allocator {
    store: Arc<dyn Store>,
    node: String,
    known: Mutex<Snapshot>,
}

/// How a round of planning and committing ended.
enum Round {
    Done(Vec<IpAddr>),
    Conflict,
}

impl Allocator {
    /// An allocator for the node of this name. Reads nothing yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, node: impl Into<String>) -> Self {
        Self { store, node: node.into(), known: Mutex::new(Snapshot::default()) }
    }

    /// Gives `request` its addresses, in the order of its wishes; the same ones if its handle has them already.
    ///
    /// # Errors
    /// See [`Error`]. Of a handle that held nothing before, nothing is left behind.
    pub async fn assign(&self, request: Request) -> Result<Vec<IpAddr>, Error> {
        let Request { handle, attributes, wanted } = request;
        let attributes = Attributes { node: self.node.clone(), ..attributes };
        let request = plan::Request {
            node: self.node.clone(),
            handle,
            attributes,
            wanted,
            now: now(),
            ..plan::Request::default()
        };
        let mut known = self.known.lock().await;
        known.scope = Scope::Part;
        let is_new = self.read_handle(&mut known, &request.handle).await?.is_none();
        let result = self.assign_with(&mut known, &request).await;
        if is_new && result.is_err() {
            // Best effort: what stays can still be released by its handle.
            if let Err(error) = self.release_with(&mut known, &request.handle).await {
                tracing::warn!(handle = request.handle, %error, "cannot take back a failed assignment");
            }
        }
        known.keep_own(&self.node);
        result
    }

    /// Gives back everything that `handle` holds, and says what that was, ascending. An unknown handle holds nothing.
    ///
    /// # Errors
    /// [`Error::Store`] and [`Error::Contended`].
    pub async fn release(&self, handle: &str) -> Result<Vec<IpAddr>, Error> {
        let mut known = self.known.lock().await;
        known.scope = Scope::Part;
        let result = self.release_with(&mut known, handle).await;
        known.keep_own(&self.node);
        result
    }

    async fn assign_with(&self, known: &mut Snapshot, request: &plan::Request) -> Result<Vec<IpAddr>, Error> {
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            known.scope = Scope::Part;
            self.read_handle(known, &request.handle).await?;
            self.read_pools(known).await?;
            match self.round(known, request).await? {
                Round::Done(addresses) => return Ok(addresses),
                Round::Conflict => {}
            }
        }
        Err(Error::Contended)
    }

    /// Plans and commits until the addresses are there or a write meets a conflict.
    async fn round(&self, known: &mut Snapshot, request: &plan::Request) -> Result<Round, Error> {
        loop {
            match plan::assign(known, request)? {
                Assignment::Done(addresses) => return Ok(Round::Done(addresses)),
                Assignment::Commit { writes, addresses } => {
                    let done = self.commit(known, &writes).await?;
                    return Ok(if done { Round::Done(addresses) } else { Round::Conflict });
                }
                Assignment::Prepare(writes) => {
                    if !self.commit(known, &writes).await? {
                        return Ok(Round::Conflict);
                    }
                }
                Assignment::ReadAll => self.read_all(known, &request.handle).await?,
            }
        }
    }

    async fn release_with(&self, known: &mut Snapshot, handle: &str) -> Result<Vec<IpAddr>, Error> {
        // An attempt that met a conflict may have released a part, which the next one no longer finds.
        let mut released = BTreeSet::new();
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            self.read_handle(known, handle).await?;
            let Release::Commit { writes, addresses } = plan::release(known, handle, now()) else {
                return Ok(released.into_iter().collect());
            };
            released.extend(addresses);
            if self.commit(known, &writes).await? {
                return Ok(released.into_iter().collect());
            }
        }
        Err(Error::Contended)
    }

    /// Commits the writes in order and takes them over. False if one met a conflict: its record is then read
    /// again, and the rest not written.
    async fn commit(&self, known: &mut Snapshot, writes: &[Write]) -> Result<bool, Error> {
        for write in writes {
            let expected = write.expected.map(Revision::from);
            let precondition = expected.map_or(Precondition::Absent, Precondition::Unchanged);
            let key = Key::from(&write.key);
            let outcome = match write.value.clone() {
                Some(record) => self.store.put(record.into(), precondition).await,
                None => self.store.delete(&key, precondition).await.map(|()| Revision::default()),
            };
            match outcome {
                Ok(revision) => known.apply(write, revision.into()),
                Err(datastore::Error::Conflict { .. }) => {
                    self.read(known, &write.key).await?;
                    return Ok(false);
                }
                Err(other) => {
                    // Whether it was written is not known.
                    known.remove(&write.key);
                    return Err(other.into());
                }
            }
        }
        Ok(true)
    }

    /// Reads one record anew; `None` if it does not exist.
    async fn read(&self, known: &mut Snapshot, key: &ipam::Key) -> Result<Option<Record>, Error> {
        let found = self.store.get(&Key::from(key)).await?;
        let record = found.and_then(|Versioned { revision, resource }| {
            resource.into_record().map(|record| (record, revision))
        });
        match record {
            Some((record, revision)) => {
                known.put(record.clone(), revision.into());
                Ok(Some(record))
            }
            None => {
                known.remove(key);
                Ok(None)
            }
        }
    }

    /// Reads the handle, and then those of its blocks that are not in memory.
    async fn read_handle(&self, known: &mut Snapshot, handle: &str) -> Result<Option<Record>, Error> {
        let record = self.read(known, &ipam::Key::Handle(handle.to_owned())).await?;
        if let Some(Record::Handle(handle)) = &record {
            for cidr in handle.blocks.keys() {
                if known.block(cidr).is_none() {
                    self.read(known, &ipam::Key::Block(*cidr)).await?;
                }
            }
        }
        Ok(record)
    }

    async fn read_pools(&self, known: &mut Snapshot) -> Result<(), Error> {
        let listing = self.store.list(Kind::IpPool).await?;
        known.set_pools(
            listing.items.into_values().filter_map(|item| {
                if let Resource::IpPool(pool) = item.resource { Some(*pool) } else { None }
            }),
        );
        Ok(())
    }

    /// Reads everything that planning may need, in the order that [`Snapshot`] demands.
    async fn read_all(&self, known: &mut Snapshot, handle: &str) -> Result<(), Error> {
        let mut all = Snapshot::all();
        self.read_pools(&mut all).await?;
        self.read(&mut all, &ipam::Key::Handle(handle.to_owned())).await?;
        for kind in [Kind::BlockAffinity, Kind::IpamBlock] {
            for item in self.store.list(kind).await?.items.into_values() {
                if let Some(record) = item.resource.into_record() {
                    all.put(record, item.revision.into());
                }
            }
        }
        *known = all;
        Ok(())
    }
}

/// The moment, for records.
pub(crate) fn now() -> ipam::Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    ipam::Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Waits before another attempt: longer each time, and by chance, so that those who collided part.
async fn pause(attempt: u32) {
    if attempt == 0 {
        return;
    }
    let longest = Duration::from_millis(1 << attempt.min(10)).min(LONGEST_PAUSE);
    let chance = u32::from(u8::try_from(RandomState::new().hash_one(attempt) % 256).unwrap_or(0));
    tokio::time::sleep(longest * chance / 256).await;
}

#[cfg(test)]
mod tests;
