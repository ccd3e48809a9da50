//! Keeping standby addresses ready: as many as are wanted, in blocks that the node has anyway.
//!
//! **Nothing is wasted for them.** They are taken only from the node's confirmed blocks, never by claiming or borrowing, and
//! only while more is free there than makes the node claim its next block ([`super::prefetch`]); at most a quarter of a
//! block is kept ready. They lie, as far as there is room, in blocks that pods use, so that a block in which nothing but
//! they are left empties, and goes the way of empty blocks. Where nothing else is free for a pod, whoever assigns asks
//! for fewer ([`Replenish::count`]) and tries again.
//!
//! **Nothing outlives its use.** What lies in a pool that no longer serves the node's pods is given back, so that a pool
//! that is deleted is not held up, nor a block.
//!
//! **Adopted before they are promised.** A process that ended may have sent a commit that gives some back, which is done when
//! nobody expects it any more. So the next one writes all that it finds once more ([`adopt`]), whereupon that commit fails,
//! and promises none before that is done.
//!
//! Each plan is one step; commit it, apply it to the snapshot, plan again until there is nothing to write. Giving back comes
//! before taking.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::assign::take;
use super::draft::{Change, Draft};
use super::eligible::workload_groups;
use super::prefetch::{enough, own_blocks};
use super::request::Request;
use super::slots::{Slot, slots};
use crate::block::{Attributes, Block};
use crate::family::Family;
use crate::pool::Pool;
use crate::snapshot::{Key, Record, Snapshot, Write};
use crate::standby;
use crate::timestamp::Timestamp;

/// Taken or given back in one step, so that the writes of a step fit one transaction.
const STEP: usize = 32;

/// What to keep ready.
#[derive(Debug, Clone, Copy)]
pub struct Replenish<'a> {
    /// Whose pods they are for.
    pub node: &'a str,
    /// Its labels.
    pub node_labels: &'a BTreeMap<String, String>,
    /// How many of each family for each kind of namespace.
    pub count: u32,
    /// Handles of standby addresses that are not to be touched, and do not count: they are promised, or under way.
    pub spoken_for: &'a BTreeSet<String>,
    /// When.
    pub now: Timestamp,
}

/// Plans the next step towards that; none if it is so, as far as it can be.
///
/// The snapshot must hold pools, reservations and the configuration, the node's claims with their blocks, and the handles of
/// its standby addresses as far as there are any.
#[must_use]
pub fn replenish(snapshot: &Snapshot, wish: &Replenish<'_>) -> Vec<Write> {
    let mut draft = Draft::new(snapshot);
    let groups: Vec<Vec<&Pool>> = [Family::V4, Family::V6]
        .into_iter()
        .flat_map(|family| workload_groups(snapshot, wish.node, wish.node_labels, family))
        .collect();
    let groups: Vec<Group<'_>> = groups.iter().map(|pools| Group::new(snapshot, wish, pools)).collect();
    let surplus = surplus(snapshot, wish, &groups);
    if surplus.is_empty() {
        fill(&mut draft, wish, &groups);
    }
    for slot in surplus.iter().take(STEP) {
        give_back(&mut draft, slot, wish.now);
    }
    draft.into_writes()
}

/// Plans writing once more what a former life of the node's agent has kept ready, and its handles: what that life has sent and
/// not heard of can then take none of it away. The snapshot must hold what [`replenish`] needs.
#[must_use]
pub fn adopt(snapshot: &Snapshot, node: &str, spoken_for: &BTreeSet<String>, now: Timestamp) -> Vec<Write> {
    let mut draft = Draft::new(snapshot);
    let own = snapshot.blocks().map(|block| &block.value).filter(|block| block.node() == node);
    for slot in own.flat_map(|block| slots(block, node)).filter(|slot| !spoken_for.contains(&slot.handle)) {
        draft.change_block(&slot.block, |block| block.touch(now));
        if let Some(handle) = snapshot.handle(&slot.handle) {
            draft.apply(Change::Put(Record::Handle(handle.value.clone())));
        }
    }
    draft.into_writes()
}

/// What the node has of pools that stand in for each other.
struct Group<'a> {
    blocks: Vec<&'a Block>,
    /// Kept ready, as far as they count.
    slots: Vec<Slot>,
    /// How many there should be.
    target: usize,
    /// Free addresses beyond those that make the node claim its next block.
    spare: usize,
}

impl<'a> Group<'a> {
    fn new(snapshot: &'a Snapshot, wish: &Replenish<'_>, pools: &[&Pool]) -> Self {
        let blocks = own_blocks(snapshot, wish.node, pools);
        let slots = blocks.iter().flat_map(|block| counted(block, wish)).collect();
        let free: usize = blocks.iter().map(|block| available(snapshot, block, wish.now).count()).sum();
        let enough = enough(&blocks).and_then(|enough| usize::try_from(enough).ok()).unwrap_or(0);
        let quarter = blocks.iter().map(|block| block.size()).max().unwrap_or(0) / 4;
        let target = usize::try_from(wish.count.min(quarter)).unwrap_or(0);
        Self { blocks, slots, target, spare: free.saturating_sub(enough) }
    }

