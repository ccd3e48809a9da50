//! One thing at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::config::{Aggregate, Source};
use crate::wire::Community;

const FAMILY: Family = Family::Ipv4Unicast;

fn set() -> FamilySet {
    FamilySet::from_iter([FAMILY])
}

fn announce(rib: &mut Rib, source: SourceId, number: u8, asns: &[u32]) {
    let next_hop = via(u8::try_from(source.0).expect("few"));
    rib.announce(source, FAMILY, &path(asns, 0), next_hop, &[nlri(number)], Instant::now());
}

fn best(rib: &Rib, number: u8) -> Option<SourceId> {
    rib.routes_to(&prefix(number)).into_iter().find(|seen| seen.best).and_then(|seen| seen.source)
}

#[test]
fn routes_are_seen_with_the_reasons_for_their_fate() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External, Kind::External]);
    announce(&mut rib, sources[0], 1, &[65101, 65109]);
    announce(&mut rib, sources[1], 1, &[65102]);
    announce(&mut rib, sources[2], 1, &[65103, 65000]);
    let seen = rib.routes_to(&prefix(1));
    let fates: Vec<_> =
        seen.iter().map(|it| (it.source, it.best, it.lost.as_str(), it.unusable.clone())).collect();
    let expected = [
        (Some(sources[1]), true, "", None),
        (Some(sources[0]), false, "longer AS path than 10.0.0.2", None),
        (Some(sources[2]), false, "", Some(Unusable::OwnAs)),
    ];
    assert_eq!(fates, expected);
    assert_eq!(rib.counts(sources[2], FAMILY), Counts { received: 1, accepted: 0, stale: 0 });
    assert_eq!(rib.routes_to(&prefix(2)), []);
    assert_eq!(rib.prefixes().collect::<Vec<_>>(), [prefix(1)]);
}

#[test]
fn the_forwarding_table_hears_of_next_hops_alone() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External]);
    rib.set_multipath(Multipath { external: 2, internal: 1, relaxed_as_path: true });
    let hop = |number| Hop { next_hop: via(number), interface: None };
    announce(&mut rib, sources[0], 1, &[65101]);
    announce(&mut rib, sources[1], 1, &[65102]);
    let both = BTreeSet::from([hop(1), hop(2)]);
    assert_eq!(rib.take_forwarding(9), BTreeMap::from([(prefix(1), Some(both))]));
    assert!(!rib.forwarding_changed());
    // Another path over the same way is no news.
    let other = Attributes { communities: vec![Community(7)], ..path(&[65101], 0) };
    rib.announce(sources[0], FAMILY, &other, via(1), &[nlri(1)], Instant::now());
    assert!(!rib.forwarding_changed());
    rib.withdraw(sources[0], &[nlri(1)]);
    assert_eq!(rib.take_forwarding(9), BTreeMap::from([(prefix(1), Some(BTreeSet::from([hop(2)])))]));
    rib.withdraw(sources[1], &[nlri(1)]);
    assert_eq!(rib.take_forwarding(9), BTreeMap::from([(prefix(1), None)]));
    // A prefix of our own needs no peer's way.
    announce(&mut rib, sources[0], 1, &[65101]);
    rib.take_forwarding(9);
    rib.originate(&BTreeMap::from([(prefix(1), Origination::default())]), &BTreeMap::new(), Instant::now());
    assert_eq!(rib.take_forwarding(9), BTreeMap::from([(prefix(1), None)]));
    rib.follow_forwarding(false);
    rib.originate(&BTreeMap::new(), &BTreeMap::new(), Instant::now());
    assert!(!rib.forwarding_changed());
    rib.follow_forwarding(true);
    assert_eq!(rib.take_forwarding(9), BTreeMap::from([(prefix(1), Some(BTreeSet::from([hop(1)])))]));
}

#[test]
fn a_link_local_next_hop_is_known_by_its_interface() {
    let (mut rib, _) = rib(&[]);
    let hop = NextHop::V6 { global: "fe80::1".parse().expect("an address"), link_local: None };
    for number in [1, 2] {
        let interface = Some(Arc::from(format!("eth{number}")));
        let source = rib.add_source(Neighbour { interface, ..neighbour(number, Kind::External) });
        rib.set_import(source, FAMILY, import(Policy::Accept));
        rib.announce(source, FAMILY, &path(&[65101], 0), hop, &[nlri(1)], Instant::now());
    }
    rib.set_multipath(Multipath { external: 8, internal: 8, relaxed_as_path: true });
    let hops = rib.take_forwarding(9).remove(&prefix(1)).flatten().expect("hops");
    let interfaces: Vec<_> = hops.iter().map(|hop| hop.interface.as_deref()).collect();
    assert_eq!(interfaces, [Some("eth1"), Some("eth2")]);
}

