//! Between the planner's records and the datastore's resources: one read, one commit, a listing.

use std::collections::BTreeSet;

use datastore::{CommitError, Error, Key, Kind, Precondition, Resource, Store, Unreadable, Versioned};
use ipam::{Record, Revision};

use super::known::Found;

/// What became of a commit.
#[derive(Debug)]
pub(crate) enum Committed {
    /// All is written, at these revisions.
    All(Vec<Revision>),
    /// The first `done` are written and nothing else, because of what is wrong with the record at `index`: somebody
    /// else changed it, or the datastore refuses it.
    UpTo { done: usize, index: usize, error: Error },
    /// Nobody knows what is written.
    Unknown(Error),
}

/// Writes all, in order.
pub(crate) async fn commit(store: &dyn Store, writes: &[ipam::Write]) -> Committed {
    match store.commit(writes.iter().map(convert).collect()).await {
        Ok(revisions) => Committed::All(revisions.into_iter().map(Revision::from).collect()),
        Err(CommitError { error: error @ Error::Unavailable(_), .. }) => Committed::Unknown(error),
        Err(CommitError { done, index, error }) => {
            // Of writes that failed together, the one that is to blame.
            let blamed = if let Error::Conflict { key, .. } = &error {
                writes.iter().position(|write| Key::from(&write.key) == *key)
            } else {
                None
            };
            Committed::UpTo { done, index: blamed.unwrap_or(index), error }
        }
    }
}

/// Reads one record; `None` if there is none.
pub(crate) async fn read(store: &dyn Store, key: &ipam::Key) -> Result<Option<(Record, Revision)>, Error> {
    Ok(store.get(&Key::from(key)).await?.and_then(into_record))
}

/// Reads all claims and then all blocks: see [`ipam::Snapshot`] for why in this order.
pub(crate) async fn list(store: &dyn Store) -> Result<(Vec<(Record, Revision)>, Unreadable), Error> {
    let (mut records, mut unreadable) = (Vec::new(), Unreadable::new());
    for kind in [Kind::BlockAffinity, Kind::IpamBlock] {
        let listing = store.list(kind).await?;
        records.extend(listing.items.into_values().filter_map(into_record));
        unreadable.extend(listing.unreadable);
    }
    Ok((records, unreadable))
}

/// Reads all that decides whom pools serve: pools, reservations, the configuration, and this node and these namespaces.
pub(super) async fn settings(
    store: &dyn Store,
    node: &str,
    namespaces: BTreeSet<&str>,
) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for kind in [Kind::IpPool, Kind::IpReservation] {
        let listing = store.list(kind).await?;
        found.push(Found::All(kind, listing.items, listing.unreadable));
    }
    let configuration = Key::global(Kind::IpamConfiguration, ipam::configuration::NAME);
    let namespaces = namespaces.into_iter().map(|name| Key::global(Kind::Namespace, name));
    for key in [configuration, Key::global(Kind::Node, node)].into_iter().chain(namespaces) {
        let item = store.get(&key).await?;
        found.push(Found::One(key, item));
    }
    Ok(found)
}

fn into_record(found: Versioned) -> Option<(Record, Revision)> {
    let revision = found.revision.into();
    found.resource.into_record().map(|record| (record, revision))
}

fn convert(write: &ipam::Write) -> datastore::Write {
    let expected = write.expected.map(datastore::Revision::from);
    datastore::Write {
        key: Key::from(&write.key),
        precondition: expected.map_or(Precondition::Absent, Precondition::Unchanged),
        value: write.value.clone().map(Resource::from),
    }
}
