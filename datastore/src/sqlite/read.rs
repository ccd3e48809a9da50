//! Reading: one connection, one statement at a time, each in a transaction of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{blocking, failure};
use crate::error::Error;
use crate::key::{Key, Kind};
use crate::resource::Resource;
use crate::store::{Change, Listing, Revision, Versioned};

/// Changes read at once.
const PAGE: u32 = 500;

/// The readers' connection.
#[derive(Debug, Clone)]
pub(super) struct Reader(Arc<Mutex<Connection>>);

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }

    /// Runs `query` where it may block.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let connection = Arc::clone(&self.0);
        // A query that panicked left no transaction open: rusqlite rolls back on drop.
        blocking(move || query(&mut connection.lock().unwrap_or_else(PoisonError::into_inner))).await
    }
}

/// The newest revision.
pub(super) fn revision(connection: &Connection) -> rusqlite::Result<Revision> {
    connection.query_row("SELECT revision FROM store", [], |row| row.get(0).map(Revision))
}

/// One resource.
pub(super) fn get(connection: &mut Connection, key: &Key) -> Result<Option<Versioned>, Error> {
    let sql = "SELECT revision, value FROM resources \
               WHERE kind = ?1 AND namespace = ?2 AND name = ?3 AND value IS NOT NULL";
    let row = connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            let parameters = params![key.kind.name(), key.namespace, key.name];
            statement.query_row(parameters, |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).optional()
        })
        .map_err(|error| failure(&error))?;
    row.map(|(revision, value)| decode(key, Revision(revision), &value)).transpose()
}

/// All resources of a kind, and the revision at that moment.
pub(super) fn list(connection: &mut Connection, kind: Kind) -> Result<Listing, Error> {
    let (revision, rows) = list_rows(connection, kind).map_err(|error| failure(&error))?;
    let mut items = BTreeMap::new();
    for (namespace, name, revision, value) in rows {
        let key = Key { kind, namespace, name };
        let item = decode(&key, Revision(revision), &value)?;
        items.insert(key, item);
    }
    Ok(Listing { revision, items })
}

/// Namespace, name, revision, value.
type Row = (String, String, u64, String);

fn list_rows(connection: &mut Connection, kind: Kind) -> rusqlite::Result<(Revision, Vec<Row>)> {
    let transaction = connection.transaction()?;
    let revision = revision(&transaction)?;
    let sql = "SELECT namespace, name, revision, value FROM resources WHERE kind = ?1 AND value IS NOT NULL";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement
        .query_map([kind.name()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok((revision, rows))
}

/// The next changes after `from`, in order; empty if there are none.
pub(super) fn changes(connection: &mut Connection, from: Revision) -> Result<Vec<Change>, Error> {
    let (head, compacted, rows) = change_rows(connection, from).map_err(|error| failure(&error))?;
    // Ahead of the head: the revision is of a store that was here before.
    if from < compacted || from > head {
        return Err(Error::Compacted { oldest: compacted });
    }
    rows.into_iter()
        .map(|(kind, namespace, name, revision, value)| {
            let unknown = || {
                Error::Refused(format!(
                    "the datastore has a resource of the unknown kind {kind}; run a newer version"
                ))
            };
            let key = Key { kind: Kind::from_name(&kind).ok_or_else(unknown)?, namespace, name };
            let revision = Revision(revision);
            let value = value.map(|value| decode(&key, revision, &value)).transpose()?;
            Ok(Change { key, value, revision })
        })
        .collect()
}

/// Kind, namespace, name, revision, value.
type ChangeRow = (String, String, String, u64, Option<String>);

fn change_rows(
    connection: &mut Connection,
    from: Revision,
) -> rusqlite::Result<(Revision, Revision, Vec<ChangeRow>)> {
    let transaction = connection.transaction()?;
    let (head, compacted) = transaction
        .query_row("SELECT revision, compacted FROM store", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sql = "SELECT kind, namespace, name, revision, value FROM resources \
               WHERE revision > ?1 ORDER BY revision LIMIT ?2";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement
        .query_map(params![from.0, PAGE], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok((Revision(head), Revision(compacted), rows))
}

fn decode(key: &Key, revision: Revision, value: &str) -> Result<Versioned, Error> {
    let broken = |error| {
        Error::Refused(format!("{key} in the datastore cannot be understood: {error}; delete or repair it"))
    };
    let value = serde_json::from_str(value).map_err(broken)?;
    let resource = Resource::decode(key.kind, value).map_err(broken)?;
    Ok(Versioned { revision, resource })
}
