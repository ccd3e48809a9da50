//! Claiming the next block before the last one is full, so that no pod waits for a claim.
//!
//! A node wants another block of a family when its free addresses are a quarter of a block or fewer: at 64 addresses that
//! leaves 16, more pods than a node starts while two more batches are committed, and wastes at most a block a node. What
//! rests does not count as free: a burst cannot have it. A node that has no block of a family gets none ahead of its
//! first pod; it may never run one.
//!
//! Only what costs nobody anything is claimed ahead: neither beyond the budget, nor by taking another node's block.

use std::collections::BTreeMap;

use super::claims::Claims;
use super::draft::{Change, Draft};
use super::eligible;
use crate::affinity::AffinityState;
use crate::block::Block;
use crate::family::Family;
use crate::pool::Pool;
use crate::snapshot::{Scope, Snapshot, Write};
use crate::timestamp::Timestamp;
use crate::usage;

/// How the next block is claimed ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prefetch {
    /// There are free addresses enough, or no more blocks to be had.
    Enough,
    /// Commit these in order, apply them to the snapshot, plan again.
    Commit(Vec<Write>),
    /// The snapshot does not tell: plan again with one of [`Scope::All`].
    ReadAll,
}

/// Plans the next step towards `node` having free addresses of `family` for its next workloads.
///
/// The snapshot must hold the node's claims and their blocks, whatever its scope.
#[must_use]
pub fn prefetch(
    snapshot: &Snapshot,
    node: &str,
    node_labels: &BTreeMap<String, String>,
    family: Family,
    now: Timestamp,
) -> Prefetch {
    let mut draft = Draft::new(snapshot);
    for pools in eligible::workload_groups(snapshot, node, node_labels, family) {
        let claims = Claims { draft: &draft, node, now };
        match next_of(claims, &pools) {
            Some(Next::Changes(changes)) => changes.into_iter().for_each(|change| draft.apply(change)),
            Some(Next::ReadAll) => return Prefetch::ReadAll,
            None => {}
        }
    }
    let writes = draft.into_writes();
    if writes.is_empty() { Prefetch::Enough } else { Prefetch::Commit(writes) }
}

enum Next {
    Changes(Vec<Change>),
    ReadAll,
}

/// The next step towards another block of these pools, if it is wanted and can be had.
fn next_of(claims: Claims<'_, '_>, pools: &[&Pool]) -> Option<Next> {
    let snapshot = claims.draft.snapshot();
    let own = own_blocks(snapshot, claims.node, pools);
    let enough = enough(&own)?;
    let cooldown = snapshot.configuration().cooldown();
    let free = own.iter().map(|block| {
        block.available(claims.now, cooldown, |address| snapshot.reserved().covers(address)).count()
    });
    if u32::try_from(free.sum::<usize>()).unwrap_or(u32::MAX) > enough {
        return None;
    }
    if let Some(changes) = pools.iter().find_map(|pool| claims.unfinished(pool)) {
        return Some(Next::Changes(changes));
    }
    claims.allowed(pools.first()?.family()).ok()?;
    if snapshot.scope == Scope::Part {
        return Some(Next::ReadAll);
    }
    let cidr = pools.iter().find_map(|pool| claims.unclaimed(pool))?;
    claims.claim(cidr).map(Next::Changes)
}

/// The blocks of these pools that the node has confirmed, ascending.
pub(super) fn own_blocks<'a>(snapshot: &'a Snapshot, node: &str, pools: &[&Pool]) -> Vec<&'a Block> {
    let of_pools = |block: &&Block| pools.iter().any(|pool| usage::holds(pool, block));
    let confirmed =
        snapshot.affinities_of(node).filter(|claim| claim.value.state == AffinityState::Confirmed);
    let own = confirmed.filter_map(|claim| snapshot.block(&claim.value.cidr)).map(|block| &block.value);
    own.filter(|block| block.node() == node).filter(of_pools).collect()
}

/// So many free addresses in these blocks, or fewer, and the node wants another; `None` if it has none of these.
pub(super) fn enough(own: &[&Block]) -> Option<u32> {
    Some((own.iter().map(|block| block.size()).max()? / 4).max(1))
}
