//! Two maps compared: what must be added, changed and removed for `actual` to become `desired`.
//!
//! Pure, and the same for every kind of kernel object. An [`Outcome`] is the other half: what holds after somebody
//! tried. Deliberately without order between objects; whoever applies knows what must come first.

use std::collections::{BTreeMap, BTreeSet};

/// What separates an actual map from a desired one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff<K, V> {
    /// Desired and not there.
    pub add: BTreeMap<K, V>,
    /// There with another value; the value is the desired one.
    pub change: BTreeMap<K, V>,
    /// There and not desired.
    pub remove: BTreeSet<K>,
}

impl<K: Ord + Clone, V: PartialEq + Clone> Diff<K, V> {
    /// Compares in one pass over both maps.
    #[must_use]
    pub fn between(actual: &BTreeMap<K, V>, desired: &BTreeMap<K, V>) -> Self {
        let mut diff = Self::default();
        for (key, value) in desired {
            match actual.get(key) {
                None => {
                    diff.add.insert(key.clone(), value.clone());
                }
                Some(there) if there != value => {
                    diff.change.insert(key.clone(), value.clone());
                }
                Some(_) => {}
            }
        }
        diff.remove = actual.keys().filter(|key| !desired.contains_key(key)).cloned().collect();
        diff
    }

    /// The same without removals: for as long as not all inputs are known, so that nothing is swept too early.
    #[must_use]
    pub fn without_removals(mut self) -> Self {
        self.remove.clear();
        self
    }

    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.change.is_empty() && self.remove.is_empty()
    }

    /// How many objects differ.
    #[must_use]
    pub fn len(&self) -> usize {
        self.add.len() + self.change.len() + self.remove.len()
    }
}

impl<K, V> Default for Diff<K, V> {
    fn default() -> Self {
        Self { add: BTreeMap::new(), change: BTreeMap::new(), remove: BTreeSet::new() }
    }
}

/// What came of applying a [`Diff`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<K, V, E> {
    /// What the kernel holds now, as far as this agent did it: the next diff's `actual`.
    pub holds: BTreeMap<K, V>,
    /// Objects that are not as desired, and why.
    pub failed: BTreeMap<K, E>,
}

impl<K: Ord, V, E> Outcome<K, V, E> {
    /// Starts from what is there; nothing has failed yet.
    #[must_use]
    pub fn starting_from(actual: BTreeMap<K, V>) -> Self {
        Self { holds: actual, failed: BTreeMap::new() }
    }

    /// Every object is as desired.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
    }

    /// Takes note of one attempt to set `key` to `value`.
    pub(crate) fn set(&mut self, key: K, value: V, attempt: Result<(), E>) {
        match attempt {
            Ok(()) => {
                self.holds.insert(key, value);
            }
            Err(error) => {
                self.failed.insert(key, error);
            }
        }
    }

    /// Takes note of one attempt to remove `key`.
    pub(crate) fn removed(&mut self, key: K, attempt: Result<(), E>) {
        match attempt {
            Ok(()) => {
                self.holds.remove(&key);
            }
            Err(error) => {
                self.failed.insert(key, error);
            }
        }
    }
}

#[cfg(test)]
mod tests;
