//! The one task that assigns and releases: what waits is planned together, committed together and answered.
//!
//! What a batch comes to:
//!
//! ```text
//! read what is in doubt → plan every wish → commit the writes ─┬─ done: answer
//!        ▲                                                     ├─ conflict: that record is in doubt ──┐
//!        │                                                     └─ unknown: all of them are in doubt ──┤
//!        └────────────────────────────── a pause ◄────────────────────────────────────────────────────┘
//! ```
//!
//! A wish that cannot be planned with the node's own blocks alone is planned again with all blocks that are known
//! here, and is denied only on what the datastore says now. The result of a commit whose answer was lost is never
//! assumed: the records are read, and a wish that was fulfilled is found to be, by its handle.
//!
//! Invariants: one task owns the memory, so that requests of one agent never conflict among themselves; a wish is
//! answered once; a handle is in a batch once.

mod access;
mod pending;

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use datastore::Store;
use ipam::Key;
use ipam::plan::{Answer, Batch, Outcome, Task};
use tokio::sync::mpsc;

use super::known::Known;
use super::memory::{Memory, Sight};
use super::meter::Meter;
use super::standby::Standby;
use super::upkeep::Upkeep;
use super::{Error, now, wishes};
use pending::{next_batch, note_released};

pub(super) use pending::{Job, Pending, Wish};

/// How often to plan anew after a conflict.
pub(super) const CONFLICTS: u32 = 40;

/// Records that nobody can read, and that a batch finds out about: more, and whoever needs them is told.
const UNREADABLE: u32 = 8;

/// Steps of a batch that meet no conflict: each block that is claimed takes three.
const STEPS: u32 = 256;

/// The longest pause after a conflict.
const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// How long what is known may take to be listed when the agent has just started.
const LISTED_TIMEOUT: Duration = Duration::from_secs(10);

/// The task.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) store: Arc<dyn Store>,
    pub(super) known: Known,
    pub(super) memory: Memory,
    pub(super) meter: Arc<Meter>,
    pub(super) upkeep: Upkeep,
    pub(super) standby: Standby,
}

/// How a step of a batch ended.
pub(super) enum Step {
    /// All have been answered, or the rest is to be planned again at once.
    Forward,
    /// Somebody else wrote the same records.
    Conflict,
    /// Nobody knows what became of it.
    Unknown(datastore::Error),
}

