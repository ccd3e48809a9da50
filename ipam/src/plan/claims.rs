//! A node's claims to blocks: beginning one, bringing one forward that someone, perhaps a former life, has begun, and
//! taking an empty block from another node when a pool is exhausted.
//!
//! A claim is: write the affinity as pending, create the block (which decides), confirm the affinity. Taking a block from
//! another node is giving it back in that one's name ([`super::unclaim`]) and claiming it then, against everyone else. The
//! affinity that stays behind, pending deletion without a block, its node drops ([`settle`]), or whoever collects
//! what nodes that are gone have left.
//!
//! The budget holds as far as one agent plans for a node at a time: two (while one replaces the other) may each
//! claim the last block that it allows.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::draft::{Change, Draft};
use super::error::ClaimRefused;
use super::walk;
use crate::affinity::{Affinity, AffinityState};
use crate::block::Block;
use crate::family::{self, Family};
use crate::pool::Pool;
use crate::purpose::LOAD_BALANCER_NODE;
use crate::snapshot::{Key, Record, Scope, Snapshot, Write};
use crate::timestamp::Timestamp;
use crate::usage;

/// How long an empty block is left to its node after the claim: that claimed it to use it, and is about to.
pub(super) const RECLAIM_AFTER: Duration = Duration::from_secs(60);

/// How many blocks are tried along the walk before the pool is searched from one end: nearly full or nearly all reserved,
/// a pool may have more than anyone can try.
const WALK: usize = 4096;

/// The claims of one node, as a draft has them.
#[derive(Clone, Copy)]
pub(super) struct Claims<'d, 'a> {
    pub(super) draft: &'d Draft<'a>,
    pub(super) node: &'d str,
    pub(super) now: Timestamp,
}

