//! The program in place: profiles, blocks and sets counted by their users, members of sets counted by their sources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::compile::definition::{Element, SetDefinition, Source};
use crate::compile::lower::Block;
use crate::compile::profile::Parts;
use crate::delta::{Delta, Member};
use crate::index::{Index, SelectorHandle};
use crate::model::member::Member as Selected;
use crate::model::{Model, ServiceId};
use crate::program::{EndpointId, EndpointProgram, ProfileId, Program, Set, SetId};

#[derive(Debug, Default)]
pub(super) struct Live {
    program: Program,
    profiles: BTreeMap<ProfileId, ProfileUse>,
    blocks: BTreeMap<BlockId, usize>,
    sets: BTreeMap<SetId, SetUse>,
    /// The sets that something feeds.
    fed: BTreeMap<Feeder, BTreeSet<SetId>>,
    /// Since it was last taken; `None` if it never was.
    delta: Option<Delta>,
}

/// What changes the members of a set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Feeder {
    Selector(SelectorHandle),
    Service(ServiceId),
}

/// What names a block: equal ones have equal sets.
type BlockId = [u8; 32];

#[derive(Debug)]
struct ProfileUse {
    /// Local endpoints that refer to it.
    uses: usize,
    blocks: Vec<Arc<Block>>,
}

#[derive(Debug)]
struct SetUse {
    definition: SetDefinition,
    /// Blocks that refer to it.
    uses: usize,
    feeder: Option<Feeder>,
    /// How many members give each element: two have the same address while it passes from one to the other.
    sources: BTreeMap<Element, usize>,
}

impl Live {
    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// What became different since this was last asked; `None` if it never was.
    pub(super) fn take_delta(&mut self) -> Option<Delta> {
        self.delta.replace(Delta::default())
    }

    /// Notes something, if anybody asks.
    fn note(&mut self, note: impl FnOnce(&mut Delta)) {
        if let Some(delta) = &mut self.delta {
            note(delta);
        }
    }

