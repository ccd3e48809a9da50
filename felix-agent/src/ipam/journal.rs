//! What was promised to containers while the datastore was away: on disk before anybody is told, until it is true there.
//!
//! An [`Entry`] for each interface of a container says which standby addresses it was given, which endpoint has to be
//! written, or that it is gone. It is there as long as the datastore may not say the same, and for that long its word counts
//! more than the datastore's:
//! - an address that an entry names is promised to nobody else;
//! - an endpoint that it names is local, whether the datastore knows of it or not;
//! - nothing is done about its handle in the datastore but to make the entry true.
//!
//! **On disk** (`file`) is a log: a line for each change, with a checksum, appended and synchronised. A change is one line,
//! whatever it changes, so it is there whole or not at all. A line that a crash cut short was promised to nobody, and is
//! taken away when the log is opened. A line that is damaged otherwise is not passed over: the log is refused, since
//! whatever it said is not known.
//!
//! **A log that is lost** (deleted, or on a disk that is) costs the pods that it named their connection, and nobody else
//! anything: their endpoints are not known to anybody, so the agent's first pass closes their links, before any of their
//! addresses can be given to somebody else. The addresses are standby addresses still, and lost to nobody.
//!
//! Deliberately absent: settling an entry; that is for whoever reaches the datastore.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datastore::WorkloadEndpoint;
use ipam::Attributes;
use ipam::plan::Slot;
use policy::program::EndpointId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use file::Log;

/// What is to be made true of one interface of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// Who holds its addresses.
    pub handle: String,
    /// CNI_CONTAINERID.
    pub container_id: String,
    /// For whom the addresses are.
    pub attributes: Attributes,
    /// Standby addresses that it was given, in the order of its wishes; none if it has addresses in the datastore.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// What has to be written of it; none before it has a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Box<WorkloadEndpoint>>,
    /// It was detached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Gone>,
    /// Why it does not have what it was promised, and so was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

/// What is left of a container that was detached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gone {
    /// What the host end of its link was called.
    pub host_interface: String,
    /// Under which names its endpoint may be written, as namespace and name.
    pub endpoints: BTreeSet<(String, String)>,
}

impl Entry {
    /// The addresses that it was given.
    #[must_use]
    pub fn addresses(&self) -> Vec<std::net::IpAddr> {
        self.slots.iter().map(|slot| slot.address).collect()
    }

    /// The endpoint, as long as it is to be programmed.
    #[must_use]
    pub fn attached(&self) -> Option<&WorkloadEndpoint> {
        self.endpoint.as_deref().filter(|_| self.gone.is_none() && self.lost.is_none())
    }
}

/// Why nothing can be noted.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Mend the disk, or set another path.
    #[error("the journal {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// A human must act: what it says is not known.
    #[error(
        "the journal {path} is damaged in line {line}: {what}; restore it, or move it away: pods that were attached while \
         the datastore was away are then cut off"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// Set another path.
    #[error(
        "the journal {path} is of node {found}, and this is {node}; give each agent its own (ipam.journal)"
    )]
    OtherNode {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// This node.
        node: String,
    },
}

/// Entries by handle.
pub type Entries = BTreeMap<String, Entry>;

/// A way to the journal; clones lead to the same.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Held while something is written. None for an agent that promises nothing.
    log: Mutex<Option<Log>>,
    /// What is on disk.
    entries: watch::Sender<Arc<Entries>>,
}

impl Journal {
    /// Reads the journal of this node, or begins it.
    ///
    /// # Errors
    /// See [`JournalError`].
    pub fn open(path: &Path, node: &str) -> Result<Self, JournalError> {
        let (log, entries) = Log::open(path, node)?;
        Ok(Self::new(path, Some(log), entries))
    }

