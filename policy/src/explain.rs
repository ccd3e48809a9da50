//! Says why a packet passes or not, in terms of the policies that people wrote.
//!
//! The decision is [`evaluate`]'s and nobody else's; here it only gets names.

use std::collections::BTreeSet;
use std::fmt;

use crate::evaluate::{Decision, Packet, Reason, evaluate};
use crate::model::PolicyId;
use crate::program::{Direction, EndpointId, Program, RuleOrigin, Verdict};

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
    /// What it decides.
    pub verdict: Verdict,
    /// One sentence: `allowed by shop/backend, ingress rule 1`. Rules are counted from 0, as in the object.
    pub reason: String,
    /// The rule that matched first.
    pub decided_by: Option<RuleOrigin>,
    /// The policies that isolate this end in this direction.
    pub considered: BTreeSet<PolicyId>,
}

/// Explains what the program decides about a packet.
pub fn explain(program: &Program, packet: &Packet) -> Explanation {
    let evaluation = evaluate(program, packet);
    Explanation {
        verdict: evaluation.verdict(),
        directions: evaluation.ends().map(|decision| explain_end(program, decision)).collect(),
    }
}

fn explain_end(program: &Program, decision: &Decision) -> DirectionVerdict {
    let profile = decision.profile.as_ref().and_then(|id| program.profiles.get(id));
    let isolated_by = profile.into_iter().flat_map(|profile| profile.isolated_by.iter().cloned());
    let considered: BTreeSet<PolicyId> =
        isolated_by.map(|(namespace, name)| PolicyId { namespace, name }).collect();
    let decided_by = match &decision.reason {
        Reason::Rule(origin, _) => Some(origin.clone()),
        Reason::Itself | Reason::NotIsolated | Reason::NoRule => None,
    };
    DirectionVerdict {
        direction: decision.direction,
        endpoint: decision.endpoint.clone(),
        verdict: decision.verdict(),
        reason: reason(decision, &considered),
        decided_by,
        considered,
    }
}

fn reason(decision: &Decision, considered: &BTreeSet<PolicyId>) -> String {
    let direction = decision.direction.to_string().to_lowercase();
    match &decision.reason {
        Reason::Itself => "allowed: an endpoint always reaches itself".to_owned(),
        Reason::NotIsolated => format!("allowed: no policy selects it for {direction}"),
        Reason::Rule(RuleOrigin { namespace, policy, rule }, verdict) => {
            let verdict = match verdict {
                Verdict::Allow => "allowed",
                Verdict::Deny => "denied",
            };
            format!("{verdict} by {namespace}/{policy}, {direction} rule {rule}")
        }
        Reason::NoRule => {
            let policies: Vec<String> = considered.iter().map(ToString::to_string).collect();
            format!("denied: selected by {} and no rule allows it", and(&policies))
        }
    }
}

/// `a`, `a and b`, `a, b and c`.
fn and(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Ingress => "Ingress",
            Direction::Egress => "Egress",
        })
    }
}
