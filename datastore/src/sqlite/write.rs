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
use crate::store::{Precondition, Revision};

/// Jobs done in one transaction at most.
const BATCH: usize = 256;

/// Revisions for which a tombstone is kept: who watches from further back must list again.
const RETAINED: u64 = 10_000;

/// What the writer can be asked to do.
pub(super) enum Job {
    /// Write a value, or delete (`None`).
    Write {
        key: Key,
        value: Option<String>,
        precondition: Precondition,
        reply: oneshot::Sender<Result<Revision, Error>>,
    },
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
type Outcome = Result<(Revision, Vec<Result<Revision, Error>>), Error>;

fn commit(connection: &mut Connection, batch: &[Job]) -> Outcome {
    try_commit(connection, batch).map_err(|error| failure(&error))
}

fn try_commit(
    connection: &mut Connection,
    batch: &[Job],
) -> rusqlite::Result<(Revision, Vec<Result<Revision, Error>>)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = read::revision(&transaction)?;
    let mut head = before;
    let mut results = Vec::with_capacity(batch.len());
    for job in batch {
        results.push(match job {
            Job::Write { key, value, precondition, .. } => {
                write(&transaction, &mut head, key, value.as_deref(), *precondition)?
            }
            Job::Compact { .. } => {
                forget(&transaction, head)?;
                Ok(head)
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

fn write(
    transaction: &Transaction<'_>,
    head: &mut Revision,
    key: &Key,
    value: Option<&str>,
    precondition: Precondition,
) -> rusqlite::Result<Result<Revision, Error>> {
    let name = params![key.kind.name(), key.namespace, key.name];
    let sql = "SELECT revision FROM resources \
               WHERE kind = ?1 AND namespace = ?2 AND name = ?3 AND value IS NOT NULL";
    let found = transaction.prepare_cached(sql)?.query_row(name, |row| row.get(0)).optional()?.map(Revision);
    let holds = match precondition {
        Precondition::None => true,
        Precondition::Absent => found.is_none(),
        Precondition::Unchanged(revision) => found == Some(revision),
    };
    if !holds {
        return Ok(Err(Error::Conflict { key: key.clone(), found }));
    }
    if value.is_none() && found.is_none() {
        return Ok(Ok(*head));
    }
    *head = Revision(head.0 + 1);
    let sql = "INSERT INTO resources (kind, namespace, name, revision, value) VALUES (?1, ?2, ?3, ?4, ?5) \
               ON CONFLICT (kind, namespace, name) DO UPDATE SET revision = ?4, value = ?5";
    let row = params![key.kind.name(), key.namespace, key.name, head.0, value];
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(Ok(*head))
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
fn answer(batch: Vec<Job>, outcome: Outcome) {
    let results = match outcome {
        Ok((_, results)) => results,
        Err(error) => vec![Err(error); batch.len()],
    };
    for (job, result) in batch.into_iter().zip(results) {
        match job {
            Job::Write { reply, .. } => drop(reply.send(result)),
            Job::Compact { reply } => drop(reply.send(result.map(|_| ()))),
        }
    }
}
