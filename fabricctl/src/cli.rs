//! What can be typed. The doc comments here are the help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::datastore::DatastoreCommand;
use self::ipam::IpamCommand;
use self::policy::PolicyCommand;
use self::value::{Destination, Prefix, decode_duration};

pub(crate) mod datastore;
pub(crate) mod ipam;
pub(crate) mod policy;
#[cfg(test)]
mod tests;
pub(crate) mod value;

/// Ask the Fabric agent of this node, and tell it what should be.
#[derive(Debug, Parser)]
#[command(name = "fabricctl", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// The agent's Unix socket.
    #[arg(long, global = true, help_heading = "Global options", env = "FABRIC_SOCKET", default_value = proto::DEFAULT_SOCKET, value_name = "PATH")]
    pub(crate) socket: PathBuf,
    /// How to print: `table` or `wide` for people, `json` or `yaml` for programs.
    #[arg(
        long,
        short,
        global = true,
        help_heading = "Global options",
        default_value = "table",
        value_name = "FORMAT"
    )]
    pub(crate) output: Format,
    /// How long to wait for an answer, such as 500ms, 10s or 2m.
    #[arg(long, global = true, help_heading = "Global options", default_value = "10s", value_parser = decode_duration, value_name = "DURATION")]
    pub(crate) timeout: Duration,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people.
    Table,
    /// The same, with more columns where a command has them.
    Wide,
    /// JSON, indented.
    Json,
    /// YAML of the same shape.
    Yaml,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List BGP peers and the state of their sessions; or show one in full.
    Peers(PeersArgs),
    /// List BGP routes: by default those that this node has chosen from (the Loc-RIB).
    Routes(RoutesArgs),
    /// Say why a prefix is routed as it is, step by step from the peer to the kernel.
    Why(WhyArgs),
    /// Show what happened to BGP peers lately; with --follow also what happens, to routes too.
    Events(EventsArgs),
    /// Reset a BGP peer: end its session, or softly exchange its routes anew.
    Reset(ResetArgs),
    /// Ask about pools, blocks and addresses, and give, take back, keep and check addresses.
    #[command(subcommand)]
    Ipam(IpamCommand),
    /// List attached pods; or show one with the rules in force on it.
    Endpoints(EndpointsArgs),
    /// Ask what policies decide, and why.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Create or change resources from manifests.
    Apply(ApplyArgs),
    /// Show resources of a kind.
    Get(GetArgs),
    /// Delete resources.
    Delete(DeleteArgs),
    /// Write objects of Calico (projectcalico.org/v3) as objects of Fabric, to be applied. Needs no agent.
    ///
    /// Standard output gets the objects; standard error gets, field by field, what could not be carried over.
    Convert(ConvertArgs),
    /// Take everything out of the datastore, or bring it in.
    #[command(subcommand)]
    Datastore(DatastoreCommand),
    /// Ask about this node.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Print a completion script for a shell.
    Completions {
        /// For which.
        shell: clap_complete::Shell,
    },
    /// Print the versions of this program and of the agent.
    Version,
}

/// `peers`.
#[derive(Debug, Args)]
pub(crate) struct PeersArgs {
    /// This one alone, in full: its address, interface or description.
    #[arg(value_name = "PEER")]
    pub(crate) peer: Option<String>,
}

/// `routes`.
#[derive(Debug, Args)]
pub(crate) struct RoutesArgs {
    /// Only this prefix, exactly.
    pub(crate) prefix: Option<Prefix>,
    /// And all prefixes inside it.
    #[arg(long, requires = "prefix", conflicts_with = "shorter")]
    pub(crate) longer: bool,
    /// And all prefixes around it.
    #[arg(long, requires = "prefix")]
    pub(crate) shorter: bool,
    /// Which table, of all peers: loc (the Loc-RIB), in (Adj-RIBs-In) or out (Adj-RIBs-Out).
    #[arg(long, value_name = "TABLE", conflicts_with_all = ["received", "advertised"])]
    pub(crate) table: Option<Table>,
    /// Only paths of this peer: its address, interface or description.
    #[arg(long, value_name = "PEER", conflicts_with_all = ["received", "advertised"])]
    pub(crate) peer: Option<String>,
    /// What this peer announced to us, before import filters (its Adj-RIB-In).
    #[arg(long, value_name = "PEER", conflicts_with = "advertised")]
    pub(crate) received: Option<String>,
    /// What we announce to this peer (its Adj-RIB-Out).
    #[arg(long, value_name = "PEER")]
    pub(crate) advertised: Option<String>,
    /// Only paths that are left out of the choice, by loops or filters.
    #[arg(long, conflicts_with = "advertised")]
    pub(crate) rejected: bool,
    /// Only this family.
    #[arg(long, value_name = "FAMILY")]
    pub(crate) family: Option<Family>,
    /// So many prefixes at most.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
}

