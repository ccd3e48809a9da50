//! RFC 4724, both roles: killed speakers come back, or do not.

use std::time::Duration;

use bgp::config::Config;
use bgp::session::State;
use bgp::speaker::{Input, Reset, Table};
use bgp::wire::{Capability, Message};

use crate::network::{Network, key, prefix};
use crate::topology::{config, peer, restarted, upstream};

const SPINES: [usize; 2] = [0, 1];
const LEAF: usize = 2;
const OTHER_LEAF: usize = 3;

fn leaf_config(leaf: usize) -> Config {
    config(leaf, 65000 + u32::try_from(leaf).unwrap(), &[(0, upstream(65000)), (1, upstream(65001))])
}

/// Two spines, two leaves, settled.
fn fabric() -> Network {
    let mut fabric = Network::new(4);
    for spine in SPINES {
        let asn = 65000 + u32::try_from(spine).unwrap();
        fabric.start(spine, config(spine, asn, &[(LEAF, peer(65002)), (OTHER_LEAF, peer(65003))]));
    }
    for leaf in [LEAF, OTHER_LEAF] {
        fabric.start(leaf, leaf_config(leaf));
    }
    fabric.originate(LEAF, &["10.2.0.0/24", "10.22.0.0/24"]);
    fabric.originate(OTHER_LEAF, &["10.3.0.0/24"]);
    fabric.seconds(30);
    assert_eq!(fabric.next_hops(OTHER_LEAF, "10.2.0.0/24"), SPINES);
    fabric
}

#[test]
fn a_killed_and_restarted_leaf_loses_nothing_anywhere() {
    let mut fabric = fabric();
    fabric.kill(LEAF);
    fabric.seconds(10);
    assert!(fabric.peer(0, LEAF).stale);
    assert!(fabric.paths(0, Table::LocRib, "10.2.0.0/24")[0].stale);
    fabric.start(LEAF, restarted(leaf_config(LEAF)));
    fabric.originate(LEAF, &["10.2.0.0/24", "10.22.0.0/24"]);
    fabric.seconds(20);
    for node in 0..4 {
        assert!(fabric.nodes[node].withdrawn_from_fib.is_empty(), "node {node}");
    }
    assert!(!fabric.peer(0, LEAF).stale);
    assert!(fabric.nodes[LEAF].synchronised_at.is_some());
    assert_eq!(fabric.next_hops(LEAF, "10.3.0.0/24"), SPINES);
    assert_eq!(fabric.next_hops(OTHER_LEAF, "10.2.0.0/24"), SPINES);
}

#[test]
fn what_the_restarted_leaf_does_not_announce_again_goes_with_its_end_of_rib() {
    let mut fabric = fabric();
    fabric.kill(LEAF);
    fabric.seconds(10);
    fabric.start(LEAF, restarted(leaf_config(LEAF)));
    fabric.originate(LEAF, &["10.2.0.0/24"]);
    fabric.seconds(20);
    assert_eq!(fabric.nodes[0].withdrawn_from_fib, [prefix("10.22.0.0/24")]);
    assert_eq!(fabric.nodes[OTHER_LEAF].withdrawn_from_fib, [prefix("10.22.0.0/24")]);
}

#[test]
fn a_leaf_that_does_not_return_is_forgotten_after_its_restart_time() {
    let mut fabric = fabric();
    fabric.kill(LEAF);
    fabric.seconds(118);
    assert_eq!(fabric.next_hops(OTHER_LEAF, "10.2.0.0/24"), SPINES);
    fabric.seconds(4);
    assert!(fabric.paths(0, Table::AdjRibIn, "10.2.0.0/24").is_empty());
    assert_eq!(fabric.next_hops(OTHER_LEAF, "10.2.0.0/24"), [0_usize; 0]);
    assert!(!fabric.peer(0, LEAF).stale);
}

#[test]
fn a_leaf_that_comes_back_without_its_forwarding_state_is_flushed_at_once() {
    let mut fabric = fabric();
    fabric.kill(LEAF);
    fabric.seconds(10);
    fabric.start(LEAF, leaf_config(LEAF)); // F bits clear
    fabric.seconds(20);
    assert!(fabric.nodes[0].withdrawn_from_fib.contains(&prefix("10.2.0.0/24")));
    assert!(!fabric.peer(0, LEAF).stale);
}

