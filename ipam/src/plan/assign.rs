//! Taking addresses, and claiming blocks to take them from.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::error::{AssignError, PoolFill};
use super::walk;
use crate::affinity::{Affinity, AffinityState};
use crate::block::{Attributes, Block};
use crate::family::{self, Family};
use crate::handle::Handle;
use crate::pool::{AssignmentMode, Pool};
use crate::purpose::Use;
use crate::snapshot::{Key, Record, Revision, Scope, Snapshot, Versioned, Write};
use crate::timestamp::Timestamp;
use crate::usage;

/// Who wants which addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// The node on which they will be used.
    pub node: String,
    /// The node's labels, by which pools select it.
    pub node_labels: BTreeMap<String, String>,
    /// The labels of the namespace, by which pools select it; none for what is in no namespace.
    pub namespace_labels: BTreeMap<String, String>,
    /// Who will hold them. Asked again for the same handle, the answer is the same.
    pub handle: String,
    /// For whom.
    pub attributes: Attributes,
    /// Which, at most one per family: all or none are given.
    pub wanted: Vec<Wanted>,
    /// The pools to take them from, by name; empty for all that serve the node and the namespace.
    pub pools: Vec<String>,
    /// What for.
    pub usage: Use,
    /// When.
    pub now: Timestamp,
}

/// One wanted address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Any of this family.
    Any(Family),
    /// This one.
    Address(IpAddr),
}

impl Wanted {
    /// The family of what is wanted.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::Any(family) => family,
            Self::Address(address) => Family::of(address),
        }
    }
}

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

/// Where one wanted address comes from.
enum Choice<'a> {
    Held(IpAddr),
    Free(&'a Versioned<Block>, IpAddr),
    Prepare(Vec<Write>),
    ReadAll,
}

/// Plans the next step towards giving `request` its addresses.
///
/// # Errors
/// If they cannot be given. Only ever from a snapshot of [`Scope::All`]: a partial one gives
/// [`Assignment::ReadAll`] instead, as what it has may be outdated.
pub fn assign(snapshot: &Snapshot, request: &Request) -> Result<Assignment, AssignError> {
    match (attempt(snapshot, request), snapshot.scope) {
        (Ok(assignment), _) => Ok(assignment),
        (Err(_), Scope::Part) => Ok(Assignment::ReadAll),
        (Err(error), Scope::All) => Err(error),
    }
}

fn attempt(snapshot: &Snapshot, request: &Request) -> Result<Assignment, AssignError> {
    if let [first, second, ..] = request.wanted.as_slice()
        && (first.family() == second.family() || request.wanted.len() > 2)
    {
        return Err(AssignError::TwoOfFamily { family: second.family() });
    }
    // All choices before any write: one that fails leaves nothing half done.
    let choices = request
        .wanted
        .iter()
        .map(|wanted| Chooser { snapshot, request, family: wanted.family() }.choose(*wanted))
        .collect::<Result<Vec<_>, _>>()?;
    let (mut prepare, mut free, mut addresses) = (Vec::new(), Vec::new(), Vec::new());
    for choice in choices {
        match choice {
            Choice::Held(address) => addresses.push(address),
            Choice::Free(block, address) => {
                free.push((block, address));
                addresses.push(address);
            }
            Choice::Prepare(writes) => prepare.extend(writes),
            Choice::ReadAll => return Ok(Assignment::ReadAll),
        }
    }
    if !prepare.is_empty() {
        return Ok(Assignment::Prepare(prepare));
    }
    if free.is_empty() {
        return Ok(Assignment::Done(addresses));
    }
    let mut writes = vec![register(snapshot, request, &free)];
    for (block, address) in free {
        let cooldown = snapshot.configuration().cooldown();
        // Never `None`: the chooser took the address from the block's free ones.
        let Some(next) =
            block.value.taking(address, &request.handle, &request.attributes, request.now, cooldown)
        else {
            return Ok(Assignment::ReadAll);
        };
        writes.push(rewrite(block.revision, Record::Block(next)));
    }
    Ok(Assignment::Commit { writes, addresses })
}

/// The write of the handle. Blocks that it names stay named unless they are gone: someone with the same handle may
/// be about to write one of them.
fn register(snapshot: &Snapshot, request: &Request, free: &[(&Versioned<Block>, IpAddr)]) -> Write {
    let stored = snapshot.handle(&request.handle);
    let mut blocks: BTreeMap<IpNetwork, u32> = BTreeMap::new();
    for cidr in stored.iter().flat_map(|stored| stored.value.blocks.keys()) {
        if let Some(block) = snapshot.block(cidr) {
            let held = block.value.held_by(&request.handle).count();
            blocks.insert(*cidr, u32::try_from(held).unwrap_or(u32::MAX));
        }
    }
    for (block, _) in free {
        *blocks.entry(block.value.cidr()).or_default() += 1;
    }
    let handle = Handle { id: request.handle.clone(), blocks };
    Write {
        key: Key::Handle(request.handle.clone()),
        expected: stored.map(|stored| stored.revision),
        value: Some(Record::Handle(handle)),
    }
}

