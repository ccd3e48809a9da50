//! A block of addresses: the record that decides who owns the block and who holds its addresses.
//!
//! Every ordinal is usable, the first and the last as well: pod addresses are routed as /32 and /128, there
//! is no subnet and so no network or broadcast address in it.
//!
//! **Sequence.** Every rewrite counts up, and an allocation remembers the count of its taking: the same address given to
//! the same handle again has another number, so that whoever acts on what was seen earlier can be refused. A block
//! that is given back and created anew must not repeat the numbers of its former life; it starts at the microsecond of
//! its claim, which the former life could only have reached by a million rewrites a second. (Microseconds still fit
//! the 53 bits that every JSON parser keeps.) Two clocks that differ may repeat a number; then the handle differs, as
//! those are not used twice.
//!
//! **Rest.** An address that was given back is not given out again until the cooldown is over, as connection tracking
//! somewhere may still know it. The moment is from the clock of whoever gave it back. One whose clock is ahead must not
//! lock the address for that long: each rewrite pulls moments of its future back to its present, hence an address rests
//! at most one cooldown from the first rewrite afterwards, by the clock of that one. Until there is a rewrite it rests
//! on; the planner makes one where it finds nothing else ([`Block::is_ahead_of`]). A clock that is behind shortens the rest
//! by as much: nobody can tell.

mod handover;
mod resting;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::family::{self, Family};
use crate::ordinals::{Ordinal, Ordinals};
use crate::timestamp::Timestamp;
use resting::Resting;

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
    /// The block's count when it was taken, unique in the block's life; 0 if taken before there was one.
    #[serde(default)]
    pub sequence: u64,
}

/// A block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "StoredBlock")]
pub struct Block {
    cidr: IpNetwork,
    node: String,
    /// Shared by the states of a block, as a rewrite changes one of them and memory holds several.
    allocations: BTreeMap<Ordinal, Arc<Allocation>>,
    unallocated: Ordinals,
    sequence: u64,
    claimed_at: Timestamp,
    #[serde(skip_serializing_if = "Resting::is_empty")]
    released: Resting,
}

/// A block's record as found, not yet trusted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredBlock {
    cidr: IpNetwork,
    node: String,
    #[serde(default)]
    allocations: BTreeMap<Ordinal, Arc<Allocation>>,
    unallocated: Ordinals,
    sequence: u64,
    #[serde(default)]
    claimed_at: Timestamp,
    #[serde(default)]
    released: Resting,
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
    /// An ordinal rests that is not free.
    #[error("block {block}: only what is free can rest after it was given back, but {ordinal} is not")]
    Resting {
        /// The block.
        block: IpNetwork,
        /// The first such ordinal.
        ordinal: Ordinal,
    },
}

/// Addresses in the largest block.
const LARGEST: u32 = 4096;

