//! What the watch tells late: of each record that this agent wrote, up to which write nothing that is told counts.

use std::collections::{BTreeMap, VecDeque};

use datastore::{Key, Revision};

/// The revisions below which the watch's word on a record is older than what is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Floors {
    by_key: BTreeMap<Key, Revision>,
    /// The same, in the order of the writes.
    order: VecDeque<(Revision, Key)>,
}

impl Floors {
    /// This agent wrote the record.
    pub(super) fn raise(&mut self, key: Key, revision: Revision) {
        self.order.push_back((revision, key.clone()));
        self.by_key.insert(key, revision);
    }

    /// Whether what is told of the record is older than what is known.
    pub(super) fn is_above(&self, key: &Key, told: Revision) -> bool {
        self.by_key.get(key).is_some_and(|floor| told < *floor)
    }

    /// Everything up to this revision has been told.
    pub(super) fn forget_up_to(&mut self, revision: Revision) {
        while self.order.front().is_some_and(|(floor, _)| *floor <= revision) {
            let Some((floor, key)) = self.order.pop_front() else { return };
            if self.by_key.get(&key) == Some(&floor) {
                self.by_key.remove(&key);
            }
        }
    }

    /// The records that have one.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.by_key.keys()
    }
}
