//! The order in which a node tries the blocks of a pool.
//!
//! Nodes that start together should not all run for the first block: each begins at its own place and goes its
//! own stride. A pool has 2ⁿ blocks and the stride is odd, so every block comes once.

use ipnetwork::IpNetwork;

use crate::family::{self, Family};
use crate::pool::Pool;
use crate::usage::blocks_total;

/// The blocks of `pool`, each once, in the order in which `node` tries them.
pub(super) fn blocks(pool: &Pool, node: &str) -> impl Iterator<Item = IpNetwork> {
    let total = blocks_total(pool);
    let family = Family::of_network(&pool.cidr);
    let (base, size) = (family::to_number(pool.cidr.network()), pool.block_size);
    let host_bits = u32::from(family.bits().saturating_sub(size));
    let seed = u128::from(hash(node));
    let (start, stride) = (seed % total, (seed >> 17) | 1);
    let mut index = start;
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let offset = index.checked_shl(host_bits).unwrap_or(0);
        let block = IpNetwork::new(family::from_number(family, base.wrapping_add(offset)), size).ok();
        index = index.wrapping_add(stride) % total;
        done = index == start;
        block
    })
}

/// The place among so many at which `node` begins, so that nodes that look at the same list take different things from it.
pub(super) fn place(node: &str, count: usize) -> Option<usize> {
    let count = u64::try_from(count).ok().filter(|count| *count > 0)?;
    usize::try_from(hash(node) % count).ok()
}

/// FNV-1a with a final mix (the finaliser of `MurmurHash3`). Fixed for all time and on all machines, unlike the standard
/// library's hashers: a node that comes back with an empty memory walks the same way.
fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}
