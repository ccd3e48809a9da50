//! What waits for one collector, and how things stand with it. The owner puts in and never waits; the collector's task
//! takes out.
//!
//! ```text
//! Away ── connected ──► Waiting ── dump ──► Live ── too much ──► Overrun
//!   ▲                      └──────────── disconnected ◄──────────────┘       any ── remove ──► Removed
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::Counters;
use crate::speaker::Monitored;

#[cfg(test)]
mod tests;

/// How far a collector may fall behind: some minutes of a busy table, or a full table changed at once.
const MAX_OCTETS: usize = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct Queue {
    stage: Mutex<Stage>,
    changed: Notify,
    connections: AtomicU64,
    overruns: AtomicU64,
    octets_sent: AtomicU64,
}

#[derive(Debug, Default)]
enum Stage {
    /// There is no connection.
    #[default]
    Away,
    /// It has connected, and gets nothing before everything.
    Waiting,
    Live {
        dump: Option<Vec<Monitored>>,
        messages: VecDeque<Bytes>,
        octets: usize,
    },
    /// It did not keep up.
    Overrun,
    /// It is wanted no longer.
    Removed,
}

/// What a collector's task is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    Dump(Vec<Monitored>),
    Send(Bytes),
    Stop(Stop),
}

/// Why a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Overrun,
    Removed,
}

impl Queue {
    /// How things stand with the collector at this address, and what has passed.
    pub(super) fn counters(&self, address: SocketAddr) -> Counters {
        let (connected, queued_octets) = match *self.lock() {
            Stage::Away | Stage::Removed => (false, 0),
            Stage::Waiting | Stage::Overrun => (true, 0),
            Stage::Live { octets, .. } => (true, octets as u64),
        };
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counters {
            address,
            connected,
            queued_octets,
            connections: read(&self.connections),
            overruns: read(&self.overruns),
            octets_sent: read(&self.octets_sent),
        }
    }

    /// The socket has taken so many octets.
    pub(super) fn sent(&self, octets: usize) {
        self.octets_sent.fetch_add(octets as u64, Ordering::Relaxed);
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(*self.lock(), Stage::Live { .. })
    }

    #[cfg(test)]
    pub(super) fn is_behind(&self) -> bool {
        matches!(&*self.lock(), Stage::Live { octets, .. } if *octets > MAX_OCTETS / 4)
    }

    pub(super) fn dump(&self, everything: Vec<Monitored>) {
        let mut stage = self.lock();
        if matches!(*stage, Stage::Waiting) {
            *stage = Stage::Live { dump: Some(everything), messages: VecDeque::new(), octets: 0 };
            self.changed.notify_waiters();
        }
    }

    pub(super) fn push(&self, message: &Bytes) {
        let mut stage = self.lock();
        let Stage::Live { messages, octets, .. } = &mut *stage else { return };
        *octets += message.len();
        if *octets > MAX_OCTETS {
            *stage = Stage::Overrun;
            self.overruns.fetch_add(1, Ordering::Relaxed);
        } else if !message.is_empty() {
            messages.push_back(message.clone());
        }
        self.changed.notify_waiters();
    }

    pub(super) fn remove(&self) {
        *self.lock() = Stage::Removed;
        self.changed.notify_waiters();
    }

    /// A connection stands, and begins from nothing.
    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.begin(Stage::Waiting);
    }

    pub(super) fn disconnected(&self) {
        self.begin(Stage::Away);
    }

    fn begin(&self, next: Stage) {
        let mut stage = self.lock();
        if !matches!(*stage, Stage::Removed) {
            *stage = next;
        }
    }

    /// Waits for something to do.
    pub(super) async fn next(&self) -> Work {
        loop {
            // Before looking: what changes afterwards wakes us. There are two who wait, and both are woken.
            let changed = self.changed.notified();
            if let Some(work) = self.take() {
                return work;
            }
            changed.await;
        }
    }

    fn take(&self) -> Option<Work> {
        match &mut *self.lock() {
            Stage::Away | Stage::Waiting => None,
            Stage::Live { dump, messages, octets } => {
                if let Some(everything) = dump.take() {
                    return Some(Work::Dump(everything));
                }
                let message = messages.pop_front()?;
                *octets -= message.len();
                Some(Work::Send(message))
            }
            Stage::Overrun => Some(Work::Stop(Stop::Overrun)),
            Stage::Removed => Some(Work::Stop(Stop::Removed)),
        }
    }

    /// Waits for a reason to stop whatever is being done.
    pub(super) async fn stopped(&self) -> Stop {
        loop {
            let changed = self.changed.notified();
            match *self.lock() {
                Stage::Overrun => return Stop::Overrun,
                Stage::Removed => return Stop::Removed,
                Stage::Away | Stage::Waiting | Stage::Live { .. } => {}
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
