//! `fabric.v1.Ipam`: pools, blocks and addresses of the whole fabric, as the datastore has them now.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use datastore::{Kind, Resource, Store};
use ipam::usage::{self, pool_usage};
use ipam::{Affinity, Block, Pool};
use ipnetwork::IpNetwork;
use proto::v1;
use tonic::{Request, Response, Status};

use super::resources::status;

/// The service.
#[derive(Debug, Clone)]
pub struct Service {
    store: Arc<dyn Store>,
}

impl Service {
    /// A service over this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    async fn resources(&self, kind: Kind) -> Result<impl Iterator<Item = Resource> + use<>, Status> {
        let listing = self.store.list(kind).await.map_err(|error| status(&error))?;
        Ok(listing.items.into_values().map(|item| item.resource))
    }

    async fn pools(&self) -> Result<Vec<Pool>, Status> {
        let pools = self.resources(Kind::IpPool).await?;
        Ok(pools
            .filter_map(|pool| if let Resource::IpPool(pool) = pool { Some(*pool) } else { None })
            .collect())
    }

    /// Blocks, ascending.
    async fn blocks(&self) -> Result<Vec<Block>, Status> {
        let blocks = self.resources(Kind::IpamBlock).await?;
        let mut blocks: Vec<Block> = blocks
            .filter_map(|block| if let Resource::IpamBlock(block) = block { Some(*block) } else { None })
            .collect();
        blocks.sort_by_key(Block::cidr);
        Ok(blocks)
    }

    async fn affinities(&self) -> Result<BTreeMap<(String, IpNetwork), Affinity>, Status> {
        let affinities = self.resources(Kind::BlockAffinity).await?;
        Ok(affinities
            .filter_map(|affinity| {
                let Resource::BlockAffinity(affinity) = affinity else { return None };
                Some(((affinity.node.clone(), affinity.cidr), *affinity))
            })
            .collect())
    }
}

#[tonic::async_trait]
impl v1::ipam_server::Ipam for Service {
    async fn list_pools(
        &self,
        _: Request<v1::ListPoolsRequest>,
    ) -> Result<Response<v1::ListPoolsResponse>, Status> {
        let (pools, blocks) = (self.pools().await?, self.blocks().await?);
        let pools = pools.iter().map(|pool| describe_pool(pool, &blocks)).collect();
        Ok(Response::new(v1::ListPoolsResponse { pools }))
    }

    async fn list_blocks(
        &self,
        request: Request<v1::ListBlocksRequest>,
    ) -> Result<Response<v1::ListBlocksResponse>, Status> {
        let v1::ListBlocksRequest { node, pool } = request.into_inner();
        let pools = self.pools().await?;
        demand_pool(&pools, &pool)?;
        // Affinities first: a block whose claim is not listed yet is shown as pending, never the reverse.
        let affinities = self.affinities().await?;
        let blocks = self.blocks().await?;
        let blocks = blocks
            .iter()
            .filter(|block| node.is_empty() || block.node() == node)
            .filter(|block| pool.is_empty() || pool_name(&pools, block) == pool)
            .map(|block| describe_block(block, &pools, &affinities))
            .collect();
        Ok(Response::new(v1::ListBlocksResponse { blocks }))
    }

    async fn list_allocations(
        &self,
        request: Request<v1::ListAllocationsRequest>,
    ) -> Result<Response<v1::ListAllocationsResponse>, Status> {
        let v1::ListAllocationsRequest { node, pool, namespace } = request.into_inner();
        let pools = self.pools().await?;
        demand_pool(&pools, &pool)?;
        let blocks = self.blocks().await?;
        let allocations = blocks
            .iter()
            .filter(|block| pool.is_empty() || pool_name(&pools, block) == pool)
            .flat_map(|block| describe_allocations(block, &pools))
            .filter(|allocation| node.is_empty() || allocation.node == node)
            .filter(|allocation| namespace.is_empty() || allocation.pod_namespace == namespace)
            .collect();
        Ok(Response::new(v1::ListAllocationsResponse { allocations }))
    }

