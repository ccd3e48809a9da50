//! Judging a route by a filter.
//!
//! The attributes are copied at the first action that changes one of them, and the path's text is written at the first
//! condition that reads it: a filter that only looks at prefixes costs a few comparisons.

use std::borrow::Cow;

use super::{Action, Condition, Decision, Filter, NextHopChange, Outcome, Subject, Then, change};
use crate::wire::{Attributes, DEFAULT_LOCAL_PREF};

/// A route on its way through the rules.
struct Route<'a> {
    subject: &'a Subject<'a>,
    attributes: Cow<'a, Attributes>,
    next_hop: NextHopChange,
    med_set: bool,
    /// The path's text, if a condition has needed it since the path last changed.
    path_text: Option<String>,
}

pub(super) fn evaluate(filter: &Filter, subject: &Subject<'_>) -> Outcome {
    let mut route = Route {
        subject,
        attributes: Cow::Borrowed(subject.attributes),
        next_hop: NextHopChange::Untouched,
        med_set: false,
        path_text: None,
    };
    for (index, rule) in filter.rules.iter().enumerate() {
        if !rule.conditions.iter().all(|condition| route.holds(condition)) {
            continue;
        }
        if rule.then == Then::Reject || !route.apply(&rule.actions) {
            return rejected(Some(index));
        }
        if rule.then == Then::Accept {
            return route.accepted(Some(index));
        }
    }
    match filter.otherwise {
        Decision::Accept => route.accepted(None),
        Decision::Reject => rejected(None),
    }
}

/// Of a route that does not pass, nothing else is of interest.
fn rejected(rule: Option<usize>) -> Outcome {
    let next_hop = NextHopChange::Untouched;
    Outcome { decision: Decision::Reject, rule, attributes: None, next_hop, med_set: false }
}

impl Route<'_> {
    fn accepted(self, rule: Option<usize>) -> Outcome {
        let (next_hop, med_set) = (self.next_hop, self.med_set);
        let attributes = match self.attributes {
            Cow::Owned(attributes) if attributes != *self.subject.attributes => Some(attributes),
            Cow::Owned(_) | Cow::Borrowed(_) => None,
        };
        Outcome { decision: Decision::Accept, rule, attributes, next_hop, med_set }
    }

    fn holds(&mut self, condition: &Condition) -> bool {
        let attributes = &self.attributes;
        let listed = |asn: Option<u32>, list: &[u32]| asn.is_some_and(|asn| list.contains(&asn));
        match condition {
            Condition::Prefix(list) => list.matches(self.subject.prefix),
            Condition::AsPath(pattern) => {
                pattern.matches_text(self.path_text.get_or_insert_with(|| attributes.as_path.to_string()))
            }
            Condition::AsPathLength(least, most) => {
                let length = u32::try_from(attributes.as_path.hop_count()).unwrap_or(u32::MAX);
                (*least..=*most).contains(&length)
            }
            Condition::AsPathContains(list) => list.iter().any(|asn| attributes.as_path.contains(*asn)),
            Condition::OriginAs(list) => listed(attributes.as_path.origin(), list),
            Condition::NeighbourAs(list) => listed(attributes.as_path.neighbour(), list),
            Condition::Community(patterns) => {
                patterns.iter().any(|pattern| change::has_match(attributes, pattern))
            }
            Condition::Originated(sources) => {
                self.subject.origination.is_some_and(|source| sources.contains(&source))
            }
            Condition::Learned => self.subject.origination.is_none(),
            Condition::NextHop(networks) => {
                let address = self.next_hop_address();
                address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
            }
            Condition::Origin(origins) => origins.contains(&attributes.origin),
            Condition::Med(least, most) => (*least..=*most).contains(&attributes.med.unwrap_or(0)),
            Condition::LocalPref(least, most) => {
                (*least..=*most).contains(&attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF))
            }
            Condition::Not(condition) => !self.holds(condition),
        }
    }

    /// As a rule before left it. Which address we are is not known here.
    fn next_hop_address(&self) -> Option<std::net::IpAddr> {
        match self.next_hop {
            NextHopChange::Untouched | NextHopChange::Unchanged => {
                self.subject.next_hop.map(|next_hop| next_hop.address())
            }
            NextHopChange::To(address) => Some(address),
            NextHopChange::Itself => None,
        }
    }

    /// Whether it may go on.
    fn apply(&mut self, actions: &[Action]) -> bool {
        for action in actions {
            match action {
                Action::SetLocalPref(value) => change::set_local_pref(&mut self.attributes, *value),
                Action::SetMed(value) => {
                    self.med_set = true;
                    change::set_med(&mut self.attributes, *value);
                }
                Action::SetOrigin(value) => change::set_origin(&mut self.attributes, *value),
                Action::AddCommunities(list) => change::add(&mut self.attributes, list),
                Action::RemoveCommunities(patterns) => change::remove(&mut self.attributes, patterns),
                Action::ReplaceCommunities(list) => change::replace(&mut self.attributes, list),
                Action::Prepend(asn, times) => {
                    change::prepend(&mut self.attributes, *asn, *times);
                    self.path_text = None;
                }
                Action::SetNextHop(address) => {
                    // IPv4 never leads to IPv6 prefixes; the other way is RFC 8950's, for the caller to know.
                    if self.subject.prefix.is_ipv6() && address.is_ipv4() {
                        return false;
                    }
                    self.next_hop = NextHopChange::To(*address);
                }
                Action::SetNextHopItself => self.next_hop = NextHopChange::Itself,
                Action::SetNextHopUnchanged => self.next_hop = NextHopChange::Unchanged,
            }
        }
        true
    }
}
