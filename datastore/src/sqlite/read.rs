//! Reading: one connection, one statement at a time, each in a transaction of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde_json::json;

use super::{blocking, failure};
use crate::error::Error;
use crate::key::{Key, Kind};
use crate::resource::Resource;
use crate::store::{Change, Continue, Listing, Page, Query, Revision, Unreadable, Versioned};

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

/// A page of a kind, and the revision at that moment.
pub(super) fn page(connection: &mut Connection, kind: Kind, query: &Query) -> Result<Page, Error> {
    let after = query.after.as_ref().map(decode_place).transpose()?;
    let transaction = connection.transaction().map_err(|error| failure(&error))?;
    let revision = revision(&transaction).map_err(|error| failure(&error))?;
    let Selected { items, unreadable, next } = selected(&transaction, kind, query, after.as_ref())?;
    Ok(Page { revision, items, unreadable, next })
}

/// All resources of these kinds, and the revision at that moment.
pub(super) fn snapshot(connection: &mut Connection, kinds: &[Kind]) -> Result<Listing, Error> {
    let transaction = connection.transaction().map_err(|error| failure(&error))?;
    let revision = revision(&transaction).map_err(|error| failure(&error))?;
    let (mut items, mut unreadable) = (BTreeMap::new(), Unreadable::new());
    for kind in kinds {
        let found = selected(&transaction, *kind, &Query::default(), None)?;
        items.extend(found.items);
        unreadable.extend(found.unreadable);
    }
    Ok(Listing { revision, items, unreadable })
}

/// Namespace and name of the last of a page.
type Place = (String, String);

fn encode_place(key: &Key) -> Continue {
    Continue::new(json!([key.namespace, key.name]).to_string())
}

fn decode_place(text: &Continue) -> Result<Place, Error> {
    serde_json::from_str(text.as_str()).map_err(|_| {
        Error::Refused(format!(
            "\"{text}\" is not where a page of this datastore ended; list from the beginning"
        ))
    })
}

/// What a query selects.
#[derive(Default)]
struct Selected {
    items: BTreeMap<Key, Versioned>,
    unreadable: Unreadable,
    next: Option<Continue>,
}

/// What the query selects, by namespace and name, and where to go on if the limit cuts it off.
fn selected(
    transaction: &Transaction<'_>,
    kind: Kind,
    query: &Query,
    after: Option<&Place>,
) -> Result<Selected, Error> {
    let sql = format!(
        "SELECT namespace, name, revision, value FROM resources WHERE kind = ?1 AND value IS NOT NULL{}{} \
         ORDER BY namespace, name",
        if query.namespace.is_some() { " AND namespace = ?2" } else { " AND ?2 IS NULL" },
        if after.is_some() { " AND (namespace, name) > (?3, ?4)" } else { " AND ?3 IS NULL AND ?4 IS NULL" },
    );
    let (namespace, name) = after.map_or((None, None), |(namespace, name)| (Some(namespace), Some(name)));
    let failed = |error| failure(&error);
    let mut statement = transaction.prepare_cached(&sql).map_err(failed)?;
    let mut rows = statement.query(params![kind.name(), query.namespace, namespace, name]).map_err(failed)?;
    let mut found = Selected::default();
    while let Some(row) = rows.next().map_err(failed)? {
        let (namespace, name) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
        let (key, revision) = (Key { kind, namespace, name }, Revision(row.get(2).map_err(failed)?));
        let text = row.get_ref(3).and_then(|value| Ok(value.as_str()?)).map_err(failed)?;
        let item = match decode(&key, revision, text) {
            Ok(item) => item,
            Err(Error::Unreadable { key, why, .. }) => {
                found.unreadable.insert(key, why);
                continue;
            }
            Err(error) => return Err(error),
        };
        if !query.selects(&item.resource) {
            continue;
        }
        // One more than the limit: there is a next page.
        if query.limit() == Some(found.items.len()) {
            found.next = found.items.last_key_value().map(|(last, _)| encode_place(last));
            return Ok(found);
        }
        found.items.insert(key, item);
    }
    Ok(found)
}

/// The next changes after `from`, in order; empty if there are none.
pub(super) fn changes(
    connection: &mut Connection,
    from: Revision,
) -> Result<Vec<Result<Change, Error>>, Error> {
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
            match value.map(|value| decode(&key, revision, &value)).transpose() {
                Ok(value) => Ok(Ok(Change { key, value, revision, resume: revision })),
                Err(unreadable @ Error::Unreadable { .. }) => Ok(Err(unreadable)),
                Err(error) => Err(error),
            }
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
    let broken =
        |error: serde_json::Error| Error::Unreadable { key: key.clone(), revision, why: error.to_string() };
    let value = serde_json::from_str(value).map_err(broken)?;
    let resource = Resource::decode(key.kind, value).map_err(broken)?;
    Ok(Versioned { revision, resource })
}
