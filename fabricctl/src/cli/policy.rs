//! `policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::value::{PortSpec, ProtocolSpec, decode_icmp, decode_ip_version};

/// `policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// List policies: how many endpoints each selects, and on how many nodes it is in force.
    List(ListArgs),
    /// Show a policy: where it is in force, or why not, and what its rules have counted on this node.
    Show(ShowArgs),
    /// Say which rules decide whether SOURCE may talk to DESTINATION. The exit status is 0 for either verdict.
    Explain(ExplainArgs),
    /// Say which connections would have another verdict after a change. Nothing is changed.
    Diff(DiffArgs),
}

/// `policy list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Show what each rule has counted on this node, in the kernel.
    #[arg(long)]
    pub(crate) hits: bool,
}

/// `policy show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Its name; namespace/name where several have it.
    #[arg(value_name = "POLICY")]
    pub(crate) policy: String,
}

/// `policy explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Who talks: namespace/pod, or an address.
    #[arg(value_name = "SOURCE")]
    pub(crate) source: String,
    /// To whom: namespace/pod, or an address.
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: String,
    /// Destination port, such as 8080 or 53/udp.
    #[arg(value_name = "PORT[/PROTOCOL]")]
    pub(crate) port: Option<PortSpec>,
    /// tcp, udp, sctp, icmp, or the number of another IP protocol; tcp unless said otherwise.
    #[arg(long, value_name = "PROTOCOL")]
    pub(crate) protocol: Option<ProtocolSpec>,
    /// The port that it comes from; one that hosts give to clients unless said otherwise.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) source_port: Option<u16>,
    /// ICMP type, or type and code; an echo request unless said otherwise.
    #[arg(long, value_name = "TYPE[/CODE]", value_parser = decode_icmp)]
    pub(crate) icmp: Option<(u8, u8)>,
    /// 4 or 6, where both ends have both.
    #[arg(long, value_name = "VERSION", value_parser = decode_ip_version)]
    pub(crate) ip_version: Option<u32>,
    /// Only what one end decides: ingress of the destination, or egress of the source.
    #[arg(long, value_name = "DIRECTION")]
    pub(crate) direction: Option<Way>,
    /// Send one such packet through this node's kernel, show the rules that it meets, and compare. It is dropped behind the
    /// last rule, and counted and logged like any other. A difference is a failure.
    #[arg(long, conflicts_with = "direction")]
    pub(crate) trace: bool,
}

/// As seen from an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// Towards it.
    Ingress,
    /// From it.
    Egress,
}

impl Way {
    /// As the agent spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// A protocol that has a name here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP, or ICMPv6 between IPv6 addresses.
    Icmp,
}

/// `policy diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// What this manifest would change if it were applied; - for standard input.
    #[arg(long = "file", short, value_name = "FILE", required_unless_present = "staged")]
    pub(crate) file: Option<PathBuf>,
    /// Or if what it holds were deleted.
    #[arg(long, requires = "file")]
    pub(crate) delete: bool,
    /// What enforcing everything that is staged would change.
    #[arg(long, conflicts_with_all = ["file", "delete"])]
    pub(crate) staged: bool,
    /// End with status 1 if anything would change.
    #[arg(long)]
    pub(crate) exit_code: bool,
}

impl Protocol {
    /// As the agent spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
            Self::Icmp => "icmp",
        }
    }
}

impl ExplainArgs {
    /// Protocol and port (0 for none) that `PORT/PROTOCOL`, `--protocol` and `--icmp` mean together.
    ///
    /// # Errors
    /// A sentence, where they contradict each other or the port is missing.
    pub(crate) fn decode_target(&self) -> Result<(ProtocolSpec, u16), String> {
        let written = self.port.and_then(|spec| spec.protocol).map(ProtocolSpec::Named);
        let implied = self.icmp.map(|_| ProtocolSpec::Named(Protocol::Icmp));
        let protocol = match (written, self.protocol) {
            (Some(one), Some(other)) if one != other => {
                return Err(format!("the port says {one}, --protocol says {other}"));
            }
            (one, other) => one.or(other).or(implied).unwrap_or(ProtocolSpec::Named(Protocol::Tcp)),
        };
        if self.icmp.is_some() && protocol != ProtocolSpec::Named(Protocol::Icmp) {
            return Err(format!("--icmp is of icmp, not of {protocol}"));
        }
        if self.source_port.is_some() && !protocol.has_ports() {
            return Err(format!("{protocol} has no ports: leave --source-port out"));
        }
        match self.port {
            Some(_) if !protocol.has_ports() => Err(format!("{protocol} has no ports: leave it out")),
            None if protocol.has_ports() => Err(format!(
                "{protocol} needs a destination port, such as `fabricctl policy explain {} {} 8080/{protocol}`",
                self.source, self.destination,
            )),
            port => Ok((protocol, port.map_or(0, |spec| spec.port))),
        }
    }
}
