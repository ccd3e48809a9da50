//! What would be in the store if the writes planned so far were committed, and those writes.
//!
//! Each record is written once, with the revision that the snapshot knows, however many tasks of a batch change it. The
//! order of the writes is what makes every prefix of them safe:
//! 1. handles that hold something, or less than before: an address is never in a block before its handle names that;
//! 2. affinities that announce an intention (pending, pending deletion): a crash after them is continued or taken back;
//! 3. blocks, which decide; those that a handle names already before those that it will ([`Draft::fence`]);
//! 4. affinities that state a result (confirmed, gone): never before the block says the same;
//! 5. handles that go, when no block has anything of theirs.
//!
//! A claim needs its affinity twice, and so two batches: what a draft has changed of an affinity it does not touch again,
//! and tells whoever needs it to wait.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::affinity::{Affinity, AffinityState};
use crate::block::Block;
use crate::family::{self, Family};
use crate::handle::Handle;
use crate::snapshot::{Key, Record, Revision, Snapshot, Write};

/// A snapshot and what has been planned on top of it.
pub(super) struct Draft<'a> {
    snapshot: &'a Snapshot,
    /// Records as they are to be; `None`: gone.
    blocks: BTreeMap<IpNetwork, Option<Block>>,
    affinities: BTreeMap<(String, IpNetwork), Option<Affinity>>,
    handles: BTreeMap<String, Option<Handle>>,
    /// Blocks to be written before others, and some that must not be.
    first: BTreeSet<IpNetwork>,
    later: BTreeSet<IpNetwork>,
    /// What was written since somebody asked last.
    log: Vec<Key>,
}

/// A change of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Put(Record),
    Drop(Key),
}

