//! Garbage collection as a value: what nobody uses any more, once that has been so for long enough.
//!
//! [`Collector::observe`] is shown everything again and again, and returns what to collect. A thing is
//! collected only if it was garbage in every look for at least the grace period, two looks at the least, and
//! nothing about it was written in between: the same revision of its record, the same addresses with the same
//! sequences. The judgement is that of [`crate::audit`]. What is garbage:
//!
//! - **handles** of which all addresses are garbage, and those without any: released whole. One address that
//!   lives, and the handle is left alone. Addresses whose handle has no record are released one by one, by
//!   the same rule.
//! - **claims** of nodes that are gone, when nothing of the block is in use; claims that were begun and not
//!   finished, or ended, which are ended if the block is empty and finished if it is in use; blocks without a
//!   claim likewise.
//! - **empty blocks** that lie in no pool, or in one that is being deleted; and of those that a live node has
//!   in one pool, all but one, since a node claims its next block before the last is full, and would only
//!   claim it again.
//!
//! **Time** is monotonic and an argument. Steps backwards count as none. A step forward counts for a third of
//! the grace at most: a collector that slept through the grace has looked twice, but may not have heard yet
//! what happened meanwhile, so its first look afterwards must not be its last. Hence a thing is seen four
//! times at the least.
//!
//! **A collector forgets with its process.** A new leader starts with an empty one, and lets the whole grace
//! pass.
//!
//! **Nothing is written on memory's word.** A [`Collect`] is planned on what is read from the store
//! afterwards, and refused if that differs from what was observed; the plan itself compares and swaps.
//!
//! Deliberately absent: reading, writing, and who the leader is. Whoever calls must not do so unless what it
//! shows has been read to the end, and must ask for endpoints anew before it commits the release of a handle.

mod collect;
mod sweep;

use std::collections::BTreeMap;
use std::time::Duration;

pub use collect::{Changed, Claim, Collect};
use sweep::Subject;

use crate::audit::Facts;
use crate::index::Index;

/// How long a thing must have been garbage. Assigning an address and writing its endpoint must not take
/// longer.
pub const DEFAULT_GRACE: Duration = Duration::from_mins(15);

/// How much is collected at a time unless it is said: a fabric that lost a node of 250 pods is clean after
/// one or two rounds, and the datastore has other things to do.
pub const DEFAULT_PER_ROUND: usize = 200;

/// Remembers what was garbage, and since when.
#[derive(Debug, Clone)]
pub struct Collector {
    grace: Duration,
    per_round: usize,
    /// The time that counted so far.
    clock: Duration,
    /// When it looked last, by the caller's clock.
    last: Option<Duration>,
    suspects: BTreeMap<Subject, Suspect>,
}

/// What may be garbage.
#[derive(Debug, Clone)]
struct Suspect {
    /// What to do about it, and with it everything that must stay the same until then.
    collect: Collect,
    /// Since when it has been garbage and unchanged.
    since: Duration,
    /// Whether this look was the first.
    is_new: bool,
}

impl Default for Collector {
    fn default() -> Self {
        Self::new(DEFAULT_GRACE, DEFAULT_PER_ROUND)
    }
}

impl Collector {
    /// One that has seen nothing yet, collects what has been garbage for `grace`, and at most `per_round` at
    /// a time.
    #[must_use]
    pub const fn new(grace: Duration, per_round: usize) -> Self {
        Self { grace, per_round, clock: Duration::ZERO, last: None, suspects: BTreeMap::new() }
    }

    /// How many things look like garbage, and may be collected unless somebody turns up.
    #[must_use]
    pub fn suspects(&self) -> usize {
        self.suspects.len()
    }

    /// Looks at everything, `now` being any monotonic clock, and returns what to collect: the oldest first,
    /// handles before claims. What is returned counts as garbage from now on anew, so that what cannot be
    /// collected is tried again after another grace, and does not keep others waiting.
    ///
    /// Facts without a single node cannot be true; nothing is collected by them.
    pub fn observe(&mut self, index: &Index, facts: &Facts, now: Duration) -> Vec<Collect> {
        self.advance(now);
        let garbage = if facts.nodes.is_empty() { BTreeMap::new() } else { sweep::sweep(index, facts) };
        let former = std::mem::take(&mut self.suspects);
        for (subject, collect) in garbage {
            let since = former.get(&subject).filter(|former| former.collect == collect);
            let is_new = since.is_none();
            let since = since.map_or(self.clock, |former| former.since);
            self.suspects.insert(subject, Suspect { collect, since, is_new });
        }
        self.due()
    }

    fn advance(&mut self, now: Duration) {
        let step = self.last.map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.clock += step.min(self.grace / 3);
        self.last = Some(now);
    }

    fn due(&mut self) -> Vec<Collect> {
        let (clock, grace) = (self.clock, self.grace);
        let is_due = |suspect: &Suspect| !suspect.is_new && clock - suspect.since >= grace;
        let mut due: Vec<(Duration, &mut Suspect)> =
            self.suspects.values_mut().filter(|suspect| is_due(suspect)).map(|s| (s.since, s)).collect();
        // Stable: among equals, the order of the subjects.
        due.sort_by_key(|(since, _)| *since);
        due.truncate(self.per_round);
        let collect = |(_, suspect): (Duration, &mut Suspect)| {
            suspect.since = clock;
            suspect.collect.clone()
        };
        due.into_iter().map(collect).collect()
    }
}

#[cfg(test)]
mod tests;
