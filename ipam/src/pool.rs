//! Pools: the prefixes from which pods get their addresses, and what makes one acceptable.
//!
//! Field names and limits follow `projectcalico.org/v3` IPPool where the meaning is the same.

mod error;

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;
use selector::Selector;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::family::{self, Family};
use crate::purpose::Use;
pub use error::PoolError;

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
    /// The nodes that it is for, by their labels; `None` for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<Selector>,
    /// The namespaces that it is for, by their labels; `None` for all, and for what is in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<Selector>,
    /// What its addresses are for: workloads and tunnels unless it is said.
    #[serde(skip_serializing_if = "is_default")]
    pub allowed_uses: BTreeSet<Use>,
    /// Whether somebody deleted it while addresses were in use: no new ones come from it, and it goes with the last.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleting: bool,
}

impl Pool {
    /// A pool as it is if nothing but its name and prefix is said.
    #[must_use]
    pub fn new(name: impl Into<String>, cidr: IpNetwork) -> Self {
        Self {
            name: name.into(),
            cidr,
            block_size: default_block_size(Family::of_network(&cidr)),
            disabled: false,
            assignment_mode: AssignmentMode::default(),
            node_selector: None,
            namespace_selector: None,
            allowed_uses: default_uses(),
            deleting: false,
        }
    }

    /// Its family.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of_network(&self.cidr)
    }
}

fn default_uses() -> BTreeSet<Use> {
    BTreeSet::from([Use::Workload, Use::Tunnel])
}

fn is_default(uses: &BTreeSet<Use>) -> bool {
    *uses == default_uses()
}

/// Who may get addresses from a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AssignmentMode {
    /// Everyone.
    #[default]
    Automatic,
    /// Only who asks for the pool by its name, or for a certain address.
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
    node_selector: Option<Selector>,
    namespace_selector: Option<Selector>,
    #[serde(default = "default_uses")]
    allowed_uses: BTreeSet<Use>,
    #[serde(default)]
    deleting: bool,
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
        let PoolSpec {
            cidr,
            block_size,
            disabled,
            assignment_mode,
            node_selector,
            namespace_selector,
            allowed_uses,
            deleting,
        } = spec;
        let block_size = block_size.unwrap_or_else(|| default_block_size(Family::of_network(&cidr)));
        Self {
            name: String::new(),
            cidr,
            block_size,
            disabled,
            assignment_mode,
            node_selector,
            namespace_selector,
            allowed_uses,
            deleting,
        }
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
    problems.extend(problems_of_uses(pool));
    problems
}

fn problems_of_uses(pool: &Pool) -> Option<PoolError> {
    if pool.allowed_uses.is_empty() {
        return Some(PoolError::NoUses);
    }
    if !pool.allowed_uses.contains(&Use::LoadBalancer) {
        return None;
    }
    if pool.allowed_uses.len() > 1 {
        return Some(PoolError::MixedUses);
    }
    let selector = pool.node_selector.as_ref().filter(|selector| !selector.selects_all())?;
    Some(PoolError::LoadBalancerNodes { selector: selector.clone() })
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

/// Which pools share addresses with another of a lesser name, and with which first. Nobody may apply such a pool, but two may
/// have done so at the same time.
pub(crate) fn overlaps(pools: &BTreeMap<String, Pool>) -> BTreeMap<String, String> {
    let overlapping = |(index, pool): (usize, &Pool)| {
        let other = pools.values().take(index).find(|other| family::overlap(&other.cidr, &pool.cidr))?;
        Some((pool.name.clone(), other.name.clone()))
    };
    pools.values().enumerate().filter_map(overlapping).collect()
}

#[cfg(test)]
mod tests;
