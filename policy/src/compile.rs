//! From everything known to the program of the local endpoints, from scratch.
//!
//! Pure, and deliberately simple: every endpoint is held against every selector. [`Engine`](crate::engine::Engine)
//! gives the same program after each change for the work of the change; both share `lower`, which turns the
//! policies of one endpoint into a profile, and `definition`, which says what a set consists of.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Model, Policy};
use crate::program::{Direction, EndpointId, EndpointProgram, Program, Set, SetId};

pub(crate) mod definition;
mod digest;
pub(crate) mod lower;

#[cfg(test)]
mod tests;

use definition::SetDefinition;
use lower::lower;

/// The program for those local endpoints that are known and policed.
///
/// Endpoints on the host's network and finished ones have no traffic of their own, and are left out.
pub fn compile(model: &Model, local: &BTreeSet<EndpointId>) -> Program {
    let mut program = Program::default();
    let mut definitions: BTreeMap<SetId, SetDefinition> = BTreeMap::new();
    for id in local {
        let Some(endpoint) = model.endpoints.get(id).filter(|endpoint| endpoint.is_policed()) else {
            continue;
        };
        let policies: Vec<&Policy> =
            model.policies.values().filter(|policy| model.selects(&policy.subjects(), endpoint)).collect();
        let mut profile = |direction| {
            let lowered = lower(direction, endpoint, &policies)?;
            program.profiles.insert(lowered.id.clone(), lowered.profile);
            definitions.extend(lowered.sets);
            Some(lowered.id)
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
    let mut set = definition.empty();
    let Some(selector) = definition.selector() else { return set };
    for endpoint in model.endpoints.values().filter(|endpoint| model.selects(selector, endpoint)) {
        for element in definition.elements(endpoint) {
            element.insert_into(&mut set);
        }
    }
    set
}
