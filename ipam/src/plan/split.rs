//! Cutting a pool into equal parts, so that each can be disabled, selected or deleted by itself.
//!
//! Pools are written by people or in their name, not by plans: this says what to write. Blocks and addresses stay
//! as they are, since a block of the pool is a block of the part that it lies in. Write the parts first and delete the pool
//! then: until it is gone, the parts overlap it, and as their names come after its name they give out nothing. Cut short
//! anywhere, it can be done again.

use ipnetwork::IpNetwork;

use crate::family;
use crate::pool::{self, Pool, PoolError};

/// The most parts that a pool is cut into at once. Each request looks at every pool.
pub const MAX_PARTS: u32 = 1024;

/// How long the name of an object may be.
const MAX_NAME: usize = 253;

/// Why a pool cannot be cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Halving does not lead to so many parts.
    #[error("a pool cannot be cut into {parts} parts; ask for a power of two from 2 to {MAX_PARTS}")]
    Parts {
        /// As asked.
        parts: u32,
    },
    /// A part must hold a block.
    #[error(
        "pool {pool} ({cidr}) has only {blocks} blocks of /{block_size}, too few for {parts} parts; ask for at most \
             {blocks}"
    )]
    TooSmall {
        /// The pool.
        pool: String,
        /// Its prefix.
        cidr: IpNetwork,
        /// Its block size.
        block_size: u8,
        /// How many blocks it has.
        blocks: u128,
        /// As asked.
        parts: u32,
    },
    /// Names of objects end somewhere.
    #[error("the parts of pool {pool} would have names of more than {MAX_NAME} characters")]
    NameTooLong {
        /// The pool.
        pool: String,
    },
    /// Another pool has the name of a part.
    #[error("there is a pool {name} already, with another cidr ({cidr}); delete that first")]
    NameTaken {
        /// The name.
        name: String,
        /// The other pool's prefix.
        cidr: IpNetwork,
    },
    /// The pool itself is not as it must be.
    #[error("pool {pool} cannot be cut as it is: {error}")]
    Pool {
        /// The pool.
        pool: String,
        /// What is wrong with it.
        error: PoolError,
    },
}

/// The parts of a pool, ascending: named `<pool>-0`, `<pool>-1`, …, and in all else as the pool is, disabled or deleting too.
/// `others` are the pools that there are; the pool itself and parts from an earlier try may be among them.
///
/// # Errors
/// If it cannot be cut so, all that is wrong with it.
pub fn split<'a>(
    pool: &Pool,
    parts: u32,
    others: impl IntoIterator<Item = &'a Pool>,
) -> Result<Vec<Pool>, Vec<SplitError>> {
    if !parts.is_power_of_two() || !(2..=MAX_PARTS).contains(&parts) {
        return Err(vec![SplitError::Parts { parts }]);
    }
    let of_pool = |error| SplitError::Pool { pool: pool.name.clone(), error };
    let problems: Vec<SplitError> = pool::problems(pool).into_iter().map(of_pool).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let blocks = crate::usage::blocks_total(pool);
    if u128::from(parts) > blocks {
        let Pool { name, cidr, block_size, .. } = pool.clone();
        return Err(vec![SplitError::TooSmall { pool: name, cidr, block_size, blocks, parts }]);
    }
    let cut: Vec<Pool> = (0..parts).filter_map(|index| part(pool, parts, index)).collect();
    let mut problems = Vec::new();
    if cut.iter().any(|part| part.name.len() > MAX_NAME) {
        problems.push(SplitError::NameTooLong { pool: pool.name.clone() });
    }
    for other in others {
        let part = cut.iter().find(|part| part.name == other.name);
        if part.is_some_and(|part| part.cidr != other.cidr || part.block_size != other.block_size) {
            problems.push(SplitError::NameTaken { name: other.name.clone(), cidr: other.cidr });
        } else if part.is_none() && other.name != pool.name {
            let overlap = pool::conflicts(pool, [other]).into_iter().next();
            problems.extend(overlap.map(of_pool));
        }
    }
    if problems.is_empty() { Ok(cut) } else { Err(problems) }
}

/// The part of this number.
fn part(pool: &Pool, parts: u32, index: u32) -> Option<Pool> {
    let prefix = pool.cidr.prefix().checked_add(u8::try_from(parts.trailing_zeros()).ok()?)?;
    let (family, first, _) = family::bounds(&pool.cidr);
    let offset = u128::from(index).checked_shl(u32::from(family.bits().checked_sub(prefix)?))?;
    let cidr = IpNetwork::new(family::from_number(family, first + offset), prefix).ok()?;
    Some(Pool { name: format!("{}-{index}", pool.name), cidr, ..pool.clone() })
}
