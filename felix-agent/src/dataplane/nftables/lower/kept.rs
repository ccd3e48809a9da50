//! A lowered program, kept up to date for the work of each change.
//!
//! At any time it equals [`lower`](super::lower) of the same program, interfaces and options: what became different is taken
//! out and put in again by the same functions. What profiles share (sets, chains that deny) is there as long as one of them
//! uses it; by the same books a set that changed leads to the ends whose connections it concerns.
//!
//! Each step says where the table has changed since the one before ([`Scope`]). Where many sets begin to share one, or cease
//! to, everything is lowered anew.

use std::collections::{BTreeMap, BTreeSet};

use policy::delta::{Delta, Member, SetDelta};
use policy::program::{EndpointId, Match, ProfileId, Program, Set as ProgramSet, SetId};

use crate::plan::desired::InterfaceName;

use super::super::scope::{Places, Scope};
use super::super::table::{Elements, Set, Value};
use super::shared::{self, Home, Homes};
use super::{Lowered, Options, dispatch_to, lower, members, profile};

#[cfg(test)]
mod tests;

/// A lowered program and what is needed to follow it.
#[derive(Debug, Default)]
pub struct Kept {
    lowered: Lowered,
    /// `None` until the first program was followed.
    options: Option<Options>,
    /// Whether sets share a set of the kernel.
    shared: bool,
    interfaces: BTreeMap<EndpointId, InterfaceName>,
    behind: Users<InterfaceName, EndpointId>,
    sets: BTreeSet<SetId>,
    /// The profiles that ask a set.
    asked_by: Users<SetId, ProfileId>,
    /// The profiles that lead to a chain.
    led_to_by: Users<String, ProfileId>,
    /// The ends that have a profile.
    had_by: Users<ProfileId, String>,
    /// The source addresses that stand behind each interface, with the set they are in.
    sources: BTreeMap<InterfaceName, Vec<(&'static str, Vec<Value>)>>,
}

impl Kept {
    /// What the kernel should hold.
    #[must_use]
    pub fn lowered(&self) -> &Lowered {
        &self.lowered
    }

    /// Whether a program was followed yet.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.options.is_some()
    }

    /// Follows a program that became different from the one that was followed before (`None`: from whatever it was). Where the
    /// table may differ then.
    pub fn follow(
        &mut self,
        program: &Program,
        delta: Option<&Delta>,
        interfaces: &BTreeMap<EndpointId, InterfaceName>,
        options: &Options,
    ) -> Scope {
        let shared = shared::is_due(program, options);
        let is_begun = self.options.as_ref() == Some(options) && self.shared == shared;
        if let Some(delta) = delta.filter(|_| is_begun) {
            return Scope::Within(self.step(program, delta, interfaces));
        }
        let mut lowered = lower(&Program::default(), &BTreeMap::new(), options);
        if shared {
            lowered.table.sets.extend(shared::sets());
        }
        *self = Self { lowered, options: Some(*options), shared, ..Self::default() };
        let everything = Delta {
            sets: program.sets.keys().map(|id| (id.clone(), SetDelta::Whole)).collect(),
            profiles: program.profiles.keys().cloned().collect(),
            endpoints: program.endpoints.keys().cloned().collect(),
        };
        self.step(program, &everything, interfaces);
        Scope::Everywhere
    }

    fn step(
        &mut self,
        program: &Program,
        delta: &Delta,
        interfaces: &BTreeMap<EndpointId, InterfaceName>,
    ) -> Places {
        let mut places = Places::default();
        let mut profiles = delta.profiles.clone();
        for (id, change) in &delta.sets {
            profiles.extend(self.set(id, change, program, &mut places));
        }
        for id in &profiles {
            self.profile(id, program, &mut places);
        }
        for interface in self.moved(&delta.endpoints, interfaces) {
            self.interface(&interface, program, &mut places);
        }
        places
    }

