//! From one table to another by the least change.
//!
//! Sets change by elements, chains by rules: what stays keeps its handle and its counters. What changes its very shape
//! (the type of a set, the hook of a chain) would have to take everything that refers to it along, so then the whole
//! table is replaced, which is equally atomic.
//!
//! Order within a transaction, for every reference must point to something while it exists: make sets and chains,
//! take rules, take elements, give elements, give rules, remove sets, remove chains.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Elements, Hook, Rule, Set, Table};

mod rules;
#[cfg(test)]
pub(super) mod tests;

/// Changes in order, all or none of which happen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// Applied first to last.
    pub changes: Vec<Change>,
}

/// One message to the kernel (element lists may take several).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The table exists afterwards.
    AddTable,
    /// With everything in it.
    DeleteTable,
    /// An empty set that did not exist; the set's elements are ignored.
    AddSet(String, Set),
    /// With its elements; no rule refers to it.
    DeleteSet(String),
    /// Elements that the set does not have.
    AddElements(String, Set),
    /// Elements that the set has.
    DeleteElements(String, Set),
    /// An empty chain that did not exist.
    AddChain(String, Option<Hook>),
    /// Remove all of a chain's rules.
    FlushChain(String),
    /// An empty chain that nothing refers to.
    DeleteChain(String),
    /// The rule that was at this place of a chain before the transaction.
    DeleteRule(String, usize),
    /// To a chain: before the rule that was at this place before the transaction, which stays, or else at the end.
    AddRule(String, Option<usize>, Rule),
}

impl Change {
    /// The set that it is about.
    pub fn of_set(&self) -> Option<&str> {
        match self {
            Change::AddSet(name, _)
            | Change::DeleteSet(name)
            | Change::AddElements(name, _)
            | Change::DeleteElements(name, _) => Some(name),
            Change::AddTable
            | Change::DeleteTable
            | Change::AddChain(..)
            | Change::FlushChain(_)
            | Change::DeleteChain(_)
            | Change::DeleteRule(..)
            | Change::AddRule(..) => None,
        }
    }

    /// The chain that it is about.
    pub fn of_chain(&self) -> Option<&str> {
        match self {
            Change::AddChain(name, _)
            | Change::FlushChain(name)
            | Change::DeleteChain(name)
            | Change::DeleteRule(name, _)
            | Change::AddRule(name, ..) => Some(name),
            Change::AddTable
            | Change::DeleteTable
            | Change::AddSet(..)
            | Change::DeleteSet(_)
            | Change::AddElements(..)
            | Change::DeleteElements(..) => None,
        }
    }
}

/// The transaction that turns `actual` into `desired`; no changes if they are equal.
pub fn diff(actual: &Table, desired: &Table) -> Transaction {
    if changes_shape(actual, desired) {
        return replace(desired);
    }
    let mut changes = Vec::new();
    add_sets_and_chains(&mut changes, actual, desired);
    take_rules(&mut changes, actual, desired);
    let (taken, given) = element_changes(actual, desired);
    changes.extend(taken.into_iter().map(|(name, set)| Change::DeleteElements(name, set)));
    changes.extend(given.into_iter().map(|(name, set)| Change::AddElements(name, set)));
    give_rules(&mut changes, actual, desired);
    changes.extend(gone(&actual.sets, &desired.sets).map(|name| Change::DeleteSet(name.clone())));
    changes.extend(gone(&actual.chains, &desired.chains).map(|name| Change::DeleteChain(name.clone())));
    Transaction { changes }
}

/// The transaction that makes `desired` true whatever the table holds now, if it exists at all.
pub fn replace(desired: &Table) -> Transaction {
    let mut changes = vec![Change::AddTable, Change::DeleteTable, Change::AddTable];
    changes.extend(diff(&Table::default(), desired).changes);
    Transaction { changes }
}

/// Whether more than elements and rules would have to change.
pub(super) fn changes_shape(actual: &Table, desired: &Table) -> bool {
    let sets = kept(&actual.sets, &desired.sets).any(|(_, old, new)| old.emptied() != new.emptied());
    let chains = kept(&actual.chains, &desired.chains).any(|(_, old, new)| old.hook != new.hook);
    sets || chains
}

/// In both.
fn kept<'a, T>(
    actual: &'a BTreeMap<String, T>,
    desired: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = (&'a String, &'a T, &'a T)> {
    desired.iter().filter_map(|(name, new)| actual.get(name).map(|old| (name, old, new)))
}

