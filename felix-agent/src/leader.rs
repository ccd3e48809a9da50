//! What one agent does for all of them, whichever holds the lease: the upkeep of the fabric's addresses.
//!
//! Each round lists the datastore, compares everything with everything ([`ipam::audit`]; the outcome is a metric), and
//! collects what nobody uses any more ([`ipam::collector`]): handles and their addresses, claims, blocks; endpoints of
//! nodes that are gone, and pools that were deleted and are empty now.
//!
//! - this file: standing for election, and rounds, one after another while this agent leads;
//! - [`facts`]: from a listing to who exists [pure];
//! - [`grace`]: how long something must have been so [pure];
//! - `collect`: carrying out what the collector returns;
//! - [`pools`]: letting a pool go;
//! - [`summary`]: what there is to say of it, for metrics.
//!
//! **The lease spares work; it protects nothing.** Whoever lost it stops before its next write. A write that is under way
//! meanwhile does no harm, nor would two leaders: what is written is compared with what was observed, and everything is
//! read again before. An agent that comes to lead begins with an empty memory, and lets the whole grace pass.
//!
//! Deliberately absent: deciding what is garbage.

mod collect;
pub mod facts;
pub mod grace;
pub mod pools;
pub mod summary;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datastore::lease::{Elector, Timing};
use datastore::{Error, Key, Kind, Precondition, Resource, Revision, Store, Unreadable, Versioned};
use ipam::audit::{self, Report};
use ipam::{Collector, Index, collector};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::config::Config;
use crate::config::ipam::GarbageCollection;
use crate::ipam::Known;
use facts::Gathered;
use grace::Grace;
use summary::Summary;

/// What there is to say of the upkeep, for everyone else.
pub type Published = watch::Receiver<Arc<Summary>>;

/// The name of the lease.
pub const LEASE: &str = "ipam";

/// The leader's tasks of an agent: what there is to say of them, and how to end them.
#[derive(Debug)]
pub struct Candidacy {
    /// What there is to say of them.
    pub published: Published,
    resign: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Candidacy {
    /// Stands for election from now on.
    #[must_use]
    pub fn start(store: Arc<dyn Store>, known: Known, config: watch::Receiver<Arc<Config>>) -> Self {
        let (summary, published) = watch::channel(Arc::default());
        let (resign, resigned) = oneshot::channel::<()>();
        let resigned = async {
            // Dropped or sent: the end either way.
            let _ = resigned.await;
        };
        let task = tokio::spawn(run(store, known, config, summary, Timing::default(), resigned));
        Self { published, resign, task }
    }

    /// Stands no longer, so that the next need not wait for the lease to expire; unless that takes longer than `patience`.
    pub async fn resign(self, patience: Duration) {
        drop(self.resign);
        if tokio::time::timeout(patience, self.task).await.is_err() {
            tracing::info!("the lease could not be given back; it expires");
        }
    }
}

/// Stands for election, and does what the leader does whenever it is elected, until `resigned` completes or nobody publishes a
/// configuration any more.
async fn run(
    store: Arc<dyn Store>,
    known: Known,
    mut config: watch::Receiver<Arc<Config>>,
    published: watch::Sender<Arc<Summary>>,
    timing: Timing,
    resigned: impl Future<Output = ()>,
) {
    let node = known.read().node().to_owned();
    let elector = Elector::start(Arc::clone(&store), LEASE, &node, timing);
    let office = async {
        let mut leadership = elector.leadership();
        while leadership.wait_for(|_| elector.is_leader()).await.is_ok() {
            tracing::info!(lease = LEASE, "elected to look after the fabric's addresses");
            published.send_modify(|summary| Arc::make_mut(summary).leading = true);
            let settings = config.borrow_and_update().ipam.garbage_collection.clone();
            let term = Term::new(store.as_ref(), &known, &elector, &published, &settings);
            let served = serve(term, &mut config, &settings).await;
            published.send_modify(|summary| Arc::make_mut(summary).step_down());
            match served {
                Served::Lost => tracing::info!(lease = LEASE, "somebody else may look after addresses now"),
                Served::Reconfigured => {}
                Served::Ended => return,
            }
        }
    };
    tokio::select! {
        () = office => {}
        () = resigned => {}
    }
    // Nothing is under way any more: the next need not wait.
    elector.stop().await;
}

/// Why a term ended.
enum Served {
    /// The lease was not renewed in time.
    Lost,
    /// There are other settings; what was observed by the former ones does not count.
    Reconfigured,
    /// The agent stops.
    Ended,
}

/// Round after round.
async fn serve(
    mut term: Term<'_>,
    config: &mut watch::Receiver<Arc<Config>>,
    settings: &GarbageCollection,
) -> Served {
    let mut leadership = term.elector.leadership();
    loop {
        if let Err(error) = term.round().await {
            tracing::warn!(%error, "addresses could not be looked after; trying again later");
            term.note(|summary| summary.failed += 1);
        }
        let next = Instant::now() + settings.interval();
        loop {
            let Some(until) = leadership.borrow_and_update().until.filter(|until| Instant::now() < *until)
            else {
                return Served::Lost;
            };
            tokio::select! {
                () = sleep_until(next) => break,
                () = sleep_until(until) => {}
                changed = leadership.changed() => if changed.is_err() { return Served::Lost },
                changed = config.changed() => match changed {
                    Err(_) => return Served::Ended,
                    Ok(()) if config.borrow_and_update().ipam.garbage_collection != *settings => {
                        return Served::Reconfigured;
                    }
                    Ok(()) => {}
                },
            }
        }
    }
}

/// The rounds of one term of office.
pub struct Term<'a> {
    store: &'a dyn Store,
    known: &'a Known,
    elector: &'a Elector,
    published: &'a watch::Sender<Arc<Summary>>,
    collector: Collector,
    stranded: Grace<(Key, Revision)>,
    /// Of the last round: what both it and this one find is no passing state.
    report: Report,
    began: Instant,
}

