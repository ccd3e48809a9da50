//! `policy …`.

use proto::v1::{DiffRequest, ExplainRequest, ListPoliciesRequest};
use tonic::Code;

use super::resources::read_text;
use crate::agent::Agent;
use crate::cli::policy::{DiffArgs, ExplainArgs, PolicyCommand, Way};
use crate::failure::Failure;
use crate::output::Output;
use crate::view::policy::{Details, Difference, Explanation, Policies};

/// Any of them. What was typed, and files that it names, are judged before the agent is asked; `agent` connects to it.
pub(crate) async fn run<F>(
    command: PolicyCommand,
    agent: impl FnOnce() -> F,
    output: &Output,
) -> Result<(), Failure>
where
    F: Future<Output = Result<Agent, Failure>>,
{
    match command {
        PolicyCommand::List(args) => list(&agent().await?, output, args.hits).await,
        PolicyCommand::Show(args) => show(&agent().await?, output, args.policy).await,
        PolicyCommand::Explain(args) => {
            let request = plan_explain(args)?;
            explain(&agent().await?, output, request).await
        }
        PolicyCommand::Diff(args) => {
            let fails_on_change = args.exit_code;
            let request = plan_diff(args)?;
            diff(&agent().await?, output, request, fails_on_change).await
        }
    }
}

async fn list(agent: &Agent, output: &Output, hits: bool) -> Result<(), Failure> {
    let request = ListPoliciesRequest { hits, policy: String::new() };
    let answer = agent.ask(agent.policy().list_policies(request)).await?;
    output.print(&Policies::new(answer, hits))
}

async fn show(agent: &Agent, output: &Output, policy: String) -> Result<(), Failure> {
    let request = ListPoliciesRequest { hits: true, policy: policy.clone() };
    let answer = agent.ask(agent.policy().list_policies(request)).await?;
    if answer.policies.is_empty() {
        let what = "`fabricctl policy list` lists those that there are";
        return Err(Failure::Failed(format!("there is no policy {policy}; {what}")));
    }
    output.print(&Details::from(answer))
}

fn plan_explain(args: ExplainArgs) -> Result<ExplainRequest, Failure> {
    let (protocol, port) = args.decode_target().map_err(Failure::Usage)?;
    Ok(ExplainRequest {
        source: args.source,
        destination: args.destination,
        protocol: protocol.to_string(),
        port: port.into(),
        ip_version: args.ip_version.unwrap_or_default(),
        source_port: args.source_port.unwrap_or_default().into(),
        icmp_type: args.icmp.map(|(kind, _)| kind.into()),
        icmp_code: args.icmp.map(|(_, code)| code.into()),
        direction: args.direction.map(Way::name).unwrap_or_default().to_owned(),
        trace: args.trace,
    })
}

/// A kernel that does something else than the engine says is a failure, after the answer.
async fn explain(agent: &Agent, output: &Output, request: ExplainRequest) -> Result<(), Failure> {
    let asked = request.clone();
    let answer = agent.ask(agent.policy().explain(request)).await?;
    let differences = answer.trace.as_ref().map(|trace| trace.differences.join("; ")).unwrap_or_default();
    output.print(&Explanation::new(asked, answer))?;
    if differences.is_empty() { Ok(()) } else { Err(Failure::Failed(differences)) }
}

fn plan_diff(args: DiffArgs) -> Result<DiffRequest, Failure> {
    let (file_name, manifest) = match &args.file {
        Some(file) => read_text(file)?,
        None => (String::new(), String::new()),
    };
    Ok(DiffRequest { manifest, file_name, delete: args.delete, staged: args.staged })
}

async fn diff(
    agent: &Agent,
    output: &Output,
    request: DiffRequest,
    fails_on_change: bool,
) -> Result<(), Failure> {
    let of_manifest = !request.manifest.is_empty();
    let answer = match agent.try_ask(agent.policy().diff(request)).await? {
        Ok(answer) => answer,
        Err(status) if of_manifest && status.code() == Code::InvalidArgument => {
            return Err(Failure::InvalidManifest(status.message().to_owned()));
        }
        Err(status) => return Err(Failure::of_status(&status, agent.timeout())),
    };
    let (changes, stopped) = (!answer.changes.is_empty(), answer.stopped.clone());
    output.print(&Difference::from(answer))?;
    match (changes, stopped.is_empty()) {
        (true, _) if fails_on_change => Err(Failure::Problems),
        // Nobody knows that nothing changes.
        (false, false) if fails_on_change => Err(Failure::Unchecked(stopped)),
        (_, _) => Ok(()),
    }
}
