//! A profile as chains.
//!
//! ```text
//! p…        tier, tier …   allow: return · deny: goto deny_… · log: go on · pass: goto p…_2
//! p…_2      tier, tier …   …
//! deny_…    revoke · log, not too often · count, drop
//! ```
//!
//! Tiers share a chain as long as nothing passes from one to the next but its end: a chain is a step deeper, and the kernel
//! has few steps ([`CHAINS_MAX`]). What can never be reached is left out.
//!
//! What denies has a chain of its own, shared by all profiles with the same rule of the same policy, so that one rule's
//! flood of packets does not use up what another may log.

use std::collections::BTreeMap;

use policy::program::{
    Action, Direction, Match, Profile, ProfileId, Program, Rule as ProgramRule, Set as ProgramSet, Tier,
    TierEnd, Verdict as ProgramVerdict,
};

use crate::dataplane::nftables::mark::REVOKED;
use crate::dataplane::nftables::table::{Chain, Log, Rule, Statement, Verdict};

use super::condition::alternatives;
use super::{Options, drop_rule, name, uncommented};

/// Chains in a row that a profile may have. The kernel lets a base chain lead to fifteen others, one behind the other
/// (`NFT_JUMP_STACK_SIZE` of `nf_tables.h`; what is gone to counts like what is jumped to): three are before a profile,
/// and the one that denies is behind it.
pub(super) const CHAINS_MAX: usize = 11;

/// Names of chains that deny begin so.
pub(in crate::dataplane::nftables) const DENY_PREFIX: &str = "deny_";

/// The chains of a profile, those that deny included.
///
/// # Errors
/// What cannot be expressed, as a sentence.
pub(super) fn lower(
    id: &ProfileId,
    profile: &Profile,
    program: &Program,
    options: &Options,
) -> Result<BTreeMap<String, Chain>, String> {
    let segments = segments(&profile.tiers);
    if segments.len() > CHAINS_MAX {
        return Err(format!(
            "its policies pass from tier to tier {} times; the kernel's rules go at most {} deep",
            segments.len() - 1,
            CHAINS_MAX - 1
        ));
    }
    let mut chains = Chains { direction: profile.direction, options, program, all: BTreeMap::new() };
    for (at, tiers) in segments.iter().enumerate() {
        let next = match segments.get(at + 1) {
            Some(_) => Next::Chain(chain_name(id, at + 1)),
            None => Next::Fallback(profile.fallback),
        };
        let rules = chains.segment(tiers, &next);
        chains.all.insert(chain_name(id, at), Chain { hook: None, rules });
    }
    Ok(chains.all)
}

fn chain_name(id: &ProfileId, at: usize) -> String {
    match at {
        0 => id.0.clone(),
        _ => format!("{}_{}", id.0, at + 1),
    }
}

/// Tiers that share a chain.
fn segments(tiers: &[Tier]) -> Vec<Vec<&Tier>> {
    let mut segments = vec![Vec::new()];
    for (at, tier) in tiers.iter().enumerate() {
        let passes = tier.rules.iter().any(|rule| rule.action == Action::Pass);
        if let Some(open) = segments.last_mut() {
            open.push(tier);
        }
        if !passes && tier.end == TierEnd::Deny {
            break;
        }
        if passes && at + 1 < tiers.len() {
            segments.push(Vec::new());
        }
    }
    segments
}

/// Where that goes which a chain does not decide.
enum Next {
    Chain(String),
    Fallback(ProgramVerdict),
}

struct Chains<'a> {
    direction: Direction,
    options: &'a Options,
    program: &'a Program,
    all: BTreeMap<String, Chain>,
}

