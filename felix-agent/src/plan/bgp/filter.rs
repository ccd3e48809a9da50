//! A filter of the file as the speaker wants it: each key of `match` one condition, each key of `set` one action.

use std::collections::BTreeSet;

use ::bgp::config as speaker;
use ::bgp::filter::{Action, AnyCommunity, Condition, Decision, Filter, Rule, Then};
use ::bgp::wire;

use crate::config::filter as written;
use crate::config::value::{Med, SetNextHop, Text};

/// Every reason to originate a prefix, as it is written.
const ORIGINATED: [(written::Source, speaker::Source); 4] = [
    (written::Source::Block, speaker::Source::Block),
    (written::Source::Node, speaker::Source::Node),
    (written::Source::Service, speaker::Source::Service),
    (written::Source::Aggregate, speaker::Source::Aggregate),
];

pub(super) fn compile(name: &str, filter: &written::Filter, local_as: u32) -> Filter {
    Filter {
        name: name.to_owned(),
        rules: filter.rules.iter().map(|rule| self::rule(rule, local_as)).collect(),
        otherwise: match filter.otherwise {
            written::Otherwise::Accept => Decision::Accept,
            written::Otherwise::Reject => Decision::Reject,
        },
    }
}

fn rule(rule: &written::Rule, local_as: u32) -> Rule {
    Rule {
        name: rule.name.clone(),
        conditions: conditions(&rule.conditions),
        actions: actions(&rule.set, local_as),
        then: match rule.then {
            written::Then::Accept => Then::Accept,
            written::Then::Reject => Then::Reject,
            written::Then::Continue => Then::Continue,
        },
    }
}

fn conditions(all: &written::Match) -> Vec<Condition> {
    let range = |range: written::Range| (range.min, range.max.unwrap_or(u32::MAX));
    let known = [
        all.prefixes.as_deref().map(|list| Condition::Prefix(parsed(list).into_iter().collect())),
        all.as_path.as_ref().map(|Text(pattern)| Condition::AsPath(pattern.clone())),
        all.as_path_length.map(range).map(|(min, max)| Condition::AsPathLength(min, max)),
        all.as_path_contains.clone().map(Condition::AsPathContains),
        all.origin_as.clone().map(Condition::OriginAs),
        all.neighbour_as.clone().map(Condition::NeighbourAs),
        all.communities.as_deref().map(parsed).map(Condition::Community),
        all.source.as_deref().and_then(source),
        all.next_hop.clone().map(Condition::NextHop),
        all.origin.as_ref().map(|list| Condition::Origin(list.iter().copied().map(origin).collect())),
        all.med.map(range).map(|(min, max)| Condition::Med(min, max)),
        all.local_preference.map(range).map(|(min, max)| Condition::LocalPref(min, max)),
    ];
    let not = all.not.as_deref().map(conditions).unwrap_or_default();
    let not = not.into_iter().map(|condition| Condition::Not(Box::new(condition)));
    known.into_iter().flatten().chain(not).collect()
}

fn parsed<T: Clone>(list: &[Text<T>]) -> Vec<T> {
    list.iter().map(|Text(value)| value.clone()).collect()
}

/// A route is learned or originated for one reason. So "learned or for one of these reasons" is "for none of the
/// others"; none if all are named, which always holds.
fn source(wanted: &[written::Source]) -> Option<Condition> {
    let wanted: BTreeSet<written::Source> = wanted.iter().copied().collect();
    let reasons = |is_wanted: bool| -> Vec<speaker::Source> {
        let chosen = ORIGINATED.iter().filter(|(name, _)| wanted.contains(name) == is_wanted);
        chosen.map(|(_, reason)| *reason).collect()
    };
    if !wanted.contains(&written::Source::Learned) {
        return Some(Condition::Originated(reasons(true)));
    }
    let others = reasons(false);
    match others.len() {
        0 => None,
        all if all == ORIGINATED.len() => Some(Condition::Learned),
        _ => Some(Condition::Not(Box::new(Condition::Originated(others)))),
    }
}

fn actions(set: &written::Set, local_as: u32) -> Vec<Action> {
    let communities = |list: &[Text<written::community::AnyCommunity>]| -> Vec<AnyCommunity> {
        list.iter().map(|Text(community)| community.0).collect()
    };
    let known = [
        set.local_preference.map(Action::SetLocalPref),
        set.med.map(|med| match med {
            Med::None => Action::SetMed(None),
            Med::Is(med) => Action::SetMed(Some(med)),
        }),
        set.origin.map(|value| Action::SetOrigin(origin(value))),
        set.replace_communities.as_deref().map(communities).map(Action::ReplaceCommunities),
        set.remove_communities.as_deref().map(parsed).map(Action::RemoveCommunities),
        set.add_communities.as_deref().map(communities).map(Action::AddCommunities),
        set.prepend.map(|prepend| Action::Prepend(prepend.asn.unwrap_or(local_as), prepend.times)),
        set.next_hop.map(|next_hop| match next_hop {
            SetNextHop::Itself => Action::SetNextHopItself,
            SetNextHop::Unchanged => Action::SetNextHopUnchanged,
            SetNextHop::To(address) => Action::SetNextHop(address),
        }),
    ];
    known.into_iter().flatten().collect()
}

fn origin(origin: written::Origin) -> wire::Origin {
    match origin {
        written::Origin::Igp => wire::Origin::Igp,
        written::Origin::Egp => wire::Origin::Egp,
        written::Origin::Incomplete => wire::Origin::Incomplete,
    }
}
