//! Where two tables may differ, and the parts of them that are there.
//!
//! A table has thousands of objects and a change touches a few. Whoever keeps a table says where it may differ from what it was
//! ([`Scope`]); assembling and comparing then go by the same functions as ever, on the parts of both tables that are within
//! the scope. Outside of it both are equal, so the transaction between the parts is the one between the wholes.
//!
//! A scope says where to look and not what to do. It may be too large, which costs time; it must not be too small, and
//! whoever is not sure says [`Scope::Everywhere`]. The audit does, and so does everyone after a failure.

use std::collections::{BTreeMap, BTreeSet};

use super::lower::Lowered;
use super::lower::profile::DENY_PREFIX;
use super::table::{Chain, Elements, Rule, Set, Statement, Table, Value, Verdict};

#[cfg(test)]
mod tests;

/// Where two tables may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Anywhere.
    Everywhere,
    /// Here, and nowhere else.
    Within(Places),
}

/// Places in a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Sets and verdict maps, and which of their elements.
    pub sets: BTreeMap<String, Keys>,
    /// Chains of profiles.
    pub chains: BTreeSet<String>,
    /// Ends whose own chain may differ, or any of the rules and sets that it leads to.
    pub ends: BTreeSet<String>,
}

/// Elements of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Any of them, and the set itself.
    All,
    /// Those with these keys; the set itself is the same. Never of a set of ranges.
    Some(BTreeSet<Vec<Value>>),
}

impl Default for Scope {
    fn default() -> Self {
        Self::Within(Places::default())
    }
}

impl Scope {
    /// Here and there.
    pub fn absorb(&mut self, other: Scope) {
        match (&mut *self, other) {
            (Self::Within(places), Self::Within(others)) => places.absorb(others),
            (Self::Everywhere, _) => {}
            (Self::Within(_), Self::Everywhere) => *self = Self::Everywhere,
        }
    }
}

impl Places {
    /// A set came, went or changed.
    pub(super) fn set(&mut self, name: String) {
        self.sets.insert(name, Keys::All);
    }

    /// One element of a set came, went or has another verdict.
    pub(super) fn key(&mut self, set: &str, key: Vec<Value>) {
        match self.sets.get_mut(set) {
            Some(Keys::All) => {}
            Some(Keys::Some(keys)) => drop(keys.insert(key)),
            None => drop(self.sets.insert(set.to_owned(), Keys::Some([key].into()))),
        }
    }

    fn absorb(&mut self, other: Places) {
        let Places { sets, chains, ends } = other;
        for (name, keys) in sets {
            match keys {
                Keys::All => self.set(name),
                Keys::Some(keys) => keys.into_iter().for_each(|key| self.key(&name, key)),
            }
        }
        self.chains.extend(chains);
        self.ends.extend(ends);
    }
}

/// What of a table is to be looked at: places, and what must be read to compare what ends do.
#[derive(Debug)]
pub struct Window {
    sets: BTreeMap<String, Keys>,
    chains: BTreeSet<String>,
    /// Chains that have not changed, but that an end has come to or left.
    read: BTreeSet<String>,
    /// Chains that have not changed, of ends that stay there: only what asks a set that did matters.
    glimpsed: BTreeSet<String>,
}

impl Window {
    /// That of some places, for a table that is there and one that is wanted.
    #[must_use]
    pub fn of(places: &Places, before: &Table, lowered: &Lowered) -> Self {
        let mut window = Self {
            sets: places.sets.clone(),
            chains: places.chains.union(&places.ends).cloned().collect(),
            read: BTreeSet::new(),
            glimpsed: BTreeSet::new(),
        };
        for name in &places.ends {
            let had = before.chains.get(name).and_then(profile_of);
            let profile = lowered.ends.get(name).and_then(|end| end.profile.as_ref());
            let profile = profile.map(|profile| profile.0.as_str());
            let chains = if had == profile { &mut window.glimpsed } else { &mut window.read };
            had.into_iter().for_each(|chain| reach(before, chain, chains));
            profile.into_iter().for_each(|chain| reach(&lowered.table, chain, chains));
        }
        window
    }

    /// What a table has there.
    #[must_use]
    pub fn part(&self, table: &Table) -> Table {
        let sets = self.sets.iter().filter_map(|(name, keys)| {
            let set = table.sets.get(name)?;
            Some((name.clone(), within(set, keys)))
        });
        let whole = |name: &String| Some((name.clone(), table.chains.get(name)?.clone()));
        let glimpse = |name: &String| {
            let chain = table.chains.get(name)?;
            let rules = chain.rules.iter().filter(|rule| self.matters(rule)).cloned().collect();
            Some((name.clone(), Chain { hook: chain.hook, rules }))
        };
        // What is looked at as a whole comes last, and counts.
        let glimpsed = self.glimpsed.iter().filter_map(glimpse);
        let chains = glimpsed.chain(self.read.iter().chain(&self.chains).filter_map(whole));
        Table { sets: sets.collect(), chains: chains.collect() }
    }

