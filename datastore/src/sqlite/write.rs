//! Writing: one thread, and everything that waits for it in one transaction.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use tokio::sync::oneshot;
use tokio::sync::watch;

use super::follow::Signal;
use super::recent::Recent;
use super::{failure, read, writer_gone};
use crate::error::Error;
use crate::key::Key;
use crate::resource::Resource;
use crate::store::{Change, CommitError, Precondition, Revision, Versioned};

/// Jobs done in one transaction at most.
const BATCH: usize = 256;

/// Revisions for which a tombstone is kept: who watches from further back must list again.
const RETAINED: u64 = 10_000;

/// A value to write, or a deletion (`None`).
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) precondition: Precondition,
    pub(super) value: Option<Resource>,
    /// The value, as the file keeps it.
    pub(super) text: Option<String>,
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

/// How everyone hears of a commit.
pub(super) struct News {
    /// The watches of this process: the newest revision,
    pub(super) head: Arc<watch::Sender<Revision>>,
    /// and what was written.
    pub(super) recent: Arc<Recent>,
    /// Other processes.
    pub(super) signal: Signal,
}

impl News {
    fn tell(&self, revision: Revision, changes: Vec<Change>) {
        // Before the head is raised: who is woken by it finds them.
        self.recent.add(changes);
        if raise(&self.head, revision) {
            self.signal.send();
        }
    }
}

/// The way to the writer's thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer(Sender<Job>);

impl Writer {
    /// Starts the thread. It tells the news after each commit.
    pub(super) fn spawn(connection: Connection, news: News) -> Result<Self, Error> {
        let (sender, jobs) = channel();
        std::thread::Builder::new()
            .name("datastore".to_owned())
            .spawn(move || serve(connection, &jobs, &news))
            .map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self(sender))
    }

    pub(super) fn submit(&self, job: Job) -> Result<(), Error> {
        self.0.send(job).map_err(|_| writer_gone())
    }
}

fn serve(mut connection: Connection, jobs: &Receiver<Job>, news: &News) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(BATCH - 1));
        let outcome = commit(&mut connection, &batch);
        if outcome.is_err() {
            // What came meanwhile has waited for the same lock, and is not to wait for it all over again.
            batch.extend(jobs.try_iter());
        }
        // Whoever waits is told first.
        if let Some((revision, changes)) = answer(batch, outcome) {
            news.tell(revision, changes);
        }
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

/// What a transaction came to.
struct Outcome {
    /// The newest revision before it,
    before: Revision,
    /// and after it.
    head: Revision,
    /// Of each job.
    results: Vec<Committed>,
}

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
    Ok(Outcome { before, head, results })
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
    for (Row { key, text, .. }, found) in rows.iter().zip(found) {
        if text.is_some() || found.is_some() {
            *head = Revision(head.0 + 1);
            write(transaction, *head, key, text.as_deref())?;
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

/// Tells those who asked; who no longer waits does not matter. Gives back the newest revision and what was written.
fn answer(batch: Vec<Job>, outcome: rusqlite::Result<Outcome>) -> Option<(Revision, Vec<Change>)> {
    let Outcome { before, head, results } = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let failed = CommitError { index: 0, done: 0, error: failure(&error) };
            batch.into_iter().for_each(|job| refuse(job, failed.clone()));
            return None;
        }
    };
    let mut changes = Vec::new();
    let mut newest = before;
    for (job, result) in batch.into_iter().zip(results) {
        match job {
            Job::Write { rows, reply } => {
                let revisions = result.clone().unwrap_or_default();
                drop(reply.send(result));
                for (row, revision) in rows.into_iter().zip(revisions) {
                    // What was to be deleted and was not there has the revision of what went before.
                    if revision > newest {
                        newest = revision;
                        changes.push(change(row, revision));
                    }
                }
            }
            Job::Compact { reply } => drop(reply.send(result.map(drop).map_err(Error::from))),
        }
    }
    Some((head, changes))
}

fn refuse(job: Job, failed: CommitError) {
    match job {
        Job::Write { reply, .. } => drop(reply.send(Err(failed))),
        Job::Compact { reply } => drop(reply.send(Err(failed.into()))),
    }
}

/// What watches are told of a row that was written.
fn change(Row { key, value, .. }: Row, revision: Revision) -> Change {
    let value = value.map(|resource| Versioned { revision, resource });
    Change { key, value, revision, resume: revision }
}
