//! The backend that is a Kubernetes API server.
//!
//! Nodes, namespaces, service accounts, pods, endpoint slices, network policies and leases are its own objects;
//! our kinds are custom resources of group `fabric.rs` (`deploy/crds`): of those that agents write, and of pools, the
//! `spec` is the resource; policies and what they refer to have labels and annotations of their own, as objects of
//! Kubernetes have. ClusterNetworkPolicies are custom resources of others, which may not be installed: then there are
//! none. A [`Revision`] is a `resourceVersion`: the number of a write among all writes of the etcd behind the API server.
//!
//! What differs from other backends:
//!
//! - **A commit is not atomic.** It is done write by write, up to the first that fails.
//! - **Others write too.** What a resource cannot say of its object (fields newer than our types, others'
//!   labels, annotations, finalizers) stays as it is when the object is replaced (`object`). `status` is not
//!   written at all.
//! - **Deletion may take time.** An object with finalizers, a pod that still runs, a namespace that still has
//!   content is there until it is gone, with a `deletionTimestamp`.
//! - **Names.** Those that Kubernetes does not take are mapped where the `spec` repeats them (`names`);
//!   elsewhere they are refused.
//! - **Each kind is watched by itself**, so that [`Change::resume`] may lag behind by minutes (`positions`).
//!   The history is short: five minutes in etcd, and none from before an API server was started;
//!   [`Error::Compacted`] is common.
//!
//! Deliberately absent: caches and informers (who watches keeps what it needs), and watching a part of a
//! kind.

mod api;
mod failure;
mod list;
mod names;
mod object;
mod place;
mod positions;
mod watch;
mod write;

use std::path::Path;

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::BoxStream;

use crate::error::Error;
use crate::key::{Key, Kind};
use crate::store::{Change, CommitError, Page, Query, Revision, Store, Versioned, Write, check};
use api::Api;
use place::Place;

/// A store in a Kubernetes API server.
#[derive(Debug)]
pub struct KubernetesStore {
    api: Api,
}

impl KubernetesStore {
    /// Gets ready to use the API server that the kubeconfig names (its current context), or without one that
    /// of the cluster in which this runs as a pod. Asks nothing yet, and so does not fail if the API server
    /// is away.
    ///
    /// # Errors
    /// [`Error::Refused`] if the kubeconfig or the pod's service account cannot be used.
    pub async fn new(kubeconfig: Option<&Path>) -> Result<Self, Error> {
        Api::new(kubeconfig).await.map(|api| Self { api })
    }
}

impl Store for KubernetesStore {
    fn get(&self, key: &Key) -> BoxFuture<'_, Result<Option<Versioned>, Error>> {
        let place = Place::of(key);
        let kind = key.kind;
        async move {
            // Where there can be none, there is none.
            let Ok(place) = place else { return Ok(None) };
            let object = self.api.get(&place).await?;
            object.map(|object| object::decode(kind, object).map(|(_, value)| value)).transpose()
        }
        .boxed()
    }

    fn list_page(&self, kind: Kind, query: &Query) -> BoxFuture<'_, Result<Page, Error>> {
        let query = query.clone();
        async move { list::list(&self.api, kind, &query).await }.boxed()
    }

    fn commit(&self, writes: Vec<Write>) -> BoxFuture<'_, Result<Vec<Revision>, CommitError>> {
        async move {
            check(&writes)?;
            let mut revisions = Vec::with_capacity(writes.len());
            let mut last = Revision::default();
            for (index, write) in writes.iter().enumerate() {
                let done = write::write(&self.api, write).await;
                let revision = done.map_err(|error| CommitError { index, done: index, error })?;
                // A deletion came after what was written before it.
                let revision = if write.value.is_some() { revision } else { revision.max(last) };
                last = last.max(revision);
                revisions.push(revision);
            }
            Ok(revisions)
        }
        .boxed()
    }

    fn is_atomic(&self) -> bool {
        false
    }

    fn watch(
        &self,
        from: Revision,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<Change, Error>>, Error>> {
        async move { watch::watch(&self.api, &Kind::ALL, from).await }.boxed()
    }
}

#[cfg(test)]
mod tests;
