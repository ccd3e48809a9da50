//! From everything known to the program of the local endpoints, from scratch.
//!
//! Pure, and deliberately simple: every endpoint is held against every selector. [`Engine`](crate::engine::Engine)
//! gives the same program after each change for the work of the change; both share `order`, which says what is asked
//! first, `lower`, which turns a policy into rules for an endpoint, `profile`, which puts those together, and
//! `definition`, which says what a set consists of.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Model, Policy};
use crate::program::{Direction, EndpointId, EndpointProgram, Program, Set, SetId};

pub(crate) mod definition;
mod digest;
pub(crate) mod lower;
mod order;
pub(crate) mod profile;

#[cfg(test)]
mod tests;

use definition::{Element, SetDefinition, Source};
use profile::{Blocks, Parts};

/// The program for those local endpoints that are known and policed.
///
/// Endpoints on the host's network and finished ones have no traffic of their own, and are left out.
pub fn compile(model: &Model, local: &BTreeSet<EndpointId>) -> Program {
    compile_with(model, local, &model.policies.values().collect::<Vec<_>>())
}

/// The program as it would be if what is staged were enforced.
pub fn compile_pending(model: &Model, local: &BTreeSet<EndpointId>) -> Program {
    compile_with(model, local, &model.pending().collect::<Vec<_>>())
}

fn compile_with(model: &Model, local: &BTreeSet<EndpointId>, policies: &[&Policy]) -> Program {
    let mut program = Program::default();
    let mut definitions: BTreeMap<SetId, SetDefinition> = BTreeMap::new();
    let mut blocks = Blocks::default();
    for id in local {
        let Some(endpoint) = model.endpoints.get(id).filter(|endpoint| endpoint.is_policed()) else {
            continue;
        };
        let selecting = || policies.iter().copied().filter(|policy| model.selects(&policy.subject, endpoint));
        let mut profile = |direction| {
            let parts = Parts::of(model, direction, selecting(), &endpoint.named_ports, &mut blocks)?;
            let sets = parts.blocks().flat_map(|block| &block.sets);
            definitions.extend(sets.map(|(id, definition)| (id.clone(), definition.clone())));
            program.profiles.entry(parts.id.clone()).or_insert_with(|| parts.profile());
            Some(parts.id)
        };
        let ingress = profile(Direction::Ingress);
        let egress = profile(Direction::Egress);
        let addresses = endpoint.addresses.clone();
        program.endpoints.insert(id.clone(), EndpointProgram { addresses, ingress, egress });
    }
    program.sets =
        definitions.into_iter().map(|(id, definition)| (id, members(model, &definition))).collect();
    program
}

fn members(model: &Model, definition: &SetDefinition) -> Set {
    let elements: BTreeSet<Element> = match definition.source() {
        Source::Fixed => BTreeSet::new(),
        Source::Selector(selector) => {
            let selected = model.members().filter(|member| model.contains(selector, *member));
            selected.flat_map(|member| definition.elements(member)).collect()
        }
        Source::Service(_) => definition.service_elements(model),
    };
    definition.set(elements)
}
