//! `fabric.v1.Bgp`: the speaker's tables, converted.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ::bgp::speaker::view::{FamilyView, PathView, PeerView, RouteQuery, RouteView, Table};
use ipnetwork::IpNetwork;
use proto::v1;
use proto::v1::bgp_server::Bgp;
use tonic::{Request, Response, Status};

use crate::agent::Handle;

/// The service.
pub struct Service {
    agent: Handle,
}

impl Service {
    pub(super) fn new(agent: Handle) -> Self {
        Self { agent }
    }

    fn speaker(&self) -> Result<&::bgp::net::Handle, Status> {
        self.agent.speaker().running().ok_or_else(|| {
            Status::unavailable("BGP does not run yet; `fabricctl node status` says what it waits for")
        })
    }
}

#[tonic::async_trait]
impl Bgp for Service {
    async fn list_peers(
        &self,
        _: Request<v1::ListPeersRequest>,
    ) -> Result<Response<v1::ListPeersResponse>, Status> {
        let view = self.speaker()?.view().await.map_err(super::stopped)?;
        Ok(Response::new(v1::ListPeersResponse {
            peers: view.peers.into_iter().map(peer).collect(),
            local_as: view.local_as,
            router_id: view.router_id.to_string(),
        }))
    }

    async fn list_routes(
        &self,
        request: Request<v1::ListRoutesRequest>,
    ) -> Result<Response<v1::ListRoutesResponse>, Status> {
        let query = query(&request.into_inner())?;
        let table = query.table;
        let speaker = self.speaker()?;
        if let Some(peer) = query.peer {
            let view = speaker.view().await.map_err(super::stopped)?;
            if !view.peers.iter().any(|known| known.address == peer) {
                return Err(Status::not_found(format!(
                    "peer {peer}: not configured; `fabricctl peers` lists them"
                )));
            }
        }
        let routes = speaker.routes(query).await.map_err(super::stopped)?;
        let installed = &self.agent.status().installed;
        let routes = routes.into_iter().map(|found| route(found, table, installed)).collect();
        Ok(Response::new(v1::ListRoutesResponse { routes }))
    }
}

fn query(request: &v1::ListRoutesRequest) -> Result<RouteQuery, Status> {
    let table = match request.table() {
        v1::RouteTable::LocRib => Table::LocRib,
        v1::RouteTable::AdjRibIn => Table::AdjRibIn,
        v1::RouteTable::AdjRibOut => Table::AdjRibOut,
    };
    let peer: Option<IpAddr> = optional(&request.peer, "peer", "an IP address")?;
    let prefix: Option<IpNetwork> = optional(&request.prefix, "prefix", "a prefix such as 10.42.0.0/26")?;
    if peer.is_none() && table != Table::LocRib {
        return Err(Status::invalid_argument("peer: missing; an Adj-RIB is one peer's"));
    }
    Ok(RouteQuery { table, peer, prefix })
}

fn optional<T: std::str::FromStr>(text: &str, field: &str, right: &str) -> Result<Option<T>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| Status::invalid_argument(format!("{field} \"{text}\": give {right}"));
    text.parse().map(Some).map_err(wrong)
}

fn peer(peer: PeerView) -> v1::Peer {
    v1::Peer {
        address: peer.address.to_string(),
        remote_as: peer.remote_as,
        state: peer.state.to_string(),
        state_age_ms: milliseconds(peer.state_age),
        last_down_reason: peer.last_down_reason,
        peer_router_id: peer.router_id.map_or(String::new(), |id| id.to_string()),
        hold_time_secs: seconds(peer.hold_time),
        keepalive_secs: seconds(peer.keepalive),
        capabilities: peer.capabilities,
        families: peer.families.into_iter().map(family).collect(),
        messages_received: peer.messages_received,
        messages_sent: peer.messages_sent,
        updates_received: peer.updates_received,
        updates_sent: peer.updates_sent,
        flaps: peer.flaps,
        description: peer.description,
        stale: peer.stale,
    }
}

fn family(family: FamilyView) -> v1::PeerFamily {
    v1::PeerFamily {
        family: family.family.to_string(),
        received: family.received,
        accepted: family.accepted,
        advertised: family.advertised,
        end_of_rib_received: family.end_of_rib_received,
    }
}

fn route(route: RouteView, table: Table, installed: &BTreeSet<IpNetwork>) -> v1::Route {
    v1::Route {
        prefix: route.prefix.to_string(),
        installed: table == Table::LocRib && installed.contains(&route.prefix),
        paths: route.paths.into_iter().map(path).collect(),
    }
}

fn path(path: PathView) -> v1::Path {
    v1::Path {
        peer: path.peer.map_or(String::new(), |peer| peer.to_string()),
        next_hop: path.next_hop.map_or(String::new(), |hop| hop.to_string()),
        as_path: path.as_path,
        origin: path.origin.to_string(),
        local_pref: path.local_pref,
        med: path.med,
        communities: path.communities,
        best: path.best,
        multipath: path.multipath,
        stale: path.stale,
        reason: path.reason,
        age_ms: milliseconds(path.age),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
