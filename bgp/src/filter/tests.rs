//! Texts of patterns, rules by example, and every filter against a slow and obvious one.

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;

use super::*;
use crate::wire::{AsPath, AsPathSegment};

mod against_reference;
mod patterns;

fn prefix(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

fn list(texts: &[&str]) -> PrefixList {
    texts.iter().map(|text| text.parse::<PrefixPattern>().unwrap()).collect()
}

fn communities(texts: &[&str]) -> Vec<CommunityPattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn standard(text: &str) -> AnyCommunity {
    AnyCommunity::Standard(text.parse().unwrap())
}

fn rule(conditions: Vec<Condition>, actions: Vec<Action>, then: Then) -> Rule {
    Rule { name: String::new(), conditions, actions, then }
}

fn filter(rules: Vec<Rule>, otherwise: Decision) -> Filter {
    Filter { name: "test".to_owned(), rules, otherwise }
}

/// A route from AS 65001 to 10.1.0.0/16, through 65002, with communities of every kind.
fn attributes() -> Attributes {
    Attributes {
        as_path: "65001 65002".parse().unwrap(),
        communities: vec!["65001:1".parse().unwrap(), Community::NO_EXPORT],
        extended_communities: vec!["rt:65001:7".parse().unwrap()],
        large_communities: vec!["65001:1:2".parse().unwrap()],
        ..Attributes::default()
    }
}

fn judge(filter: &Filter, attributes: &Attributes) -> Outcome {
    let (prefix, next_hop) = (prefix("10.1.0.0/16"), Some(NextHop::V4(Ipv4Addr::new(192, 0, 2, 1))));
    filter.evaluate(&Subject { prefix: &prefix, attributes, next_hop, origination: None })
}

#[test]
fn each_condition_holds_when_it_should() {
    use Condition::{
        AsPathContains, AsPathLength, Learned, LocalPref, Med, NeighbourAs, Not, OriginAs, Originated,
    };
    let with_med = Attributes { med: Some(5), local_pref: Some(200), ..attributes() };
    let table: Vec<(Condition, bool)> = vec![
        (Condition::Prefix(list(&["10.0.0.0/8 le 16"])), true),
        (Condition::Prefix(list(&["10.0.0.0/8"])), false),
        (Condition::Prefix(PrefixList::default()), false),
        (Condition::AsPath("^65001_".parse().unwrap()), true),
        (Condition::AsPath("^65002_".parse().unwrap()), false),
        (AsPathLength(2, 2), true),
        (AsPathLength(0, 1), false),
        (AsPathLength(3, u32::MAX), false),
        (AsPathContains(vec![1, 65002]), true),
        (AsPathContains(vec![1, 2]), false),
        (OriginAs(vec![65002]), true),
        (OriginAs(vec![65001]), false),
        (NeighbourAs(vec![65001]), true),
        (NeighbourAs(vec![65002]), false),
        (Condition::Community(communities(&["1:1", "no-export"])), true),
        (Condition::Community(communities(&["rt:65001:*"])), true),
        (Condition::Community(communities(&["65001:1:*"])), true),
        (Condition::Community(communities(&["65001:2", "65001:2:*", "soo:65001:*"])), false),
        (Originated(vec![Source::Block]), false),
        (Learned, true),
        (Condition::NextHop(vec![prefix("192.0.2.0/24")]), true),
        (Condition::NextHop(vec![prefix("198.51.100.0/24"), prefix("::/0")]), false),
        (Condition::Origin(vec![Origin::Egp, Origin::Igp]), true),
        (Condition::Origin(vec![Origin::Incomplete]), false),
        (Med(5, 5), true),
        (Med(0, 4), false),
        (LocalPref(200, 300), true),
        (LocalPref(0, 199), false),
        (Not(Box::new(Learned)), false),
        (Not(Box::new(AsPathContains(vec![]))), true),
    ];
    for (condition, expected) in table {
        let shown = format!("{condition:?}");
        let filter = filter(vec![rule(vec![condition], vec![], Then::Accept)], Decision::Reject);
        let found = judge(&filter, &with_med);
        assert_eq!(found.decision == Decision::Accept, expected, "{shown}");
        assert_eq!(found.rule, expected.then_some(0), "{shown}");
        assert_eq!((found.attributes, found.next_hop), (None, NextHopChange::Untouched), "{shown}");
    }
    for (condition, expected) in [(Med(0, 0), true), (LocalPref(100, 100), true), (LocalPref(0, 99), false)] {
        let filter = filter(vec![rule(vec![condition], vec![], Then::Accept)], Decision::Reject);
        assert_eq!(judge(&filter, &attributes()).decision == Decision::Accept, expected, "what is missing");
    }
}

#[test]
fn own_routes_have_a_reason_and_no_next_hop() {
    let (prefix, attributes) = (prefix("10.1.0.0/26"), Attributes::default());
    let own = Subject {
        prefix: &prefix,
        attributes: &attributes,
        next_hop: None,
        origination: Some(Source::Service),
    };
    let anywhere = vec![super::tests::prefix("0.0.0.0/0"), super::tests::prefix("::/0")];
    let table = [
        (Condition::Originated(vec![Source::Block, Source::Service]), true),
        (Condition::Originated(vec![Source::Block]), false),
        (Condition::Learned, false),
        (Condition::NextHop(anywhere), false),
        (Condition::NeighbourAs(vec![0]), false),
        (Condition::AsPath("^$".parse().unwrap()), true),
        (Condition::AsPathLength(0, 0), true),
    ];
    for (condition, expected) in table {
        let filter = filter(vec![rule(vec![condition.clone()], vec![], Then::Accept)], Decision::Reject);
        assert_eq!(filter.evaluate(&own).decision == Decision::Accept, expected, "{condition:?}");
    }
}

#[test]
fn each_action_does_what_it_says_and_nothing_where_nothing_changes() {
    let before = Attributes { med: Some(5), ..attributes() };
    let changed = |change: fn(&mut Attributes)| {
        let mut after = before.clone();
        change(&mut after);
        Some(after)
    };
    let (rt, large) = ("rt:65001:7".parse().unwrap(), "65001:1:2".parse().unwrap());
    let there = [standard("no-export"), AnyCommunity::Extended(rt), AnyCommunity::Large(large)];
    let table: Vec<(Action, Option<Attributes>)> = vec![
        (Action::SetLocalPref(200), changed(|all| all.local_pref = Some(200))),
        (Action::SetLocalPref(100), changed(|all| all.local_pref = Some(100))),
        (Action::SetMed(Some(5)), None),
        (Action::SetMed(None), changed(|all| all.med = None)),
        (Action::SetOrigin(Origin::Igp), None),
        (Action::SetOrigin(Origin::Incomplete), changed(|all| all.origin = Origin::Incomplete)),
        (Action::AddCommunities(there.to_vec()), None),
        (
            Action::AddCommunities(vec![standard("1:2"), standard("no-export"), standard("1:2")]),
            changed(|all| all.communities.push("1:2".parse().unwrap())),
        ),
        (Action::RemoveCommunities(communities(&["1:*", "1:*:*", "soo:*:*"])), None),
        (Action::RemoveCommunities(communities(&["*:*"])), changed(|all| all.communities.clear())),
        (
            Action::RemoveCommunities(communities(&["65001:*", "rt:*:*", "*:1:2"])),
            changed(|all| {
                all.communities.remove(0);
                all.extended_communities.clear();
                all.large_communities.clear();
            }),
        ),
        (
            Action::ReplaceCommunities(vec![standard("1:2"), standard("1:2")]),
            changed(|all| {
                all.communities = vec!["1:2".parse().unwrap()];
                all.extended_communities.clear();
                all.large_communities.clear();
            }),
        ),
        (
            Action::ReplaceCommunities([vec![standard("65001:1")], there.to_vec()].concat()),
            None, // all of them are there again
        ),
        (Action::Prepend(65009, 0), None),
        (Action::Prepend(0, 3), None),
        (Action::Prepend(65009, 2), changed(|all| all.as_path = "65009 65009 65001 65002".parse().unwrap())),
    ];
    for (action, expected) in table {
        let shown = format!("{action:?}");
        let filter = filter(vec![rule(vec![], vec![action], Then::Accept)], Decision::Reject);
        assert_eq!(judge(&filter, &before).attributes, expected, "{shown}");
    }
}

#[test]
fn long_prepends_make_segments_that_can_be_sent() {
    let filter = filter(
        vec![
            rule(vec![], vec![Action::Prepend(65009, 255)], Then::Continue),
            rule(vec![], vec![Action::Prepend(65008, 10)], Then::Continue),
        ],
        Decision::Accept,
    );
    let path = judge(&filter, &attributes()).attributes.unwrap().as_path;
    assert_eq!(path.hop_count(), 2 + 255 + 10);
    assert!(path.segments.iter().all(|segment| (1..=255).contains(&segment.asns().len())));
    assert_eq!((path.neighbour(), path.origin()), (Some(65008), Some(65002)));
    let set = Attributes {
        as_path: AsPath { segments: vec![AsPathSegment::Set(vec![1, 2])] },
        ..Attributes::default()
    };
    let path = judge(&filter, &set).attributes.unwrap().as_path;
    assert_eq!(path.segments.last(), Some(&AsPathSegment::Set(vec![1, 2])));
}

#[test]
fn the_next_hop_is_said_apart_and_seen_by_later_rules() {
    let (v4, v6): (IpAddr, IpAddr) = ("198.51.100.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let inside = |network| Condition::NextHop(vec![prefix(network)]);
    let table = [
        (Action::SetNextHop(v4), NextHopChange::To(v4), "198.51.100.0/24"),
        (Action::SetNextHop(v6), NextHopChange::To(v6), "2001:db8::/32"),
        (Action::SetNextHopUnchanged, NextHopChange::Unchanged, "192.0.2.0/24"),
    ];
    for (action, expected, network) in table {
        let rules = vec![
            rule(vec![], vec![action], Then::Continue),
            rule(vec![inside(network)], vec![], Then::Accept),
        ];
        let outcome = judge(&filter(rules, Decision::Reject), &attributes());
        assert_eq!((outcome.rule, outcome.next_hop), (Some(1), expected));
        assert_eq!(outcome.attributes, None);
    }
    let rules = vec![
        rule(vec![], vec![Action::SetNextHopItself], Then::Continue),
        rule(vec![inside("0.0.0.0/0")], vec![], Then::Reject),
    ];
    let outcome = judge(&filter(rules, Decision::Accept), &attributes());
    assert_eq!((outcome.decision, outcome.next_hop), (Decision::Accept, NextHopChange::Itself));
}

#[test]
fn an_ipv4_next_hop_of_an_ipv6_prefix_counts_as_reject() {
    let to = |address: &str| {
        let actions = vec![Action::SetNextHop(address.parse().unwrap())];
        filter(vec![rule(vec![], actions, Then::Continue)], Decision::Accept)
    };
    let (prefix, attributes) = (prefix("2001:db8::/32"), attributes());
    let subject = Subject { prefix: &prefix, attributes: &attributes, next_hop: None, origination: None };
    let refused = to("192.0.2.1").evaluate(&subject);
    assert_eq!((refused.decision, refused.rule), (Decision::Reject, Some(0)));
    assert_eq!(to("2001:db8::1").evaluate(&subject).decision, Decision::Accept);
}

#[test]
fn rules_are_tried_in_order_and_see_what_those_before_did() {
    let tagged = || Condition::Community(communities(&["1:1"]));
    let path = |text: &str| Condition::AsPath(text.parse().unwrap());
    let rules = vec![
        rule(vec![tagged()], vec![], Then::Reject),
        rule(vec![path("^65001_")], vec![Action::AddCommunities(vec![standard("1:1")])], Then::Continue),
        rule(vec![path("^7_")], vec![], Then::Reject),
        rule(vec![], vec![Action::Prepend(7, 1)], Then::Continue),
        rule(vec![tagged(), path("^7_65001_")], vec![Action::SetMed(Some(1))], Then::Accept),
        rule(vec![], vec![], Then::Reject),
    ];
    let outcome = judge(&filter(rules, Decision::Reject), &attributes());
    assert_eq!((outcome.decision, outcome.rule), (Decision::Accept, Some(4)));
    let after = outcome.attributes.unwrap();
    assert_eq!((after.med, after.as_path.to_string().as_str()), (Some(1), "7 65001 65002"));
}

#[test]
fn what_is_changed_back_is_not_changed_and_what_is_rejected_is_not_described() {
    let there_and_back = vec![
        rule(vec![], vec![Action::SetMed(Some(1))], Then::Continue),
        rule(vec![], vec![Action::SetMed(None)], Then::Continue),
    ];
    let outcome = judge(&filter(there_and_back, Decision::Accept), &attributes());
    assert_eq!((outcome.rule, outcome.attributes), (None, None));
    let rejected = vec![
        rule(vec![], vec![Action::SetMed(Some(1)), Action::SetNextHopItself], Then::Continue),
        rule(vec![], vec![], Then::Reject),
    ];
    let expected = Outcome {
        decision: Decision::Reject,
        rule: Some(1),
        attributes: None,
        next_hop: NextHopChange::Untouched,
        med_set: false,
    };
    assert_eq!(judge(&filter(rejected, Decision::Accept), &attributes()), expected);
}

#[test]
fn rules_have_names_for_people() {
    let named = Rule { name: "no-bogons".to_owned(), ..rule(vec![], vec![], Then::Continue) };
    let filter = filter(vec![rule(vec![], vec![], Then::Continue), named], Decision::Accept);
    assert_eq!(filter.describe(Some(0)), "filter test, rule 1");
    assert_eq!(filter.describe(Some(1)), "filter test, rule 2 (no-bogons)");
    assert_eq!(filter.describe(None), "filter test, no rule applied");
    assert_eq!(filter.describe(Some(9)), "filter test, no rule applied");
}
