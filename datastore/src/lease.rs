//! Electing a leader among agents: whoever holds the Lease of a name, which it renews by compare-and-swap.
//!
//! - [`election`]: the rules as a value, which is told what happened and when, and says what to do next;
//! - here: the loop that does it, on any [`Store`].
//!
//! At no time two lead, whatever wall clocks say, as long as the monotonic clocks of all run about equally fast:
//! - A leader may act until a *deadline*, counted from the moment before it *sent* its last renewal that succeeded.
//! - Others wait for the whole *duration*, counted from the moment after they first *saw* that renewal. That is
//!   later, and the duration is longer than the deadline by half of that, which is what clocks may differ by.
//! - Taking over is a compare-and-swap of the very record that was seen for so long.
//!
//! So whoever leads must ask [`Elector::is_leader`] before each step that only a leader may take, and the steps
//! must be short against the difference, or harmless if somebody else does them too. A write with a precondition is.
//!
//! The record is that of Kubernetes (`coordination.k8s.io/v1`), so that `kubectl` shows who leads; its times are for
//! people.

pub mod election;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::FutureExt as _;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::key::{Key, Kind};
use crate::resource::Resource;
use crate::store::{Store, Versioned, Write};
use election::{Action, Election, Event, Now};

pub use election::Timing;

/// The namespace of our leases.
pub const NAMESPACE: &str = "fabric-system";

/// Who leads, as far as is known here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leadership {
    /// Who held the lease when it was last seen: the name of a node, `_` and something random.
    pub holder: Option<String>,
    /// Until when we lead unless the lease is renewed. In the past, we do not.
    pub until: Option<Instant>,
}

/// A candidate for one lease.
pub struct Elector {
    identity: String,
    leadership: watch::Receiver<Leadership>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl fmt::Debug for Elector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leadership = self.leadership.borrow();
        formatter.debug_struct("Elector").field("identity", &self.identity).field("is", &*leadership).finish()
    }
}

impl Elector {
    /// Stands for election to the lease of this name, in [`NAMESPACE`], on behalf of a node; needs a tokio runtime
    /// with time, and keeps a task on it until stopped or dropped. Dropped, it lets the lease expire.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, name: &str, node: &str, timing: Timing) -> Self {
        Self::start_with_clock(store, name, node, timing, wall_clock)
    }

    /// Like [`Elector::start`], with a wall clock of one's own.
    pub(crate) fn start_with_clock(
        store: Arc<dyn Store>,
        name: &str,
        node: &str,
        timing: Timing,
        wall: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        // Nobody is ever called the same, also not the next process of this node: it did not write what it finds.
        let identity = format!("{node}_{:016x}", RandomState::new().hash_one(name));
        let key = Key::namespaced(Kind::Lease, NAMESPACE, name);
        let election = Election::new(key.clone(), identity.clone(), timing);
        let (sender, leadership) = watch::channel(Leadership::default());
        let (stop, stopped) = oneshot::channel();
        let task = Loop { store, key, election, start: Instant::now(), sender, wall };
        Self { identity, leadership, stop, task: tokio::spawn(task.run(stopped)) }
    }

    /// What it calls itself in the lease.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether it may act as the leader now.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leadership.borrow().until.is_some_and(|until| Instant::now() < until)
    }

    /// Who leads, now and as it changes.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    /// Stands no longer, and gives the lease back if it is held, so that the next need not wait. Whatever the leader
    /// does must have ended before.
    pub async fn stop(mut self) {
        let (stop, _) = oneshot::channel();
        let _ = std::mem::replace(&mut self.stop, stop).send(());
        let _ = (&mut self.task).await;
    }
}

impl Drop for Elector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The time of day, in the microseconds in which it is written.
pub(crate) fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let microseconds = i64::try_from(since.as_micros()).unwrap_or_default();
    Timestamp::from_microsecond(microseconds).unwrap_or_default()
}

struct Loop<C> {
    store: Arc<dyn Store>,
    key: Key,
    election: Election,
    start: Instant,
    sender: watch::Sender<Leadership>,
    wall: C,
}

impl<C: Fn() -> Timestamp> Loop<C> {
    fn now(&self) -> Now {
        Now { monotonic: self.start.elapsed(), wall: (self.wall)() }
    }

    async fn run(mut self, stopped: oneshot::Receiver<()>) {
        // Also if whoever could say it is gone.
        let mut stopped = stopped.fuse();
        let mut event = Event::Woken;
        loop {
            let now = self.now();
            let action = self.election.on(event, now);
            self.publish();
            event = match action {
                Action::Read => self.read().await,
                Action::Write(write) => self.write(write).await,
                Action::Wait(until) => tokio::select! {
                    () = sleep_until(self.start + until) => Event::Woken,
                    _ = &mut stopped => Event::Stop,
                },
                Action::End => return,
            };
        }
    }

    fn publish(&self) {
        let until = self.election.leads_until().map(|until| self.start + until);
        let leadership = Leadership { holder: self.election.holder().map(str::to_owned), until };
        self.sender.send_if_modified(|current| {
            let is_new = *current != leadership;
            *current = leadership;
            is_new
        });
    }

    async fn read(&self) -> Event {
        match self.store.get(&self.key).await {
            Ok(None) => Event::Found(None),
            Ok(Some(Versioned { revision, resource: Resource::Lease(lease) })) => {
                Event::Found(Some((revision, lease)))
            }
            Ok(Some(other)) => {
                tracing::error!(key = %self.key, found = %other.resource.key(), "no lease");
                Event::Failed
            }
            Err(error) => {
                tracing::warn!(key = %self.key, %error, "cannot read the lease");
                Event::Failed
            }
        }
    }

    async fn write(&self, write: Write) -> Event {
        match self.store.commit(vec![write]).await {
            Ok(revisions) => Event::Written(revisions.first().copied().unwrap_or_default()),
            Err(failed) if matches!(failed.error, Error::Conflict { .. }) => Event::Conflict,
            Err(failed) => {
                tracing::warn!(key = %self.key, error = %failed, "cannot write the lease");
                Event::Failed
            }
        }
    }
}

#[cfg(test)]
mod tests;
