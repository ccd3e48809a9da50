//! The service `Ipam` of the fixture: its data is fixed, but pages, release and who-has are for real.

use proto::v1::ipam_server::Ipam;
use proto::v1::*;
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status};

use crate::data_ipam as data;
use crate::fixture::{Answer, BoxStream, Script, Service};

impl Script {
    /// The page of a token, which is where it begins, and the token of the next.
    fn page<T: Clone>(&self, all: &[T], token: &str) -> Result<(Vec<T>, String), Status> {
        let mut stale = self.stale.lock().expect("lock");
        if !token.is_empty() && *stale > 0 {
            *stale -= 1;
            return Err(Status::aborted("the listing has changed: begin again"));
        }
        let size = self.page_size.lock().expect("lock").unwrap_or(all.len());
        let start: usize = if token.is_empty() { 0 } else { token.parse().expect("one of ours") };
        let end = (start + size).min(all.len());
        let next = match end < all.len() {
            true if *self.repeats.lock().expect("lock") => size.to_string(),
            true => end.to_string(),
            false => String::new(),
        };
        Ok((all[start..end].to_vec(), next))
    }
}

fn stream_of<T: Send + 'static>(items: Vec<Result<T, Status>>) -> BoxStream<Result<T, Status>> {
    Box::pin(tokio_stream::iter(items))
}

fn find(address: &str) -> Option<Allocation> {
    data::allocations().into_iter().find(|held| held.address == address)
}

fn release(request: &ReleaseRequest) -> ReleaseResponse {
    let mut answer = ReleaseResponse::default();
    answer.released.extend(data::allocations().into_iter().filter(|held| held.handle == request.handle));
    for ReleaseItem { address, handle, sequence } in &request.items {
        match find(address) {
            Some(held) if held.handle == *handle && *sequence == Some(held.sequence) => {
                answer.released.push(held)
            }
            _ => {
                // Of this one nobody knows.
                let code = if address.ends_with(":ffff") {
                    ReleaseRefusalCode::Unavailable
                } else {
                    ReleaseRefusalCode::OtherHolder
                };
                let (address, reason) = (address.clone(), "it is not as it was".to_owned());
                answer.refused.push(ReleaseRefusal { address, reason, code: code.into() });
            }
        }
    }
    answer
}

#[tonic::async_trait]
impl Ipam for Service {
    async fn list_pools(&self, request: Request<ListPoolsRequest>) -> Answer<ListPoolsResponse> {
        self.0.answer(request, data::pools()).await
    }

    async fn list_blocks(&self, request: Request<ListBlocksRequest>) -> Answer<ListBlocksResponse> {
        let (blocks, next_page_token) = self.0.page(&data::blocks(), &request.get_ref().page_token)?;
        self.0.answer(request, ListBlocksResponse { blocks, next_page_token }).await
    }

    async fn list_allocations(
        &self,
        request: Request<ListAllocationsRequest>,
    ) -> Answer<ListAllocationsResponse> {
        let asked = request.get_ref();
        let handle = asked.handle.as_str();
        let mut all = data::allocations();
        all.retain(|held| handle.is_empty() || held.handle == handle);
        let (allocations, next_page_token) = self.0.page(&all, &asked.page_token)?;
        self.0.answer(request, ListAllocationsResponse { allocations, next_page_token }).await
    }

    async fn who_has(&self, request: Request<WhoHasRequest>) -> Answer<WhoHasResponse> {
        let address = request.get_ref().address.clone();
        let allocation = find(&address);
        let answer = self.0.answer(request, WhoHasResponse { allocation: allocation.clone() }).await?;
        match allocation {
            Some(_) => Ok(answer),
            None => Err(Status::not_found(format!("{address} is not in use"))),
        }
    }

    async fn get_utilisation(
        &self,
        request: Request<GetUtilisationRequest>,
    ) -> Answer<GetUtilisationResponse> {
        let only = request.get_ref().pool.clone();
        let mut all = data::utilisation();
        all.pools.retain(|pool| only.is_empty() || pool.pool.as_ref().is_some_and(|pool| pool.name == only));
        self.0.answer(request, all).await
    }

    type WatchAllocationsStream = BoxStream<Result<AllocationEvent, Status>>;

    async fn watch_allocations(
        &self,
        request: Request<WatchAllocationsRequest>,
    ) -> Answer<Self::WatchAllocationsStream> {
        self.0.answer(request, ()).await?;
        let told = self.0.watch.lock().expect("lock").clone();
        let stream: Self::WatchAllocationsStream = match told {
            Some(events) => stream_of(events.into_iter().map(Ok).collect()),
            None => Box::pin(
                tokio_stream::iter(data::events().into_iter().map(Ok)).chain(tokio_stream::pending()),
            ),
        };
        Ok(Response::new(stream))
    }

    async fn assign(&self, request: Request<AssignRequest>) -> Answer<AssignResponse> {
        self.0.answer(request, AssignResponse { allocations: data::allocations()[..1].to_vec() }).await
    }

    async fn release(&self, request: Request<ReleaseRequest>) -> Answer<ReleaseResponse> {
        let answer = release(request.get_ref());
        self.0.answer(request, answer).await
    }

    async fn reserve(&self, request: Request<ReserveRequest>) -> Answer<ReserveResponse> {
        let cidrs = vec!["10.65.0.0/30".to_owned(), "fd65::/126".to_owned()];
        let in_use = data::allocations()[..1].to_vec();
        self.0.answer(request, ReserveResponse { cidrs, in_use }).await
    }

    async fn unreserve(&self, request: Request<UnreserveRequest>) -> Answer<UnreserveResponse> {
        let cidrs = match request.get_ref().cidrs.is_empty() {
            true => Vec::new(),
            false => vec!["fd65::/126".to_owned()],
        };
        self.0.answer(request, UnreserveResponse { cidrs }).await
    }

    async fn split_pool(&self, request: Request<SplitPoolRequest>) -> Answer<SplitPoolResponse> {
        self.0.answer(request, SplitPoolResponse { pools: data::pools().pools }).await
    }

    type CheckStream = BoxStream<Result<CheckResponse, Status>>;

    async fn check(&self, request: Request<CheckRequest>) -> Answer<Self::CheckStream> {
        self.0.answer(request, ()).await?;
        let said = self.0.check.lock().expect("lock").clone();
        let steps = said.unwrap_or_else(|| data::check(data::problems()).into_iter().map(Ok).collect());
        Ok(Response::new(stream_of(steps)))
    }
}