    /// Puts a newly compiled endpoint in place of the old, or (`None`) takes it out.
    pub(super) fn replace(
        &mut self,
        id: &EndpointId,
        compiled: Option<(EndpointProgram, [Option<Parts<'_>>; 2])>,
        index: &mut Index,
        model: &Model,
    ) {
        // The new first: what both use is never dropped and built again.
        let new = compiled.map(|(endpoint, profiles)| {
            for profile in profiles.iter().flatten() {
                self.acquire_profile(profile, index, model);
            }
            endpoint
        });
        if new.as_ref() != self.program.endpoints.get(id) {
            self.note(|delta| delta.note_endpoint(id));
        }
        let old = match new {
            Some(endpoint) => self.program.endpoints.insert(id.clone(), endpoint),
            None => self.program.endpoints.remove(id),
        };
        if let Some(old) = old {
            for profile in [old.ingress, old.egress].into_iter().flatten() {
                self.release_profile(&profile, index);
            }
        }
    }

    /// A member joined or left the members of a selector.
    pub(super) fn member_changed(&mut self, selector: SelectorHandle, member: Selected<'_>, joined: bool) {
        let fed = self.fed.get(&Feeder::Selector(selector)).into_iter().flatten().cloned();
        for id in fed.collect::<Vec<_>>() {
            if let Some(used) = self.sets.get(&id) {
                let elements = used.definition.elements(member);
                self.change(&id, elements, joined);
            }
        }
    }

    /// What is behind a service leaves its sets, or joins them; call it before and after a change of the model.
    pub(super) fn service_changed(&mut self, service: &ServiceId, model: &Model, joined: bool) {
        let fed = self.fed.get(&Feeder::Service(service.clone())).into_iter().flatten().cloned();
        for id in fed.collect::<Vec<_>>() {
            if let Some(used) = self.sets.get(&id) {
                let elements = used.definition.service_elements(model);
                self.change(&id, elements, joined);
            }
        }
    }

    /// Adds elements to a set, or takes them away.
    fn change(&mut self, id: &SetId, elements: BTreeSet<Element>, joined: bool) {
        let (Some(used), Some(set)) = (self.sets.get_mut(id), self.program.sets.get_mut(id)) else { return };
        let mut is_exact = true;
        for element in elements {
            let sources = used.sources.entry(element).or_default();
            let before = *sources;
            *sources = if joined { before + 1 } else { before.saturating_sub(1) };
            let is_there = *sources > 0;
            if !is_there {
                used.sources.remove(&element);
            }
            if is_there == (before > 0) {
                continue;
            }
            let done = if joined { element.insert_into(set) } else { element.remove_from(set) };
            match (done, &mut self.delta) {
                (true, Some(delta)) => delta.note_member(id, element.member(), joined),
                (true, None) => {}
                (false, _) => is_exact = false,
            }
        }
        if !is_exact {
            let old = std::mem::replace(set, used.definition.set(used.sources.keys().copied()));
            if let Some(delta) = &mut self.delta {
                note_networks(delta, id, &old, set);
            }
        }
    }

    fn acquire_profile(&mut self, parts: &Parts<'_>, index: &mut Index, model: &Model) {
        let id = &parts.id;
        if let Some(used) = self.profiles.get_mut(id) {
            used.uses += 1;
            return;
        }
        let blocks: Vec<Arc<Block>> = parts.blocks().cloned().collect();
        for block in &blocks {
            let uses = self.blocks.entry(block.digest).or_default();
            *uses += 1;
            if *uses == 1 {
                for (id, definition) in &block.sets {
                    self.acquire_set(id, definition, index, model);
                }
            }
        }
        self.profiles.insert(id.clone(), ProfileUse { uses: 1, blocks });
        self.program.profiles.insert(id.clone(), parts.profile());
        self.note(|delta| delta.note_profile(id));
    }

    fn release_profile(&mut self, id: &ProfileId, index: &mut Index) {
        let Some(used) = self.profiles.get_mut(id) else { return };
        used.uses -= 1;
        if used.uses > 0 {
            return;
        }
        self.program.profiles.remove(id);
        self.note(|delta| delta.note_profile(id));
        for block in self.profiles.remove(id).into_iter().flat_map(|used| used.blocks) {
            let Some(uses) = self.blocks.get_mut(&block.digest) else { continue };
            *uses -= 1;
            if *uses == 0 {
                self.blocks.remove(&block.digest);
                for set in block.sets.keys() {
                    self.release_set(set, index);
                }
            }
        }
    }

    fn acquire_set(&mut self, id: &SetId, definition: &SetDefinition, index: &mut Index, model: &Model) {
        if let Some(used) = self.sets.get_mut(id) {
            used.uses += 1;
            return;
        }
        let mut sources: BTreeMap<Element, usize> = BTreeMap::new();
        let mut count = |elements: BTreeSet<Element>| {
            for element in elements {
                *sources.entry(element).or_default() += 1;
            }
        };
        let feeder = match definition.source() {
            Source::Fixed => None,
            Source::Selector(selector) => {
                let handle = index.acquire(selector);
                let members = index.members(handle).filter_map(|id| model.member(id));
                members.for_each(|member| count(definition.elements(member)));
                Some(Feeder::Selector(handle))
            }
            Source::Service(service) => {
                count(definition.service_elements(model));
                Some(Feeder::Service(service.clone()))
            }
        };
        if let Some(feeder) = feeder.clone() {
            self.fed.entry(feeder).or_default().insert(id.clone());
        }
        self.program.sets.insert(id.clone(), definition.set(sources.keys().copied()));
        self.note(|delta| delta.note_set(id));
        let definition = definition.clone();
        self.sets.insert(id.clone(), SetUse { definition, uses: 1, feeder, sources });
    }

    fn release_set(&mut self, id: &SetId, index: &mut Index) {
        let Some(used) = self.sets.get_mut(id) else { return };
        used.uses -= 1;
        if used.uses > 0 {
            return;
        }
        self.program.sets.remove(id);
        self.note(|delta| delta.note_set(id));
        let Some(feeder) = self.sets.remove(id).and_then(|used| used.feeder) else { return };
        if let Some(fed) = self.fed.get_mut(&feeder) {
            fed.remove(id);
            if fed.is_empty() {
                self.fed.remove(&feeder);
            }
        }
        if let Feeder::Selector(handle) = feeder {
            index.release(handle);
        }
    }
}

/// Notes which networks a set of them lost and got.
fn note_networks(delta: &mut Delta, id: &SetId, old: &Set, new: &Set) {
    let (Set::Networks(old), Set::Networks(new)) = (old, new) else { return };
    for network in old.difference(new) {
        delta.note_member(id, Member::Network(*network), false);
    }
    for network in new.difference(old) {
        delta.note_member(id, Member::Network(*network), true);
    }
}