    /// One in which nothing can be noted, and nothing is.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Path::new(""), None, Entries::new())
    }

    fn new(path: &Path, log: Option<Log>, entries: Entries) -> Self {
        let entries = watch::Sender::new(Arc::new(entries));
        Self(Arc::new(Shared { path: path.to_owned(), log: Mutex::new(log), entries }))
    }

    /// What is in it.
    #[must_use]
    pub fn entries(&self) -> Arc<Entries> {
        self.0.entries.borrow().clone()
    }

    /// What is in it, and whatever will be.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Entries>> {
        self.0.entries.subscribe()
    }

    /// The entry of this handle.
    #[must_use]
    pub fn entry(&self, handle: &str) -> Option<Entry> {
        self.0.entries.borrow().get(handle).cloned()
    }

    /// Handles of the standby addresses that are promised.
    #[must_use]
    pub fn promised(&self) -> BTreeSet<String> {
        let entries = self.entries();
        entries.values().flat_map(|entry| &entry.slots).map(|slot| slot.handle.clone()).collect()
    }

    /// Changes entries, all or none, and returns when that is on disk. One after another: nothing comes between what `change`
    /// sees and what it leaves.
    ///
    /// # Errors
    /// [`JournalError::Io`]; then what was in it is in it.
    pub async fn update(
        &self,
        change: impl FnOnce(&mut Entries) + Send + 'static,
    ) -> Result<(), JournalError> {
        let shared = Arc::clone(&self.0);
        let written = tokio::task::spawn_blocking(move || shared.update(change)).await;
        let broken_off = |error: tokio::task::JoinError| io::Error::other(error.to_string());
        written
            .map_err(broken_off)
            .and_then(|written| written)
            .map_err(|error| JournalError::Io { path: self.0.path.clone(), error })
    }

    /// Adds or replaces an entry. Another container's endpoint of the same name is not to be written any more: this is the
    /// newer one.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub async fn put(&self, entry: Entry) -> Result<(), JournalError> {
        self.update(move |entries| {
            if let Some(endpoint) = &entry.endpoint {
                supersede(entries, &endpoint.id(), &entry.handle);
            }
            entries.insert(entry.handle.clone(), entry);
        })
        .await
    }

    /// Removes an entry, if it still is this one. False if it is not.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub async fn settle(&self, entry: Entry) -> Result<bool, JournalError> {
        let handle = entry.handle.clone();
        self.update(move |entries| {
            if entries.get(&entry.handle) == Some(&entry) {
                entries.remove(&entry.handle);
            }
        })
        .await?;
        Ok(self.entry(&handle).is_none())
    }

    /// The endpoint of this name is another's now than of those that are to be written: of all but this handle's.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub async fn supersede(&self, endpoint: &EndpointId, handle: &str) -> Result<(), JournalError> {
        let is_other = |entry: &Entry| is_endpoint_of(entry, endpoint) && entry.handle != handle;
        if !self.entries().values().any(is_other) {
            return Ok(());
        }
        let (endpoint, handle) = (endpoint.clone(), handle.to_owned());
        self.update(move |entries| supersede(entries, &endpoint, &handle)).await
    }
}

fn is_endpoint_of(entry: &Entry, endpoint: &EndpointId) -> bool {
    entry.endpoint.as_ref().is_some_and(|other| other.id() == *endpoint)
}

fn supersede(entries: &mut Entries, endpoint: &EndpointId, handle: &str) {
    let others = entries.values_mut().filter(|entry| entry.handle != handle);
    for entry in others.filter(|entry| is_endpoint_of(entry, endpoint)) {
        entry.endpoint = None;
    }
}

impl Shared {
    fn update(&self, change: impl FnOnce(&mut Entries)) -> io::Result<()> {
        let mut log: MutexGuard<'_, Option<Log>> = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.entries.borrow().clone();
        let mut entries = Entries::clone(&before);
        change(&mut entries);
        if entries == *before {
            return Ok(());
        }
        let Some(log) = log.as_mut() else { return Err(io::Error::other("this agent keeps none")) };
        log.write(&before, &entries)?;
        self.entries.send_replace(Arc::new(entries));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
