//! `fabric.v1.Bgp`: the speaker's tables and its peers, converted.
//!
//! ```text
//! query    what is asked → what the speaker is asked      events   what happens, as a stream
//! answer   what the speaker says → messages               why      the speaker's reasons, and the kernel's
//! ```

use std::pin::Pin;

use ::bgp::speaker::Reset;
use ::bgp::wire::Family;
use futures_util::Stream;
use proto::v1;
use proto::v1::bgp_server::Bgp;
use tonic::{Request, Response, Status};

use crate::agent::Handle;
use crate::dataplane::netlink::Netlink;

mod answer;
mod events;
mod query;
mod why;

/// RFC 9003 §2: the length of a communication has one octet.
const MAX_COMMUNICATION_OCTETS: usize = 255;

/// The service.
pub struct Service {
    agent: Handle,
    netlink: Netlink,
}

impl Service {
    pub(super) fn new(agent: Handle, netlink: Netlink) -> Self {
        Self { agent, netlink }
    }

    fn speaker(&self) -> Result<&::bgp::net::Handle, Status> {
        self.agent.speaker().running().ok_or_else(|| {
            Status::unavailable("BGP does not run yet; `fabricctl node status` says what it waits for")
        })
    }

    /// The peer that somebody means, if somebody is meant.
    async fn peer(&self, text: &str) -> Result<Option<::bgp::config::PeerKey>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        let view = self.speaker()?.view().await.map_err(super::stopped)?;
        query::peer(&view.peers, text).map(Some)
    }
}

#[tonic::async_trait]
impl Bgp for Service {
    async fn list_peers(
        &self,
        request: Request<v1::ListPeersRequest>,
    ) -> Result<Response<v1::ListPeersResponse>, Status> {
        let mut view = self.speaker()?.view().await.map_err(super::stopped)?;
        let wanted = request.into_inner().peer;
        if !wanted.is_empty() {
            let key = query::peer(&view.peers, &wanted)?;
            view.peers.retain(|peer| peer.key == key);
        }
        Ok(Response::new(v1::ListPeersResponse {
            peers: view.peers.into_iter().map(answer::peer).collect(),
            local_as: view.local_as,
            router_id: view.router_id.to_string(),
            cluster_id: view.cluster_id.to_string(),
            synchronised: view.synchronised,
        }))
    }

    async fn list_routes(
        &self,
        request: Request<v1::ListRoutesRequest>,
    ) -> Result<Response<v1::ListRoutesResponse>, Status> {
        let request = request.into_inner();
        let peer = self.peer(&request.peer).await?;
        let query = query::routes(&request, peer)?;
        let (table, limit) = (query.table, query.limit);
        // One more than asked for tells that there are more.
        let query = ::bgp::speaker::RouteQuery { limit: limit.saturating_add(1), ..query };
        let mut routes = self.speaker()?.routes(query).await.map_err(super::stopped)?;
        let truncated = routes.len() > limit;
        routes.truncate(limit);
        let installed = &self.agent.status().installed;
        let routes = routes.into_iter().map(|found| answer::route(found, table, installed)).collect();
        Ok(Response::new(v1::ListRoutesResponse { routes, truncated }))
    }

    async fn why_route(
        &self,
        request: Request<v1::WhyRouteRequest>,
    ) -> Result<Response<v1::WhyRouteResponse>, Status> {
        let asked = query::prefix_or_address(&request.into_inner().prefix)?;
        let why = self.speaker()?.why(asked).await.map_err(super::stopped)?;
        let kernel = why::kernel(&self.agent, &self.netlink, asked, why.prefix).await?;
        Ok(Response::new(why::answer(why, kernel)))
    }

    type WatchEventsStream = Pin<Box<dyn Stream<Item = Result<v1::BgpEvent, Status>> + Send>>;

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let v1::WatchEventsRequest { peer, follow } = request.into_inner();
        let peer = self.peer(&peer).await?;
        let history = self.agent.speaker().history();
        let stream = events::watch(history, self.speaker()?, peer, follow);
        Ok(Response::new(stream))
    }

    async fn reset_peer(
        &self,
        request: Request<v1::ResetPeerRequest>,
    ) -> Result<Response<v1::ResetPeerResponse>, Status> {
        let request = request.into_inner();
        let reset = reset(&request)?;
        let peer = self.peer(&request.peer).await?;
        let peer = peer.ok_or_else(|| Status::invalid_argument("peer: is missing; say whom to reset"))?;
        tracing::info!(%peer, ?reset, "reset by request");
        self.speaker()?.reset(peer.clone(), reset).await.map_err(super::stopped)?;
        Ok(Response::new(v1::ResetPeerResponse { peer: peer.to_string() }))
    }
}

fn reset(request: &v1::ResetPeerRequest) -> Result<Reset, Status> {
    let family: Option<Family> = query::family(&request.family)?;
    let soft = |reset| {
        if request.message.is_empty() {
            Ok(reset)
        } else {
            Err(Status::invalid_argument("message: goes with a hard reset only; leave it out"))
        }
    };
    match request.kind() {
        v1::ResetKind::Hard if family.is_some() => {
            Err(Status::invalid_argument("family: a hard reset ends the whole session; leave it out"))
        }
        v1::ResetKind::Hard if request.message.len() > MAX_COMMUNICATION_OCTETS => {
            Err(Status::invalid_argument("message: is longer than the 255 octets of RFC 9003; shorten it"))
        }
        v1::ResetKind::Hard => {
            Ok(Reset::Hard(Some(request.message.clone()).filter(|message| !message.is_empty())))
        }
        v1::ResetKind::SoftIn => soft(Reset::SoftIn(family)),
        v1::ResetKind::SoftOut => soft(Reset::SoftOut(family)),
    }
}

#[cfg(test)]
mod tests;
