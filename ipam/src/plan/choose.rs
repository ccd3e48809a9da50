//! Where one wanted address comes from.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::claims::Claims;
use super::draft::{Change, Draft};
use super::eligible::{self, Pools, WhyNot};
use super::error::{AssignError, PoolFill};
use super::request::Request;
use super::walk;
use crate::affinity::AffinityState;
use crate::block::{Attributes, Block};
use crate::family::{self, Family};
use crate::pool::Pool;
use crate::purpose::Use;
use crate::snapshot::{Record, Scope, Snapshot};
use crate::usage;

/// Where one wanted address comes from.
pub(super) enum Choice {
    /// This block, which has it free.
    Free(IpNetwork, IpAddr),
    /// A block that is not there yet: these changes bring it nearer.
    Prepare(Vec<Change>),
    /// A block that this draft brings nearer already.
    Wait,
    /// The snapshot does not tell.
    ReadAll,
}

/// What a request is matched with.
#[derive(Clone, Copy)]
pub(super) struct Chooser<'d, 'a> {
    pub(super) draft: &'d Draft<'a>,
    pub(super) request: &'d Request,
    pub(super) family: Family,
    pub(super) pools: &'d Pools<'a>,
    /// Addresses that the request gets already.
    pub(super) chosen: &'d BTreeSet<IpAddr>,
}