impl Block {
    /// A fresh block of `node`, claimed now, all free. `cidr` must be masked and hold at most 4096 addresses.
    ///
    /// # Errors
    /// If `cidr` is not that.
    pub fn new(cidr: IpNetwork, node: &str, now: Timestamp) -> Result<Self, CorruptBlock> {
        let size = size(&cidr).filter(|_| cidr.ip() == cidr.network()).ok_or(CorruptBlock::Prefix(cidr))?;
        Ok(Self {
            cidr,
            node: node.to_owned(),
            allocations: BTreeMap::new(),
            unallocated: Ordinals::ascending(size),
            sequence: now.0.saturating_mul(1000),
            claimed_at: now,
            released: Resting::default(),
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

    /// When its node claimed it; 0 if that was before it was noted.
    #[must_use]
    pub const fn claimed_at(&self) -> Timestamp {
        self.claimed_at
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

    /// Addresses in use, ascending.
    pub fn allocations(&self) -> impl Iterator<Item = (IpAddr, &Allocation)> {
        self.allocations.iter().map(|(ordinal, allocation)| (self.address(*ordinal), allocation.as_ref()))
    }

    /// Who holds this address.
    #[must_use]
    pub fn allocation(&self, address: IpAddr) -> Option<&Allocation> {
        self.allocations.get(&self.ordinal(address)?).map(Arc::as_ref)
    }

    /// The addresses that `handle` holds here.
    pub fn held_by<'a>(&'a self, handle: &'a str) -> impl Iterator<Item = IpAddr> + 'a {
        self.allocations()
            .filter(move |(_, allocation)| allocation.handle == handle)
            .map(|(address, _)| address)
    }

    /// The addresses that can be given out, the one that has been free for longest first: neither in use nor resting,
    /// nor `reserved`.
    pub fn available(
        &self,
        now: Timestamp,
        cooldown: Duration,
        reserved: impl Fn(IpAddr) -> bool,
    ) -> impl Iterator<Item = IpAddr> {
        self.unallocated
            .iter()
            .filter(move |ordinal| self.released.until(*ordinal, now, cooldown).is_none())
            .map(|ordinal| self.address(ordinal))
            .filter(move |address| !reserved(*address))
    }

    /// The first of [`Block::available`].
    #[must_use]
    pub fn next_free(
        &self,
        now: Timestamp,
        cooldown: Duration,
        reserved: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        self.available(now, cooldown, reserved).next()
    }

    /// How many of its free addresses rest.
    #[must_use]
    pub fn cooling(&self, now: Timestamp, cooldown: Duration) -> u32 {
        self.released.count(now, cooldown).0
    }

    /// Until when the last of its resting addresses rests; `None` if none does.
    #[must_use]
    pub fn cools_until(&self, now: Timestamp, cooldown: Duration) -> Option<Timestamp> {
        self.released.count(now, cooldown).1
    }

    /// Until when this address rests; `None` if it does not, or is not free here.
    #[must_use]
    pub fn rests_until(&self, address: IpAddr, now: Timestamp, cooldown: Duration) -> Option<Timestamp> {
        self.released.until(self.ordinal(address)?, now, cooldown)
    }

    /// Whether an address was given back in what is the future for `now`, so that a rewrite would shorten its rest.
    #[must_use]
    pub fn is_ahead_of(&self, now: Timestamp) -> bool {
        self.released.is_ahead_of(now)
    }

    /// This block with `address` taken; `None` if it is not free here, or rests.
    #[must_use]
    pub fn taking(
        &self,
        address: IpAddr,
        handle: &str,
        attributes: &Attributes,
        now: Timestamp,
        cooldown: Duration,
    ) -> Option<Self> {
        let mut next = self.clone();
        next.take(address, handle, attributes, now, cooldown).then_some(next)
    }

    /// This block without anything held by `handle`, and what that was.
    #[must_use]
    pub fn releasing(&self, handle: &str, now: Timestamp) -> (Self, Vec<IpAddr>) {
        let mut next = self.clone();
        let released = next.release(handle, now);
        (next, released)
    }

    /// This block without the allocation of `address`, and what that was; `None` if it is not in use here.
    #[must_use]
    pub fn releasing_address(&self, address: IpAddr, now: Timestamp) -> Option<(Self, Allocation)> {
        let mut next = self.clone();
        let released = next.release_address(address, now)?;
        Some((next, released))
    }

    /// The same allocations, written once more: whoever read the block before will fail to write it.
    #[must_use]
    pub fn touched(&self, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.touch(now);
        next
    }

    /// [`Block::taking`], in place.
    pub(crate) fn take(
        &mut self,
        address: IpAddr,
        handle: &str,
        attributes: &Attributes,
        now: Timestamp,
        cooldown: Duration,
    ) -> bool {
        let Some(ordinal) = self.ordinal(address) else { return false };
        if self.released.until(ordinal, now, cooldown).is_some() || !self.unallocated.take(ordinal) {
            return false;
        }
        self.touch(now);
        self.released.end(ordinal);
        self.released.prune(now, cooldown);
        let (handle, attributes) = (handle.to_owned(), attributes.clone());
        let allocation = Allocation { handle, attributes, sequence: self.sequence };
        self.allocations.insert(ordinal, Arc::new(allocation));
        true
    }

    /// [`Block::releasing`], in place.
    pub(crate) fn release(&mut self, handle: &str, now: Timestamp) -> Vec<IpAddr> {
        self.touch(now);
        let held: Vec<IpAddr> = self.held_by(handle).collect();
        for address in &held {
            self.free(*address, now);
        }
        held
    }

    /// [`Block::releasing_address`], in place.
    pub(crate) fn release_address(&mut self, address: IpAddr, now: Timestamp) -> Option<Allocation> {
        let released = self.free(address, now)?;
        self.touch(now);
        Some(Arc::unwrap_or_clone(released))
    }

    /// [`Block::touched`], in place. A count that old records began anywhere wraps rather than stops.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.sequence = self.sequence.wrapping_add(1);
        self.released.clamp(now);
    }

    fn free(&mut self, address: IpAddr, now: Timestamp) -> Option<Arc<Allocation>> {
        let ordinal = self.ordinal(address)?;
        let allocation = self.allocations.remove(&ordinal)?;
        self.unallocated.push(ordinal);
        self.released.begin(ordinal, now);
        Some(allocation)
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
        let StoredBlock { cidr, node, allocations, unallocated, sequence, claimed_at, released } = stored;
        let size = size(&cidr).filter(|_| cidr.ip() == cidr.network()).ok_or(CorruptBlock::Prefix(cidr))?;
        let mut seen = vec![false; usize::try_from(size).unwrap_or(0)];
        for ordinal in allocations.keys().copied().chain(unallocated.iter()) {
            match seen.get_mut(usize::from(ordinal)) {
                Some(seen) if !*seen => *seen = true,
                Some(_) | None => return Err(CorruptBlock::Ordinal { block: cidr, ordinal }),
            }
        }
        if let Some(missing) = seen.iter().position(|seen| !seen) {
            let ordinal = Ordinal::try_from(missing).unwrap_or(Ordinal::MAX);
            return Err(CorruptBlock::Ordinal { block: cidr, ordinal });
        }
        let is_free = |ordinal| usize::from(ordinal) < seen.len() && !allocations.contains_key(&ordinal);
        if let Some(ordinal) = released.ordinals().find(|ordinal| !is_free(*ordinal)) {
            return Err(CorruptBlock::Resting { block: cidr, ordinal });
        }
        // Collected, a map takes half the memory of one that grew in ascending order.
        let allocations = allocations.into_iter().collect();
        Ok(Self { cidr, node, allocations, unallocated, sequence, claimed_at, released })
    }
}

/// Addresses of a prefix, if it is small enough to be a block.
fn size(cidr: &IpNetwork) -> Option<u32> {
    let host_bits = Family::of_network(cidr).bits() - cidr.prefix();
    1u32.checked_shl(u32::from(host_bits)).filter(|size| *size <= LARGEST && host_bits < 32)
}

#[cfg(test)]
mod tests;