#[test]
fn stale_routes_go_at_a_second_loss_or_when_flushed() {
    let (mut rib, sources) = rib(&[Kind::External]);
    let source = sources[0];
    announce(&mut rib, source, 1, &[65101]);
    announce(&mut rib, source, 2, &[65101]);
    assert!(rib.keep_stale(source, set()));
    assert!(rib.routes_to(&prefix(1))[0].stale && best(&rib, 1) == Some(source), "in use meanwhile");
    announce(&mut rib, source, 1, &[65101]);
    assert_eq!(rib.counts(source, FAMILY).stale, 1);
    rib.flush_stale(source, FAMILY);
    assert_eq!(rib.prefixes().collect::<Vec<_>>(), [prefix(1)]);
    assert!(rib.keep_stale(source, set()));
    assert!(!rib.keep_stale(source, set()), "twice without a word");
    assert_eq!(rib.prefixes().count(), 0);
    announce(&mut rib, source, 1, &[65101]);
    assert!(!rib.keep_stale(source, FamilySet::default()), "another family");
}

#[test]
fn long_lived_stale_routes_are_the_last_resort() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External]);
    announce(&mut rib, sources[0], 1, &[65101]);
    announce(&mut rib, sources[0], 2, &[65101]);
    announce(&mut rib, sources[1], 2, &[65102, 65103, 65104]);
    let refusing = Attributes { communities: vec![Community::NO_LLGR], ..path(&[65101], 0) };
    rib.announce(sources[0], FAMILY, &refusing, via(1), &[nlri(3)], Instant::now());
    rib.keep_stale(sources[0], set());
    assert!(rib.keep_long_lived(sources[0], FAMILY));
    assert_eq!((best(&rib, 1), best(&rib, 2)), (Some(sources[0]), Some(sources[1])));
    assert_eq!(rib.routes_to(&prefix(3)), []);
    let kept = &rib.routes_to(&prefix(1))[0];
    assert!(kept.long_lived_stale && kept.attributes.communities == [Community::LLGR_STALE]);
    assert!(kept.received.communities.is_empty());
    // Announced again it is as good as before.
    announce(&mut rib, sources[0], 2, &[65101]);
    assert_eq!(best(&rib, 2), Some(sources[0]));
    rib.flush_stale(sources[0], FAMILY);
    assert_eq!(rib.routes_to(&prefix(1)), []);
}

#[test]
fn a_refresh_drops_what_is_not_announced_again() {
    let (mut rib, sources) = rib(&[Kind::External]);
    announce(&mut rib, sources[0], 1, &[65101]);
    announce(&mut rib, sources[0], 2, &[65101]);
    rib.begin_refresh(sources[0], FAMILY);
    announce(&mut rib, sources[0], 2, &[65101]);
    rib.flush_stale(sources[0], FAMILY);
    assert_eq!(rib.prefixes().collect::<Vec<_>>(), [prefix(2)]);
}

#[test]
fn another_import_policy_judges_what_is_there() {
    let (mut rib, sources) = rib(&[Kind::External]);
    announce(&mut rib, sources[0], 1, &[65101]);
    rib.set_import(sources[0], FAMILY, import(Policy::Unset));
    assert_eq!(rib.routes_to(&prefix(1))[0].unusable, Some(Unusable::NoPolicy));
    assert_eq!((best(&rib, 1), rib.counts(sources[0], FAMILY).accepted), (None, 0));
    rib.set_import(sources[0], FAMILY, import(Policy::Accept));
    assert_eq!((best(&rib, 1), rib.counts(sources[0], FAMILY).accepted), (Some(sources[0]), 1));
}

#[test]
fn what_was_announced_is_told_as_it_came() {
    let (mut rib, sources) = rib(&[Kind::External]);
    let rule = crate::filter::Rule {
        name: String::new(),
        conditions: vec![],
        actions: vec![crate::filter::Action::SetNextHop(Ipv4Addr::new(10, 0, 0, 99).into())],
        then: crate::filter::Then::Accept,
    };
    let otherwise = crate::filter::Decision::Reject;
    let filter = crate::filter::Filter { name: "in".to_owned(), rules: vec![rule], otherwise };
    rib.set_import(sources[0], FAMILY, import(Policy::Filter(Arc::new(filter))));
    announce(&mut rib, sources[0], 2, &[65101]);
    announce(&mut rib, sources[0], 1, &[65101]);
    announce(&mut rib, sources[0], 3, &[65101, 65102]);
    let seen = &rib.routes_to(&prefix(1))[0];
    assert_eq!((seen.received_next_hop, seen.next_hop), (Some(via(1)), Some(via(99))));
    let announced = rib.announced_by(sources[0], FAMILY);
    let expected = [(path(&[65101], 0), vec![nlri(1), nlri(2)]), (path(&[65101, 65102], 0), vec![nlri(3)])];
    let expected =
        expected.map(|(attributes, prefixes)| Announced { attributes, next_hop: via(1), prefixes });
    assert_eq!(announced, expected);
}