impl<'d, 'a> Chooser<'d, 'a> {
    fn snapshot(self) -> &'a Snapshot {
        self.draft.snapshot()
    }

    fn claims(self) -> Claims<'d, 'a> {
        Claims { draft: self.draft, node: self.request.owner(), now: self.request.now }
    }

    /// Any address of the family: the nearest that there is. Own blocks come before new ones, a block that nobody has before
    /// one that another node does not use, and that before an address of a block that another node uses.
    pub(super) fn any(self) -> Result<Choice, AssignError> {
        if self.pools.serving.is_empty() {
            let (family, passed_over) = (self.family, self.pools.passed_over.clone());
            return Err(AssignError::NoPool { family, passed_over });
        }
        if let Some(free) = self.named_free().or_else(|| self.own_free()) {
            return Ok(free);
        }
        let serving = || self.pools.serving.iter().copied();
        if serving().any(|pool| self.draft.is_claiming_in(&pool.cidr)) {
            return Ok(Choice::Wait);
        }
        if let Some(changes) = serving().find_map(|pool| self.claims().unfinished(pool)) {
            return Ok(Choice::Prepare(changes));
        }
        if self.snapshot().scope == Scope::Part {
            return Ok(Choice::ReadAll);
        }
        if self.claims().allowed(self.family).is_ok()
            && let Some(changes) = serving().find_map(|pool| self.claim(pool)).or_else(|| self.reclaim())
        {
            return Ok(Choice::Prepare(changes));
        }
        if !self.is_strict()
            && let Some(free) = self.borrowed()
        {
            return Ok(free);
        }
        self.unlocked().map_or_else(|| Err(self.scarcity()), |changes| Ok(Choice::Prepare(changes)))
    }

    /// A free address of a block that the handle names: an earlier attempt took or wanted an address there. It may have
    /// been planned for another node, or when another pool served the request.
    fn named_free(self) -> Option<Choice> {
        let handle = self.draft.handle(&self.request.handle)?;
        let mut blocks = handle.blocks.keys().filter_map(|cidr| self.draft.block(cidr)).filter(|block| {
            let is_own = block.node() == self.request.owner();
            self.serves(block) && if is_own { self.is_confirmed(block) } else { !self.is_strict() }
        });
        blocks.find_map(|block| self.free_in(block))
    }

    fn serves(self, block: &Block) -> bool {
        self.pools.serving.iter().any(|pool| usage::holds(pool, block))
    }

    fn is_confirmed(self, block: &Block) -> bool {
        let affinity = self.draft.affinity(self.request.owner(), &block.cidr());
        affinity.is_some_and(|affinity| affinity.state == AffinityState::Confirmed)
    }

    /// Whether only own blocks give addresses. Those of services' pools all have one owner.
    fn is_strict(self) -> bool {
        self.snapshot().configuration().strict_affinity || self.request.usage == Use::LoadBalancer
    }

    /// A free address of a block that this node owns and has confirmed.
    fn own_free(self) -> Option<Choice> {
        let own = |pool: &&Pool| {
            let claims = self.draft.affinities_of(self.request.owner());
            let confirmed = claims.filter(|affinity| affinity.state == AffinityState::Confirmed);
            let mut within = confirmed.filter(|affinity| family::overlap(&affinity.cidr, &pool.cidr));
            within.find_map(|affinity| {
                let block = self.draft.block(&affinity.cidr)?;
                if block.node() == self.request.owner() { self.free_in(block) } else { None }
            })
        };
        self.pools.serving.iter().find_map(own)
    }

    fn free_in(self, block: &Block) -> Option<Choice> {
        let reserved = self.snapshot().reserved();
        let taken = |address: IpAddr| reserved.covers(address) || self.chosen.contains(&address);
        let cooldown = self.snapshot().configuration().cooldown();
        let address = block.next_free(self.request.now, cooldown, taken)?;
        Some(Choice::Free(block.cidr(), address))
    }

    fn claim(self, pool: &Pool) -> Option<Vec<Change>> {
        self.claims().claim(self.claims().unclaimed(pool)?)
    }

    fn reclaim(self) -> Option<Vec<Change>> {
        self.pools.serving.iter().find_map(|pool| self.claims().reclaim(pool))
    }

    /// The blocks of other nodes that have a free address.
    fn lenders(self) -> impl Iterator<Item = &'d Block> {
        let blocks = self.pools.serving.iter().flat_map(move |pool| self.draft.blocks_in(&pool.cidr));
        let others = blocks.filter(move |block| block.node() != self.request.owner());
        others.filter(move |block| self.free_in(block).is_some())
    }

    /// A free address of another node's block, each node beginning with another block.
    fn borrowed(self) -> Option<Choice> {
        let lenders: Vec<&Block> = self.lenders().collect();
        self.free_in(lenders.get(walk::place(&self.request.node, lenders.len())?)?)
    }

    /// A rewrite of an own block in which addresses rest because a clock was ahead.
    fn unlocked(self) -> Option<Vec<Change>> {
        let owner = self.request.owner();
        let mut own = self.draft.affinities_of(owner).filter_map(|claim| self.draft.block(&claim.cidr));
        let ahead = own.find(|block| {
            block.node() == owner && self.serves(block) && block.is_ahead_of(self.request.now)
        })?;
        Some(vec![Change::Put(Record::Block(ahead.touched(self.request.now)))])
    }

    /// Why there is no address.
    fn scarcity(self) -> AssignError {
        let (family, node) = (self.family, self.request.owner().to_owned());
        let strict = self.snapshot().configuration().strict_affinity;
        if let Err(refused) = self.claims().allowed(family)
            && self.pools.serving.iter().any(|pool| self.claims().unclaimed(pool).is_some())
        {
            return AssignError::NoBlock { family, node, refused, strict };
        }
        let reserved = self.snapshot().reserved();
        let cooldown = self.snapshot().configuration().cooldown();
        let free = |block: &Block| {
            block.available(self.request.now, cooldown, |address| reserved.covers(address)).count()
        };
        let free: usize = self.lenders().map(free).sum();
        if strict && free > 0 {
            let free = u64::try_from(free).unwrap_or(u64::MAX);
            return AssignError::NotToBorrow { family, node, free };
        }
        let (pools, passed_over) = (self.fills(&self.pools.serving), self.pools.passed_over.clone());
        AssignError::Full { family, pools, passed_over }
    }

    /// A certain address: from whichever block has it, whoever owns that, if it may be borrowed.
    pub(super) fn this(self, address: IpAddr) -> Result<Choice, AssignError> {
        let pool = self.pool_of(address)?;
        if let Some(reservation) = self.snapshot().reserved().by(address) {
            return Err(AssignError::Reserved { address, reservation: reservation.name.clone() });
        }
        if let Some(block) = self.snapshot().unreadable_in(&IpNetwork::from(address)) {
            return Err(AssignError::Unreadable { address, block });
        }
        let Some(block) = self.draft.block_with(address) else { return self.unowned(pool, address) };
        let (owner, cidr) = (self.request.owner(), block.cidr());
        if self.draft.is_founding(&cidr) || self.draft.has_touched_affinity(owner, &cidr) {
            return Ok(Choice::Wait);
        }
        if let Some(allocation) = block.allocation(address) {
            let Attributes { namespace, pod, .. } = &allocation.attributes;
            let holder =
                if pod.is_empty() { allocation.handle.clone() } else { format!("pod {namespace}/{pod}") };
            return Err(AssignError::InUse { address, holder });
        }
        if block.node() != owner {
            if self.is_strict() {
                let (node, owner) = (owner.to_owned(), block.node().to_owned());
                return Err(AssignError::OthersBlock { address, block: cidr, owner, node });
            }
        } else if !self.is_confirmed(block) {
            let step = match self.draft.affinity(owner, &cidr) {
                Some(affinity) => self.claims().next_step(affinity, Some(pool)),
                None => self.claims().adopted(&cidr),
            };
            return Ok(step.map_or(Choice::ReadAll, Choice::Prepare));
        }
        let cooldown = self.snapshot().configuration().cooldown();
        let now = self.request.now;
        match block.rests_until(address, now, cooldown) {
            None => Ok(Choice::Free(cidr, address)),
            // A clock was ahead; after this the rest has an end.
            Some(_) if block.is_ahead_of(now) => {
                Ok(Choice::Prepare(vec![Change::Put(Record::Block(block.touched(now)))]))
            }
            Some(until) => {
                let seconds = until.since(now).as_millis().div_ceil(1000);
                let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
                Err(AssignError::Resting { address, seconds })
            }
        }
    }

    /// The pool that gives out this address.
    fn pool_of(self, address: IpAddr) -> Result<&'a Pool, AssignError> {
        // Of pools that overlap, the first by name gives out addresses.
        let Some(pool) = self.snapshot().pools().find(|pool| pool.cidr.contains(address)) else {
            let of_family: Vec<&Pool> =
                self.snapshot().pools().filter(|pool| pool.family() == self.family).collect();
            return Err(AssignError::OutsidePools { address, pools: self.fills(&of_family) });
        };
        let asked = &self.request.pools;
        let not_asked = || {
            (!asked.is_empty() && !asked.contains(&pool.name))
                .then(|| WhyNot::NotAsked { asked: asked.clone() })
        };
        match not_asked().or_else(|| eligible::why_not(self.snapshot(), pool, self.request)) {
            Some(why) => {
                Err(AssignError::PoolRefuses { address, pool: pool.name.clone(), why: Box::new(why) })
            }
            None => Ok(pool),
        }
    }

    /// A certain address that is in no block.
    fn unowned(self, pool: &Pool, address: IpAddr) -> Result<Choice, AssignError> {
        let Some(cidr) = family::enclosing(address, pool.block_size) else { return Ok(Choice::ReadAll) };
        if self.draft.is_founding(&cidr) || self.draft.has_touched_affinity(self.request.owner(), &cidr) {
            return Ok(Choice::Wait);
        }
        if self.snapshot().scope == Scope::Part {
            return Ok(Choice::ReadAll);
        }
        if let Some(beside) = self.draft.blocks_in(&cidr).next() {
            return Err(AssignError::Misfit { address, block: beside.cidr() });
        }
        let step = match self.draft.affinity(self.request.owner(), &cidr) {
            Some(affinity) => self.claims().next_step(affinity, Some(pool)),
            None => {
                let refused = |refused| AssignError::BlockRefused { address, block: cidr, refused };
                self.claims().allowed(self.family).map_err(refused)?;
                self.claims().claim(cidr)
            }
        };
        Ok(step.map_or(Choice::ReadAll, Choice::Prepare))
    }

    fn fills(self, pools: &[&Pool]) -> Vec<PoolFill> {
        let cooldown = self.snapshot().configuration().cooldown();
        let fill = |pool: &&Pool| {
            let blocks = || self.draft.blocks_in(&pool.cidr);
            let used = usage::pool_usage(pool, blocks());
            let cooling = blocks().map(|block| u64::from(block.cooling(self.request.now, cooldown))).sum();
            PoolFill {
                name: pool.name.clone(),
                cidr: pool.cidr,
                used: used.addresses_used,
                cooling,
                reserved: self.snapshot().reserved().count_in(&pool.cidr),
                total: used.addresses_total,
            }
        };
        pools.iter().map(fill).collect()
    }
}
