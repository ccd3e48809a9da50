//! Says why a packet passes or not, in terms of the policies that people wrote.
//!
//! The decision is [`evaluate`]'s and nobody else's; here it only gets names.

use crate::evaluate::{Decision, Packet, Reason, Step, action, evaluate};
use crate::model::DEFAULT_TIER;
use crate::program::{
    Action, Direction, EndpointId, PolicyId, ProfileId, Program, RuleOrigin, Tier, Verdict,
};
use crate::words;

#[cfg(test)]
mod tests;

/// What becomes of a packet, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Denied if any end denies.
    pub verdict: Verdict,
    /// The source's egress, then the destination's ingress; only those ends that are endpoints.
    pub directions: Vec<DirectionVerdict>,
}

/// What one end decides, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectionVerdict {
    /// Of the source, egress; of the destination, ingress.
    pub direction: Direction,
    /// Which endpoint decides.
    pub endpoint: EndpointId,
    /// By which profile; `None`: the direction is not isolated.
    pub profile: Option<ProfileId>,
    /// What it decides.
    pub verdict: Verdict,
    /// One sentence: `allowed by shop/backend, ingress rule 1`. Rules are counted from 0, as in the object.
    pub reason: String,
    /// The rule that acted in the tier that decided; `None` if that tier's end did, or no tier.
    pub decided_by: Option<RuleOrigin>,
    /// The tiers that were asked, in order; the last one decided unless it passed the packet on too.
    pub tiers: Vec<AskedTier>,
}

/// A tier that was asked about a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedTier {
    /// Its name.
    pub name: String,
    /// Its policies that select the endpoint in this direction, in order. Those before the one whose rule acted said
    /// nothing of the packet; those behind it were not asked.
    pub policies: Vec<PolicyId>,
    /// Its rules that logged the packet.
    pub logged: Vec<RuleOrigin>,
    /// Its rules that were asked and did not match, in order.
    pub passed_over: Vec<PassedOver>,
    /// What it did.
    pub outcome: Outcome,
    /// The rule by which it did so; `None`: no rule acted, and that is how the tier ends.
    pub rule: Option<RuleOrigin>,
}

/// A rule that was asked and did not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Which.
    pub rule: RuleOrigin,
    /// What the packet lacks, of each alternative that the rule has: `the destination port is 81, not 80`.
    pub why: String,
}

/// What a tier does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It lets it pass, whatever later tiers say.
    Allowed,
    /// It drops it.
    Denied,
    /// It leaves it to the next tier.
    Passed,
}

impl DirectionVerdict {
    /// The policies of all tiers that were asked, in order.
    pub fn considered(&self) -> impl Iterator<Item = &PolicyId> {
        self.tiers.iter().flat_map(|tier| &tier.policies)
    }
}

/// Explains what the program decides about a packet.
pub fn explain(program: &Program, packet: &Packet) -> Explanation {
    let evaluation = evaluate(program, packet);
    Explanation {
        verdict: evaluation.verdict(),
        directions: evaluation.ends().map(|decision| explain_end(program, decision, packet)).collect(),
    }
}

fn explain_end(program: &Program, decision: &Decision, packet: &Packet) -> DirectionVerdict {
    let profile = decision.profile.as_ref().and_then(|id| program.profiles.get(id));
    let tiers = profile.map_or(&[][..], |profile| &profile.tiers);
    let asked: Vec<AskedTier> = tiers
        .iter()
        .map_while(|tier| {
            let asked = ask(tier, decision)?;
            Some(AskedTier { passed_over: passed_over(program, tier, packet), ..asked })
        })
        .collect();
    let decided_by = match &decision.reason {
        Reason::Rule { rule, .. } => Some(rule.clone()),
        Reason::Itself | Reason::NotIsolated | Reason::NoProfile => None,
        Reason::TierEnd { .. } | Reason::Fallback(_) => None,
    };
    DirectionVerdict {
        direction: decision.direction,
        endpoint: decision.endpoint.clone(),
        profile: decision.profile.clone(),
        verdict: decision.verdict(),
        reason: reason(decision, &asked),
        decided_by,
        tiers: asked,
    }
}

