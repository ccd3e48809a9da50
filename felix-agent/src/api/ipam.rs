//! `fabric.v1.Ipam`: pools, blocks and addresses of the whole fabric.
//!
//! Reading is answered from memory ([`Known`]), which the datastore's watch keeps; a question that comes before the
//! datastore has been read waits for that. Writing goes through the allocator where this node's blocks are concerned,
//! else straight to the datastore, by comparing and swapping; what was written is known here at once.
//!
//! - `list`: pools, blocks, allocations, who has an address, utilisation; `page`: where a list goes on;
//! - `watch`: allocations as they come and go;
//! - `assign`, `release`: addresses for a handle, and back;
//! - `reserve`, `split`: what people write of pools, in their name;
//! - `check`: everything compared with everything;
//! - `describe`: what is known, as messages; `argument`: from messages to what is meant.

mod argument;
mod assign;
mod check;
mod describe;
mod list;
mod page;
mod release;
mod reserve;
mod split;
mod watch;

use std::sync::{Arc, RwLockReadGuard};
use std::time::Duration;

use datastore::{Revision, Store};
use futures_util::stream::BoxStream;
use proto::v1;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

use super::failure;
use crate::ipam::known::State;
use crate::ipam::{Allocator, Known};

/// How long a question waits for the datastore to be read when the agent has just started.
const LISTED_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call waits for the watch to tell of what it wrote.
const CATCH_UP: Duration = Duration::from_secs(1);

/// The service.
#[derive(Debug, Clone)]
pub struct Service {
    store: Arc<dyn Store>,
    known: Known,
    allocator: Arc<Allocator>,
    /// Held while pools are checked and written, since the check looks at all of them.
    applying: Arc<Mutex<()>>,
    /// Held by a check: each takes the datastore's whole content into memory.
    checking: Arc<Mutex<()>>,
}

type Answer<T> = Result<Response<T>, Status>;

impl Service {
    /// A service over this store. `applying` is held by whoever writes pools.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        known: Known,
        allocator: Arc<Allocator>,
        applying: Arc<Mutex<()>>,
    ) -> Self {
        Self { store, known, allocator, applying, checking: Arc::default() }
    }

    /// Waits until the datastore has been read.
    async fn listed(&self) -> Result<(), Status> {
        let mut listed = self.known.watch_listed();
        match tokio::time::timeout(LISTED_TIMEOUT, listed.wait_for(|listed| *listed)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(failure::stopped(error)),
            Err(_) => Err(failure::unavailable(
                "the datastore has not been read yet; see the problems in `fabricctl node status`",
            )),
        }
    }

    /// Waits a little until what was written is known here, so that whoever wrote it and then asks is not told of the time
    /// before. Nothing rests on it.
    async fn caught_up(&self, revision: Revision) {
        let mut pause = Duration::from_millis(1);
        let wait = async {
            while self.known.read().revision < revision {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        };
        let _ = tokio::time::timeout(CATCH_UP, wait).await;
    }

    /// What is known, not to be held while waiting for anything.
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.known.read()
    }
}

#[tonic::async_trait]
impl v1::ipam_server::Ipam for Service {
    type WatchAllocationsStream = BoxStream<'static, Result<v1::AllocationEvent, Status>>;
    type CheckStream = BoxStream<'static, Result<v1::CheckResponse, Status>>;

    async fn list_pools(&self, _: Request<v1::ListPoolsRequest>) -> Answer<v1::ListPoolsResponse> {
        self.listed().await?;
        Ok(Response::new(list::pools(&self.state().index)))
    }

    async fn list_blocks(&self, request: Request<v1::ListBlocksRequest>) -> Answer<v1::ListBlocksResponse> {
        self.listed().await?;
        list::blocks(&self.state().index, &request.into_inner()).map(Response::new)
    }

    async fn list_allocations(
        &self,
        request: Request<v1::ListAllocationsRequest>,
    ) -> Answer<v1::ListAllocationsResponse> {
        self.listed().await?;
        list::allocations(&self.state().index, &request.into_inner()).map(Response::new)
    }

    async fn who_has(&self, request: Request<v1::WhoHasRequest>) -> Answer<v1::WhoHasResponse> {
        self.listed().await?;
        list::who_has(&self.state().index, &request.into_inner()).map(Response::new)
    }

    async fn get_utilisation(
        &self,
        request: Request<v1::GetUtilisationRequest>,
    ) -> Answer<v1::GetUtilisationResponse> {
        self.listed().await?;
        list::utilisation(&self.state().index, &request.into_inner()).map(Response::new)
    }

    async fn watch_allocations(
        &self,
        request: Request<v1::WatchAllocationsRequest>,
    ) -> Answer<Self::WatchAllocationsStream> {
        self.listed().await?;
        watch::follow(&self.known, &request.into_inner()).map(Response::new)
    }

    async fn assign(&self, request: Request<v1::AssignRequest>) -> Answer<v1::AssignResponse> {
        self.assign_all(request.into_inner()).await.map(Response::new)
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Answer<v1::ReleaseResponse> {
        self.listed().await?;
        self.release_all(request.into_inner()).await.map(Response::new)
    }

    async fn reserve(&self, request: Request<v1::ReserveRequest>) -> Answer<v1::ReserveResponse> {
        self.listed().await?;
        self.add_reservation(request.into_inner()).await.map(Response::new)
    }

    async fn unreserve(&self, request: Request<v1::UnreserveRequest>) -> Answer<v1::UnreserveResponse> {
        self.end_reservation(request.into_inner()).await.map(Response::new)
    }

    async fn split_pool(&self, request: Request<v1::SplitPoolRequest>) -> Answer<v1::SplitPoolResponse> {
        self.listed().await?;
        self.cut_pool(request.into_inner()).await.map(Response::new)
    }

    async fn check(&self, _: Request<v1::CheckRequest>) -> Answer<Self::CheckStream> {
        self.run_check().await.map(Response::new)
    }
}

#[cfg(test)]
mod tests;
