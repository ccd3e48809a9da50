//! Who has to be woken when: one ordered index, so that a thousand peers cost the owner one look.
//!
//! An entry is never later than what it stands for, but may be earlier: most timers are pushed back by every message,
//! and moving an entry each time would cost more than one needless look when the old time has come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::ConnId;
use super::peer::PeerId;

#[cfg(test)]
mod tests;

/// What has a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timed {
    /// The session on a connection.
    Connection(ConnId),
    /// A peer's dialer, rest or stale routes.
    Peer(PeerId),
    /// The initial synchronisation.
    Synchronisation,
}

/// Deadlines in order.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<(Instant, Timed)>,
    armed: BTreeMap<Timed, Instant>,
}

impl Timers {
    /// Sees to it that `what` is looked at no later than its deadline.
    pub(super) fn arm(&mut self, what: Timed, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        match self.armed.get(&what) {
            Some(armed) if *armed <= deadline => {}
            before => {
                if let Some(before) = before {
                    self.due.remove(&(*before, what));
                }
                self.armed.insert(what, deadline);
                self.due.insert((deadline, what));
            }
        }
    }

    /// What is no more needs no look.
    pub(super) fn disarm(&mut self, what: Timed) {
        if let Some(armed) = self.armed.remove(&what) {
            self.due.remove(&(armed, what));
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out everything that may be due, earliest first.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Timed> {
        let mut due = Vec::new();
        while let Some(entry) = self.due.first().copied().filter(|(deadline, _)| *deadline <= now) {
            self.due.remove(&entry);
            self.armed.remove(&entry.1);
            due.push(entry.1);
        }
        due
    }
}
