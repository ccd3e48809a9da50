//! `fabric.v1.Resources`: the datastore's resources, as manifests.
//!
//! Everything that can be checked is checked before anything is written. Writes compare and swap, so that two who
//! apply at once do not overwrite each other unseen.
//!
//! - `apply`, `delete`: what people write;
//! - `archive`: everything, out and in again;
//! - `naming`: what requests name;
//! - `order`: what is said about tiers and orders of policies.
//!
//! Deliberately absent: writing what agents write (blocks, affinities, handles, endpoints). Those can be read, and come
//! with an import.

mod apply;
mod archive;
mod delete;
pub(super) mod naming;
mod order;

use std::sync::Arc;

use datastore::{Resource, Store};
use proto::v1;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status, Streaming};

use super::failure;
use crate::ipam::Known;

/// How often to write anew after a conflict.
const ATTEMPTS: usize = 10;

/// The service.
#[derive(Debug, Clone)]
pub struct Service {
    store: Arc<dyn Store>,
    /// Hears at once of what people write here.
    known: Known,
    /// This agent's.
    node: String,
    /// Held while pools are checked and written, since the check looks at all of them.
    applying: Arc<Mutex<()>>,
}

impl Service {
    /// A service over this store, of the agent of this node. `applying` is held by whoever writes pools.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, known: Known, node: String, applying: Arc<Mutex<()>>) -> Self {
        Self { store, known, node, applying }
    }

    async fn get_all(&self, request: v1::GetRequest) -> Result<v1::GetResponse, Status> {
        let v1::GetRequest { kind, namespace, name } = request;
        let kind = naming::parse_kind(&kind)?;
        naming::demand_namespaced(kind, &namespace)?;
        let found: Vec<Resource> = if name.is_empty() {
            let listing = self.store.list(kind).await.map_err(|error| failure::datastore(&error))?;
            let items = listing.items.into_iter();
            items
                .filter(|(key, _)| namespace.is_empty() || key.namespace == namespace)
                .map(|(_, item)| item.resource)
                .collect()
        } else {
            let key = naming::key(kind, &namespace, &name);
            let found = self.store.get(&key).await.map_err(|error| failure::datastore(&error))?;
            vec![found.ok_or_else(|| naming::not_found(&key))?.resource]
        };
        let encode = |resource: &Resource| resource.encode().map(|value| value.to_string());
        let objects = found.iter().map(encode).collect::<Result<_, _>>();
        let objects = objects.map_err(|error| Status::internal(error.to_string()))?;
        Ok(v1::GetResponse { objects })
    }
}

#[tonic::async_trait]
impl v1::resources_server::Resources for Service {
    type ExportStream = archive::Exported;

    async fn apply(&self, request: Request<v1::ApplyRequest>) -> Result<Response<v1::ApplyResponse>, Status> {
        self.apply_all(request.into_inner()).await.map(Response::new)
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        self.get_all(request.into_inner()).await.map(Response::new)
    }

    async fn delete(
        &self,
        request: Request<v1::DeleteRequest>,
    ) -> Result<Response<v1::DeleteResponse>, Status> {
        self.delete_all(request.into_inner()).await.map(Response::new)
    }

    async fn export(&self, _: Request<v1::ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        self.export_all().await.map(Response::new)
    }

    async fn import(
        &self,
        request: Request<Streaming<v1::ImportRequest>>,
    ) -> Result<Response<v1::ImportResponse>, Status> {
        self.import_all(request.into_inner()).await.map(Response::new)
    }
}

/// A failure, with what was done before it.
fn so_far(failed: &Status, resource: &str, done: &[v1::AppliedResource]) -> Status {
    let done: Vec<String> = done.iter().map(|done| format!("{} {}", done.resource, done.outcome)).collect();
    let done = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
    failure::with_message(failed, format!("{resource}: {} (done before: {done})", failed.message()))
}

#[cfg(test)]
mod tests;
