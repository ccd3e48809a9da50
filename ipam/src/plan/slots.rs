//! Which standby addresses of a node are there to be promised, and to whom they may be.
//!
//! What is chosen here is promised without a write. It must therefore be certain that the node still has it: whoever asks
//! leaves out (`spoken_for`) what has been promised already, and what it has begun to give back or to hand over.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::eligible;
use super::prefetch::own_blocks;
use super::request::{Request, Wanted};
use crate::family::Family;
use crate::purpose::Use;
use crate::snapshot::Snapshot;
use crate::standby;

/// A standby address as it is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slot {
    /// Who holds it: [`standby::handle`].
    pub handle: String,
    /// The address.
    pub address: IpAddr,
    /// Its block.
    pub block: IpNetwork,
    /// The number of its taking.
    pub sequence: u64,
}

/// Why no standby address can be promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// Only the store knows: a certain address, a pool by its name, or another use than a pod's was asked for.
    #[error("addresses that are asked for by themselves, or by their pool, are not kept ready")]
    Particular,
    /// There is none, or none is left.
    #[error("no {0} address is left of those that are kept ready for such a pod")]
    UsedUp(Family),
}

/// One standby address for each wish, those of `spoken_for` handles left out.
///
/// The snapshot must hold pools, reservations, and the node's claims with their blocks.
///
/// # Errors
/// If there are not enough; nothing is half promised.
pub fn take_standby(
    snapshot: &Snapshot,
    request: &Request,
    spoken_for: &BTreeSet<String>,
) -> Result<Vec<Slot>, Shortage> {
    let is_particular = |wanted: &Wanted| wanted.address().is_some();
    if request.usage != Use::Workload || !request.pools.is_empty() || request.wanted.iter().any(is_particular)
    {
        return Err(Shortage::Particular);
    }
    let mut taken: Vec<Slot> = Vec::new();
    for wanted in &request.wanted {
        let family = wanted.family();
        let pools = eligible::select(snapshot, request, family).map_err(|_| Shortage::UsedUp(family))?;
        let is_left = |slot: &Slot| {
            !spoken_for.contains(&slot.handle)
                && !snapshot.reserved().covers(slot.address)
                && taken.iter().all(|other| other.handle != slot.handle)
        };
        let own = own_blocks(snapshot, &request.node, &pools.serving);
        let next = own.into_iter().find_map(|block| slots(block, &request.node).find(is_left));
        taken.push(next.ok_or(Shortage::UsedUp(family))?);
    }
    Ok(taken)
}

/// How many standby addresses of a family the node has to promise.
#[must_use]
pub fn ready(snapshot: &Snapshot, node: &str, family: Family, spoken_for: &BTreeSet<String>) -> usize {
    let blocks = snapshot.blocks().map(|block| &block.value);
    let own = blocks.filter(|block| block.node() == node && Family::of_network(&block.cidr()) == family);
    own.flat_map(|block| slots(block, node)).filter(|slot| !spoken_for.contains(&slot.handle)).count()
}

/// The standby addresses of a node in one of its blocks.
pub(super) fn slots<'a>(
    block: &'a crate::block::Block,
    node: &'a str,
) -> impl Iterator<Item = Slot> + use<'a> {
    standby::of_node(block, node).map(move |(address, allocation)| Slot {
        handle: allocation.handle.clone(),
        address,
        block: block.cidr(),
        sequence: allocation.sequence,
    })
}
