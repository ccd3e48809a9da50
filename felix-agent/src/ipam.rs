//! Assigning and releasing addresses: the shell around [`ipam::plan`] that reads, plans, commits and tries again.
//!
//! ```text
//! CNI, gRPC ──► Allocator ──queue──► worker ──► plan::Batch ──► commit ──► datastore
//!                                      │ ▲                                    │
//!                                   memory └──── known ◄──────── watch ◄──────┘
//! ```
//!
//! - `known`: what the datastore says, kept by its watch; read by everyone;
//! - `worker`: the one task that assigns: what waits together is committed together;
//! - `memory`: this node's own blocks, on which an ordinary assignment is planned without a read;
//! - `upkeep`: the next block is claimed ahead, and useless ones are given back;
//! - `standby`: addresses for pods while the datastore is away, out of those kept ready, and `journal`: what was promised;
//! - `wishes`: what is asked, as the planner is asked it;
//! - `commit`: the planner's records as the datastore's resources.
//!
//! An ordinary assignment is one commit and reads nothing: its handle is expected to be absent, its block is in memory. What
//! is in memory may be outdated: the comparison of the write says so, and the record is read again.
//!
//! A request that is dropped halfway leaves what a crash would leave: it can be asked again, or released by its handle.
//!
//! Deliberately absent: knowing whether an address is still in use. Who asked releases.

pub(crate) mod commit;
pub mod journal;
pub mod known;
mod memory;
mod meter;
pub mod standby;
mod upkeep;
mod wishes;
mod worker;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use datastore::Store;
use ipam::plan::{Refusal, ReleaseItem, Wanted};
use ipam::{Attributes, Timestamp, Use};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub use journal::{Entry, Journal};
pub use known::Known;
pub use meter::{BOUNDS_US, Counts};

use memory::Memory;
use meter::Meter;
use standby::Standby;
use upkeep::Upkeep;
use worker::{Job, Wish, Worker};

/// Requests that may wait before whoever asks has to.
const QUEUE: usize = 1024;

/// Who wants which addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Who will hold them, unique in the fabric: `<network>.<container id>.<interface>`.
    pub handle: String,
    /// For whom; the node is filled in.
    pub attributes: Attributes,
    /// Which. All or none are given.
    pub wanted: Vec<Wanted>,
    /// And one of each other family that some pool has for it.
    pub every_family: bool,
    /// The pools to take them from, by name; empty for all that serve the node and the namespace.
    pub pools: Vec<String>,
    /// What for.
    pub usage: Use,
    /// The container that they are for, where it is a pod's interface that has no endpoint yet. Such a request may be
    /// fulfilled with standby addresses while the datastore is away.
    pub container: Option<String>,
}

/// Why there are no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Tell who asked: pools are missing or full, or the address asked for cannot be had, or is not theirs to give back. Nothing
    /// was taken or given back.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Do what the datastore's error says.
    #[error(transparent)]
    Store(#[from] datastore::Error),
    /// Retry later: the datastore is away, and what is kept ready for that does not do.
    #[error("{error}; {why}")]
    Away {
        /// What the datastore said.
        error: datastore::Error,
        /// Why nothing that is kept ready was given, and what would help.
        why: String,
    },
    /// Retry later: what was promised to this handle while the datastore was away has not been written there yet.
    #[error(
        "what was promised to {0} while the datastore was away has not been written there yet; retry later"
    )]
    Unsettled(String),
    /// A human must act: this node does not have what it promised.
    #[error(transparent)]
    Lost(#[from] ipam::plan::Lost),
    /// Retry later: others wrote the same records at the same time, again and again.
    #[error("too many others assign addresses at the same time; retry later")]
    Contended,
    /// Ask the agent's next life.
    #[error("the agent is stopping")]
    Stopping,
}

/// Assigns addresses to what runs on this node.
#[derive(Debug)]
pub struct Allocator {
    jobs: mpsc::Sender<Job>,
    meter: Arc<Meter>,
    known: Known,
    journal: Journal,
}

impl Allocator {
    /// Starts the task that assigns, for the node that `known` is of. It ends with this. Nothing is kept ready for when the
    /// datastore is away.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, known: Known) -> Self {
        Self::prepared(store, known, 0, Journal::none())
    }

    /// The same, with so many standby addresses of each family, for each kind of namespace; what is promised of them is noted
    /// in `journal`.
    #[must_use]
    pub fn prepared(store: Arc<dyn Store>, known: Known, count: u32, journal: Journal) -> Self {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let meter = Arc::<Meter>::default();
        let memory = Memory::new(known.read().node());
        let upkeep = Upkeep::new();
        let standby = Standby::new(count, journal.clone());
        let worker =
            Worker { store, known: known.clone(), memory, meter: Arc::clone(&meter), upkeep, standby };
        tokio::spawn(worker.run(waiting));
        Self { jobs, meter, known, journal }
    }

    /// Gives `request` its addresses, in the order of its wishes; the same ones if its handle has them already.
    ///
    /// # Errors
    /// See [`Error`]. Of a handle that held nothing before, nothing is left behind.
    pub async fn assign(&self, request: Request) -> Result<Vec<IpAddr>, Error> {
        let began = Instant::now();
        let answer = self.ask(Wish::Assign(Box::new(request))).await;
        self.meter.assigned(answer.is_ok(), began.elapsed());
        answer
    }

    /// Gives back everything that `handle` holds, and says what that was, ascending. An unknown handle holds nothing.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Contended`] and [`Error::Stopping`].
    pub async fn release(&self, handle: &str) -> Result<Vec<IpAddr>, Error> {
        let answer = self.ask(Wish::Release(handle.to_owned())).await;
        self.meter.released(answer.is_ok());
        answer
    }

    /// Gives back one address, if it is still as it was when somebody looked.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn release_address(&self, item: ReleaseItem) -> Result<(), Error> {
        let answer = self.ask(Wish::ReleaseAddress(item)).await;
        self.meter.released(answer.is_ok());
        answer.map(drop)
    }

    /// Makes what `entry` promises so in the datastore: its addresses are held by its handle, and nothing else is; or nothing
    /// is held by it any more, if it is gone.
    ///
    /// # Errors
    /// [`Error::Lost`], [`Error::Store`], [`Error::Contended`] and [`Error::Stopping`].
    pub async fn settle(&self, entry: Entry) -> Result<(), Error> {
        self.ask(Wish::Settle(Box::new(entry))).await.map(drop)
    }

    /// What is kept ready, and what was promised of it.
    #[must_use]
    pub fn standby(&self) -> standby::Status {
        standby::Status::read(&self.known, &self.journal)
    }

    /// What is in the datastore and cannot be understood, in words.
    #[must_use]
    pub fn misunderstood(&self) -> Vec<String> {
        let state = self.known.read();
        let said = |(key, why): (&datastore::Key, &String)| {
            format!("{key} in the datastore cannot be understood: {why}; delete or repair it")
        };
        state.unreadable.iter().map(said).collect()
    }

    /// What has been done since this was started.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.meter.counts()
    }

    async fn ask(&self, wish: Wish) -> Result<Vec<IpAddr>, Error> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job { wish, reply }).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }
}

/// By this machine's clock, as records have it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
