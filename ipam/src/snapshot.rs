//! What a planner knows of the store, and what it wants written there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnetwork::IpNetwork;

use crate::affinity::Affinity;
use crate::block::Block;
use crate::configuration::Configuration;
use crate::family;
use crate::handle::Handle;
use crate::pool::{self, Pool};
use crate::purpose::LOAD_BALANCER_NODE;
use crate::reservation::Reservation;
use crate::reserved::Reserved;

/// The store's count of writes at which a record was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// Which record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A block.
    Block(IpNetwork),
    /// A node's claim to a block.
    Affinity(String, IpNetwork),
    /// A holder of addresses.
    Handle(String),
}

impl Key {
    /// Name of the record in a store: unique among those of its kind, and for blocks and affinities a DNS-1123
    /// subdomain if the node's name is one. That of [`LOAD_BALANCER_NODE`] is not, on purpose; its claims have names that
    /// end as those of no node do.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Block(cidr) => block_name(cidr),
            Self::Affinity(node, cidr) if node == LOAD_BALANCER_NODE => {
                format!("{}.virtual-load-balancer", block_name(cidr))
            }
            Self::Affinity(node, cidr) => format!("{node}.{}", block_name(cidr)),
            Self::Handle(id) => id.clone(),
        }
    }
}

/// Name of a block's record: `10-244-0-64-26`, `fd00-0-0-0-0-0-0-40-122`.
#[must_use]
pub fn block_name(cidr: &IpNetwork) -> String {
    match cidr {
        IpNetwork::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            format!("{a}-{b}-{c}-{d}-{}", v4.prefix())
        }
        IpNetwork::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            format!("{a:x}-{b:x}-{c:x}-{d:x}-{e:x}-{f:x}-{g:x}-{h:x}-{}", v6.prefix())
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(cidr) => write!(formatter, "block {cidr}"),
            Self::Affinity(node, cidr) => write!(formatter, "affinity of {node} to {cidr}"),
            Self::Handle(id) => write!(formatter, "handle {id}"),
        }
    }
}

/// A record that plans write. (Pools are written by people.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A block.
    Block(Block),
    /// A node's claim to a block.
    Affinity(Affinity),
    /// A holder of addresses.
    Handle(Handle),
}

impl Record {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Block(block) => Key::Block(block.cidr()),
            Self::Affinity(affinity) => Key::Affinity(affinity.node.clone(), affinity.cidr),
            Self::Handle(handle) => Key::Handle(handle.id.clone()),
        }
    }
}

/// One compare-and-swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Which record.
    pub key: Key,
    /// The revision that it must have; `None`: there must be no such record.
    pub expected: Option<Revision>,
    /// What to write; `None`: delete it.
    pub value: Option<Record>,
}

/// A value and when it was last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// When.
    pub revision: Revision,
    /// The value.
    pub value: T,
}

/// How much of the store a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// All pools and reservations, the configuration, the asked handle, and every block that it names, read after it and
    /// after the request came: what a handle holds already is answered without a write, hence without a comparison. Any
    /// part of the rest, perhaps outdated.
    #[default]
    Part,
    /// Everything, read after the request came.
    All,
}

/// What a planner knows of the store.
///
/// Records may have been read at different times, and may be outdated: compare-and-swap makes up for that. But
/// nothing compares *absence*, so a block may only be missing here if it was looked for after the handles and
/// affinities were read that name it. Read handles first, then affinities, then blocks.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// How much of the store this is.
    pub scope: Scope,
    pools: BTreeMap<String, Pool>,
    /// Pools that share addresses with another of a lesser name, and which that is.
    overlaps: BTreeMap<String, String>,
    reserved: Reserved,
    configuration: Configuration,
    blocks: BTreeMap<IpNetwork, Versioned<Block>>,
    /// Blocks that are there, or claimed, and of which nobody knows more.
    unreadable: BTreeSet<IpNetwork>,
    affinities: BTreeMap<String, BTreeMap<IpNetwork, Versioned<Affinity>>>,
    handles: BTreeMap<String, Versioned<Handle>>,
}

impl Snapshot {
    /// Everything in the store, as soon as the records have been put in.
    #[must_use]
    pub fn all() -> Self {
        Self { scope: Scope::All, ..Self::default() }
    }

    /// Replaces all pools.
    pub fn set_pools(&mut self, pools: impl IntoIterator<Item = Pool>) {
        self.pools = pools.into_iter().map(|pool| (pool.name.clone(), pool)).collect();
        self.overlaps = pool::overlaps(&self.pools);
    }

    /// Replaces all reservations.
    pub fn set_reservations(&mut self, reservations: impl IntoIterator<Item = Reservation>) {
        self.reserved = Reserved::new(reservations);
    }

    /// Replaces what holds for all of IPAM.
    pub fn set_configuration(&mut self, configuration: Configuration) {
        self.configuration = configuration;
    }

