//! `fabric.v1.Resources`: the datastore's resources, as manifests.
//!
//! Everything that can be checked is checked before anything is written. Writes compare and swap, so that two who
//! apply at once do not overwrite each other unseen.
//!
//! Deliberately absent: writing what agents write (blocks, affinities, handles, endpoints). Those can be read.

use std::sync::Arc;

use datastore::manifest::{self, APPLICABLE, DEFAULT_NAMESPACE, Object};
use datastore::{Error, Key, Kind, Precondition, Resource, Store, Versioned};
use ipam::plan;
use ipam::{Block, Pool, Snapshot};
use proto::v1;
use tokio::sync::Mutex;
use tonic::{Code, Request, Response, Status};

/// How often to write anew after a conflict.
const ATTEMPTS: usize = 10;

/// The service.
#[derive(Debug, Clone)]
pub struct Service {
    store: Arc<dyn Store>,
    /// Held while pools are checked and written, since the check looks at all of them.
    applying: Arc<Mutex<()>>,
}

impl Service {
    /// A service over this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, applying: Arc::new(Mutex::new(())) }
    }

    async fn pools(&self) -> Result<Vec<Pool>, Status> {
        let listing = self.store.list(Kind::IpPool).await.map_err(|error| status(&error))?;
        let pools = listing.items.into_values().filter_map(|item| into_pool(item.resource));
        Ok(pools.collect())
    }

    /// The pool's blocks.
    async fn blocks(&self, pool: &Pool) -> Result<Vec<Block>, Status> {
        let listing = self.store.list(Kind::IpamBlock).await.map_err(|error| status(&error))?;
        let blocks = listing.items.into_values().filter_map(|item| {
            if let Resource::IpamBlock(block) = item.resource { Some(*block) } else { None }
        });
        Ok(blocks.filter(|block| ipam::usage::holds(pool, block)).collect())
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

    /// Writes one resource, and says what that changed.
    async fn put(&self, resource: Resource) -> Result<&'static str, Status> {
        let key = resource.key();
        for _ in 0..ATTEMPTS {
            let stored = self.store.get(&key).await.map_err(|error| status(&error))?;
            let (precondition, outcome) = match stored {
                Some(Versioned { resource: stored, .. }) if stored == resource => return Ok("unchanged"),
                Some(Versioned { revision, resource: stored }) => {
                    demand_same_shape(stored, &resource)?;
                    (Precondition::Unchanged(revision), "configured")
                }
                None => (Precondition::Absent, "created"),
            };
            match self.store.put(resource.clone(), precondition).await {
                Ok(_) => return Ok(outcome),
                Err(Error::Conflict { .. }) => {}
                Err(other) => return Err(status(&other)),
            }
        }
        Err(Status::aborted(format!("{key} is being changed by others all the time; retry later")))
    }

    /// Refuses to delete a pool of which addresses are in use.
    async fn check_deletion(&self, key: &Key) -> Result<(), Status> {
        demand_applicable(key.kind)?;
        if key.kind != Kind::IpPool {
            return Ok(());
        }
        let Some(pool) = self.pools().await?.into_iter().find(|pool| pool.name == key.name) else {
            return Ok(());
        };
        let usage = ipam::usage::pool_usage(&pool, &self.blocks(&pool).await?);
        if usage.addresses_used == 0 {
            return Ok(());
        }
        Err(Status::failed_precondition(format!(
            "pool {} has {} addresses in use; set disabled: true, delete the pods that use them, then delete the pool",
            pool.name, usage.addresses_used
        )))
    }

    /// Deletes one resource; false if there is none.
    async fn delete_one(&self, key: &Key) -> Result<bool, Status> {
        let Some(stored) = self.store.get(key).await.map_err(|error| status(&error))? else {
            return Ok(false);
        };
        self.store.delete(key, Precondition::None).await.map_err(|error| status(&error))?;
        if let Some(pool) = into_pool(stored.resource) {
            for block in self.blocks(&pool).await? {
                self.give_back(&block).await?;
            }
        }
        Ok(true)
    }

    /// Gives an empty block of a deleted pool back, in place of its node.
    async fn give_back(&self, block: &Block) -> Result<(), Status> {
        let (node, cidr) = (block.node(), block.cidr());
        let keys = [ipam::Key::Affinity(node.to_owned(), cidr), ipam::Key::Block(cidr)];
        for _ in 0..ATTEMPTS {
            let mut snapshot = Snapshot::default();
            for key in &keys {
                let found = self.store.get(&Key::from(key)).await.map_err(|error| status(&error))?;
                let found = found.and_then(|found| Some((found.resource.into_record()?, found.revision)));
                if let Some((record, revision)) = found {
                    snapshot.put(record, revision.into());
                }
            }
            // Of a pool that is gone nothing is given out again, so nothing need rest.
            snapshot.set_configuration(ipam::Configuration {
                ip_cooldown_seconds: 0,
                ..ipam::Configuration::default()
            });
            match plan::unclaim(&snapshot, node, cidr, crate::ipam::now()) {
                Ok(writes) if writes.is_empty() => return Ok(()),
                Ok(writes) => self.commit(&writes).await?,
                Err(in_use) => {
                    // Taken since the check: it stays until its address is released.
                    tracing::warn!(%in_use, "a block of a deleted pool stays");
                    return Ok(());
                }
            }
        }
        tracing::warn!(block = %cidr, "a block of a deleted pool stays: it is being changed by others");
        Ok(())
    }

    /// Commits writes up to the first conflict.
    async fn commit(&self, writes: &[ipam::Write]) -> Result<(), Status> {
        for write in writes {
            let expected = write.expected.map(datastore::Revision::from);
            let precondition = expected.map_or(Precondition::Absent, Precondition::Unchanged);
            let done = match write.value.clone() {
                Some(record) => self.store.put(record.into(), precondition).await.map(drop),
                None => self.store.delete(&Key::from(&write.key), precondition).await,
            };
            match done {
                Ok(()) => {}
                Err(Error::Conflict { .. }) => return Ok(()),
                Err(other) => return Err(status(&other)),
            }
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl v1::resources_server::Resources for Service {
    async fn apply(&self, request: Request<v1::ApplyRequest>) -> Result<Response<v1::ApplyResponse>, Status> {
        let v1::ApplyRequest { manifest, file_name } = request.into_inner();
        let objects = parse(&file_name, &manifest)?;
        let _applying = self.applying.lock().await;
        self.check_pools(&objects).await?;
        let mut results: Vec<v1::AppliedResource> = Vec::new();
        for object in objects {
            let resource = object.resource.key().to_string();
            let outcome =
                self.put(object.resource).await.map_err(|failed| so_far(&failed, &resource, &results))?;
            results.push(v1::AppliedResource { resource, outcome: outcome.to_owned() });
        }
        Ok(Response::new(v1::ApplyResponse { results }))
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        let v1::GetRequest { kind, namespace, name } = request.into_inner();
        let kind = parse_kind(&kind)?;
        demand_namespaced(kind, &namespace)?;
        let found: Vec<Resource> = if name.is_empty() {
            let listing = self.store.list(kind).await.map_err(|error| status(&error))?;
            let items = listing.items.into_iter();
            items
                .filter(|(key, _)| namespace.is_empty() || key.namespace == namespace)
                .map(|(_, item)| item.resource)
                .collect()
        } else {
            let key = key(kind, &namespace, &name);
            let found = self.store.get(&key).await.map_err(|error| status(&error))?;
            vec![found.ok_or_else(|| not_found(&key))?.resource]
        };
        let encode = |resource: &Resource| resource.encode().map(|value| value.to_string());
        let objects = found.iter().map(encode).collect::<Result<_, _>>();
        let objects = objects.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(v1::GetResponse { objects }))
    }

    async fn delete(
        &self,
        request: Request<v1::DeleteRequest>,
    ) -> Result<Response<v1::DeleteResponse>, Status> {
        let v1::DeleteRequest { kind, namespace, name, manifest, file_name } = request.into_inner();
        let by_name = !kind.is_empty() || !name.is_empty() || !namespace.is_empty();
        let keys: Vec<Key> = match (by_name, manifest.is_empty()) {
            (true, true) => vec![named(&kind, &namespace, &name)?],
            (false, false) => {
                parse(&file_name, &manifest)?.iter().map(|object| object.resource.key()).collect()
            }
            (true, false) | (false, true) => {
                return Err(Status::invalid_argument("name either a kind and a name, or a manifest"));
            }
        };
        let _applying = self.applying.lock().await;
        for key in &keys {
            self.check_deletion(key).await?;
        }
        let mut results = Vec::new();
        for key in &keys {
            let resource = key.to_string();
            let deleted =
                self.delete_one(key).await.map_err(|failed| so_far(&failed, &resource, &results))?;
            if !deleted && by_name {
                return Err(not_found(key));
            }
            let outcome = if deleted { "deleted" } else { "absent" };
            results.push(v1::AppliedResource { resource, outcome: outcome.to_owned() });
        }
        Ok(Response::new(v1::DeleteResponse { results }))
    }
}

fn parse(file_name: &str, text: &str) -> Result<Vec<Object>, Status> {
    let file = if file_name.is_empty() { "manifest" } else { file_name };
    let objects = manifest::parse_objects(file, text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Status::invalid_argument(lines.join("\n"))
    })?;
    if objects.is_empty() {
        let what = "holds no resource; write one with apiVersion, kind, metadata and spec";
        return Err(Status::invalid_argument(format!("{file}:1:1: {what}")));
    }
    Ok(objects)
}

