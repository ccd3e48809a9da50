//! Writing: one thread, and everything that waits for it in one transaction.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;
use tokio::sync::watch;

use super::follow::Signal;
use super::{failure, read, writer_gone};
use crate::error::Error;
use crate::key::Key;
use crate::store::{CommitError, Precondition, Revision};

/// Jobs done in one transaction at most.
const BATCH: usize = 256;

/// Revisions for which a tombstone is kept: who watches from further back must list again.
const RETAINED: u64 = 10_000;

/// A value to write, or a deletion (`None`).
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) precondition: Precondition,
    pub(super) value: Option<String>,
}

/// Of a commit: a revision for each of its rows.
type Committed = Result<Vec<Revision>, CommitError>;

/// What the writer can be asked to do.
pub(super) enum Job {
    /// Write these rows, all or none.
    Write { rows: Vec<Row>, reply: oneshot::Sender<Committed> },
    /// Drop all tombstones.
    Compact { reply: oneshot::Sender<Result<(), Error>> },
}

/// The way to the writer's thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer(Sender<Job>);

impl Writer {
    /// Starts the thread. It raises `head` and signals other processes after each commit.
    pub(super) fn spawn(
        connection: Connection,
        head: Arc<watch::Sender<Revision>>,
        signal: Signal,
    ) -> Result<Self, Error> {
        let (sender, jobs) = channel();
        std::thread::Builder::new()
            .name("datastore".to_owned())
            .spawn(move || serve(connection, &jobs, &head, &signal))
            .map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self(sender))
    }

    pub(super) fn submit(&self, job: Job) -> Result<(), Error> {
        self.0.send(job).map_err(|_| writer_gone())
    }
}

fn serve(mut connection: Connection, jobs: &Receiver<Job>, head: &watch::Sender<Revision>, signal: &Signal) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(BATCH - 1));
        let outcome = commit(&mut connection, &batch);
        if let Ok((revision, _)) = &outcome
            && raise(head, *revision)
        {
            signal.send();
        }
        answer(batch, outcome);
    }
}

/// Moves `head` forward; false if it was there already.
pub(super) fn raise(head: &watch::Sender<Revision>, revision: Revision) -> bool {
    head.send_if_modified(|current| {
        let newer = *current < revision;
        *current = (*current).max(revision);
        newer
    })
}

/// Result of each job, and the revision after all of them.
type Outcome = (Revision, Vec<Committed>);

fn commit(connection: &mut Connection, batch: &[Job]) -> rusqlite::Result<Outcome> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = read::revision(&transaction)?;
    let mut head = before;
    let mut results = Vec::with_capacity(batch.len());
    for job in batch {
        results.push(match job {
            Job::Write { rows, .. } => write_all(&transaction, &mut head, rows)?,
            Job::Compact { .. } => {
                forget(&transaction, head)?;
                Ok(Vec::new())
            }
        });
    }
    if head != before {
        transaction.prepare_cached("UPDATE store SET revision = ?1")?.execute([head.0])?;
        if let Some(horizon) = head.0.checked_sub(RETAINED) {
            forget(&transaction, Revision(horizon))?;
        }
    }
    transaction.commit()?;
    Ok((head, results))
}

/// Looks at all preconditions before the first row is written. No key is in `rows` twice, so that is enough.
fn write_all(
    transaction: &Transaction<'_>,
    head: &mut Revision,
    rows: &[Row],
) -> rusqlite::Result<Committed> {
    let mut found = Vec::with_capacity(rows.len());
    for (index, Row { key, precondition, .. }) in rows.iter().enumerate() {
        let there = revision_of(transaction, key)?;
        if !precondition.holds(there) {
            let error = Error::Conflict { key: key.clone(), found: there };
            return Ok(Err(CommitError { index, done: 0, error }));
        }
        found.push(there);
    }
    let mut revisions = Vec::with_capacity(rows.len());
    for (Row { key, value, .. }, found) in rows.iter().zip(found) {
        if value.is_some() || found.is_some() {
            *head = Revision(head.0 + 1);
            write(transaction, *head, key, value.as_deref())?;
        }
        revisions.push(*head);
    }
    Ok(Ok(revisions))
}

fn revision_of(transaction: &Transaction<'_>, key: &Key) -> rusqlite::Result<Option<Revision>> {
    let sql = "SELECT revision FROM resources \
               WHERE kind = ?1 AND namespace = ?2 AND name = ?3 AND value IS NOT NULL";
    let name = params![key.kind.name(), key.namespace, key.name];
    Ok(transaction.prepare_cached(sql)?.query_row(name, |row| row.get(0)).optional()?.map(Revision))
}

fn write(
    transaction: &Transaction<'_>,
    revision: Revision,
    key: &Key,
    value: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO resources (kind, namespace, name, revision, value) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (kind, namespace, name) DO UPDATE SET revision = ?4, value = ?5";
    let row = params![key.kind.name(), key.namespace, key.name, revision.0, value];
    transaction.prepare_cached(sql)?.execute(row).map(drop)
}

/// Drops the tombstones up to `horizon`, and notes that if there were any.
fn forget(transaction: &Transaction<'_>, horizon: Revision) -> rusqlite::Result<()> {
    let sql = "DELETE FROM resources WHERE value IS NULL AND revision <= ?1";
    if transaction.prepare_cached(sql)?.execute([horizon.0])? > 0 {
        transaction
            .prepare_cached("UPDATE store SET compacted = max(compacted, ?1)")?
            .execute([horizon.0])?;
    }
    Ok(())
}

/// Tells everyone. Who no longer waits does not matter.
fn answer(batch: Vec<Job>, outcome: rusqlite::Result<Outcome>) {
    let results = match outcome {
        Ok((_, results)) => results,
        Err(error) => {
            let failed = CommitError { index: 0, done: 0, error: failure(&error) };
            vec![Err(failed); batch.len()]
        }
    };
    for (job, result) in batch.into_iter().zip(results) {
        match job {
            Job::Write { reply, .. } => drop(reply.send(result)),
            Job::Compact { reply } => drop(reply.send(result.map(drop).map_err(Error::from))),
        }
    }
}