/// In `actual` only.
fn gone<'a, T>(
    actual: &'a BTreeMap<String, T>,
    desired: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = &'a String> {
    actual.keys().filter(|name| !desired.contains_key(*name))
}

fn add_sets_and_chains(changes: &mut Vec<Change>, actual: &Table, desired: &Table) {
    for name in gone(&desired.sets, &actual.sets) {
        changes.extend(desired.sets.get(name).map(|set| Change::AddSet(name.clone(), set.emptied())));
    }
    for name in gone(&desired.chains, &actual.chains) {
        changes.extend(desired.chains.get(name).map(|chain| Change::AddChain(name.clone(), chain.hook)));
    }
}

/// Chains that go, or of which nothing stays, are flushed as a whole.
fn take_rules(changes: &mut Vec<Change>, actual: &Table, desired: &Table) {
    for (name, chain) in actual.chains.iter().filter(|(_, chain)| !chain.rules.is_empty()) {
        let kept: BTreeSet<usize> = match desired.chains.get(name) {
            Some(new) if new.rules == chain.rules => continue,
            Some(new) => rules::kept(&chain.rules, &new.rules).into_iter().flatten().collect(),
            None => BTreeSet::new(),
        };
        if kept.is_empty() {
            changes.push(Change::FlushChain(name.clone()));
            continue;
        }
        let taken = (0..chain.rules.len()).filter(|at| !kept.contains(at));
        changes.extend(taken.map(|at| Change::DeleteRule(name.clone(), at)));
    }
}

fn give_rules(changes: &mut Vec<Change>, actual: &Table, desired: &Table) {
    for (name, chain) in &desired.chains {
        let old = actual.chains.get(name).map(|chain| chain.rules.as_slice()).unwrap_or_default();
        if old == chain.rules {
            continue;
        }
        let kept = rules::kept(old, &chain.rules);
        let mut following = Vec::with_capacity(kept.len());
        let mut next = None;
        for place in kept.iter().rev() {
            following.push(next);
            next = place.or(next);
        }
        let places = kept.iter().zip(following.into_iter().rev());
        let new = chain.rules.iter().zip(places).filter(|(_, (kept, _))| kept.is_none());
        changes.extend(new.map(|(rule, (_, next))| Change::AddRule(name.clone(), next, rule.clone())));
    }
}

type NamedSets = Vec<(String, Set)>;

/// Elements to take and elements to give, without empty ones. A changed verdict is both. Sets that go lose their
/// elements with themselves, except verdicts, whose chains may go too.
fn element_changes(actual: &Table, desired: &Table) -> (NamedSets, NamedSets) {
    let (mut taken, mut given) = (NamedSets::new(), NamedSets::new());
    for (name, new) in &desired.sets {
        let none = new.emptied();
        let old = actual.sets.get(name).unwrap_or(&none);
        taken.push((name.clone(), without(old, new)));
        given.push((name.clone(), without(new, old)));
    }
    for (name, old) in &actual.sets {
        if !desired.sets.contains_key(name) && matches!(old.elements, Elements::Verdicts(_)) {
            taken.push((name.clone(), old.clone()));
        }
    }
    let some = |sets: NamedSets| sets.into_iter().filter(|(_, set)| !set.elements.is_empty()).collect();
    (some(taken), some(given))
}

/// The elements of `left` that `right` lacks or has with another verdict. Both are of one kind.
fn without(left: &Set, right: &Set) -> Set {
    let elements = match (&left.elements, &right.elements) {
        (Elements::Keys(left), Elements::Keys(right)) => Elements::Keys(difference(left, right)),
        (Elements::Ranges(left), Elements::Ranges(right)) => Elements::Ranges(difference(left, right)),
        (Elements::Verdicts(left), Elements::Verdicts(right)) => {
            let differing = left.iter().filter(|(key, verdict)| right.get(*key) != Some(*verdict));
            Elements::Verdicts(differing.map(|(key, verdict)| (key.clone(), verdict.clone())).collect())
        }
        (Elements::Keys(_) | Elements::Ranges(_) | Elements::Verdicts(_), _) => left.elements.clone(),
    };
    Set { key: left.key.clone(), elements }
}

fn difference<T: Ord + Clone>(left: &BTreeSet<T>, right: &BTreeSet<T>) -> BTreeSet<T> {
    left.difference(right).cloned().collect()
}
