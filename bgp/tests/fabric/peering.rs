//! How sessions come up, go down, and say why.

use std::time::Duration;

use bgp::config::PeerKey;
use bgp::session::State;
use bgp::speaker::{ConnId, Input, Reset, Table};
use bgp::wire::{DecodeError, Family, Message, NextHop, Notification};
use bytes::Bytes;
use proptest::prelude::*;

use crate::network::{Network, key, prefix, v4};
use crate::topology::{config, peer, upstream};

/// Two external peers, both dialling.
fn pair() -> Network {
    let mut fabric = Network::new(2);
    fabric.start(0, config(0, 65001, &[(1, peer(65002))]));
    fabric.start(1, config(1, 65002, &[(0, peer(65001))]));
    fabric
}

#[test]
fn two_peers_come_up_and_exchange_both_families() {
    let mut fabric = pair();
    fabric.originate(0, &["10.1.0.0/24", "fd01::/64"]);
    fabric.seconds(10);
    let view = fabric.peer(1, 0);
    assert_eq!(view.state, State::Established);
    assert_eq!(view.router_id, Some(v4(0)));
    assert_eq!((view.hold_time, view.keepalive), (Duration::from_secs(90), Duration::from_secs(30)));
    let capabilities = ["ipv4-unicast", "ipv6-unicast"].map(|family| format!("multiprotocol {family}"));
    let others = [
        "route-refresh",
        "enhanced-route-refresh",
        "extended-message",
        "four-octet-as",
        "graceful-restart",
        "graceful-restart notification",
    ]
    .map(str::to_owned);
    assert_eq!(view.capabilities, [&capabilities[..], &others[..]].concat());
    assert_eq!(fabric.next_hops(1, "10.1.0.0/24"), [0]);
    assert_eq!(fabric.next_hops(1, "fd01::/64"), [0]);
    for family in [Family::Ipv4Unicast, Family::Ipv6Unicast] {
        let here = fabric.family(1, 0, family);
        assert_eq!((here.received, here.accepted, here.end_of_rib_received), (1, 1, true));
        assert_eq!(fabric.family(0, 1, family).advertised, 1);
    }
    assert_eq!(fabric.paths(1, Table::LocRib, "10.1.0.0/24")[0].attributes.as_path.to_string(), "65001");
    // Nothing goes back to where it came from.
    assert!(fabric.paths(1, Table::AdjRibOut, "10.1.0.0/24").is_empty());
    fabric.originate(0, &[]);
    fabric.seconds(1);
    assert!(fabric.nodes[1].fib.is_empty());
    assert_eq!(fabric.family(1, 0, Family::Ipv4Unicast).received, 0);
}

#[test]
fn simultaneous_opens_leave_exactly_one_session_at_any_delay() {
    for (one, two) in [(1, 1), (1, 7), (7, 1), (3, 4), (50, 1)] {
        let mut fabric = pair();
        fabric.delay = Duration::from_millis(one);
        fabric.run(Duration::from_millis(2));
        fabric.delay = Duration::from_millis(two);
        fabric.seconds(30);
        assert_eq!((fabric.state(0, 1), fabric.state(1, 0)), (State::Established, State::Established));
        assert_eq!(fabric.connections(0, 1), 1, "delays {one} and {two}");
        fabric.seconds(300);
        assert_eq!(fabric.connections(0, 1), 1);
        assert_eq!(fabric.flaps(0, 1), 0);
    }
}

