//! Questions: single records, who has an address, and lists that go on from where a page ended.

use std::fmt;
use std::net::IpAddr;
use std::ops::Bound;
use std::str::FromStr;

use ipnetwork::IpNetwork;

use super::{Holder, Index, is_within};
use crate::affinity::Affinity;
use crate::block::{Allocation, Block};
use crate::configuration::Configuration;
use crate::family::{self, Family};
use crate::handle::Handle;
use crate::pool::Pool;
use crate::reservation::Reservation;
use crate::reserved::Reserved;
use crate::snapshot::Versioned;
use crate::usage;

/// An address in use, where it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding<'a> {
    /// The address.
    pub address: IpAddr,
    /// Who holds it, and for whom.
    pub allocation: &'a Allocation,
    /// The block that it belongs to.
    pub block: &'a Block,
}

impl<'a> Holding<'a> {
    /// The node that has the block, where that is not the one that uses the address.
    #[must_use]
    pub fn borrowed_from(&self) -> Option<&'a str> {
        Some(self.block.node()).filter(|owner| *owner != self.allocation.attributes.node)
    }

    /// Where a list goes on after this one.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor { block: self.block.cidr(), address: self.address }
    }
}

/// Where a list of allocations goes on, written `10.244.0.7@10.244.0.0/26`. It stays good whatever is taken
/// or given back meanwhile: what is listed twice or not at all has itself changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    block: IpNetwork,
    address: IpAddr,
}

/// Text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no place in a list of allocations; begin the list again")]
pub struct InvalidCursor(String);

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.address, self.block)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('@');
        let cursor = parts.and_then(|(address, block)| {
            Some(Self { block: block.parse().ok()?, address: address.parse().ok()? })
        });
        cursor.ok_or_else(|| InvalidCursor(text.to_owned()))
    }
}

/// Which allocations to list: those for which all that is given here holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter<'a> {
    /// Used on this node.
    pub node: Option<&'a str>,
    /// Of this pool, by name.
    pub pool: Option<&'a str>,
    /// For a pod of this Kubernetes namespace.
    pub namespace: Option<&'a str>,
    /// Held by this.
    pub handle: Option<&'a str>,
}

impl Filter<'_> {
    fn lets_through(&self, allocation: &Allocation) -> bool {
        let Allocation { handle, attributes, .. } = allocation;
        let equal = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        equal(self.node, &attributes.node)
            && equal(self.namespace, &attributes.namespace)
            && equal(self.handle, handle)
    }
}

impl Index {
    /// What holds for all.
    #[must_use]
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The pools, by name.
    pub fn pools(&self) -> impl ExactSizeIterator<Item = &Pool> {
        self.pools.values()
    }

