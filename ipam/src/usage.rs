//! How full pools are.

use crate::block::Block;
use crate::family::Family;
use crate::pool::Pool;

/// How full a pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Addresses that it has.
    pub addresses_total: u128,
    /// Addresses in use.
    pub addresses_used: u64,
    /// Blocks that it can be cut into.
    pub blocks_total: u128,
    /// Blocks that exist.
    pub blocks_used: u64,
}

/// How full `pool` is, given (at least) its blocks.
#[must_use]
pub fn pool_usage<'a>(pool: &Pool, blocks: impl IntoIterator<Item = &'a Block>) -> Usage {
    let mut usage = Usage {
        addresses_total: addresses(pool),
        blocks_total: blocks_total(pool),
        addresses_used: 0,
        blocks_used: 0,
    };
    for block in blocks {
        if holds(pool, block) {
            usage.addresses_used += u64::from(block.used());
            usage.blocks_used += 1;
        }
    }
    usage
}

/// Whether the block was cut from this pool.
#[must_use]
pub fn holds(pool: &Pool, block: &Block) -> bool {
    let cidr = block.cidr();
    Family::of_network(&cidr) == Family::of_network(&pool.cidr) && pool.cidr.contains(cidr.network())
}

/// How many blocks a pool can be cut into.
pub(crate) fn blocks_total(pool: &Pool) -> u128 {
    power(pool.block_size.saturating_sub(pool.cidr.prefix()))
}

fn addresses(pool: &Pool) -> u128 {
    power(Family::of_network(&pool.cidr).bits().saturating_sub(pool.cidr.prefix()))
}

/// 2 to this power, or the largest number.
fn power(exponent: u8) -> u128 {
    1u128.checked_shl(u32::from(exponent)).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests;
