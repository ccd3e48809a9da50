//! Questions that memory answers: pools, blocks, allocations, who has an address, utilisation.

use std::net::IpAddr;

use ::ipam::index::{Cursor, Filter, Holding};
use ::ipam::{Block, Index};
use datastore::{Key, Kind};
use ipnetwork::IpNetwork;
use proto::v1;
use tonic::Status;

use super::{argument, describe, page};
use crate::api::failure;
use crate::ipam::now;

pub(super) fn pools(index: &Index) -> v1::ListPoolsResponse {
    let now = now();
    let utilisation = index.pools().filter_map(|pool| index.utilisation(&pool.name, now));
    v1::ListPoolsResponse { pools: utilisation.map(|pool| describe::pool(&pool)).collect() }
}

pub(super) fn utilisation(
    index: &Index,
    request: &v1::GetUtilisationRequest,
) -> Result<v1::GetUtilisationResponse, Status> {
    demand_pool(index, &request.pool)?;
    let now = now();
    let asked = index.pools().filter(|pool| request.pool.is_empty() || pool.name == request.pool);
    let pools = asked.filter_map(|pool| index.utilisation(&pool.name, now));
    Ok(v1::GetUtilisationResponse { pools: pools.map(|pool| describe::utilisation(&pool)).collect() })
}

pub(super) fn blocks(
    index: &Index,
    request: &v1::ListBlocksRequest,
) -> Result<v1::ListBlocksResponse, Status> {
    demand_pool(index, &request.pool)?;
    let after: Option<IpNetwork> = page::after(&request.page_token)?;
    let found = index.blocks(given(&request.node), given(&request.pool), after);
    let found = found.map(|block| &block.value);
    let (blocks, next_page_token) = page::take(found, request.page_size, |block: &&Block| block.cidr());
    let now = now();
    let blocks = blocks.into_iter().map(|block| describe::block(index, block, now)).collect();
    Ok(v1::ListBlocksResponse { blocks, next_page_token })
}

pub(super) fn allocations(
    index: &Index,
    request: &v1::ListAllocationsRequest,
) -> Result<v1::ListAllocationsResponse, Status> {
    demand_pool(index, &request.pool)?;
    let after: Option<Cursor> = page::after(&request.page_token)?;
    let filter = Filter {
        node: given(&request.node),
        pool: given(&request.pool),
        namespace: given(&request.namespace),
        handle: given(&request.handle),
    };
    let found = index.allocations(filter, after);
    let (holdings, next_page_token) = page::take(found, request.page_size, Holding::cursor);
    let allocations = holdings.iter().map(|holding| describe::allocation(index, holding)).collect();
    Ok(v1::ListAllocationsResponse { allocations, next_page_token })
}

pub(super) fn who_has(index: &Index, request: &v1::WhoHasRequest) -> Result<v1::WhoHasResponse, Status> {
    let address = argument::address("address", &request.address)?;
    let holding = index.who_has(address).ok_or_else(|| nobody(index, address))?;
    Ok(v1::WhoHasResponse { allocation: Some(describe::allocation(index, &holding)) })
}

/// Says what there is instead.
pub(super) fn demand_pool(index: &Index, name: &str) -> Result<(), Status> {
    if name.is_empty() || index.pool(name).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = index.pools().map(|pool| pool.name.as_str()).collect();
    let known = if known.is_empty() {
        "there are none yet".to_owned()
    } else {
        format!("there are {}", known.join(", "))
    };
    let message = format!("there is no pool \"{name}\"; {known}");
    Err(failure::not_found(&Key::global(Kind::IpPool, name), message))
}

fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn nobody(index: &Index, address: IpAddr) -> Status {
    let block = index.block_of(address).map(|block| &block.value);
    let message = match (index.pool_of(address), block) {
        (Some(pool), Some(block)) => {
            let (cidr, node) = (block.cidr(), block.node());
            format!("{address} is free, in block {cidr} of node {node}, pool {} ({})", pool.name, pool.cidr)
        }
        (Some(pool), None) => {
            format!("{address} is free, in a block that no node has yet, pool {} ({})", pool.name, pool.cidr)
        }
        (None, Some(block)) => format!("{address} is free, in block {}, whose pool is gone", block.cidr()),
        (None, None) => format!("{address} lies in no pool"),
    };
    failure::no_holder(address, message)
}
