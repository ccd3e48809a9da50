//! What to collect, and the writes that do so if it still is what it was.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::affinity::{Affinity, AffinityState};
use crate::block::Block;
use crate::plan::{self, Release};
use crate::snapshot::{Record, Revision, Snapshot, Versioned, Write};
use crate::timestamp::Timestamp;

/// One thing to collect, as it was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collect {
    /// A handle with all that it holds, which may be nothing.
    Handle {
        /// Which.
        handle: String,
        /// Of its record.
        revision: Revision,
        /// What it holds, with the allocations' sequences, ascending.
        addresses: Vec<(IpAddr, u64)>,
    },
    /// An address whose handle has no record.
    Address {
        /// The block that it belongs to.
        block: IpNetwork,
        /// Which.
        address: IpAddr,
        /// Who holds it.
        handle: String,
        /// The allocation's.
        sequence: u64,
    },
    /// A claim to end, and with it the block, which is empty.
    Unclaim(Claim),
    /// A claim to finish, since addresses of the block are in use.
    Finish(Claim),
}

/// A node's claim to a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The node.
    pub node: String,
    /// The block.
    pub cidr: IpNetwork,
    /// Of the claim's record, if there is one.
    pub affinity: Option<Revision>,
    /// Of the block's record, if there is one, it is the node's, and the claim is to be ended.
    pub block: Option<Revision>,
}

/// It is not what was observed any more. Leave it; if it is still garbage, it will be collected another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("changed since it was observed")]
pub struct Changed;

impl Collect {
    /// The writes, to be committed in order; none if nothing is left to do.
    ///
    /// The snapshot must have been read since the observation: for a handle, its record and then every block
    /// that it names or holds addresses of; for a claim, its record and then the block. Of a claim this is
    /// the first step. Once that is committed and taken over into the snapshot, [`Collect::next`] plans the
    /// others.
    ///
    /// # Errors
    /// If it has changed.
    pub fn plan(&self, snapshot: &Snapshot, now: Timestamp) -> Result<Vec<Write>, Changed> {
        if !self.is_unchanged(snapshot) {
            return Err(Changed);
        }
        let release = match self {
            Self::Handle { handle, .. } => Ok(plan::release(snapshot, handle, now)),
            Self::Address { address, handle, sequence, .. } => {
                plan::release_address(snapshot, *address, handle, Some(*sequence), now)
            }
            Self::Unclaim(_) | Self::Finish(_) => return self.next(snapshot, now),
        };
        match release {
            Ok(Release::Commit { writes, .. }) => Ok(writes),
            Ok(Release::Nothing | Release::ReadAll) | Err(_) => Err(Changed),
        }
    }

    /// The next step after [`Collect::plan`], until there is nothing to write. Only claims take more than one:
    /// a handle that is there again is somebody's.
    ///
    /// # Errors
    /// If it has changed.
    pub fn next(&self, snapshot: &Snapshot, now: Timestamp) -> Result<Vec<Write>, Changed> {
        match self {
            Self::Handle { .. } | Self::Address { .. } => Ok(Vec::new()),
            Self::Unclaim(claim) => {
                plan::unclaim(snapshot, &claim.node, claim.cidr, now).map_err(|_| Changed)
            }
            Self::Finish(claim) => Ok(claim.finish(snapshot, now)),
        }
    }

    /// Whether it is what was observed.
    fn is_unchanged(&self, snapshot: &Snapshot) -> bool {
        match self {
            Self::Handle { handle, revision, addresses } => {
                let Some(stored) = snapshot.handle(handle) else { return false };
                let named = stored.value.blocks.keys().filter_map(|cidr| snapshot.block(cidr));
                let mut held = named.flat_map(|block| block.value.held_by(handle));
                // An assignment that stopped after it wrote the handle may have gone on since.
                let was_observed = |address| addresses.iter().any(|(observed, _)| *observed == address);
                stored.revision == *revision
                    && held.all(was_observed)
                    && addresses
                        .iter()
                        .all(|(address, sequence)| is_held(snapshot, *address, handle, *sequence))
            }
            Self::Address { address, handle, sequence, .. } => {
                snapshot.handle(handle).is_none() && is_held(snapshot, *address, handle, *sequence)
            }
            Self::Unclaim(claim) => {
                claim.is_unchanged(snapshot)
                    && claim.own_block(snapshot).map(|block| block.revision) == claim.block
            }
            Self::Finish(claim) => claim.is_unchanged(snapshot) && claim.own_block(snapshot).is_some(),
        }
    }
}

impl Claim {
    fn own_block<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Versioned<Block>> {
        snapshot.block(&self.cidr).filter(|block| block.value.node() == self.node)
    }

    fn is_unchanged(&self, snapshot: &Snapshot) -> bool {
        let stored = snapshot.affinity(&self.node, &self.cidr);
        stored.map(|affinity| affinity.revision) == self.affinity
    }

    /// As its node would do it: the claim is there before it is confirmed, and the block is written once more
    /// before that, so that whoever was giving it back fails.
    fn finish(&self, snapshot: &Snapshot, now: Timestamp) -> Vec<Write> {
        let Self { node, cidr, .. } = self;
        let affinity = |state| Record::Affinity(Affinity { node: node.clone(), cidr: *cidr, state });
        let Some(block) = self.own_block(snapshot) else { return Vec::new() };
        match snapshot.affinity(node, cidr) {
            None => {
                let pending = affinity(AffinityState::Pending);
                vec![Write { key: pending.key(), expected: None, value: Some(pending) }]
            }
            Some(stored) if stored.value.state == AffinityState::Confirmed => Vec::new(),
            Some(stored) => vec![
                rewrite(block.revision, Record::Block(block.value.touched(now))),
                rewrite(stored.revision, affinity(AffinityState::Confirmed)),
            ],
        }
    }
}

fn is_held(snapshot: &Snapshot, address: IpAddr, handle: &str, sequence: u64) -> bool {
    let exactly = IpNetwork::from(address);
    let mut holders = snapshot.blocks_in(&exactly).filter_map(|block| block.value.allocation(address));
    holders.any(|holder| holder.handle == handle && holder.sequence == sequence)
}

fn rewrite(expected: Revision, record: Record) -> Write {
    Write { key: record.key(), expected: Some(expected), value: Some(record) }
}