impl<'d, 'a> Claims<'d, 'a> {
    fn snapshot(self) -> &'a Snapshot {
        self.draft.snapshot()
    }

    /// Whether the node may claim a block of this family. What bounds nodes does not bound the owner of services' blocks.
    pub(super) fn allowed(self, family: Family) -> Result<(), ClaimRefused> {
        self.allowed_beside(self.draft.blocks_of(self.node, family))
    }

    /// The same, if it has so many blocks beside the one in question.
    fn allowed_beside(self, blocks: u32) -> Result<(), ClaimRefused> {
        let configuration = self.snapshot().configuration();
        let budget = configuration.block_budget();
        if self.node == LOAD_BALANCER_NODE {
            Ok(())
        } else if !configuration.auto_allocate_blocks {
            Err(ClaimRefused::Off)
        } else if blocks >= budget {
            Err(ClaimRefused::Budget { blocks, budget })
        } else {
            Ok(())
        }
    }

    /// The next step of the first unfinished claim in this pool.
    pub(super) fn unfinished(self, pool: &Pool) -> Option<Vec<Change>> {
        let claims = self.draft.affinities_of(self.node);
        let mut claims = claims.filter(|affinity| family::overlap(&affinity.cidr, &pool.cidr));
        claims.find_map(|affinity| self.next_step(affinity, Some(pool))).or_else(|| self.adopted(&pool.cidr))
    }

    /// What brings a claim forward; `None` if nothing does. Without a pool, no block is created.
    pub(super) fn next_step(self, affinity: &Affinity, pool: Option<&Pool>) -> Option<Vec<Change>> {
        let cidr = affinity.cidr;
        let drop_claim = || vec![Change::Drop(Key::Affinity(self.node.to_owned(), cidr))];
        if self.draft.is_founding(&cidr) {
            return None;
        }
        match (self.draft.block(&cidr), affinity.state) {
            // Someone else was faster.
            (Some(block), _) if block.node() != self.node => Some(drop_claim()),
            (Some(_), AffinityState::Confirmed) => None,
            // Rewriting the block first makes a concurrent `unclaim` fail.
            (Some(block), AffinityState::Pending | AffinityState::PendingDeletion) => Some(vec![
                Change::Put(Record::Block(block.touched(self.now))),
                self.claim_in(cidr, AffinityState::Confirmed),
            ]),
            // A partial snapshot does not tell whether there is such a block.
            (None, _) if self.snapshot().scope == Scope::Part => None,
            (None, AffinityState::PendingDeletion | AffinityState::Confirmed) => Some(drop_claim()),
            (None, AffinityState::Pending) => {
                let created = pool.filter(|pool| self.may_found(pool, &cidr)).and_then(|_| self.found(cidr));
                Some(created.map_or_else(drop_claim, |created| vec![created]))
            }
        }
    }

    /// Whether the block of a pending claim may still be created.
    fn may_found(self, pool: &Pool, cidr: &IpNetwork) -> bool {
        let family = pool.family();
        // It is one of those counted.
        let others = self.draft.blocks_of(self.node, family).saturating_sub(1);
        cidr.prefix() == pool.block_size
            && !self.draft.is_occupied(cidr)
            && !self.snapshot().reserved().covers_all(cidr)
            && self.allowed_beside(others).is_ok()
    }

    /// The claim to a block within `cidr` that is this node's although no affinity says so.
    pub(super) fn adopted(self, cidr: &IpNetwork) -> Option<Vec<Change>> {
        if self.snapshot().scope == Scope::Part {
            return None;
        }
        let mut own = self.draft.blocks_in(cidr).filter(|block| block.node() == self.node);
        let orphan = own.find(|block| {
            let cidr = block.cidr();
            !self.draft.has_touched_affinity(self.node, &cidr)
                && self.draft.affinity(self.node, &cidr).is_none()
        })?;
        Some(vec![self.claim_in(orphan.cidr(), AffinityState::Pending)])
    }

    fn claim_in(self, cidr: IpNetwork, state: AffinityState) -> Change {
        Change::Put(Record::Affinity(Affinity { node: self.node.to_owned(), cidr, state }))
    }

    fn found(self, cidr: IpNetwork) -> Option<Change> {
        Block::new(cidr, self.node, self.now).ok().map(|block| Change::Put(Record::Block(block)))
    }

    /// The first two steps of a claim; confirming follows when these are committed.
    pub(super) fn claim(self, cidr: IpNetwork) -> Option<Vec<Change>> {
        let pending = self.claim_in(cidr, AffinityState::Pending);
        Some(vec![pending, self.found(cidr)?])
    }

    /// The first block on this node's way that nobody has, and that is not wholly reserved.
    pub(super) fn unclaimed(self, pool: &Pool) -> Option<IpNetwork> {
        let fitting = |block: &&Block| block.cidr().prefix() == pool.block_size;
        let existing = self.draft.blocks_in(&pool.cidr).filter(fitting).count();
        if u128::try_from(existing).is_ok_and(|existing| existing >= usage::blocks_total(pool)) {
            return None;
        }
        let reserved = self.snapshot().reserved();
        let mut walk = walk::blocks(pool, self.node);
        let free = |cidr: &IpNetwork| !reserved.covers_all(cidr) && !self.draft.is_occupied(cidr);
        if let Some(found) = walk.by_ref().take(WALK).find(free) {
            return Some(found);
        }
        walk.next()?;
        self.sweep(pool)
    }

    /// The first such block from the node's own place upwards, passing what is reserved in leaps.
    fn sweep(self, pool: &Pool) -> Option<IpNetwork> {
        let reserved = self.snapshot().reserved();
        let begin = walk::blocks(pool, self.node).next()?;
        let (family, first, last) = family::bounds(&pool.cidr);
        let (_, begin, _) = family::bounds(&begin);
        let search = |from: u128, to: u128| {
            let mut number = from;
            while number <= to {
                let cidr = family::enclosing(family::from_number(family, number), pool.block_size)?;
                let (_, start, end) = family::bounds(&cidr);
                let covered = reserved.range_with(family, start).filter(|covered| *covered >= end);
                if covered.is_none() && !self.draft.is_occupied(&cidr) {
                    return Some(cidr);
                }
                number = covered.unwrap_or(end).checked_add(1)?;
            }
            None
        };
        search(begin, last).or_else(|| search(first, begin))
    }

    /// Giving back, in its node's name, an empty block of the pool that its node does not use.
    pub(super) fn reclaim(self, pool: &Pool) -> Option<Vec<Change>> {
        let cooldown = self.snapshot().configuration().cooldown();
        let idle: Vec<&Block> = self
            .draft
            .blocks_in(&pool.cidr)
            .filter(|block| block.node() != self.node && block.used() == 0)
            .filter(|block| block.cidr().prefix() == pool.block_size)
            .filter(|block| block.claimed_at().after(RECLAIM_AFTER) <= self.now)
            // Its record alone remembers what rests.
            .filter(|block| block.cooling(self.now, cooldown) == 0)
            .filter(|block| !self.snapshot().reserved().covers_all(&block.cidr()))
            .filter(|block| !self.draft.is_founding(&block.cidr()))
            .filter(|block| !self.draft.has_touched_affinity(block.node(), &block.cidr()))
            // What an earlier task of the draft empties is given back by that one first.
            .filter(|block| self.snapshot().block(&block.cidr()).is_some_and(|there| there.value.used() == 0))
            .collect();
        let block = idle.get(walk::place(self.node, idle.len())?)?;
        Some(Claims { node: block.node(), ..self }.give_back(block.cidr()))
    }

    /// The first two steps of giving a block back; the affinity goes when these are committed. It is written even if it
    /// says so already, so that a confirmation planned before fails (see the module above).
    pub(super) fn give_back(self, cidr: IpNetwork) -> Vec<Change> {
        vec![self.claim_in(cidr, AffinityState::PendingDeletion), Change::Drop(Key::Block(cidr))]
    }
}

/// Plans the next step towards `node` having neither claims half made nor half given back, and no address that rests
/// because a clock was ahead: commit the writes, apply them to the snapshot, call again, until there is nothing to write.
///
/// For when an agent starts, and for when it sees that somebody began to take an empty block of its node and gave up: the
/// affinity then is pending deletion, and the block is in use again. A claim whose block was not created is dropped.
#[must_use]
pub fn settle(snapshot: &Snapshot, node: &str, now: Timestamp) -> Vec<Write> {
    let mut draft = Draft::new(snapshot);
    let claims = Claims { draft: &draft, node, now };
    // One step of each claim is one of its record, so all fit into one draft.
    let mut steps: BTreeMap<IpNetwork, Vec<Change>> = BTreeMap::new();
    for stored in snapshot.affinities_of(node) {
        if let Some(changes) = claims.next_step(&stored.value, None) {
            steps.insert(stored.value.cidr, changes);
        }
    }
    for stored in snapshot.blocks().filter(|stored| stored.value.node() == node) {
        let cidr = stored.value.cidr();
        if let Some(changes) = claims.adopted(&cidr) {
            steps.insert(cidr, changes);
        } else if stored.value.is_ahead_of(now) {
            let touched = || vec![Change::Put(Record::Block(stored.value.touched(now)))];
            steps.entry(cidr).or_insert_with(touched);
        }
    }
    for change in steps.into_values().flatten() {
        draft.apply(change);
    }
    draft.into_writes()
}
