//! What a node's agent answers over gRPC, as values.

use std::future::Future;
use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;
use proto::v1::bgp_client::BgpClient;
use proto::v1::ipam_client::IpamClient;
use proto::v1::node_client::NodeClient;
use proto::v1::policy_client::PolicyClient;
use proto::v1::{
    Block, Endpoint, ExplainRequest, ExplainResponse, GetStatusRequest, ListBlocksRequest,
    ListEndpointsRequest, ListPeersRequest, ListRoutesRequest, NodeStatus, Peer, Route,
};
use tonic::transport::Channel;

use super::Node;

impl Node {
    /// How the agent is.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&self) -> Result<NodeStatus> {
        self.ask(|channel| async {
            Ok(NodeClient::new(channel).get_status(GetStatusRequest {}).await?.into_inner())
        })
    }

    /// Its BGP peers.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn peers(&self) -> Result<Vec<Peer>> {
        self.ask(|channel| async {
            Ok(BgpClient::new(channel).list_peers(ListPeersRequest::default()).await?.into_inner().peers)
        })
    }

    /// Fails, naming the first session that is not, unless all are established and have all the peer's routes.
    ///
    /// # Errors
    /// When one is not, or the agent does not answer.
    pub fn ensure_established(&self) -> Result<()> {
        for peer in self.peers()? {
            let (address, state, reason) = (&peer.address, &peer.state, &peer.last_down_reason);
            ensure!(
                state == "Established",
                "{}: the session with {address} is {state} ({reason})",
                self.name()
            );
            let complete = peer.families.iter().all(|family| family.end_of_rib_received);
            ensure!(complete, "{}: {address} has not sent all of its routes", self.name());
        }
        Ok(())
    }

    /// What is in its Loc-RIB for exactly this prefix, if anything.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn route(&self, prefix: IpNetwork) -> Result<Option<Route>> {
        let request = ListRoutesRequest { prefix: prefix.to_string(), ..ListRoutesRequest::default() };
        self.ask(|channel| async {
            let routes = BgpClient::new(channel).list_routes(request).await?.into_inner().routes;
            Ok(routes.into_iter().next())
        })
    }

    /// The address blocks of this node.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub fn blocks(&self) -> Result<Vec<Block>> {
        let request = ListBlocksRequest { node: self.name().to_owned(), ..ListBlocksRequest::default() };
        self.ask(|channel| async {
            Ok(IpamClient::new(channel).list_blocks(request).await?.into_inner().blocks)
        })
    }

    /// The block of this node that an address lies in.
    ///
    /// # Errors
    /// When there is none, or the agent does not answer.
    pub fn block_of(&self, address: IpAddr) -> Result<IpNetwork> {
        let blocks = self.blocks()?;
        blocks
            .iter()
            .filter_map(|block| block.cidr.parse().ok())
            .find(|cidr: &IpNetwork| cidr.contains(address))
            .with_context(|| format!("none of the blocks of {} has {address}: {blocks:?}", self.name()))
    }

    /// The pods attached to this node.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>> {
        self.ask(|channel| async {
            Ok(NodeClient::new(channel)
                .list_endpoints(ListEndpointsRequest::default())
                .await?
                .into_inner()
                .endpoints)
        })
    }

    /// What policy says about a TCP connection, between pods (`namespace/pod`) or addresses.
    ///
    /// # Errors
    /// When the agent does not answer.
    pub fn explain(&self, source: &str, destination: &str, port: u16) -> Result<ExplainResponse> {
        let request = ExplainRequest {
            source: source.to_owned(),
            destination: destination.to_owned(),
            protocol: "tcp".to_owned(),
            port: u32::from(port),
            ..ExplainRequest::default()
        };
        self.ask(|channel| async { Ok(PolicyClient::new(channel).explain(request).await?.into_inner()) })
    }

    /// Asks anything else over gRPC. Not to be called from asynchronous code: it waits.
    ///
    /// # Errors
    /// When the agent does not answer, and those of `question`.
    pub fn ask<T, F>(&self, question: impl FnOnce(Channel) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let channel = proto::client::connect(&self.socket())
                .await
                .with_context(|| format!("connecting to {}", self.socket().display()))?;
            question(channel).await.with_context(|| format!("asking the agent of {}", self.name()))
        })
    }
}
