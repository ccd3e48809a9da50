use std::collections::BTreeMap;

use ipnetwork::IpNetwork;

use super::{MAX_NOTICES, MAX_PREFIXES, Outbox};
use crate::config::PeerKey;
use crate::net::Event;
use crate::rib::{Hop, Hops};
use crate::speaker::{Notice, NoticeKind};

fn via(text: &str) -> Option<Hops> {
    Some(Hops::from([Hop { next_hop: text.parse().unwrap(), interface: None }]))
}

#[test]
fn best_paths_merge_and_come_before_the_word_that_they_are_complete() {
    let (a, b) = ("10.0.0.0/8".parse().unwrap(), "10.1.0.0/16".parse().unwrap());
    let mut outbox = Outbox::default();
    assert!(outbox.is_empty());
    outbox.best_paths(BTreeMap::from([(a, via("192.0.2.1")), (b, via("192.0.2.1"))]));
    outbox.synchronised();
    outbox.best_paths(BTreeMap::from([(a, None)]));
    let merged = BTreeMap::from([(a, None), (b, via("192.0.2.1"))]);
    assert_eq!(outbox.pop(), Some(Event::BestPaths(merged)));
    assert_eq!(outbox.pop(), Some(Event::Synchronised));
    assert_eq!(outbox.pop(), None);
    assert!(outbox.is_empty());
}

#[test]
fn a_large_table_comes_in_parts_before_the_word_that_it_is_complete() {
    let count = MAX_PREFIXES * 2 + 5;
    let prefix = |n| IpNetwork::new(std::net::Ipv4Addr::from_bits(n).into(), 32).unwrap();
    let all: BTreeMap<_, _> =
        (0..u32::try_from(count).unwrap()).map(|n| (prefix(n), via("192.0.2.1"))).collect();
    let mut outbox = Outbox::default();
    outbox.best_paths(all.clone());
    outbox.synchronised();
    let mut seen = BTreeMap::new();
    for expected in [MAX_PREFIXES, MAX_PREFIXES, 5] {
        let Some(Event::BestPaths(paths)) = outbox.pop() else { panic!("best paths") };
        assert_eq!(paths.len(), expected);
        seen.extend(paths);
    }
    assert_eq!(seen, all);
    assert_eq!(outbox.pop(), Some(Event::Synchronised));
}

#[test]
fn churn_cannot_keep_back_the_word_that_the_table_is_complete() {
    let count = u32::try_from(MAX_PREFIXES * 2).unwrap();
    let prefix = |n: u32| IpNetwork::new(std::net::Ipv4Addr::from_bits(n).into(), 32).unwrap();
    let mut outbox = Outbox::default();
    outbox.best_paths((0..count).map(|n| (prefix(n), via("192.0.2.1"))).collect());
    outbox.synchronised();
    let mut before = BTreeMap::new();
    for round in 0.. {
        // The first is renewed and a new one comes, each time.
        let change = BTreeMap::from([(prefix(0), None), (prefix(count + round), via("192.0.2.2"))]);
        outbox.best_paths(change);
        match outbox.pop() {
            Some(Event::BestPaths(paths)) => before.extend(paths),
            other => {
                assert_eq!((other, round), (Some(Event::Synchronised), 2));
                break;
            }
        }
    }
    let renewed = |n| if n == 0 { None } else { via("192.0.2.1") };
    assert_eq!(before, (0..count).map(|n| (prefix(n), renewed(n))).collect());
    let after = BTreeMap::from([
        (prefix(0), None),
        (prefix(count), via("192.0.2.2")),
        (prefix(count + 1), via("192.0.2.2")),
        (prefix(count + 2), via("192.0.2.2")),
    ]);
    assert_eq!(outbox.pop(), Some(Event::BestPaths(after)));
    assert!(outbox.is_empty());
}

fn notice(n: usize) -> Notice {
    Notice { peer: PeerKey::Interface("eth0".into()), kind: NoticeKind::Malformed(n.to_string()) }
}

#[test]
fn notices_and_best_paths_take_turns() {
    let mut outbox = Outbox::default();
    (0..3).for_each(|n| outbox.notice(notice(n)));
    let change = BTreeMap::from([("10.0.0.0/8".parse().unwrap(), None)]);
    for n in 0..3 {
        outbox.best_paths(change.clone());
        assert_eq!(outbox.pop(), Some(Event::BestPaths(change.clone())));
        outbox.best_paths(change.clone());
        assert_eq!(outbox.pop(), Some(Event::Notice(notice(n))));
    }
    assert_eq!(outbox.pop(), Some(Event::BestPaths(change)));
    assert_eq!(outbox.pop(), None);
}

#[test]
fn notices_keep_their_order_and_are_bounded() {
    let mut outbox = Outbox::default();
    (0..MAX_NOTICES + 3).for_each(|n| outbox.notice(notice(n)));
    assert_eq!(outbox.dropped, 3);
    let notices: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
    assert_eq!(notices.len(), MAX_NOTICES);
    assert_eq!(notices[0], Event::Notice(notice(3)));
    assert_eq!(outbox.dropped, 0, "said");
}
