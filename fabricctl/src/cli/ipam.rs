//! `ipam …`: what can be typed about addresses.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::value::{Prefix, decode_parts};

/// `ipam`.
#[derive(Debug, Subcommand)]
pub(crate) enum IpamCommand {
    /// Show pools and how full they are; or blocks, or addresses, or what each node has.
    ///
    /// In a bar, # is in use, = is reserved or was given back lately and still rests, and - is free; the percentage is of what
    /// is in use. A block that an address is borrowed from is shown with the node that it belongs to. `-o wide` shows
    /// selectors too.
    Show(ShowArgs),
    /// Compare all that is known of addresses, and report what does not fit.
    ///
    /// The exit status is 0 if everything fits, 1 if there are problems, 2 if the command line is wrong, 3 if the agent
    /// is not reachable and 4 if the check could not be finished.
    Check(CheckArgs),
    /// Give addresses back.
    ///
    /// An address is given back only while it is held as it was seen: by the same handle, and not given out again since.
    /// What is not given back is told with the reason, and the exit status is then 1.
    Release(ReleaseArgs),
    /// Assign addresses to something on this node that is no pod.
    ///
    /// All of them are assigned, or none. Asked again for the same handle, the answer is the same.
    Assign(AssignArgs),
    /// Keep prefixes from being assigned. What is in use there stays in use, and is shown.
    Reserve(ReserveArgs),
    /// End a reservation, or that of some of its prefixes.
    Unreserve(UnreserveArgs),
    /// Cut a pool into equal parts, pools of their own. Blocks and addresses stay as they are.
    Split(SplitArgs),
    /// Show which addresses are in use, then each that is assigned or released, until interrupted.
    Watch(WatchArgs),
}

/// `ipam show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Show blocks.
    #[arg(long)]
    pub(crate) blocks: bool,
    /// Show addresses in use.
    #[arg(long)]
    pub(crate) allocations: bool,
    /// Show how much of each pool each node has.
    #[arg(long, conflicts_with_all = ["blocks", "allocations", "namespace", "handle", "ip"])]
    pub(crate) nodes: bool,
    /// Only what this node has; alone, it shows both blocks and addresses.
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// Only what is of this pool.
    #[arg(long, value_name = "POOL")]
    pub(crate) pool: Option<String>,
    /// Only addresses of pods of this Kubernetes namespace.
    #[arg(long, short, conflicts_with = "blocks")]
    pub(crate) namespace: Option<String>,
    /// Only addresses that this handle holds.
    #[arg(long, value_name = "HANDLE", conflicts_with = "blocks")]
    pub(crate) handle: Option<String>,
    /// Show who has this address.
    #[arg(
        long,
        value_name = "ADDRESS",
        conflicts_with_all = ["blocks", "allocations", "node", "pool", "namespace", "handle"]
    )]
    pub(crate) ip: Option<IpAddr>,
}

/// `ipam check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Show every problem, not only the first ten of a kind.
    #[arg(long)]
    pub(crate) show_all: bool,
    /// Write the report to this file too, as JSON, for `ipam release --from-report`.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// `ipam release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// These addresses, from whoever holds them now.
    #[arg(value_name = "ADDRESS", required_unless_present_any = ["handle", "from_report"])]
    pub(crate) addresses: Vec<IpAddr>,
    /// Everything that this handle holds.
    #[arg(long, value_name = "HANDLE", conflicts_with_all = ["addresses", "from_report"])]
    pub(crate) handle: Option<String>,
    /// What a report of `ipam check` says is to be released; - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "addresses")]
    pub(crate) from_report: Option<PathBuf>,
    /// Show what would be released, and release nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `ipam assign`.
#[derive(Debug, Args)]
pub(crate) struct AssignArgs {
    /// Who holds the addresses: a name that is unique in the fabric. `ipam release --handle` gives them back.
    #[arg(long, value_name = "HANDLE")]
    pub(crate) handle: String,
    /// These addresses.
    #[arg(value_name = "ADDRESS", required_unless_present_any = ["ipv4", "ipv6"])]
    pub(crate) addresses: Vec<IpAddr>,
    /// So many IPv4 addresses.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) ipv4: Option<u32>,
    /// So many IPv6 addresses.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) ipv6: Option<u32>,
    /// Only from this pool. May be given several times.
    #[arg(long = "pool", value_name = "POOL")]
    pub(crate) pools: Vec<String>,
    /// What they are for: a pool says which uses it allows.
    #[arg(long = "use", value_name = "USE", default_value = "workload")]
    pub(crate) purpose: Purpose,
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// What runs on the node.
    Workload,
    /// The node's end of a tunnel.
    Tunnel,
    /// A service's address.
    LoadBalancer,
}

/// `ipam reserve`.
#[derive(Debug, Args)]
pub(crate) struct ReserveArgs {
    /// The reservation: made if there is none of that name, added to if there is.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What to keep, such as 10.42.0.0/28; one address is 10.42.0.1/32.
    #[arg(value_name = "CIDR", required = true)]
    pub(crate) cidrs: Vec<Prefix>,
}

/// `ipam unreserve`.
#[derive(Debug, Args)]
pub(crate) struct UnreserveArgs {
    /// The reservation.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Only these of its prefixes; all if none is given.
    #[arg(value_name = "CIDR")]
    pub(crate) cidrs: Vec<Prefix>,
}

/// `ipam split`.
#[derive(Debug, Args)]
pub(crate) struct SplitArgs {
    /// Which pool.
    #[arg(value_name = "POOL")]
    pub(crate) pool: String,
    /// Into how many: 2, 4, 8 and so on.
    #[arg(value_name = "PARTS", value_parser = decode_parts)]
    pub(crate) parts: u32,
    /// Show what would come of it, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `ipam watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Only addresses that this node uses.
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// Only addresses of this pool.
    #[arg(long, value_name = "POOL")]
    pub(crate) pool: Option<String>,
}

impl Purpose {
    /// As the agent spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Workload => "Workload",
            Self::Tunnel => "Tunnel",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}
