//! Giving addresses back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::draft::{Change, Draft};
use crate::handle::Handle;
use crate::snapshot::{Key, Record, Scope, Snapshot, Write};
use crate::timestamp::Timestamp;

/// How a release goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// There is no such handle: nothing to do.
    Nothing,
    /// Commit these in order; then the addresses are free.
    Commit {
        /// The writes.
        writes: Vec<Write>,
        /// What becomes free.
        addresses: Vec<IpAddr>,
    },
    /// The snapshot does not tell: plan again with one of [`Scope::All`]. Never for a whole handle.
    ReadAll,
}

/// An address to give back, as it was when somebody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseItem {
    /// The address.
    pub address: IpAddr,
    /// Who held it.
    pub handle: String,
    /// The number of its taking; `None`: whichever.
    pub sequence: Option<u64>,
}

/// Why an address is not given back. Nothing else of the same call is either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Nobody holds it.
    #[error("{address} is not in use")]
    NotInUse {
        /// The address.
        address: IpAddr,
    },
    /// Somebody else holds it.
    #[error("{address} is held by {holder}, not by {handle}; look again before releasing it")]
    OtherHolder {
        /// The address.
        address: IpAddr,
        /// Who holds it.
        holder: String,
        /// Who was said to.
        handle: String,
    },
    /// It has been given out again since.
    #[error(
        "{address} was released and given out again to {handle} since (its sequence is {found}, not {expected}); \
             look again before releasing it"
    )]
    GivenOutAgain {
        /// The address.
        address: IpAddr,
        /// Who holds it.
        handle: String,
        /// The number of its taking.
        found: u64,
        /// As said.
        expected: u64,
    },
}

/// Plans giving back everything that `handle` holds.
///
/// The snapshot must hold the handle and every block that it names, as far as they exist, whatever its scope.
#[must_use]
pub fn release(snapshot: &Snapshot, handle: &str, now: Timestamp) -> Release {
    let mut draft = Draft::new(snapshot);
    match whole(&mut draft, handle, now) {
        None => Release::Nothing,
        Some(addresses) => Release::Commit { writes: draft.into_writes(), addresses },
    }
}

/// Plans giving back these addresses, all or none. A handle that then holds nothing goes too.
///
/// The snapshot must hold the handles and every block that they name, as far as they exist, whatever its scope. If a write meets
/// a conflict and an earlier one did not, what that gave back is no longer in use: leave it out of the next attempt.
///
/// # Errors
/// If one of them is not as it was said to be. Only ever from a snapshot of [`Scope::All`], as for assignments.
pub fn release_addresses(
    snapshot: &Snapshot,
    items: &[ReleaseItem],
    now: Timestamp,
) -> Result<Release, ReleaseError> {
    let mut draft = Draft::new(snapshot);
    match (single(&mut draft, items, now), snapshot.scope) {
        (Ok(None), _) | (Err(_), Scope::Part) => Ok(Release::ReadAll),
        (Ok(Some(addresses)), _) if addresses.is_empty() => Ok(Release::Nothing),
        (Ok(Some(addresses)), _) => Ok(Release::Commit { writes: draft.into_writes(), addresses }),
        (Err(error), Scope::All) => Err(error),
    }
}

/// Plans giving back one address, if it is still held by `handle`, and since the taking of that number. See
/// [`release_addresses`].
///
/// # Errors
/// If it is not.
pub fn release_address(
    snapshot: &Snapshot,
    address: IpAddr,
    handle: &str,
    sequence: Option<u64>,
    now: Timestamp,
) -> Result<Release, ReleaseError> {
    release_addresses(snapshot, &[ReleaseItem { address, handle: handle.to_owned(), sequence }], now)
}

/// Puts the release of a handle into the draft; `None` if there is no such handle.
pub(super) fn whole(draft: &mut Draft<'_>, handle: &str, now: Timestamp) -> Option<Vec<IpAddr>> {
    let stored = draft.handle(handle)?;
    let mut addresses = Vec::new();
    for cidr in stored.blocks.keys() {
        // A block that is gone was empty. One that has nothing of the handle is written too; the module above says why.
        addresses.extend(draft.change_block(cidr, |block| block.release(handle, now)).into_iter().flatten());
    }
    draft.apply(Change::Drop(Key::Handle(handle.to_owned())));
    Some(addresses)
}

/// Puts the release of these addresses into the draft, or none of them into an error; `None` if the snapshot does not tell.
pub(super) fn single(
    draft: &mut Draft<'_>,
    items: &[ReleaseItem],
    now: Timestamp,
) -> Result<Option<Vec<IpAddr>>, ReleaseError> {
    let mut leaving: BTreeMap<&str, BTreeSet<IpAddr>> = BTreeMap::new();
    for item in items {
        let Some(block) = draft.block_with(item.address) else {
            return match draft.snapshot().scope {
                Scope::Part => Ok(None),
                Scope::All => Err(ReleaseError::NotInUse { address: item.address }),
            };
        };
        let held = block.allocation(item.address);
        check(item, held.map(|held| (held.handle.as_str(), held.sequence)))?;
        leaving.entry(&item.handle).or_default().insert(item.address);
    }
    let mut released = Vec::new();
    for (handle, addresses) in leaving {
        let named = draft.handle(handle).into_iter().flat_map(|stored| stored.blocks.keys());
        let held: BTreeSet<IpAddr> =
            named.filter_map(|cidr| draft.block(cidr)).flat_map(|block| block.held_by(handle)).collect();
        if held.is_subset(&addresses) && draft.handle(handle).is_some() {
            released.extend(whole(draft, handle, now).into_iter().flatten());
        } else {
            released.extend(some(draft, handle, &addresses, now));
        }
    }
    released.sort_unstable();
    Ok(Some(released))
}

fn check(item: &ReleaseItem, held: Option<(&str, u64)>) -> Result<(), ReleaseError> {
    let (address, handle) = (item.address, item.handle.clone());
    match (held, item.sequence) {
        (None, _) => Err(ReleaseError::NotInUse { address }),
        (Some((holder, _)), _) if holder != handle => {
            Err(ReleaseError::OtherHolder { address, holder: holder.to_owned(), handle })
        }
        (Some((_, found)), Some(expected)) if found != expected => {
            Err(ReleaseError::GivenOutAgain { address, handle, found, expected })
        }
        (Some(_), _) => Ok(()),
    }
}

/// Gives back some of what a handle holds, and lets its record say how many are left. Blocks stay named: someone with the
/// same handle may be about to write one of them.
fn some(draft: &mut Draft<'_>, handle: &str, addresses: &BTreeSet<IpAddr>, now: Timestamp) -> Vec<IpAddr> {
    let mut released = Vec::new();
    for address in addresses {
        let Some(cidr) = draft.block_with(*address).map(crate::block::Block::cidr) else { continue };
        let gone = draft.change_block(&cidr, |block| block.release_address(*address, now));
        released.extend(gone.flatten().map(|_| *address));
    }
    if let Some(stored) = draft.handle(handle) {
        let left = |cidr: &IpNetwork| {
            let held = draft.block(cidr).map_or(0, |block| block.held_by(handle).count());
            (*cidr, u32::try_from(held).unwrap_or(u32::MAX))
        };
        let blocks = stored.blocks.keys().map(left).collect();
        draft.apply(Change::Put(Record::Handle(Handle { id: handle.to_owned(), blocks })));
    }
    released
}
