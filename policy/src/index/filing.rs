//! Two card files by label: of members, and of selectors by what they ask for.

use std::collections::{BTreeMap, BTreeSet};

use super::{MemberHandle, SelectorHandle};
use crate::model::{EndpointSelector, Facts, SERVICE_ACCOUNT_LABEL};
use crate::selector::Anchor;

/// Key → value → cards.
#[derive(Debug)]
struct ByLabel<T>(BTreeMap<String, BTreeMap<String, BTreeSet<T>>>);

impl<T> Default for ByLabel<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord + Copy> ByLabel<T> {
    fn insert(&mut self, key: &str, value: &str, card: T) {
        self.0.entry(key.to_owned()).or_default().entry(value.to_owned()).or_default().insert(card);
    }

    /// Leaves nothing empty behind.
    fn remove(&mut self, key: &str, value: &str, card: T) {
        let Some(values) = self.0.get_mut(key) else { return };
        let Some(cards) = values.get_mut(value) else { return };
        cards.remove(&card);
        if cards.is_empty() {
            values.remove(value);
        }
        if values.is_empty() {
            self.0.remove(key);
        }
    }

    fn get(&self, key: &str, value: &str) -> impl Iterator<Item = T> + '_ {
        self.0.get(key).and_then(|values| values.get(value)).into_iter().flatten().copied()
    }

    fn with_key(&self, key: &str) -> impl Iterator<Item = T> + '_ {
        self.0.get(key).into_iter().flat_map(BTreeMap::values).flatten().copied()
    }
}

/// Members of one place.
#[derive(Debug, Default)]
pub(super) struct MemberFile {
    all: BTreeSet<MemberHandle>,
    by_label: ByLabel<MemberHandle>,
}

impl MemberFile {
    pub(super) fn insert<'a>(
        &mut self,
        cards: impl Iterator<Item = (&'a str, &'a str)>,
        member: MemberHandle,
    ) {
        self.all.insert(member);
        for (key, value) in cards {
            self.by_label.insert(key, value, member);
        }
    }

    pub(super) fn remove<'a>(
        &mut self,
        cards: impl Iterator<Item = (&'a str, &'a str)>,
        member: MemberHandle,
    ) {
        self.all.remove(&member);
        for (key, value) in cards {
            self.by_label.remove(key, value, member);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Members that have what the anchor asks for.
    pub(super) fn candidates<'a>(
        &'a self,
        anchor: &'a Anchor<'a>,
    ) -> Box<dyn Iterator<Item = MemberHandle> + 'a> {
        match anchor {
            Anchor::Values(key, values) => {
                Box::new(values.iter().flat_map(move |value| self.by_label.get(key, value)))
            }
            Anchor::Key(key) => Box::new(self.by_label.with_key(key)),
            Anchor::Nowhere => Box::new(self.all.iter().copied()),
        }
    }

    /// Members that run as a service account (and perhaps others, with a label of their own that says so).
    pub(super) fn of_account(&self, name: &str) -> impl Iterator<Item = MemberHandle> + '_ {
        self.by_label.get(SERVICE_ACCOUNT_LABEL, name)
    }
}

/// Selectors of one namespace scope, by their anchors.
#[derive(Debug, Default)]
pub(super) struct SelectorFile {
    by_label: ByLabel<SelectorHandle>,
    by_key: BTreeMap<String, BTreeSet<SelectorHandle>>,
    nowhere: BTreeSet<SelectorHandle>,
    /// Those that ask for one of no values: nothing has it.
    never: BTreeSet<SelectorHandle>,
}

impl SelectorFile {
    pub(super) fn insert(&mut self, selector: &EndpointSelector, handle: SelectorHandle) {
        match selector.anchor() {
            Anchor::Values(_, values) if values.is_empty() => drop(self.never.insert(handle)),
            Anchor::Values(key, values) => {
                for value in values {
                    self.by_label.insert(key, value, handle);
                }
            }
            Anchor::Key(key) => drop(self.by_key.entry(key.to_owned()).or_default().insert(handle)),
            Anchor::Nowhere => drop(self.nowhere.insert(handle)),
        }
    }

    pub(super) fn remove(&mut self, selector: &EndpointSelector, handle: SelectorHandle) {
        match selector.anchor() {
            Anchor::Values(_, values) if values.is_empty() => drop(self.never.remove(&handle)),
            Anchor::Values(key, values) => {
                for value in values {
                    self.by_label.remove(key, value, handle);
                }
            }
            Anchor::Key(key) => {
                let Some(handles) = self.by_key.get_mut(key) else { return };
                handles.remove(&handle);
                if handles.is_empty() {
                    self.by_key.remove(key);
                }
            }
            Anchor::Nowhere => drop(self.nowhere.remove(&handle)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_label.0.is_empty()
            && self.by_key.is_empty()
            && self.nowhere.is_empty()
            && self.never.is_empty()
    }

    /// Selectors whose anchor a member satisfies; where it has two labels of one key, perhaps twice.
    pub(super) fn candidates<'a>(&'a self, facts: Facts<'a>) -> impl Iterator<Item = SelectorHandle> + 'a {
        let by_label = facts.cards().flat_map(|(key, value)| self.by_label.get(key, value));
        let keys = facts.cards().map(|(key, _)| key);
        let by_key = keys.flat_map(|key| self.by_key.get(key).into_iter().flatten().copied());
        by_label.chain(by_key).chain(self.nowhere.iter().copied())
    }
}
