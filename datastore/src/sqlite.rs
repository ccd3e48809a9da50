//! The backend that is a file, shared by all agents of one machine.
//!
//! - **Durable.** Write-ahead log, `synchronous=FULL`: a write that returned survives a power failure.
//! - **Many processes, one file.** Writes are immediate transactions, so SQLite orders them among processes;
//!   within one process a dedicated thread does them, all that are waiting in one transaction, which costs one
//!   `fsync`. Each commit is done in it whole or not at all, whatever becomes of the others.
//! - **Changes are seen at once, without polling.** After each commit the writer sets the times of the log file;
//!   every process watches for that by inotify (`follow`). Watching for the log's *content* would wake readers
//!   before the commit can be read, and not again after it.
//! - **What a process wrote is not read back.** Its own watches are told from memory (`recent`), unless others wrote in between.
//! - **Damaged files are left alone.** Whether the file is ours, whole and of a version we know is found out
//!   read-only, before anything is opened for writing (`file`).
//!
//! A deleted resource stays as a row without value (a tombstone), so that watchers hear of it, until so many
//! writes have passed that they must list again.

mod file;
mod follow;
mod read;
mod recent;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::BoxStream;
use rusqlite::ErrorCode;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::key::{Key, Kind};
use crate::store::{self, Change, CommitError, Listing, Page, Query, Revision, Store, Versioned, Write};
use read::Reader;
use recent::Recent;
use write::{Job, News, Row, Writer};

/// A store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    reader: Reader,
    writer: Writer,
    head: Arc<tokio::sync::watch::Sender<Revision>>,
    recent: Arc<Recent>,
    follower: tokio::task::AbortHandle,
}

impl SqliteStore {
    /// Opens the store at `path`, or creates it there. Needs a tokio runtime with time and IO, and keeps a task on it
    /// until dropped.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is a file that is no store of ours, damaged or of a newer version (it is not
    /// touched then), or if it can neither be opened nor created; [`Error::Unavailable`] if it is locked for long.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        let opening = path.clone();
        let (connections, revision) = blocking(move || {
            let connections = file::open(&opening)?;
            let revision = read::revision(&connections.reader).map_err(|error| failure(&error))?;
            Ok((connections, revision))
        })
        .await?;
        let head = Arc::new(tokio::sync::watch::Sender::new(revision));
        let reader = Reader::new(connections.reader);
        let signal = follow::Signal::new(&path);
        let recent = Arc::<Recent>::default();
        let news = News { head: Arc::clone(&head), recent: Arc::clone(&recent), signal };
        let writer = Writer::spawn(connections.writer, news)?;
        let follower = follow::spawn(&path, reader.clone(), Arc::clone(&head))?;
        Ok(Self { path, reader, writer, head, recent, follower })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Forgets what was deleted so far: watches from before now end in [`Error::Compacted`].
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Refused`].
    pub async fn compact(&self) -> Result<(), Error> {
        self.submit(|reply| Job::Compact { reply }).await?
    }

    async fn submit<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.writer.submit(job(reply))?;
        answer.await.map_err(|_| writer_gone())
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Store for SqliteStore {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Versioned>, Error>> {
        let key = key.clone();
        self.reader.run(move |connection| read::get(connection, &key)).boxed()
    }

    fn list_page(&self, kind: Kind, query: &Query) -> BoxFuture<'_, Result<Page, Error>> {
        let query = query.clone();
        self.reader.run(move |connection| read::page(connection, kind, &query)).boxed()
    }

    fn commit(&self, writes: Vec<Write>) -> BoxFuture<'_, Result<Vec<Revision>, CommitError>> {
        async move {
            store::check(&writes)?;
            let mut rows = Vec::with_capacity(writes.len());
            for (index, write) in writes.into_iter().enumerate() {
                let text = write.text().map_err(|error| CommitError { index, done: 0, error })?;
                rows.push(Row { key: write.key, precondition: write.precondition, value: write.value, text });
            }
            let failed = |error| CommitError { index: 0, done: 0, error };
            self.submit(|reply| Job::Write { rows, reply }).await.map_err(failed)?
        }
        .boxed()
    }

    fn is_atomic(&self) -> bool {
        true
    }

    fn snapshot(&self, kinds: &[Kind]) -> BoxFuture<'_, Result<Listing, Error>> {
        let kinds = kinds.to_owned();
        self.reader.run(move |connection| read::snapshot(connection, &kinds)).boxed()
    }

    fn watch(
        &self,
        from: Revision,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>> {
        let (reader, recent) = (self.reader.clone(), Arc::clone(&self.recent));
        follow::watch(reader, recent, self.head.subscribe(), from)
            .map(|stream| stream.map(futures_util::StreamExt::boxed))
            .boxed()
    }
}

/// Runs what may block for long on a thread for such things.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Unavailable("the process is shutting down".to_owned()))?
}

fn writer_gone() -> Error {
    Error::Unavailable("the datastore's writer has ended".to_owned())
}

/// What the caller must do about an error of SQLite.
fn failure(error: &rusqlite::Error) -> Error {
    let damaged = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
        )
    );
    if damaged {
        Error::Refused(format!("the datastore's file cannot be used: {error}; restore it from a backup"))
    } else {
        Error::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests;
