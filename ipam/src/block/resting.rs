//! When the resting addresses of a block were given back.
//!
//! Its form in a record is text, a run for neighbours of the same moment (`"4-7@1722950000000,9@1722950001000"`), as most
//! blocks have few and a batch of releases has one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ordinals::Ordinal;
use crate::timestamp::Timestamp;

/// When the resting addresses of a block were given back. What has rested long enough may still be listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Resting {
    since: BTreeMap<Ordinal, Timestamp>,
}

impl Resting {
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_empty()
    }

    pub(super) fn ordinals(&self) -> impl Iterator<Item = Ordinal> + '_ {
        self.since.keys().copied()
    }

    pub(super) fn begin(&mut self, ordinal: Ordinal, now: Timestamp) {
        self.since.insert(ordinal, now);
    }

    pub(super) fn end(&mut self, ordinal: Ordinal) {
        self.since.remove(&ordinal);
    }

    /// Until when this one rests; `None` if it does not.
    pub(super) fn until(&self, ordinal: Ordinal, now: Timestamp, cooldown: Duration) -> Option<Timestamp> {
        let until = self.since.get(&ordinal)?.after(cooldown);
        (now < until && !cooldown.is_zero()).then_some(until)
    }

    /// How many rest, and until when the last of them.
    pub(super) fn count(&self, now: Timestamp, cooldown: Duration) -> (u32, Option<Timestamp>) {
        let ends = self.since.keys().filter_map(|ordinal| self.until(*ordinal, now, cooldown));
        ends.fold((0, None), |(count, last), until| (count + 1, last.max(Some(until))))
    }

    /// Whether something was given back in what is the future for `now`.
    pub(super) fn is_ahead_of(&self, now: Timestamp) -> bool {
        self.since.values().any(|since| *since > now)
    }

    /// Takes nothing to have been given back later than now.
    pub(super) fn clamp(&mut self, now: Timestamp) {
        for since in self.since.values_mut() {
            *since = (*since).min(now);
        }
    }

    /// Forgets what has rested long enough.
    pub(super) fn prune(&mut self, now: Timestamp, cooldown: Duration) {
        self.since.retain(|_, since| now < since.after(cooldown));
    }
}

impl fmt::Display for Resting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(Ordinal, Ordinal, Timestamp)> = Vec::new();
        for (&ordinal, &since) in &self.since {
            match runs.last_mut() {
                Some((_, last, at)) if last.checked_add(1) == Some(ordinal) && *at == since => {
                    *last = ordinal
                }
                Some(_) | None => runs.push((ordinal, ordinal, since)),
            }
        }
        for (index, (first, last, Timestamp(at))) in runs.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last {
                write!(formatter, "{comma}{first}@{at}")?;
            } else {
                write!(formatter, "{comma}{first}-{last}@{at}")?;
            }
        }
        Ok(())
    }
}

/// Text that does not say what rests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not say what rests since when; write `4-7@1722950000000`, separated by commas")]
pub(super) struct InvalidResting(String);

impl FromStr for Resting {
    type Err = InvalidResting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut since = BTreeMap::new();
        for run in text.split(',').filter(|run| !run.is_empty()) {
            let invalid = || InvalidResting(run.to_owned());
            let (ordinals, at) = run.split_once('@').ok_or_else(invalid)?;
            let (first, last) = ordinals.split_once('-').unwrap_or((ordinals, ordinals));
            let at = Timestamp(at.parse().map_err(|_| invalid())?);
            let (first, last): (Ordinal, Ordinal) =
                (first.parse().map_err(|_| invalid())?, last.parse().map_err(|_| invalid())?);
            if first > last || (first..=last).any(|ordinal| since.insert(ordinal, at).is_some()) {
                return Err(invalid());
            }
        }
        Ok(Self { since })
    }
}

impl TryFrom<String> for Resting {
    type Error = InvalidResting;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Resting> for String {
    fn from(resting: Resting) -> Self {
        resting.to_string()
    }
}