    /// This pool.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.get(name)
    }

    /// The pool that an address lies in.
    #[must_use]
    pub fn pool_of(&self, address: IpAddr) -> Option<&Pool> {
        self.pools().find(|pool| pool.cidr.contains(address))
    }

    /// The pool that a block was cut from.
    #[must_use]
    pub fn pool_of_block(&self, block: &Block) -> Option<&Pool> {
        self.pools().find(|pool| usage::holds(pool, block))
    }

    /// The reservations, by name.
    pub fn reservations(&self) -> impl ExactSizeIterator<Item = &Reservation> {
        self.reservations.values()
    }

    /// What they reserve together.
    #[must_use]
    pub const fn reserved(&self) -> &Reserved {
        &self.reserved
    }

    /// This block.
    #[must_use]
    pub fn block(&self, cidr: &IpNetwork) -> Option<&Versioned<Block>> {
        self.blocks.get(cidr)
    }

    /// Every claim, by node and block.
    pub fn affinities(&self) -> impl Iterator<Item = &Versioned<Affinity>> {
        self.nodes.values().flat_map(|node| node.claims.values())
    }

    /// This claim.
    #[must_use]
    pub fn affinity(&self, node: &str, cidr: &IpNetwork) -> Option<&Versioned<Affinity>> {
        self.nodes.get(node)?.claims.get(cidr)
    }

    /// This handle.
    #[must_use]
    pub fn handle(&self, id: &str) -> Option<Versioned<Handle>> {
        let Holder { revision, blocks } = self.handles.get(id)?;
        let value = Handle { id: id.to_owned(), blocks: blocks.iter().copied().collect() };
        Some(Versioned { revision: *revision, value })
    }

    /// Every handle, by id.
    pub(crate) fn holders(&self) -> impl ExactSizeIterator<Item = (&str, &Holder)> {
        self.handles.iter().map(|(id, holder)| (&**id, holder))
    }

    /// Who has this address.
    #[must_use]
    pub fn who_has(&self, address: IpAddr) -> Option<Holding<'_>> {
        self.holdings_at(address).next()
    }

    /// The block that this address belongs to, in use or not.
    #[must_use]
    pub fn block_of(&self, address: IpAddr) -> Option<&Versioned<Block>> {
        self.blocks_at(address).next()
    }

    /// Everyone who has this address: more than one only where blocks overlap.
    pub(crate) fn holdings_at(&self, address: IpAddr) -> impl Iterator<Item = Holding<'_>> {
        self.blocks_at(address).filter_map(move |block| {
            let block = &block.value;
            block.allocation(address).map(|allocation| Holding { address, allocation, block })
        })
    }

    /// The blocks that contain this address, the largest first: one look-up for each size that blocks have,
    /// which needs no pool, and no promise that blocks do not overlap.
    fn blocks_at(&self, address: IpAddr) -> impl Iterator<Item = &Versioned<Block>> {
        let family = Family::of(address);
        let sizes = self.sizes.range((family, 0)..=(family, u8::MAX));
        sizes.filter_map(move |((_, size), _)| self.blocks.get(&family::enclosing(address, *size)?))
    }

    /// Blocks, ascending, optionally only those of one node or pool, after that one.
    pub fn blocks<'f, 'a: 'f>(
        &'a self,
        node: Option<&'f str>,
        pool: Option<&'f str>,
        after: Option<IpNetwork>,
    ) -> impl Iterator<Item = &'a Versioned<Block>> + 'f {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found: Box<dyn Iterator<Item = &'a Versioned<Block>> + 'f> = match node {
            Some(_) => Box::new(
                self.shared_with(node, pool, after).filter(move |block| node == Some(block.value.node())),
            ),
            None => self.in_pool(pool, after),
        };
        found
    }

    /// Addresses in use, ascending, after that place in the list.
    ///
    /// One node's are found without looking at the blocks of others.
    pub fn allocations<'f, 'a: 'f>(
        &'a self,
        filter: Filter<'f>,
        after: Option<Cursor>,
    ) -> impl Iterator<Item = Holding<'a>> + 'f {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Included(after.block));
        let blocks: Box<dyn Iterator<Item = &'a Versioned<Block>> + 'f> = match filter.node {
            Some(_) => Box::new(self.shared_with(filter.node, filter.pool, from)),
            None => self.in_pool(filter.pool, from),
        };
        blocks
            .flat_map(|block| {
                let block = &block.value;
                let holdings = block.allocations();
                holdings.map(move |(address, allocation)| Holding { address, allocation, block })
            })
            .filter(move |holding| filter.lets_through(holding.allocation))
            .skip_while(move |holding| {
                after.is_some_and(|after| {
                    after.block == holding.block.cidr() && after.address >= holding.address
                })
            })
    }

    /// The blocks of a pool, or all. Blocks of a pool follow each other, and none comes before the pool's own
    /// prefix.
    fn in_pool(
        &self,
        pool: Option<&str>,
        from: Bound<IpNetwork>,
    ) -> Box<dyn Iterator<Item = &Versioned<Block>> + '_> {
        let Some((from, within)) = self.narrowed(pool, from) else { return Box::new(std::iter::empty()) };
        let range = self.blocks.range((from, Bound::Unbounded));
        Box::new(range.take_while(move |(cidr, _)| is_within(within, cidr)).map(|(_, block)| block))
    }

    /// The blocks that a node owns or uses addresses of.
    fn shared_with(
        &self,
        node: Option<&str>,
        pool: Option<&str>,
        from: Bound<IpNetwork>,
    ) -> impl Iterator<Item = &Versioned<Block>> + use<'_> {
        let node = node.and_then(|node| self.nodes.get(node));
        let narrowed = node.zip(self.narrowed(pool, from));
        let shares = narrowed.into_iter().flat_map(|(node, (from, within))| {
            let range = node.shares.range((from, Bound::Unbounded));
            range.take_while(move |(cidr, _)| is_within(within, cidr))
        });
        shares.filter_map(|(cidr, _)| self.blocks.get(cidr))
    }

    /// Where to begin, and which prefix to stay in; `None` if there is no such pool.
    fn narrowed(
        &self,
        pool: Option<&str>,
        from: Bound<IpNetwork>,
    ) -> Option<(Bound<IpNetwork>, Option<IpNetwork>)> {
        let Some(name) = pool else { return Some((from, None)) };
        let pool = self.pool(name)?.cidr;
        let from = match from {
            Bound::Included(at) | Bound::Excluded(at) if at >= pool => from,
            Bound::Included(_) | Bound::Excluded(_) | Bound::Unbounded => Bound::Included(pool),
        };
        Some((from, Some(pool)))
    }
}
