//! `ipam assign`, `reserve`, `unreserve` and `split`: one request, one answer.

use proto::v1::{AssignRequest, ReserveRequest, SplitPoolRequest, UnreserveRequest};

use crate::agent::Agent;
use crate::cli::ipam::{AssignArgs, ReserveArgs, SplitArgs, UnreserveArgs};
use crate::cli::value::Prefix;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::ipam::Ipam;
use crate::view::reservation::Reservation;

/// `ipam assign`.
pub(crate) async fn assign(agent: &Agent, output: &Output, args: AssignArgs) -> Result<(), Failure> {
    let AssignArgs { handle, addresses, ipv4, ipv6, pools, purpose } = args;
    let request = AssignRequest {
        handle,
        ipv4: ipv4.unwrap_or_default(),
        ipv6: ipv6.unwrap_or_default(),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        pools,
        r#use: purpose.name().to_owned(),
        // Pods get theirs when they are attached.
        pod_namespace: String::new(),
        pod_name: String::new(),
    };
    let answer = agent.ask(agent.ipam().assign(request)).await?;
    output.print(&Ipam::default().with_allocations(answer.allocations))
}

/// `ipam reserve`.
pub(crate) async fn reserve(agent: &Agent, output: &Output, args: ReserveArgs) -> Result<(), Failure> {
    let ReserveArgs { name, cidrs } = args;
    let request = ReserveRequest { name: name.clone(), cidrs: texts(cidrs) };
    let answer = agent.ask(agent.ipam().reserve(request)).await?;
    output.print(&Reservation::reserved(name, answer))
}

/// `ipam unreserve`.
pub(crate) async fn unreserve(agent: &Agent, output: &Output, args: UnreserveArgs) -> Result<(), Failure> {
    let UnreserveArgs { name, cidrs } = args;
    let request = UnreserveRequest { name: name.clone(), cidrs: texts(cidrs) };
    let answer = agent.ask(agent.ipam().unreserve(request)).await?;
    output.print(&Reservation::unreserved(name, answer))
}

/// `ipam split`: the pools that there are then, or would be.
pub(crate) async fn split(agent: &Agent, output: &Output, args: SplitArgs) -> Result<(), Failure> {
    let SplitArgs { pool, parts, dry_run } = args;
    let answer = agent.ask(agent.ipam().split_pool(SplitPoolRequest { pool, parts, dry_run })).await?;
    if dry_run {
        output.remark("Nothing was written: this is what would be.");
    }
    output.print(&Ipam::default().with_pools(answer.pools))
}

fn texts(prefixes: Vec<Prefix>) -> Vec<String> {
    prefixes.into_iter().map(|Prefix(text)| text).collect()
}
