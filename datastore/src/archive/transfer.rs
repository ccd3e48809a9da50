//! Between archives and stores.

use std::collections::BTreeMap;

use super::{Archive, KINDS, portable};
use crate::error::Error;
use crate::key::{Key, Kind};
use crate::store::{ATOMIC_WRITES, Precondition, Revision, Store, Versioned, Write};

/// Reads what is in the store of these kinds at one moment; [`KINDS`] for all.
///
/// # Errors
/// [`Error::Unavailable`], and [`Error::Refused`] if something in it is damaged.
pub async fn export(store: &dyn Store, kinds: &[Kind]) -> Result<Archive, Error> {
    let listing = store.snapshot(&exported(kinds)).await?;
    demand_readable(&listing)?;
    Ok(Archive::new(listing.revision, listing.items.into_values().map(|item| item.resource)))
}

fn exported(kinds: &[Kind]) -> Vec<Kind> {
    KINDS.into_iter().filter(|kind| kinds.contains(kind)).collect()
}

/// What an import would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// In the archive only.
    pub created: Vec<Key>,
    /// In both, and not the same, with the revision in the store.
    pub replaced: Vec<(Key, Revision)>,
    /// In both, and the same.
    pub unchanged: usize,
    /// In the store only, which stay.
    pub others: usize,
    /// In the archive, of kinds that were not asked for.
    pub skipped: usize,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Resources written.
    pub written: usize,
    /// Resources to be written.
    pub total: usize,
}

/// Why an import was not done, or not to its end. It can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Decide: something is there already, and is not the same. Nothing was written.
    #[error(
        "{} resources are in the datastore already and differ, {} among them; overwrite them, or import into another \
         datastore", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default()
    )]
    Different(Vec<Key>),
    /// Repeat it, when what is said about the error is done: so many of the resources are written.
    #[error("after {} of {} resources: {error}", .progress.written, .progress.total)]
    Interrupted {
        /// How far it came.
        progress: Progress,
        /// What stopped it.
        error: Error,
    },
}

/// Compares an archive with what is in the store, as far as it is of these kinds.
///
/// # Errors
/// [`Error::Unavailable`], and [`Error::Refused`] if something in the store is damaged.
pub async fn compare(store: &dyn Store, archive: &Archive, kinds: &[Kind]) -> Result<Difference, Error> {
    let listing = store.snapshot(&exported(kinds)).await?;
    demand_readable(&listing)?;
    let mut there = listing.items;
    let mut difference = Difference::default();
    for resource in archive.resources() {
        let key = resource.key();
        if !kinds.contains(&key.kind) {
            difference.skipped += 1;
            continue;
        }
        let Some(Versioned { revision, resource: found }) = there.remove(&key) else {
            difference.created.push(key);
            continue;
        };
        if portable(found) == *resource {
            difference.unchanged += 1;
        } else {
            difference.replaced.push((key, revision));
        }
    }
    difference.others = there.len();
    Ok(difference)
}

/// Writes what is in the archive, of these kinds, and is not the same in the store; what is there and differs only
/// if it is to `overwrite`. `progress` is told after each group of writes. Returns what was done.
///
/// # Errors
/// See [`ImportError`].
pub async fn import(
    store: &dyn Store,
    archive: &Archive,
    kinds: &[Kind],
    overwrite: bool,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Difference, ImportError> {
    let interrupted = |progress, error| ImportError::Interrupted { progress, error };
    let difference =
        compare(store, archive, kinds).await.map_err(|error| interrupted(Progress::default(), error))?;
    if !difference.replaced.is_empty() && !overwrite {
        let keys = difference.replaced.iter().map(|(key, _)| key.clone()).collect();
        return Err(ImportError::Different(keys));
    }
    let writes = writes(archive, &difference);
    let mut done = Progress { written: 0, total: writes.len() };
    progress(done);
    for group in writes.chunks(ATOMIC_WRITES) {
        if let Err(failed) = store.commit(group.to_vec()).await {
            done.written += failed.done;
            return Err(interrupted(done, failed.error));
        }
        done.written += group.len();
        progress(done);
    }
    Ok(difference)
}

/// In the order in which they may stop anywhere.
fn writes(archive: &Archive, difference: &Difference) -> Vec<Write> {
    let created = difference.created.iter().map(|key| (key, Precondition::Absent));
    let replaced =
        difference.replaced.iter().map(|(key, revision)| (key, Precondition::Unchanged(*revision)));
    let preconditions: BTreeMap<&Key, Precondition> = created.chain(replaced).collect();
    let mut writes = Vec::with_capacity(preconditions.len());
    for kind in KINDS {
        for resource in archive.resources().iter().filter(|resource| resource.kind() == kind) {
            if let Some(precondition) = preconditions.get(&resource.key()) {
                writes.push(Write::put(resource.clone(), *precondition));
            }
        }
    }
    writes
}

/// What cannot be understood can be neither exported nor compared, and must not be passed over.
fn demand_readable(listing: &crate::store::Listing) -> Result<(), Error> {
    match listing.unreadable.iter().next() {
        Some((key, why)) => {
            let (key, why) = (key.clone(), why.clone());
            Err(Error::Unreadable { key, revision: listing.revision, why })
        }
        None => Ok(()),
    }
}
