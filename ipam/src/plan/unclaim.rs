//! Giving a whole block back.

use std::collections::BTreeMap;

use ipnetwork::IpNetwork;

use super::claims::Claims;
use super::draft::{Change, Draft};
use super::eligible;
use crate::pool::Pool;
use crate::snapshot::{Key, Record, Snapshot, Write};
use crate::timestamp::Timestamp;

/// The block cannot be given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnclaimError {
    /// Release what is in use first.
    #[error("block {block} still has {used} addresses in use; release those first")]
    InUse {
        /// The block.
        block: IpNetwork,
        /// Addresses in use.
        used: u32,
    },
    /// Wait: the block's record alone remembers what must not be given out again yet.
    #[error(
        "block {block} still has {cooling} addresses that were given back lately; try again in {seconds} s"
    )]
    Resting {
        /// The block.
        block: IpNetwork,
        /// Addresses that rest.
        cooling: u32,
        /// Until the last of them does not.
        seconds: u64,
    },
}

/// Plans the next step of giving `node`'s empty block `cidr` back: commit the writes, apply them to the snapshot, call
/// again, until there is nothing to write.
///
/// The snapshot must hold the affinity, the block, as far as they exist, and the configuration.
///
/// # Errors
/// If addresses of the block are in use, or rest.
pub fn unclaim(
    snapshot: &Snapshot,
    node: &str,
    cidr: IpNetwork,
    now: Timestamp,
) -> Result<Vec<Write>, UnclaimError> {
    let mut draft = Draft::new(snapshot);
    let affinity = snapshot.affinity(node, &cidr);
    let block = snapshot.block(&cidr).map(|block| &block.value).filter(|block| block.node() == node);
    let changes = match (affinity, block) {
        (None, None) => Vec::new(),
        (Some(_), None) => vec![Change::Drop(Key::Affinity(node.to_owned(), cidr))],
        (_, Some(block)) => {
            let used = block.used();
            if used > 0 {
                return Err(UnclaimError::InUse { block: cidr, used });
            }
            let cooldown = snapshot.configuration().cooldown();
            match block.cools_until(now, cooldown) {
                None => Claims { draft: &draft, node, now }.give_back(cidr),
                // A clock was ahead; after this the rest has an end.
                Some(_) if block.is_ahead_of(now) => vec![Change::Put(Record::Block(block.touched(now)))],
                Some(until) => {
                    let seconds = u64::try_from(until.since(now).as_millis().div_ceil(1000));
                    let (cooling, seconds) = (block.cooling(now, cooldown), seconds.unwrap_or(u64::MAX));
                    return Err(UnclaimError::Resting { block: cidr, cooling, seconds });
                }
            }
        }
    };
    for change in changes {
        draft.apply(change);
    }
    Ok(draft.into_writes())
}

/// The blocks of `node` that are of no use to it, and that [`unclaim`] would give back: nothing in them is in use or rests,
/// and their pool is gone, gives out nothing, or no longer selects the node; or they are wholly reserved.
#[must_use]
pub fn surplus(
    snapshot: &Snapshot,
    node: &str,
    node_labels: &BTreeMap<String, String>,
    now: Timestamp,
) -> Vec<IpNetwork> {
    let cooldown = snapshot.configuration().cooldown();
    let serves = |pool: &Pool| {
        eligible::why_not_anyone(snapshot, pool).is_none()
            && eligible::why_not_node(pool, node, node_labels).is_none()
    };
    let is_of_use = |cidr: &IpNetwork| {
        // Of pools that overlap, the first by name gives out addresses.
        let pool = snapshot.pools().find(|pool| pool.cidr.contains(cidr.network()));
        pool.is_some_and(serves) && !snapshot.reserved().covers_all(cidr)
    };
    let is_idle = |cidr: &IpNetwork| {
        snapshot.block(cidr).is_some_and(|block| {
            let block = &block.value;
            block.node() == node && block.used() == 0 && block.cooling(now, cooldown) == 0
        })
    };
    let claims = snapshot.affinities_of(node).map(|affinity| affinity.value.cidr);
    claims.filter(|cidr| is_idle(cidr) && !is_of_use(cidr)).collect()
}
