//! From the policies that select one endpoint to its profile in one direction: their blocks, tier by tier.
//!
//! Blocks are made once and kept as long as somebody has use for them, so that what many endpoints share, or what did not
//! change, is neither lowered nor looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::digest::Digest;
use super::lower::{Block, lower, own_names};
use super::order::{Stack, tiers};
use crate::model::{Model, NamedPort, Policy, PolicyId};
use crate::program::{Direction, Profile, ProfileId, Tier, TierEnd, Verdict};

/// Blocks of policies, kept.
#[derive(Debug, Default)]
pub(crate) struct Blocks(BTreeMap<(PolicyId, Direction), Known>);

/// The blocks of a policy in one direction.
#[derive(Debug, Default)]
struct Known {
    /// The names of ports on which they depend.
    names: BTreeSet<String>,
    /// By the ports that have these names.
    blocks: BTreeMap<BTreeSet<NamedPort>, Arc<Block>>,
}

impl Blocks {
    /// The block of a policy for an endpoint with these ports.
    fn get(
        &mut self,
        direction: Direction,
        named_ports: &BTreeSet<NamedPort>,
        policy: &Policy,
    ) -> Arc<Block> {
        let known = self
            .0
            .entry((policy.id.clone(), direction))
            .or_insert_with(|| Known { names: own_names(direction, policy), blocks: BTreeMap::new() });
        let asked = named_ports.iter().filter(|port| known.names.contains(&port.name)).cloned().collect();
        let block = known.blocks.entry(asked);
        Arc::clone(block.or_insert_with(|| Arc::new(lower(direction, named_ports, policy))))
    }

    /// Forgets those of a policy: it is another now.
    pub(crate) fn forget(&mut self, id: &PolicyId) {
        for direction in [Direction::Ingress, Direction::Egress] {
            self.0.remove(&(id.clone(), direction));
        }
    }

    /// Forgets those that nobody has use for.
    pub(crate) fn sweep(&mut self) {
        self.0.retain(|_, known| {
            known.blocks.retain(|_, block| Arc::strong_count(block) > 1);
            !known.blocks.is_empty()
        });
    }
}

/// A profile in parts.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) id: ProfileId,
    direction: Direction,
    tiers: Vec<(Stack<'a>, Vec<Arc<Block>>)>,
}

impl<'a> Parts<'a> {
    /// For an endpoint with these ports that these policies select; `None` if they say nothing of this direction.
    pub(crate) fn of(
        model: &Model,
        direction: Direction,
        policies: impl IntoIterator<Item = &'a Policy>,
        named_ports: &BTreeSet<NamedPort>,
        blocks: &mut Blocks,
    ) -> Option<Self> {
        let stacks = tiers(model, direction, policies);
        if stacks.is_empty() {
            return None;
        }
        let mut with_blocks = |stack: Stack<'a>| {
            let policies = stack.policies.iter();
            let blocks = policies.map(|policy| blocks.get(direction, named_ports, policy)).collect();
            (stack, blocks)
        };
        let tiers: Vec<_> = stacks.into_iter().map(&mut with_blocks).collect();
        Some(Self { id: name(direction, &tiers), direction, tiers })
    }

    /// The parts that may be shared.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.tiers.iter().flat_map(|(_, blocks)| blocks)
    }

    /// The whole.
    pub(crate) fn profile(&self) -> Profile {
        let tiers = self.tiers.iter().map(|(stack, blocks)| Tier {
            name: stack.name.to_owned(),
            policies: stack.policies.iter().map(|policy| policy.id.clone()).collect(),
            rules: blocks.iter().flat_map(|block| block.rules.iter().cloned()).collect(),
            end: stack.end,
        });
        Profile { direction: self.direction, tiers: tiers.collect(), fallback: FALLBACK }
    }
}

const FALLBACK: Verdict = Verdict::Allow;

fn name(direction: Direction, tiers: &[(Stack<'_>, Vec<Arc<Block>>)]) -> ProfileId {
    let digest = Digest::of(match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    });
    let digest = digest.list(tiers, |digest, (stack, blocks)| {
        let digest = digest.text(stack.name);
        let digest = digest.list(&stack.policies, |digest, policy| digest.policy(&policy.id));
        let digest = digest.list(blocks, |digest, block| digest.bytes(&block.digest));
        digest.number(match stack.end {
            TierEnd::Deny => 0,
            TierEnd::Pass => 1,
        })
    });
    let digest = digest.number(match FALLBACK {
        Verdict::Allow => 0,
        Verdict::Deny => 1,
    });
    ProfileId(digest.name('p'))
}