    /// Whether nothing but what is kept ready is in use in a block.
    fn is_alone(&self, block: &Block) -> bool {
        let ready = self.slots.iter().filter(|slot| slot.block == block.cidr()).count();
        usize::try_from(block.used()).is_ok_and(|used| used == ready)
    }

    /// Its blocks, those first that are used by others as well.
    fn by_use(&self) -> impl Iterator<Item = &'a Block> + '_ {
        let (alone, shared): (Vec<&Block>, Vec<&Block>) =
            self.blocks.iter().copied().partition(|block| self.is_alone(block));
        shared.into_iter().chain(alone)
    }
}

fn counted<'b>(block: &'b Block, wish: &'b Replenish<'_>) -> impl Iterator<Item = Slot> + 'b {
    slots(block, wish.node).filter(|slot| !wish.spoken_for.contains(&slot.handle))
}

fn available<'a>(
    snapshot: &'a Snapshot,
    block: &'a Block,
    now: Timestamp,
) -> impl Iterator<Item = IpAddr> + 'a {
    let cooldown = snapshot.configuration().cooldown();
    block.available(now, cooldown, |address| snapshot.reserved().covers(address))
}

/// What is to be given back: too many, of no use, or alone in a block where another has room for them.
fn surplus(snapshot: &Snapshot, wish: &Replenish<'_>, groups: &[Group<'_>]) -> Vec<Slot> {
    let useful: BTreeSet<IpNetwork> =
        groups.iter().flat_map(|group| &group.blocks).map(|block| block.cidr()).collect();
    let own = snapshot.blocks().map(|block| &block.value).filter(|block| block.node() == wish.node);
    let is_useless = |slot: &Slot| !useful.contains(&slot.block) || snapshot.reserved().covers(slot.address);
    let mut surplus: Vec<Slot> = own.flat_map(|block| counted(block, wish)).filter(is_useless).collect();
    if !surplus.is_empty() {
        return with_record(snapshot, surplus);
    }
    for group in groups {
        let too_many = group.slots.len().saturating_sub(group.target);
        surplus.extend(group.slots.iter().rev().take(too_many).cloned());
        if too_many == 0 {
            let shared = group.blocks.iter().filter(|block| !group.is_alone(block));
            let room: usize = shared.map(|block| available(snapshot, block, wish.now).count()).sum();
            let is_alone = |slot: &&Slot| {
                let block = group.blocks.iter().find(|block| block.cidr() == slot.block);
                block.is_some_and(|block| group.is_alone(block))
            };
            surplus.extend(group.slots.iter().rev().filter(is_alone).take(room).cloned());
        }
    }
    with_record(snapshot, surplus)
}

/// Without its record, a handle cannot be given back in a way that others see.
fn with_record(snapshot: &Snapshot, mut slots: Vec<Slot>) -> Vec<Slot> {
    slots.retain(|slot| snapshot.handle(&slot.handle).is_some());
    slots
}

/// No rest: nobody has used it.
fn give_back(draft: &mut Draft<'_>, slot: &Slot, now: Timestamp) {
    let named: Vec<IpNetwork> =
        draft.handle(&slot.handle).into_iter().flat_map(|handle| handle.blocks.keys().copied()).collect();
    for cidr in named {
        // Those that have nothing of it too, so that an attempt that is under way fails.
        draft.change_block(&cidr, |block| {
            block.touch(now);
            block.return_unused(slot.address, now);
        });
    }
    draft.apply(Change::Drop(Key::Handle(slot.handle.clone())));
}

fn fill(draft: &mut Draft<'_>, wish: &Replenish<'_>, groups: &[Group<'_>]) {
    let mut numbers = free_numbers(draft.snapshot(), wish);
    let mut left = STEP;
    for group in groups {
        let lacking = group.target.saturating_sub(group.slots.len()).min(group.spare).min(left);
        let snapshot = draft.snapshot();
        let free: Vec<(IpNetwork, IpAddr)> = group
            .by_use()
            .flat_map(|block| available(snapshot, block, wish.now).map(|address| (block.cidr(), address)))
            .take(lacking)
            .collect();
        left -= free.len();
        for chosen in free {
            let Some(handle) = numbers.next() else { return };
            let attributes = Attributes { node: wish.node.to_owned(), ..Attributes::default() };
            let node = wish.node.to_owned();
            let request = Request { node, handle, attributes, now: wish.now, ..Request::default() };
            take(draft, &request, &[chosen]);
        }
    }
}

/// Handles that hold nothing, and are not spoken for, the lowest number first.
fn free_numbers<'a>(
    snapshot: &'a Snapshot,
    wish: &'a Replenish<'_>,
) -> impl Iterator<Item = String> + use<'a> {
    let own = snapshot.blocks().map(|block| &block.value).filter(|block| block.node() == wish.node);
    let held: BTreeSet<String> =
        own.flat_map(|block| slots(block, wish.node)).map(|slot| slot.handle).collect();
    let names = (0..=u32::MAX).map(|number| standby::handle(wish.node, number));
    names.filter(move |name| !held.contains(name) && !wish.spoken_for.contains(name))
}
