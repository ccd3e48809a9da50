//! What happens in random clusters: properties of what never happens would prove nothing.

use std::collections::BTreeMap;

use proptest::prelude::ProptestConfig;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{RngSeed, TestRunner};

use crate::evaluate::{Decision, Packet, Reason, Step, evaluate};
use crate::program::{Action, Match, Profile, Program, Rule, RuleOrigin, Set, Tier, TierEnd, Verdict};
use crate::scenario::random::{cases, packets, scenarios};

/// Things that happen, by how often.
type Seen = BTreeMap<String, usize>;

fn count(seen: &mut Seen, what: impl Into<String>) {
    *seen.entry(what.into()).or_default() += 1;
}

/// A packet on its way to a decision.
struct Way<'a> {
    program: &'a Program,
    packet: &'a Packet,
    decision: &'a Decision,
}

impl Way<'_> {
    /// What happens on it, and what decides.
    fn look(&self, seen: &mut Seen) {
        for step in &self.decision.path {
            match step {
                Step::Logged { tier, rule } => {
                    count(seen, format!("a rule of tier {tier} logs"));
                    self.look_at_rule(seen, rule, Action::Log);
                }
                Step::Passed { tier, rule: Some(rule) } => {
                    count(seen, format!("a rule of tier {tier} passes"));
                    self.look_at_rule(seen, rule, Action::Pass);
                }
                Step::Passed { tier, rule: None } => count(seen, format!("tier {tier} passes at its end")),
            }
        }
        match &self.decision.reason {
            Reason::Rule { tier, rule, verdict } => {
                count(seen, format!("a rule of tier {tier}: {verdict:?}"));
                count(seen, format!("a rule of a {:?}: {verdict:?}", rule.policy.kind));
                let action = match verdict {
                    Verdict::Allow => Action::Allow,
                    Verdict::Deny => Action::Deny,
                };
                self.look_at_rule(seen, rule, action);
            }
            Reason::TierEnd { tier } => count(seen, format!("tier {tier} denies at its end")),
            Reason::Itself => count(seen, "an endpoint reaches itself"),
            Reason::NotIsolated => count(seen, "an endpoint is not isolated"),
            Reason::Fallback(verdict) => count(seen, format!("every tier passes: {verdict:?}")),
            Reason::NoProfile => count(seen, "a profile is missing"),
        }
    }

    /// By which conditions it acts.
    fn look_at_rule(&self, seen: &mut Seen, origin: &RuleOrigin, action: Action) {
        let profile = &self.program.profiles[self.decision.profile.as_ref().unwrap()];
        let rules = profile.tiers.iter().flat_map(|tier| &tier.rules);
        let mut forms = rules.filter(|rule| rule.origin == *origin && rule.action == action);
        let rule = forms.find(|rule| self.matches(profile, rule)).unwrap();
        for condition in &rule.matches {
            count(seen, format!("by {}", name(self.program, condition)));
        }
        if rule.matches.is_empty() {
            count(seen, "without a condition");
        }
    }

    /// Whether a rule alone would act.
    fn matches(&self, profile: &Profile, rule: &Rule) -> bool {
        let tier = Tier { rules: vec![rule.clone()], ..profile.tiers[0].clone() };
        let tiers = vec![Tier { end: TierEnd::Pass, ..tier }];
        let mut program = self.program.clone();
        let id = self.decision.profile.clone().unwrap();
        program.profiles.insert(id, Profile { tiers, ..profile.clone() });
        let evaluation = evaluate(&program, self.packet);
        let decision = evaluation.ends().find(|end| end.direction == self.decision.direction).unwrap();
        !matches!(decision.reason, Reason::Fallback(_)) || decision.path != [passed(&profile.tiers[0].name)]
    }
}

/// That a tier passes at its end.
fn passed(tier: &str) -> Step {
    Step::Passed { tier: tier.to_owned(), rule: None }
}

