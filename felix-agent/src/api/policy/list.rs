//! Policies: what each reaches, and what its rules counted on this node.

use std::collections::{BTreeMap, BTreeSet};

use policy::engine::{PolicySummary, Stage};
use policy::model::{PolicyId, Staged};
use policy::program::{Action, Direction, Program, TierEnd};
use proto::v1;

use super::action_word;
use crate::dataplane::nftables::counters::{Count, KernelRules};
use crate::dataplane::nftables::lower::name;
use crate::inputs::Inputs;
use crate::inputs::statuses::Reach;

/// Tier, direction and policies.
type End = (String, Direction, Vec<PolicyId>);

/// Policies, and what their rules are called in the kernel.
pub(super) struct Found {
    policies: Vec<(PolicyId, v1::PolicySummary)>,
    rules: BTreeMap<(PolicyId, Direction, u32), Known>,
    /// What denies at the end of a tier, and where that is counted.
    ends: BTreeMap<End, BTreeSet<(String, String)>>,
}

/// A rule of a policy that is in force here.
struct Known {
    name: Option<String>,
    action: Action,
    /// Profiles with the rule, and its comment there.
    places: BTreeSet<(String, String)>,
}

/// Those that are called so; empty: all.
pub(super) fn find(inputs: &Inputs, called: &str) -> Found {
    let engine = inputs.cluster.engine();
    let is_meant = |summary: &PolicySummary| {
        let PolicyId { namespace, name, .. } = &summary.id;
        let full = namespace.as_ref().map(|namespace| format!("{namespace}/{name}"));
        called.is_empty()
            || called == name
            || Some(called) == full.as_deref()
            || called == summary.id.to_string()
    };
    let policies = engine.summaries().into_iter().filter(is_meant);
    let mut found = Found {
        policies: policies.map(|summary| (summary.id.clone(), describe(inputs, summary))).collect(),
        rules: BTreeMap::new(),
        ends: BTreeMap::new(),
    };
    found.note(inputs.cluster.program());
    found
}

fn describe(inputs: &Inputs, summary: PolicySummary) -> v1::PolicySummary {
    let PolicySummary { id, stage, tier, directions, endpoints, problems } = summary;
    let model = inputs.cluster.engine().model();
    let policy = match stage {
        Stage::Enforced => model.policies.get(&id),
        Stage::Staged => match model.staged.get(&id) {
            Some(Staged::Set(policy)) => Some(&**policy),
            Some(Staged::Delete) | None => None,
        },
    };
    v1::PolicySummary {
        namespace: id.namespace.clone().unwrap_or_default(),
        name: id.name.clone(),
        types: directions.iter().map(ToString::to_string).collect(),
        endpoints: endpoints as u64,
        problems,
        kind: super::kind(id.kind, stage).name().to_owned(),
        policy: id.to_string(),
        tier,
        order: policy.and_then(|policy| policy.order.number()),
        staged: stage == Stage::Staged,
        status: (stage == Stage::Enforced).then(|| status(inputs.reach(&id))),
        hits: Vec::new(),
    }
}

fn status(reach: Reach) -> v1::PolicyStatus {
    let pending = reach.nodes.iter().filter_map(|(node, missing)| {
        missing.clone().map(|reason| v1::NodeReason { node: node.clone(), reason })
    });
    let pending: Vec<_> = pending.collect();
    let nodes = reach.nodes.len();
    v1::PolicyStatus { nodes: nodes as u64, programmed: (nodes - pending.len()) as u64, pending }
}

impl Found {
    /// Takes in where the program's rules are counted.
    fn note(&mut self, program: &Program) {
        let meant: BTreeSet<&PolicyId> = self.policies.iter().map(|(id, _)| id).collect();
        for (id, profile) in &program.profiles {
            let direction = profile.direction;
            for tier in &profile.tiers {
                for rule in tier.rules.iter().filter(|rule| meant.contains(&rule.origin.policy)) {
                    let key = (rule.origin.policy.clone(), direction, rule.origin.rule);
                    let (name, action) = (rule.origin.name.clone(), rule.action);
                    let known = self.rules.entry(key);
                    let known = known.or_insert_with(|| Known { name, action, places: BTreeSet::new() });
                    known.places.insert((id.0.clone(), name::rule(&rule.origin, direction)));
                }
                if tier.end == TierEnd::Deny {
                    let key = (tier.name.clone(), direction, tier.policies.clone());
                    let place = (id.0.clone(), name::tier_end(tier, direction));
                    self.ends.entry(key).or_default().insert(place);
                }
            }
        }
    }

    /// The answer, with what was counted if the kernel was asked.
    pub(super) fn answer(mut self, rules: Option<&KernelRules>) -> v1::ListPoliciesResponse {
        let Some(rules) = rules else {
            let policies = self.policies.into_iter().map(|(_, summary)| summary).collect();
            return v1::ListPoliciesResponse { policies, tiers: Vec::new() };
        };
        let counts = rules.counts();
        let sum = |places: &BTreeSet<(String, String)>| {
            let mut sum = Count::default();
            for (profile, comment) in places {
                sum += counts.get(&(profile.as_str(), comment.as_str())).copied().unwrap_or_default();
            }
            sum
        };
        for (id, summary) in self.policies.iter_mut().filter(|(_, summary)| !summary.staged) {
            let of_policy = self.rules.iter().filter(|((of, _, _), _)| of == id);
            summary.hits = of_policy
                .map(|((_, direction, rule), known)| {
                    let Count { packets, bytes } = sum(&known.places);
                    v1::RuleHits {
                        direction: direction.to_string(),
                        rule: *rule,
                        name: known.name.clone().unwrap_or_default(),
                        action: action_word(known.action).to_owned(),
                        packets,
                        bytes,
                    }
                })
                .collect();
        }
        let tiers = self.ends.iter().map(|((tier, direction, policies), places)| {
            let Count { packets, bytes } = sum(places);
            v1::TierHits {
                tier: tier.clone(),
                direction: direction.to_string(),
                policies: policies.iter().map(ToString::to_string).collect(),
                packets,
                bytes,
            }
        });
        let tiers = tiers.collect();
        v1::ListPoliciesResponse { policies: self.policies.into_iter().map(|(_, one)| one).collect(), tiers }
    }
}
