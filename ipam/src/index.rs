//! Everything that the store says about addresses, kept up to date change by change, and what can be asked of
//! it.
//!
//! Feed it with a listing, then with every change that a watch tells; it holds what *is*, never what
//! happened. Each allocation is in memory once, inside its block: who has an address is found by the block
//! that contains it, and what a node uses by a small count per node and block, which also covers what the
//! node borrows from blocks of others. Handles are packed, since nearly all of them name one block.
//!
//! - this file: the records, and what follows from them;
//! - `query`: who has an address, lists in pages;
//! - `utilisation`: how full pools are, and on which nodes;
//! - `changes`: what two states differ in, for those who watch allocations.
//!
//! Invariant: the counts follow from the blocks alone; after any sequence of changes an index equals one that
//! was fed with the outcome only.
//!
//! Deliberately absent: how fresh it is. Whoever feeds it knows, and whoever writes by it compares and swaps.

mod changes;
mod query;
mod utilisation;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use ipnetwork::IpNetwork;

pub use changes::{Change, changes};
pub use query::{Cursor, Filter, Holding, InvalidCursor};
pub use utilisation::{NodeUtilisation, PoolUtilisation};

use crate::affinity::Affinity;
use crate::block::Block;
use crate::configuration::Configuration;
use crate::family::Family;
use crate::handle::Handle;
use crate::pool::Pool;
use crate::reservation::Reservation;
use crate::reserved::Reserved;
use crate::snapshot::{Key, Record, Revision, Scope, Snapshot, Versioned};
use crate::standby;

/// Everything that the store says about addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    pools: BTreeMap<String, Pool>,
    reservations: BTreeMap<String, Reservation>,
    /// The reservations together.
    reserved: Reserved,
    configuration: Configuration,
    blocks: BTreeMap<IpNetwork, Versioned<Block>>,
    /// How many blocks have this prefix length.
    sizes: BTreeMap<(Family, u8), u32>,
    handles: BTreeMap<Box<str>, Holder>,
    nodes: BTreeMap<String, Node>,
}

/// A handle's record without its id, which is its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) revision: Revision,
    /// Block and how many addresses of it, ascending.
    pub(crate) blocks: Box<[(IpNetwork, u32)]>,
}

/// What one node has to do with blocks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Node {
    /// The blocks that it owns or uses addresses of.
    shares: BTreeMap<IpNetwork, Share>,
    /// What it claims, by the record of the claim.
    claims: BTreeMap<IpNetwork, Versioned<Affinity>>,
}

/// What one node has of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Share {
    is_owner: bool,
    /// Addresses that are used on the node.
    used: u32,
    /// Of those, how many are kept ready only.
    standby: u32,
}

impl Index {
    /// Takes over another state of everything, made from a new listing, and gives the former one back: the
    /// two can be compared by [`Index::changes_since`].
    pub fn replace_all(&mut self, next: Self) -> Self {
        std::mem::replace(self, next)
    }

    /// Adds or replaces a pool.
    pub fn put_pool(&mut self, pool: Pool) {
        self.pools.insert(pool.name.clone(), pool);
    }

    /// Removes a pool. Its blocks stay.
    pub fn remove_pool(&mut self, name: &str) {
        self.pools.remove(name);
    }

    /// Adds or replaces a reservation.
    pub fn put_reservation(&mut self, reservation: Reservation) {
        self.reservations.insert(reservation.name.clone(), reservation);
        self.reserved = Reserved::new(self.reservations.values().cloned());
    }

    /// Removes a reservation.
    pub fn remove_reservation(&mut self, name: &str) {
        self.reservations.remove(name);
        self.reserved = Reserved::new(self.reservations.values().cloned());
    }

    /// Replaces what holds for all; the default if there is no such object any more.
    pub fn set_configuration(&mut self, configuration: Configuration) {
        self.configuration = configuration;
    }

