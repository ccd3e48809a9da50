//! Readers that do not read: they cost a window each, miss states in between, and are given up (RFC 9687); nobody else
//! notices.

use std::time::Duration;

use bgp::config::PeerConfig;
use bgp::session::State;
use ipnetwork::{IpNetwork, Ipv4Network};

use crate::network::Network;
use crate::topology::{config, peer};

const HUB: usize = 0;
const SENDER: usize = 1;
const DEAF: usize = 2;
const READER: usize = 3;

/// More than a window holds.
const MANY: u32 = 40_000;

fn prefixes(count: u32) -> impl Iterator<Item = IpNetwork> {
    (0..count).map(|n| Ipv4Network::new((0x1400_0000 + (n << 8)).into(), 24).unwrap().into())
}

/// A session that lives without KEEPALIVEs, so that only the send hold timer can end it.
fn patient(remote_as: u32, send_hold: u64) -> PeerConfig {
    let mut peer = peer(remote_as);
    peer.timers.hold = Duration::ZERO;
    peer.timers.send_hold = Some(Duration::from_secs(send_hold));
    peer
}

/// A hub with three peers, settled; then one of them reads nothing any more, and another tells a lot.
fn blocked(send_hold: u64) -> Network {
    let mut fabric = Network::new(4);
    let peers = [(SENDER, peer(65001)), (DEAF, patient(65002, send_hold)), (READER, peer(65003))];
    fabric.start(HUB, config(HUB, 65000, &peers));
    fabric.start(SENDER, config(SENDER, 65001, &[(HUB, peer(65000))]));
    fabric.start(DEAF, config(DEAF, 65002, &[(HUB, patient(65000, send_hold))]));
    fabric.start(READER, config(READER, 65003, &[(HUB, peer(65000))]));
    fabric.seconds(20);
    fabric.set_deaf(DEAF, true);
    fabric.originate_all(SENDER, prefixes(MANY));
    fabric.seconds(5);
    assert_eq!(fabric.nodes[READER].fib.len(), MANY as usize);
    fabric
}

#[test]
fn who_takes_nothing_is_dropped_after_the_send_hold_time_and_comes_back() {
    let mut fabric = blocked(60);
    assert_eq!(fabric.state(HUB, DEAF), State::Established);
    assert!(fabric.backlog(DEAF) < 160 * 1024, "{} octets wait", fabric.backlog(DEAF));
    fabric.seconds(70);
    let view = fabric.peer(HUB, DEAF);
    assert_ne!(view.state, State::Established);
    assert!(view.last_down_reason.contains("send hold"), "{}", view.last_down_reason);
    assert_eq!((fabric.flaps(HUB, READER), fabric.flaps(HUB, SENDER)), (0, 0));
    fabric.set_deaf(DEAF, false);
    fabric.seconds(120);
    assert_eq!(fabric.nodes[DEAF].fib.len(), MANY as usize);
}

#[test]
fn who_was_slow_is_told_what_is_and_not_what_was() {
    let mut fabric = blocked(3600);
    let before = fabric.peer(HUB, READER).counters.updates_sent;
    for round in 0..50 {
        // All go and come back with one less.
        fabric.originate_all(SENDER, prefixes(10));
        fabric.seconds(1);
        fabric.originate_all(SENDER, prefixes(1000 - round));
        fabric.seconds(1);
    }
    let news = fabric.peer(HUB, READER).counters.updates_sent - before;
    assert!(news >= 100, "the others were told each time: {news} messages");
    assert_eq!(fabric.nodes[READER].fib.len(), 951);

    let sent = fabric.peer(HUB, DEAF).counters.updates_sent;
    fabric.set_deaf(DEAF, false);
    fabric.seconds(10);
    assert_eq!(fabric.nodes[DEAF].fib.len(), 951);
    let told = fabric.peer(HUB, DEAF).counters.updates_sent - sent;
    assert!(told < 60, "{told} messages for what fits into a few");
    assert_eq!(fabric.flaps(HUB, DEAF), 0);
}
