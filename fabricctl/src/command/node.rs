//! `node status`, `endpoints` and `version`.

use proto::v1::{DescribeEndpointRequest, GetStatusRequest, ListEndpointsRequest};

use crate::agent::Agent;
use crate::cli::{EndpointsArgs, EndpointsCommand};
use crate::failure::Failure;
use crate::output::Output;
use crate::view::endpoint::Description;
use crate::view::endpoints::Endpoints;
use crate::view::node::{Status, Version};

/// `node status`.
pub(crate) async fn status(agent: &Agent, output: &Output) -> Result<(), Failure> {
    let answer = agent.ask(agent.node().get_status(GetStatusRequest {})).await?;
    output.print(&Status::from(answer))
}

/// What `endpoints` asks.
pub(crate) enum EndpointsQuestion {
    List(ListEndpointsRequest),
    Describe(DescribeEndpointRequest),
}

/// What was typed, judged before anybody is asked.
pub(crate) fn plan_endpoints(args: EndpointsArgs) -> Result<EndpointsQuestion, Failure> {
    let EndpointsArgs { command, all_nodes, namespace } = args;
    let Some(EndpointsCommand::Show { pod }) = command else {
        let namespace = namespace.unwrap_or_default();
        return Ok(EndpointsQuestion::List(ListEndpointsRequest { all_nodes, namespace }));
    };
    match pod.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            Ok(EndpointsQuestion::Describe(DescribeEndpointRequest { namespace, name }))
        }
        Some(_) | None => Err(Failure::Usage(format!("{pod:?} is not a pod: give namespace/pod"))),
    }
}

/// `endpoints`.
pub(crate) async fn endpoints(
    agent: &Agent,
    output: &Output,
    question: EndpointsQuestion,
) -> Result<(), Failure> {
    match question {
        EndpointsQuestion::List(request) => {
            let answer = agent.ask(agent.node().list_endpoints(request)).await?;
            output.print(&Endpoints::from(answer))
        }
        EndpointsQuestion::Describe(request) => {
            let answer = agent.ask(agent.policy().describe_endpoint(request)).await?;
            output.print(&Description::from(answer))
        }
    }
}

/// `version`: that of the agent as well, if one answers. An absent agent is no failure here.
pub(crate) async fn version(agent: Option<Agent>, output: &Output) -> Result<(), Failure> {
    let status = match &agent {
        None => None,
        Some(agent) => agent.ask(agent.node().get_status(GetStatusRequest {})).await.ok(),
    };
    output.print(&Version::new(status.map(|status| status.version)))
}
