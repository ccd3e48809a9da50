//! What was promised while the store was away is made true, or given back.
//!
//! A pod was promised standby addresses of its node. [`transfer`] hands them over to the pod's handle, [`abandon`] gives them
//! back where the pod has gone meanwhile. Both may be planned any number of times, after a crash at any write: they
//! go on where the last attempt stopped, and have nothing to write when all is as it should be.
//!
//! The pod may hold something else: an attempt to assign it an address in the ordinary way was under way when the store went,
//! and was done all the same, perhaps late. Nobody was told of that. It is given back in the same writes; and as those
//! rewrite the handle and every block that it names, an attempt that is even later fails.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::draft::{Change, Draft};
use super::release;
use super::slots::Slot;
use crate::block::Attributes;
use crate::handle::Handle;
use crate::snapshot::{Key, Record, Snapshot, Write};
use crate::timestamp::Timestamp;

/// What to hand over, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Who is to hold the addresses, and nothing else.
    pub handle: String,
    /// For whom.
    pub attributes: Attributes,
    /// What was promised.
    pub slots: Vec<Slot>,
    /// When.
    pub now: Timestamp,
}

/// The node does not have what it promised: it was declared gone, and others have been given what was its.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address} is no standby address of this node any more: {}", said(.holder.as_deref()))]
pub struct Lost {
    /// The address.
    pub address: IpAddr,
    /// Who has it, if anybody.
    pub holder: Option<String>,
}

fn said(holder: Option<&str>) -> String {
    holder.map_or_else(|| "nobody holds it".to_owned(), |holder| format!("{holder} holds it"))
}

/// Plans the hand-over: commit in order; none if there is nothing left to do.
///
/// The snapshot must hold the handle and those of the slots, and then, read later, every block that they name and the slots'
/// own, as far as they exist, whatever its scope.
///
/// # Errors
/// If one of the addresses is neither the slot's nor the handle's.
pub fn transfer(snapshot: &Snapshot, transfer: &Transfer) -> Result<Vec<Write>, Lost> {
    let Transfer { handle, attributes, slots, now } = transfer;
    let mut draft = Draft::new(snapshot);
    let moving = moving(&draft, handle, slots)?;
    let promised: BTreeSet<IpAddr> = slots.iter().map(|slot| slot.address).collect();
    let named: BTreeSet<IpNetwork> = named(&draft, handle);
    if moving.is_empty() && is_settled(&draft, handle, &named, &promised, slots) {
        return Ok(Vec::new());
    }
    let fresh = slots.iter().map(|slot| slot.block).filter(|cidr| !named.contains(cidr)).collect();
    // The only task of its draft: nobody needs it the other way round.
    draft.fence(&named, &fresh);
    for cidr in &named {
        draft.change_block(cidr, |block| {
            block.touch(*now);
            let extra: Vec<IpAddr> = block.held_by(handle).filter(|held| !promised.contains(held)).collect();
            for address in extra {
                block.release_address(address, *now);
            }
        });
    }
    for slot in moving {
        let from = (slot.handle.as_str(), slot.sequence);
        draft.change_block(&slot.block, |block| {
            block.hand_over(slot.address, from, (handle, attributes), *now)
        });
    }
    for slot in slots {
        // Of a slot nothing is left: it held one address.
        release::whole(&mut draft, &slot.handle, *now);
    }
    let all = named.into_iter().chain(slots.iter().map(|slot| slot.block)).collect::<BTreeSet<_>>();
    let blocks = counts(&draft, handle, all);
    draft.apply(Change::Put(Record::Handle(Handle { id: handle.clone(), blocks })));
    Ok(draft.into_writes())
}

/// Plans giving back what was promised, and whatever else the handle holds: commit in order; none if there is nothing left to
/// do. The snapshot must hold what [`transfer`] needs.
#[must_use]
pub fn abandon(snapshot: &Snapshot, handle: &str, slots: &[Slot], now: Timestamp) -> Vec<Write> {
    let mut draft = Draft::new(snapshot);
    for slot in slots {
        let is_as_promised =
            |held: &crate::block::Allocation| held.handle == slot.handle && held.sequence == slot.sequence;
        let held = draft.block(&slot.block).and_then(|block| block.allocation(slot.address));
        if !held.is_some_and(is_as_promised) {
            continue;
        }
        if release::whole(&mut draft, &slot.handle, now).is_none() {
            draft.change_block(&slot.block, |block| block.release_address(slot.address, now));
        }
    }
    release::whole(&mut draft, handle, now);
    draft.into_writes()
}

/// Those that are still the node's.
fn moving<'s>(draft: &Draft<'_>, handle: &str, slots: &'s [Slot]) -> Result<Vec<&'s Slot>, Lost> {
    let mut moving = Vec::new();
    for slot in slots {
        let held = draft.block(&slot.block).and_then(|block| block.allocation(slot.address));
        match held {
            Some(held) if held.handle == handle => {}
            Some(held) if held.handle == slot.handle && held.sequence == slot.sequence => moving.push(slot),
            Some(_) | None => {
                let holder = held.map(|held| held.handle.clone());
                return Err(Lost { address: slot.address, holder });
            }
        }
    }
    Ok(moving)
}

/// The blocks that there are of those that the handle names.
fn named(draft: &Draft<'_>, handle: &str) -> BTreeSet<IpNetwork> {
    let named = draft.handle(handle).into_iter().flat_map(|stored| stored.blocks.keys());
    named.filter(|cidr| draft.block(cidr).is_some()).copied().collect()
}

/// Whether the handle holds just what was promised and says so, and the slots are gone.
fn is_settled(
    draft: &Draft<'_>,
    handle: &str,
    named: &BTreeSet<IpNetwork>,
    promised: &BTreeSet<IpAddr>,
    slots: &[Slot],
) -> bool {
    let blocks = named.iter().filter_map(|cidr| draft.block(cidr));
    let held: BTreeSet<IpAddr> = blocks.flat_map(|block| block.held_by(handle)).collect();
    let is_true = draft.handle(handle).is_some_and(|stored| {
        stored.blocks == counts(draft, handle, stored.blocks.keys().copied().collect())
    });
    held == *promised && is_true && slots.iter().all(|slot| draft.handle(&slot.handle).is_none())
}

/// How many addresses the handle holds of each of these blocks.
fn counts(draft: &Draft<'_>, handle: &str, blocks: BTreeSet<IpNetwork>) -> BTreeMap<IpNetwork, u32> {
    let held = |cidr: IpNetwork| {
        let held = draft.block(&cidr).map_or(0, |block| block.held_by(handle).count());
        (cidr, u32::try_from(held).unwrap_or(u32::MAX))
    };
    blocks.into_iter().map(held).collect()
}

/// The records that a transfer or its abandonment needs, those that name blocks first. What the handles name beyond has to be
/// read as well.
pub fn needed<'a>(handle: &'a str, slots: &'a [Slot]) -> impl Iterator<Item = Key> + 'a {
    let handles = std::iter::once(handle).chain(slots.iter().map(|slot| slot.handle.as_str()));
    let blocks = slots.iter().map(|slot| Key::Block(slot.block));
    handles.map(|handle| Key::Handle(handle.to_owned())).chain(blocks)
}
