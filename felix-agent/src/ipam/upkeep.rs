//! What the worker does for its blocks when nobody waits: the next one is claimed before the last is full, and those that are
//! of no more use are given back.
//!
//! Deliberately absent: urgency. What fails here is tried again later, and an assignment that needs a block claims it by
//! itself.

use std::time::Duration;

use ipam::plan::{self, Prefetch, UnclaimError};
use ipam::{Family, Key};
use ipnetwork::IpNetwork;
use tokio::time::Instant;

use super::Error;
use super::memory::Sight;
use super::now;
use super::worker::{Step, Worker, pause};

/// Assignments after which the free addresses are counted even if requests come without a pause. With a quarter of a block
/// as reserve, that is soon enough.
const ASSIGNMENTS: usize = 8;

/// How long nobody must have asked before.
const IDLE: Duration = Duration::from_millis(20);

/// Between two looks for blocks that are of no more use.
const PERIOD: Duration = Duration::from_secs(30);

/// Until what failed is tried again.
const SOON: Duration = Duration::from_secs(1);

/// How long no block is looked for after there was none to be had.
const NONE_LEFT: Duration = Duration::from_secs(5);

/// Conflicts after which it is left for another time.
const CONFLICTS: u32 = 8;

/// Steps of one piece of work: a claim takes three.
const STEPS: u32 = 16;

/// What is due when.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// Addresses assigned since the free ones were counted.
    assigned: usize,
    /// When to count if nobody asks until then.
    count_at: Option<Instant>,
    none_left_until: Instant,
    look_at: Instant,
}

impl Upkeep {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { assigned: 0, count_at: None, none_left_until: now, look_at: now + IDLE }
    }

    /// So many more addresses are in use.
    pub(super) fn assigned(&mut self, count: usize) {
        if count > 0 {
            self.assigned += count;
            self.count_at = Some((Instant::now() + IDLE).max(self.none_left_until));
        }
    }

    /// Pools or labels are others now: blocks may have become useless, and others may be there to claim.
    pub(super) fn settings_changed(&mut self) {
        let now = Instant::now();
        self.look_at = self.look_at.min(now + IDLE);
        self.none_left_until = now;
    }

    /// Something could not be done: soon again.
    fn retry(&mut self) {
        let soon = Instant::now() + SOON;
        self.count_at = Some(self.count_at.map_or(soon, |at| at.max(soon)));
    }

    /// When there is something to do if nobody asks until then.
    pub(super) fn due(&self) -> Instant {
        self.count_at.map_or(self.look_at, |count_at| count_at.min(self.look_at))
    }

    /// Whether there is something to do although others may wait.
    pub(super) fn is_urgent(&self) -> bool {
        self.assigned >= ASSIGNMENTS && Instant::now() >= self.none_left_until
    }
}

impl Worker {
    /// Does what is due.
    pub(super) async fn keep_up(&mut self) {
        let now = Instant::now();
        let is_idle = now >= self.upkeep.due();
        if self.upkeep.count_at.is_some_and(|at| now >= at) || self.upkeep.is_urgent() {
            self.upkeep.assigned = 0;
            self.upkeep.count_at = None;
            for family in [Family::V4, Family::V6] {
                if let Err(error) = self.claim_ahead(family).await {
                    tracing::debug!(%error, "no block is claimed ahead");
                    self.note(&error);
                }
                self.memory.settle();
            }
        }
        if is_idle && self.known.is_listed() {
            if let Err(error) = self.replenish().await {
                tracing::debug!(%error, "there are fewer standby addresses than there should be");
                self.note(&error);
                self.upkeep.retry();
            }
            self.memory.settle();
        }
        if now >= self.upkeep.look_at && !self.known.is_listed() {
            self.upkeep.look_at = now + IDLE;
        } else if now >= self.upkeep.look_at {
            self.upkeep.look_at = now + PERIOD;
            if let Err(error) = self.give_back_surplus().await {
                tracing::debug!(%error, "blocks that are of no more use are kept for now");
            }
            self.memory.settle();
        }
    }

    /// Claims the next block of a family if the free addresses are few.
    async fn claim_ahead(&mut self, family: Family) -> Result<(), Error> {
        let (mut conflicts, mut has_claimed) = (0, false);
        for _ in 0..STEPS {
            self.refresh(&mut []).await?;
            let next = {
                let state = self.known.read();
                let labels = state.labels_of_node(state.node());
                plan::prefetch(&self.memory.snapshot, state.node(), &labels, family, now())
            };
            match next {
                Prefetch::Enough => {
                    if self.memory.sight() > Sight::Own && !has_claimed {
                        self.upkeep.none_left_until = Instant::now() + NONE_LEFT;
                    }
                    return Ok(());
                }
                Prefetch::ReadAll => self.look_further(&mut []).await?,
                Prefetch::Commit(writes) => {
                    has_claimed = true;
                    self.commit_patiently(&writes, &mut conflicts).await?;
                }
            }
        }
        Ok(())
    }

    async fn give_back_surplus(&mut self) -> Result<(), Error> {
        self.refresh(&mut []).await?;
        let surplus = {
            let state = self.known.read();
            let labels = state.labels_of_node(state.node());
            plan::surplus(&self.memory.snapshot, state.node(), &labels, now())
        };
        for cidr in surplus {
            self.give_back(cidr).await?;
        }
        Ok(())
    }

    async fn give_back(&mut self, cidr: IpNetwork) -> Result<(), Error> {
        let node = self.known.read().node().to_owned();
        let mut conflicts = 0;
        for _ in 0..STEPS {
            // The claim before the block: only then does a missing block mean that there is none.
            for key in [Key::Affinity(node.clone(), cidr), Key::Block(cidr)] {
                self.memory.doubt(key);
            }
            self.refresh(&mut []).await?;
            match plan::unclaim(&self.memory.snapshot, &node, cidr, now()) {
                Ok(writes) if writes.is_empty() => {
                    tracing::info!(%cidr, "a block that was of no more use was given back");
                    return Ok(());
                }
                Ok(writes) => self.commit_patiently(&writes, &mut conflicts).await?,
                // Somebody borrowed from it meanwhile.
                Err(UnclaimError::InUse { .. } | UnclaimError::Resting { .. }) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Commits, with a pause after a conflict.
    async fn commit_patiently(&mut self, writes: &[ipam::Write], conflicts: &mut u32) -> Result<(), Error> {
        match self.commit(&mut [], writes).await?.0 {
            Step::Forward => return Ok(()),
            Step::Unknown(error) => return Err(error.into()),
            Step::Conflict => {}
        }
        *conflicts += 1;
        if *conflicts > CONFLICTS {
            return Err(Error::Contended);
        }
        pause(*conflicts).await;
        Ok(())
    }
}
