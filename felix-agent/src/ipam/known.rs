//! What this agent knows of the datastore that has to do with addresses: the one copy in memory, read by all.
//!
//! One task feeds it with listings and with the watch's changes, and who assigns addresses adds what it wrote itself the
//! moment that it is written, so that whoever asks this agent sees what this agent did. Readers take the lock for as long
//! as it takes to look; nobody holds it while waiting for anything.
//!
//! - `state`: what is known, as a value;
//! - `floors`: what the watch tells late;
//! - `presence`: whether the datastore answers;
//! - `name`: from the name of a record in the datastore to the planner's key.
//!
//! Deliberately absent: being up to date. Whoever writes by it compares and swaps.

mod floors;
mod name;
mod presence;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use datastore::{Change, Key, Revision, Unreadable, Versioned};
use ipam::{Block, Record};
use presence::Presence;
use tokio::sync::{broadcast, watch};

pub use presence::Away;
pub(super) use state::Found;
pub use state::{Labels, State};

/// Changes of blocks that a subscriber may be behind before it has to begin anew.
const BEHIND: usize = 4096;

/// A way to what is known; clones lead to the same.
#[derive(Debug, Clone)]
pub struct Known(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: RwLock<State>,
    listed: watch::Sender<bool>,
    /// The state's generation.
    settings: watch::Sender<u64>,
    blocks: broadcast::Sender<BlockChange>,
    presence: Presence,
}

/// What became of a block.
#[derive(Debug, Clone)]
pub struct BlockChange {
    /// Before; none if there was no such block.
    pub before: Option<Arc<Block>>,
    /// After; none if it is gone.
    pub after: Option<Arc<Block>>,
}

impl Known {
    /// Nothing yet, for the node of this name.
    #[must_use]
    pub fn new(node: impl Into<String>) -> Self {
        Self(Arc::new(Shared {
            state: RwLock::new(State::new(node.into())),
            listed: watch::Sender::new(false),
            settings: watch::Sender::new(0),
            blocks: broadcast::Sender::new(BEHIND),
            presence: Presence::new(),
        }))
    }

    /// A look at it. Not to be held while waiting for anything.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        // Whoever panicked while writing has left whole records: none is written in steps.
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A look at it, and all changes of blocks from that look on. One who falls behind gets an error, and looks again.
    pub fn follow_blocks(&self) -> (RwLockReadGuard<'_, State>, broadcast::Receiver<BlockChange>) {
        let state = self.read();
        // Changes are told under the lock, so none lies between the two.
        let changes = self.0.blocks.subscribe();
        (state, changes)
    }

    /// True once the datastore has been listed.
    #[must_use]
    pub fn watch_listed(&self) -> watch::Receiver<bool> {
        self.0.listed.subscribe()
    }

    /// Whether the datastore has been listed.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        *self.0.listed.borrow()
    }

    /// Changes whenever something does that people write: pools, reservations, the configuration, labels.
    #[must_use]
    pub fn watch_settings(&self) -> watch::Receiver<u64> {
        self.0.settings.subscribe()
    }

    /// Takes the datastore's whole content in: what is not in it is gone. What is in it and cannot be understood is as it was.
    pub fn reset(&self, revision: Revision, items: &BTreeMap<Key, Versioned>, unreadable: &Unreadable) {
        let mut state = self.write();
        let next = state.listed(revision, items, unreadable);
        let before = std::mem::replace(&mut *state, next);
        if self.0.blocks.receiver_count() > 0 {
            for (before, after) in state.blocks_since(&before) {
                self.tell(before.cloned(), after);
            }
        }
        self.0.settings.send_replace(state.generation);
        drop(state);
        self.answered();
        self.0.listed.send_replace(true);
    }

    /// Takes in what the watch tells.
    pub fn change(&self, change: &Change) {
        let mut state = self.write();
        if let Some((cidr, before)) = state.told(change) {
            self.tell(before, state.index.block(&cidr).map(|block| &block.value));
        }
        self.0.settings.send_if_modified(|generation| {
            let is_new = *generation != state.generation;
            *generation = state.generation;
            is_new
        });
    }

    /// Takes in what this agent wrote: the record, or that it is gone.
    pub fn wrote(&self, key: &ipam::Key, value: Option<&Record>, revision: Revision) {
        let mut state = self.write();
        if revision <= state.revision {
            // The watch was faster, and has told everybody.
            return;
        }
        let before = state.wrote(key, value, revision);
        if let ipam::Key::Block(cidr) = key {
            self.tell(before, state.index.block(cidr).map(|block| &block.value));
        }
    }

    /// This is in the datastore, and cannot be understood.
    pub fn misunderstood(&self, key: &Key, why: &str) {
        let mut state = self.write();
        state.misunderstood(key, why);
        self.0.settings.send_replace(state.generation);
    }

    /// Takes in what somebody wrote by this agent: whoever then asks it is not told of the time before.
    pub fn applied(&self, key: &Key, value: &Versioned) {
        let mut state = self.write();
        state.applied(key, value);
        self.0.settings.send_replace(state.generation);
    }

    /// The datastore did not answer, and why.
    pub fn lost(&self, reason: &str) {
        self.0.presence.lost(reason);
    }

    /// The datastore did what it was asked, or said no.
    pub fn answered(&self) {
        self.0.presence.answered();
    }

    /// Whether the datastore does not answer, as far as is known.
    #[must_use]
    pub fn away(&self) -> Option<Away> {
        self.0.presence.away()
    }

    /// Takes in settings that were read apart from the watch.
    pub(super) fn found(&self, found: &Found) {
        self.write().read(found);
    }

    /// Blocks and claims of this node that others may have changed since this was last asked.
    #[must_use]
    pub fn take_touched(&self) -> BTreeSet<ipam::Key> {
        if !self.read().has_touched() {
            return BTreeSet::new();
        }
        self.write().take_touched()
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, before: Option<Block>, after: Option<&Block>) {
        if self.0.blocks.receiver_count() > 0 && (before.is_some() || after.is_some()) {
            let change = BlockChange { before: before.map(Arc::new), after: after.cloned().map(Arc::new) };
            // The last receiver may have just gone.
            let _ = self.0.blocks.send(change);
        }
    }
}

#[cfg(test)]
mod tests;
