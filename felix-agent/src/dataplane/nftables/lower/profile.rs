//! A profile as a chain: rules that return, then a drop.
//!
//! Any list of ports is one rule per range: a comparison costs 2 ns, a set for it 50 to 250 ns and a quadratic load.
//!
//! Lowered is what NetworkPolicies compile to: one tier that ends in a drop, with rules about the other end's address and
//! the destination's port. A profile of another form drops everything; a rule with another condition allows nobody, and
//! denies everybody.

use std::collections::BTreeMap;

use policy::program::{
    Action, Direction, Match, PolicyId, Profile, Rule as ProgramRule, RuleOrigin, Set as ProgramSet, SetId,
    Side as ProgramSide, TierEnd,
};

use crate::dataplane::nftables::table::{
    COMMENT_MAX_BYTES, Chain, Family, Field, Rule, Side, Statement, Verdict,
};

use super::{family_set, speaks};

type Sets = BTreeMap<SetId, ProgramSet>;

/// The chain of a profile.
pub(super) fn lower(profile: &Profile, sets: &Sets) -> Chain {
    let [tier] = profile.tiers.as_slice() else { return closed(&[]) };
    let mut chain = closed(&tier.policies);
    if tier.end == TierEnd::Deny {
        let rules = tier.rules.iter().flat_map(|rule| rules(rule, profile.direction, sets));
        chain.rules.splice(0..0, rules);
    }
    chain
}

fn closed(policies: &[PolicyId]) -> Chain {
    let isolated_by: Vec<String> = policies.iter().map(ToString::to_string).collect();
    let end = Rule {
        comment: shortened(&format!("isolated by {}", isolated_by.join(", ")), ""),
        statements: vec![Statement::Counter, Statement::Verdict(Verdict::Drop)],
    };
    Chain { hook: None, rules: vec![end] }
}

/// What a set is asked about.
#[derive(Clone, Copy)]
enum Asked {
    Address(Side),
    AddressPort,
}

/// The conditions of a rule, sorted by kind.
#[derive(Default)]
struct Conditions<'a> {
    lookups: Vec<(Asked, &'a SetId)>,
    protocol: Option<u8>,
    ports: Option<&'a [(u16, u16)]>,
}

impl<'a> Conditions<'a> {
    /// `None` if a condition is not one of ours, or its set is missing.
    fn of(rule: &'a ProgramRule, sets: &Sets) -> Option<Self> {
        let mut conditions = Self::default();
        for condition in &rule.matches {
            match condition {
                Match::Address { side, set, negated: false } if sets.contains_key(set) => {
                    let side = match side {
                        ProgramSide::Source => Side::Source,
                        ProgramSide::Destination => Side::Destination,
                    };
                    conditions.lookups.push((Asked::Address(side), set));
                }
                Match::AddressPort { side: ProgramSide::Destination, set, negated: false }
                    if sets.contains_key(set) =>
                {
                    conditions.lookups.push((Asked::AddressPort, set));
                }
                Match::Protocol { number, negated: false } => conditions.protocol = Some(*number),
                Match::Ports { side: ProgramSide::Destination, ranges, negated: false } => {
                    conditions.ports = Some(ranges);
                }
                Match::Address { .. } | Match::AddressPort { .. } | Match::Ports { .. } => return None,
                Match::Protocol { .. } | Match::Family(_) | Match::Icmp { .. } => return None,
            }
        }
        Some(conditions)
    }
}

/// One rule of the program as kernel rules: for each family that it must look into, for each port range.
fn rules(rule: &ProgramRule, direction: Direction, sets: &Sets) -> Vec<Rule> {
    let verdict = match rule.action {
        Action::Allow => Verdict::Return,
        Action::Deny | Action::Pass => Verdict::Drop,
        Action::Log => return Vec::new(),
    };
    let finished = |mut statements: Vec<Statement>| {
        statements.extend([Statement::Counter, Statement::Verdict(verdict.clone())]);
        Rule { comment: comment(&rule.origin, direction), statements }
    };
    let Some(conditions) = Conditions::of(rule, sets) else {
        let closes = verdict == Verdict::Drop;
        return closes.then(|| finished(Vec::new())).into_iter().collect();
    };
    let families = match conditions.lookups.as_slice() {
        [] => vec![None],
        [_, ..] => vec![Some(Family::V4), Some(Family::V6)],
    };
    let spoken = |set: &SetId, family| sets.get(set).is_some_and(|set| speaks(set, family));
    let mut lowered = Vec::new();
    for family in families {
        let mut matches = Vec::new();
        if let Some(family) = family {
            if !conditions.lookups.iter().all(|(_, set)| spoken(set, family)) {
                continue;
            }
            matches.push(Statement::Family(family));
            matches.extend(conditions.lookups.iter().map(|(asked, set)| lookup(*asked, set, family)));
        }
        matches.extend(conditions.protocol.map(Statement::Protocol));
        match conditions.ports {
            None => lowered.push(finished(matches)),
            Some(ranges) => lowered.extend(ranges.iter().map(|(first, last)| {
                finished(matches.iter().cloned().chain([Statement::PortIn(*first, *last)]).collect())
            })),
        }
    }
    lowered
}

fn lookup(asked: Asked, set: &SetId, family: Family) -> Statement {
    let fields = match asked {
        Asked::Address(side) => vec![Field::Address(side, family)],
        Asked::AddressPort => {
            vec![Field::Address(Side::Destination, family), Field::Protocol, Field::DestinationPort]
        }
    };
    Statement::InSet(fields, family_set(set, family))
}

fn comment(origin: &RuleOrigin, direction: Direction) -> String {
    let direction = match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    };
    shortened(&origin.policy.to_string(), &format!(" {direction}#{}", origin.rule))
}

/// `head` and `tail`, the head cut where both would exceed a comment. Double quotes would end the comment in nft's
/// text; Kubernetes names have none.
fn shortened(head: &str, tail: &str) -> String {
    const ELLIPSIS: &str = "...";
    let head = head.replace('"', "'");
    if head.len() + tail.len() <= COMMENT_MAX_BYTES {
        return format!("{head}{tail}");
    }
    let room = COMMENT_MAX_BYTES.saturating_sub(ELLIPSIS.len() + tail.len());
    let kept: String =
        head.char_indices().take_while(|(at, c)| at + c.len_utf8() <= room).map(|(_, c)| c).collect();
    format!("{kept}{ELLIPSIS}{tail}")
}
