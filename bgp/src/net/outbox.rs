//! Events that wait for their reader, merged so that they stay bounded however long it takes: best paths by the size
//! of the table, notices by count.

use std::collections::{BTreeMap, VecDeque};

use ipnetwork::IpNetwork;

use super::Event;
use crate::rib::Hops;
use crate::speaker::Notice;

#[cfg(test)]
mod tests;

/// Notices kept; the oldest are forgotten. They are for logs, and the view has the present.
const MAX_NOTICES: usize = 1024;
/// Prefixes in one event: its reader can do something else in between.
const MAX_PREFIXES: usize = 16 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    best_paths: BTreeMap<IpNetwork, Option<Hops>>,
    synchronised: bool,
    notices: VecDeque<Notice>,
}

impl Outbox {
    /// Newer best paths take the place of those that still wait.
    pub(super) fn best_paths(&mut self, paths: BTreeMap<IpNetwork, Option<Hops>>) {
        if self.best_paths.is_empty() {
            self.best_paths = paths;
        } else {
            self.best_paths.extend(paths);
        }
    }

    /// To be said after the best paths that wait now.
    pub(super) fn synchronised(&mut self) {
        self.synchronised = true;
    }

    /// Keeps their order.
    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() == MAX_NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.best_paths.is_empty() && !self.synchronised && self.notices.is_empty()
    }

    /// The next event; best paths before the word that they are complete.
    pub(super) fn pop(&mut self) -> Option<Event> {
        if !self.best_paths.is_empty() {
            return Some(Event::BestPaths(self.some_best_paths()));
        }
        if std::mem::take(&mut self.synchronised) {
            return Some(Event::Synchronised);
        }
        Some(Event::Notice(self.notices.pop_front()?))
    }

    fn some_best_paths(&mut self) -> BTreeMap<IpNetwork, Option<Hops>> {
        let later = match self.best_paths.keys().nth(MAX_PREFIXES).copied() {
            Some(first) => self.best_paths.split_off(&first),
            None => BTreeMap::new(),
        };
        std::mem::replace(&mut self.best_paths, later)
    }
}
