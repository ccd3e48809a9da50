//! A block of addresses: the record that decides who owns the block and who holds its addresses.
//!
//! Every ordinal is usable, the first and the last as well: pod addresses are routed as /32 and /128, there
//! is no subnet and so no network or broadcast address in it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::family::{self, Family};
use crate::ordinals::{Ordinal, Ordinals};

/// For whom an address is used; for people and for clean-up, never for deciding.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attributes {
    /// The node where it is used.
    pub node: String,
    /// The pod's Kubernetes namespace; empty if it is no pod's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The pod's name; empty if it is no pod's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pod: String,
    /// The interface inside the container.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub interface: String,
}

/// One address in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allocation {
    /// Who holds it.
    pub handle: String,
    /// For whom.
    pub attributes: Attributes,
}

/// A block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "StoredBlock")]
pub struct Block {
    cidr: IpNetwork,
    node: String,
    allocations: BTreeMap<Ordinal, Allocation>,
    unallocated: Ordinals,
    sequence: u64,
}

/// A block's record as found, not yet trusted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredBlock {
    cidr: IpNetwork,
    node: String,
    #[serde(default)]
    allocations: BTreeMap<Ordinal, Allocation>,
    unallocated: Ordinals,
    sequence: u64,
}

/// A block's record that contradicts itself. Nothing may be allocated from it until a human has looked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorruptBlock {
    /// Its prefix has host bits, or is larger than any block.
    #[error("block {0} is no block: its prefix must be masked, and hold at most 4096 addresses")]
    Prefix(IpNetwork),
    /// An ordinal is both free and in use, missing, repeated or beyond the end.
    #[error("block {block}: each of its ordinals must be free or in use exactly once, but {ordinal} is not")]
    Ordinal {
        /// The block.
        block: IpNetwork,
        /// The first such ordinal.
        ordinal: Ordinal,
    },
}

/// Addresses in the largest block.
const LARGEST: u32 = 4096;

impl Block {
    /// A fresh block of `node`, all free. `cidr` must be masked and hold at most 4096 addresses.
    ///
    /// # Errors
    /// If `cidr` is not that.
    pub fn new(cidr: IpNetwork, node: &str) -> Result<Self, CorruptBlock> {
        let size = size(&cidr).filter(|_| cidr.ip() == cidr.network()).ok_or(CorruptBlock::Prefix(cidr))?;
        Ok(Self {
            cidr,
            node: node.to_owned(),
            allocations: BTreeMap::new(),
            unallocated: Ordinals::ascending(size),
            sequence: 0,
        })
    }

    /// Its prefix.
    #[must_use]
    pub const fn cidr(&self) -> IpNetwork {
        self.cidr
    }

    /// Its owner.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Counts its rewrites, so that two states with the same allocations differ.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Addresses it has.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.used() + self.unallocated.len()
    }

    /// Addresses in use.
    #[must_use]
    pub fn used(&self) -> u32 {
        u32::try_from(self.allocations.len()).unwrap_or(u32::MAX)
    }

    /// Whether an address is free.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.unallocated.is_empty()
    }

    /// Addresses in use, ascending.
    pub fn allocations(&self) -> impl Iterator<Item = (IpAddr, &Allocation)> {
        self.allocations.iter().map(|(ordinal, allocation)| (self.address(*ordinal), allocation))
    }

    /// Who holds this address.
    #[must_use]
    pub fn allocation(&self, address: IpAddr) -> Option<&Allocation> {
        self.allocations.get(&self.ordinal(address)?)
    }

    /// The addresses that `handle` holds here.
    pub fn held_by<'a>(&'a self, handle: &'a str) -> impl Iterator<Item = IpAddr> + 'a {
        self.allocations()
            .filter(move |(_, allocation)| allocation.handle == handle)
            .map(|(address, _)| address)
    }

    /// The address that has been free for longest.
    #[must_use]
    pub fn next_free(&self) -> Option<IpAddr> {
        self.unallocated.front().map(|ordinal| self.address(ordinal))
    }

    /// This block with `address` taken; `None` if it is not free here.
    #[must_use]
    pub fn taking(&self, address: IpAddr, allocation: Allocation) -> Option<Self> {
        let ordinal = self.ordinal(address)?;
        let mut next = self.touched();
        next.unallocated.take(ordinal).then(|| {
            next.allocations.insert(ordinal, allocation);
            next
        })
    }

    /// This block without anything held by `handle`, and what that was.
    #[must_use]
    pub fn releasing(&self, handle: &str) -> (Self, Vec<IpAddr>) {
        let mut next = self.touched();
        let mut released = Vec::new();
        next.allocations.retain(|ordinal, allocation| {
            let keep = allocation.handle != handle;
            if !keep {
                released.push(*ordinal);
            }
            keep
        });
        for ordinal in &released {
            next.unallocated.push(*ordinal);
        }
        (next, released.into_iter().map(|ordinal| self.address(ordinal)).collect())
    }

    /// The same allocations, written once more: whoever read the block before will fail to write it.
    #[must_use]
    pub fn touched(&self) -> Self {
        Self { sequence: self.sequence.wrapping_add(1), ..self.clone() }
    }

    fn address(&self, ordinal: Ordinal) -> IpAddr {
        let base = family::to_number(self.cidr.network());
        family::from_number(Family::of_network(&self.cidr), base + u128::from(ordinal))
    }

    fn ordinal(&self, address: IpAddr) -> Option<Ordinal> {
        if !self.cidr.contains(address) {
            return None;
        }
        Ordinal::try_from(family::to_number(address) - family::to_number(self.cidr.network())).ok()
    }
}

impl TryFrom<StoredBlock> for Block {
    type Error = CorruptBlock;

    fn try_from(stored: StoredBlock) -> Result<Self, Self::Error> {
        let StoredBlock { cidr, node, allocations, unallocated, sequence } = stored;
        let size = size(&cidr).filter(|_| cidr.ip() == cidr.network()).ok_or(CorruptBlock::Prefix(cidr))?;
        let mut seen = vec![false; usize::try_from(size).unwrap_or(0)];
        for ordinal in allocations.keys().copied().chain(unallocated.iter()) {
            match seen.get_mut(usize::from(ordinal)) {
                Some(seen) if !*seen => *seen = true,
                Some(_) | None => return Err(CorruptBlock::Ordinal { block: cidr, ordinal }),
            }
        }
        match seen.iter().position(|seen| !seen) {
            Some(missing) => {
                let ordinal = Ordinal::try_from(missing).unwrap_or(Ordinal::MAX);
                Err(CorruptBlock::Ordinal { block: cidr, ordinal })
            }
            None => Ok(Self { cidr, node, allocations, unallocated, sequence }),
        }
    }
}

/// Addresses of a prefix, if it is small enough to be a block.
fn size(cidr: &IpNetwork) -> Option<u32> {
    let host_bits = Family::of_network(cidr).bits() - cidr.prefix();
    1u32.checked_shl(u32::from(host_bits)).filter(|size| *size <= LARGEST && host_bits < 32)
}

#[cfg(test)]
mod tests;