    /// Brings a set up to date. The profiles that must be lowered anew, because it was not there or is not there any more.
    fn set(
        &mut self,
        id: &SetId,
        change: &SetDelta,
        program: &Program,
        places: &mut Places,
    ) -> BTreeSet<ProfileId> {
        let homes = Homes::of(program, &self.lowered.options);
        let set = program.sets.get(id);
        let was_there = self.sets.contains(id);
        match (change, set) {
            // Networks that touch each other are one range.
            (
                SetDelta::Members { added, removed },
                Some(ProgramSet::Addresses(_) | ProgramSet::AddressPorts(_)),
            ) if was_there => {
                let members = removed.iter().map(|member| (member, false));
                for (member, is_there) in members.chain(added.iter().map(|member| (member, true))) {
                    self.member(id, *member, is_there, homes, places);
                }
            }
            (_, set) => {
                members::names(id).iter().for_each(|name| self.take_set(name, places));
                for (name, set) in set.into_iter().flat_map(|set| members::lower(id, set)) {
                    self.give_set(name, set, homes, places);
                }
            }
        }
        put(&mut self.sets, id.clone(), set.is_some());
        let users: BTreeSet<ProfileId> = self.asked_by.of(id).cloned().collect();
        let ends = users.iter().flat_map(|profile| self.had_by.of(profile));
        places.ends.extend(ends.cloned());
        if was_there == set.is_some() { BTreeSet::new() } else { users }
    }

    fn member(&mut self, id: &SetId, member: Member, is_there: bool, homes: Homes<'_>, places: &mut Places) {
        let Some((name, key)) = members::element(id, member) else { return };
        let (name, key) = homes.element(name, key);
        if let Some(Elements::Keys(keys)) = self.elements(&name) {
            put(keys, key.clone(), is_there);
        }
        places.key(&name, key);
    }

    fn take_set(&mut self, name: &str, places: &mut Places) {
        if self.lowered.table.sets.remove(name).is_some() {
            return places.set(name.to_owned());
        }
        let Some(Home { set, selector }) = shared::home(name) else { return };
        let prefix = shared::prefix(selector);
        if let Some(Elements::Keys(keys)) = self.elements(set) {
            let theirs = keys.range(prefix.clone()..).take_while(|key| key.starts_with(&prefix));
            let theirs: Vec<Vec<Value>> = theirs.cloned().collect();
            for key in theirs {
                keys.remove(&key);
                places.key(set, key);
            }
        }
    }

    fn give_set(&mut self, name: String, set: Set, homes: Homes<'_>, places: &mut Places) {
        match shared::home(&name).filter(|_| homes.shares(&name)) {
            None => places.set(name.clone()),
            Some(home) => {
                if let Elements::Keys(keys) = &set.elements {
                    let keys = keys.iter().map(|key| [shared::prefix(home.selector), key.clone()].concat());
                    keys.for_each(|key| places.key(home.set, key));
                }
            }
        }
        homes.put(name, set, &mut self.lowered.table);
    }

    /// Takes a profile out, and puts it in again if it is still there.
    fn profile(&mut self, id: &ProfileId, program: &Program, places: &mut Places) {
        for chain in self.led_to_by.forget(id) {
            self.lowered.table.chains.remove(&chain);
            places.chains.insert(chain);
        }
        drop(self.asked_by.forget(id));
        self.lowered.profiles.remove(id);
        self.lowered.refused.remove(id);
        places.ends.extend(self.had_by.of(id).cloned());
        let Some(content) = program.profiles.get(id) else { return self.check(id, program) };
        let conditions = content.tiers.iter().flat_map(|tier| &tier.rules).flat_map(|rule| &rule.matches);
        for set in conditions.filter_map(Match::set) {
            self.asked_by.add(set.clone(), id.clone());
        }
        let homes = Homes::of(program, &self.lowered.options);
        match profile::lower(id, content, program, &self.lowered.options) {
            Err(reason) => drop(self.lowered.refused.insert(id.clone(), reason)),
            Ok(chains) => {
                for (name, chain) in chains {
                    places.chains.insert(name.clone());
                    self.led_to_by.add(name.clone(), id.clone());
                    self.lowered.table.chains.insert(name, homes.chain(chain));
                }
                self.lowered.profiles.insert(id.clone());
            }
        }
    }

    /// A profile that an end has and the program lacks is refused.
    fn check(&mut self, id: &ProfileId, program: &Program) {
        if program.profiles.contains_key(id) {
            return;
        }
        if self.had_by.of(id).next().is_some() {
            self.lowered.refused.insert(id.clone(), super::NOT_COMPILED.to_owned());
        } else {
            self.lowered.refused.remove(id);
        }
    }

