//! Import and export filters: which routes pass between a peer and the Loc-RIB, and with which attributes.
//!
//! A filter is a list of rules, tried in order. A rule whose conditions all hold does its actions and then accepts,
//! rejects, or goes on with the next rule; where no rule decides, the filter's last word counts. Pure: a route in,
//! a verdict out that names the rule, so that people can be told. Deliberately not here: loops, branches, variables.
//!
//! Patterns are compiled when they are made ([`PrefixList`], [`AsPathPattern`]), so that judging a route, which happens
//! millions of times, is not.

use std::fmt;

use ipnetwork::IpNetwork;

use crate::config::Source;
use crate::wire::{Attributes, Community, ExtendedCommunity, LargeCommunity, NextHop, Origin};

pub mod as_path;
mod change;
mod evaluate;
pub mod pattern;

#[cfg(test)]
mod tests;

pub use as_path::AsPathPattern;
pub use pattern::{CommunityPattern, PrefixList, PrefixPattern};

/// A named list of rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// For people.
    pub name: String,
    /// In the order in which they are tried.
    pub rules: Vec<Rule>,
    /// Where no rule decides.
    pub otherwise: Decision,
}

/// Conditions, all of which have to hold; then actions; then where to go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// For people; may be empty: rules are also known by their position, from 1.
    pub name: String,
    /// All have to hold; none always do.
    pub conditions: Vec<Condition>,
    /// In order.
    pub actions: Vec<Action>,
    /// Then.
    pub then: Then,
}

/// What becomes of the route after a rule that applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Then {
    /// It passes.
    Accept,
    /// It does not.
    Reject,
    /// The next rule sees it as the actions left it.
    Continue,
}

/// A filter's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It passes.
    Accept,
    /// It does not.
    Reject,
}

/// Something to hold of a route. Each list holds if any of its members does, an empty one never.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The prefix.
    Prefix(PrefixList),
    /// The AS path as a text of numbers matches.
    AsPath(AsPathPattern),
    /// The AS path's length, as the decision process counts it, both ends included.
    AsPathLength(u32, u32),
    /// The AS path has one of these in it.
    AsPathContains(Vec<u32>),
    /// The AS that originated it is one of these.
    OriginAs(Vec<u32>),
    /// The neighbouring AS is one of these.
    NeighbourAs(Vec<u32>),
    /// One of the communities (of any kind) is there.
    Community(Vec<CommunityPattern>),
    /// This speaker originates it for one of these reasons.
    Originated(Vec<Source>),
    /// A peer announced it.
    Learned,
    /// The next hop lies in one of these; that of our own, and ourselves as set by a rule before, in none.
    NextHop(Vec<IpNetwork>),
    /// ORIGIN is one of these.
    Origin(Vec<Origin>),
    /// MED, both ends included; a missing one is 0.
    Med(u32, u32),
    /// LOCAL_PREF, both ends included; a missing one is 100.
    LocalPref(u32, u32),
    /// It does not hold.
    Not(Box<Condition>),
}

/// Something to do to a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// LOCAL_PREF.
    SetLocalPref(u32),
    /// MED; none removes it.
    SetMed(Option<u32>),
    /// ORIGIN.
    SetOrigin(Origin),
    /// Adds communities that are not there yet, at the end.
    AddCommunities(Vec<AnyCommunity>),
    /// Removes those that match.
    RemoveCommunities(Vec<CommunityPattern>),
    /// Removes all of every kind, then adds these.
    ReplaceCommunities(Vec<AnyCommunity>),
    /// Puts an AS in front, so many times. AS 0 is nobody's (RFC 7607): nothing then.
    Prepend(u32, u8),
    /// The next hop; of the other family than the prefix only where RFC 8950 is spoken, else it counts as reject. An
    /// IPv4 one of an IPv6 prefix does so here; the caller knows what is spoken.
    SetNextHop(std::net::IpAddr),
    /// Export alone: ourselves, whatever the peer's setting is.
    SetNextHopItself,
    /// Export alone: what was received, whatever the peer's setting is.
    SetNextHopUnchanged,
}

/// A community of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnyCommunity {
    /// RFC 1997.
    Standard(Community),
    /// RFC 4360.
    Extended(ExtendedCommunity),
    /// RFC 8092.
    Large(LargeCommunity),
}

/// A route as a filter sees it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Which destination.
    pub prefix: &'a IpNetwork,
    /// As received, or as chosen.
    pub attributes: &'a Attributes,
    /// None for our own.
    pub next_hop: Option<NextHop>,
    /// Why we originate it; none for what peers announced.
    pub origination: Option<Source>,
}

/// What a filter says of a route. Of one that is rejected, it says nothing but the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its word.
    pub decision: Decision,
    /// The rule that decided, by position from 0; none for the filter's last word.
    pub rule: Option<usize>,
    /// The attributes as the actions left them; none if they are what they were.
    pub attributes: Option<Attributes>,
    /// What an action said of the next hop.
    pub next_hop: NextHopChange,
    /// An action said what MED is, be it what it was.
    pub med_set: bool,
}

/// What becomes of the next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NextHopChange {
    /// The peer's setting counts.
    #[default]
    Untouched,
    /// This one.
    To(std::net::IpAddr),
    /// Ourselves.
    Itself,
    /// As received.
    Unchanged,
}

impl Filter {
    /// Judges a route.
    #[must_use]
    pub fn evaluate(&self, subject: &Subject<'_>) -> Outcome {
        evaluate::evaluate(self, subject)
    }

    /// What people call one of its rules: "rule 3 (no-bogons)", or its last word.
    #[must_use]
    pub fn describe(&self, rule: Option<usize>) -> String {
        match rule.and_then(|index| self.rules.get(index).map(|rule| (index + 1, rule))) {
            Some((number, rule)) if rule.name.is_empty() => format!("filter {}, rule {number}", self.name),
            Some((number, rule)) => format!("filter {}, rule {number} ({})", self.name, rule.name),
            None => format!("filter {}, no rule applied", self.name),
        }
    }
}

impl fmt::Display for AnyCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(community) => community.fmt(f),
            Self::Extended(community) => community.fmt(f),
            Self::Large(community) => community.fmt(f),
        }
    }
}
