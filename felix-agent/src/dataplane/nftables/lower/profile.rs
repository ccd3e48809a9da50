//! A profile as a chain: rules that return, then a drop.
//!
//! Any list of ports is one rule per range: a comparison costs 2 ns, a set for it 50 to 250 ns and a quadratic load.

use std::collections::BTreeMap;

use policy::program::{
    Direction, PeerMatch, Profile, Rule as ProgramRule, RuleOrigin, ServiceMatch, Set as ProgramSet, SetId,
    Verdict as ProgramVerdict,
};

use crate::dataplane::nftables::table::{
    COMMENT_MAX_BYTES, Chain, Family, Field, Rule, Side, Statement, Verdict,
};

use super::members::number;
use super::{family_set, speaks};

type Sets = BTreeMap<SetId, ProgramSet>;

/// The chain of a profile.
pub(super) fn lower(profile: &Profile, sets: &Sets) -> Chain {
    let mut rules: Vec<Rule> =
        profile.rules.iter().flat_map(|rule| rules(rule, profile.direction, sets)).collect();
    let isolated_by: Vec<String> =
        profile.isolated_by.iter().map(|(namespace, policy)| format!("{namespace}/{policy}")).collect();
    rules.push(Rule {
        comment: shortened(&format!("isolated by {}", isolated_by.join(", ")), ""),
        statements: vec![Statement::Counter, Statement::Verdict(Verdict::Drop)],
    });
    Chain { hook: None, rules }
}

/// One rule of the program as kernel rules: for each family that it must look into, for each port range.
fn rules(rule: &ProgramRule, direction: Direction, sets: &Sets) -> Vec<Rule> {
    let peer = match &rule.peer {
        PeerMatch::Any => None,
        PeerMatch::In(set) => Some(set),
    };
    let named_port = match &rule.service {
        ServiceMatch::NamedPort(set) => Some(set),
        ServiceMatch::Any | ServiceMatch::Protocol(_) | ServiceMatch::Ports(_, _) => None,
    };
    if [peer, named_port].into_iter().flatten().any(|set| !sets.contains_key(set)) {
        return undefined(rule, direction);
    }
    let looks_into_header = peer.is_some() || named_port.is_some();
    let families = match looks_into_header {
        true => vec![Some(Family::V4), Some(Family::V6)],
        false => vec![None],
    };
    let spoken = |set: &SetId, family| sets.get(set).is_some_and(|set| speaks(set, family));
    let mut lowered = Vec::new();
    for family in families {
        let mut matches = Vec::new();
        if let Some(family) = family {
            if ![peer, named_port].into_iter().flatten().all(|set| spoken(set, family)) {
                continue;
            }
            matches.push(Statement::Family(family));
            matches.extend(peer.map(|set| peer_match(set, direction, family)));
            matches.extend(named_port.map(|set| named_port_match(set, family)));
        }
        for service in service_matches(&rule.service) {
            let statements = matches.iter().cloned().chain(service).collect();
            lowered.push(finished(rule, direction, statements));
        }
    }
    lowered
}

/// A rule whose set is missing: nobody is allowed, everybody is denied.
fn undefined(rule: &ProgramRule, direction: Direction) -> Vec<Rule> {
    match rule.verdict {
        ProgramVerdict::Allow => Vec::new(),
        ProgramVerdict::Deny => vec![finished(rule, direction, Vec::new())],
    }
}

fn finished(rule: &ProgramRule, direction: Direction, mut statements: Vec<Statement>) -> Rule {
    let verdict = match rule.verdict {
        ProgramVerdict::Allow => Verdict::Return,
        ProgramVerdict::Deny => Verdict::Drop,
    };
    statements.extend([Statement::Counter, Statement::Verdict(verdict)]);
    Rule { comment: comment(&rule.origin, direction), statements }
}

fn peer_match(set: &SetId, direction: Direction, family: Family) -> Statement {
    let side = match direction {
        Direction::Ingress => Side::Source,
        Direction::Egress => Side::Destination,
    };
    Statement::InSet(vec![Field::Address(side, family)], family_set(set, family))
}

fn named_port_match(set: &SetId, family: Family) -> Statement {
    let fields = vec![Field::Address(Side::Destination, family), Field::Protocol, Field::DestinationPort];
    Statement::InSet(fields, family_set(set, family))
}

/// Alternatives, each a conjunction.
fn service_matches(service: &ServiceMatch) -> Vec<Vec<Statement>> {
    match service {
        ServiceMatch::Any | ServiceMatch::NamedPort(_) => vec![Vec::new()],
        ServiceMatch::Protocol(protocol) => vec![vec![Statement::Protocol(number(*protocol))]],
        ServiceMatch::Ports(protocol, ranges) => ranges
            .iter()
            .map(|(first, last)| {
                vec![Statement::Protocol(number(*protocol)), Statement::PortIn(*first, *last)]
            })
            .collect(),
    }
}

fn comment(origin: &RuleOrigin, direction: Direction) -> String {
    let direction = match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    };
    let policy = format!("{}/{}", origin.namespace, origin.policy);
    shortened(&policy, &format!(" {direction}#{}", origin.rule))
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
