use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use super::Rib;
use super::adj_in::{Identity, Unusable};
use super::adj_out::AdjRibOut;
use super::decision::{decide, explain};
use super::export::Policy;
use super::loc::Candidate;
use super::path::{Interner, Neighbour, Path};
use crate::config::Export;
use crate::wire::{AsPath, AsPathSegment, Attributes, Community, Family, NextHop, Origin, Update};

fn peer(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn neighbour(last: u8, asn: u32) -> Arc<Neighbour> {
    let address = IpAddr::V4(peer(last));
    Arc::new(Neighbour { address, router_id: peer(last), asn, external: asn != 65000 })
}

fn sequence(numbers: &[u32]) -> AsPath {
    let segments = if numbers.is_empty() { vec![] } else { vec![AsPathSegment::Sequence(numbers.to_vec())] };
    AsPath { segments }
}

fn attributes(path: &[u32]) -> Attributes {
    Attributes { as_path: sequence(path), ..Attributes::default() }
}

fn candidate(last: u8, attributes: Attributes) -> Candidate {
    let asn = attributes.as_path.neighbour().unwrap_or(65000);
    let path = Path { attributes, next_hop: Some(NextHop::V4(peer(last))) };
    Candidate { from: Some(neighbour(last, asn)), path: Arc::new(path), since: Instant::now() }
}

fn own() -> Candidate {
    Candidate { from: None, path: Arc::new(Path::originated()), since: Instant::now() }
}

fn prefix(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

#[test]
fn each_step_of_the_decision_and_its_words() {
    let good = || attributes(&[1, 2]);
    let cases: Vec<(Candidate, Candidate, &str)> = vec![
        (own(), candidate(1, good()), "this speaker originates the prefix"),
        (
            candidate(9, Attributes { local_pref: Some(200), ..attributes(&[1, 2, 3, 4]) }),
            candidate(1, good()),
            "lower local preference than 10.0.0.9",
        ),
        (candidate(9, good()), candidate(1, attributes(&[1, 2, 3])), "longer AS path than 10.0.0.9"),
        (
            candidate(9, good()),
            candidate(1, Attributes { origin: Origin::Incomplete, ..good() }),
            "worse origin than 10.0.0.9",
        ),
        (
            candidate(9, good()),
            candidate(1, Attributes { med: Some(5), ..good() }),
            "higher MED than 10.0.0.9",
        ),
        (
            candidate(9, attributes(&[7])),
            Candidate { from: Some(neighbour(1, 65000)), ..candidate(1, attributes(&[7])) },
            "internal path, less preferred than 10.0.0.9",
        ),
        (candidate(1, good()), candidate(9, good()), "higher router ID than 10.0.0.1"),
        (
            candidate(9, Attributes { originator_id: Some(peer(1)), ..good() }),
            candidate(2, Attributes { cluster_list: vec![peer(1)], ..good() }),
            "higher router ID than 10.0.0.9",
        ),
        (
            candidate(9, Attributes { originator_id: Some(peer(1)), ..good() }),
            candidate(1, Attributes { cluster_list: vec![peer(1)], ..good() }),
            "longer cluster list than 10.0.0.9",
        ),
        (
            candidate(8, Attributes { originator_id: Some(peer(1)), ..good() }),
            candidate(9, Attributes { originator_id: Some(peer(1)), ..good() }),
            "higher peer address than 10.0.0.8",
        ),
    ];
    for (better, worse, words) in cases {
        for order in [[&better, &worse], [&worse, &better]] {
            let candidates = order.map(Clone::clone);
            let decision = decide(&candidates, 1);
            let best = decision.best().unwrap();
            assert_eq!(candidates[best].address(), better.address(), "{words}");
            assert_eq!(explain(&candidates, &decision, best), "");
            assert_eq!(explain(&candidates, &decision, 1 - best), words);
        }
    }
    assert_eq!(decide(&[], 4).best(), None);
}

#[test]
fn med_is_compared_within_a_neighbouring_as_only_and_in_any_order() {
    // RFC 4271 §9.1.2.2 c: pairwise comparison would depend on the order of arrival.
    let with = |last, asn, med| candidate(last, Attributes { med: Some(med), ..attributes(&[asn, 9]) });
    let paths = [with(1, 7, 20), with(2, 8, 50), with(3, 7, 10)];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let candidates = order.map(|index: usize| paths[index].clone());
        let decision = decide(&candidates, 1);
        assert_eq!(candidates[decision.best().unwrap()].address(), Some(peer(2).into()), "{order:?}");
        let loser = order.iter().position(|index| *index == 0).unwrap();
        assert_eq!(explain(&candidates, &decision, loser), "higher MED than 10.0.0.3");
    }
}

#[test]
fn equally_good_paths_are_used_side_by_side_up_to_the_limit() {
    let paths = [
        candidate(3, attributes(&[7, 9])),
        candidate(1, attributes(&[8, 9])), // another AS, as long
        candidate(2, attributes(&[7, 9])),
        candidate(4, attributes(&[7, 8, 9])),
    ];
    let used = |limit| {
        let decision = decide(&paths, limit);
        decision.used.iter().map(|index| paths[*index].address().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(used(0), ["10.0.0.1"]);
    assert_eq!(used(1), ["10.0.0.1"]);
    assert_eq!(used(2), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(used(8), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    // Two peers that name the same next hop are one way.
    let mut same = paths.clone();
    same[2].path = same[1].path.clone();
    assert_eq!(decide(&same, 8).used.len(), 2);
}

#[test]
fn loops_are_found() {
    let identity = Identity { asn: 65000, router_id: peer(200), addresses: vec![peer(201).into()] };
    let base = || Path { attributes: attributes(&[1]), next_hop: Some(NextHop::V4(peer(1))) };
    let with = |attributes: Attributes| Path { attributes, ..base() };
    let internal = neighbour(1, 65000);
    let external = neighbour(1, 1);
    let table = [
        (&external, base(), None),
        (&external, with(attributes(&[1, 65000])), Some(Unusable::OwnAs)),
        (&internal, with(attributes(&[65000])), Some(Unusable::OwnAs)),
        (
            &internal,
            with(Attributes { originator_id: Some(peer(200)), ..attributes(&[1]) }),
            Some(Unusable::OwnOriginatorId),
        ),
        (
            &internal,
            with(Attributes { cluster_list: vec![peer(200)], ..attributes(&[1]) }),
            Some(Unusable::OwnClusterId),
        ),
        (&external, with(Attributes { cluster_list: vec![peer(200)], ..attributes(&[1]) }), None),
        (&external, Path { next_hop: Some(NextHop::V4(peer(201))), ..base() }, Some(Unusable::OwnNextHop)),
    ];
    for (from, path, expected) in table {
        assert_eq!(identity.judge(from, &path), expected, "{path:?}");
    }
}

fn policy(external: bool) -> Policy {
    Policy {
        peer: peer(50).into(),
        external,
        local_as: 65000,
        export: Export::All,
        hold_back_transit: false,
        next_hop_self: false,
        next_hops: vec![(Family::Ipv4Unicast, NextHop::V4(peer(100)))],
    }
}

#[test]
fn what_is_exported_to_whom() {
    let learned = candidate(1, attributes(&[1]));
    let internal = Candidate { from: Some(neighbour(1, 65000)), ..learned.clone() };
    let tagged = |community: Community| {
        candidate(1, Attributes { communities: vec![community.0], ..attributes(&[1]) })
    };
    let same_peer = candidate(50, attributes(&[1]));
    // To an external peer, to an internal one, and to an external one that gets originated routes only.
    let table = [
        ("own", own(), [true, true, true]),
        ("external", learned, [true, true, false]),
        ("internal", internal, [true, false, false]),
        ("the peer's own", same_peer, [false, false, false]),
        ("NO_EXPORT", tagged(Community::NO_EXPORT), [false, true, false]),
        ("NO_ADVERTISE", tagged(Community::NO_ADVERTISE), [false, false, false]),
    ];
    for (name, candidate, expected) in table {
        let originated = Policy { export: Export::Originated, ..policy(true) };
        let policies = [policy(true), policy(false), originated.clone()];
        assert_eq!(policies.map(|policy| policy.allows(&candidate)), expected, "{name}");
        let held_back = Policy { hold_back_transit: true, ..policy(true) };
        assert_eq!(held_back.allows(&candidate), originated.allows(&candidate), "{name}");
    }
}

#[test]
fn attributes_are_rewritten_on_export() {
    let full = Attributes {
        med: Some(5),
        local_pref: Some(300),
        originator_id: Some(peer(7)),
        cluster_list: vec![peer(8)],
        communities: vec![1],
        ..attributes(&[1])
    };
    let learned = candidate(1, full);
    let out = policy(true).export(Family::Ipv4Unicast, &learned).unwrap();
    assert_eq!(out.attributes, Attributes { communities: vec![1], ..attributes(&[65000, 1]) });
    assert_eq!(out.next_hop, Some(NextHop::V4(peer(100))));

    let out = policy(false).export(Family::Ipv4Unicast, &learned).unwrap();
    assert_eq!((&out.attributes.as_path, out.attributes.med), (&sequence(&[1]), Some(5)));
    assert_eq!((out.attributes.local_pref, out.next_hop), (Some(300), Some(NextHop::V4(peer(1)))));
    let to_self = Policy { next_hop_self: true, ..policy(false) };
    let out = to_self.export(Family::Ipv4Unicast, &learned).unwrap();
    assert_eq!(out.next_hop, Some(NextHop::V4(peer(100))));

    let out = policy(false).export(Family::Ipv4Unicast, &own()).unwrap();
    assert_eq!((out.attributes.local_pref, out.next_hop), (Some(100), Some(NextHop::V4(peer(100)))));
    assert_eq!(policy(true).export(Family::Ipv6Unicast, &own()), None, "no next hop for the family");
}

fn path(tag: u32) -> Arc<Path> {
    let attributes = Attributes { communities: vec![tag], ..Attributes::default() };
    Arc::new(Path { attributes, next_hop: Some(NextHop::V4(peer(100))) })
}

fn summary(update: &Update) -> (usize, usize) {
    (update.reach.iter().map(|reach| reach.prefixes.len()).sum(), update.withdrawn.len())
}

#[test]
fn adj_rib_out_sends_the_newest_state_once() {
    let now = Instant::now();
    let (a, b) = (path(1), path(2));
    let (one, two) = (prefix("10.1.0.0/24"), prefix("10.2.0.0/24"));
    let mut out = AdjRibOut::default();
    assert_eq!(out.next_update(now, |_| None), None);
    // Several changes, one message; what ends where it began, none.
    out.mark(one);
    out.mark(one);
    out.mark(two);
    out.mark_end_of_rib(Family::Ipv4Unicast);
    assert_eq!(summary(&out.next_update(now, |_| Some(a.clone())).unwrap()), (2, 0));
    assert_eq!(out.next_update(now, |_| None).unwrap().end_of_rib, Some(Family::Ipv4Unicast));
    out.mark(one);
    assert_eq!(out.next_update(now, |_| Some(a.clone())), None);
    assert!(!out.is_pending());
    // Asked for again: equal, but sent.
    out.refresh(Family::Ipv6Unicast);
    assert!(!out.is_pending());
    out.refresh(Family::Ipv4Unicast);
    assert_eq!(summary(&out.next_update(now, |_| Some(a.clone())).unwrap()), (2, 0));
    // Withdrawals go first; a prefix that the peer never had is not withdrawn.
    out.mark(one);
    out.mark(two);
    out.mark(prefix("10.3.0.0/24"));
    let export = |prefix: &IpNetwork| (*prefix == one).then(|| b.clone());
    assert_eq!(summary(&out.next_update(now, export).unwrap()), (0, 1));
    assert_eq!(summary(&out.next_update(now, export).unwrap()), (1, 0));
    assert_eq!(out.next_update(now, export), None);
    assert_eq!(out.count(Family::Ipv4Unicast), 1);
}

#[test]
fn a_prefix_that_changes_while_its_batch_is_sent_is_sent_in_its_new_state_only() {
    let now = Instant::now();
    let many: Vec<_> = (0..1500).map(|n| prefix(&format!("10.{}.{}.0/24", n / 256, n % 256))).collect();
    let (a, b) = (path(1), path(2));
    let mut out = AdjRibOut::default();
    many.iter().for_each(|prefix| out.mark(*prefix));
    let first = summary(&out.next_update(now, |_| Some(a.clone())).unwrap()).0;
    assert!((700..1500).contains(&first), "{first} prefixes fit");
    let last = many[1499];
    out.mark(last);
    let mut seen = Vec::new();
    while let Some(update) = out.next_update(now, |_| Some(b.clone())) {
        seen.extend(
            update
                .reach
                .into_iter()
                .flat_map(|reach| reach.prefixes)
                .map(|p| (p, update.attributes.communities[0])),
        );
    }
    assert_eq!(seen.len(), 1500 - first);
    assert_eq!(seen.iter().filter(|(prefix, _)| *prefix == last).collect::<Vec<_>>(), [&(last, 2)]);
}

#[test]
fn a_message_with_large_attributes_carries_fewer_prefixes_but_at_least_one() {
    let now = Instant::now();
    let large = |communities: usize| {
        let attributes = Attributes { communities: vec![1; communities], ..Attributes::default() };
        Arc::new(Path { attributes, next_hop: Some(NextHop::V4(peer(100))) })
    };
    let first = |communities| {
        let mut out = AdjRibOut::default();
        (0..255).for_each(|n| out.mark(prefix(&format!("10.1.{n}.0/24"))));
        let path = large(communities);
        summary(&out.next_update(now, |_| Some(path.clone())).unwrap()).0
    };
    assert_eq!(first(10), 255);
    assert!((1..200).contains(&first(800)));
    assert_eq!(first(2000), 1);
}

#[test]
fn equal_paths_are_one_allocation_and_unused_ones_are_swept() {
    let mut paths = Interner::default();
    let numbered = |n: u32| Path { attributes: attributes(&[n]), next_hop: None };
    let kept = paths.intern(numbered(1));
    assert!(Arc::ptr_eq(&kept, &paths.intern(numbered(1))));
    for n in 2..10_000 {
        paths.intern(numbered(n));
    }
    assert!(paths.len() < 5000, "{} paths", paths.len());
    assert!(Arc::ptr_eq(&kept, &paths.intern(numbered(1))));
}

#[test]
fn the_rib_reports_changes_once_and_keeps_ages_over_equal_announcements() {
    let now = Instant::now();
    let from = neighbour(1, 1);
    let target = prefix("10.1.0.0/24");
    let mut rib = Rib::default();
    let path = rib.path(attributes(&[1]), NextHop::V4(peer(1)));
    rib.announce(&from, target, &path, None, now);
    assert_eq!(rib.take_best_changed(), BTreeSet::from([target]));
    let hops = BTreeSet::from([NextHop::V4(peer(1))]);
    assert_eq!(rib.take_forwarding().into_iter().collect::<Vec<_>>(), [(target, Some(hops))]);

    rib.announce(&from, target, &path, None, now + Duration::from_secs(5));
    assert!(rib.take_best_changed().is_empty() && !rib.forwarding_changed());
    assert_eq!(rib.loc().best(&target).unwrap().since, now);

    // New attributes, same next hop: peers are told, the forwarding table is not.
    let longer = rib.path(attributes(&[1, 2]), NextHop::V4(peer(1)));
    rib.announce(&from, target, &longer, None, now);
    assert_eq!(rib.take_best_changed().len(), 1);
    assert!(!rib.forwarding_changed());

    // Our own takes the place of the peer's, and gives it back.
    rib.originate(BTreeSet::from([target]), now);
    assert_eq!(rib.take_forwarding().into_iter().collect::<Vec<_>>(), [(target, None)]);
    rib.originate(BTreeSet::new(), now);
    assert!(rib.take_forwarding()[&target].is_some());

    rib.announce(&from, target, &longer, Some(Unusable::OwnAs), now);
    assert_eq!(rib.take_forwarding().into_iter().collect::<Vec<_>>(), [(target, None)]);
    let counts = rib.adj_in(from.address).unwrap().counts(Family::Ipv4Unicast);
    assert_eq!((counts.received, counts.accepted), (1, 0));
    rib.forget(from.address);
    assert!(rib.adj_in(from.address).is_none());
}

#[test]
fn stale_routes_go_on_a_second_loss_or_when_flushed() {
    let now = Instant::now();
    let from = neighbour(1, 1);
    let (one, two, six) = (prefix("10.1.0.0/24"), prefix("10.2.0.0/24"), prefix("fd01::/64"));
    let mut rib = Rib::default();
    let path = rib.path(attributes(&[1]), NextHop::V4(peer(1)));
    for prefix in [one, two, six] {
        rib.announce(&from, prefix, &path, None, now);
    }
    let v4 = BTreeSet::from([Family::Ipv4Unicast]);
    assert!(rib.keep_stale(from.address, &v4));
    assert_eq!(rib.loc().prefixes().copied().collect::<Vec<_>>(), [one, two]);
    rib.announce(&from, one, &path, None, now);
    assert!(rib.keep_stale(from.address, &v4));
    assert_eq!(rib.loc().prefixes().copied().collect::<Vec<_>>(), [one]);
    assert!(!rib.flush_stale(from.address, Family::Ipv4Unicast));
    assert_eq!(rib.loc().prefixes().count(), 0);
}