    /// Adds or replaces a record as it is in the store at `revision`. Of a block, gives the former state back
    /// (see [`changes`]).
    pub fn put(&mut self, record: Record, revision: Revision) -> Option<Block> {
        match record {
            Record::Block(value) => {
                let former = self.remove_block(&value.cidr());
                self.count(&value);
                self.blocks.insert(value.cidr(), Versioned { revision, value });
                former
            }
            Record::Affinity(value) => {
                let node = self.nodes.entry(value.node.clone()).or_default();
                node.claims.insert(value.cidr, Versioned { revision, value });
                None
            }
            Record::Handle(Handle { id, blocks }) => {
                let blocks = blocks.into_iter().collect();
                self.handles.insert(id.into_boxed_str(), Holder { revision, blocks });
                None
            }
        }
    }

    /// Removes a record that is no more in the store. Of a block, gives the last state back.
    pub fn remove(&mut self, key: &Key) -> Option<Block> {
        match key {
            Key::Block(cidr) => self.remove_block(cidr),
            Key::Affinity(node, cidr) => {
                self.at_node(node, |node| {
                    node.claims.remove(cidr);
                });
                None
            }
            Key::Handle(id) => {
                self.handles.remove(id.as_str());
                None
            }
        }
    }

    /// A copy for the planner, of all but the handles that are not asked for: those are many, and no plan
    /// looks at others than its own. As outdated as the index is, whatever `scope` claims.
    #[must_use]
    pub fn snapshot<'a>(&self, scope: Scope, handles: impl IntoIterator<Item = &'a str>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.scope = scope;
        snapshot.set_pools(self.pools.values().cloned());
        snapshot.set_reservations(self.reservations.values().cloned());
        snapshot.set_configuration(self.configuration.clone());
        for block in self.blocks.values() {
            snapshot.put(Record::Block(block.value.clone()), block.revision);
        }
        for affinity in self.affinities() {
            snapshot.put(Record::Affinity(affinity.value.clone()), affinity.revision);
        }
        for handle in handles.into_iter().filter_map(|id| self.handle(id)) {
            snapshot.put(Record::Handle(handle.value), handle.revision);
        }
        snapshot
    }

    fn remove_block(&mut self, cidr: &IpNetwork) -> Option<Block> {
        let former = self.blocks.remove(cidr)?.value;
        if let Entry::Occupied(mut size) = self.sizes.entry((Family::of_network(cidr), cidr.prefix())) {
            *size.get_mut() -= 1;
            if *size.get() == 0 {
                size.remove();
            }
        }
        for node in users(&former).into_keys() {
            self.at_node(node, |node| {
                node.shares.remove(cidr);
            });
        }
        Some(former)
    }

    fn count(&mut self, block: &Block) {
        let cidr = block.cidr();
        *self.sizes.entry((Family::of_network(&cidr), cidr.prefix())).or_default() += 1;
        for (name, share) in users(block) {
            if let Some(node) = self.nodes.get_mut(name) {
                node.shares.insert(cidr, share);
            } else {
                let shares = BTreeMap::from([(cidr, share)]);
                self.nodes.insert(name.to_owned(), Node { shares, claims: BTreeMap::new() });
            }
        }
    }

    /// Changes what a node has, and forgets it with the last of that.
    fn at_node(&mut self, name: &str, change: impl FnOnce(&mut Node)) {
        let Some(node) = self.nodes.get_mut(name) else { return };
        change(node);
        if node.shares.is_empty() && node.claims.is_empty() {
            self.nodes.remove(name);
        }
    }
}

/// The nodes that have to do with a block, and what each has of it; the owner even if it uses nothing.
fn users(block: &Block) -> BTreeMap<&str, Share> {
    let owner = Share { is_owner: true, ..Share::default() };
    let mut users = BTreeMap::from([(block.node(), owner)]);
    for (_, allocation) in block.allocations() {
        let share = users.entry(allocation.attributes.node.as_str()).or_default();
        share.used += 1;
        share.standby += u32::from(standby::is_handle(&allocation.handle));
    }
    users
}

fn is_within(pool: Option<IpNetwork>, block: &IpNetwork) -> bool {
    pool.is_none_or(|pool| pool.contains(block.network()))
}

#[cfg(test)]
mod tests;