    /// Adds or replaces a record as it is in the store at `revision`.
    pub fn put(&mut self, record: Record, revision: Revision) {
        match record {
            Record::Block(value) => {
                self.blocks.insert(value.cidr(), Versioned { revision, value });
            }
            Record::Affinity(value) => {
                let of_node = self.affinities.entry(value.node.clone()).or_default();
                of_node.insert(value.cidr, Versioned { revision, value });
            }
            Record::Handle(value) => {
                self.handles.insert(value.id.clone(), Versioned { revision, value });
            }
        }
    }

    /// Replaces the blocks whose records, or claims, are in the store and cannot be understood: they are taken, and no plan
    /// touches them.
    pub fn set_unreadable(&mut self, blocks: impl IntoIterator<Item = IpNetwork>) {
        self.unreadable = blocks.into_iter().collect();
        let unreadable = &self.unreadable;
        self.blocks.retain(|cidr, _| !unreadable.contains(cidr));
        for claims in self.affinities.values_mut() {
            claims.retain(|cidr, _| !unreadable.contains(cidr));
        }
    }

    /// Whether this block is one of those.
    #[must_use]
    pub fn is_unreadable(&self, cidr: &IpNetwork) -> bool {
        self.unreadable.contains(cidr)
    }

    /// One of those that shares addresses with this prefix.
    #[must_use]
    pub fn unreadable_in(&self, cidr: &IpNetwork) -> Option<IpNetwork> {
        self.unreadable.iter().copied().find(|other| family::overlap(other, cidr))
    }

    /// Removes a record that is not in the store.
    pub fn remove(&mut self, key: &Key) {
        match key {
            Key::Block(cidr) => drop(self.blocks.remove(cidr)),
            Key::Affinity(node, cidr) => drop(self.affinities.get_mut(node).map(|own| own.remove(cidr))),
            Key::Handle(id) => drop(self.handles.remove(id)),
        }
    }

    /// Takes over a write that was committed at `revision` (of no meaning for deletions).
    pub fn apply(&mut self, write: &Write, revision: Revision) {
        match &write.value {
            Some(record) => self.put(record.clone(), revision),
            None => self.remove(&write.key),
        }
    }

    /// Becomes [`Scope::Part`], keeping beside what people write only what is `node`'s: what it needs for its next requests.
    pub fn keep_own(&mut self, node: &str) {
        self.scope = Scope::Part;
        self.handles.clear();
        self.affinities.retain(|owner, _| owner == node);
        self.blocks.retain(|_, block| block.value.node() == node);
    }

    /// Its pools, by name.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.pools.values()
    }

    /// The pool of this name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.get(name)
    }

    /// The pool of lesser name that shares addresses with this one. Nothing is then given out from this one: an
    /// address must not be in two blocks.
    #[must_use]
    pub fn overlapped_by(&self, pool: &str) -> Option<&Pool> {
        self.pools.get(self.overlaps.get(pool)?)
    }

    /// What is reserved.
    #[must_use]
    pub const fn reserved(&self) -> &Reserved {
        &self.reserved
    }

    /// What holds for all of IPAM.
    #[must_use]
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// Its blocks, ascending.
    pub fn blocks(&self) -> impl Iterator<Item = &Versioned<Block>> {
        self.blocks.values()
    }

    /// Its affinities, by node and block.
    pub fn affinities(&self) -> impl Iterator<Item = &Versioned<Affinity>> {
        self.affinities.values().flat_map(BTreeMap::values)
    }

    /// The claims of this node, ascending.
    pub fn affinities_of(&self, node: &str) -> impl Iterator<Item = &Versioned<Affinity>> {
        self.affinities.get(node).into_iter().flat_map(BTreeMap::values)
    }

    /// Its handles, by id.
    pub fn handles(&self) -> impl Iterator<Item = &Versioned<Handle>> {
        self.handles.values()
    }

    /// This block.
    #[must_use]
    pub fn block(&self, cidr: &IpNetwork) -> Option<&Versioned<Block>> {
        self.blocks.get(cidr)
    }

    /// This claim.
    #[must_use]
    pub fn affinity(&self, node: &str, cidr: &IpNetwork) -> Option<&Versioned<Affinity>> {
        self.affinities.get(node)?.get(cidr)
    }

    /// This handle.
    #[must_use]
    pub fn handle(&self, id: &str) -> Option<&Versioned<Handle>> {
        self.handles.get(id)
    }

    /// The blocks that share an address with `cidr`. Stored blocks never overlap each other, so at most one
    /// begins before `cidr` and reaches into it.
    pub(crate) fn blocks_in<'s>(
        &'s self,
        cidr: &IpNetwork,
    ) -> impl Iterator<Item = &'s Versioned<Block>> + use<'s> {
        let cidr = *cidr;
        let before = self.blocks.range(..cidr).next_back();
        let from = self.blocks.range(cidr..).take_while(move |(start, _)| cidr.contains(start.network()));
        before
            .into_iter()
            .filter(move |(start, _)| crate::family::overlap(start, &cidr))
            .chain(from)
            .map(|(_, b)| b)
    }
}

#[cfg(test)]
mod tests;