#[test]
fn a_second_restart_inside_the_window_removes_what_was_stale_before_and_keeps_the_rest() {
    let mut fabric = fabric();
    fabric.kill(LEAF);
    fabric.seconds(10);
    // Back, but busy: it announces one prefix and dies before its End-of-RIB, which it holds back for a peer that
    // stays away.
    let mut waiting = restarted(leaf_config(LEAF));
    waiting.peers.insert(key(9), peer(65009));
    // Only where it may have something to pass on does it hold back.
    for (spine, asn) in [(0, 65000), (1, 65001)] {
        waiting.peers.insert(key(spine), peer(asn));
    }
    fabric.start(LEAF, waiting);
    fabric.originate(LEAF, &["10.2.0.0/24"]);
    fabric.seconds(10);
    let stale = |fabric: &Network, text: &str| fabric.paths(0, Table::AdjRibIn, text)[0].stale;
    assert!(!stale(&fabric, "10.2.0.0/24"));
    assert!(stale(&fabric, "10.22.0.0/24"));
    fabric.kill(LEAF);
    fabric.seconds(1);
    assert!(stale(&fabric, "10.2.0.0/24"));
    assert!(fabric.paths(0, Table::AdjRibIn, "10.22.0.0/24").is_empty());
    fabric.start(LEAF, restarted(leaf_config(LEAF)));
    fabric.originate(LEAF, &["10.2.0.0/24"]);
    fabric.seconds(20);
    assert!(!fabric.nodes[0].withdrawn_from_fib.contains(&prefix("10.2.0.0/24")));
    assert_eq!(fabric.next_hops(OTHER_LEAF, "10.2.0.0/24"), SPINES);
}

#[test]
fn a_restart_that_nobody_noticed_is_taken_over_by_the_new_connection() {
    let mut fabric = fabric();
    fabric.switch_off(LEAF);
    fabric.seconds(1);
    assert_eq!(fabric.state(0, LEAF), State::Established);
    fabric.start(LEAF, restarted(leaf_config(LEAF)));
    fabric.originate(LEAF, &["10.2.0.0/24", "10.22.0.0/24"]);
    fabric.seconds(10);
    let view = fabric.peer(0, LEAF);
    assert_eq!((view.state, view.counters.flaps, view.stale), (State::Established, 1, false));
    assert!(fabric.nodes[0].withdrawn_from_fib.is_empty());
    assert_eq!(fabric.next_hops(LEAF, "10.3.0.0/24"), SPINES);
}

#[test]
fn a_notification_is_no_restart() {
    let mut fabric = fabric();
    fabric.input(LEAF, Input::Reset(key(0), Reset::Hard(None)));
    fabric.run(Duration::from_millis(10));
    assert!(fabric.nodes[0].withdrawn_from_fib.contains(&prefix("10.2.0.0/24")));
}

#[test]
fn a_link_that_goes_down_ends_the_wait_for_a_restarting_peer() {
    let mut fabric = fabric();
    fabric.kill(LEAF);
    fabric.seconds(5);
    fabric.input(0, Input::LinkDown(key(LEAF)));
    assert!(fabric.nodes[0].withdrawn_from_fib.contains(&prefix("10.2.0.0/24")));
    assert!(!fabric.peer(0, LEAF).stale);
}

#[test]
fn a_lost_connection_between_living_speakers_loses_no_route() {
    let mut fabric = fabric();
    fabric.break_connections(0, LEAF);
    fabric.seconds(30);
    assert_eq!(fabric.flaps(0, LEAF), 1);
    for node in 0..4 {
        assert!(fabric.nodes[node].withdrawn_from_fib.is_empty(), "node {node}");
    }
}

#[test]
fn a_restarted_spine_passes_on_nothing_until_it_knows_all() {
    let mut fabric = fabric();
    let transit = [(LEAF, peer(65002)), (OTHER_LEAF, peer(65003))];
    fabric.kill(0);
    // The other leaf is away too, so that the spine has to wait for it.
    fabric.kill(OTHER_LEAF);
    fabric.seconds(5);
    fabric.start(0, restarted(config(0, 65000, &transit)));
    fabric.originate(0, &["10.0.0.0/24"]);
    fabric.nodes[LEAF].received.clear();
    fabric.seconds(8);
    assert_eq!(fabric.state(0, LEAF), State::Established);
    assert_eq!(fabric.nodes[0].synchronised_at, None);
    let restart_bit = |message: &Message| match message {
        Message::Open(open) => open.capabilities.iter().any(|capability| {
            matches!(capability, Capability::GracefulRestart(restart)
                if restart.restarted && restart.families.iter().all(|family| family.forwarding_preserved))
        }),
        Message::Update(_) | Message::Notification(_) | Message::Keepalive | Message::RouteRefresh(_) => {
            false
        }
    };
    assert!(fabric.nodes[LEAF].received.iter().any(restart_bit));
    // Its own prefix at once; nobody else's, and no End-of-RIB: the leaf still uses the stale path.
    assert_eq!(fabric.next_hops(LEAF, "10.0.0.0/24"), [0]);
    let marker =
        |message: &Message| matches!(message, Message::Update(update) if update.end_of_rib.is_some());
    assert!(!fabric.nodes[LEAF].received.iter().any(marker));
    assert_eq!(fabric.next_hops(LEAF, "10.3.0.0/24"), SPINES);

    fabric.start(OTHER_LEAF, restarted(leaf_config(OTHER_LEAF)));
    fabric.originate(OTHER_LEAF, &["10.3.0.0/24"]);
    fabric.seconds(20);
    assert!(fabric.nodes[0].synchronised_at.is_some());
    assert!(fabric.nodes[LEAF].received.iter().any(marker));
    assert!(!fabric.paths(LEAF, Table::LocRib, "10.3.0.0/24").iter().any(|path| path.stale));
    assert!(fabric.nodes[LEAF].withdrawn_from_fib.is_empty());
}