#[test]
fn ages_outlive_equal_announcements() {
    let (mut rib, sources) = rib(&[Kind::External]);
    let begun = Instant::now();
    let at = |seconds| begun + Duration::from_secs(seconds);
    let say = |rib: &mut Rib, med, seconds| {
        rib.announce(sources[0], FAMILY, &path(&[65101], med), via(1), &[nlri(1)], at(seconds));
    };
    say(&mut rib, 0, 0);
    say(&mut rib, 0, 10);
    assert_eq!(rib.age_secs(&rib.routes_to(&prefix(1))[0], at(15)), 15);
    say(&mut rib, 1, 20);
    assert_eq!(rib.age_secs(&rib.routes_to(&prefix(1))[0], at(25)), 5);
}

#[test]
fn summaries_stand_while_something_lies_in_them() {
    let (mut rib, sources) = rib(&[Kind::External]);
    let member = rib.join(sources[0], export(Kind::External, Policy::Originated), true);
    let wide: IpNetwork = "10.0.0.0/8".parse().expect("a prefix");
    let own =
        |numbers: &[u8]| numbers.iter().map(|number| (prefix(*number), Origination::default())).collect();
    let mut receiver = Receiver::default();
    let mut told = |rib: &mut Rib, own: &BTreeMap<_, _>, summary_only| {
        let aggregates = BTreeMap::from([(wide, Aggregate { summary_only })]);
        rib.originate(own, &aggregates, Instant::now());
        receiver.drain(rib, member, &Codec::default(), 99);
        receiver.routes.keys().map(|nlri| nlri.prefix).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut rib, &own(&[]), true), []);
    assert_eq!(told(&mut rib, &own(&[1, 2]), true), [wide]);
    assert_eq!(told(&mut rib, &own(&[1, 2]), false), [wide, prefix(1), prefix(2)]);
    assert_eq!(told(&mut rib, &own(&[2]), true), [wide]);
    assert_eq!(rib.routes_to(&wide)[0].origination, Some(Source::Aggregate));
    assert_eq!(told(&mut rib, &own(&[]), false), []);
}

#[test]
fn peers_with_equal_rules_share_messages() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External, Kind::External]);
    let rules = export(Kind::External, Policy::Accept);
    let members: Vec<_> = sources.iter().map(|source| rib.join(*source, rules.clone(), false)).collect();
    assert_eq!(rib.sizes().groups, 1);
    announce(&mut rib, sources[0], 1, &[65101]);
    assert_eq!(rib.next_piece(members[0]), None, "not back to the sender");
    let [one, two] = [1, 2].map(|index| rib.next_piece(members[index]).expect("a piece"));
    assert_eq!(one.octets.as_ptr(), two.octets.as_ptr(), "the same octets in memory");
    rib.leave(members[1]);
    let other = Export { next_hop: NextHopMode::Unchanged, ..rules };
    rib.regroup(members[2], other);
    assert_eq!(rib.sizes().groups, 2);
}

#[test]
fn a_sender_whose_route_takes_the_place_of_anothers_loses_that() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External]);
    let rules = export(Kind::External, Policy::Accept);
    let member = rib.join(sources[1], rules.clone(), false);
    let mut receiver = Receiver::default();
    announce(&mut rib, sources[0], 1, &[65101, 65109]);
    receiver.drain(&mut rib, member, &rules.codec, 9);
    assert_eq!(receiver.routes.len(), 1);
    announce(&mut rib, sources[1], 1, &[65102]);
    receiver.drain(&mut rib, member, &rules.codec, 9);
    assert!(receiver.routes.is_empty());
    assert_eq!(rib.advertised(member), 0);
}

