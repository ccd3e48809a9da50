//! Any filter says of any route what a slow and obvious reading of it says.

use proptest::prelude::*;

use super::patterns::any_prefix_pattern;
use super::*;

/// A route, owned.
#[derive(Debug, Clone, PartialEq)]
struct Route {
    prefix: IpNetwork,
    attributes: Attributes,
    next_hop: Option<IpAddr>,
    origination: Option<Source>,
    change: NextHopChange,
    med_set: bool,
}

/// Changes the route step by step, copies everything always, tries every pattern.
fn reference(filter: &Filter, before: &Route) -> Outcome {
    let mut route = before.clone();
    let mut verdict = (filter.otherwise, None);
    for (index, rule) in filter.rules.iter().enumerate() {
        if !rule.conditions.iter().all(|condition| holds(condition, &route)) {
            continue;
        }
        let sound = rule.actions.iter().all(|action| act(action, &mut route));
        match rule.then {
            _ if !sound => verdict = (Decision::Reject, Some(index)),
            Then::Accept => verdict = (Decision::Accept, Some(index)),
            Then::Reject => verdict = (Decision::Reject, Some(index)),
            Then::Continue => continue,
        }
        break;
    }
    let (decision, rule) = verdict;
    let accepted = decision == Decision::Accept;
    let attributes = (accepted && route.attributes != before.attributes).then_some(route.attributes);
    let next_hop = if accepted { route.change } else { NextHopChange::Untouched };
    let med_set = accepted && route.med_set;
    Outcome { decision, rule, attributes, next_hop, med_set }
}

fn all_communities(attributes: &Attributes) -> Vec<AnyCommunity> {
    let standard = attributes.communities.iter().copied().map(AnyCommunity::Standard);
    let extended = attributes.extended_communities.iter().copied().map(AnyCommunity::Extended);
    let large = attributes.large_communities.iter().copied().map(AnyCommunity::Large);
    standard.chain(extended).chain(large).collect()
}

fn set_communities(attributes: &mut Attributes, all: &[AnyCommunity]) {
    attributes.communities.clear();
    attributes.extended_communities.clear();
    attributes.large_communities.clear();
    for community in all {
        match *community {
            AnyCommunity::Standard(one) => attributes.communities.push(one),
            AnyCommunity::Extended(one) => attributes.extended_communities.push(one),
            AnyCommunity::Large(one) => attributes.large_communities.push(one),
        }
    }
}

fn holds(condition: &Condition, route: &Route) -> bool {
    let (attributes, path) = (&route.attributes, &route.attributes.as_path);
    let asns: Vec<u32> = path.segments.iter().flat_map(|segment| segment.asns().to_vec()).collect();
    match condition {
        Condition::Prefix(list) => list.patterns().iter().any(|pattern| pattern.matches(&route.prefix)),
        Condition::AsPath(pattern) => pattern.matches_text(&path.to_string()),
        Condition::AsPathLength(least, most) => {
            (*least as usize..=*most as usize).contains(&path.hop_count())
        }
        Condition::AsPathContains(list) => list.iter().any(|asn| asns.contains(asn)),
        Condition::OriginAs(list) => path.origin().is_some_and(|asn| list.contains(&asn)),
        Condition::NeighbourAs(list) => path.neighbour().is_some_and(|asn| list.contains(&asn)),
        Condition::Community(patterns) => {
            all_communities(attributes).iter().any(|one| patterns.iter().any(|pattern| pattern.matches(*one)))
        }
        Condition::Originated(sources) => sources.iter().any(|source| route.origination == Some(*source)),
        Condition::Learned => route.origination.is_none(),
        Condition::NextHop(networks) => {
            let address = match route.change {
                NextHopChange::Untouched | NextHopChange::Unchanged => route.next_hop,
                NextHopChange::To(address) => Some(address),
                NextHopChange::Itself => None,
            };
            networks.iter().any(|network| address.is_some_and(|address| network.contains(address)))
        }
        Condition::Origin(origins) => origins.contains(&attributes.origin),
        Condition::Med(least, most) => {
            let med = attributes.med.unwrap_or(0);
            *least <= med && med <= *most
        }
        Condition::LocalPref(least, most) => {
            let preference = attributes.local_pref.unwrap_or(100);
            *least <= preference && preference <= *most
        }
        Condition::Not(condition) => !holds(condition, route),
    }
}

