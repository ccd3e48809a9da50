//! What is garbage at one moment, and what it looks like.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::collect::{Claim, Collect};
use crate::affinity::AffinityState;
use crate::audit::{Facts, Judge};
use crate::block::Block;
use crate::index::Index;

/// What a suspicion is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Handle(String),
    Address(IpNetwork, IpAddr),
    Claim(String, IpNetwork),
}

/// Everything that is garbage now.
pub(super) fn sweep(index: &Index, facts: &Facts) -> BTreeMap<Subject, Collect> {
    let judge = Judge::new(index, facts);
    let mut garbage = BTreeMap::new();
    handles(index, &judge, &mut garbage);
    claims(index, &judge, &mut garbage);
    garbage
}

fn handles(index: &Index, judge: &Judge<'_>, garbage: &mut BTreeMap<Subject, Collect>) {
    let holders = index.holders().filter(|(id, _)| judge.is_garbage(id));
    let mut dead: BTreeMap<&str, _> =
        holders.map(|(id, holder)| (id, (holder.revision, Vec::new()))).collect();
    for block in index.blocks(None, None, None).map(|block| &block.value) {
        for (address, allocation) in block.allocations() {
            let (handle, sequence) = (&allocation.handle, allocation.sequence);
            if let Some((_, addresses)) = dead.get_mut(handle.as_str()) {
                addresses.push((address, sequence));
            } else if judge.known(handle).is_some_and(|known| known.holder.is_none() && known.is_garbage()) {
                let block = block.cidr();
                let collect = Collect::Address { block, address, handle: handle.clone(), sequence };
                garbage.insert(Subject::Address(block, address), collect);
            }
        }
    }
    garbage.extend(dead.into_iter().map(|(id, (revision, addresses))| {
        let handle = id.to_owned();
        (Subject::Handle(handle.clone()), Collect::Handle { handle, revision, addresses })
    }));
}

fn claims(index: &Index, judge: &Judge<'_>, garbage: &mut BTreeMap<Subject, Collect>) {
    let owned = index.blocks(None, None, None).map(|block| (block.value.node(), block.value.cidr()));
    let claimed = index.affinities().map(|affinity| (affinity.value.node.as_str(), affinity.value.cidr));
    let all: BTreeSet<(&str, IpNetwork)> = owned.chain(claimed).collect();
    // Node and pool with an empty block that is kept.
    let mut kept = BTreeSet::new();
    for (node, cidr) in all {
        let affinity = index.affinity(node, &cidr);
        let block = index.block(&cidr).filter(|block| block.value.node() == node);
        let is_empty = block.is_none_or(|block| block.value.used() == 0);
        let is_whole = affinity.is_some_and(|affinity| affinity.value.state == AffinityState::Confirmed);
        let claim = || Claim {
            node: node.to_owned(),
            cidr,
            affinity: affinity.map(|affinity| affinity.revision),
            block: block.map(|block| block.revision),
        };
        let collect = match block {
            // Borrowed addresses outlive the node; the block goes with the last of them.
            _ if !judge.node_exists(node) => is_empty.then(|| Collect::Unclaim(claim())),
            Some(block) if is_whole => {
                let is_spare = is_empty && is_spare(index, &block.value, &mut kept);
                is_spare.then(|| Collect::Unclaim(claim()))
            }
            // What is taken and given back of it meanwhile does not matter.
            Some(_) if !is_empty => Some(Collect::Finish(Claim { block: None, ..claim() })),
            Some(_) | None => Some(Collect::Unclaim(claim())),
        };
        if let Some(collect) = collect {
            garbage.insert(Subject::Claim(node.to_owned(), cidr), collect);
        }
    }
}

/// Whether an empty block is one more than its node may keep in the pool, where it may keep one if the pool
/// stays.
fn is_spare<'a>(index: &'a Index, block: &'a Block, kept: &mut BTreeSet<(&'a str, &'a str)>) -> bool {
    match index.pool_of_block(block) {
        Some(pool) if !pool.deleting => !kept.insert((block.node(), &pool.name)),
        Some(_) | None => true,
    }
}