    /// Whether what a rule does may have changed though the rule has not.
    fn matters(&self, rule: &Rule) -> bool {
        rule.statements.iter().any(|statement| {
            if let Statement::Verdict(verdict) = statement {
                return leads_on(verdict).is_some();
            }
            statement.asks().is_some_and(|(set, _)| self.sets.contains_key(set))
        })
    }

    /// The same of what is wanted, with these ends alone.
    #[must_use]
    pub fn part_of(&self, lowered: &Lowered, ends: &BTreeSet<String>) -> Lowered {
        let ends = ends.iter().filter_map(|name| Some((name.clone(), lowered.ends.get(name)?.clone())));
        Lowered {
            table: self.part(&lowered.table),
            ends: ends.collect(),
            options: lowered.options,
            ..Lowered::default()
        }
    }

    /// Gives a table what a part of another has there.
    pub fn put(&self, part: &Table, table: &mut Table) {
        for (name, keys) in &self.sets {
            match (keys, part.sets.get(name), table.sets.get_mut(name)) {
                (Keys::Some(keys), Some(new), Some(old)) => put_keys(keys, new, old),
                (_, Some(new), _) => drop(table.sets.insert(name.clone(), new.clone())),
                (_, None, _) => drop(table.sets.remove(name)),
            }
        }
        for name in &self.chains {
            match part.chains.get(name) {
                Some(chain) if table.chains.get(name) == Some(chain) => {}
                Some(chain) => drop(table.chains.insert(name.clone(), chain.clone())),
                None => drop(table.chains.remove(name)),
            }
        }
    }
}

/// Parts of the table that is there and of the one that is wanted. Outside of them both are equal.
#[derive(Debug)]
pub struct Part {
    /// Where.
    pub window: Window,
    /// What is there.
    pub before: Table,
    /// What is wanted.
    pub after: Table,
}

/// The profile that an end's chain has.
fn profile_of(chain: &Chain) -> Option<&str> {
    chain.rules.iter().flat_map(|rule| &rule.statements).find_map(|statement| {
        if let Statement::Verdict(Verdict::Jump(profile)) = statement { Some(profile.as_str()) } else { None }
    })
}

/// Where a verdict sends packets to be judged further.
fn leads_on(verdict: &Verdict) -> Option<&str> {
    verdict.target().filter(|chain| !chain.starts_with(DENY_PREFIX))
}

/// The chain of a profile and those that it leads to, but for those that deny: what they do is in their names.
fn reach(table: &Table, name: &str, chains: &mut BTreeSet<String>) {
    let Some(chain) = table.chains.get(name) else { return };
    if !chains.insert(name.to_owned()) {
        return;
    }
    for statement in chain.rules.iter().flat_map(|rule| &rule.statements) {
        if let Statement::Verdict(verdict) = statement
            && let Some(next) = leads_on(verdict)
        {
            reach(table, next, chains);
        }
    }
}

fn within(set: &Set, keys: &Keys) -> Set {
    let Keys::Some(keys) = keys else { return set.clone() };
    let elements = match &set.elements {
        Elements::Keys(members) => {
            Elements::Keys(keys.iter().filter(|key| members.contains(*key)).cloned().collect())
        }
        Elements::Verdicts(verdicts) => {
            let there = keys.iter().filter_map(|key| Some((key.clone(), verdicts.get(key)?.clone())));
            Elements::Verdicts(there.collect())
        }
        Elements::Ranges(_) => set.elements.clone(),
    };
    Set { key: set.key.clone(), elements }
}

fn put_keys(keys: &BTreeSet<Vec<Value>>, new: &Set, old: &mut Set) {
    match (&new.elements, &mut old.elements) {
        (Elements::Keys(new), Elements::Keys(old)) => {
            for key in keys {
                if new.contains(key) {
                    old.insert(key.clone());
                } else {
                    old.remove(key);
                }
            }
        }
        (Elements::Verdicts(new), Elements::Verdicts(old)) => {
            for key in keys {
                match new.get(key) {
                    Some(verdict) => drop(old.insert(key.clone(), verdict.clone())),
                    None => drop(old.remove(key)),
                }
            }
        }
        (new, old) => *old = new.clone(),
    }
}