impl Chains<'_> {
    fn segment(&mut self, tiers: &[&Tier], next: &Next) -> Vec<Rule> {
        let mut rules = Vec::new();
        for tier in tiers {
            for rule in &tier.rules {
                rules.extend(self.rule(rule, next));
            }
        }
        match tiers.last() {
            Some(tier) if tier.end == TierEnd::Deny => {
                let by = name::tier_end(tier, self.direction);
                let verdict = self.deny(&by, None);
                rules.push(counted(by, Vec::new(), verdict));
            }
            Some(_) | None => {
                let verdict = self.onward(next);
                rules.push(counted(self.onward_comment(next), Vec::new(), verdict));
            }
        }
        rules
    }

    /// One rule of the program as kernel rules, one for each alternative. A set that the program lacks, or of another kind
    /// than is asked for, lets nothing pass: see [`Match`].
    fn rule(&mut self, rule: &ProgramRule, next: &Next) -> Vec<Rule> {
        let (whole, broken): (Vec<&Match>, Vec<&Match>) =
            rule.matches.iter().partition(|condition| self.is_defined(condition));
        let action = match rule.action {
            Action::Allow | Action::Log if !broken.is_empty() => return Vec::new(),
            Action::Pass if !broken.is_empty() => Action::Deny,
            action @ (Action::Allow | Action::Deny | Action::Pass | Action::Log) => action,
        };
        let whole: Vec<Match> = whole.into_iter().cloned().collect();
        let comment = name::rule(&rule.origin, self.direction);
        let end = match action {
            Action::Allow => Statement::Verdict(Verdict::Return),
            Action::Deny => Statement::Verdict(self.deny(&comment, rule.origin.name.as_deref())),
            Action::Pass => Statement::Verdict(self.onward(next)),
            Action::Log => self.log(&comment, rule.origin.name.as_deref()),
        };
        let lowered = alternatives(&whole).into_iter().map(|mut statements| {
            statements.extend([Statement::Counter, end.clone()]);
            Rule { comment: comment.clone(), statements }
        });
        lowered.collect()
    }

    fn is_defined(&self, condition: &Match) -> bool {
        let set = condition.set().map(|set| self.program.sets.get(set));
        match (condition, set) {
            (_, None) => true,
            (Match::Address { .. }, Some(Some(ProgramSet::Addresses(_) | ProgramSet::Networks(_)))) => true,
            (Match::AddressPort { .. }, Some(Some(ProgramSet::AddressPorts(_)))) => true,
            (_, Some(_)) => false,
        }
    }

    fn onward(&mut self, next: &Next) -> Verdict {
        match next {
            Next::Chain(chain) => Verdict::Goto(chain.clone()),
            Next::Fallback(ProgramVerdict::Allow) => Verdict::Return,
            Next::Fallback(ProgramVerdict::Deny) => self.deny(&name::fallback(self.direction), None),
        }
    }

    fn onward_comment(&self, next: &Next) -> String {
        match next {
            Next::Chain(_) => String::new(),
            Next::Fallback(_) => name::fallback(self.direction),
        }
    }

    fn log(&self, by: &str, own_name: Option<&str>) -> Statement {
        let logging = self.options.logging;
        Statement::Log(Log {
            prefix: name::prefix("log", by, own_name),
            group: logging.group,
            snaplen: logging.snaplen,
        })
    }

    /// The verdict that denies on somebody's behalf; its chain exists afterwards.
    fn deny(&mut self, by: &str, own_name: Option<&str>) -> Verdict {
        let logging = self.options.logging;
        let prefix = name::prefix("deny", by, own_name);
        let chain = format!("{DENY_PREFIX}{}", name::digest(&prefix));
        let log = Log { prefix, group: logging.deny_group, snaplen: logging.snaplen };
        let rules = vec![
            uncommented(vec![Statement::SetMark(self.options.mark.bits(self.direction, REVOKED))]),
            uncommented(vec![Statement::Limit(logging.deny_limit), Statement::Log(log)]),
            drop_rule(by),
        ];
        self.all.entry(chain.clone()).or_insert(Chain { hook: None, rules });
        Verdict::Goto(chain)
    }
}

fn counted(comment: String, mut statements: Vec<Statement>, verdict: Verdict) -> Rule {
    statements.extend([Statement::Counter, Statement::Verdict(verdict)]);
    Rule { comment, statements }
}
