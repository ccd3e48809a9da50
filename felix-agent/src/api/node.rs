//! `fabric.v1.Node`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::ipam::Family;
use policy::program::EndpointId;
use proto::v1;
use proto::v1::node_server::Node;
use tonic::{Request, Response, Status};

use crate::agent::Handle;
use crate::inputs::Inputs;
use crate::ipam::{Allocator, standby};

/// The service.
pub struct Service {
    agent: Handle,
    allocator: Arc<Allocator>,
}

impl Service {
    pub(super) fn new(agent: Handle, allocator: Arc<Allocator>) -> Self {
        Self { agent, allocator }
    }
}

#[tonic::async_trait]
impl Node for Service {
    async fn get_status(&self, _: Request<v1::GetStatusRequest>) -> Result<Response<v1::NodeStatus>, Status> {
        let status = self.agent.status();
        let addresses =
            self.agent.ask(|inputs| inputs.node.addresses.clone()).await.map_err(super::stopped)?;
        let peers = match self.agent.speaker().running() {
            Some(speaker) => speaker.view().await.map_err(super::stopped)?.peers,
            None => Vec::new(),
        };
        let established = peers.iter().filter(|peer| peer.state == bgp::session::State::Established).count();
        let standby = self.allocator.standby();
        let misunderstood = self.allocator.misunderstood();
        let problems =
            standby.problems().into_iter().chain(status.problems.iter().cloned()).chain(misunderstood);
        Ok(Response::new(v1::NodeStatus {
            node: status.node.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: u64::try_from(status.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ready: status.ready && standby.away.is_none(),
            problems: problems.collect(),
            endpoints: status.endpoints.len() as u64,
            routes_installed: status.routes as u64,
            peers_established: established as u64,
            peers_configured: peers.len() as u64,
            addresses: addresses.iter().map(ToString::to_string).collect(),
            standby: Some(describe(&standby)),
        }))
    }

    async fn list_endpoints(
        &self,
        request: Request<v1::ListEndpointsRequest>,
    ) -> Result<Response<v1::ListEndpointsResponse>, Status> {
        let v1::ListEndpointsRequest { all_nodes, namespace } = request.into_inner();
        let states = self.agent.status().endpoints.clone();
        let endpoints = self
            .agent
            .ask(move |inputs| list(inputs, &states, all_nodes, &namespace))
            .await
            .map_err(super::stopped)?;
        Ok(Response::new(v1::ListEndpointsResponse { endpoints }))
    }
}

fn describe(standby: &standby::Status) -> v1::Standby {
    let of = |family| standby.families.iter().find(|(found, ..)| *found == family);
    let ready = |family| of(family).map_or(0, |(_, ready, _)| *ready as u64);
    let total = |family| of(family).map_or(0, |(.., all)| *all as u64);
    let away = standby.away.as_ref().map(|away| away.lasting().as_millis().max(1));
    v1::Standby {
        ipv4_ready: ready(Family::V4),
        ipv4_total: total(Family::V4),
        ipv6_ready: ready(Family::V6),
        ipv6_total: total(Family::V6),
        unsettled: standby.unsettled as u64,
        away_ms: away.map_or(0, |away| u64::try_from(away).unwrap_or(u64::MAX)),
    }
}

fn list(
    inputs: &Inputs,
    states: &BTreeMap<EndpointId, Option<String>>,
    all_nodes: bool,
    namespace: &str,
) -> Vec<v1::Endpoint> {
    inputs
        .cluster
        .endpoints()
        .filter(|(_, endpoint)| all_nodes || endpoint.node == inputs.node.name)
        .filter(|(id, _)| namespace.is_empty() || id.namespace == namespace)
        .map(|(id, endpoint)| v1::Endpoint {
            namespace: id.namespace.clone(),
            name: id.name.clone(),
            node: endpoint.node.clone(),
            addresses: endpoint.addresses.iter().map(ToString::to_string).collect(),
            host_interface: endpoint.host_interface.clone(),
            container_id: endpoint.container_id.clone(),
            labels: inputs.cluster.labels_of(id).into_iter().collect(),
            policies: inputs.cluster.policies_of(id),
            state: state(inputs, states, id, &endpoint.node),
        })
        .collect()
}

pub(super) fn state(
    inputs: &Inputs,
    states: &BTreeMap<EndpointId, Option<String>>,
    id: &EndpointId,
    node: &str,
) -> String {
    if node != inputs.node.name {
        return String::new();
    }
    match states.get(id) {
        Some(None) => "ready".to_owned(),
        Some(Some(missing)) => missing.clone(),
        None => "waiting for the next pass".to_owned(),
    }
}
