//! Nodes.

use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeStatus};

use super::{metadata, put};
use crate::scenario::Scenario;

impl Scenario {
    /// `addresses`: what its status lists, separated by spaces.
    pub(crate) fn node(mut self, name: &str, labels: &str, addresses: &str) -> Self {
        let address =
            |address: &str| NodeAddress { type_: "InternalIP".to_owned(), address: address.to_owned() };
        let addresses = addresses.split_whitespace().map(address).collect();
        let status = NodeStatus { addresses: Some(addresses), ..NodeStatus::default() };
        let node = Node { metadata: metadata(name, labels), status: Some(status), ..Node::default() };
        put(&mut self.cluster.nodes, node, |known| &known.metadata);
        self
    }
}
