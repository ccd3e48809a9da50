//! Pools: the prefixes from which pods get their addresses, and what makes one acceptable.
//!
//! Field names and limits follow `projectcalico.org/v3` IPPool where the meaning is the same.

use ipnetwork::IpNetwork;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::family::{self, Family};

/// A prefix from which addresses are given out, in blocks of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "PoolSpec")]
pub struct Pool {
    /// Its name; in a manifest, that of the metadata.
    #[serde(skip)]
    pub name: String,
    /// The prefix.
    pub cidr: IpNetwork,
    /// Prefix length of its blocks.
    pub block_size: u8,
    /// Whether no new addresses come from it. Those in use stay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Who may get addresses from it.
    #[serde(skip_serializing_if = "AssignmentMode::is_automatic")]
    pub assignment_mode: AssignmentMode,
}

/// Who may get addresses from a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AssignmentMode {
    /// Everyone.
    #[default]
    Automatic,
    /// Only who asks for a certain address.
    Manual,
}

impl AssignmentMode {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    const fn is_automatic(&self) -> bool {
        matches!(self, Self::Automatic)
    }
}

/// A pool as people write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PoolSpec {
    #[serde(deserialize_with = "prefix")]
    cidr: IpNetwork,
    block_size: Option<u8>,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    assignment_mode: AssignmentMode,
}

/// A prefix whose length is written out: an address alone is a slip, not a pool of one.
fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpNetwork, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().ok().filter(|_| text.contains('/')).ok_or_else(|| {
        D::Error::custom(format!("\"{text}\" is no prefix; write one like 10.244.0.0/16 or fd00:244::/48"))
    })
}

impl From<PoolSpec> for Pool {
    fn from(spec: PoolSpec) -> Self {
        let PoolSpec { cidr, block_size, disabled, assignment_mode } = spec;
        let block_size = block_size.unwrap_or_else(|| default_block_size(Family::of_network(&cidr)));
        Self { name: String::new(), cidr, block_size, disabled, assignment_mode }
    }
}

/// Prefix length of blocks unless the pool says otherwise: 64 addresses.
#[must_use]
pub const fn default_block_size(family: Family) -> u8 {
    match family {
        Family::V4 => 26,
        Family::V6 => 122,
    }
}

/// Prefix lengths that blocks may have: 1 to 4096 addresses.
#[must_use]
pub const fn block_sizes(family: Family) -> std::ops::RangeInclusive<u8> {
    match family {
        Family::V4 => 20..=32,
        Family::V6 => 116..=128,
    }
}

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
        }
    }
}

/// Ranges that overlap no pool: (prefix, what it is).
const UNUSABLE: [(&str, &str); 9] = [
    ("0.0.0.0/8", "\"this network\" (RFC 791)"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("::/127", "unspecified and loopback"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
];

/// Everything that is wrong with a pool by itself.
#[must_use]
pub fn problems(pool: &Pool) -> Vec<PoolError> {
    let cidr = pool.cidr;
    let family = Family::of_network(&cidr);
    let mut problems = Vec::new();
    if cidr.ip() != cidr.network()
        && let Ok(masked) = IpNetwork::new(cidr.network(), cidr.prefix())
    {
        problems.push(PoolError::Unmasked { cidr, masked });
    }
    let unusable = UNUSABLE.iter().find_map(|(range, what)| {
        let range: IpNetwork = range.parse().ok()?;
        family::overlap(&range, &cidr).then_some((range, *what))
    });
    if let Some((range, what)) = unusable {
        problems.push(PoolError::Unusable { cidr, range, what });
    }
    if !block_sizes(family).contains(&pool.block_size) {
        problems.push(PoolError::BlockSize { size: pool.block_size, family });
    } else if cidr.prefix() > pool.block_size {
        problems.push(PoolError::TooSmall { cidr, size: pool.block_size });
    }
    problems
}

/// What is wrong with a pool among the others: overlaps, and changes of what cannot change. `others` may hold
/// the pool's own former state, known by its name.
#[must_use]
pub fn conflicts<'a>(pool: &Pool, others: impl IntoIterator<Item = &'a Pool>) -> Vec<PoolError> {
    let mut problems = Vec::new();
    for other in others {
        if other.name == pool.name {
            let name = pool.name.clone();
            if other.cidr != pool.cidr {
                problems.push(PoolError::CidrChanged { name, old: other.cidr, new: pool.cidr });
            } else if other.block_size != pool.block_size {
                problems.push(PoolError::BlockSizeChanged {
                    name,
                    old: other.block_size,
                    new: pool.block_size,
                });
            }
        } else if family::overlap(&other.cidr, &pool.cidr) {
            let (other, other_cidr) = (other.name.clone(), other.cidr);
            problems.push(PoolError::Overlap { cidr: pool.cidr, other, other_cidr });
        }
    }
    problems
}

#[cfg(test)]
mod tests;
