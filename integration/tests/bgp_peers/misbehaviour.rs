//! Peers that go wrong in a session that stands: what of it survives, and that nobody else notices.

use std::net::Ipv4Addr;

use anyhow::ensure;

use crate::agent;
use crate::routers::prefix;
use crate::segment::{RAW, RAW_ASN, Segment};
use crate::wait_until;
use crate::wire::{NOTIFICATION, ORIGIN, Open, UPDATE, announce, as_path, message, next_hop};

const GOOD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 0);
const BAD: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 0);

fn good_attributes() -> [Vec<u8>; 3] {
    [ORIGIN.to_vec(), as_path(&[RAW_ASN]), next_hop(RAW)]
}

fn assert_stands(segment: &Segment) {
    let peer = segment.peer();
    assert!(peer.state == "Established" && peer.flaps == 0 && peer.reason.is_empty(), "{peer:?}");
    segment.ensure_untouched();
}

#[test]
fn a_route_with_our_as_in_its_path_is_not_used() {
    let segment = Segment::start();
    let mut wire = segment.establish(&Open::default());
    let looped = [ORIGIN.to_vec(), as_path(&[RAW_ASN, agent::ASN, 65_300]), next_hop(RAW)];
    wire.send(&announce(&looped, BAD));
    wire.send(&announce(&good_attributes(), GOOD));
    segment.wait_routed(GOOD, true);
    let paths = agent::received(segment.node(), RAW.into(), prefix("203.0.113.0/24")).unwrap();
    assert_eq!(paths.len(), 1, "{paths:?}");
    assert_eq!(paths[0].reason, "own AS in path");
    assert_eq!(paths[0].as_path, "65201 65001 65300");
    assert!(!paths[0].used);
    assert!(!segment.is_routed(BAD));
    assert_stands(&segment);
    // Nor is a good route any longer that is replaced by one of those.
    let looped = [ORIGIN.to_vec(), as_path(&[RAW_ASN, agent::ASN]), next_hop(RAW)];
    wire.send(&announce(&looped, GOOD));
    segment.wait_routed(GOOD, false);
    assert_stands(&segment);
}

/// RFC 7606 §7: which attribute is wrong in which way.
fn malformations() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let [origin, path, hop] = good_attributes();
    vec![
        ("ORIGIN of an unknown value", vec![vec![0x40, 1, 1, 7], path.clone(), hop.clone()]),
        ("ORIGIN of two octets", vec![vec![0x40, 1, 2, 0, 0], path.clone(), hop.clone()]),
        ("ORIGIN with the flags of an optional one", vec![vec![0xc0, 1, 1, 0], path.clone(), hop.clone()]),
        (
            "AS_PATH with a segment longer than itself",
            vec![origin.clone(), vec![0x40, 2, 6, 2, 9, 0, 0, 0xfe, 0xb1], hop.clone()],
        ),
        ("AS_PATH missing", vec![origin.clone(), hop.clone()]),
        ("NEXT_HOP of three octets", vec![origin.clone(), path.clone(), vec![0x40, 3, 3, 192, 0, 2]]),
        ("NEXT_HOP missing", vec![origin.clone(), path.clone()]),
        (
            "MULTI_EXIT_DISC of one octet",
            vec![origin.clone(), path.clone(), hop.clone(), vec![0x80, 4, 1, 0]],
        ),
        ("COMMUNITIES of three octets", vec![origin, path, hop, vec![0xc0, 8, 3, 0, 0, 0]]),
    ]
}

#[test]
fn a_malformed_update_withdraws_its_routes_and_no_more() {
    let segment = Segment::start();
    let mut wire = segment.establish(&Open::default());
    wire.send(&announce(&good_attributes(), GOOD));
    segment.wait_routed(GOOD, true);
    for (what, attributes) in malformations() {
        println!("{what}");
        wire.send(&announce(&good_attributes(), BAD));
        segment.wait_routed(BAD, true);
        wire.send(&announce(&attributes, BAD));
        segment.wait_routed(BAD, false);
        assert!(segment.is_routed(GOOD), "{what}");
        assert!(wire.is_open(), "{what}");
    }
    assert_stands(&segment);
}

#[test]
fn an_update_whose_parts_cannot_be_told_apart_ends_the_session() {
    let segment = Segment::start();
    let mut wire = segment.establish(&Open::default());
    wire.send(&announce(&good_attributes(), GOOD));
    segment.wait_routed(GOOD, true);
    // RFC 4271 §6.3: withdrawn routes that reach beyond the message.
    wire.send(&message(UPDATE, &[0xff, 0xff, 0, 0]));
    assert_eq!(wire.last_words(), message(NOTIFICATION, &[3, 1]));
    segment.ensure_refused("Malformed Attribute List");
    assert_eq!(segment.peer().flaps, 1);
    segment.wait_routed(GOOD, false);
}

#[test]
fn a_peer_that_falls_silent() {
    let segment = Segment::start();
    // It restarts gracefully; but one that we give up with a NOTIFICATION does not (RFC 4724 §4).
    let open = Open { hold_time_secs: 3, restart_secs: Some(60), ..Open::default() };
    let mut wire = segment.establish(&open);
    wire.send(&announce(&good_attributes(), GOOD));
    segment.wait_routed(GOOD, true);
    assert_eq!(wire.last_words(), message(NOTIFICATION, &[4, 0]));
    segment.ensure_refused("hold timer expired");
    let peer = segment.peer();
    assert!(peer.flaps == 1 && !peer.stale, "{peer:?}");
    segment.wait_routed(GOOD, false);
}

#[test]
fn a_peer_that_vanishes() {
    let segment = Segment::start();
    let mut wire = segment.establish(&Open::default());
    wire.send(&announce(&good_attributes(), GOOD));
    segment.wait_routed(GOOD, true);
    // Without graceful restart, a closed connection takes the routes along at once.
    drop(wire);
    segment.wait_routed(GOOD, false);
    segment.ensure_refused("connection lost");
    let peer = segment.peer();
    assert!(peer.flaps == 1 && !peer.stale, "{peer:?}");
    // It may come back.
    let mut wire = segment.establish(&Open::default());
    wire.send(&announce(&good_attributes(), GOOD));
    segment.wait_routed(GOOD, true);
}

#[test]
fn a_peer_that_says_goodbye() {
    let segment = Segment::start();
    let mut wire = segment.establish(&Open { restart_secs: Some(60), ..Open::default() });
    wire.send(&announce(&good_attributes(), GOOD));
    segment.wait_routed(GOOD, true);
    wire.send(&message(NOTIFICATION, &[6, 2]));
    assert!(
        wire.receive_to_end().iter().all(|message| message[18] != NOTIFICATION),
        "no answer to a NOTIFICATION"
    );
    segment.ensure_refused("Administrative Shutdown");
    wait_until("its routes are gone", || {
        ensure!(!segment.is_routed(GOOD), "there");
        Ok(())
    });
}
