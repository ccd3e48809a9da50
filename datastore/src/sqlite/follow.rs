//! Hearing of changes, one's own and those of other processes.
//!
//! All watches of a process wait for `head`, the newest known revision. The writer's thread raises it after its
//! commits. For those of other processes, a task waits for the signal that they send after theirs: they set the
//! times of the log file, which inotify reports. A signal may get lost (its sender died between commit and
//! signal), so the task also looks by itself, rarely.

use std::collections::VecDeque;
use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, Stream, StreamExt as _};
use inotify::{Inotify, WatchMask};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::failure;
use super::file::{directory, log_path};
use super::read::{self, Reader};
use super::recent::Recent;
use super::write::raise;
use crate::error::Error;
use crate::store::{Change, Revision};

/// How often to look without having been told. Never in tests, so that a lost signal is seen.
const SAFETY_INTERVAL: Duration = Duration::from_secs(if cfg!(test) { 3600 } else { 5 });

/// Tells other processes that there is something new.
#[derive(Debug)]
pub(super) struct Signal {
    log: PathBuf,
}

impl Signal {
    /// For the store at `path`.
    pub(super) fn new(path: &Path) -> Self {
        Self { log: log_path(path) }
    }

    /// Sends the signal. If that fails, the others look by themselves soon.
    ///
    /// The log is the one file of the store that may be opened here: closing the database itself would drop the
    /// locks that SQLite holds on it in this process (POSIX advisory locks).
    pub(super) fn send(&self) {
        let now = SystemTime::now();
        // Both times: the kernel reports one alone as a mere access or write (`fsnotify_change`, linux/fsnotify.h).
        let times = FileTimes::new().set_accessed(now).set_modified(now);
        let log = File::options().write(true).open(&self.log);
        if let Err(error) = log.and_then(|log| log.set_times(times)) {
            tracing::debug!(log = %self.log.display(), %error, "cannot signal a change of the datastore");
        }
    }
}

/// Starts the task that raises `head` for the writes of other processes.
pub(super) fn spawn(
    path: &Path,
    reader: Reader,
    head: Arc<watch::Sender<Revision>>,
) -> Result<AbortHandle, Error> {
    let refused = |error: std::io::Error| {
        Error::Refused(format!(
            "cannot watch {} for changes: {error}; raise fs.inotify.max_user_instances and max_user_watches",
            directory(path).display()
        ))
    };
    let inotify = Inotify::init().map_err(refused)?;
    inotify.watches().add(directory(path), WatchMask::ATTRIB).map_err(refused)?;
    let mut signals = inotify.into_event_stream(vec![0; 4096]).map_err(refused)?;
    let log = log_path(path).file_name().map(ToOwned::to_owned);
    let task = async move {
        loop {
            match tokio::time::timeout(SAFETY_INTERVAL, signals.next()).await {
                // An overflow of the kernel's queue has no name.
                Ok(Some(Ok(event))) if event.name.is_some() && event.name != log => continue,
                Ok(Some(_)) | Err(_) => {}
                // Never: the stream of an open inotify has no end. Looking now and then still works.
                Ok(None) => tokio::time::sleep(SAFETY_INTERVAL).await,
            }
            match reader.run(|connection| read::revision(connection).map_err(|error| failure(&error))).await {
                Ok(revision) => drop(raise(&head, revision)),
                Err(error) => tracing::warn!(%error, "cannot look for changes of the datastore"),
            }
        }
    };
    Ok(tokio::spawn(task).abort_handle())
}

/// A watch: where it is, and what it has read but not passed on.
struct Watch {
    reader: Reader,
    recent: Arc<Recent>,
    head: watch::Receiver<Revision>,
    position: Revision,
    pending: VecDeque<Result<Change, Error>>,
    failed: bool,
}

impl Watch {
    /// Reads what comes after `position`, waiting until there is something. False if the store is closed.
    async fn fill(&mut self) -> Result<bool, Error> {
        while self.pending.is_empty() {
            // Marked as seen before reading: what comes while reading wakes again.
            let head = *self.head.borrow_and_update();
            if let Some(changes) = self.recent.after(self.position) {
                self.take(changes.into_iter().map(Ok));
            } else if self.position < head {
                self.read().await?;
            }
            if self.pending.is_empty() && self.head.changed().await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn read(&mut self) -> Result<(), Error> {
        let from = self.position;
        let changes = self.reader.run(move |connection| read::changes(connection, from)).await?;
        self.take(changes);
        Ok(())
    }

    fn take(&mut self, changes: impl IntoIterator<Item = Result<Change, Error>>) {
        self.pending.extend(changes);
        self.position = match self.pending.back() {
            Some(Ok(change)) => change.revision,
            Some(Err(Error::Unreadable { revision, .. })) => *revision,
            Some(Err(_)) | None => self.position,
        };
    }
}

/// Every change after `from`.
pub(super) async fn watch(
    reader: Reader,
    recent: Arc<Recent>,
    head: watch::Receiver<Revision>,
    from: Revision,
) -> Result<impl Stream<Item = Result<Change, Error>> + Send + 'static, Error> {
    let mut watch = Watch { reader, recent, head, position: from, pending: VecDeque::new(), failed: false };
    // At once, so that a revision too far back is an error of the call.
    watch.read().await?;
    Ok(stream::unfold(watch, |mut watch| async move {
        if watch.failed {
            return None;
        }
        match watch.fill().await {
            Ok(true) => watch.pending.pop_front().map(|change| (change, watch)),
            Ok(false) => None,
            Err(error) => {
                watch.failed = true;
                Some((Err(error), watch))
            }
        }
    }))
}
