//! `felix-agent`: the node agent of Fabric.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use felix_agent::config::{Overrides, Reading};
use felix_agent::shell::reload::Origin;

/// The node agent of Fabric: attaches pods, routes, speaks BGP, enforces policy.
///
/// Every setting can be given in the configuration file, overruled by FABRIC_* variables, overruled by flags.
#[derive(Debug, Parser)]
#[command(name = "felix-agent", version)]
struct Arguments {
    /// Configuration file (YAML).
    #[arg(long, env = "FABRIC_CONFIG", default_value = "/etc/fabric/agent.yaml")]
    config: PathBuf,
    /// This node's name (FABRIC_NODE_NAME).
    #[arg(long)]
    node_name: Option<String>,
    /// This node's addresses, comma-separated (FABRIC_NODE_ADDRESSES).
    #[arg(long)]
    node_addresses: Option<String>,
    /// This node's labels, comma-separated key=value (FABRIC_NODE_LABELS).
    #[arg(long)]
    node_labels: Option<String>,
    /// The SQLite file (FABRIC_DATASTORE_PATH).
    #[arg(long)]
    datastore_path: Option<String>,
    /// URLs of etcd's members, comma-separated (FABRIC_ETCD_ENDPOINTS).
    #[arg(long)]
    etcd_endpoints: Option<String>,
    /// The socket to serve on (FABRIC_SOCKET).
    #[arg(long)]
    socket: Option<String>,
    /// This node's AS (FABRIC_LOCAL_AS).
    #[arg(long)]
    local_as: Option<String>,
    /// BGP identifier (FABRIC_ROUTER_ID).
    #[arg(long)]
    router_id: Option<String>,
    /// text or json (FABRIC_LOG_FORMAT).
    #[arg(long)]
    log_format: Option<String>,
    /// error, warn, info, debug or trace (FABRIC_LOG_LEVEL).
    #[arg(long)]
    log_level: Option<String>,
    /// Check the configuration, say what is wrong or probably not meant, and exit.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let check = arguments.check;
    let file = arguments.config.clone();
    let mut origin = Origin::new(file, overrides(arguments));
    let Reading { config, warnings } = match origin.load() {
        Ok(reading) => reading,
        Err(invalid) => return fail(&invalid),
    };
    if check {
        warnings.iter().for_each(|line| warn(line));
        return ExitCode::SUCCESS;
    }
    felix_agent::telemetry::start(&config.log);
    for line in &warnings {
        tracing::warn!("{line}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(felix_agent::run(config, origin)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn overrides(arguments: Arguments) -> Overrides {
    let mut overrides = Overrides::from_environment(std::env::vars());
    overrides.set("FABRIC_NODE_NAME", arguments.node_name);
    overrides.set("FABRIC_NODE_ADDRESSES", arguments.node_addresses);
    overrides.set("FABRIC_NODE_LABELS", arguments.node_labels);
    overrides.set("FABRIC_DATASTORE_PATH", arguments.datastore_path);
    overrides.set("FABRIC_ETCD_ENDPOINTS", arguments.etcd_endpoints);
    overrides.set("FABRIC_SOCKET", arguments.socket);
    overrides.set("FABRIC_LOCAL_AS", arguments.local_as);
    overrides.set("FABRIC_ROUTER_ID", arguments.router_id);
    overrides.set("FABRIC_LOG_FORMAT", arguments.log_format);
    overrides.set("FABRIC_LOG_LEVEL", arguments.log_level);
    overrides
}

#[allow(clippy::print_stderr, reason = "this is for the person at the terminal")]
fn warn(line: &str) {
    eprintln!("warning: {line}");
}

#[allow(
    clippy::print_stderr,
    reason = "logging is not set up yet, and this is for the person at the terminal"
)]
fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
