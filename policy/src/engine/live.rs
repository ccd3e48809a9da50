//! The program in place: profiles and sets counted by their users, members of sets counted by their sources.

use std::collections::{BTreeMap, BTreeSet};

use crate::compile::definition::{Element, SetDefinition};
use crate::compile::lower::Lowered;
use crate::index::{Index, SelectorHandle};
use crate::model::{Endpoint, Model};
use crate::program::{EndpointId, EndpointProgram, ProfileId, Program, SetId};

#[derive(Debug, Default)]
pub(super) struct Live {
    program: Program,
    profiles: BTreeMap<ProfileId, ProfileUse>,
    sets: BTreeMap<SetId, SetUse>,
    /// The sets that a selector's endpoints feed.
    fed: BTreeMap<SelectorHandle, BTreeSet<SetId>>,
}

#[derive(Debug)]
struct ProfileUse {
    /// Local endpoints that refer to it.
    uses: usize,
    sets: BTreeSet<SetId>,
}

#[derive(Debug)]
struct SetUse {
    definition: SetDefinition,
    /// Profiles that refer to it.
    uses: usize,
    feeder: Option<SelectorHandle>,
    /// How many endpoints give each element: two have the same address while it passes from one to the other.
    sources: BTreeMap<Element, usize>,
}

impl Live {
    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// Puts a newly compiled endpoint in place of the old, or (`None`) takes it out.
    pub(super) fn replace(
        &mut self,
        id: &EndpointId,
        compiled: Option<(EndpointProgram, Vec<Lowered>)>,
        index: &mut Index,
        model: &Model,
    ) {
        // The new first: what both use is never dropped and built again.
        let new = compiled.map(|(endpoint, profiles)| {
            for profile in profiles {
                self.acquire_profile(profile, index, model);
            }
            endpoint
        });
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

    /// An endpoint joined or left the endpoints of a selector.
    pub(super) fn member_changed(&mut self, selector: SelectorHandle, endpoint: &Endpoint, joined: bool) {
        for id in self.fed.get(&selector).into_iter().flatten() {
            let (Some(used), Some(set)) = (self.sets.get_mut(id), self.program.sets.get_mut(id)) else {
                continue;
            };
            for element in used.definition.elements(endpoint) {
                if joined {
                    *used.sources.entry(element).or_default() += 1;
                    element.insert_into(set);
                } else if let Some(sources) = used.sources.get_mut(&element) {
                    *sources -= 1;
                    if *sources == 0 {
                        used.sources.remove(&element);
                        element.remove_from(set);
                    }
                }
            }
        }
    }

    fn acquire_profile(&mut self, lowered: Lowered, index: &mut Index, model: &Model) {
        let Lowered { id, profile, sets } = lowered;
        if let Some(used) = self.profiles.get_mut(&id) {
            used.uses += 1;
            return;
        }
        let names = sets.keys().cloned().collect();
        for (id, definition) in sets {
            self.acquire_set(id, definition, index, model);
        }
        self.profiles.insert(id.clone(), ProfileUse { uses: 1, sets: names });
        self.program.profiles.insert(id, profile);
    }

    fn release_profile(&mut self, id: &ProfileId, index: &mut Index) {
        let Some(used) = self.profiles.get_mut(id) else { return };
        used.uses -= 1;
        if used.uses > 0 {
            return;
        }
        self.program.profiles.remove(id);
        if let Some(used) = self.profiles.remove(id) {
            for set in &used.sets {
                self.release_set(set, index);
            }
        }
    }

    fn acquire_set(&mut self, id: SetId, definition: SetDefinition, index: &mut Index, model: &Model) {
        if let Some(used) = self.sets.get_mut(&id) {
            used.uses += 1;
            return;
        }
        let mut set = definition.empty();
        let mut sources: BTreeMap<Element, usize> = BTreeMap::new();
        let feeder = definition.selector().map(|selector| index.acquire(selector));
        if let Some(feeder) = feeder {
            self.fed.entry(feeder).or_default().insert(id.clone());
            for endpoint in index.members(feeder).filter_map(|id| model.endpoints.get(id)) {
                for element in definition.elements(endpoint) {
                    *sources.entry(element).or_default() += 1;
                    element.insert_into(&mut set);
                }
            }
        }
        self.sets.insert(id.clone(), SetUse { definition, uses: 1, feeder, sources });
        self.program.sets.insert(id, set);
    }

    fn release_set(&mut self, id: &SetId, index: &mut Index) {
        let Some(used) = self.sets.get_mut(id) else { return };
        used.uses -= 1;
        if used.uses > 0 {
            return;
        }
        self.program.sets.remove(id);
        let feeder = self.sets.remove(id).and_then(|used| used.feeder);
        if let Some(feeder) = feeder {
            if let Some(fed) = self.fed.get_mut(&feeder) {
                fed.remove(id);
                if fed.is_empty() {
                    self.fed.remove(&feeder);
                }
            }
            index.release(feeder);
        }
    }
}