#[test]
fn end_of_rib_follows_the_table_and_waits_while_transit_is_held() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External]);
    rib.hold_transit(true);
    announce(&mut rib, sources[0], 1, &[65101]);
    rib.originate(&BTreeMap::from([(prefix(9), Origination::default())]), &BTreeMap::new(), Instant::now());
    let transit = export(Kind::External, Policy::Accept);
    let leaf = export(Kind::External, Policy::Originated);
    let members = [rib.join(sources[1], transit.clone(), true), rib.join(sources[1], leaf, true)];
    let mut receivers = [Receiver::default(), Receiver::default()];
    let mut drain = |rib: &mut Rib| {
        for (receiver, member) in receivers.iter_mut().zip(members) {
            receiver.drain(rib, member, &transit.codec, 99);
        }
        let state = |it: &Receiver| (it.routes.len(), it.ends_of_rib);
        [state(&receivers[0]), state(&receivers[1])]
    };
    assert_eq!(drain(&mut rib), [(1, 0), (1, 1)], "own routes at once, and a leaf's table is complete");
    rib.hold_transit(false);
    assert_eq!(drain(&mut rib), [(2, 1), (1, 1)]);
}

#[test]
fn a_refresh_is_framed_where_both_know_how() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External]);
    let rules = export(Kind::External, Policy::Accept);
    let member = rib.join(sources[1], rules.clone(), false);
    announce(&mut rib, sources[0], 1, &[65101]);
    let mut receiver = Receiver::default();
    receiver.drain(&mut rib, member, &rules.codec, 9);
    rib.tell_again(member, false);
    receiver.drain(&mut rib, member, &rules.codec, 9);
    assert_eq!((receiver.messages, receiver.news), (2, 2));
    rib.tell_again(member, true);
    receiver.drain(&mut rib, member, &rules.codec, 9);
    assert_eq!((receiver.messages, receiver.news), (5, 3), "BoRR, the route, EoRR");
}

#[test]
fn who_is_too_slow_for_a_churning_table_is_given_up() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External, Kind::External]);
    let rules = export(Kind::External, Policy::Accept);
    let [quick, stuck] = [1, 2].map(|index| rib.join(sources[index], rules.clone(), false));
    announce(&mut rib, sources[0], 0, &[65101]);
    let drain = |rib: &mut Rib, member| while rib.next_piece(member).is_some() {};
    drain(&mut rib, quick);
    drain(&mut rib, stuck);
    for round in 0..60u32 {
        let prefix = format!("172.16.{round}.0/24").parse().expect("a prefix");
        let passing = [Nlri { prefix, path_id: 0 }];
        rib.announce(sources[0], FAMILY, &path(&[65101], 0), via(1), &passing, Instant::now());
        drain(&mut rib, quick);
        rib.withdraw(sources[0], &passing);
        drain(&mut rib, quick);
    }
    assert_eq!(rib.take_overrun(), [stuck]);
    let waiting = rib.sizes().destinations[0];
    rib.leave(stuck);
    assert_eq!((waiting > 16, rib.sizes().destinations[0], rib.take_overrun()), (true, 1, vec![]));
}

#[test]
fn members_are_told_why_not() {
    let (mut rib, sources) = rib(&[Kind::Internal, Kind::Internal, Kind::External]);
    announce(&mut rib, sources[0], 1, &[65101]);
    announce(&mut rib, sources[1], 1, &[65101, 65102]);
    let internal = rib.join(sources[1], export(Kind::Internal, Policy::Accept), false);
    let external = rib.join(sources[2], export(Kind::External, Policy::Accept), false);
    while rib.next_piece(external).is_some() {}
    let why = |rib: &Rib, member| -> Vec<String> {
        rib.explain_export(member, &prefix(1)).into_iter().map(|(_, sentence)| sentence).collect()
    };
    assert_eq!(why(&rib, external), ["told", "only the best route is told"]);
    assert_eq!(
        why(&rib, internal),
        ["internal routes are not passed on to internal peers", "it is the peer's own"]
    );
}

#[test]
fn a_revived_prefix_that_goes_for_good_is_not_looked_for_where_it_lay() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External, Kind::External]);
    let stuck = rib.join(sources[1], export(Kind::External, Policy::Accept), false);
    let quick = rib.join(
        sources[2],
        Export { next_hop: NextHopMode::Unchanged, ..export(Kind::External, Policy::Accept) },
        false,
    );
    let drain = |rib: &mut Rib, member| while rib.next_piece(member).is_some() {};
    announce(&mut rib, sources[0], 1, &[65101]);
    drain(&mut rib, quick);
    rib.withdraw(sources[0], &[nlri(1)]);
    announce(&mut rib, sources[0], 1, &[65101]);
    rib.leave(quick);
    rib.withdraw(sources[0], &[nlri(1)]);
    drain(&mut rib, stuck);
    assert_eq!(rib.sizes().destinations, [0, 0]);
    rib.set_multipath(Multipath { external: 4, ..Multipath::default() });
}

