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

use std::collections::BTreeSet;

use ipam::plan::{self, AssignError, Refusal, Replenish, Transfer, Wanted};
use ipam::{Attributes, Family, Key};

use super::journal::{Entries, Entry, Journal};
use super::known::{Away, State};
use super::worker::{CONFLICTS, Job, Pending, Step, Wish, Worker, fail, pause};
use super::{Error, Known, Request, now, wishes};

/// Steps of replenishing: each takes or gives back many.
const STEPS: u32 = 32;

/// Numbers of handles that are looked up before they are used: what a crash left of them is written over.
const NUMBERS: u32 = 64;

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

/// What is kept ready, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Since when the datastore is away, if it is.
    pub away: Option<Away>,
    /// Of each family: addresses that can be promised, and those that are there at all.
    pub families: Vec<(Family, usize, usize)>,
    /// Containers whose state the datastore does not know yet.
    pub unsettled: usize,
    /// What could not be made so, in words.
    pub lost: Vec<String>,
}

impl Status {
    pub(super) fn read(known: &Known, journal: &Journal) -> Self {
        let (entries, promised, away) = (journal.entries(), journal.promised(), known.away());
        let state = known.read();
        let families = [Family::V4, Family::V6].into_iter().filter_map(|family| {
            let (ready, all) = counts(&state, &promised, family);
            (all > 0).then_some((family, ready, all))
        });
        let lost = entries.values().filter_map(|entry| entry.lost.clone()).collect();
        Self { away, families: families.collect(), unsettled: entries.len(), lost }
    }

    /// What there is to say while something is not as it should be.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let away = self.away.as_ref().map(|away| {
            let (seconds, reason) = (away.lasting().as_secs(), &away.reason);
            format!("the datastore has been away for {seconds} s ({reason}); {}", self.left())
        });
        away.into_iter().chain(self.lost.iter().cloned()).collect()
    }

    /// "5 of 8 IPv4 standby addresses are left".
    fn left(&self) -> String {
        if self.families.is_empty() {
            return "no standby addresses are left for new pods".to_owned();
        }
        let families: Vec<String> = self
            .families
            .iter()
            .map(|(family, ready, all)| format!("{ready} of {all} {family} standby addresses"))
            .collect();
        format!("{} are left for new pods", families.join(" and "))
    }
}

fn counts(state: &State, promised: &BTreeSet<String>, family: Family) -> (usize, usize) {
    let blocks = state.index.blocks(Some(state.node()), None, None).map(|block| &block.value);
    let of_family = blocks.filter(|block| Family::of_network(&block.cidr()) == family);
    let all: Vec<&str> = of_family
        .flat_map(|block| ipam::standby::of_node(block, state.node()))
        .map(|(_, allocation)| allocation.handle.as_str())
        .collect();
    (all.iter().filter(|handle| !promised.contains(**handle)).count(), all.len())
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

    /// Sees to it that as many are kept ready as should be.
    pub(super) async fn replenish(&mut self) -> Result<(), Error> {
        self.standby.is_empty = false;
        self.replenish_to(self.standby.count).await.map(drop)
    }

    /// Whether a refusal would not be one if what is kept ready were given up; then that is done next.
    pub(super) fn could_give_up(&mut self, pending: &Pending, refusal: &Refusal) -> bool {
        let Wish::Assign(request) = &pending.job.wish else { return false };
        let Refusal::Assign(
            AssignError::Full { family, .. }
            | AssignError::NoBlock { family, .. }
            | AssignError::NotToBorrow { family, .. },
        ) = refusal
        else {
            return false;
        };
        let mut one = wishes::planned(request, None, &self.known.read(), now());
        one.wanted = vec![Wanted::Any(*family)];
        let spoken_for = self.standby.spoken_for();
        let could =
            !self.standby.is_empty && plan::take_standby(&self.memory.snapshot, &one, &spoken_for).is_ok();
        self.standby.is_wanted_back |= could;
        could
    }

    /// So that pods have them; they have no others.
    pub(super) async fn give_up_standby(&mut self) -> Result<(), Error> {
        tracing::info!("standby addresses are given up: there are no others left for pods");
        self.standby.is_empty = !self.replenish_to(0).await?;
        Ok(())
    }

    /// Towards so many; false if nothing had to be written.
    async fn replenish_to(&mut self, count: u32) -> Result<bool, Error> {
        let mut has_written = false;
        for handle in self.standby.leaving.clone() {
            self.release_alone(&handle).await?;
            self.standby.leaving.remove(&handle);
        }
        for attempt in 0..STEPS {
            self.refresh(&mut []).await?;
            let has_adopted = self.standby.has_adopted;
            let writes = if has_adopted { self.plan_replenishing(count) } else { self.plan_adoption() };
            if writes.is_empty() && has_adopted {
                return Ok(has_written);
            }
            if writes.is_empty() {
                self.standby.has_adopted = true;
                continue;
            }
            has_written = true;
            let dropped = writes.iter().filter(|write| write.value.is_none()).map(|write| write.key.name());
            self.standby.leaving = dropped.collect();
            match self.commit(&mut [], &writes).await?.0 {
                Step::Forward => {
                    self.standby.has_adopted = true;
                    self.standby.leaving.clear();
                }
                Step::Conflict => {
                    // What was not written never will be.
                    self.standby.leaving.clear();
                    pause(attempt).await;
                }
                Step::Unknown(error) => return Err(error.into()),
            }
        }
        Ok(has_written)
    }

    fn plan_adoption(&mut self) -> Vec<ipam::Write> {
        self.know_handles();
        let node = self.known.read().node().to_owned();
        plan::adopt(&self.memory.snapshot, &node, &self.standby.spoken_for(), now())
    }

    /// Brings what is known of the handles of standby addresses into the memory; false if there are none.
    fn know_handles(&mut self) -> bool {
        let state = self.known.read();
        let node = state.node().to_owned();
        let blocks = self.memory.snapshot.blocks().map(|block| &block.value);
        let mut handles: BTreeSet<String> = blocks
            .flat_map(|block| ipam::standby::of_node(block, &node))
            .map(|(_, allocation)| allocation.handle.clone())
            .collect();
        let has_any = !handles.is_empty();
        handles.extend((0..NUMBERS).map(|number| ipam::standby::handle(&node, number)));
        for handle in handles {
            self.memory.take(&Key::Handle(handle), &state);
        }
        has_any
    }

    fn plan_replenishing(&mut self, count: u32) -> Vec<ipam::Write> {
        if !self.know_handles() && count == 0 {
            return Vec::new();
        }
        let state = self.known.read();
        let (node, node_labels) = (state.node().to_owned(), state.labels_of_node(state.node()));
        let spoken_for = self.standby.spoken_for();
        let wish =
            Replenish { node: &node, node_labels: &node_labels, count, spoken_for: &spoken_for, now: now() };
        plan::replenish(&self.memory.snapshot, &wish)
    }
}
