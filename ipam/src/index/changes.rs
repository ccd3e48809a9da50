//! What two states differ in: addresses that came into use, and those that were given back.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::{Holding, Index};
use crate::block::Block;

/// Something that happened to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// In use now, or still in use but otherwise than before.
    Assigned(Holding<'a>),
    /// As it was before it was given back.
    Released(Holding<'a>),
}

/// What happened between two states of one block, `None` being its absence: first what was given back, then
/// what came into use, each ascending. An address that changed hands is in both.
#[must_use]
pub fn changes<'a>(before: Option<&'a Block>, after: Option<&'a Block>) -> Vec<Change<'a>> {
    let is_same_hand = |a: &Holding<'_>, b: &Holding<'_>| {
        a.allocation.handle == b.allocation.handle && a.allocation.sequence == b.allocation.sequence
    };
    let released =
        holdings(before).filter(|old| !at(after, old.address).is_some_and(|new| is_same_hand(old, &new)));
    let is_told = |new: &Holding<'_>| {
        at(before, new.address)
            .is_some_and(|old| old.allocation == new.allocation && old.borrowed_from() == new.borrowed_from())
    };
    let assigned = holdings(after).filter(|new| !is_told(new));
    released.map(Change::Released).chain(assigned.map(Change::Assigned)).collect()
}

fn holdings(block: Option<&Block>) -> impl Iterator<Item = Holding<'_>> {
    block.into_iter().flat_map(|block| {
        block.allocations().map(move |(address, allocation)| Holding { address, allocation, block })
    })
}

fn at(block: Option<&Block>, address: IpAddr) -> Option<Holding<'_>> {
    let block = block?;
    block.allocation(address).map(|allocation| Holding { address, allocation, block })
}

impl Index {
    /// What happened to addresses between that state and this, block by block.
    #[must_use]
    pub fn changes_since<'a>(&'a self, before: &'a Self) -> Vec<Change<'a>> {
        let cidrs: BTreeSet<&IpNetwork> = before.blocks.keys().chain(self.blocks.keys()).collect();
        let state = |index: &'a Self, cidr| index.blocks.get(cidr).map(|block| &block.value);
        cidrs.into_iter().flat_map(|cidr| changes(state(before, cidr), state(self, cidr))).collect()
    }
}