/// What one look at the datastore shows.
struct Look {
    gathered: Gathered,
    report: Report,
}

impl<'a> Term<'a> {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(
        store: &'a dyn Store,
        known: &'a Known,
        elector: &'a Elector,
        published: &'a watch::Sender<Arc<Summary>>,
        settings: &GarbageCollection,
    ) -> Self {
        let grace = settings.grace_period();
        Self {
            store,
            known,
            elector,
            published,
            collector: Collector::new(grace, collector::DEFAULT_PER_ROUND),
            stranded: Grace::new(grace),
            report: Report::default(),
            began: Instant::now(),
        }
    }

    /// Looks at everything once and does what is due.
    ///
    /// # Errors
    /// As the datastore's. What is not done is due again in the next round.
    pub async fn round(&mut self) -> Result<(), Error> {
        let listing = list(self.store, &facts::KINDS).await?;
        let looking = tokio::task::spawn_blocking(move || look(listing)).await;
        let Look { gathered, report } = looking.map_err(|error| Error::Unavailable(error.to_string()))?;
        let now = self.began.elapsed();
        if gathered.is_blind {
            tracing::warn!(
                "an endpoint cannot be understood; nothing is collected, as whatever looks unused may be its"
            );
            self.publish(report, &[]);
            return Ok(());
        }
        let due = self.collector.observe(&gathered.index, &gathered.facts, now);
        self.publish(report, &due);
        self.collect(due, &gathered.facts).await?;
        self.remove_stranded(&gathered, now).await?;
        self.retire_pools(&gathered.index).await
    }

    fn publish(&mut self, report: Report, due: &[collector::Collect]) {
        let mut problems: BTreeMap<audit::Kind, u64> = audit::Kind::ALL.map(|kind| (kind, 0)).into();
        for problem in report.lasting(&self.report) {
            *problems.entry(problem.kind).or_default() += 1;
        }
        let suspects = self.collector.suspects();
        tracing::debug!(
            problems = report.problems.len(),
            lasting = problems.values().sum::<u64>(),
            suspects,
            due = due.len(),
            "addresses were checked"
        );
        self.report = report;
        self.note(|summary| {
            summary.rounds += 1;
            summary.problems = problems;
            summary.suspects = u64::try_from(suspects).unwrap_or(u64::MAX);
        });
    }

    fn note(&self, change: impl FnOnce(&mut Summary)) {
        self.published.send_modify(|summary| change(Arc::make_mut(summary)));
    }

    /// Takes endpoints out of the datastore whose node has been gone for the grace.
    async fn remove_stranded(&mut self, gathered: &Gathered, now: Duration) -> Result<(), Error> {
        // Facts without a single node cannot be true.
        let is_credible = !gathered.facts.nodes.is_empty();
        let stranded = gathered.stranded.iter().filter(|_| is_credible);
        let due = self.stranded.observe(stranded.map(|(key, revision)| (key.clone(), *revision)), now);
        for (key, revision) in due {
            if !self.elector.is_leader() || self.exists_again(&key).await? {
                continue;
            }
            match self.store.delete(&key, Precondition::Unchanged(revision)).await {
                Ok(()) => {
                    tracing::info!(endpoint = %key, "collected an endpoint whose node is gone");
                    self.note(|summary| summary.collected.endpoints += 1);
                }
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether the endpoint's node has come back since the listing.
    async fn exists_again(&self, endpoint: &Key) -> Result<bool, Error> {
        let found = self.store.get(endpoint).await?;
        let node = found.and_then(|found| {
            if let Resource::WorkloadEndpoint(endpoint) = found.resource { Some(endpoint.node) } else { None }
        });
        match node {
            Some(node) => Ok(self.store.get(&Key::global(Kind::Node, &node)).await?.is_some()),
            None => Ok(false),
        }
    }

    async fn retire_pools(&self, index: &Index) -> Result<(), Error> {
        for pool in index.pools().filter(|pool| pool.deleting) {
            if !self.elector.is_leader() {
                return Ok(());
            }
            match pools::retire(self.store, &pool.name).await? {
                pools::Retired::Gone => {
                    tracing::info!(pool = pool.name, "a deleted pool is empty and went");
                    self.note(|summary| summary.collected.pools += 1);
                }
                waits @ (pools::Retired::Waiting { .. } | pools::Retired::Kept) => {
                    tracing::debug!(pool = pool.name, "{waits}")
                }
            }
        }
        Ok(())
    }
}

/// Lists these kinds, one after another.
async fn list(store: &dyn Store, kinds: &[Kind]) -> Result<(BTreeMap<Key, Versioned>, Unreadable), Error> {
    let (mut items, mut unreadable) = (BTreeMap::new(), Unreadable::new());
    for kind in kinds {
        let listing = store.list(*kind).await?;
        items.extend(listing.items);
        unreadable.extend(listing.unreadable);
    }
    Ok((items, unreadable))
}

fn look((listing, unreadable): (BTreeMap<Key, Versioned>, Unreadable)) -> Look {
    let gathered = facts::gather(listing, &unreadable);
    let report = audit::check(&gathered.index, &gathered.facts, |_| {});
    Look { gathered, report }
}