    /// The interfaces whose endpoints have changed, or are others than before.
    fn moved(
        &mut self,
        endpoints: &BTreeSet<EndpointId>,
        interfaces: &BTreeMap<EndpointId, InterfaceName>,
    ) -> BTreeSet<InterfaceName> {
        let mut moved: BTreeSet<InterfaceName> =
            endpoints.iter().filter_map(|id| self.interfaces.get(id)).cloned().collect();
        if self.interfaces != *interfaces {
            let left = self.interfaces.iter().filter(|(id, name)| interfaces.get(*id) != Some(*name));
            for (id, name) in left.map(|(id, name)| (id.clone(), name.clone())).collect::<Vec<_>>() {
                self.behind.remove(&name, &id);
                self.interfaces.remove(&id);
                moved.insert(name);
            }
            for (id, name) in interfaces {
                if !self.interfaces.contains_key(id) {
                    self.behind.add(name.clone(), id.clone());
                    self.interfaces.insert(id.clone(), name.clone());
                    moved.insert(name.clone());
                }
            }
        }
        moved
    }

    /// Takes out what leads to an interface, and puts in what should.
    fn interface(&mut self, interface: &InterfaceName, program: &Program, places: &mut Places) {
        if !super::is_ours(interface) {
            return;
        }
        let mut profiles = BTreeSet::new();
        let key = vec![Value::Interface(interface.clone())];
        for (map, direction) in super::MAPS {
            let chain = super::end_chain(interface, direction);
            if let Some(profile) = self.lowered.ends.remove(&chain).and_then(|end| end.profile) {
                self.had_by.remove(&profile, &chain);
                profiles.insert(profile);
            }
            if let Some(Elements::Verdicts(verdicts)) = self.elements(map) {
                verdicts.remove(&key);
            }
            places.key(map, key.clone());
            places.ends.insert(chain);
        }
        for (set, key) in self.sources.remove(interface).unwrap_or_default() {
            if let Some(Elements::Keys(keys)) = self.elements(set) {
                keys.remove(&key);
            }
            places.key(set, key);
        }
        let there: Vec<EndpointId> = self.behind.of(interface).cloned().collect();
        for (id, endpoint) in there.iter().filter_map(|id| Some((id, program.endpoints.get(id)?))) {
            let way = dispatch_to(interface, id, endpoint);
            for (map, key, verdict) in way.verdicts {
                if let Some(Elements::Verdicts(verdicts)) = self.elements(map) {
                    verdicts.insert(key, verdict);
                }
            }
            for (set, key) in &way.sources {
                if let Some(Elements::Keys(keys)) = self.elements(set) {
                    keys.insert(key.clone());
                }
                places.key(set, key.clone());
            }
            self.sources.entry(interface.clone()).or_default().extend(way.sources);
            self.lowered.ends.extend(way.ends);
        }
        for (_, direction) in super::MAPS {
            let chain = super::end_chain(interface, direction);
            if let Some(profile) = self.lowered.ends.get(&chain).and_then(|end| end.profile.clone()) {
                self.had_by.add(profile.clone(), chain);
                profiles.insert(profile);
            }
        }
        profiles.iter().for_each(|id| self.check(id, program));
    }

    fn elements(&mut self, set: &str) -> Option<&mut Elements> {
        self.lowered.table.sets.get_mut(set).map(|set| &mut set.elements)
    }
}

fn put<T: Ord>(all: &mut BTreeSet<T>, one: T, is_there: bool) {
    if is_there {
        all.insert(one);
    } else {
        all.remove(&one);
    }
}

/// Who uses what, and what is used by whom.
#[derive(Debug)]
struct Users<T, U> {
    users: BTreeMap<T, BTreeSet<U>>,
    uses: BTreeMap<U, BTreeSet<T>>,
}

impl<T, U> Default for Users<T, U> {
    fn default() -> Self {
        Self { users: BTreeMap::new(), uses: BTreeMap::new() }
    }
}

impl<T: Ord + Clone, U: Ord + Clone> Users<T, U> {
    fn of(&self, used: &T) -> impl Iterator<Item = &U> + use<'_, T, U> {
        self.users.get(used).into_iter().flatten()
    }

    fn add(&mut self, used: T, user: U) {
        self.users.entry(used.clone()).or_default().insert(user.clone());
        self.uses.entry(user).or_default().insert(used);
    }

    fn remove(&mut self, used: &T, user: &U) {
        remove_from(&mut self.users, used, user);
        remove_from(&mut self.uses, user, used);
    }

    /// Forgets a user; what nobody uses any more.
    fn forget(&mut self, user: &U) -> Vec<T> {
        let mut unused = Vec::new();
        for used in self.uses.remove(user).unwrap_or_default() {
            remove_from(&mut self.users, &used, user);
            if !self.users.contains_key(&used) {
                unused.push(used);
            }
        }
        unused
    }
}

fn remove_from<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(values) = map.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            map.remove(key);
        }
    }
}
