//! Events that wait for their reader, merged so that they stay bounded however long it takes: best paths by the size
//! of the table, state changes by count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::Event;
use crate::wire::NextHop;

#[cfg(test)]
mod tests;

/// State changes kept; the oldest are forgotten. They are for logs, and the view has the present.
const MAX_CHANGES: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    best_paths: BTreeMap<IpNetwork, Option<BTreeSet<NextHop>>>,
    synchronised: bool,
    changes: VecDeque<(IpAddr, &'static str, String)>,
}

impl Outbox {
    /// Newer best paths take the place of those that still wait.
    pub(super) fn best_paths(&mut self, paths: BTreeMap<IpNetwork, Option<BTreeSet<NextHop>>>) {
        self.best_paths.extend(paths);
    }

    /// To be said after the best paths that wait now.
    pub(super) fn synchronised(&mut self) {
        self.synchronised = true;
    }

    /// Keeps their order.
    pub(super) fn peer_changed(&mut self, peer: IpAddr, state: &'static str, reason: String) {
        if self.changes.len() == MAX_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back((peer, state, reason));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.best_paths.is_empty() && !self.synchronised && self.changes.is_empty()
    }

    /// The next event; best paths before the word that they are complete.
    pub(super) fn pop(&mut self) -> Option<Event> {
        if !self.best_paths.is_empty() {
            return Some(Event::BestPaths(std::mem::take(&mut self.best_paths)));
        }
        if std::mem::take(&mut self.synchronised) {
            return Some(Event::Synchronised);
        }
        let (peer, state, reason) = self.changes.pop_front()?;
        Some(Event::PeerChanged { peer, state, reason })
    }
}
