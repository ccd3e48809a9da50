//! `policy list` and `policy explain`.

use proto::v1::{ExplainRequest, ListPoliciesRequest};

use crate::agent::Agent;
use crate::cli::ExplainArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::policy::{Explanation, Policies};

/// `policy list`.
pub(crate) async fn list(agent: &Agent, output: &Output) -> Result<(), Failure> {
    let answer = agent.ask(agent.policy().list_policies(ListPoliciesRequest {})).await?;
    output.print(&Policies::from(answer))
}

/// What `policy explain` asks.
pub(crate) fn plan_explain(args: ExplainArgs) -> Result<ExplainRequest, Failure> {
    let (protocol, port) = args.decode_target().map_err(Failure::Usage)?;
    Ok(ExplainRequest {
        source: args.source,
        destination: args.destination,
        protocol: protocol.name().to_owned(),
        port: port.into(),
        ip_version: args.ip_version.unwrap_or_default(),
    })
}

/// `policy explain`.
pub(crate) async fn explain(agent: &Agent, output: &Output, request: ExplainRequest) -> Result<(), Failure> {
    let asked = request.clone();
    let answer = agent.ask(agent.policy().explain(request)).await?;
    output.print(&Explanation::new(asked, answer))
}
