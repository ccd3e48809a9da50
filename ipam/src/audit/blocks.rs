//! Blocks and the addresses in use of them.

use super::judge::{Judge, Known, Life};
use super::report::{Kind, Problem};
use super::{Audit, Progress, Stage, count};
use crate::block::{Allocation, Block};
use crate::index::Holding;
use crate::plan::ReleaseItem;
use crate::{standby, usage};

/// What may mend a block that garbage collection has to leave alone.
const WAIT: &str = "delete the pods that use its addresses; then it goes by itself";

impl<P: FnMut(Progress)> Audit<'_, P> {
    pub(super) fn blocks(&mut self) {
        let index = self.index;
        let total = count(index.blocks(None, None, None).count());
        // Prefixes that overlap are nested, and the outer ones come first.
        let mut outer: Vec<&Block> = Vec::new();
        for block in index.blocks(None, None, None).map(|block| &block.value) {
            self.tell(Stage::Blocks, self.report.counts.blocks, total);
            self.report.counts.blocks += 1;
            outer.retain(|outer| outer.cidr().contains(block.cidr().network()));
            if let Some(outer) = outer.last() {
                self.overlap(outer, block);
            }
            outer.push(block);
            self.owner(block);
            self.pool(block);
            for (address, allocation) in block.allocations() {
                self.report.counts.allocations += 1;
                self.report.counts.standby += u64::from(standby::is_handle(&allocation.handle));
                self.allocation(&Holding { address, allocation, block });
            }
        }
        self.over(Stage::Blocks, total);
    }

    fn overlap(&mut self, outer: &Block, inner: &Block) {
        let twice = inner.allocations().filter(|(address, _)| outer.allocation(*address).is_some()).count();
        let (cidr, node) = (inner.cidr(), inner.node());
        self.problem(Problem {
            kind: Kind::DuplicateAddress,
            subject: cidr.to_string(),
            what: format!(
                "block {cidr} of node {node} lies within block {} of node {} (addresses in use in both: \
                 {twice})",
                outer.cidr(),
                outer.node()
            ),
            remedy: format!("delete the pods that use addresses of {cidr}, and then its record"),
            release: None,
        });
    }

    fn owner(&mut self, block: &Block) {
        let (cidr, node) = (block.cidr(), block.node());
        let (kind, what) = if !self.judge.node_exists(node) {
            (Kind::GoneNode, format!("block {cidr} belongs to node {node}, which does not exist"))
        } else if self.index.affinity(node, &cidr).is_none() {
            (Kind::OwnerlessBlock, format!("block {cidr} belongs to node {node}, which has no claim to it"))
        } else {
            return;
        };
        // What garbage collection does without is given to it: a missing claim is made anew if addresses are
        // in use.
        let waits = kind == Kind::GoneNode && self.is_used(block);
        let remedy = if waits { WAIT.to_owned() } else { String::new() };
        self.problem(Problem { kind, subject: cidr.to_string(), what, remedy, release: None });
    }

    fn pool(&mut self, block: &Block) {
        let holds = |pool| usage::holds(pool, block);
        if self.index.pools().any(holds) {
            return;
        }
        let (cidr, node, used) = (block.cidr(), block.node(), block.used());
        let remedy = if self.is_used(block) {
            format!("apply an IPPool that holds {cidr}, or delete the pods that use its addresses")
        } else {
            String::new()
        };
        self.problem(Problem {
            kind: Kind::OutsidePools,
            subject: cidr.to_string(),
            what: format!("block {cidr} of node {node} lies in no pool (addresses in use: {used})"),
            remedy,
            release: None,
        });
    }

    fn allocation(&mut self, holding: &Holding<'_>) {
        let Holding { address, allocation: Allocation { handle, .. }, block } = holding;
        // Always known: every allocation was counted.
        let Some(known) = self.judge.known(handle) else { return };
        let cidr = block.cidr();
        let is_garbage = known.is_garbage();
        let unused = if known.is_all_used() { None } else { unused(&self.judge, known, holding) };
        let lack = match known.holder {
            None => Some("of which there is no record".to_owned()),
            Some(_) if known.names(&cidr) => None,
            Some(_) => Some(format!("whose record does not name block {cidr}")),
        };
        let missing = lack.map(|lack| Problem {
            kind: Kind::MissingHandle,
            subject: address.to_string(),
            what: format!("{address} is held by {handle}, {lack}"),
            remedy: if is_garbage {
                String::new()
            } else {
                format!("delete {}: its address goes by garbage collection then", user(holding))
            },
            release: is_garbage.then(|| item(holding)),
        });
        self.report.problems.extend(unused.into_iter().chain(missing));
    }

    /// Whether addresses of the block are in use by what garbage collection leaves alone.
    fn is_used(&self, block: &Block) -> bool {
        block.allocations().any(|(_, allocation)| !self.judge.is_garbage(&allocation.handle))
    }
}

/// What to say if nobody uses the address for whom it was taken.
fn unused(judge: &Judge<'_>, known: &Known<'_>, holding: &Holding<'_>) -> Option<Problem> {
    let Holding { address, allocation, .. } = *holding;
    let handle = &allocation.handle;
    let whose = format!("{address} is held by {handle} for {}", user(holding));
    let (kind, what, user) = match judge.life_of(known, address, allocation) {
        Life::Used => return None,
        Life::Idle => (Kind::LeakedAddress, format!("{whose}, which does not use it"), None),
        Life::Leaked => (Kind::LeakedAddress, format!("{whose}, which does not exist"), None),
        Life::Foreign(user) => {
            let (name, node) = (&user.name, &user.node);
            let what = format!("{whose}, which does not exist, while pod {name} on node {node} uses it");
            (Kind::LeakedAddress, what, Some(user))
        }
        Life::NodeGone => {
            let node = &allocation.attributes.node;
            (Kind::GoneNode, format!("{whose} on node {node}, which does not exist"), None)
        }
    };
    let remedy = match user {
        _ if known.is_garbage() => String::new(),
        Some(user) => format!("delete pod {}; then the address goes by itself", user.name),
        None => format!("release the address: it does not go by itself, as {handle} is in use otherwise"),
    };
    let release = user.is_none().then(|| item(holding));
    Some(Problem { kind, subject: address.to_string(), what, remedy, release })
}

/// For whom an address was taken.
pub(super) fn user(holding: &Holding<'_>) -> String {
    let attributes = &holding.allocation.attributes;
    if attributes.pod.is_empty() {
        return holding.allocation.handle.clone();
    }
    format!("pod {}/{}", attributes.namespace, attributes.pod)
}

fn item(holding: &Holding<'_>) -> ReleaseItem {
    let Allocation { handle, sequence, .. } = holding.allocation;
    ReleaseItem { address: holding.address, handle: handle.clone(), sequence: Some(*sequence) }
}
