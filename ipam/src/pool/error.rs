//! What can be wrong with a pool.

use ipnetwork::IpNetwork;
use selector::Selector;

use super::{block_sizes, default_block_size};
use crate::family::Family;

/// What is wrong with a pool. Each message ends in what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Host bits are set.
    #[error("{cidr} has bits set beyond its prefix length; write {masked}")]
    Unmasked {
        /// As written.
        cidr: IpNetwork,
        /// As it should be.
        masked: IpNetwork,
    },
    /// No pod can use these addresses.
    #[error("{cidr} overlaps {range}, which is {what}; choose a unicast prefix outside of it")]
    Unusable {
        /// The pool's prefix.
        cidr: IpNetwork,
        /// The special range.
        range: IpNetwork,
        /// What the range is for.
        what: &'static str,
    },
    /// Blocks of such a size are not supported.
    #[error("/{size} is no block size for {family}; it must be between {min} and {max} (default {default})",
        min = block_sizes(*family).start(), max = block_sizes(*family).end(), default = default_block_size(*family))]
    BlockSize {
        /// As written.
        size: u8,
        /// The pool's family.
        family: Family,
    },
    /// The pool is smaller than one block.
    #[error("{cidr} is too small for one block of /{size}; widen the pool to /{size} or shorter, \
             or set blockSize to {prefix} or longer", prefix = cidr.prefix())]
    TooSmall {
        /// The pool's prefix.
        cidr: IpNetwork,
        /// Its block size.
        size: u8,
    },
    /// It shares addresses with another pool.
    #[error("{cidr} overlaps pool {other} ({other_cidr}); choose a prefix outside of it")]
    Overlap {
        /// The pool's prefix.
        cidr: IpNetwork,
        /// The other pool's name.
        other: String,
        /// The other pool's prefix.
        other_cidr: IpNetwork,
    },
    /// Nothing could ever get an address from it.
    #[error(
        "allowedUses is empty, so nothing could have an address; leave it out, or list Workload, Tunnel or LoadBalancer"
    )]
    NoUses,
    /// Addresses of services are announced otherwise than those of nodes, and a block has one owner.
    #[error("LoadBalancer must be the only one of allowedUses; put the other uses into a pool of their own")]
    MixedUses,
    /// Services are on no node.
    #[error("a pool for LoadBalancer serves no node, so `{selector}` selects none; leave nodeSelector out")]
    LoadBalancerNodes {
        /// As written.
        selector: Selector,
    },
    /// The prefix of an existing pool would change.
    #[error(
        "the prefix of pool {name} cannot change from {old} to {new}; create another pool and disable this one"
    )]
    CidrChanged {
        /// The pool.
        name: String,
        /// As stored.
        old: IpNetwork,
        /// As asked.
        new: IpNetwork,
    },
    /// The block size of an existing pool would change.
    #[error(
        "the block size of pool {name} cannot change from {old} to {new}; create another pool and disable this one"
    )]
    BlockSizeChanged {
        /// The pool.
        name: String,
        /// As stored.
        old: u8,
        /// As asked.
        new: u8,
    },
}

impl PoolError {
    /// The field of the manifest that is to blame.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Unmasked { .. }
            | Self::Unusable { .. }
            | Self::TooSmall { .. }
            | Self::Overlap { .. }
            | Self::CidrChanged { .. } => "spec.cidr",
            Self::BlockSize { .. } | Self::BlockSizeChanged { .. } => "spec.blockSize",
            Self::NoUses | Self::MixedUses => "spec.allowedUses",
            Self::LoadBalancerNodes { .. } => "spec.nodeSelector",
        }
    }
}