/// What the decision says of a tier; `None` if the tier was not asked.
fn ask(tier: &Tier, decision: &Decision) -> Option<AskedTier> {
    let passed = decision.path.iter().find_map(|step| match step {
        Step::Passed { tier: name, rule } if *name == tier.name => Some((Outcome::Passed, rule.clone())),
        Step::Passed { .. } | Step::Logged { .. } => None,
    });
    let decided = match &decision.reason {
        Reason::Rule { tier: name, rule, verdict } if *name == tier.name => {
            let outcome = match verdict {
                Verdict::Allow => Outcome::Allowed,
                Verdict::Deny => Outcome::Denied,
            };
            Some((outcome, Some(rule.clone())))
        }
        Reason::TierEnd { tier: name } if *name == tier.name => Some((Outcome::Denied, None)),
        Reason::Rule { .. } | Reason::TierEnd { .. } | Reason::Fallback(_) => None,
        Reason::Itself | Reason::NotIsolated | Reason::NoProfile => None,
    };
    let (outcome, rule) = passed.or(decided)?;
    let logged = decision.path.iter().filter_map(|step| match step {
        Step::Logged { tier: name, rule } if *name == tier.name => Some(rule.clone()),
        Step::Logged { .. } | Step::Passed { .. } => None,
    });
    Some(AskedTier {
        name: tier.name.clone(),
        policies: tier.policies.clone(),
        logged: logged.collect(),
        passed_over: Vec::new(),
        outcome,
        rule,
    })
}

/// The rules before the one that acts, and what each lacked.
fn passed_over(program: &Program, tier: &Tier, packet: &Packet) -> Vec<PassedOver> {
    let mut passed: Vec<PassedOver> = Vec::new();
    for rule in &tier.rules {
        match action(program, rule, packet) {
            Some(Action::Log) => continue,
            Some(Action::Allow | Action::Deny | Action::Pass) => break,
            None => {}
        }
        let why = words::failing(program, rule, packet).unwrap_or_default();
        match passed.last_mut().filter(|last| last.rule == rule.origin) {
            Some(last) if last.why.split("; ").any(|known| known == why) => {}
            Some(last) => last.why = format!("{}; {why}", last.why),
            None => passed.push(PassedOver { rule: rule.origin.clone(), why }),
        }
    }
    // An alternative of the rule that acts is not passed over.
    let acting = tier.rules.iter().find(|rule| {
        matches!(action(program, rule, packet), Some(Action::Allow | Action::Deny | Action::Pass))
    });
    passed.retain(|over| acting.is_none_or(|acting| acting.origin != over.rule));
    passed
}

fn reason(decision: &Decision, asked: &[AskedTier]) -> String {
    let direction = decision.direction.to_string().to_lowercase();
    match &decision.reason {
        Reason::Itself => "allowed: an endpoint always reaches itself".to_owned(),
        Reason::NotIsolated => format!("allowed: no policy selects it for {direction}"),
        Reason::Rule { tier, rule: RuleOrigin { policy, rule, name }, verdict } => {
            let name = name.as_ref().map_or(String::new(), |name| format!(" {name:?}"));
            format!("{verdict} by {policy}, {direction} rule {rule}{name}{}", in_tier(tier))
        }
        Reason::TierEnd { tier } => {
            let policies = asked.last().map_or(&[][..], |tier| &tier.policies);
            format!("denied: selected by {} and no rule{} allows it", and(policies), of_tier(tier))
        }
        Reason::Fallback(verdict) => {
            let policies: Vec<_> = asked.iter().flat_map(|tier| tier.policies.iter().cloned()).collect();
            format!("{verdict}: passed on by {}, and nothing after that decides", and(&policies))
        }
        Reason::NoProfile => "denied: its rules are missing".to_owned(),
    }
}

/// The default tier goes without saying: whoever writes NetworkPolicies need not know that there are tiers.
fn in_tier(tier: &str) -> String {
    if tier == DEFAULT_TIER { String::new() } else { format!(" (tier {tier})") }
}

fn of_tier(tier: &str) -> String {
    if tier == DEFAULT_TIER { String::new() } else { format!(" of tier {tier}") }
}

/// `a`, `a and b`, `a, b and c`.
fn and(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    match items.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
