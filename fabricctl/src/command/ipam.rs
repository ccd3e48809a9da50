//! `ipam …`.

mod change;
mod check;
mod release;
mod show;
mod watch;

use crate::agent::Agent;
use crate::cli::ipam::IpamCommand;
use crate::failure::Failure;
use crate::output::Output;

/// Any of them. What was typed, and files that it names, are judged before the agent is asked; `agent` connects to it.
pub(crate) async fn run<F>(
    command: IpamCommand,
    agent: impl FnOnce() -> F,
    output: &Output,
) -> Result<(), Failure>
where
    F: Future<Output = Result<Agent, Failure>>,
{
    match command {
        IpamCommand::Show(args) => show::show(&agent().await?, output, args).await,
        IpamCommand::Check(args) => {
            let plan = check::plan(args).map_err(Failure::of_check)?;
            let agent = agent().await.map_err(Failure::of_check)?;
            check::check(&agent, output, plan).await.map_err(Failure::of_check)
        }
        IpamCommand::Release(args) => {
            let plan = release::plan(args)?;
            release::release(&agent().await?, output, plan).await
        }
        IpamCommand::Assign(args) => change::assign(&agent().await?, output, args).await,
        IpamCommand::Reserve(args) => change::reserve(&agent().await?, output, args).await,
        IpamCommand::Unreserve(args) => change::unreserve(&agent().await?, output, args).await,
        IpamCommand::Split(args) => change::split(&agent().await?, output, args).await,
        IpamCommand::Watch(args) => watch::watch(&agent().await?, output, args).await,
    }
}
