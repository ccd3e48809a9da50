//! What the worker plans on: this node's own blocks and claims from one batch to the next, and for the time of a batch
//! whatever else that needs.
//!
//! Invariant: each record is the newest that this worker read, wrote or was told of, or is noted as doubtful and read before
//! the next plan. Older word never replaces newer: revisions decide.

use std::collections::BTreeSet;

use ipam::{Key, Record, Revision, Scope, Snapshot, Write};

use super::known::State;

/// How much of the fabric a plan is made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Sight {
    /// The node's own blocks: enough for an ordinary assignment.
    #[default]
    Own,
    /// All that is known here, perhaps outdated: enough to claim or borrow, as every write is compared; not to say no.
    Known,
    /// All that the datastore holds.
    Store,
}

/// What the worker plans on.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) snapshot: Snapshot,
    sight: Sight,
    node: String,
    /// Of the settings in the snapshot.
    generation: Option<u64>,
    doubtful: BTreeSet<Key>,
}

impl Memory {
    pub(super) fn new(node: &str) -> Self {
        Self {
            snapshot: Snapshot::default(),
            sight: Sight::Own,
            node: node.to_owned(),
            generation: None,
            doubtful: BTreeSet::new(),
        }
    }

    pub(super) const fn sight(&self) -> Sight {
        self.sight
    }

    /// Takes over pools, reservations and the configuration if they are others than before.
    pub(super) fn take_settings(&mut self, state: &State) {
        if self.generation == Some(state.generation) {
            return;
        }
        self.generation = Some(state.generation);
        self.snapshot.set_pools(state.index.pools().cloned());
        self.snapshot.set_reservations(state.index.reservations().cloned());
        self.snapshot.set_configuration(state.index.configuration().clone());
        self.snapshot.set_unreadable(state.unreadable_blocks());
        let snapshot = &self.snapshot;
        self.doubtful.retain(|key| !is_unreadable(snapshot, key));
    }

    /// Nobody can read this record: what is here of it is forgotten, and not asked for again.
    pub(super) fn misunderstood(&mut self, key: &Key) {
        self.doubtful.remove(key);
        self.generation = None;
    }

    /// Takes over a record as it is known, if that is newer; one that is here and not known has to be read.
    pub(super) fn take(&mut self, key: &Key, state: &State) {
        if is_unreadable(&self.snapshot, key) {
            return;
        }
        match state.record(key) {
            Some((record, revision)) => self.put_newer(record, revision),
            None if self.revision(key).is_some() => self.doubt(key.clone()),
            None => {}
        }
    }

    /// Sees all that is known.
    pub(super) fn take_all(&mut self, state: &State) {
        for block in state.index.blocks(None, None, None) {
            if self.snapshot.is_unreadable(&block.value.cidr()) {
                continue;
            }
            if is_news(self.snapshot.block(&block.value.cidr()).map(|own| own.revision), block.revision) {
                self.snapshot.put(Record::Block(block.value.clone()), block.revision);
            }
        }
        for claim in state.index.affinities() {
            if self.snapshot.is_unreadable(&claim.value.cidr) {
                continue;
            }
            self.put_newer(Record::Affinity(claim.value.clone()), claim.revision);
        }
        self.see(Sight::Known);
    }

    /// Sees all that the datastore holds, as read: claims before blocks.
    pub(super) fn take_listing(
        &mut self,
        records: impl IntoIterator<Item = (Record, Revision)>,
        state: &State,
    ) {
        let former = std::mem::replace(&mut self.snapshot, Snapshot::all());
        for handle in former.handles() {
            self.snapshot.put(Record::Handle(handle.value.clone()), handle.revision);
        }
        for (record, revision) in records {
            self.snapshot.put(record, revision);
        }
        self.generation = None;
        self.take_settings(state);
        self.see(Sight::Store);
    }

    fn see(&mut self, sight: Sight) {
        self.sight = self.sight.max(sight);
        self.snapshot.scope = Scope::All;
    }

    /// What the datastore said of a record just now.
    pub(super) fn read(&mut self, key: &Key, found: Option<(Record, Revision)>) {
        self.doubtful.remove(key);
        match found {
            Some((record, revision)) => self.snapshot.put(record, revision),
            None => self.snapshot.remove(key),
        }
    }

    /// This was written.
    pub(super) fn wrote(&mut self, write: &Write, revision: Revision) {
        self.snapshot.apply(write, revision);
    }

    /// What is here of a record may not be so: it is read before the next plan.
    pub(super) fn doubt(&mut self, key: Key) {
        self.doubtful.insert(key);
    }

    /// What has to be read, handles first, then claims, then blocks: a block may be taken for absent only if it was looked
    /// for after what names it.
    pub(super) fn doubtful(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.doubtful.iter().cloned().collect();
        keys.sort_by_key(|key| match key {
            Key::Handle(_) => 0,
            Key::Affinity(..) => 1,
            Key::Block(_) => 2,
        });
        keys
    }

    /// Forgets what only the batch needed.
    pub(super) fn settle(&mut self) {
        self.snapshot.keep_own(&self.node);
        self.sight = Sight::Own;
        let node = &self.node;
        let snapshot = &self.snapshot;
        self.doubtful.retain(|key| match key {
            Key::Block(cidr) => snapshot.block(cidr).is_some(),
            Key::Affinity(owner, _) => owner == node,
            Key::Handle(_) => false,
        });
    }

    /// The revision that is here of a record.
    fn revision(&self, key: &Key) -> Option<Revision> {
        match key {
            Key::Block(cidr) => self.snapshot.block(cidr).map(|block| block.revision),
            Key::Affinity(node, cidr) => self.snapshot.affinity(node, cidr).map(|claim| claim.revision),
            Key::Handle(id) => self.snapshot.handle(id).map(|handle| handle.revision),
        }
    }

    fn put_newer(&mut self, record: Record, revision: Revision) {
        if is_news(self.revision(&record.key()), revision) {
            self.snapshot.put(record, revision);
        }
    }
}

fn is_unreadable(snapshot: &Snapshot, key: &Key) -> bool {
    match key {
        Key::Block(cidr) | Key::Affinity(_, cidr) => snapshot.is_unreadable(cidr),
        Key::Handle(_) => false,
    }
}

fn is_news(own: Option<Revision>, other: Revision) -> bool {
    own.is_none_or(|own| own < other)
}
