//! The free addresses of a block, in the order in which they became free.
//!
//! First in, first out, so that an address given back rests as long as possible before someone else gets it.
//! Kept as runs: a fresh block is one run whatever its size, both in memory and in the record (`"0-63"`).

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Position of an address in its block, from 0.
pub type Ordinal = u16;

/// A queue of ordinals.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Ordinals {
    /// First and last of each run, both included.
    runs: VecDeque<(Ordinal, Ordinal)>,
}

impl Ordinals {
    /// The ordinals `0..size`, ascending.
    #[must_use]
    pub fn ascending(size: u32) -> Self {
        let last = size.checked_sub(1).map(|last| Ordinal::try_from(last).unwrap_or(Ordinal::MAX));
        Self { runs: last.map(|last| (0, last)).into_iter().collect() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.runs.iter().map(|&(first, last)| u32::from(last - first) + 1).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The one that has been free for longest.
    #[must_use]
    pub fn front(&self) -> Option<Ordinal> {
        self.runs.front().map(|&(first, _)| first)
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Ordinal> + '_ {
        self.runs.iter().flat_map(|&(first, last)| first..=last)
    }

    /// Adds one at the end.
    pub fn push(&mut self, ordinal: Ordinal) {
        match self.runs.back_mut() {
            Some((_, last)) if last.checked_add(1) == Some(ordinal) => *last = ordinal,
            Some(_) | None => self.runs.push_back((ordinal, ordinal)),
        }
    }

    /// Takes out this one; false if it is not here.
    pub fn take(&mut self, ordinal: Ordinal) -> bool {
        let Some(position) = self.runs.iter().position(|run| (run.0..=run.1).contains(&ordinal)) else {
            return false;
        };
        let Some((first, last)) = self.runs.remove(position) else { return false };
        // Back to front, so that `position` stays right for both.
        if ordinal < last {
            self.runs.insert(position, (ordinal + 1, last));
        }
        if first < ordinal {
            self.runs.insert(position, (first, ordinal - 1));
        }
        true
    }
}

impl fmt::Display for Ordinals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.runs.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last {
                write!(formatter, "{comma}{first}")?;
            } else {
                write!(formatter, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

/// Text that is no list of ordinals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no run of ordinals; write them as `0-63` or `7`, separated by commas")]
pub struct InvalidOrdinals(String);

impl FromStr for Ordinals {
    type Err = InvalidOrdinals;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut runs = VecDeque::new();
        for run in text.split(',').filter(|run| !run.is_empty()) {
            let (first, last) = run.split_once('-').unwrap_or((run, run));
            match (first.parse::<Ordinal>(), last.parse::<Ordinal>()) {
                (Ok(first), Ok(last)) if first <= last => runs.push_back((first, last)),
                (Ok(_) | Err(_), _) => return Err(InvalidOrdinals(run.to_owned())),
            }
        }
        Ok(Self { runs })
    }
}

impl TryFrom<String> for Ordinals {
    type Error = InvalidOrdinals;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Ordinals> for String {
    fn from(ordinals: Ordinals) -> Self {
        ordinals.to_string()
    }
}

#[cfg(test)]
mod tests;