impl Worker {
    /// Runs until nobody can ask any more.
    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut waiting = VecDeque::new();
        let mut settings = self.known.watch_settings();
        loop {
            if waiting.is_empty() {
                tokio::select! {
                    job = jobs.recv() => match job {
                        Some(job) => waiting.push_back(job),
                        None => return,
                    },
                    // What is known outlives its watchers: this one has it.
                    Ok(()) = settings.changed() => {
                        self.upkeep.settings_changed();
                        continue;
                    }
                    () = tokio::time::sleep_until(self.upkeep.due()) => {
                        self.keep_up().await;
                        continue;
                    }
                }
            }
            while let Ok(job) = jobs.try_recv() {
                waiting.push_back(job);
            }
            while let Some(at) = waiting.iter().position(|job| matches!(job.wish, Wish::Settle(_))) {
                if let Some(job) = waiting.remove(at) {
                    self.settle(job).await;
                }
            }
            let batch = next_batch(&mut waiting);
            self.meter.requests(batch.len());
            self.serve(batch).await;
            if self.upkeep.is_urgent() {
                self.keep_up().await;
            }
        }
    }

    /// Answers every wish of a batch.
    async fn serve(&mut self, batch: Vec<Pending>) {
        if let Err(error) = self.listed().await {
            return fail(batch, &error);
        }
        let mut batch = self.admit(batch);
        if let Some(away) = self.known.away() {
            batch = self.promise(batch, &away.reason).await;
        }
        let (mut conflicts, mut unknown, mut unreadable) = (0, 0, 0);
        for _ in 0..STEPS {
            if batch.is_empty() || conflicts > CONFLICTS {
                break;
            }
            match self.step(&mut batch).await {
                Ok(Step::Forward) => {}
                Ok(Step::Conflict) => {
                    conflicts += 1;
                    pause(conflicts).await;
                }
                // Pods do not wait for what can be had without it. For the others, the answer alone may have been lost.
                Ok(Step::Unknown(error)) if unknown == 0 => {
                    (unknown, conflicts) = (1, conflicts + 1);
                    self.note(&error.clone().into());
                    batch = self.promise(batch, &error.to_string()).await;
                    pause(conflicts).await;
                }
                Ok(Step::Unknown(error)) => return self.do_without(batch, &error.into()).await,
                // It is known now, and planned around.
                Err(Error::Store(datastore::Error::Unreadable { key, .. }))
                    if key.kind != datastore::Kind::IpamHandle && unreadable < UNREADABLE =>
                {
                    unreadable += 1;
                    self.memory.settle();
                }
                // Somebody's trouble must not be everybody's.
                Err(Error::Store(
                    error @ (datastore::Error::Refused(_) | datastore::Error::Unreadable { .. }),
                )) if batch.len() > 1 => {
                    tracing::warn!(%error, "assigning one by one");
                    self.memory.settle();
                    for one in batch {
                        Box::pin(self.serve(vec![one])).await;
                    }
                    return;
                }
                Err(error) => return self.do_without(batch, &error).await,
            }
        }
        let left = std::mem::take(&mut batch);
        self.take_back(&left).await;
        fail(left, &Error::Contended);
        self.memory.settle();
    }

    /// Waits until what the datastore holds is known here.
    pub(super) async fn listed(&self) -> Result<(), Error> {
        let mut listed = self.known.watch_listed();
        match tokio::time::timeout(LISTED_TIMEOUT, listed.wait_for(|listed| *listed)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                let what = "what it holds has not been read yet";
                Err(datastore::Error::Unavailable(what.to_owned()).into())
            }
        }
    }

    /// Reads what is in doubt, plans, commits, and answers those whose wish has come to an end.
    async fn step(&mut self, batch: &mut Vec<Pending>) -> Result<Step, Error> {
        self.refresh(batch).await?;
        let tasks = self.tasks(batch);
        let Batch { writes, answers } = Batch::plan(&self.memory.snapshot, &tasks);
        let sight = self.memory.sight();
        let (step, done) = if writes.is_empty() {
            (Step::Forward, 0)
        } else {
            note_released(batch, &answers);
            self.commit(batch, &writes).await?
        };
        self.conclude(batch, &answers, done).await;
        if self.standby.is_wanted_back() {
            self.give_up_standby().await?;
        }
        let is_short_sighted = answers.iter().any(|answer| match answer.outcome {
            Outcome::ReadAll => true,
            Outcome::Refused(_) => sight < Sight::Store,
            Outcome::Assigned(_) | Outcome::Released(_) | Outcome::Again => false,
        });
        if is_short_sighted && matches!(step, Step::Forward) {
            self.look_further(batch).await?;
        }
        Ok(step)
    }

    fn tasks(&self, batch: &[Pending]) -> Vec<Task> {
        let (state, now) = (self.known.read(), now());
        let task = |pending: &Pending| match &pending.job.wish {
            Wish::Assign(request) => {
                let promised = self.memory.snapshot.handle(&request.handle).map(|handle| &handle.value);
                Task::Assign(Box::new(wishes::planned(request, promised, &state, now)))
            }
            Wish::Release(handle) => Task::Release { handle: handle.clone(), now },
            Wish::ReleaseAddress(item) => Task::ReleaseAddresses { items: vec![item.clone()], now },
            // Never among others: it has a turn of its own.
            Wish::Settle(_) => Task::ReleaseAddresses { items: Vec::new(), now },
        };
        batch.iter().map(task).collect()
    }

    /// Answers those whose wish has come to an end, given that so many writes are done. The others stay in the batch.
    async fn conclude(&mut self, batch: &mut Vec<Pending>, answers: &[Answer], done: usize) {
        let sight = self.memory.sight();
        let mut denied = Vec::new();
        for (pending, answer) in std::mem::take(batch).into_iter().zip(answers) {
            if answer.writes > done {
                batch.push(pending);
                continue;
            }
            let is_certain = answer.writes > 0 || pending.was_read;
            match pending.conclusion(&answer.outcome, sight) {
                Some(Ok(_)) if !is_certain => {
                    // What is only known here to be held may just have been given back.
                    self.doubt_all_of(pending.handle());
                    batch.push(pending);
                }
                Some(Ok(addresses)) => {
                    if answer.writes > 0 && matches!(pending.job.wish, Wish::Assign(_)) {
                        self.upkeep.assigned(addresses.len());
                    }
                    pending.answer(Ok(addresses));
                }
                // What is kept ready is for when nothing else is to be had.
                Some(Err(Error::Refused(refusal))) if self.could_give_up(&pending, &refusal) => {
                    batch.push(pending);
                }
                Some(Err(error)) => denied.push((pending, error)),
                None => batch.push(pending),
            }
        }
        for (pending, error) in denied {
            self.take_back(std::slice::from_ref(&pending)).await;
            pending.answer(Err(error));
        }
    }
}

impl Worker {
    /// What is here of a handle, and of the blocks that it names, may not be so.
    fn doubt_all_of(&mut self, handle: &str) {
        let named = self.memory.snapshot.handle(handle);
        let blocks = named.into_iter().flat_map(|handle| handle.value.blocks.keys());
        let blocks: Vec<Key> = blocks.map(|cidr| Key::Block(*cidr)).collect();
        for key in blocks.into_iter().chain([Key::Handle(handle.to_owned())]) {
            self.memory.doubt(key);
        }
    }

    /// Releases the handles that this batch made for wishes which then were not fulfilled. What stays can still be released
    /// by its handle.
    async fn take_back(&mut self, unfulfilled: &[Pending]) {
        for pending in unfulfilled.iter().filter(|pending| pending.has_created) {
            let handle = pending.handle();
            if let Err(error) = self.release_alone(handle).await {
                tracing::warn!(handle, %error, "cannot take back a failed assignment");
            }
        }
    }

    pub(super) async fn release_alone(&mut self, handle: &str) -> Result<(), Error> {
        for attempt in 0..CONFLICTS {
            pause(attempt).await;
            self.read(&Key::Handle(handle.to_owned())).await?;
            self.doubt_all_of(handle);
            self.refresh(&mut []).await?;
            let task = Task::Release { handle: handle.to_owned(), now: now() };
            let Batch { writes, .. } = Batch::plan(&self.memory.snapshot, [&task]);
            if writes.is_empty() || matches!(self.commit(&mut [], &writes).await?, (Step::Forward, _)) {
                return Ok(());
            }
        }
        Err(Error::Contended)
    }
}

pub(super) fn fail(batch: Vec<Pending>, error: &Error) {
    for pending in batch {
        pending.answer(Err(error.clone()));
    }
}

/// Waits before another attempt: longer each time, and by chance, so that those who collided part.
pub(super) async fn pause(attempt: u32) {
    if attempt == 0 {
        return;
    }
    let longest = Duration::from_millis(1 << attempt.min(10)).min(LONGEST_PAUSE);
    let chance = u32::from(u8::try_from(RandomState::new().hash_one(attempt) % 256).unwrap_or(0));
    tokio::time::sleep(longest * chance / 256).await;
}