/// A routing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// The Loc-RIB.
    Loc,
    /// Adj-RIBs-In.
    In,
    /// Adj-RIBs-Out.
    Out,
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Family {
    /// IPv4 unicast.
    #[value(alias = "ipv4", alias = "4")]
    Ipv4Unicast,
    /// IPv6 unicast.
    #[value(alias = "ipv6", alias = "6")]
    Ipv6Unicast,
}

/// `why`.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// A prefix such as 10.65.0.0/26, or an address: then the longest prefix around it.
    #[arg(value_name = "PREFIX|ADDRESS")]
    pub(crate) destination: Destination,
}

/// `events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Go on until interrupted.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only what happens to this peer: its address, interface or description.
    #[arg(long, value_name = "PEER")]
    pub(crate) peer: Option<String>,
}

/// `reset`.
#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// Whom: its address, interface or description.
    #[arg(value_name = "PEER")]
    pub(crate) peer: String,
    /// Keep the session: judge and ask for its routes anew (in), or tell it everything again (out).
    #[arg(long, value_name = "DIRECTION")]
    pub(crate) soft: Option<Direction>,
    /// Only this family.
    #[arg(long, value_name = "FAMILY", requires = "soft")]
    pub(crate) family: Option<Family>,
    /// What the peer is told about it (RFC 9003).
    #[arg(long, value_name = "TEXT", conflicts_with = "soft")]
    pub(crate) message: Option<String>,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// What it tells us.
    In,
    /// What we tell it.
    Out,
}

/// `endpoints`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct EndpointsArgs {
    /// About one endpoint.
    #[command(subcommand)]
    pub(crate) command: Option<EndpointsCommand>,
    /// Those of the whole fabric, not only of this node.
    #[arg(long)]
    pub(crate) all_nodes: bool,
    /// Only this Kubernetes namespace.
    #[arg(long, short)]
    pub(crate) namespace: Option<String>,
}

/// `endpoints ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum EndpointsCommand {
    /// Show a pod: its addresses, and the rules in force on it, in words.
    Show {
        /// namespace/pod.
        #[arg(value_name = "POD")]
        pod: String,
    },
}

/// `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// Manifest to read; - for standard input. May be given several times.
    #[arg(long = "file", short, required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// `convert`.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// What to read, as `calicoctl get -o yaml` or `kubectl get -o yaml` writes it; - for standard input. May be given
    /// several times.
    #[arg(long = "file", short, required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// End with status 1 if anything could not be carried over.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// `get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Which kind: NetworkPolicy, networkpolicies and netpol are the same.
    pub(crate) kind: String,
    /// Only that of this name.
    pub(crate) name: Option<String>,
    /// Only this Kubernetes namespace.
    #[arg(long, short)]
    pub(crate) namespace: Option<String>,
}

/// `delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// Which kind.
    #[arg(required_unless_present = "files", requires = "name")]
    pub(crate) kind: Option<String>,
    /// Its name.
    pub(crate) name: Option<String>,
    /// Its Kubernetes namespace.
    #[arg(long, short, conflicts_with = "files")]
    pub(crate) namespace: Option<String>,
    /// Delete what this manifest holds; - for standard input. May be given several times.
    #[arg(long = "file", short, value_name = "FILE", conflicts_with_all = ["kind", "name"])]
    pub(crate) files: Vec<PathBuf>,
}

/// `node`.
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Show how this node is.
    Status,
}

impl Family {
    /// As the agent spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ipv4Unicast => "ipv4-unicast",
            Self::Ipv6Unicast => "ipv6-unicast",
        }
    }
}
