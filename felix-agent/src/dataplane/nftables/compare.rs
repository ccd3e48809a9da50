//! Whether an end lets less pass than it did: what was let pass has then to be judged again.
//!
//! Pure, and on tables, not on programs: what packets were judged by is what the kernel held, also before this process
//! began.
//!
//! The rules of a chain before and after are walked side by side. Rules that allow may have come anywhere, rules that
//! deny may have gone anywhere; the others must be the same in the same order. A set that an allowing rule asks may have
//! grown, one that a denying rule asks may have shrunk, and the other way round where the rule asks who is *not* in it;
//! where a rule passes on to the next tier, the set must be the same. Then no packet fares worse: up to the rule that
//! allowed it before, nothing new denies it. Anything else counts as narrower, for judging once more costs one packet of
//! each connection its fast way and cuts none that is allowed.
//!
//! A member that left a set because its pod is gone narrows nothing: nobody is there to send or to answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};

use super::lower::profile::DENY_PREFIX;
use super::lower::shared::{Selector, selector_of_fields, selector_of_key};
use super::table::{Chain, Elements, Rule, Set, Statement, Table, Value, Verdict};

#[cfg(test)]
mod tests;

/// How an end's rules differ from what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Comparison {
    /// Not at all.
    Same,
    /// All that passed still does.
    Wider,
    /// Something that passed may pass no more.
    Narrower,
}

/// Where an end sends what it judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// Lets everything pass.
    Open,
    /// To the rules in this chain.
    Profile(&'a str),
    /// Lets nothing pass.
    Closed,
}

/// Whether somebody has this address at present.
pub(super) type Lives<'a> = &'a dyn Fn(&IpAddr) -> bool;

/// Compares the ends of two tables.
pub(super) struct Comparer<'a> {
    before: &'a Table,
    after: &'a Table,
    /// What became of sets; where selectors share one, of each for itself.
    changes: BTreeMap<(&'a str, Option<Selector>), SetChange>,
    known: BTreeMap<(&'a str, &'a str), Comparison>,
}

/// What became of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct SetChange {
    gained: bool,
    lost: bool,
}

impl<'a> Comparer<'a> {
    /// From one table to the other.
    pub(super) fn new(before: &'a Table, after: &'a Table, lives: Lives<'_>) -> Self {
        let both = after.sets.iter().filter_map(|(name, new)| Some((name, before.sets.get(name)?, new)));
        let changed = both.filter(|(_, old, new)| old != new);
        let mut changes = BTreeMap::new();
        for (name, old, new) in changed {
            change(name, old, new, lives, &mut changes);
        }
        Self { before, after, changes, known: BTreeMap::new() }
    }

    /// From one target, of the former table, to the other.
    pub(super) fn compare(&mut self, before: Target<'a>, after: Target<'a>) -> Comparison {
        match (before, after) {
            (Target::Open, Target::Open) | (Target::Closed, Target::Closed) => Comparison::Same,
            (_, Target::Open) | (Target::Closed, _) => Comparison::Wider,
            (Target::Open, _) | (_, Target::Closed) => Comparison::Narrower,
            (Target::Profile(before), Target::Profile(after)) => self.chains(before, after),
        }
    }

    fn chains(&mut self, before: &'a str, after: &'a str) -> Comparison {
        if let Some(known) = self.known.get(&(before, after)) {
            return *known;
        }
        let comparison = match (self.before.chains.get(before), self.after.chains.get(after)) {
            (Some(old), Some(new)) => self.rules(&judged(old), &judged(new)),
            _ => Comparison::Narrower,
        };
        self.known.insert((before, after), comparison);
        comparison
    }

    fn rules(&mut self, old: &[Judged<'a>], new: &[Judged<'a>]) -> Comparison {
        // Whether a rule that denied has gone, or one that allows has come, shows in whether the latter was there.
        let mut to_come: BTreeMap<&Judged<'_>, usize> = BTreeMap::new();
        old.iter().for_each(|rule| *to_come.entry(rule).or_default() += 1);
        let (mut old, mut new) = (old, new);
        let mut all = Comparison::Same;
        while all < Comparison::Narrower && !(old.is_empty() && new.is_empty()) {
            let is_to_come = |rule| to_come.get(rule).is_some_and(|count| *count > 0);
            let (gone, step) = match (old.split_first(), new.split_first()) {
                (Some((before, old_rest)), Some((after, new_rest))) if before.is_like(after) => {
                    (old, new) = (old_rest, new_rest);
                    (Some(before), self.alike(before, after))
                }
                (_, Some((after, rest))) if after.end == End::Allow && !is_to_come(after) => {
                    new = rest;
                    (None, Comparison::Wider)
                }
                (Some((before, rest)), _) if before.end == End::Deny => {
                    old = rest;
                    (Some(before), Comparison::Wider)
                }
                (_, Some((after, rest))) if after.end == End::Allow => {
                    new = rest;
                    (None, Comparison::Wider)
                }
                (Some(_), _) | (None, _) => (None, Comparison::Narrower),
            };
            if let Some(count) = gone.and_then(|rule| to_come.get_mut(rule)) {
                *count -= 1;
            }
            all = all.max(step);
        }
        all
    }

