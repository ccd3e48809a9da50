//! `ipam show`.

use proto::v1::{ListAllocationsRequest, ListBlocksRequest, ListPoolsRequest, Pool, WhoHasRequest};

use crate::agent::Agent;
use crate::cli::IpamShowArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::ipam::Ipam;

/// `ipam show`: pools, unless something narrower is asked for.
pub(crate) async fn show(agent: &Agent, output: &Output, args: IpamShowArgs) -> Result<(), Failure> {
    let IpamShowArgs { blocks, allocations, node, pool, namespace, ip } = args;
    if let Some(address) = ip {
        let request = WhoHasRequest { address: address.to_string() };
        let answer = agent.ask(agent.ipam().who_has(request)).await?;
        return output.print(&Ipam::default().with_allocations(answer.allocation));
    }
    let neither = !blocks && !allocations;
    let show_pools = neither && node.is_none() && namespace.is_none();
    let show_blocks = blocks || (neither && node.is_some() && namespace.is_none());
    let show_allocations = allocations || (neither && (node.is_some() || namespace.is_some()));
    let (node, namespace) = (node.unwrap_or_default(), namespace.unwrap_or_default());

    let mut view = Ipam::default();
    if show_pools {
        let answer = agent.ask(agent.ipam().list_pools(ListPoolsRequest {})).await?;
        view = view.with_pools(select_pools(answer.pools, pool.as_deref())?);
    }
    let pool = pool.unwrap_or_default();
    if show_blocks {
        let request = ListBlocksRequest { node: node.clone(), pool: pool.clone() };
        let answer = agent.ask(agent.ipam().list_blocks(request)).await?;
        view = view.with_blocks(answer.blocks);
    }
    if show_allocations {
        let request = ListAllocationsRequest { node, pool, namespace };
        let answer = agent.ask(agent.ipam().list_allocations(request)).await?;
        view = view.with_allocations(answer.allocations);
    }
    output.print(&view)
}

/// The pool of that name, or all.
fn select_pools(pools: Vec<Pool>, name: Option<&str>) -> Result<Vec<Pool>, Failure> {
    let Some(name) = name else { return Ok(pools) };
    let (selected, others): (Vec<Pool>, Vec<Pool>) = pools.into_iter().partition(|pool| pool.name == name);
    if selected.is_empty() {
        let known: Vec<&str> = others.iter().map(|pool| pool.name.as_str()).collect();
        let known = if known.is_empty() { "there is none yet".to_owned() } else { known.join(", ") };
        return Err(Failure::Failed(format!("no pool {name:?}; the pools: {known}")));
    }
    Ok(selected)
}
