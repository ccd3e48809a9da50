use std::collections::{BTreeMap, BTreeSet};

use super::{MAX_CHANGES, Outbox};
use crate::net::Event;

#[test]
fn best_paths_merge_and_come_before_the_word_that_they_are_complete() {
    let (a, b) = ("10.0.0.0/8".parse().unwrap(), "10.1.0.0/16".parse().unwrap());
    let via = |text: &str| Some(BTreeSet::from([text.parse().unwrap()]));
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
fn state_changes_keep_their_order_and_are_bounded() {
    let peer = "192.0.2.1".parse().unwrap();
    let mut outbox = Outbox::default();
    for n in 0..MAX_CHANGES + 3 {
        outbox.peer_changed(peer, "Idle", n.to_string());
    }
    let changes: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
    assert_eq!(changes.len(), MAX_CHANGES);
    assert_eq!(changes[0], Event::PeerChanged { peer, state: "Idle", reason: "3".into() });
}