#[test]
fn peers_that_stay_away_are_waited_for_ten_seconds_if_others_are_there() {
    let mut fabric = Network::new(3);
    fabric.start(0, restarted(config(0, 65000, &[(1, peer(65001)), (2, peer(65002))])));
    fabric.start(1, config(1, 65001, &[(0, peer(65000))]));
    let begun = fabric.now;
    fabric.seconds(60);
    assert_eq!(fabric.nodes[0].synchronised_at, Some(begun + Duration::from_secs(10)));
}

#[test]
fn with_nobody_there_what_the_kernel_has_is_kept_until_the_deferral_time() {
    let mut fabric = Network::new(3);
    fabric.start(0, restarted(config(0, 65000, &[(1, peer(65001)), (2, peer(65002))])));
    let begun = fabric.now;
    fabric.seconds(59);
    assert_eq!(fabric.nodes[0].synchronised_at, None);
    fabric.seconds(2);
    assert_eq!(fabric.nodes[0].synchronised_at, Some(begun + Duration::from_secs(60)));
}

#[test]
fn a_peer_without_graceful_restart_is_not_waited_for_in_vain() {
    let mut fabric = Network::new(2);
    let mut plain = config(1, 65001, &[(0, peer(65000))]);
    plain.graceful_restart.enabled = false;
    fabric.start(0, restarted(config(0, 65000, &[(1, peer(65001))])));
    fabric.start(1, plain);
    fabric.seconds(40);
    assert!(fabric.nodes[0].synchronised_at.is_some());
}

#[test]
fn two_speakers_that_both_restarted_wait_for_no_more_than_a_keepalive_of_each_other() {
    let mut fabric = Network::new(2);
    fabric.start(0, restarted(config(0, 65000, &[(1, peer(65001))])));
    fabric.start(1, restarted(config(1, 65001, &[(0, peer(65000))])));
    // A third of the hold time: what the other one has kept of its own comes before that.
    fabric.seconds(31);
    assert!(fabric.nodes.iter().all(|node| node.synchronised_at.is_some()));
}

#[test]
fn a_speaker_without_peers_is_synchronised_at_once() {
    let mut fabric = Network::new(1);
    fabric.start(0, config(0, 65000, &[]));
    assert_eq!(fabric.nodes[0].synchronised_at, Some(fabric.now));
}

#[test]
fn a_restarted_leaf_waits_for_what_a_spine_that_restarts_as_well_has_not_told_yet() {
    let mut fabric = fabric();
    for node in [0, LEAF, OTHER_LEAF] {
        fabric.kill(node);
    }
    fabric.seconds(5);
    // The spine cannot tell anything before the other leaf is back, and says that it has restarted.
    fabric.start(0, restarted(config(0, 65000, &[(LEAF, peer(65002)), (OTHER_LEAF, peer(65003))])));
    fabric.start(LEAF, restarted(leaf_config(LEAF)));
    fabric.originate(LEAF, &["10.2.0.0/24", "10.22.0.0/24"]);
    fabric.seconds(10);
    assert_eq!(fabric.state(LEAF, 0), State::Established);
    assert!(fabric.nodes[LEAF].synchronised_at.is_none(), "it would sweep what the spine is about to tell");
    fabric.start(OTHER_LEAF, restarted(leaf_config(OTHER_LEAF)));
    fabric.originate(OTHER_LEAF, &["10.3.0.0/24"]);
    fabric.seconds(20);
    assert!(fabric.nodes[LEAF].synchronised_at.is_some());
    assert_eq!(fabric.next_hops(LEAF, "10.3.0.0/24"), SPINES);
}
