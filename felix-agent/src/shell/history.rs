//! What happened to peers lately, for whoever asks afterwards, and as it goes on.
//!
//! The newest [`KEPT`] facts are remembered; each reader that follows has room for as many more and is told how
//! many it missed. Routes are not remembered: there may be a million of them, and the table itself says how they are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use ::bgp::speaker::Notice;
use tokio::sync::broadcast;

#[cfg(test)]
mod tests;

/// Facts that are remembered, and that may wait for a reader.
const KEPT: usize = 512;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// To a peer.
    Peer(Notice),
    /// The initial synchronisation is over.
    Synchronised,
}

/// A fact, and when it was heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// Wall-clock time.
    pub at: SystemTime,
    /// What happened.
    pub fact: Fact,
}

/// The memory. Clones share it.
#[derive(Clone)]
pub struct History(Arc<Mutex<Past>>);

struct Past {
    newest: VecDeque<Dated>,
    readers: broadcast::Sender<Dated>,
}

impl Default for History {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Past { newest: VecDeque::new(), readers: broadcast::Sender::new(KEPT) })))
    }
}

impl History {
    /// Remembers what happened just now, and tells those who follow.
    pub fn note(&self, fact: Fact) {
        let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let dated = Dated { at: SystemTime::now(), fact };
        if past.newest.len() == KEPT {
            past.newest.pop_front();
        }
        past.newest.push_back(dated.clone());
        // Nobody may be following.
        let _ = past.readers.send(dated);
    }

    /// What is remembered, oldest first, and all that comes after it: nothing twice, nothing left out.
    #[must_use]
    pub fn follow(&self) -> (Vec<Dated>, broadcast::Receiver<Dated>) {
        let past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (past.newest.iter().cloned().collect(), past.readers.subscribe())
    }
}
