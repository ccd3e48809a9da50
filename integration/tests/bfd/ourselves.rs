//! Both ends ours.

use anyhow::ensure;
use bgp::bfd::State;

use crate::node::Node;
use crate::place::{Place, Way};
use crate::wait_until;

fn turned(way: &Way) -> Way {
    Way { ours: way.theirs, theirs: way.ours, ..*way }
}

#[test]
fn two_of_us_watch_each_other_and_part_in_peace() {
    for place in [Place::link(), Place::routed()] {
        let (mut one, mut other) = (Node::start(&place.node), Node::start(&place.peer));
        let back: Vec<Way> = place.ways.iter().map(turned).collect();
        place.ways.iter().for_each(|way| one.watch(way, 100, 10));
        back.iter().for_each(|way| other.watch(way, 100, 10));
        one.wait_for(&place.ways, State::Up);
        other.wait_for(&back, State::Up);
        let counters = one.monitor.counters();
        assert!(counters.received > 0 && counters.transmitted > 0);
        assert_eq!((counters.malformed, counters.too_far), (0, 0));
        // Dropped, as when its owner's task ends.
        drop(one);
        for way in &back {
            let report = wait_until("the farewell comes", || other.ensure_last(way.theirs, State::Down));
            assert!(report.remote_admin_down, "{report:?}");
        }
    }
}

#[test]
fn what_has_passed_a_router_is_no_neighbour() {
    let place = Place::routed();
    let (mut one, other) = (Node::start(&place.node), Node::start(&place.peer));
    // Both take the other for a neighbour, but for the interface: their packets find the way, with a TTL of 254.
    for (node, way) in [(&one, place.ways[0]), (&other, turned(&place.ways[0]))] {
        let interval = std::time::Duration::from_millis(50);
        let settings = bgp::config::Bfd {
            transmit_interval: interval,
            receive_interval: interval,
            multiplier: 3,
            multihop: false,
        };
        let watch = bgp::bfd::Watch { remote: way.theirs, local: Some(way.ours), interface: None, settings };
        node.monitor.watch(way.theirs.into(), Some(watch));
    }
    wait_until("packets come and are not heard", || {
        let counters = one.monitor.counters();
        ensure!(counters.too_far >= 3 && counters.received == 0, "{counters:?}");
        Ok(())
    });
    assert!(one.reports(place.ways[0].theirs).is_empty());
}

#[test]
fn strangers_are_counted_and_not_answered() {
    let place = Place::link();
    let (one, other) = (Node::start(&place.node), Node::start(&place.peer));
    // Our end listens for another peer.
    one.watch(&Way { theirs: "192.0.2.99".parse().unwrap(), ..place.ways[0] }, 50, 3);
    other.watch(&turned(&place.ways[0]), 50, 3);
    wait_until("the stranger's packets are dropped", || {
        let counters = one.monitor.counters();
        ensure!(counters.unclaimed >= 3 && counters.received == 0, "{counters:?}");
        Ok(())
    });
    assert_eq!(other.monitor.counters().received, 0);
}
