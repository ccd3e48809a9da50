//! The table that the kernel is to hold, of what is wanted and what it held before: generations, and what is kept or closed
//! where what is wanted cannot be had.
//!
//! Pure. The present generation of each end is read out of its chain in the former table, so it outlives the agent:
//!
//! ```text
//! chain ep_fab0123456789ab_eg {
//!     ct mark & 0x00000fff == 0x00000005 return       judged already, by the present rules
//!     ip saddr 10.0.0.1 ip daddr 10.0.0.1 return      to itself, by way of a service
//!     jump p0123456789abcdef                          denied packets do not come back
//!     ct mark set ct mark & 0xfffff000 | 0x00000005
//! }
//! ```
//!
//! An end whose rules got narrower ([`super::compare`]) takes the next generation, so that every connection is judged once
//! more, with its next packet. The field is written after the verdict, never before: an answer on another processor
//! would slip through in between. An end without policy only writes the field, and so keeps its generation for the day when it
//! has one.
//!
//! A profile that the kernel refuses, or that cannot be expressed, harms nobody else: an end that should have it keeps the
//! rules that it has, if these let nothing pass that the new ones would not; else it is closed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use policy::program::ProfileId;

use super::compare::{Comparer, Comparison, Lives, Target, left};
use super::lower::{End, Lowered, is_source_set, name};
use super::mark::{FIRST, Generation, LAST, MarkLayout, REVOKED};
use super::table::{Chain, Family, Rule, Side, Statement, Table, Verdict};
use super::transact::Former;

#[cfg(test)]
mod tests;

/// What the kernel would not take.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusals {
    /// Profiles, and why.
    pub profiles: BTreeMap<ProfileId, String>,
    /// Sets by their kernel name, whose members stay as they are.
    pub sets: BTreeSet<String>,
}

/// A table, and what it changes for connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Assembly {
    /// What the kernel is to hold.
    pub table: Table,
    /// Ends whose connections may have to be cut.
    pub narrowed: BTreeSet<String>,
    /// Ends of which a connection that was cut may go on.
    pub widened: BTreeSet<String>,
    /// Ends that begin again with the first generation: no connection may have it before.
    pub wrapped: BTreeSet<String>,
    /// Addresses whose pod is gone: nothing of them is to be remembered.
    pub departed: BTreeSet<IpAddr>,
    /// No former table says which generations the marks in the kernel mean.
    pub afresh: bool,
    /// Ends that do not have the rules that they should, and why.
    pub unfulfilled: BTreeMap<String, String>,
}

/// The profiles that use a set or a chain.
pub fn users_of<'a>(lowered: &'a Lowered, name: &str) -> BTreeSet<&'a ProfileId> {
    let uses = |id: &&ProfileId| {
        let reach = Reach::of(&lowered.table, &id.0);
        reach.chains.contains(name) || reach.sets.contains(name)
    };
    let of_end = lowered.ends.get(name).and_then(|end| end.profile.as_ref());
    lowered.profiles.iter().filter(uses).chain(of_end).collect()
}

/// The table for what is wanted, where `former` is what the kernel holds.
pub fn assemble(lowered: &Lowered, former: Former<'_>, refusals: &Refusals, lives: Lives<'_>) -> Assembly {
    let nothing = Table::default();
    let before = former.table().unwrap_or(&nothing);
    let known: BTreeMap<&str, Known<'_>> = lowered
        .ends
        .iter()
        .filter_map(|(name, end)| known(name, end, before, lowered.options.mark))
        .collect();
    let is_unreadable =
        |name: &&String| before.chains.contains_key(*name) && !known.contains_key(name.as_str());
    let mut assembly = Assembly {
        afresh: former.table().is_none() || lowered.ends.keys().any(|name| is_unreadable(&name)),
        ..Assembly::default()
    };
    let unfit = unfit(lowered, refusals);
    let choices = choose(lowered, before, &known, &unfit, lives);
    let mut table = content(lowered, before, refusals, &unfit, &choices);
    let mut chains = BTreeMap::new();
    let mut comparer = Comparer::new(before, &table, lives);
    for (name, end, choice) in &choices {
        let known = known.get(name);
        let comparison = known.map(|known| match former {
            Former::Lost(_) => Comparison::Narrower,
            Former::None | Former::Held(_) => comparer.compare(known.target, choice.target()),
        });
        let generation = assembly.note(name, known.map(|known| known.generation), comparison);
        if let Choice::Kept(_, reason) | Choice::Closed(reason) = choice {
            assembly.unfulfilled.insert((*name).to_owned(), reason.clone());
        }
        chains.insert((*name).to_owned(), end_chain(end, choice, generation, lowered.options.mark));
    }
    let gone =
        left(before, &table).into_iter().filter(|(set, address)| is_source_set(set) || !lives(address));
    assembly.departed = gone.map(|(_, address)| address).collect();
    table.chains.extend(chains);
    assembly.table = table;
    assembly
}