#[test]
fn every_way_of_dialling_at_once_ends_in_one_stable_session() {
    // The second speaker starts at every point of the first one's handshake.
    for offset in 0..12 {
        for graceful in [true, false] {
            let mut fabric = Network::new(2);
            let mut first = config(0, 65001, &[(1, peer(65002))]);
            let mut second = config(1, 65002, &[(0, peer(65001))]);
            first.graceful_restart.enabled = graceful;
            second.graceful_restart.enabled = graceful;
            fabric.delay = Duration::from_micros(997);
            fabric.start(1, second);
            fabric.run(Duration::from_micros(offset * 500));
            fabric.start(0, first);
            fabric.seconds(60);
            assert_eq!(fabric.state(0, 1), State::Established, "offset {offset}");
            assert_eq!(fabric.state(1, 0), State::Established, "offset {offset}");
            assert_eq!(fabric.connections(0, 1), 1, "offset {offset}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the order in which dials, OPENs, KEEPALIVEs and closings cross.
    #[test]
    fn crossing_handshakes_end_in_one_session_that_stays(
        seed in any::<u64>(),
        offset in 0_u64..20,
        graceful in any::<bool>(),
        internal in any::<bool>(),
    ) {
        let mut fabric = Network::new(2);
        fabric.delay = Duration::from_millis(1);
        fabric.wobble = 8;
        fabric.dice = crate::dice::Dice::new(seed);
        let second_as = if internal { 65001 } else { 65002 };
        let mut configs = [config(0, 65001, &[(1, peer(second_as))]), config(1, second_as, &[(0, peer(65001))])];
        for config in &mut configs {
            config.graceful_restart.enabled = graceful;
        }
        let [first, second] = configs;
        fabric.start(0, first);
        fabric.run(Duration::from_millis(offset));
        fabric.start(1, second);
        fabric.originate(0, &["10.1.0.0/24"]);
        fabric.seconds(60);
        prop_assert_eq!((fabric.state(0, 1), fabric.state(1, 0)), (State::Established, State::Established));
        prop_assert_eq!(fabric.connections(0, 1), 1);
        prop_assert_eq!(fabric.next_hops(1, "10.1.0.0/24"), [0]);
        let flaps = fabric.flaps(0, 1);
        fabric.seconds(300);
        prop_assert_eq!(fabric.flaps(0, 1), flaps);
        prop_assert!(flaps <= 1);
    }
}

#[test]
fn a_silent_peer_is_given_up_after_the_hold_time() {
    // RFC 8538: where both ends keep routes over NOTIFICATIONs, this is taken for a restart.
    for keeps in [false, true] {
        let mut fabric = Network::new(2);
        let mut configs = [config(0, 65001, &[(1, peer(65002))]), config(1, 65002, &[(0, peer(65001))])];
        configs.iter_mut().for_each(|config| config.graceful_restart.notification = keeps);
        let [first, second] = configs;
        fabric.start(0, first);
        fabric.start(1, second);
        fabric.originate(0, &["10.1.0.0/24"]);
        fabric.seconds(10);
        fabric.cut(0, 1, true);
        fabric.seconds(60);
        assert_eq!(fabric.state(1, 0), State::Established);
        fabric.seconds(40);
        let view = fabric.peer(1, 0);
        assert_ne!(view.state, State::Established);
        assert_eq!((view.last_down_reason.as_str(), view.counters.flaps), ("hold timer expired", 1));
        assert_eq!((view.stale, fabric.nodes[1].fib.is_empty()), (keeps, !keeps));
        fabric.seconds(120);
        assert!(fabric.nodes[1].fib.is_empty(), "not for longer than the restart time");
        fabric.cut(0, 1, false);
        fabric.seconds(60);
        assert_eq!(fabric.next_hops(1, "10.1.0.0/24"), [0]);
    }
}

#[test]
fn a_hold_time_of_zero_needs_no_keepalives() {
    let mut fabric = Network::new(2);
    let mut patient = peer(65002);
    patient.timers.hold = Duration::ZERO;
    fabric.start(0, config(0, 65001, &[(1, patient)]));
    fabric.start(1, config(1, 65002, &[(0, peer(65001))]));
    fabric.seconds(10);
    let before = fabric.peer(1, 0).counters.messages_received;
    fabric.seconds(10_000);
    let view = fabric.peer(1, 0);
    assert_eq!((view.state, view.counters.messages_received), (State::Established, before));
}

#[test]
fn a_wrong_as_is_refused_and_named_and_harms_nobody_else() {
    let mut fabric = Network::new(3);
    fabric.start(0, config(0, 65001, &[(1, peer(65002)), (2, peer(65003))]));
    fabric.start(1, config(1, 65009, &[(0, peer(65001))]));
    fabric.start(2, config(2, 65003, &[(0, peer(65001))]));
    fabric.seconds(60);
    let view = fabric.peer(0, 1);
    assert!(view.state < State::Established);
    assert!(
        view.last_down_reason.contains("peer is AS 65009, configured 65002"),
        "{}",
        view.last_down_reason
    );
    let theirs = fabric.peer(1, 0).last_down_reason;
    assert!(theirs.starts_with("peer sent NOTIFICATION"), "{theirs}");
    let bad_peer_as =
        |message: &Message| matches!(message, Message::Notification(n) if (n.code, n.subcode) == (2, 2));
    assert!(fabric.nodes[1].received.iter().any(bad_peer_as));
    assert_eq!((fabric.state(0, 2), fabric.flaps(0, 2)), (State::Established, 0));
    // The pause grows: not more than a handful of attempts in a minute.
    let attempts = fabric.nodes[1].received.iter().filter(|message| bad_peer_as(message)).count();
    assert!((2..=12).contains(&attempts), "{attempts} attempts");
}

#[test]
fn an_internal_peer_with_our_identifier_is_refused() {
    let mut fabric = Network::new(2);
    let mut twin = config(1, 65001, &[(0, peer(65001))]);
    twin.router_id = v4(0);
    fabric.start(0, config(0, 65001, &[(1, peer(65001))]));
    fabric.start(1, twin);
    fabric.seconds(3);
    let reasons = [fabric.peer(0, 1).last_down_reason, fabric.peer(1, 0).last_down_reason];
    let identifier = "the internal peer's BGP identifier is ours, 10.0.0.1";
    assert!(reasons.iter().any(|reason| reason.contains(identifier)), "{reasons:?}");
    assert!(fabric.state(0, 1) < State::Established);
}

#[test]
fn garbage_gets_its_notification_and_is_shown() {
    let mut fabric = pair();
    fabric.seconds(10);
    let notification = Notification { code: 1, subcode: 1, data: Bytes::new() };
    let reason = "the marker is not all ones".to_owned();
    fabric.inject(0, 1, Err(DecodeError { notification, reason }));
    assert!(fabric.peer(0, 1).last_down_reason.contains("the marker is not all ones"));
    assert_eq!(fabric.state(0, 1), State::Idle);
    fabric.seconds(30);
    assert_eq!((fabric.state(0, 1), fabric.flaps(0, 1)), (State::Established, 1));
    let header_error =
        |message: &Message| matches!(message, Message::Notification(n) if (n.code, n.subcode) == (1, 1));
    assert!(fabric.nodes[1].received.iter().any(header_error));
}

#[test]
fn strangers_are_told_so() {
    let mut fabric = Network::new(2);
    fabric.start(0, config(0, 65001, &[]));
    fabric.start(1, config(1, 65002, &[(0, peer(65001))]));
    fabric.seconds(3);
    let rejected =
        |message: &Message| matches!(message, Message::Notification(n) if (n.code, n.subcode) == (6, 5));
    assert!(fabric.nodes[1].received.iter().any(rejected));
    assert_eq!(fabric.connections(0, 1), 0);
}

#[test]
fn a_passive_peer_waits_to_be_called() {
    let mut fabric = Network::new(2);
    let mut passive = peer(65002);
    passive.passive = true;
    fabric.start(0, config(0, 65001, &[(1, passive.clone())]));
    fabric.seconds(60);
    assert_eq!((fabric.state(0, 1), fabric.connections(0, 1)), (State::Active, 0));
    fabric.start(1, config(1, 65002, &[(0, peer(65001))]));
    fabric.seconds(10);
    assert_eq!(fabric.state(0, 1), State::Established);
}

#[test]
fn a_link_that_goes_down_takes_its_routes_at_once() {
    let mut fabric = pair();
    fabric.originate(0, &["10.1.0.0/24"]);
    fabric.seconds(10);
    fabric.cut(0, 1, true);
    fabric.input(1, Input::LinkDown(key(0)));
    assert!(fabric.nodes[1].fib.is_empty());
    let view = fabric.peer(1, 0);
    assert_eq!((view.last_down_reason.as_str(), view.stale, view.counters.flaps), ("link down", false, 1));
    fabric.cut(0, 1, false);
    fabric.seconds(20);
    assert_eq!(fabric.next_hops(1, "10.1.0.0/24"), [0]);
    assert_eq!(fabric.connections(0, 1), 1);
}

#[test]
fn a_changed_configuration_resets_only_the_peer_it_concerns() {
    let mut fabric = Network::new(4);
    let leaf = |index| config(index, 65000 + u32::try_from(index).unwrap(), &[(0, peer(65000))]);
    let peers = [(1, peer(65001)), (2, peer(65002)), (3, peer(65003))];
    let before = config(0, 65000, &peers);
    fabric.start(0, before.clone());
    for index in 1..4 {
        fabric.start(index, leaf(index));
        fabric.originate(index, &[&format!("10.{index}.0.0/24")]);
    }
    fabric.seconds(20);
    assert_eq!(fabric.nodes[3].fib.len(), 2);

    let mut after = before;
    after.peers.get_mut(&key(1)).unwrap().timers.hold = Duration::from_secs(30);
    after.peers.get_mut(&key(2)).unwrap().description = "rack 2".to_owned();
    *after.peers.get_mut(&key(3)).unwrap() = upstream(65003);
    fabric.input(0, Input::Configure(Box::new(after.clone())));
    fabric.seconds(20);
    assert_eq!(fabric.peer(0, 1).hold_time, Duration::from_secs(30));
    let flaps = [1, 2, 3].map(|leaf| fabric.flaps(0, leaf));
    assert_eq!((flaps, fabric.peer(0, 2).description.as_str()), ([1, 0, 0], "rack 2"));
    assert!(fabric.nodes[3].fib.is_empty(), "a leaf that is told originated routes only");

    after.peers.remove(&key(2));
    fabric.input(0, Input::Configure(Box::new(after)));
    fabric.seconds(20);
    let theirs = fabric.peer(2, 0).last_down_reason;
    assert!(theirs.starts_with("peer sent NOTIFICATION"), "{theirs}");
    let deconfigured = |message: &Message| matches!(message, Message::Notification(n) if n.hard_reset_inner() == Some(Notification::cease(3)));
    assert!(fabric.nodes[2].received.iter().any(deconfigured));
    assert_eq!(fabric.speaker(0).view(fabric.now).peers.len(), 2);
    assert!(!fabric.nodes[0].fib.contains_key(&prefix("10.2.0.0/24")));
    assert_eq!([1, 3].map(|leaf| fabric.flaps(0, leaf)), [1, 0]);
}

#[test]
fn a_reset_starts_anew() {
    let mut fabric = pair();
    fabric.originate(0, &["10.1.0.0/24"]);
    fabric.seconds(10);
    fabric.input(1, Input::Reset(key(0), Reset::Hard(None)));
    assert!(fabric.nodes[1].fib.is_empty());
    assert_eq!(fabric.peer(1, 0).last_down_reason, "administrative reset");
    fabric.seconds(30);
    assert_eq!(fabric.next_hops(1, "10.1.0.0/24"), [0]);
}

#[test]
fn a_refresh_brings_the_routes_again() {
    let mut fabric = pair();
    fabric.originate(0, &["10.1.0.0/24", "fd01::/64"]);
    fabric.seconds(10);
    fabric.nodes[1].received.clear();
    fabric.input(1, Input::Reset(key(0), Reset::SoftIn(Some(Family::Ipv6Unicast))));
    fabric.seconds(1);
    let updates: Vec<_> = fabric.nodes[1]
        .received
        .iter()
        .filter_map(|message| if let Message::Update(update) = message { Some(update) } else { None })
        .flat_map(|update| {
            update.reach.iter().flat_map(|reach| reach.prefixes.iter().map(|nlri| nlri.prefix))
        })
        .collect();
    assert_eq!(updates, [prefix("fd01::/64")]);
    assert!(fabric.nodes[1].withdrawn_from_fib.is_empty());
}

#[test]
fn a_family_without_an_address_of_ours_is_not_told_and_says_so() {
    let mut fabric = Network::new(2);
    fabric.nodes[0].local.v6 = None;
    fabric.start(0, config(0, 65001, &[(1, peer(65002))]));
    fabric.start(1, config(1, 65002, &[(0, peer(65001))]));
    fabric.originate(0, &["10.1.0.0/24", "fd01::/64"]);
    fabric.seconds(10);
    assert!(fabric.family(0, 1, Family::Ipv6Unicast).no_next_hop);
    assert!(!fabric.family(0, 1, Family::Ipv4Unicast).no_next_hop);
    assert_eq!(fabric.nodes[1].fib.keys().copied().collect::<Vec<_>>(), [prefix("10.1.0.0/24")]);
}

#[test]
fn late_and_stray_inputs_are_ignored() {
    let mut fabric = pair();
    fabric.seconds(10);
    let stray = ConnId(4711);
    fabric.input(0, Input::Closed(stray, String::new()));
    fabric.input(0, Input::Received(stray, Ok(Message::Keepalive)));
    fabric.input(0, Input::ConnectFailed(stray, String::new()));
    fabric.input(0, Input::Connected(stray, fabric.nodes[0].local.clone()));
    let stranger = PeerKey::Address("192.0.2.1".parse().unwrap());
    fabric.input(0, Input::LinkDown(stranger.clone()));
    fabric.input(0, Input::Reset(stranger.clone(), Reset::Hard(None)));
    fabric.input(0, Input::Reset(stranger, Reset::SoftIn(None)));
    fabric.seconds(10);
    assert_eq!((fabric.state(0, 1), fabric.flaps(0, 1)), (State::Established, 0));
}

#[test]
fn our_own_as_in_a_path_is_counted_and_shown_but_not_used() {
    // Two leaves of the same AS behind one spine: each sees the other's routes with its own AS in them.
    let mut fabric = Network::new(3);
    fabric.start(0, config(0, 65000, &[(1, peer(65001)), (2, peer(65001))]));
    for leaf in [1, 2] {
        fabric.start(leaf, config(leaf, 65001, &[(0, peer(65000))]));
    }
    fabric.originate(1, &["10.1.0.0/24"]);
    fabric.seconds(20);
    let view = fabric.family(2, 0, Family::Ipv4Unicast);
    assert_eq!((view.received, view.accepted), (1, 0));
    for table in [Table::AdjRibIn, Table::LocRib] {
        let paths = fabric.paths(2, table, "10.1.0.0/24");
        assert_eq!((paths.len(), paths[0].reason.as_str()), (1, "own AS in path"));
        assert!(!paths[0].best);
    }
    assert!(fabric.nodes[2].fib.is_empty());
    assert_eq!(fabric.paths(0, Table::AdjRibOut, "10.1.0.0/24")[0].next_hop, Some(NextHop::V4(v4(0))));
}