fn rewrite(expected: Revision, record: Record) -> Write {
    Write { key: record.key(), expected: Some(expected), value: Some(record) }
}

fn create(record: Record) -> Write {
    Write { key: record.key(), expected: None, value: Some(record) }
}

/// Chooses an address of one family.
#[derive(Clone, Copy)]
struct Chooser<'a> {
    snapshot: &'a Snapshot,
    request: &'a Request,
    family: Family,
}

impl<'a> Chooser<'a> {
    fn choose(self, wanted: Wanted) -> Result<Choice<'a>, AssignError> {
        let held = self.named_blocks().find_map(|block| block.value.held_by(&self.request.handle).next());
        match (wanted, held) {
            (Wanted::Any(_), Some(held)) => Ok(Choice::Held(held)),
            (Wanted::Any(_), None) => self.any(),
            (Wanted::Address(asked), Some(held)) if asked == held => Ok(Choice::Held(held)),
            (Wanted::Address(asked), Some(held)) => {
                let handle = self.request.handle.clone();
                Err(AssignError::HoldsOther { handle, held, asked })
            }
            (Wanted::Address(asked), None) => self.this(asked),
        }
    }

    /// The blocks of the family that the handle names: where an earlier attempt took or wanted an address.
    fn named_blocks(self) -> impl Iterator<Item = &'a Versioned<Block>> {
        let stored = self.snapshot.handle(&self.request.handle);
        let named = stored.into_iter().flat_map(|stored| stored.value.blocks.keys());
        named
            .filter(move |cidr| Family::of_network(cidr) == self.family)
            .filter_map(move |cidr| self.snapshot.block(cidr))
    }

    fn any(self) -> Result<Choice<'a>, AssignError> {
        if let Some(free) = self.named_blocks().find_map(|block| self.free_in(block)) {
            return Ok(free);
        }
        let of_family =
            || self.snapshot.pools().filter(move |pool| Family::of_network(&pool.cidr) == self.family);
        let pools: Vec<&Pool> = of_family()
            .filter(|pool| !pool.disabled && pool.assignment_mode == AssignmentMode::Automatic)
            .collect();
        if pools.is_empty() {
            let passed_over = of_family().map(|pool| pool.name.clone()).collect();
            return Err(AssignError::NoPool { family: self.family, passed_over });
        }
        if let Some(free) = pools.iter().find_map(|pool| self.own_free(pool)) {
            return Ok(free);
        }
        if let Some(writes) = pools.iter().find_map(|pool| self.unfinished(pool)) {
            return Ok(Choice::Prepare(writes));
        }
        if self.snapshot.scope == Scope::Part {
            return Ok(Choice::ReadAll);
        }
        for pool in &pools {
            if let Some(cidr) = self.unclaimed(pool) {
                return self.claim(pool, cidr);
            }
        }
        pools
            .iter()
            .find_map(|pool| self.borrowed(pool))
            .ok_or_else(|| AssignError::Full { family: self.family, pools: self.fills(&pools) })
    }

    /// A certain address: from whichever block has it, whoever owns that.
    fn this(self, address: IpAddr) -> Result<Choice<'a>, AssignError> {
        let Some(pool) = self.snapshot.pools().find(|pool| pool.cidr.contains(address)) else {
            let of_family = |pool: &&Pool| Family::of_network(&pool.cidr) == self.family;
            let pools: Vec<&Pool> = self.snapshot.pools().filter(of_family).collect();
            return Err(AssignError::OutsidePools { address, pools: self.fills(&pools) });
        };
        if pool.disabled {
            return Err(AssignError::PoolDisabled { address, pool: pool.name.clone() });
        }
        let broken = || AssignError::BrokenPool { pool: pool.name.clone(), block_size: pool.block_size };
        let cidr = family::enclosing(address, pool.block_size).ok_or_else(broken)?;
        let Some(block) = self.snapshot.blocks_in(&cidr).find(|block| block.value.cidr().contains(address))
        else {
            return match self.snapshot.scope {
                Scope::Part => Ok(Choice::ReadAll),
                Scope::All => self.claim(pool, cidr),
            };
        };
        match block.value.allocation(address) {
            None => Ok(Choice::Free(block, address)),
            Some(allocation) => {
                let Attributes { namespace, pod, .. } = &allocation.attributes;
                let holder =
                    if pod.is_empty() { allocation.handle.clone() } else { format!("pod {namespace}/{pod}") };
                Err(AssignError::InUse { address, holder })
            }
        }
    }

    /// A free address of a block that this node owns and has confirmed.
    fn own_free(self, pool: &Pool) -> Option<Choice<'a>> {
        self.snapshot
            .blocks_in(&pool.cidr)
            .filter(|block| block.value.node() == self.request.node)
            .filter(|block| {
                let affinity = self.snapshot.affinity(&self.request.node, &block.value.cidr());
                affinity.is_some_and(|affinity| affinity.value.state == AffinityState::Confirmed)
            })
            .find_map(|block| self.free_in(block))
    }

    /// The next step of a claim of this node that someone, perhaps a former life, has begun.
    fn unfinished(self, pool: &Pool) -> Option<Vec<Write>> {
        let node = &self.request.node;
        let claims = self.snapshot.affinities().filter(|affinity| affinity.value.node == *node);
        let mut claims = claims.filter(|affinity| pool.cidr.contains(affinity.value.cidr.network()));
        let step = claims.find_map(|affinity| {
            let Affinity { cidr, state, .. } = affinity.value;
            let key = Key::Affinity(node.clone(), cidr);
            let drop_claim = Write { key, expected: Some(affinity.revision), value: None };
            match (self.snapshot.block(&cidr), state) {
                // Someone else was faster.
                (Some(block), _) if block.value.node() != *node => Some(vec![drop_claim]),
                (Some(_), AffinityState::Confirmed) => None,
                // Rewriting the block first makes a concurrent `unclaim` fail.
                (Some(block), AffinityState::Pending | AffinityState::PendingDeletion) => {
                    let confirmed = Affinity { node: node.clone(), cidr, state: AffinityState::Confirmed };
                    Some(vec![
                        rewrite(block.revision, Record::Block(block.value.touched(self.request.now))),
                        rewrite(affinity.revision, Record::Affinity(confirmed)),
                    ])
                }
                // A partial snapshot does not tell whether there is such a block.
                (None, _) if self.snapshot.scope == Scope::Part => None,
                (None, AffinityState::PendingDeletion | AffinityState::Confirmed) => Some(vec![drop_claim]),
                (None, AffinityState::Pending) => match Block::new(cidr, node, self.request.now) {
                    Ok(block) if self.snapshot.blocks_in(&cidr).next().is_none() => {
                        Some(vec![create(Record::Block(block))])
                    }
                    Ok(_) | Err(_) => Some(vec![drop_claim]),
                },
            }
        });
        step.or_else(|| self.adopted(pool))
    }

    /// The claim to a block that is this node's although no affinity says so.
    fn adopted(self, pool: &Pool) -> Option<Vec<Write>> {
        let node = &self.request.node;
        let mut own = self.snapshot.blocks_in(&pool.cidr).filter(|block| block.value.node() == *node);
        let orphan = own.find(|block| {
            self.snapshot.scope == Scope::All && self.snapshot.affinity(node, &block.value.cidr()).is_none()
        })?;
        let state = AffinityState::Pending;
        Some(vec![create(Record::Affinity(Affinity {
            node: node.clone(),
            cidr: orphan.value.cidr(),
            state,
        }))])
    }

    /// The first block on this node's way that nobody has.
    fn unclaimed(self, pool: &Pool) -> Option<IpNetwork> {
        // Ends after at most one more candidate than there are blocks.
        walk::blocks(pool, &self.request.node).find(|cidr| self.snapshot.blocks_in(cidr).next().is_none())
    }

    /// The first two steps of a claim; confirming follows when these are committed.
    fn claim(self, pool: &Pool, cidr: IpNetwork) -> Result<Choice<'a>, AssignError> {
        let node = self.request.node.clone();
        let broken = |_| AssignError::BrokenPool { pool: pool.name.clone(), block_size: pool.block_size };
        let block = Block::new(cidr, &node, self.request.now).map_err(broken)?;
        let affinity = self.snapshot.affinity(&node, &cidr);
        let pending = Record::Affinity(Affinity { node, cidr, state: AffinityState::Pending });
        let pending = Write {
            key: pending.key(),
            expected: affinity.map(|affinity| affinity.revision),
            value: Some(pending),
        };
        Ok(Choice::Prepare(vec![pending, create(Record::Block(block))]))
    }

    /// A free address of another node's block, each node beginning with another block.
    fn borrowed(self, pool: &Pool) -> Option<Choice<'a>> {
        let lenders: Vec<_> =
            self.snapshot.blocks_in(&pool.cidr).filter(|block| self.free_in(block).is_some()).collect();
        let count = u64::try_from(lenders.len()).ok().filter(|count| *count > 0)?;
        let start = usize::try_from(walk::hash(&self.request.node) % count).ok()?;
        lenders.get(start).copied().and_then(|block| self.free_in(block))
    }

    fn fills(self, pools: &[&Pool]) -> Vec<PoolFill> {
        let fill = |pool: &&Pool| {
            let used = usage::pool_usage(pool, self.snapshot.blocks().map(|block| &block.value));
            let (name, cidr) = (pool.name.clone(), pool.cidr);
            PoolFill { name, cidr, used: used.addresses_used, total: used.addresses_total }
        };
        pools.iter().map(fill).collect()
    }

    fn free_in(self, block: &'a Versioned<Block>) -> Option<Choice<'a>> {
        let cooldown = self.snapshot.configuration().cooldown();
        let reserved = |address| self.snapshot.reserved().covers(address);
        let address = block.value.next_free(self.request.now, cooldown, reserved)?;
        Some(Choice::Free(block, address))
    }
}