fn name(program: &Program, condition: &Match) -> String {
    let is = |negated: &bool| if *negated { "no " } else { "" };
    match condition {
        Match::Family(_) => "family".to_owned(),
        Match::Protocol { negated, .. } => format!("{}protocol", is(negated)),
        Match::Icmp { code, negated, .. } => {
            format!("{}icmp{}", is(negated), if code.is_some() { " with a code" } else { "" })
        }
        Match::Address { side, set, negated } => {
            let kind = match &program.sets[set] {
                Set::Addresses(_) => "addresses",
                Set::Networks(_) => "networks",
                Set::AddressPorts(_) => "tuples",
            };
            format!("{}{side:?} {kind}", is(negated))
        }
        Match::Ports { side, negated, .. } => format!("{}{side:?} ports", is(negated)),
        Match::AddressPort { side, negated, .. } => format!("{}{side:?} port by name", is(negated)),
    }
}

/// What must happen: every way for a tier, a kind of policy and a kind of condition to act.
const EXPECTED: [&str; 54] = [
    "a rule of a ClusterNetworkPolicy: Allow",
    "a rule of a ClusterNetworkPolicy: Deny",
    "a rule of a FabricNetworkPolicy: Allow",
    "a rule of a FabricNetworkPolicy: Deny",
    "a rule of a GlobalNetworkPolicy: Allow",
    "a rule of a GlobalNetworkPolicy: Deny",
    "a rule of a NetworkPolicy: Allow",
    "a rule of tier default logs",
    "a rule of tier default passes",
    "a rule of tier default: Allow",
    "a rule of tier default: Deny",
    "a rule of tier early logs",
    "a rule of tier early passes",
    "a rule of tier early: Allow",
    "a rule of tier early: Deny",
    "a rule of tier kube-admin logs",
    "a rule of tier kube-admin passes",
    "a rule of tier kube-admin: Allow",
    "a rule of tier kube-admin: Deny",
    "a rule of tier kube-baseline logs",
    "a rule of tier kube-baseline passes",
    "a rule of tier kube-baseline: Allow",
    "a rule of tier kube-baseline: Deny",
    "a rule of tier nowhere: Allow",
    "a rule of tier nowhere: Deny",
    "an endpoint is not isolated",
    "an endpoint reaches itself",
    "by Destination addresses",
    "by Destination networks",
    "by Destination port by name",
    "by Destination ports",
    "by Source addresses",
    "by Source networks",
    "by Source port by name",
    "by Source ports",
    "by family",
    "by icmp",
    "by icmp with a code",
    "by no Destination addresses",
    "by no Destination networks",
    "by no Destination port by name",
    "by no Destination ports",
    "by no Source addresses",
    "by no Source networks",
    "by no Source port by name",
    "by no Source ports",
    "by no icmp",
    "by no icmp with a code",
    "by no protocol",
    "by protocol",
    "every tier passes: Allow",
    "tier default denies at its end",
    "tier kube-admin passes at its end",
    "without a condition",
];

/// How many clusters at most: about ten times as many as it takes.
const ENOUGH: usize = 5000;

#[test]
fn everything_happens() {
    // Always the same clusters: what is rare must not fail a test by chance.
    let mut runner = TestRunner::new(ProptestConfig { rng_seed: RngSeed::Fixed(4), ..cases(1) });
    let mut seen = Seen::new();
    for _ in 0..ENOUGH {
        let scenario = scenarios().new_tree(&mut runner).unwrap().current();
        let program = scenario.program();
        for _ in 0..60 {
            let packet = packets().new_tree(&mut runner).unwrap().current();
            for decision in evaluate(&program, &packet).ends() {
                Way { program: &program, packet: &packet, decision }.look(&mut seen);
            }
        }
        if EXPECTED.iter().all(|what| seen.contains_key(*what)) {
            return;
        }
    }
    let missing: Vec<_> = EXPECTED.iter().filter(|what| !seen.contains_key(**what)).collect();
    let list: String = seen.iter().map(|(what, times)| format!("{times:6} {what}\n")).collect();
    panic!("never: {missing:?}, of\n{list}");
}