impl Assembly {
    /// Takes note of what became of an end; the generation that it has from now on.
    fn note(&mut self, name: &str, known: Option<Generation>, comparison: Option<Comparison>) -> Generation {
        let name = name.to_owned();
        match (known, comparison) {
            (Some(generation), Some(Comparison::Same)) => generation,
            (Some(generation), Some(Comparison::Wider)) => {
                self.widened.insert(name);
                generation
            }
            (Some(LAST..), Some(Comparison::Narrower)) => {
                self.narrowed.insert(name.clone());
                self.wrapped.insert(name);
                FIRST
            }
            (Some(generation), Some(Comparison::Narrower)) => {
                self.narrowed.insert(name);
                generation + 1
            }
            (None, _) | (_, None) => {
                if self.afresh {
                    self.narrowed.insert(name);
                }
                FIRST
            }
        }
    }
}

/// An end as the former table has it.
struct Known<'a> {
    target: Target<'a>,
    generation: Generation,
}

fn known<'a>(name: &'a str, end: &End, before: &'a Table, mark: MarkLayout) -> Option<(&'a str, Known<'a>)> {
    let rules = &before.chains.get(name)?.rules;
    let generation = rules.last()?.statements.iter().find_map(|statement| {
        if let Statement::SetMark(bits) = statement { mark.generation(end.direction, *bits) } else { None }
    });
    let generation = generation.filter(|generation| (FIRST..=LAST).contains(generation))?;
    let verdicts = rules.iter().flat_map(|rule| &rule.statements).filter_map(|statement| {
        if let Statement::Verdict(verdict) = statement { Some(verdict) } else { None }
    });
    let mut target = Target::Open;
    for verdict in verdicts {
        match verdict {
            Verdict::Jump(chain) => target = Target::Profile(chain),
            Verdict::Drop => target = Target::Closed,
            Verdict::Accept | Verdict::Return | Verdict::Goto(_) => {}
        }
    }
    Some((name, Known { target, generation }))
}

/// What an end gets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice<'a> {
    Open,
    Profile(&'a str),
    /// What it had, because what it should have cannot be had.
    Kept(&'a str, String),
    Closed(String),
}

impl<'a> Choice<'a> {
    fn target(&self) -> Target<'a> {
        match self {
            Choice::Open => Target::Open,
            Choice::Profile(chain) | Choice::Kept(chain, _) => Target::Profile(chain),
            Choice::Closed(_) => Target::Closed,
        }
    }
}

type Choices<'a> = Vec<(&'a str, &'a End, Choice<'a>)>;

fn choose<'a>(
    lowered: &'a Lowered,
    before: &'a Table,
    known: &BTreeMap<&str, Known<'a>>,
    unfit: &Unfit<'a>,
    lives: Lives<'_>,
) -> Choices<'a> {
    let mut comparer = Comparer::new(before, &lowered.table, lives);
    let mut choice = |name: &str, end: &'a End| {
        let Some(profile) = &end.profile else { return Choice::Open };
        let wanted = Target::Profile(&profile.0);
        let Some(reason) = unfit.get(profile) else { return Choice::Profile(&profile.0) };
        match known.get(name).map(|known| known.target) {
            Some(Target::Profile(had))
                if comparer.compare(Target::Profile(had), wanted) != Comparison::Narrower =>
            {
                Choice::Kept(had, reason.clone())
            }
            _ => Choice::Closed(reason.clone()),
        }
    };
    lowered.ends.iter().map(|(name, end)| (name.as_str(), end, choice(name, end))).collect()
}

/// Profiles that cannot be had, and why.
type Unfit<'a> = BTreeMap<&'a ProfileId, String>;

fn unfit<'a>(lowered: &'a Lowered, refusals: &Refusals) -> Unfit<'a> {
    let mut unfit: Unfit<'a> = lowered.refused.iter().map(|(id, reason)| (id, reason.clone())).collect();
    for id in &lowered.profiles {
        let set = || {
            let sets = Reach::of(&lowered.table, &id.0).sets;
            let refused = sets.into_iter().find(|set| refusals.sets.contains(*set))?;
            Some(format!("the kernel refuses the members of set {refused}"))
        };
        let refused = refusals.profiles.get(id).cloned();
        let reason = refused.or_else(|| if refusals.sets.is_empty() { None } else { set() });
        unfit.extend(reason.map(|reason| (id, reason)));
    }
    unfit
}

