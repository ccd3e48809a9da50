//! From a command to what is asked of the agent, and which view shows the answer.

mod bgp;
mod convert;
mod datastore;
mod ipam;
mod node;
mod policy;
mod resources;

use clap::CommandFactory as _;

use crate::agent::Agent;
use crate::cli::{Cli, Command, NodeCommand};
use crate::failure::Failure;
use crate::output::{self, Output};

/// Runs a command to its end.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { socket, output, timeout, command } = cli;
    let output = Output::new(output);
    let agent = || Agent::connect(&socket, timeout);
    match command {
        Command::Completions { shell } => complete(shell),
        Command::Version => node::version(agent().await.ok(), &output).await,
        Command::Peers(args) => bgp::peers(&agent().await?, &output, args).await,
        Command::Routes(args) => bgp::routes(&agent().await?, &output, args).await,
        Command::Why(args) => bgp::why(&agent().await?, &output, args).await,
        Command::Events(args) => bgp::events(&agent().await?, &output, args).await,
        Command::Reset(args) => bgp::reset(&agent().await?, &output, args).await,
        Command::Ipam(command) => ipam::run(command, agent, &output).await,
        Command::Datastore(command) => datastore::run(command, agent, &output).await,
        Command::Endpoints(args) => {
            let question = node::plan_endpoints(args)?;
            node::endpoints(&agent().await?, &output, question).await
        }
        Command::Node(NodeCommand::Status) => node::status(&agent().await?, &output).await,
        Command::Policy(command) => policy::run(command, agent, &output).await,
        Command::Apply(args) => {
            let manifests = resources::read_manifests(&args.files)?;
            resources::apply(&agent().await?, &output, manifests).await
        }
        Command::Convert(args) => convert::run(&args, &output),
        Command::Get(args) => resources::get(&agent().await?, &output, args).await,
        Command::Delete(args) => {
            let requests = resources::plan_delete(args)?;
            resources::delete(&agent().await?, &output, requests).await
        }
    }
}

fn complete(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "fabricctl", &mut script);
    output::write_stdout(&script)
}
