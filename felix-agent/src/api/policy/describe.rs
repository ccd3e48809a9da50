//! The rules in force on an endpoint, in words.

use std::collections::BTreeMap;

use policy::compile::compile;
use policy::program::{Direction, EndpointId, ProfileId, Program, Rule, Tier, TierEnd, Verdict};
use policy::words;
use proto::v1;
use tonic::Status;

use super::rule_ref;
use crate::dataplane::nftables::counters::KernelRules;
use crate::dataplane::nftables::mark::MarkLayout;
use crate::inputs::Inputs;

/// `states` is what each endpoint of this node still lacks.
pub(super) fn describe(
    inputs: &Inputs,
    states: &BTreeMap<EndpointId, Option<String>>,
    request: &v1::DescribeEndpointRequest,
) -> Result<v1::EndpointDescription, Status> {
    let id = EndpointId { namespace: request.namespace.clone(), name: request.name.clone() };
    let Some(endpoint) = inputs.cluster.endpoint(&id) else {
        let what = "`fabricctl endpoints --all-nodes` lists those that there are";
        return Err(Status::not_found(format!("there is no endpoint {id}; {what}")));
    };
    let is_local = endpoint.node == inputs.node.name;
    // Of another node's endpoint, what its own node compiles once it knows the same.
    let elsewhere = (!is_local).then(|| compile(inputs.cluster.engine().model(), &[id.clone()].into()));
    let program = elsewhere.as_ref().unwrap_or_else(|| inputs.cluster.program());
    let rules = |direction| of_direction(program, &id, direction, is_local);
    Ok(v1::EndpointDescription {
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        node: endpoint.node.clone(),
        addresses: endpoint.addresses.iter().map(ToString::to_string).collect(),
        host_interface: endpoint.host_interface.clone(),
        labels: inputs.cluster.labels_of(&id).into_iter().collect(),
        state: crate::api::node::state(inputs, states, &id, &endpoint.node),
        directions: [Direction::Ingress, Direction::Egress].into_iter().filter_map(rules).collect(),
    })
}

/// What only the kernel knows of an endpoint of this node.
pub(super) fn add_generations(
    description: &mut v1::EndpointDescription,
    rules: &KernelRules,
    mark: MarkLayout,
) {
    let interface = &description.host_interface;
    for of_direction in &mut description.directions {
        let directions = [Direction::Ingress, Direction::Egress].into_iter();
        let mut named = directions.filter(|direction| direction.to_string() == of_direction.direction);
        let generation = named.next().and_then(|direction| rules.generation(interface, direction, mark));
        of_direction.generation = generation.unwrap_or_default().into();
    }
}

/// `None` if the program does not know the endpoint: its containers have finished.
fn of_direction(
    program: &Program,
    id: &EndpointId,
    direction: Direction,
    is_local: bool,
) -> Option<v1::EndpointRules> {
    let endpoint = program.endpoints.get(id)?;
    let profile = match direction {
        Direction::Ingress => &endpoint.ingress,
        Direction::Egress => &endpoint.egress,
    };
    let found = profile.as_ref().and_then(|id| program.profiles.get(id));
    let tiers = found.into_iter().flat_map(|profile| &profile.tiers);
    let name = profile.as_ref().filter(|_| is_local).map(|ProfileId(name)| name.clone());
    Some(v1::EndpointRules {
        direction: direction.to_string(),
        open: profile.is_none(),
        profile: name.unwrap_or_default(),
        // Only the kernel knows.
        generation: 0,
        tiers: tiers.map(|tier| in_words(program, tier, direction)).collect(),
        fallback: found.map_or(Verdict::Allow, |profile| profile.fallback).to_string(),
    })
}

fn in_words(program: &Program, tier: &Tier, direction: Direction) -> v1::EndpointTier {
    let rule = |rule: &Rule| v1::EndpointRule {
        rule: Some(rule_ref(&rule.origin, direction)),
        words: words::rule(program, rule),
    };
    v1::EndpointTier {
        name: tier.name.clone(),
        policies: tier.policies.iter().map(ToString::to_string).collect(),
        rules: tier.rules.iter().map(rule).collect(),
        end: match tier.end {
            TierEnd::Deny => "denied",
            TierEnd::Pass => "passed",
        }
        .to_owned(),
    }
}
