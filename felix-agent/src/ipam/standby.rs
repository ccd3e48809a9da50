//! Addresses for pods while the datastore is away: keeping some ready, promising them, and making what was promised so.
//!
//! ```text
//!             datastore there                    away                              back
//! replenish ──► standby:<node>:<n> ── promise ──► journal, then the answer ── settle ──► the pod's handle
//! ```
//!
//! A standby address is this node's in the datastore before it may be needed ([`ipam::standby`]), so to promise it needs no
//! word of the datastore's. It is promised once, as the journal is written before the answer is given, and as the worker
//! alone promises, gives back and hands over:
//! - what the journal names is promised to nobody else, until it has been handed over or given back, by comparing and swapping;
//! - what the worker has begun to give back is not promised until it is known to be gone: a write whose answer is lost may
//!   be done late, and reading would not tell ([`Standby::leaving`]);
//! - what a former life of this agent left is not promised before it has been written once more, as that life may have sent
//!   writes that are done late ([`plan::adopt`]);
//! - what is known to be gone, by the last word that came, is not promised.
//!
//! Who deletes a Node object says that nothing runs on that node any more, and its addresses are given to others; so are
//! those that it has promised without knowing. It finds that out when it is back ([`Error::Lost`]).
//!
//! While the datastore is away everything else is as ever: asked, and answered with what the datastore says, which is
//! nothing. What is asked for by itself, or from a pool by name, is not kept ready.

mod replenish;
mod status;

use std::collections::BTreeSet;

use ipam::plan::{self, Transfer};
use ipam::{Attributes, Family, Key};

use super::journal::{Entries, Entry, Journal};
use super::worker::{CONFLICTS, Job, Pending, Step, Wish, Worker, fail, pause};
use super::{Error, Request, now, wishes};

pub use status::Status;

/// What the worker keeps ready.
#[derive(Debug)]
pub(super) struct Standby {
    /// Of each family, for each kind of namespace.
    count: u32,
    journal: Journal,
    /// Handles of what is being given back, and is not known to be gone.
    leaving: BTreeSet<String>,
    /// Whether what a former life left has been written once more.
    has_adopted: bool,
    /// Pods wait for what is kept ready.
    is_wanted_back: bool,
    /// It was given up, and there was nothing to give up.
    is_empty: bool,
}

impl Standby {
    pub(super) fn new(count: u32, journal: Journal) -> Self {
        Self {
            count,
            journal,
            leaving: BTreeSet::new(),
            has_adopted: false,
            is_wanted_back: false,
            is_empty: false,
        }
    }

    /// Whether somebody waits for what is kept ready. Asked once.
    pub(super) fn is_wanted_back(&mut self) -> bool {
        std::mem::take(&mut self.is_wanted_back)
    }

    /// Handles of what is there and not to be touched.
    fn spoken_for(&self) -> BTreeSet<String> {
        let mut handles = self.journal.promised();
        handles.extend(self.leaving.iter().cloned());
        handles
    }
}

impl Worker {
    /// The datastore did not do what it was asked: notes if it does not answer.
    pub(super) fn note(&self, error: &Error) {
        if let Error::Store(datastore::Error::Unavailable(why)) = error {
            self.known.lost(why);
        }
    }

    /// Answers those to whom something was promised, and refuses what must wait until that is so in the datastore.
    pub(super) fn admit(&mut self, batch: Vec<Pending>) -> Vec<Pending> {
        let entries = self.standby.journal.entries();
        if entries.is_empty() {
            return batch;
        }
        let mut admitted = Vec::with_capacity(batch.len());
        for pending in batch {
            let handle = pending.handle().to_owned();
            let Some(entry) = entries.get(&handle) else {
                admitted.push(pending);
                continue;
            };
            let is_pods = matches!(&pending.job.wish, Wish::Assign(request) if request.container.is_some());
            match entry {
                Entry { gone: None, lost: None, slots, .. } if is_pods && !slots.is_empty() => {
                    pending.answer(Ok(entry.addresses()));
                }
                Entry { gone: None, lost: None, .. } if is_pods => admitted.push(pending),
                _ => pending.answer(Err(Error::Unsettled(handle))),
            }
        }
        admitted
    }

    /// The datastore is away: those that can be fulfilled without it are, the others fail.
    pub(super) async fn do_without(&mut self, batch: Vec<Pending>, error: &Error) {
        self.note(error);
        self.memory.settle();
        let Error::Store(unavailable @ datastore::Error::Unavailable(why)) = error else {
            return fail(batch, error);
        };
        for pending in self.promise(batch, why).await {
            let error = self.away(&pending, unavailable).unwrap_or_else(|| error.clone());
            pending.answer(Err(error));
        }
    }

    /// Why a pod gets nothing that is kept ready.
    fn away(&self, pending: &Pending, error: &datastore::Error) -> Option<Error> {
        let Wish::Assign(request) = &pending.job.wish else { return None };
        request.container.as_ref()?;
        let error = error.clone();
        if self.standby.count == 0 {
            let why = "none are kept ready for that (ipam.standby is 0)".to_owned();
            return Some(Error::Away { error, why });
        }
        let shortage = self.choose(request, &self.standby.spoken_for()).err()?;
        let all = self.standby.count;
        let why = format!(
            "{shortage}; bring the datastore back, or delete pods that are no longer needed when it is; ipam.standby \
             (here {all}) says how many are kept ready"
        );
        Some(Error::Away { error, why })
    }