fn named(kind: &str, namespace: &str, name: &str) -> Result<Key, Status> {
    let kind = parse_kind(kind)?;
    demand_namespaced(kind, namespace)?;
    if name.is_empty() {
        return Err(Status::invalid_argument(format!("which {kind} is to be deleted? give its name")));
    }
    Ok(key(kind, namespace, name))
}

fn parse_kind(text: &str) -> Result<Kind, Status> {
    Kind::parse(text).map_err(|unknown| Status::invalid_argument(unknown.to_string()))
}

fn key(kind: Kind, namespace: &str, name: &str) -> Key {
    match (kind.is_namespaced(), namespace) {
        (false, _) => Key::global(kind, name),
        (true, "") => Key::namespaced(kind, DEFAULT_NAMESPACE, name),
        (true, namespace) => Key::namespaced(kind, namespace, name),
    }
}

fn demand_namespaced(kind: Kind, namespace: &str) -> Result<(), Status> {
    if kind.is_namespaced() || namespace.is_empty() {
        return Ok(());
    }
    Err(Status::invalid_argument(format!("{kind} belongs to no namespace; leave out \"{namespace}\"")))
}

fn demand_applicable(kind: Kind) -> Result<(), Status> {
    if APPLICABLE.contains(&kind) {
        return Ok(());
    }
    let names = APPLICABLE.map(Kind::name).join(", ");
    Err(Status::invalid_argument(format!("{kind} is written by agents only; you can delete {names}")))
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

fn not_found(key: &Key) -> Status {
    Status::not_found(format!("there is no {key}"))
}

/// A failure, with what was done before it.
fn so_far(failed: &Status, resource: &str, done: &[v1::AppliedResource]) -> Status {
    let done: Vec<String> = done.iter().map(|done| format!("{} {}", done.resource, done.outcome)).collect();
    let done = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
    Status::new(failed.code(), format!("{resource}: {} (done before: {done})", failed.message()))
}

/// The gRPC status of a datastore's error.
pub(super) fn status(error: &Error) -> Status {
    let code = match error {
        Error::Conflict { .. } | Error::Compacted { .. } => Code::Aborted,
        Error::Unavailable(_) => Code::Unavailable,
        Error::Refused(_) => Code::FailedPrecondition,
    };
    Status::new(code, error.to_string())
}

#[cfg(test)]
mod tests;
