//! Events that wait for their reader, merged so that they stay bounded however long it takes: best paths by the size
//! of the table, notices by count. However fast they come, none starves another: best paths and notices take turns,
//! and the word that the table is complete waits only for the best paths that waited when it was given.

use std::collections::{BTreeMap, VecDeque};

use ipnetwork::IpNetwork;

use super::Event;
use crate::rib::Hops;
use crate::speaker::Notice;

#[cfg(test)]
mod tests;

/// Notices kept; the oldest are dropped, and counted. They are for logs, and the view has the present.
const MAX_NOTICES: usize = 1024;
/// Prefixes in one event: its reader can do something else in between.
const MAX_PREFIXES: usize = 16 * 1024;

type BestPaths = BTreeMap<IpNetwork, Option<Hops>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    best_paths: BestPaths,
    synchronised: bool,
    /// While `synchronised` waits: best paths of prefixes that did not wait before it.
    later: BestPaths,
    notices: VecDeque<Notice>,
    /// Notices dropped since there were none.
    dropped: u64,
    /// Best paths were the last.
    is_notices_turn: bool,
}

impl Outbox {
    /// Newer best paths take the place of those that still wait.
    pub(super) fn best_paths(&mut self, mut paths: BestPaths) {
        if !self.synchronised {
            merge(&mut self.best_paths, paths);
            return;
        }
        // What waits before the word may be renewed there, but not grow: the word has to come.
        paths.retain(|prefix, hops| match self.best_paths.get_mut(prefix) {
            Some(waiting) => {
                *waiting = hops.take();
                false
            }
            None => true,
        });
        merge(&mut self.later, paths);
    }

    /// To be said after the best paths that wait now, and before later ones.
    pub(super) fn synchronised(&mut self) {
        self.synchronised = true;
        // If it waited already, once is enough.
        merge(&mut self.best_paths, std::mem::take(&mut self.later));
    }

    /// Keeps their order.
    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() == MAX_NOTICES {
            if self.dropped == 0 {
                tracing::warn!("nobody reads the notices about peers in time; dropping the oldest");
            }
            self.dropped += 1;
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.best_paths.is_empty() && !self.synchronised && self.notices.is_empty()
    }

    /// The next event: a notice after each of the table, as long as there are both.
    pub(super) fn pop(&mut self) -> Option<Event> {
        let notice_first = std::mem::take(&mut self.is_notices_turn);
        if notice_first && let Some(notice) = self.pop_notice() {
            return Some(notice);
        }
        if let Some(event) = self.pop_table() {
            self.is_notices_turn = true;
            return Some(event);
        }
        self.pop_notice()
    }

    /// Best paths before the word that they are complete.
    fn pop_table(&mut self) -> Option<Event> {
        if !self.best_paths.is_empty() {
            return Some(Event::BestPaths(self.some_best_paths()));
        }
        if std::mem::take(&mut self.synchronised) {
            self.best_paths = std::mem::take(&mut self.later);
            return Some(Event::Synchronised);
        }
        None
    }

    fn pop_notice(&mut self) -> Option<Event> {
        let notice = self.notices.pop_front()?;
        if self.notices.is_empty() && self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            tracing::warn!(dropped, "the notices about peers are read again; some are lost");
        }
        Some(Event::Notice(notice))
    }

    fn some_best_paths(&mut self) -> BestPaths {
        let later = match self.best_paths.keys().nth(MAX_PREFIXES).copied() {
            Some(first) => self.best_paths.split_off(&first),
            None => BTreeMap::new(),
        };
        std::mem::replace(&mut self.best_paths, later)
    }
}

/// A whole table is not copied.
fn merge(into: &mut BestPaths, newer: BestPaths) {
    if into.is_empty() {
        *into = newer;
    } else {
        into.extend(newer);
    }
}