    /// Fulfils those that can be with what is kept ready, and gives the others back.
    pub(super) async fn promise(&mut self, batch: Vec<Pending>, why: &str) -> Vec<Pending> {
        if self.standby.count == 0 {
            return batch;
        }
        self.catch_up();
        let mut spoken_for = self.standby.spoken_for();
        let (mut left, mut promised, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for pending in batch {
            let entry = self.entry(&pending, &spoken_for);
            let Some(entry) = entry else {
                left.push(pending);
                continue;
            };
            spoken_for.extend(entry.slots.iter().map(|slot| slot.handle.clone()));
            promised.push((pending, entry.addresses()));
            entries.push(entry);
        }
        if entries.is_empty() {
            return left;
        }
        let note = move |noted: &mut Entries| {
            noted.extend(entries.into_iter().map(|entry| (entry.handle.clone(), entry)));
        };
        match self.standby.journal.update(note).await {
            Ok(()) => {
                for (pending, addresses) in promised {
                    tracing::info!(
                        handle = pending.handle(),
                        ?addresses,
                        "promised while the datastore is away"
                    );
                    pending.answer(Ok(addresses));
                }
            }
            Err(error) => {
                tracing::error!(%error, "nothing can be promised while the datastore is away");
                let unavailable = datastore::Error::Unavailable(why.to_owned());
                let error = Error::Away { error: unavailable, why: error.to_string() };
                fail(promised.into_iter().map(|(pending, _)| pending).collect(), &error);
            }
        }
        left
    }

    /// What could be promised to whoever waits, if it is a pod's request that can be fulfilled so.
    fn entry(&self, pending: &Pending, spoken_for: &BTreeSet<String>) -> Option<Entry> {
        let Wish::Assign(request) = &pending.job.wish else { return None };
        let container_id = request.container.clone()?;
        let slots = self.choose(request, spoken_for).ok()?;
        let node = self.known.read().node().to_owned();
        Some(Entry {
            handle: request.handle.clone(),
            container_id,
            attributes: Attributes { node, ..request.attributes.clone() },
            slots,
            endpoint: None,
            gone: None,
            lost: None,
        })
    }

    fn choose(
        &self,
        request: &Request,
        spoken_for: &BTreeSet<String>,
    ) -> Result<Vec<plan::Slot>, plan::Shortage> {
        let state = self.known.read();
        let planned = wishes::planned(request, None, &state, now());
        let slots = plan::take_standby(&self.memory.snapshot, &planned, spoken_for)?;
        if !self.standby.has_adopted {
            return Err(plan::Shortage::UsedUp(
                planned.wanted.first().map_or(Family::V4, |wanted| wanted.family()),
            ));
        }
        // Known to be gone, and not yet read.
        match slots.iter().find(|slot| state.index.block(&slot.block).is_none()) {
            Some(gone) => Err(plan::Shortage::UsedUp(Family::of(gone.address))),
            None => Ok(slots),
        }
    }

    /// Makes an entry of the journal so.
    pub(super) async fn settle(&mut self, job: Job) {
        let Job { wish, reply } = job;
        let Wish::Settle(entry) = wish else { return };
        let settled = self.settle_entry(&entry).await;
        if let Err(error) = &settled {
            self.note(error);
        }
        self.memory.settle();
        self.upkeep.assigned(entry.slots.len());
        // Whoever asked asks again.
        let _ = reply.send(settled.map(|()| entry.addresses()));
    }

    async fn settle_entry(&mut self, entry: &Entry) -> Result<(), Error> {
        if entry.gone.is_none() && entry.slots.is_empty() {
            // What it holds it was given in the datastore.
            return Ok(());
        }
        let mut has_lost_answer = false;
        for attempt in 0..CONFLICTS {
            pause(attempt).await;
            self.read_for(entry).await?;
            let Entry { handle, attributes, slots, .. } = entry.clone();
            let writes = if entry.gone.is_some() {
                plan::abandon(&self.memory.snapshot, &handle, &slots, now())
            } else {
                plan::transfer(&self.memory.snapshot, &Transfer { handle, attributes, slots, now: now() })?
            };
            if writes.is_empty() {
                return Ok(());
            }
            match self.commit(&mut [], &writes).await?.0 {
                Step::Forward => return Ok(()),
                Step::Conflict => {}
                Step::Unknown(error) if has_lost_answer => return Err(error.into()),
                Step::Unknown(_) => has_lost_answer = true,
            }
        }
        Err(Error::Contended)
    }

    /// Reads what is needed for it, and what names blocks before the blocks.
    async fn read_for(&mut self, entry: &Entry) -> Result<(), Error> {
        let needed: Vec<Key> = plan::needed(&entry.handle, &entry.slots).collect();
        let mut blocks: BTreeSet<Key> = BTreeSet::new();
        for key in &needed {
            let Key::Handle(handle) = key else {
                blocks.insert(key.clone());
                continue;
            };
            self.read(key).await?;
            let named = self.memory.snapshot.handle(handle);
            blocks.extend(
                named.into_iter().flat_map(|found| found.value.blocks.keys()).map(|cidr| Key::Block(*cidr)),
            );
        }
        for key in &blocks {
            self.read(key).await?;
        }
        Ok(())
    }
}
