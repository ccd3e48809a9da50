//! `node status`, `endpoints` and `version`.

use proto::v1::{GetStatusRequest, ListEndpointsRequest};

use crate::agent::Agent;
use crate::cli::EndpointsArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::endpoints::Endpoints;
use crate::view::node::{Status, Version};

/// `node status`.
pub(crate) async fn status(agent: &Agent, output: &Output) -> Result<(), Failure> {
    let answer = agent.ask(agent.node().get_status(GetStatusRequest {})).await?;
    output.print(&Status::from(answer))
}

/// `endpoints`.
pub(crate) async fn endpoints(agent: &Agent, output: &Output, args: EndpointsArgs) -> Result<(), Failure> {
    let EndpointsArgs { all_nodes, namespace } = args;
    let request = ListEndpointsRequest { all_nodes, namespace: namespace.unwrap_or_default() };
    let answer = agent.ask(agent.node().list_endpoints(request)).await?;
    output.print(&Endpoints::from(answer))
}

/// `version`: that of the agent as well, if one answers. An absent agent is no failure here.
pub(crate) async fn version(agent: Option<Agent>, output: &Output) -> Result<(), Failure> {
    let status = match &agent {
        None => None,
        Some(agent) => agent.ask(agent.node().get_status(GetStatusRequest {})).await.ok(),
    };
    output.print(&Version::new(status.map(|status| status.version)))
}
