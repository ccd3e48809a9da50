//! Taking addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::choose::{Choice, Chooser};
use super::draft::{Change, Draft};
use super::eligible;
use super::error::AssignError;
use super::request::{Request, Wanted};
use super::standing::Standing;
use crate::family::Family;
use crate::handle::Handle;
use crate::snapshot::{Record, Scope, Snapshot, Write};

/// How an assignment goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assignment {
    /// The handle holds these already, in the order of the request.
    Done(Vec<IpAddr>),
    /// Commit these in order; then the handle holds the addresses.
    Commit {
        /// The writes.
        writes: Vec<Write>,
        /// What the handle will hold, in the order of the request.
        addresses: Vec<IpAddr>,
    },
    /// Commit these in order, apply them to the snapshot, plan again.
    Prepare(Vec<Write>),
    /// The snapshot does not tell: plan again with one of [`Scope::All`].
    ReadAll,
}

/// Plans the next step towards giving `request` its addresses.
///
/// Of one family the lesser address comes first, wherever the request does not say which it wants.
///
/// # Errors
/// If they cannot be given. Only ever from a snapshot of [`Scope::All`]: a partial one gives
/// [`Assignment::ReadAll`] instead, as what it has may be outdated.
pub fn assign(snapshot: &Snapshot, request: &Request) -> Result<Assignment, AssignError> {
    let mut draft = Draft::new(snapshot);
    match (attempt(&mut draft, request), snapshot.scope) {
        (Ok(Attempt::Held(addresses)), _) => Ok(Assignment::Done(addresses)),
        (Ok(Attempt::Taken(addresses)), _) => {
            Ok(Assignment::Commit { writes: draft.into_writes(), addresses })
        }
        (Ok(Attempt::Prepared), _) => Ok(Assignment::Prepare(draft.into_writes())),
        (Ok(Attempt::ReadAll), _) | (Err(_), Scope::Part) => Ok(Assignment::ReadAll),
        (Err(error), Scope::All) => Err(error),
    }
}

/// What became of a request in a draft.
pub(super) enum Attempt {
    /// The handle holds these already.
    Held(Vec<IpAddr>),
    /// It will, by what the draft has changed.
    Taken(Vec<IpAddr>),
    /// Blocks must be made ready first. The draft has done what can be done now.
    Prepared,
    /// The snapshot does not tell.
    ReadAll,
}

/// Puts one request into the draft; into an error none of it.
pub(super) fn attempt(draft: &mut Draft<'_>, request: &Request) -> Result<Attempt, AssignError> {
    let standing = Standing::of(draft, request)?;
    if standing.is_complete() {
        let held = standing.arrange(&BTreeSet::new());
        // With nothing to add, nothing stands in the way of the writes.
        let is_written = request.rewrite && take(draft, request, &[]);
        return Ok(if is_written { Attempt::Taken(held) } else { Attempt::Held(held) });
    }
    // All choices before any change: one that fails leaves nothing half done.
    let (mut chosen, mut free, mut prepare) = (BTreeSet::new(), Vec::new(), Vec::new());
    let mut is_waiting = false;
    for family in [Family::V4, Family::V6] {
        let mut missing = standing.missing_of(family).peekable();
        if missing.peek().is_none() {
            continue;
        }
        let pools = eligible::select(draft.snapshot(), request, family)?;
        for wanted in missing {
            let chooser = Chooser { draft, request, family, pools: &pools, chosen: &chosen };
            let choice = match wanted {
                Wanted::Address(address) => chooser.this(address)?,
                Wanted::Any(_) => chooser.any()?,
            };
            match choice {
                Choice::Free(block, address) => {
                    chosen.insert(address);
                    free.push((block, address));
                }
                Choice::ReadAll => return Ok(Attempt::ReadAll),
                // The others of the family have their turn when this is done: two at once could exceed the budget.
                Choice::Prepare(changes) => {
                    prepare.extend(changes);
                    is_waiting = true;
                    break;
                }
                Choice::Wait => {
                    is_waiting = true;
                    break;
                }
            }
        }
    }
    if is_waiting {
        for change in prepare {
            draft.apply(change);
        }
        return Ok(Attempt::Prepared);
    }
    if !take(draft, request, &free) {
        return Ok(Attempt::Prepared);
    }
    Ok(Attempt::Taken(standing.arrange(&chosen)))
}

/// Takes what was chosen, and lets the handle name it. Blocks that the handle names already stay named unless they are
/// gone, and are written too, and first: someone with the same handle may be about to write one of them, and must fail,
/// or have been seen, before there is more in another block. False, and nothing done, if earlier tasks need it the other
/// way round.
pub(super) fn take(draft: &mut Draft<'_>, request: &Request, free: &[(IpNetwork, IpAddr)]) -> bool {
    let id = &request.handle;
    let named = draft.handle(id).into_iter().flat_map(|handle| handle.blocks.keys());
    let named: BTreeSet<IpNetwork> = named.filter(|cidr| draft.block(cidr).is_some()).copied().collect();
    let fresh = free.iter().map(|(cidr, _)| *cidr).filter(|cidr| !named.contains(cidr)).collect();
    if !draft.fence(&named, &fresh) {
        return false;
    }
    let mut blocks: BTreeMap<IpNetwork, u32> = BTreeMap::new();
    for cidr in &named {
        let held = draft.change_block(cidr, |block| {
            block.touch(request.now);
            block.held_by(id).count()
        });
        if let Some(held) = held {
            blocks.insert(*cidr, u32::try_from(held).unwrap_or(u32::MAX));
        }
    }
    let cooldown = draft.snapshot().configuration().cooldown();
    for (cidr, address) in free {
        *blocks.entry(*cidr).or_default() += 1;
        // Never refused: the chooser took the address from the block's free ones.
        draft
            .change_block(cidr, |block| block.take(*address, id, &request.attributes, request.now, cooldown));
    }
    draft.apply(Change::Put(Record::Handle(Handle { id: id.clone(), blocks })));
    true
}
