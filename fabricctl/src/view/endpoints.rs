//! `endpoints`: `{endpoints: [...]}`.

use std::collections::BTreeMap;

use proto::v1;
use serde::Serialize;

use crate::output::View;
use crate::output::table;

/// Attached pods.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoints {
    endpoints: Vec<Endpoint>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    namespace: String,
    name: String,
    node: String,
    addresses: Vec<String>,
    host_interface: String,
    container_id: String,
    labels: BTreeMap<String, String>,
    policies: Vec<String>,
    state: String,
}

impl From<v1::ListEndpointsResponse> for Endpoints {
    fn from(message: v1::ListEndpointsResponse) -> Self {
        let v1::ListEndpointsResponse { endpoints } = message;
        Self { endpoints: endpoints.into_iter().map(Endpoint::from).collect() }
    }
}

impl From<v1::Endpoint> for Endpoint {
    fn from(message: v1::Endpoint) -> Self {
        let v1::Endpoint {
            namespace,
            name,
            node,
            addresses,
            host_interface,
            container_id,
            labels,
            policies,
            state,
        } = message;
        let labels = labels.into_iter().collect();
        Self { namespace, name, node, addresses, host_interface, container_id, labels, policies, state }
    }
}

impl View for Endpoints {
    fn render(&self) -> String {
        let headers = ["NAMESPACE", "NAME", "NODE", "ADDRESSES", "INTERFACE", "STATE", "POLICIES"];
        table::render(
            headers,
            self.endpoints.iter().map(|endpoint| {
                [
                    endpoint.namespace.clone(),
                    endpoint.name.clone(),
                    endpoint.node.clone(),
                    table::join(&endpoint.addresses),
                    endpoint.host_interface.clone(),
                    endpoint.state.clone(),
                    table::join(&endpoint.policies),
                ]
            }),
        )
    }

    fn remark_if_empty(&self) -> &'static str {
        "No such endpoints; --all-nodes asks for those of other nodes too."
    }
}
