//! Why no address can be given.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::family::Family;

/// Why no address can be given. Nothing has been or will be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssignError {
    /// No pool gives out addresses of this family.
    #[error("no pool gives out {family} addresses ({}); apply an enabled IPPool with an {family} cidr", unusable(.passed_over))]
    NoPool {
        /// The family.
        family: Family,
        /// Pools of the family that are disabled or manual.
        passed_over: Vec<String>,
    },
    /// Every address of every pool is in use.
    #[error("no free {family} address: {}; delete pods that are no longer needed, or apply another IPPool", fills(.pools))]
    Full {
        /// The family.
        family: Family,
        /// The pools asked.
        pools: Vec<PoolFill>,
    },
    /// A requested address is not in any pool.
    #[error("{address} lies in no pool; ask for one within {}", fills(.pools))]
    OutsidePools {
        /// The address.
        address: IpAddr,
        /// The pools of its family.
        pools: Vec<PoolFill>,
    },
    /// A requested address is in a disabled pool.
    #[error(
        "{address} lies in pool {pool}, which is disabled; enable it, or ask for an address of another pool"
    )]
    PoolDisabled {
        /// The address.
        address: IpAddr,
        /// The pool.
        pool: String,
    },
    /// A requested address belongs to someone else.
    #[error("{address} is in use by {holder}; ask for another, or delete that first")]
    InUse {
        /// The address.
        address: IpAddr,
        /// `namespace/pod` or the handle.
        holder: String,
    },
    /// The handle holds another address of the family.
    #[error("{asked} was asked for, but {handle} holds {held} already; release that first")]
    HoldsOther {
        /// The handle.
        handle: String,
        /// What it holds.
        held: IpAddr,
        /// What was asked for.
        asked: IpAddr,
    },
    /// The request is contradictory.
    #[error("two {family} addresses were asked for; ask for at most one per family")]
    TwoOfFamily {
        /// The family.
        family: Family,
    },
    /// A stored pool has a block size that cannot be.
    #[error(
        "pool {pool} cannot be cut into blocks of /{block_size}; delete it and apply it with a valid blockSize"
    )]
    BrokenPool {
        /// The pool.
        pool: String,
        /// Its block size.
        block_size: u8,
    },
}

/// A pool and how full it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolFill {
    /// Its name.
    pub name: String,
    /// Its prefix.
    pub cidr: IpNetwork,
    /// Addresses in use.
    pub used: u64,
    /// Addresses it has.
    pub total: u128,
}

impl fmt::Display for PoolFill {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, cidr, used, total } = self;
        write!(formatter, "pool {name} ({cidr}) has {used} of {total} addresses in use")
    }
}

fn fills(pools: &[PoolFill]) -> String {
    if pools.is_empty() {
        return "a pool (there is none of this family)".to_owned();
    }
    pools.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn unusable(pools: &[String]) -> String {
    if pools.is_empty() {
        return "there is none of that family".to_owned();
    }
    format!("disabled or manual: {}", pools.join(", "))
}
