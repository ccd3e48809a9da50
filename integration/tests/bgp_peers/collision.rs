//! Both ends dial at once (RFC 4271 §6.8): one session comes out of it.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::ensure;

use crate::agent::{self, Neighbour};
use crate::routers::{Plan, Routers};
use crate::segment::{RAW, RAW_ASN, Segment};
use crate::wait_until;
use crate::wire::{KEEPALIVE, NOTIFICATION, OPEN, Open, UPDATE, Wire, announce, as_path, message, next_hop};

const PREFIX: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 0);

/// Two connections with a raw peer of this identifier, both as far as OPEN; ours first, then the peer's.
fn collide(segment: &Segment, open: &Open) -> [Wire; 2] {
    let listener = segment.raw().run(|| TcpListener::bind((RAW, 179))).unwrap().unwrap();
    let mut dialled = Wire::accept(&listener);
    let mut accepted = segment.dial();
    dialled.receive_only(OPEN);
    accepted.receive_only(OPEN);
    dialled.send(&open.encode());
    dialled.receive_only(KEEPALIVE);
    accepted.send(&open.encode());
    [dialled, accepted]
}

fn assert_survives(segment: &Segment, winner: &mut Wire, loser: &mut Wire) {
    assert_eq!(loser.last_words(), message(NOTIFICATION, &[6, 7]));
    winner.send(&message(KEEPALIVE, &[]));
    wait_until("one session stands", || agent::ensure_established(segment.node(), RAW.into()));
    winner.receive_only(UPDATE);
    let attributes = [vec![0x40, 1, 1, 0], as_path(&[RAW_ASN]), next_hop(RAW)];
    winner.send(&announce(&attributes, PREFIX));
    segment.wait_routed(PREFIX, true);
    assert_eq!(segment.peer().flaps, 0);
    segment.ensure_untouched();
}

fn active() -> Segment {
    Segment::with(Neighbour { address: RAW.into(), asn: RAW_ASN, passive: false, hold_time_secs: 9 })
}

#[test]
fn the_connection_of_the_higher_identifier_survives_when_that_is_ours() {
    let segment = active();
    // The node's is 10.255.0.1.
    let open = Open { router_id: Ipv4Addr::new(10, 0, 0, 1), ..Open::default() };
    let [mut dialled, mut accepted] = collide(&segment, &open);
    assert_survives(&segment, &mut dialled, &mut accepted);
}

#[test]
fn the_connection_of_the_higher_identifier_survives_when_that_is_the_peers() {
    let segment = active();
    let open = Open { router_id: Ipv4Addr::new(192, 0, 2, 11), ..Open::default() };
    let [mut dialled, mut accepted] = collide(&segment, &open);
    accepted.receive_only(KEEPALIVE);
    assert_survives(&segment, &mut accepted, &mut dialled);
}

#[test]
fn routers_and_a_node_that_dial_each_other_have_one_session() {
    // All dial, every second.
    let mut routers = Routers::start(&Plan::default());
    for _ in 0..3 {
        one_session_each_stays(&routers);
        // Again, with everybody looking for everybody at the same time.
        routers.node.kill_agent().unwrap();
        routers.node.start_agent().unwrap();
        routers.settle();
    }
    one_session_each_stays(&routers);
}

/// Whatever became of it while they were at it, it stays now: over three keepalives of each router.
fn one_session_each_stays(routers: &Routers) {
    let heard = |tor| agent::peer(&routers.node, routers.address_of(tor)).unwrap().messages_received;
    let flaps = routers.flaps();
    for tor in routers.both() {
        let before = heard(tor);
        wait_until("it has seen three keepalives", || {
            let peer = agent::ensure_established(&routers.node, routers.address_of(tor)).unwrap();
            tor.ensure_established().unwrap();
            ensure!(peer.messages_received >= before + 3, "{peer:?}");
            Ok(())
        });
    }
    assert_eq!(routers.flaps(), flaps);
    routers.settle();
}