    /// Of two rules that are alike but for the members of the sets, and for what is behind a pass.
    fn alike(&mut self, before: &Judged<'a>, after: &Judged<'a>) -> Comparison {
        let onward = match (before.end, after.end) {
            (End::Pass(before), End::Pass(after)) => self.chains(before, after),
            (End::Allow | End::Deny | End::Pass(_), _) => Comparison::Same,
        };
        let sets = before.conditions.iter().map(|condition| self.set(condition, before.end));
        sets.fold(onward, Comparison::max)
    }

    fn set(&self, condition: &Statement, end: End<'_>) -> Comparison {
        let (Statement::InSet(fields, _) | Statement::NotInSet(fields, _)) = condition else {
            return Comparison::Same;
        };
        let asks = condition.asks().and_then(|(set, negated)| {
            Some((self.changes.get(&(set, selector_of_fields(fields)))?, negated))
        });
        let Some((&SetChange { gained, lost }, negated)) = asks else { return Comparison::Same };
        let (more, fewer) = if negated { (lost, gained) } else { (gained, lost) };
        let narrower = match end {
            End::Allow => fewer,
            End::Deny => more,
            End::Pass(_) => more || fewer,
        };
        match (narrower, more || fewer) {
            (true, _) => Comparison::Narrower,
            (false, true) => Comparison::Wider,
            (false, false) => Comparison::Same,
        }
    }
}

/// A rule that decides something.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Judged<'a> {
    conditions: Vec<&'a Statement>,
    end: End<'a>,
}

impl Judged<'_> {
    fn is_like(&self, other: &Judged<'_>) -> bool {
        let kinds = [self.end, other.end];
        self.conditions == other.conditions
            && matches!(
                kinds,
                [End::Allow, End::Allow] | [End::Deny, End::Deny] | [End::Pass(_), End::Pass(_)]
            )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End<'a> {
    Allow,
    Deny,
    Pass(&'a str),
}

/// The rules of a profile's chain, and the return at its end.
fn judged(chain: &Chain) -> Vec<Judged<'_>> {
    let end = Judged { conditions: Vec::new(), end: End::Allow };
    chain.rules.iter().filter_map(judged_rule).chain([end]).collect()
}

fn judged_rule(rule: &Rule) -> Option<Judged<'_>> {
    let verdict = rule
        .statements
        .iter()
        .find_map(|statement| if let Statement::Verdict(verdict) = statement { Some(verdict) } else { None });
    let end = match verdict? {
        Verdict::Accept | Verdict::Return => End::Allow,
        Verdict::Drop => End::Deny,
        Verdict::Jump(chain) | Verdict::Goto(chain) if chain.starts_with(DENY_PREFIX) => End::Deny,
        Verdict::Jump(chain) | Verdict::Goto(chain) => End::Pass(chain),
    };
    let is_condition =
        |statement: &&Statement| !matches!(statement, Statement::Counter | Statement::Verdict(_));
    Some(Judged { conditions: rule.statements.iter().filter(is_condition).collect(), end })
}

/// Where a set's key is, if it says so.
fn address(key: &[Value]) -> Option<&IpAddr> {
    key.iter().find_map(|value| match value {
        Value::Address(address) => Some(address),
        Value::Protocol(_) | Value::Port(_) | Value::Interface(_) | Value::Number(_) => None,
    })
}

fn change<'a>(
    name: &'a str,
    old: &Set,
    new: &Set,
    lives: Lives<'_>,
    changes: &mut BTreeMap<(&'a str, Option<Selector>), SetChange>,
) {
    match (&old.elements, &new.elements) {
        (Elements::Keys(old), Elements::Keys(new)) => {
            let mut of = |key: &[Value], what: fn(&mut SetChange)| {
                what(changes.entry((name, selector_of_key(key))).or_default());
            };
            new.difference(old).for_each(|key| of(key, |change| change.gained = true));
            let lost = old.difference(new).filter(|key| address(key).is_none_or(lives));
            lost.for_each(|key| of(key, |change| change.lost = true));
        }
        (Elements::Ranges(old), Elements::Ranges(new)) => {
            let change = SetChange { gained: !covers(old, new), lost: !covers(new, old) };
            changes.insert((name, None), change);
        }
        (Elements::Keys(_) | Elements::Ranges(_) | Elements::Verdicts(_), _) => {
            changes.insert((name, None), SetChange { gained: true, lost: true });
        }
    }
}

type Ranges = BTreeSet<(IpAddr, IpAddr)>;

/// Whether every range of `inner` is within one of `outer`. Ranges of a set are disjoint and not adjacent.
fn covers(outer: &Ranges, inner: &Ranges) -> bool {
    let is_within = |(first, last): &(IpAddr, IpAddr)| {
        let below = outer.range(..=(*first, IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)))).next_back();
        below.is_some_and(|(_, end)| last <= end)
    };
    inner.iter().all(is_within)
}

/// The addresses that were members of a set and are no more, with the set's name.
pub(super) fn left<'a>(before: &'a Table, after: &'a Table) -> Vec<(&'a str, IpAddr)> {
    let mut left = Vec::new();
    for (name, old) in &before.sets {
        if let (Elements::Keys(old), Some(Elements::Keys(new))) =
            (&old.elements, after.sets.get(name).map(|set| &set.elements))
            && old != new
        {
            left.extend(
                old.difference(new).filter_map(|key| address(key)).map(|gone| (name.as_str(), *gone)),
            );
        }
    }
    left
}