fn act(action: &Action, route: &mut Route) -> bool {
    let attributes = &mut route.attributes;
    let mut all = all_communities(attributes);
    match action {
        Action::SetLocalPref(value) => attributes.local_pref = Some(*value),
        Action::SetMed(value) => {
            attributes.med = *value;
            route.med_set = true;
        }
        Action::SetOrigin(value) => attributes.origin = *value,
        Action::AddCommunities(list) => {
            for community in list {
                if !all.contains(community) {
                    all.push(*community);
                }
            }
            set_communities(attributes, &all);
        }
        Action::RemoveCommunities(patterns) => {
            all.retain(|one| !patterns.iter().any(|pattern| pattern.matches(*one)));
            set_communities(attributes, &all);
        }
        Action::ReplaceCommunities(list) => {
            let mut once = Vec::new();
            for community in list {
                if !once.contains(community) {
                    once.push(*community);
                }
            }
            set_communities(attributes, &once);
        }
        Action::Prepend(asn, times) => {
            for _ in 0..if *asn == 0 { 0 } else { *times } {
                attributes.as_path = attributes.as_path.prepended(*asn);
            }
        }
        Action::SetNextHop(address) => {
            route.change = NextHopChange::To(*address);
            return route.prefix.is_ipv4() || address.is_ipv6();
        }
        Action::SetNextHopItself => route.change = NextHopChange::Itself,
        Action::SetNextHopUnchanged => route.change = NextHopChange::Unchanged,
    }
    true
}

fn asn() -> impl Strategy<Value = u32> {
    0..5_u32
}

fn asns() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(1..5_u32, 1..4)
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop::sample::select(vec!["10.0.0.1", "192.0.2.1", "2001:db8::1", "fe80::1"])
        .prop_map(|text| text.parse().unwrap())
}

fn origin() -> impl Strategy<Value = Origin> {
    prop::sample::select(vec![Origin::Igp, Origin::Egp, Origin::Incomplete])
}

fn source() -> impl Strategy<Value = Source> {
    prop::sample::select(vec![Source::Block, Source::Node, Source::Service, Source::Aggregate])
}

fn any_community() -> impl Strategy<Value = AnyCommunity> {
    let part = || 0..3_u32;
    prop_oneof![
        (part(), part()).prop_map(|(a, b)| AnyCommunity::Standard(Community(a << 16 | b))),
        (2..4_u64, 0..3_u64).prop_map(|(subtype, value)| {
            AnyCommunity::Extended(ExtendedCommunity(subtype << 48 | 1 << 32 | value))
        }),
        (part(), part(), part()).prop_map(|(global, local_1, local_2)| {
            AnyCommunity::Large(LargeCommunity { global, local_1, local_2 })
        }),
    ]
}

fn community_patterns() -> impl Strategy<Value = Vec<CommunityPattern>> {
    let texts = vec!["*:*", "1:*", "*:2", "1:1", "*:*:*", "1:*:2", "0:0:0", "rt:1:*", "soo:*:1", "generic:*"];
    prop::collection::vec(prop::sample::select(texts).prop_map(|text| text.parse().unwrap()), 0..3)
}

fn path() -> impl Strategy<Value = AsPath> {
    let segment = prop_oneof![
        4 => asns().prop_map(AsPathSegment::Sequence),
        1 => asns().prop_map(AsPathSegment::Set),
        1 => asns().prop_map(AsPathSegment::ConfedSequence),
        1 => asns().prop_map(AsPathSegment::ConfedSet),
        1 => prop::collection::vec(1..3_u32, 253..=255).prop_map(AsPathSegment::Sequence),
    ];
    prop::collection::vec(segment, 0..3).prop_map(|segments| AsPath { segments })
}

