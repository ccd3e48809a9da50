//! Keeping as many addresses ready as should be, where there is room, and giving them up where pods have no others.

use std::collections::BTreeSet;

use ipam::Key;
use ipam::plan::{self, AssignError, Refusal, Replenish, Wanted};

use crate::ipam::worker::{Pending, Step, Wish, Worker, pause};
use crate::ipam::{Error, now, wishes};

/// Steps of replenishing: each takes or gives back many.
const STEPS: u32 = 32;

/// Numbers of handles that are looked up before they are used: what a crash left of them is written over.
const NUMBERS: u32 = 64;

impl Worker {
    /// Sees to it that as many are kept ready as should be.
    pub(in crate::ipam) async fn replenish(&mut self) -> Result<(), Error> {
        self.standby.is_empty = false;
        self.replenish_to(self.standby.count).await.map(drop)
    }

    /// Whether a refusal would not be one if what is kept ready were given up; then that is done next.
    pub(in crate::ipam) fn could_give_up(&mut self, pending: &Pending, refusal: &Refusal) -> bool {
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
    pub(in crate::ipam) async fn give_up_standby(&mut self) -> Result<(), Error> {
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
