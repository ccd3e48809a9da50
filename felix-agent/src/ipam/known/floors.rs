//! What the watch tells late: of each record that this agent wrote, up to which write nothing that is told counts.
//!
//! Kinds are told each in its own order: within one, all that comes before what was told has been told.

use std::collections::{BTreeMap, VecDeque};

use datastore::{Key, Kind, Revision};

/// The revisions below which the watch's word on a record is older than what is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Floors {
    by_key: BTreeMap<Key, Revision>,
    /// The same, in the order of the writes.
    order: BTreeMap<Kind, VecDeque<(Revision, Key)>>,
    /// How far the watch is.
    told: BTreeMap<Kind, Revision>,
}

impl Floors {
    /// This agent wrote the record; false if the watch has told something newer of its kind, and so also of this record.
    pub(super) fn raise(&mut self, key: Key, revision: Revision) -> bool {
        let told = self.told.get(&key.kind).copied().unwrap_or_default();
        if told < revision {
            self.order.entry(key.kind).or_default().push_back((revision, key.clone()));
            self.by_key.insert(key, revision);
        }
        told <= revision
    }

    /// Whether what is told of the record is this agent's own write, which is known.
    pub(super) fn is_at(&self, key: &Key, told: Revision) -> bool {
        self.by_key.get(key) == Some(&told)
    }

    /// Whether what is told of the record is older than what is known.
    pub(super) fn is_above(&self, key: &Key, told: Revision) -> bool {
        self.by_key.get(key).is_some_and(|floor| told < *floor)
    }

    /// Everything of this kind up to this revision has been told, or is about to be.
    pub(super) fn advance(&mut self, kind: Kind, revision: Revision) {
        let told = self.told.entry(kind).or_default();
        *told = (*told).max(revision);
        let Some(order) = self.order.get_mut(&kind) else { return };
        while order.front().is_some_and(|(floor, _)| *floor <= revision) {
            let Some((floor, key)) = order.pop_front() else { return };
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