fn route() -> impl Strategy<Value = Route> {
    let numbers = (prop::option::of(0..3_u32), prop::option::of(99..102_u32));
    let communities = prop::collection::btree_set(any_community(), 0..5);
    let prefix = any_prefix_pattern().prop_map(|pattern| pattern.network);
    let fate = (prop::option::of(address()), prop::option::of(source()));
    (prefix, path(), origin(), numbers, communities, fate).prop_map(
        |(prefix, as_path, origin, (med, local_pref), communities, (next_hop, origination))| {
            let mut attributes = Attributes { as_path, origin, med, local_pref, ..Attributes::default() };
            set_communities(&mut attributes, &communities.into_iter().collect::<Vec<_>>());
            let change = NextHopChange::Untouched;
            Route { prefix, attributes, next_hop, origination, change, med_set: false }
        },
    )
}

fn condition() -> impl Strategy<Value = Condition> {
    let expressions = vec!["^$", "^1_", "_2_", "_3$", r"\{", "^(1_)+", "_1_[23]_"];
    let network = any_prefix_pattern().prop_map(|pattern| pattern.network);
    let bounds = || (0..3_u32, 0..4_u32);
    let plain = prop_oneof![
        3 => prop::collection::vec(any_prefix_pattern(), 0..5)
            .prop_map(|patterns| Condition::Prefix(patterns.into())),
        2 => prop::sample::select(expressions).prop_map(|text| Condition::AsPath(text.parse().unwrap())),
        1 => bounds().prop_map(|(least, most)| Condition::AsPathLength(least, most)),
        1 => asns().prop_map(Condition::AsPathContains),
        1 => asns().prop_map(Condition::OriginAs),
        1 => asns().prop_map(Condition::NeighbourAs),
        2 => community_patterns().prop_map(Condition::Community),
        1 => prop::collection::vec(source(), 0..3).prop_map(Condition::Originated),
        1 => Just(Condition::Learned),
        1 => prop::collection::vec(network, 0..3).prop_map(Condition::NextHop),
        1 => prop::collection::vec(origin(), 0..3).prop_map(Condition::Origin),
        1 => bounds().prop_map(|(least, most)| Condition::Med(least, most)),
        1 => bounds().prop_map(|(least, most)| Condition::LocalPref(98 + least, 98 + most)),
    ];
    plain.prop_recursive(2, 3, 1, |inner| inner.prop_map(|condition| Condition::Not(Box::new(condition))))
}

fn action() -> impl Strategy<Value = Action> {
    let list = || prop::collection::vec(any_community(), 0..4);
    prop_oneof![
        (99..102_u32).prop_map(Action::SetLocalPref),
        prop::option::of(0..3_u32).prop_map(Action::SetMed),
        origin().prop_map(Action::SetOrigin),
        list().prop_map(Action::AddCommunities),
        community_patterns().prop_map(Action::RemoveCommunities),
        list().prop_map(Action::ReplaceCommunities),
        (asn(), prop_oneof![0..4_u8, Just(255)]).prop_map(|(asn, times)| Action::Prepend(asn, times)),
        address().prop_map(Action::SetNextHop),
        Just(Action::SetNextHopItself),
        Just(Action::SetNextHopUnchanged),
    ]
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let then = prop_oneof![1 => Just(Then::Accept), 1 => Just(Then::Reject), 3 => Just(Then::Continue)];
    let one = (prop::collection::vec(condition(), 0..3), prop::collection::vec(action(), 0..3), then)
        .prop_map(|(conditions, actions, then)| rule(conditions, actions, then));
    let otherwise = prop::sample::select(vec![Decision::Accept, Decision::Accept, Decision::Reject]);
    (prop::collection::vec(one, 0..5), otherwise).prop_map(|(rules, otherwise)| filter(rules, otherwise))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 700, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_says_what_it_reads_like(filter in any_filter(), routes in prop::collection::vec(route(), 1..4)) {
        for route in routes {
            let next_hop = route.next_hop.map(|address| match address {
                IpAddr::V4(address) => NextHop::V4(address),
                IpAddr::V6(global) => NextHop::V6 { global, link_local: None },
            });
            let subject = Subject {
                prefix: &route.prefix,
                attributes: &route.attributes,
                next_hop,
                origination: route.origination,
            };
            prop_assert_eq!(filter.evaluate(&subject), reference(&filter, &route));
        }
    }
}