impl<'a> Draft<'a> {
    pub(super) const fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            blocks: BTreeMap::new(),
            affinities: BTreeMap::new(),
            handles: BTreeMap::new(),
            first: BTreeSet::new(),
            later: BTreeSet::new(),
            log: Vec::new(),
        }
    }

    /// Puts the writes of some blocks before those of others. False if earlier tasks need it the other way round.
    pub(super) fn fence(&mut self, first: &BTreeSet<IpNetwork>, later: &BTreeSet<IpNetwork>) -> bool {
        if first.is_empty() || later.is_empty() {
            return true;
        }
        if !first.is_disjoint(&self.later) || !later.is_disjoint(&self.first) {
            return false;
        }
        self.first.extend(first);
        self.later.extend(later);
        true
    }

    pub(super) const fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// This block as it will be.
    pub(super) fn block(&self, cidr: &IpNetwork) -> Option<&Block> {
        match self.blocks.get(cidr) {
            Some(changed) => changed.as_ref(),
            None => self.snapshot.block(cidr).map(|stored| &stored.value),
        }
    }

    /// The blocks that share an address with `cidr`, as they will be.
    pub(super) fn blocks_in<'s>(&'s self, cidr: &IpNetwork) -> impl Iterator<Item = &'s Block> + use<'s, 'a> {
        let stored = self.snapshot.blocks_in(cidr).map(|stored| stored.value.cidr());
        stored.chain(self.created_in(*cidr)).filter_map(|cidr| self.block(&cidr))
    }

    /// The block that has this address.
    pub(super) fn block_with(&self, address: IpAddr) -> Option<&Block> {
        self.blocks_in(&IpNetwork::from(address)).next()
    }

    /// Whether this prefix cannot be claimed: a block is there, readable or not, or one has only just been given back by this draft.
    pub(super) fn is_occupied(&self, cidr: &IpNetwork) -> bool {
        self.snapshot.blocks_in(cidr).next().is_some()
            || self.created_in(*cidr).next().is_some()
            || self.snapshot.unreadable_in(cidr).is_some()
    }

    /// Whether this draft creates the block, or gives it back.
    pub(super) fn is_founding(&self, cidr: &IpNetwork) -> bool {
        self.blocks.get(cidr).is_some_and(|changed| changed.is_none() || self.snapshot.block(cidr).is_none())
    }

    fn created_in(&self, cidr: IpNetwork) -> impl Iterator<Item = IpNetwork> {
        let changed = self.blocks.keys().copied();
        changed.filter(move |other| family::overlap(other, &cidr) && self.snapshot.block(other).is_none())
    }

    /// A claim, unless this draft has changed it.
    pub(super) fn affinity(&self, node: &str, cidr: &IpNetwork) -> Option<&'a Affinity> {
        let untouched = !self.has_touched_affinity(node, cidr);
        self.snapshot.affinity(node, cidr).filter(|_| untouched).map(|stored| &stored.value)
    }

    /// The claims of a node that this draft has not changed, ascending.
    pub(super) fn affinities_of<'s>(
        &'s self,
        node: &'s str,
    ) -> impl Iterator<Item = &'a Affinity> + use<'s, 'a> {
        let stored = self.snapshot.affinities_of(node).map(|stored| &stored.value);
        stored.filter(move |affinity| !self.has_touched_affinity(node, &affinity.cidr))
    }

    pub(super) fn has_touched_affinity(&self, node: &str, cidr: &IpNetwork) -> bool {
        // Mostly nothing is claimed, and then no key need be made.
        !self.affinities.is_empty() && self.affinities.contains_key(&(node.to_owned(), *cidr))
    }

    /// Whether this draft has changed a claim within `cidr`, whose ever.
    pub(super) fn is_claiming_in(&self, cidr: &IpNetwork) -> bool {
        self.affinities.keys().any(|(_, block)| family::overlap(block, cidr))
    }

    /// Blocks of a family that the node claims, has, or gives back.
    pub(super) fn blocks_of(&self, node: &str, family: Family) -> u32 {
        let of_family = |cidr: &IpNetwork| Family::of_network(cidr) == family;
        let stored = self.snapshot.affinities_of(node).filter(|stored| of_family(&stored.value.cidr)).count();
        let added = |((owner, cidr), changed): (&(String, IpNetwork), &Option<Affinity>)| {
            let is_new = self.snapshot.affinity(owner, cidr).is_none();
            owner == node && of_family(cidr) && changed.is_some() && is_new
        };
        let added = self.affinities.iter().filter(|entry| added(*entry)).count();
        u32::try_from(stored + added).unwrap_or(u32::MAX)
    }

    /// A holder, as the snapshot has it.
    pub(super) fn handle(&self, id: &str) -> Option<&'a Handle> {
        self.snapshot.handle(id).map(|stored| &stored.value)
    }

    pub(super) fn has_touched_handle(&self, id: &str) -> bool {
        self.handles.contains_key(id)
    }

    /// Changes a block in place. `None` if there is none.
    pub(super) fn change_block<T>(
        &mut self,
        cidr: &IpNetwork,
        change: impl FnOnce(&mut Block) -> T,
    ) -> Option<T> {
        if !self.blocks.contains_key(cidr) {
            let stored = self.snapshot.block(cidr)?.value.clone();
            self.blocks.insert(*cidr, Some(stored));
        }
        let block = self.blocks.get_mut(cidr)?.as_mut()?;
        self.log.push(Key::Block(*cidr));
        Some(change(block))
    }

    pub(super) fn apply(&mut self, change: Change) {
        let (key, record) = match change {
            Change::Put(record) => (record.key(), Some(record)),
            Change::Drop(key) => (key, None),
        };
        self.log.push(key.clone());
        match (key, record) {
            (Key::Block(cidr), None) => drop(self.blocks.insert(cidr, None)),
            (Key::Affinity(node, cidr), None) => drop(self.affinities.insert((node, cidr), None)),
            (Key::Handle(id), None) => drop(self.handles.insert(id, None)),
            (_, Some(Record::Block(block))) => drop(self.blocks.insert(block.cidr(), Some(block))),
            (_, Some(Record::Affinity(affinity))) => {
                self.affinities.insert((affinity.node.clone(), affinity.cidr), Some(affinity));
            }
            (_, Some(Record::Handle(handle))) => {
                self.handles.insert(handle.id.clone(), Some(handle));
            }
        }
    }

    /// The records changed since this was called last.
    pub(super) fn take_log(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.log)
    }

    /// All writes, in the order that makes every prefix safe.
    pub(super) fn into_writes(self) -> Vec<Write> {
        let Self { snapshot, blocks, affinities, handles, first, .. } = self;
        let handles = handles.into_iter().map(|(id, value)| {
            let expected = snapshot.handle(&id).map(|stored| stored.revision);
            Write { key: Key::Handle(id), expected, value: value.map(Record::Handle) }
        });
        let affinities = affinities.into_iter().map(|((node, cidr), value)| {
            let expected = snapshot.affinity(&node, &cidr).map(|stored| stored.revision);
            Write { key: Key::Affinity(node, cidr), expected, value: value.map(Record::Affinity) }
        });
        let blocks = blocks.into_iter().map(|(cidr, value)| {
            let expected: Option<Revision> = snapshot.block(&cidr).map(|stored| stored.revision);
            Write { key: Key::Block(cidr), expected, value: value.map(Record::Block) }
        });
        let mut writes: Vec<Write> = handles.chain(affinities).chain(blocks).collect();
        writes.sort_by_key(|write| turn(write, &first));
        writes
    }
}

/// When a write has its turn; see the module's head.
fn turn(write: &Write, first: &BTreeSet<IpNetwork>) -> u8 {
    match (&write.key, &write.value) {
        (Key::Handle(_), Some(_)) => 1,
        (Key::Affinity(..), Some(Record::Affinity(affinity)))
            if !matches!(affinity.state, AffinityState::Confirmed) =>
        {
            2
        }
        (Key::Block(cidr), _) if first.contains(cidr) => 3,
        (Key::Block(_), _) => 4,
        (Key::Affinity(..), _) => 5,
        (Key::Handle(_), None) => 6,
    }
}
