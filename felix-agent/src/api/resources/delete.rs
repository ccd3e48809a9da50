//! `Delete`: what is named, or all that a manifest names.
//!
//! A pool goes when its last address and block are gone. Until then it is marked, and gives out no more; the agent that
//! leads sees it off. Deleting a Node object says that the node is gone for good: what was in use there is collected.

use datastore::{Key, Kind, Precondition};
use proto::v1;
use tonic::Status;

use super::{Service, naming, so_far};
use crate::api::failure;
use crate::leader::pools;

impl Service {
    pub(super) async fn delete_all(&self, request: v1::DeleteRequest) -> Result<v1::DeleteResponse, Status> {
        let v1::DeleteRequest { kind, namespace, name, manifest, file_name } = request;
        let by_name = !kind.is_empty() || !name.is_empty() || !namespace.is_empty();
        let keys: Vec<Key> = match (by_name, manifest.is_empty()) {
            (true, true) => vec![naming::named(&kind, &namespace, &name)?],
            (false, false) => {
                let objects = naming::parse(&file_name, &manifest)?;
                objects.iter().map(|object| object.resource.key()).collect()
            }
            (true, false) | (false, true) => {
                return Err(failure::field("manifest", "name either a kind and a name, or a manifest"));
            }
        };
        for key in &keys {
            self.check_deletion(key)?;
        }
        let _applying = self.applying.lock().await;
        let mut results = Vec::new();
        for key in &keys {
            let resource = key.to_string();
            let outcome =
                self.delete_one(key).await.map_err(|failed| so_far(&failed, &resource, &results))?;
            if outcome.is_none() && by_name {
                return Err(naming::not_found(key));
            }
            let outcome = outcome.unwrap_or_else(|| "absent".to_owned());
            results.push(v1::AppliedResource { resource, outcome });
        }
        Ok(v1::DeleteResponse { results })
    }

    /// Refuses what must not be deleted here, before anything is.
    fn check_deletion(&self, key: &Key) -> Result<(), Status> {
        naming::demand_applicable(key.kind)?;
        if key.kind == Kind::Node && key.name == self.node {
            let message = format!(
                "{key} is the node of the agent that you ask, which lives, and would write it again; to take the node out \
                 of the fabric for good, stop its agent, and then delete it by way of another agent"
            );
            return Err(failure::precondition("OWN_NODE", &key.to_string(), message));
        }
        Ok(())
    }

    /// Deletes one resource, or does what leads to that, and says what came of it; `None` if there is none.
    async fn delete_one(&self, key: &Key) -> Result<Option<String>, Status> {
        let failed = |error| failure::datastore(&error);
        let store = self.store.as_ref();
        if key.kind == Kind::IpPool {
            if !pools::mark(store, &key.name).await.map_err(failed)? {
                return Ok(None);
            }
            return pools::retire(store, &key.name)
                .await
                .map(|retired| Some(retired.to_string()))
                .map_err(failed);
        }
        if store.get(key).await.map_err(failed)?.is_none() {
            return Ok(None);
        }
        store.delete(key, Precondition::None).await.map_err(failed)?;
        Ok(Some("deleted".to_owned()))
    }
}