#[test]
fn markers_follow_what_changed_while_the_table_was_told() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External]);
    for number in 0..6 {
        announce(&mut rib, sources[0], number, &[65101]);
    }
    let rules = export(Kind::External, Policy::Accept);
    let member = rib.join(sources[1], rules.clone(), true);
    let mut receiver = Receiver::default();
    // Some of the table is told; then a prefix changes that has not been.
    receiver.drain(&mut rib, member, &rules.codec, 1);
    assert!(!receiver.routes.contains_key(&nlri(5)));
    announce(&mut rib, sources[0], 5, &[65101, 65102]);
    while receiver.ends_of_rib == 0 {
        assert!(!receiver.drain(&mut rib, member, &rules.codec, 1), "there is a marker");
    }
    assert_eq!(receiver.routes.len(), 6, "all of it before the marker");
}

#[test]
fn a_refresh_before_the_first_end_of_rib_has_no_end_of_its_own() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External]);
    rib.hold_transit(true);
    rib.originate(&BTreeMap::from([(prefix(9), Origination::default())]), &BTreeMap::new(), Instant::now());
    let rules = export(Kind::External, Policy::Accept);
    let member = rib.join(sources[1], rules.clone(), true);
    rib.tell_again(member, true);
    let mut receiver = Receiver::default();
    receiver.drain(&mut rib, member, &rules.codec, 9);
    assert_eq!((receiver.messages, receiver.news, receiver.ends_of_rib), (1, 1, 0));
    rib.hold_transit(false);
    receiver.drain(&mut rib, member, &rules.codec, 9);
    assert_eq!(receiver.ends_of_rib, 1);
}

#[test]
fn what_was_made_for_a_member_outlives_other_rules() {
    let (mut rib, sources) = rib(&[Kind::External, Kind::External]);
    let rules = export(Kind::External, Policy::Accept);
    let member = rib.join(sources[1], rules.clone(), false);
    let mut receiver = Receiver::default();
    for number in 0..3 {
        announce(&mut rib, sources[0], number, &[65101]);
    }
    receiver.drain(&mut rib, member, &rules.codec, 9);
    // One chunk, with a route of the member's own between others', hence several pieces.
    rib.withdraw(sources[0], &[nlri(0)]);
    announce(&mut rib, sources[1], 7, &[65102]);
    announce(&mut rib, sources[0], 1, &[65101, 65103]);
    receiver.drain(&mut rib, member, &rules.codec, 1);
    rib.regroup(member, Export { graceful_shutdown: true, ..rules.clone() });
    receiver.drain(&mut rib, member, &rules.codec, 99);
    assert_eq!(receiver.routes, expected(&rib, member));
}

#[test]
fn another_reason_to_originate_is_another_route_to_filters() {
    let (mut rib, sources) = rib(&[Kind::External]);
    let rule = crate::filter::Rule {
        name: String::new(),
        conditions: vec![crate::filter::Condition::Originated(vec![Source::Service])],
        actions: vec![],
        then: crate::filter::Then::Accept,
    };
    let otherwise = crate::filter::Decision::Reject;
    let filter = crate::filter::Filter { name: "out".to_owned(), rules: vec![rule], otherwise };
    let rules = export(Kind::External, Policy::Filter(Arc::new(filter)));
    let member = rib.join(sources[0], rules.clone(), false);
    let mut receiver = Receiver::default();
    let mut told = |rib: &mut Rib, source| {
        let own = BTreeMap::from([(prefix(1), Origination { source, ..Origination::default() })]);
        rib.originate(&own, &BTreeMap::new(), Instant::now());
        receiver.drain(rib, member, &rules.codec, 9);
        receiver.routes.len()
    };
    assert_eq!(told(&mut rib, Source::Service), 1);
    assert_eq!(told(&mut rib, Source::Block), 0);
    assert_eq!(told(&mut rib, Source::Service), 1);
}

#[test]
fn one_peer_has_so_many_paths_to_a_prefix_and_no_more() {
    let (mut rib, sources) = rib(&[Kind::External]);
    for path_id in 1..400 {
        let nlri = Nlri { prefix: prefix(1), path_id };
        rib.announce(sources[0], FAMILY, &path(&[65101], path_id), via(1), &[nlri], Instant::now());
    }
    assert_eq!(rib.counts(sources[0], FAMILY).received, 256);
}