/// Everything but the ends' own chains: of the unfit profiles nothing that no other needs, of those that are kept all that
/// they had.
fn content(
    lowered: &Lowered,
    before: &Table,
    refusals: &Refusals,
    unfit: &Unfit<'_>,
    choices: &Choices<'_>,
) -> Table {
    let mut table = lowered.table.clone();
    if unfit.is_empty() && refusals.sets.is_empty() {
        return table;
    }
    let (mut needed, mut unneeded, mut kept) = (Reach::default(), Reach::default(), Reach::default());
    for id in &lowered.profiles {
        let reach = if unfit.contains_key(id) { &mut unneeded } else { &mut needed };
        reach.add(&lowered.table, &id.0);
    }
    for (.., choice) in choices {
        if let Choice::Kept(chain, _) = choice {
            kept.add(before, chain);
        }
    }
    table
        .chains
        .retain(|name, _| needed.chains.contains(name.as_str()) || !unneeded.chains.contains(name.as_str()));
    table.sets.retain(|name, _| {
        let unneeded = unneeded.sets.contains(name.as_str()) && !needed.sets.contains(name.as_str());
        !unneeded && !refusals.sets.contains(name)
    });
    for name in kept.sets {
        let desired = lowered.table.sets.get(name).filter(|_| !refusals.sets.contains(name));
        if let (false, Some(set)) = (table.sets.contains_key(name), desired.or_else(|| before.sets.get(name)))
        {
            table.sets.insert(name.to_owned(), set.clone());
        }
    }
    for name in kept.chains {
        if let (false, Some(chain)) = (table.chains.contains_key(name), before.chains.get(name)) {
            table.chains.insert(name.to_owned(), chain.clone());
        }
    }
    table
}

/// What a profile's chain leads to, itself included.
#[derive(Debug, Default)]
pub(super) struct Reach<'a> {
    pub(super) chains: BTreeSet<&'a str>,
    pub(super) sets: BTreeSet<&'a str>,
}

impl<'a> Reach<'a> {
    pub(super) fn of(table: &'a Table, chain: &str) -> Self {
        let mut reach = Self::default();
        reach.add(table, chain);
        reach
    }

    fn add(&mut self, table: &'a Table, chain: &str) {
        let Some((name, chain)) = table.chains.get_key_value(chain) else { return };
        if !self.chains.insert(name) {
            return;
        }
        for statement in chain.rules.iter().flat_map(|rule| &rule.statements) {
            self.sets.extend(statement.asks().map(|(set, _)| set));
            if let Statement::Verdict(Verdict::Jump(next) | Verdict::Goto(next)) = statement {
                self.add(table, next);
            }
        }
    }
}

fn end_chain(end: &End, choice: &Choice<'_>, generation: Generation, mark: MarkLayout) -> Chain {
    let rule = |statements| Rule { comment: String::new(), statements };
    let own = mark.bits(end.direction, generation);
    let mut rules = Vec::new();
    match choice {
        Choice::Open => {}
        Choice::Profile(chain) | Choice::Kept(chain, _) => {
            rules.push(rule(vec![Statement::MarkIs(own), Statement::Verdict(Verdict::Return)]));
            rules.extend(end.addresses.iter().map(|address| rule(to_itself(*address))));
            rules.push(rule(vec![Statement::Verdict(Verdict::Jump((*chain).to_owned()))]));
        }
        Choice::Closed(reason) => {
            rules.push(rule(vec![Statement::SetMark(mark.bits(end.direction, REVOKED))]));
            rules.push(Rule {
                comment: name::sentence(&format!("closed: {reason}")),
                statements: vec![Statement::Counter, Statement::Verdict(Verdict::Drop)],
            });
        }
    }
    // The last rule tells the generation, also where nothing gets that far.
    rules.push(rule(vec![Statement::SetMark(own)]));
    Chain { hook: None, rules }
}

/// An endpoint always reaches itself. Only what a service sends back comes by here.
fn to_itself(address: IpAddr) -> Vec<Statement> {
    let network = IpNetwork::from(address);
    vec![
        Statement::Family(Family::of(&address)),
        Statement::AddressIn(Side::Source, network),
        Statement::AddressIn(Side::Destination, network),
        Statement::Verdict(Verdict::Return),
    ]
}
