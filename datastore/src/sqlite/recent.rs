//! What this process wrote last, so that its own watches need not read it back from the file.
//!
//! Invariants: the changes are those of consecutive revisions, none left out; so a watch that is at one of them, or just
//! before the first, misses nothing by going on from here. When somebody else has written in between, what was before
//! is forgotten, and a watch that far back reads the file.
//!
//! Deliberately not a cache: nothing is looked up here by key, and nothing depends on its being here.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{Change, Revision};

#[cfg(test)]
mod tests;

/// Changes kept; a watch is rarely further behind its own process than one batch.
const KEPT: usize = 256;

/// The newest changes, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<Change>>);

impl Recent {
    /// Takes note of changes that were committed, in the order of their revisions. Each revision has one.
    pub(super) fn add(&self, changes: impl IntoIterator<Item = Change>) {
        let mut kept = self.kept();
        for change in changes {
            let follows =
                kept.back().is_some_and(|last| last.revision.0.checked_add(1) == Some(change.revision.0));
            if !follows {
                kept.clear();
            }
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(change);
        }
    }

    /// All changes after `from`; `None` if that is not known here, or nothing came after it.
    pub(super) fn after(&self, from: Revision) -> Option<Vec<Change>> {
        let kept = self.kept();
        let oldest = kept.front()?.revision;
        if from.0.checked_add(1)? < oldest.0 {
            return None;
        }
        let after: Vec<Change> = kept.iter().filter(|change| change.revision > from).cloned().collect();
        (!after.is_empty()).then_some(after)
    }

    /// Whoever panicked had added whole changes.
    fn kept(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
