//! What is known, as messages.

use ::ipam::index::{Holding, NodeUtilisation, PoolUtilisation};
use ::ipam::{AffinityState, AssignmentMode, Block, Index, Timestamp, Use};
use proto::v1;

pub(super) fn pool(utilisation: &PoolUtilisation<'_>) -> v1::Pool {
    let PoolUtilisation { pool, usage, reserved, cooling, standby, .. } = utilisation;
    let selector =
        |selector: &Option<selector::Selector>| selector.as_ref().map_or(String::new(), ToString::to_string);
    let mode = match pool.assignment_mode {
        AssignmentMode::Automatic => "Automatic",
        AssignmentMode::Manual => "Manual",
    };
    v1::Pool {
        name: pool.name.clone(),
        cidr: pool.cidr.to_string(),
        block_size: u32::from(pool.block_size),
        disabled: pool.disabled,
        addresses_total: usage.addresses_total.to_string(),
        addresses_used: usage.addresses_used,
        blocks_total: usage.blocks_total.to_string(),
        blocks_used: usage.blocks_used,
        deleting: pool.deleting,
        assignment_mode: mode.to_owned(),
        node_selector: selector(&pool.node_selector),
        namespace_selector: selector(&pool.namespace_selector),
        allowed_uses: pool.allowed_uses.iter().copied().map(Use::name).map(str::to_owned).collect(),
        addresses_reserved: reserved.to_string(),
        addresses_cooling: *cooling,
        addresses_standby: *standby,
    }
}

pub(super) fn utilisation(utilisation: &PoolUtilisation<'_>) -> v1::PoolUtilisation {
    let nodes = utilisation.nodes.iter().map(node).collect();
    v1::PoolUtilisation { pool: Some(pool(utilisation)), nodes }
}

fn node(utilisation: &NodeUtilisation<'_>) -> v1::NodeUtilisation {
    v1::NodeUtilisation {
        node: utilisation.node.to_owned(),
        blocks: utilisation.blocks,
        addresses_total: utilisation.addresses_total,
        addresses_used: utilisation.addresses_used,
        addresses_borrowed: utilisation.addresses_borrowed,
        addresses_standby: utilisation.addresses_standby,
    }
}

pub(super) fn block(index: &Index, block: &Block, now: Timestamp) -> v1::Block {
    // A block without its node's claim is what a claim leaves that was cut short.
    let affinity = index.affinity(block.node(), &block.cidr());
    let state = affinity.map_or(AffinityState::Pending, |affinity| affinity.value.state);
    let borrowed =
        block.allocations().filter(|(_, allocation)| allocation.attributes.node != block.node()).count();
    v1::Block {
        cidr: block.cidr().to_string(),
        node: block.node().to_owned(),
        pool: pool_name(index, block).to_owned(),
        affinity_state: state.name().to_owned(),
        addresses_total: u64::from(block.size()),
        addresses_used: u64::from(block.used()),
        addresses_borrowed: u64::try_from(borrowed).unwrap_or(u64::MAX),
        addresses_cooling: u64::from(block.cooling(now, index.configuration().cooldown())),
    }
}

pub(super) fn allocation(index: &Index, holding: &Holding<'_>) -> v1::Allocation {
    let Holding { address, allocation, block } = holding;
    v1::Allocation {
        address: address.to_string(),
        handle: allocation.handle.clone(),
        node: allocation.attributes.node.clone(),
        block: block.cidr().to_string(),
        pool: pool_name(index, block).to_owned(),
        pod_namespace: allocation.attributes.namespace.clone(),
        pod_name: allocation.attributes.pod.clone(),
        sequence: allocation.sequence,
        borrowed_from: holding.borrowed_from().unwrap_or_default().to_owned(),
    }
}

/// Empty if the block's pool is gone.
fn pool_name<'a>(index: &'a Index, block: &Block) -> &'a str {
    index.pool_of_block(block).map_or("", |pool| &pool.name)
}