    async fn who_has(
        &self,
        request: Request<v1::WhoHasRequest>,
    ) -> Result<Response<v1::WhoHasResponse>, Status> {
        let text = request.into_inner().address;
        let address: IpAddr = text.parse().map_err(|_| {
            let right = "write one like 10.244.0.7 or fd00::7, without a prefix length";
            Status::invalid_argument(format!("\"{text}\" is no IP address; {right}"))
        })?;
        let (pools, blocks) = (self.pools().await?, self.blocks().await?);
        let block = blocks.iter().find(|block| block.cidr().contains(address));
        let found = block.and_then(|block| {
            describe_allocations(block, &pools).find(|allocation| allocation.address == address.to_string())
        });
        let allocation = found.ok_or_else(|| nobody(address, &pools, block))?;
        Ok(Response::new(v1::WhoHasResponse { allocation: Some(allocation) }))
    }
}

fn describe_pool(pool: &Pool, blocks: &[Block]) -> v1::Pool {
    let usage = pool_usage(pool, blocks);
    v1::Pool {
        name: pool.name.clone(),
        cidr: pool.cidr.to_string(),
        block_size: u32::from(pool.block_size),
        disabled: pool.disabled,
        addresses_total: usage.addresses_total.to_string(),
        addresses_used: usage.addresses_used,
        blocks_total: usage.blocks_total.to_string(),
        blocks_used: usage.blocks_used,
    }
}

fn describe_block(
    block: &Block,
    pools: &[Pool],
    affinities: &BTreeMap<(String, IpNetwork), Affinity>,
) -> v1::Block {
    let affinity = affinities.get(&(block.node().to_owned(), block.cidr()));
    let state = affinity.map_or(ipam::AffinityState::Pending, |affinity| affinity.state);
    v1::Block {
        cidr: block.cidr().to_string(),
        node: block.node().to_owned(),
        pool: pool_name(pools, block).to_owned(),
        affinity_state: state.name().to_owned(),
        addresses_total: u64::from(block.size()),
        addresses_used: u64::from(block.used()),
    }
}

fn describe_allocations(block: &Block, pools: &[Pool]) -> impl Iterator<Item = v1::Allocation> {
    let pool = pool_name(pools, block);
    block.allocations().map(move |(address, allocation)| v1::Allocation {
        address: address.to_string(),
        handle: allocation.handle.clone(),
        node: allocation.attributes.node.clone(),
        block: block.cidr().to_string(),
        pool: pool.to_owned(),
        pod_namespace: allocation.attributes.namespace.clone(),
        pod_name: allocation.attributes.pod.clone(),
    })
}

/// Empty if the block's pool is gone.
fn pool_name<'a>(pools: &'a [Pool], block: &Block) -> &'a str {
    pools.iter().find(|pool| usage::holds(pool, block)).map_or("", |pool| &pool.name)
}

fn demand_pool(pools: &[Pool], name: &str) -> Result<(), Status> {
    let names: BTreeSet<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
    if name.is_empty() || names.contains(name) {
        return Ok(());
    }
    let known = names.into_iter().collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "there are none yet".to_owned() } else { format!("there are {known}") };
    Err(Status::not_found(format!("there is no pool \"{name}\"; {known}")))
}

fn nobody(address: IpAddr, pools: &[Pool], block: Option<&Block>) -> Status {
    let pool = pools.iter().find(|pool| pool.cidr.contains(address));
    Status::not_found(match (pool, block) {
        (Some(pool), Some(block)) => {
            let (cidr, node) = (block.cidr(), block.node());
            format!("{address} is free, in block {cidr} of node {node}, pool {} ({})", pool.name, pool.cidr)
        }
        (Some(pool), None) => {
            format!("{address} is free, in a block that no node has yet, pool {} ({})", pool.name, pool.cidr)
        }
        (None, Some(block)) => format!("{address} is free, in block {}, whose pool is gone", block.cidr()),
        (None, None) => format!("{address} lies in no pool"),
    })
}

#[cfg(test)]
mod tests;
