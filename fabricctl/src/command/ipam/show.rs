//! `ipam show`.

use proto::v1::{
    GetUtilisationRequest, ListAllocationsRequest, ListBlocksRequest, ListPoolsRequest, Pool, WhoHasRequest,
};

use crate::agent::Agent;
use crate::cli::ipam::ShowArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::view::ipam::Ipam;

/// Pools, unless something narrower is asked for.
pub(crate) async fn show(agent: &Agent, output: &Output, args: ShowArgs) -> Result<(), Failure> {
    let ShowArgs { blocks, allocations, nodes, node, pool, namespace, handle, ip } = args;
    if let Some(address) = ip {
        let request = WhoHasRequest { address: address.to_string() };
        let answer = agent.ask(agent.ipam().who_has(request)).await?;
        return output.print(&Ipam::default().with_allocations(answer.allocation));
    }
    if nodes {
        return show_nodes(agent, output, node, pool).await;
    }
    let neither = !blocks && !allocations;
    let of_holders = namespace.is_some() || handle.is_some();
    let show_pools = neither && node.is_none() && !of_holders;
    let show_blocks = blocks || (neither && node.is_some() && !of_holders);
    let show_allocations = allocations || (neither && (node.is_some() || of_holders));
    let (node, namespace, handle) =
        (node.unwrap_or_default(), namespace.unwrap_or_default(), handle.unwrap_or_default());

    let mut view = Ipam::default();
    if show_pools {
        let answer = agent.ask(agent.ipam().list_pools(ListPoolsRequest {})).await?;
        view = view.with_pools(select_pools(answer.pools, pool.as_deref())?);
    }
    let pool = pool.unwrap_or_default();
    if show_blocks {
        let request = ListBlocksRequest { node: node.clone(), pool: pool.clone(), ..Default::default() };
        view = view.with_blocks(list_blocks(agent, request).await?);
    }
    if show_allocations {
        let request = ListAllocationsRequest { node, pool, namespace, handle, ..Default::default() };
        view = view.with_allocations(list_allocations(agent, request).await?);
    }
    output.print(&view)
}

/// `--nodes`.
async fn show_nodes(
    agent: &Agent,
    output: &Output,
    node: Option<String>,
    pool: Option<String>,
) -> Result<(), Failure> {
    let request = GetUtilisationRequest { pool: pool.clone().unwrap_or_default() };
    let answer = agent.ask(agent.ipam().get_utilisation(request)).await?;
    if let (Some(pool), true) = (pool, answer.pools.is_empty()) {
        return Err(Failure::Failed(format!("no pool {pool:?}")));
    }
    output.print(&Ipam::default().with_utilisation(answer.pools, node.as_deref()))
}

async fn list_blocks(agent: &Agent, request: ListBlocksRequest) -> Result<Vec<proto::v1::Block>, Failure> {
    let page = |page_token| {
        let (mut client, request) = (agent.ipam(), ListBlocksRequest { page_token, ..request.clone() });
        async move { client.list_blocks(request).await }
    };
    agent.list(page).await
}

/// Every page of it.
pub(super) async fn list_allocations(
    agent: &Agent,
    request: ListAllocationsRequest,
) -> Result<Vec<proto::v1::Allocation>, Failure> {
    let page = |page_token| {
        let (mut client, request) = (agent.ipam(), ListAllocationsRequest { page_token, ..request.clone() });
        async move { client.list_allocations(request).await }
    };
    agent.list(page).await
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
