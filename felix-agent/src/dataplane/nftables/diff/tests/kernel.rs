//! What the kernel would do: exclusive creation, no dangling reference at any step.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::table::{Chain, Elements, Set, Statement, Table};
use super::super::{Change, Transaction};

pub struct Kernel {
    pub table: Option<Table>,
    /// For each rule of a chain that has any of them, its place before the transaction.
    places: BTreeMap<String, Vec<Option<usize>>>,
}

type Outcome = Result<(), String>;

fn ensure(holds: bool, complaint: &str, change: &Change) -> Outcome {
    if holds { Ok(()) } else { Err(format!("{complaint}: {change:?}")) }
}

impl Kernel {
    pub fn holding(table: Table) -> Kernel {
        Kernel { table: Some(table), places: BTreeMap::new() }
    }

    pub fn that_may_hold(table: Option<Table>) -> Kernel {
        Kernel { table, places: BTreeMap::new() }
    }

    pub fn perform(&mut self, transaction: &Transaction) -> Outcome {
        let chains = self.table.iter().flat_map(|table| &table.chains);
        self.places =
            chains.map(|(name, chain)| (name.clone(), (0..chain.rules.len()).map(Some).collect())).collect();
        transaction.changes.iter().try_for_each(|change| self.step(change))
    }

    fn step(&mut self, change: &Change) -> Outcome {
        match change {
            Change::AddTable => {
                self.table.get_or_insert_default();
                return Ok(());
            }
            Change::DeleteTable => {
                self.places.clear();
                return self.table.take().map(|_| ()).ok_or_else(|| "ENOENT table".to_owned());
            }
            Change::AddSet(..)
            | Change::DeleteSet(_)
            | Change::AddElements(..)
            | Change::DeleteElements(..)
            | Change::AddChain(..)
            | Change::FlushChain(_)
            | Change::DeleteChain(_)
            | Change::DeleteRule(..)
            | Change::AddRule(..) => {}
        }
        let table = self.table.as_mut().ok_or("ENOENT table")?;
        match change {
            Change::AddSet(name, set) => {
                ensure(set.elements.is_empty(), "elements in a definition", change)?;
                ensure(table.sets.insert(name.clone(), set.clone()).is_none(), "EEXIST", change)
            }
            Change::AddChain(name, hook) => {
                let chain = Chain { hook: *hook, rules: Vec::new() };
                ensure(table.chains.insert(name.clone(), chain).is_none(), "EEXIST", change)
            }
            Change::AddElements(name, set) => {
                ensure(!set.elements.is_empty(), "empty list", change)?;
                add(table.sets.get_mut(name).ok_or("ENOENT set")?, set)
            }
            Change::DeleteElements(name, set) => {
                ensure(!set.elements.is_empty(), "empty list", change)?;
                delete(table.sets.get_mut(name).ok_or("ENOENT set")?, set)
            }
            Change::AddRule(name, before, rule) => {
                let chain = table.chains.get_mut(name).ok_or("ENOENT chain")?;
                let places = self.places.entry(name.clone()).or_default();
                let at = match before {
                    None => Some(places.len()),
                    Some(_) => places.iter().position(|place| place == before),
                };
                let at = at.ok_or("ENOENT position")?;
                chain.rules.insert(at, rule.clone());
                places.insert(at, None);
                Ok(())
            }
            Change::DeleteRule(name, at) => {
                let chain = table.chains.get_mut(name).ok_or("ENOENT chain")?;
                let places = self.places.entry(name.clone()).or_default();
                let at = places.iter().position(|place| *place == Some(*at)).ok_or("ENOENT rule")?;
                chain.rules.remove(at);
                places.remove(at);
                Ok(())
            }
            Change::FlushChain(name) => {
                table.chains.get_mut(name).ok_or("ENOENT chain")?.rules.clear();
                self.places.remove(name);
                Ok(())
            }
            Change::DeleteSet(name) => ensure(table.sets.remove(name).is_some(), "ENOENT", change),
            Change::DeleteChain(name) => {
                let chain = table.chains.remove(name).ok_or("ENOENT chain")?;
                ensure(chain.rules.is_empty(), "rules left", change)
            }
            Change::AddTable | Change::DeleteTable => Ok(()),
        }?;
        no_dangling(table, change)
    }
}

fn add(set: &mut Set, new: &Set) -> Outcome {
    match (&mut set.elements, &new.elements) {
        (Elements::Keys(old), Elements::Keys(new)) => all(new.iter().map(|key| old.insert(key.clone()))),
        (Elements::Ranges(old), Elements::Ranges(new)) => all(new.iter().map(|range| {
            let free = old.iter().all(|other| range.1 < other.0 || other.1 < range.0);
            free && old.insert(*range)
        })),
        (Elements::Verdicts(old), Elements::Verdicts(new)) => {
            all(new.iter().map(|(key, verdict)| old.insert(key.clone(), verdict.clone()).is_none()))
        }
        _ => Err("EINVAL kind of elements".to_owned()),
    }
}

fn delete(set: &mut Set, gone: &Set) -> Outcome {
    match (&mut set.elements, &gone.elements) {
        (Elements::Keys(old), Elements::Keys(gone)) => all(gone.iter().map(|key| old.remove(key))),
        (Elements::Ranges(old), Elements::Ranges(gone)) => all(gone.iter().map(|range| old.remove(range))),
        (Elements::Verdicts(old), Elements::Verdicts(gone)) => {
            all(gone.keys().map(|key| old.remove(key).is_some()))
        }
        _ => Err("EINVAL kind of elements".to_owned()),
    }
}

fn all(mut done: impl Iterator<Item = bool>) -> Outcome {
    if done.all(|done| done) { Ok(()) } else { Err("EEXIST or ENOENT element".to_owned()) }
}

fn no_dangling(table: &Table, change: &Change) -> Outcome {
    let mut chains = BTreeSet::new();
    let mut sets = BTreeSet::new();
    for set in table.sets.values() {
        if let Elements::Verdicts(verdicts) = &set.elements {
            chains.extend(verdicts.values().filter_map(|verdict| verdict.target()));
        }
    }
    for statement in table.chains.values().flat_map(|chain| &chain.rules).flat_map(|rule| &rule.statements) {
        if let Statement::InSet(_, set) | Statement::NotInSet(_, set) | Statement::VerdictMap(_, set) =
            statement
        {
            sets.insert(set.as_str());
        }
        if let Statement::Verdict(verdict) = statement {
            chains.extend(verdict.target());
        }
    }
    let held = chains.iter().all(|name| table.chains.contains_key(*name))
        && sets.iter().all(|name| table.sets.contains_key(*name));
    ensure(held, "dangling reference", change)
}
