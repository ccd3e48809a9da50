//! What a change would do: a manifest applied or deleted, or everything that is staged enforced.

use datastore::Resource;
use policy::diff::{Change, Difference, Limits, Who, diff};
use policy::model::Model;
use policy::program::Verdict;
use proto::v1;
use tonic::Status;

use crate::api::resources::naming;
use crate::inputs::imagine;

/// What is to be compared with what there is.
pub(super) enum Planned {
    Applied(Vec<Resource>),
    Deleted(Vec<Resource>),
    Enforced,
}

/// What was asked.
pub(super) fn plan(request: v1::DiffRequest) -> Result<Planned, Status> {
    let v1::DiffRequest { manifest, file_name, delete, staged } = request;
    if staged {
        return match (manifest.is_empty(), delete) {
            (true, false) => Ok(Planned::Enforced),
            (false, _) | (_, true) => {
                Err(Status::invalid_argument("give either a manifest, or staged without one"))
            }
        };
    }
    let resources: Vec<Resource> =
        naming::parse(&file_name, &manifest)?.into_iter().map(|object| object.resource).collect();
    let unknown: Vec<String> = resources
        .iter()
        .filter(|resource| !imagine(&mut Model::default(), &resource.key(), Some(resource)))
        .map(|resource| format!("{}: {}: has no part in what policies decide", file_name, resource.key()))
        .collect();
    match (unknown.is_empty(), delete) {
        (false, _) => Err(Status::invalid_argument(unknown.join("\n"))),
        (true, false) => Ok(Planned::Applied(resources)),
        (true, true) => Ok(Planned::Deleted(resources)),
    }
}

/// The answer. Takes as long as it takes: not for the loop.
pub(super) fn compare(before: &Model, planned: Planned) -> v1::DiffResponse {
    let mut after = before.clone();
    match planned {
        Planned::Applied(resources) => resources.iter().for_each(|resource| {
            imagine(&mut after, &resource.key(), Some(resource));
        }),
        Planned::Deleted(resources) => resources.iter().for_each(|resource| {
            imagine(&mut after, &resource.key(), None);
        }),
        Planned::Enforced => {
            after.policies = before.pending().map(|policy| (policy.id.clone(), policy.clone())).collect();
            after.staged.clear();
        }
    }
    let Difference { changes, endpoints, packets, stopped } = diff(before, &after, &Limits::default());
    let mut endpoints: Vec<String> = endpoints.into_iter().map(|(id, _)| id.to_string()).collect();
    endpoints.dedup();
    v1::DiffResponse {
        changes: changes.into_iter().map(change).collect(),
        endpoints,
        packets: packets as u64,
        stopped: stopped.map(|stopped| stopped.to_string()).unwrap_or_default(),
        problems: problems(before, &after),
    }
}

/// What would be wrong with those policies that would be others.
fn problems(before: &Model, after: &Model) -> Vec<String> {
    let changed = after.policies.iter().filter(|(id, policy)| before.policies.get(*id) != Some(*policy));
    let problems = changed
        .flat_map(|(id, policy)| policy.problems.iter().map(move |problem| format!("{id}: {problem}")));
    problems.collect()
}

fn change(change: Change) -> v1::VerdictChange {
    let Change { sources, destinations, families, traffic, before, after, because } = change;
    v1::VerdictChange {
        sources: Some(end(sources)),
        destinations: Some(end(destinations)),
        families: families.iter().map(ToString::to_string).collect(),
        traffic: traffic.iter().map(ToString::to_string).collect(),
        allowed_before: before == Verdict::Allow,
        allowed_after: after == Verdict::Allow,
        because_before: because.before.into_iter().collect(),
        because_after: because.after.into_iter().collect(),
    }
}

fn end(who: Who) -> v1::DiffEnd {
    match who {
        Who::Endpoints(ids) => {
            v1::DiffEnd { endpoints: ids.iter().map(ToString::to_string).collect(), networks: Vec::new() }
        }
        Who::Outside(networks) => v1::DiffEnd {
            endpoints: Vec::new(),
            networks: networks.iter().map(ToString::to_string).collect(),
        },
    }
}
