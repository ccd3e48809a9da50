//! The program that would be: what is staged enforced, or any other change of policies made.
//!
//! Nothing of the engine changes. Sets are looked up in its index, so the work is that of the local endpoints and their
//! sets, not that of everything known.

use std::collections::{BTreeMap, BTreeSet};

use super::{Engine, compile_endpoint};
use crate::compile::definition::{Element, SetDefinition, Source};
use crate::compile::profile::Blocks;
use crate::model::{Endpoint, Policy, PolicyId, Staged};
use crate::program::{Program, Set};

impl Engine {
    /// The program of the local endpoints as it would be if what is staged were enforced.
    pub fn pending_program(&self) -> Program {
        self.preview(&self.model.staged)
    }

    /// The program of the local endpoints as it would be after these changes, each under the id of its policy.
    pub fn preview(&self, changes: &BTreeMap<PolicyId, Staged>) -> Program {
        let mut program = Program::default();
        let mut blocks = Blocks::default();
        for id in &self.local {
            let Some(endpoint) = self.model.endpoints.get(id).filter(|endpoint| endpoint.is_policed()) else {
                continue;
            };
            let policies = self.policies_after(changes, endpoint);
            let (endpoint, parts) = compile_endpoint(&self.model, endpoint, &policies, &mut blocks);
            program.endpoints.insert(id.clone(), endpoint);
            for parts in parts.iter().flatten() {
                if program.profiles.contains_key(&parts.id) {
                    continue;
                }
                program.profiles.insert(parts.id.clone(), parts.profile());
                for (id, definition) in parts.blocks().flat_map(|block| &block.sets) {
                    program.sets.entry(id.clone()).or_insert_with(|| self.members(definition));
                }
            }
        }
        program
    }

    /// The policies that would be enforced on an endpoint.
    fn policies_after<'a>(
        &'a self,
        changes: &'a BTreeMap<PolicyId, Staged>,
        endpoint: &Endpoint,
    ) -> Vec<&'a Policy> {
        let kept = self.policies_of(&endpoint.id).into_iter().filter(|id| !changes.contains_key(*id));
        let kept = kept.filter_map(|id| self.model.policies.get(id));
        let changed = changes.values().filter_map(|change| match change {
            Staged::Set(policy) => Some(&**policy),
            Staged::Delete => None,
        });
        kept.chain(changed.filter(|policy| self.model.selects(&policy.subject, endpoint))).collect()
    }

    fn members(&self, definition: &SetDefinition) -> Set {
        let elements: BTreeSet<Element> = match definition.source() {
            Source::Fixed => BTreeSet::new(),
            Source::Selector(selector) => {
                let members = self.index.select(selector).filter_map(|id| self.model.member(id));
                members.flat_map(|member| definition.elements(member)).collect()
            }
            Source::Service(_) => definition.service_elements(&self.model),
        };
        definition.set(elements)
    }
}
