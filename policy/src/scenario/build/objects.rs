//! Nodes, service accounts, services and network sets.

use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeStatus, ServiceAccount};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};

use super::{metadata, put};
use crate::api::set::{NetworkSet, NetworkSetSpec};
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

    pub(crate) fn service_account(mut self, id: &str, labels: &str) -> Self {
        let account = ServiceAccount { metadata: metadata(id, labels), ..ServiceAccount::default() };
        put(&mut self.cluster.service_accounts, account, |known| &known.metadata);
        self
    }

    /// A part of what is behind a service. `ports`: like `80/TCP`, separated by spaces, as the addresses are.
    pub(crate) fn endpoint_slice(mut self, id: &str, service: &str, addresses: &str, ports: &str) -> Self {
        let port = |text: &str| {
            let (number, protocol) = text.split_once('/').unwrap();
            EndpointPort {
                port: Some(number.parse().unwrap()),
                protocol: Some(protocol.to_owned()),
                ..EndpointPort::default()
            }
        };
        let endpoint =
            |address: &str| Endpoint { addresses: vec![address.to_owned()], ..Endpoint::default() };
        let slice = EndpointSlice {
            address_type: "IPv4".to_owned(),
            endpoints: addresses.split_whitespace().map(endpoint).collect(),
            metadata: metadata(id, &format!("{{kubernetes.io/service-name: {service}}}")),
            ports: Some(ports.split_whitespace().map(port).collect()),
        };
        put(&mut self.cluster.endpoint_slices, slice, |known| &known.metadata);
        self
    }

    /// `nets`: separated by spaces.
    pub(crate) fn network_set(mut self, id: &str, labels: &str, nets: &str) -> Self {
        put(&mut self.cluster.network_sets, set(id, labels, nets), |known| &known.metadata);
        self
    }

    pub(crate) fn global_network_set(mut self, name: &str, labels: &str, nets: &str) -> Self {
        put(&mut self.cluster.global_network_sets, set(name, labels, nets), |known| &known.metadata);
        self
    }
}

fn set(id: &str, labels: &str, nets: &str) -> NetworkSet {
    let nets = nets.split_whitespace().map(str::to_owned).collect();
    NetworkSet { metadata: metadata(id, labels), spec: NetworkSetSpec { nets, ..NetworkSetSpec::default() } }
}
