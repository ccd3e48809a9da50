//! `Apply`: everything is checked, then written, object by object.
//!
//! A pool that is on its way out (`deleting: true`, see `delete`) stays if it is applied without that.
//!
//! Two agents that are asked at once may each let a pool in that overlaps the other's: no lock is held across agents. The
//! planner then gives out no addresses of the one whose name comes later, so that none is given twice.

use datastore::manifest::Object;
use datastore::{Error, Kind, Precondition, Resource, Versioned};
use ipam::Pool;
use proto::v1;
use tonic::Status;

use super::{ATTEMPTS, Service, naming, order, so_far};
use crate::api::failure;

impl Service {
    pub(super) async fn apply_all(&self, request: v1::ApplyRequest) -> Result<v1::ApplyResponse, Status> {
        let v1::ApplyRequest { manifest, file_name } = request;
        let objects = naming::parse(&file_name, &manifest)?;
        let _applying = self.applying.lock().await;
        self.check_pools(&objects).await?;
        let remarks = self.remarks(&objects).await?;
        let mut results: Vec<v1::AppliedResource> = Vec::new();
        for object in objects {
            let resource = object.resource.key().to_string();
            let outcome =
                self.put(object.resource).await.map_err(|failed| so_far(&failed, &resource, &results))?;
            results.push(v1::AppliedResource { resource, outcome: outcome.to_owned() });
        }
        Ok(v1::ApplyResponse { results, remarks })
    }

    pub(super) async fn pools(&self) -> Result<Vec<Pool>, Status> {
        let listing = self.store.list(Kind::IpPool).await.map_err(|error| failure::datastore(&error))?;
        // Whether another overlaps it, nobody can say.
        if let Some((key, why)) = listing.unreadable.iter().next() {
            let message =
                format!("{key} cannot be understood: {why}; delete or repair it before you apply pools");
            return Err(failure::precondition("DATASTORE", &key.to_string(), message));
        }
        let pools = listing.items.into_values().filter_map(|item| into_pool(item.resource));
        Ok(pools.collect())
    }

    /// Refuses pools that cannot be among those that there are and those of the same manifest.
    async fn check_pools(&self, objects: &[Object]) -> Result<(), Status> {
        let applied: Vec<(&Object, &Pool)> = objects
            .iter()
            .filter_map(|object| {
                if let Resource::IpPool(pool) = &object.resource { Some((object, &**pool)) } else { None }
            })
            .collect();
        if applied.is_empty() {
            return Ok(());
        }
        let stored = self.pools().await?;
        let mut problems = Vec::new();
        for (index, (object, pool)) in applied.iter().enumerate() {
            // Of two in the manifest that overlap, the later one is to blame.
            let earlier = applied.iter().take(index).map(|(_, pool)| *pool);
            let others = stored.iter().chain(earlier);
            for problem in ipam::pool::conflicts(pool, others) {
                problems.push(object.problem(problem.field(), problem.to_string()).to_string());
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Status::invalid_argument(problems.join("\n"))) }
    }

    /// What is to be said about tiers and orders among what is applied, and what there is.
    async fn remarks(&self, objects: &[Object]) -> Result<Vec<String>, Status> {
        if !objects.iter().any(|object| order::concerns(&object.resource)) {
            return Ok(Vec::new());
        }
        let mut stored = Vec::new();
        for kind in order::KINDS {
            let listing = self.store.list(kind).await.map_err(|error| failure::datastore(&error))?;
            stored.extend(listing.items.into_values().map(|item| item.resource));
        }
        Ok(order::remarks(objects.iter().map(|object| &object.resource), &stored))
    }

    /// Writes one resource, and says what that changed.
    async fn put(&self, resource: Resource) -> Result<&'static str, Status> {
        let key = resource.key();
        for _ in 0..ATTEMPTS {
            let stored = self.store.get(&key).await.map_err(|error| failure::datastore(&error))?;
            let (precondition, outcome) = match stored {
                Some(Versioned { resource: stored, .. }) if stored == resource => return Ok("unchanged"),
                Some(Versioned { revision, resource: stored }) => {
                    demand_same_shape(stored, &resource)?;
                    (Precondition::Unchanged(revision), "configured")
                }
                None => (Precondition::Absent, "created"),
            };
            match self.store.put(resource.clone(), precondition).await {
                Ok(revision) => {
                    self.known.applied(&key, &Versioned { revision, resource });
                    return Ok(outcome);
                }
                Err(Error::Conflict { .. }) => {}
                Err(other) => return Err(failure::datastore(&other)),
            }
        }
        Err(failure::aborted(format!("{key} is being changed by others all the time; retry later")))
    }
}

/// Refuses what became wrong between the check and the write.
fn demand_same_shape(stored: Resource, new: &Resource) -> Result<(), Status> {
    let (Some(stored), Resource::IpPool(new)) = (into_pool(stored), new) else { return Ok(()) };
    match ipam::pool::conflicts(new, [&stored]).first() {
        Some(problem) => Err(Status::invalid_argument(problem.to_string())),
        None => Ok(()),
    }
}

fn into_pool(resource: Resource) -> Option<Pool> {
    if let Resource::IpPool(pool) = resource { Some(*pool) } else { None }
}
