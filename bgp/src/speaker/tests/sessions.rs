//! Connections, collisions, octets; one speaker with a scripted peer.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::lab::{Lab, asn, key, peer, prefix, v4};
use crate::config::{Config, Origination, PeerConfig};
use crate::session::State;
use crate::speaker::{ConnId, Endpoint, Input, LocalAddresses, Output, Reset, Speaker};
use crate::wire::{
    AsPath, AsPathSegment, Attributes, Capability, Codec, Family, GracefulRestart, GracefulRestartFamily,
    Message, NextHop, Nlri, Notification, Open, Reach, RefreshKind, RouteRefresh, Update, framer,
};

const CONN: ConnId = ConnId(0);

fn their_address() -> IpAddr {
    v4(1).into()
}

fn endpoint() -> Endpoint {
    Endpoint { address: their_address(), interface: None }
}

fn local() -> LocalAddresses {
    LocalAddresses { v4: Some(v4(0)), ..LocalAddresses::default() }
}

fn config() -> Config {
    super::lab::config(0, 65001, &[(1, PeerConfig { passive: true, ..peer(65002) })])
}

fn dialling(mut config: Config) -> Config {
    config.peers.values_mut().for_each(|peer| peer.passive = false);
    config
}

fn configure(speaker: &mut Speaker, config: Config, now: Instant) {
    speaker.handle(Input::Configure(Box::new(config)), now);
}

fn outputs(speaker: &mut Speaker) -> Vec<Output> {
    std::iter::from_fn(|| speaker.poll_output()).collect()
}

/// As the peer reads them.
fn messages(speaker: &mut Speaker, now: Instant) -> Vec<Message> {
    let mut buffer = BytesMut::new();
    while let Some(octets) = speaker.poll_transmit(CONN, now) {
        buffer.extend_from_slice(&octets);
    }
    let codec = Codec::default();
    let mut messages = Vec::new();
    while let Some(frame) = framer::decode(&mut buffer, codec.max_octets()).unwrap() {
        messages.extend(Message::decode(frame.kind, &frame.body, &codec).unwrap());
    }
    assert!(buffer.is_empty(), "whole messages only");
    messages
}

fn their_open() -> Message {
    let capabilities = vec![
        Capability::MultiProtocol(Family::Ipv4Unicast),
        Capability::RouteRefresh,
        Capability::FourOctetAs(65002),
    ];
    Message::Open(Open { asn: 65002, hold_time_secs: 90, router_id: v4(1), capabilities })
}

/// Up, with everything that was to be sent and done sent and done.
fn established(config: Config, now: Instant) -> Speaker {
    let mut speaker = Speaker::new();
    configure(&mut speaker, config, now);
    speaker.handle(Input::Accepted(CONN, endpoint(), local()), now);
    speaker.handle(Input::Received(CONN, Ok(their_open())), now);
    speaker.handle(Input::Received(CONN, Ok(Message::Keepalive)), now);
    outputs(&mut speaker);
    messages(&mut speaker, now);
    assert_eq!(state(&speaker, now), State::Established);
    speaker
}

fn state(speaker: &Speaker, now: Instant) -> State {
    speaker.view(now).peers[0].state
}

fn announcement(text: &str) -> Message {
    let family = Family::of(&prefix(text));
    let next_hop = match family {
        Family::Ipv4Unicast => NextHop::V4(v4(1)),
        Family::Ipv6Unicast => NextHop::V6 { global: "fd00::2".parse().unwrap(), link_local: None },
    };
    let prefixes = vec![Nlri { prefix: prefix(text), path_id: 0 }];
    let as_path = AsPath { segments: vec![AsPathSegment::Sequence(vec![65002])] };
    Message::Update(Update {
        reach: vec![Reach { family, next_hop, prefixes }],
        attributes: Attributes { as_path, ..Attributes::default() },
        ..Update::default()
    })
}

#[test]
fn best_paths_come_before_the_word_that_they_are_complete() {
    let now = Instant::now();
    let mut speaker = established(config(), now);
    speaker.handle(Input::Received(CONN, Ok(announcement("10.9.0.0/16"))), now);
    // The peer speaks no graceful restart: its next KEEPALIVE tells that its first routes are here.
    speaker.handle(Input::Received(CONN, Ok(Message::Keepalive)), now);
    let outputs = outputs(&mut speaker);
    assert!(
        matches!(&outputs[..2], [Output::BestPaths(paths), Output::Synchronised] if paths.len() == 1),
        "{outputs:?}"
    );
}

#[test]
fn a_notification_is_still_sent_after_the_session_is_over() {
    let now = Instant::now();
    let mut speaker = established(config(), now);
    speaker.handle(Input::Reset(key(1), Reset::Hard(Some("go away".to_owned()))), now);
    assert!(outputs(&mut speaker).contains(&Output::Disconnect(CONN)));
    let sent = messages(&mut speaker, now);
    assert!(
        matches!(&sent[..], [Message::Notification(n)]
            if (n.code, n.subcode) == (6, 4) && n.shutdown_communication().as_deref() == Some("go away")),
        "{sent:?}"
    );
    // What still comes on the dying connection is nobody's.
    speaker.handle(Input::Received(CONN, Ok(announcement("10.9.0.0/16"))), now);
    speaker.handle(Input::Closed(CONN, String::new()), now);
    assert!(outputs(&mut speaker).iter().all(|output| !matches!(output, Output::BestPaths(_))));
    let view = &speaker.view(now).peers[0];
    assert_eq!(view.last_down_reason, "administrative reset");
    assert_eq!((view.counters.notifications_sent, view.counters.flaps), (1, 1));
}

#[test]
fn a_peer_that_does_not_read_costs_no_memory_and_is_dropped_in_the_end() {
    let mut now = Instant::now();
    let mut speaker = established(config(), now);
    let prefixes = |n: u8| BTreeMap::from([(prefix(&format!("10.{n}.0.0/16")), Origination::default())]);
    speaker.handle(Input::Originate(prefixes(0)), now);
    outputs(&mut speaker);
    assert_eq!(messages(&mut speaker, now).len(), 1);
    for round in 0..200 {
        now += Duration::from_secs(1);
        speaker.handle(Input::Received(CONN, Ok(Message::Keepalive)), now);
        speaker.handle(Input::Deadline, now);
        speaker.handle(Input::Originate(prefixes(round)), now);
        speaker.handle(Input::Reset(key(1), Reset::SoftIn(None)), now);
        outputs(&mut speaker);
    }
    // One KEEPALIVE, one ROUTE-REFRESH, and the newest of 200 states: one withdrawal, one announcement.
    let sent = messages(&mut speaker, now);
    assert!(sent.len() <= 4, "{sent:?}");
    assert!(
        matches!(&sent[sent.len() - 1], Message::Update(update)
            if update.reach[0].prefixes[0].prefix == prefix("10.199.0.0/16")),
        "{sent:?}"
    );
}

#[test]
fn the_reason_that_a_peer_gave_outlasts_attempts_that_end_without_a_word() {
    let now = Instant::now();
    let mut speaker = established(config(), now);
    let reason = |speaker: &Speaker| speaker.view(now).peers[0].last_down_reason.clone();
    let cease = |subcode, words: &'static [u8]| {
        Message::Notification(Notification::new(6, subcode, Bytes::from_static(words)))
    };
    speaker.handle(Input::Received(CONN, Ok(cease(2, b"\x05night"))), now);
    let said = reason(&speaker);
    assert!(said.contains("Administrative Shutdown") && said.ends_with(": night"), "{said}");

    // Its rest is over; it is asked again, takes the connection, and closes it, before its OPEN or after.
    let mut now = now;
    for (conn, opens) in [(ConnId(1), false), (ConnId(2), true)] {
        now += Duration::from_secs(60);
        speaker.handle(Input::Deadline, now);
        speaker.handle(Input::Accepted(conn, endpoint(), local()), now);
        if opens {
            speaker.handle(Input::Received(conn, Ok(their_open())), now);
        }
        speaker.handle(Input::Closed(conn, "end of stream".to_owned()), now);
        assert_eq!(reason(&speaker), said, "{conn:?}");
    }

    // What it says instead is news, and so is the loss of a session that stood.
    now += Duration::from_secs(60);
    speaker.handle(Input::Deadline, now);
    speaker.handle(Input::Accepted(ConnId(3), endpoint(), local()), now);
    speaker.handle(Input::Received(ConnId(3), Ok(cease(5, b""))), now);
    assert!(reason(&speaker).contains("Connection Rejected"), "{}", reason(&speaker));
    now += Duration::from_secs(60);
    speaker.handle(Input::Deadline, now);
    speaker.handle(Input::Accepted(ConnId(4), endpoint(), local()), now);
    for message in [their_open(), Message::Keepalive] {
        speaker.handle(Input::Received(ConnId(4), Ok(message)), now);
    }
    speaker.handle(Input::Closed(ConnId(4), "end of stream".to_owned()), now);
    assert_eq!(reason(&speaker), "connection lost: end of stream");
}

#[test]
fn a_peer_that_takes_nothing_for_long_is_dropped_though_it_keeps_talking() {
    let mut now = Instant::now();
    let mut config = config();
    config.peers.values_mut().for_each(|peer| peer.timers.send_hold = Some(Duration::from_secs(200)));
    let mut speaker = established(config, now);
    speaker.handle(Input::Originate(BTreeMap::from([(prefix("10.1.0.0/16"), Origination::default())])), now);
    outputs(&mut speaker);
    // Handed over, and never asked for more: the socket does not take it.
    assert!(speaker.poll_transmit(CONN, now).is_some());
    let begun = now;
    while state(&speaker, now) == State::Established && now < begun + Duration::from_secs(300) {
        now += Duration::from_secs(10);
        speaker.handle(Input::Received(CONN, Ok(Message::Keepalive)), now);
        speaker.handle(Input::Deadline, now);
    }
    assert_eq!(now - begun, Duration::from_secs(200));
    assert!(speaker.view(now).peers[0].last_down_reason.contains("send hold"));
}

#[test]
fn routes_of_a_family_that_was_not_negotiated_are_ignored() {
    let now = Instant::now();
    let mut speaker = established(config(), now);
    speaker.handle(Input::Received(CONN, Ok(announcement("fd01::/64"))), now);
    assert_eq!(outputs(&mut speaker), []);
}

#[test]
fn a_message_may_withdraw_and_announce_the_same_prefix() {
    let now = Instant::now();
    let mut speaker = established(config(), now);
    let Message::Update(mut update) = announcement("10.9.0.0/16") else { unreachable!() };
    update.withdrawn.clone_from(&update.reach[0].prefixes);
    speaker.handle(Input::Received(CONN, Ok(Message::Update(update))), now);
    assert_eq!(speaker.view(now).peers[0].families[0].received, 1);
}

#[test]
fn dialled_connections_are_numbered_apart_from_accepted_ones() {
    let now = Instant::now();
    let mut speaker = Speaker::new();
    assert_eq!((speaker.deadline(), speaker.poll_output()), (None, None));
    configure(&mut speaker, dialling(config()), now);
    let connect = Output::Connect(ConnId::FIRST_DIALLED, key(1), endpoint());
    assert!(outputs(&mut speaker).contains(&connect));
}

#[test]
fn a_peer_that_connects_again_has_given_up_its_first_attempt() {
    let now = Instant::now();
    let mut speaker = Speaker::new();
    configure(&mut speaker, dialling(config()), now);
    speaker.handle(Input::ConnectFailed(ConnId::FIRST_DIALLED, "refused".to_owned()), now);
    assert_eq!(speaker.view(now).peers[0].last_down_reason, "cannot connect: refused");
    speaker.handle(Input::Accepted(CONN, endpoint(), LocalAddresses::default()), now);
    outputs(&mut speaker);
    speaker.handle(Input::Accepted(ConnId(1), endpoint(), LocalAddresses::default()), now);
    assert!(outputs(&mut speaker).contains(&Output::Disconnect(CONN)));
    assert_eq!(state(&speaker, now), State::OpenSent);
    // And while that one stands, nobody dials.
    speaker.handle(Input::Deadline, now + Duration::from_secs(60));
    assert!(outputs(&mut speaker).iter().all(|output| !matches!(output, Output::Connect(..))));
}

#[test]
fn a_connection_from_a_resting_peer_is_refused() {
    let now = Instant::now();
    let mut speaker = established(config(), now);
    speaker.handle(Input::Reset(key(1), Reset::Hard(None)), now);
    assert_eq!(state(&speaker, now), State::Idle);
    outputs(&mut speaker);
    let late = ConnId(1);
    speaker.handle(Input::Accepted(late, endpoint(), LocalAddresses::default()), now);
    assert_eq!(outputs(&mut speaker), [Output::Disconnect(late)]);
    speaker.handle(Input::Deadline, now + Duration::from_secs(1));
    assert_eq!(state(&speaker, now), State::Active);
}

#[test]
fn a_stranger_is_told_that_it_is_one() {
    let now = Instant::now();
    let mut speaker = Speaker::new();
    configure(&mut speaker, config(), now);
    outputs(&mut speaker);
    let stranger = Endpoint { address: Ipv4Addr::new(192, 0, 2, 1).into(), interface: None };
    speaker.handle(Input::Accepted(CONN, stranger, local()), now);
    assert_eq!(outputs(&mut speaker), [Output::Transmit(CONN), Output::Disconnect(CONN)]);
    let rejected = Notification::cease(5);
    assert_eq!(messages(&mut speaker, now), [Message::Notification(rejected)]);
}

#[test]
fn an_incoming_refresh_is_answered_with_everything() {
    let now = Instant::now();
    let mut speaker = established(config(), now);
    speaker.handle(Input::Originate(BTreeMap::from([(prefix("10.1.0.0/16"), Origination::default())])), now);
    outputs(&mut speaker);
    assert_eq!(messages(&mut speaker, now).len(), 1);
    let refresh = RouteRefresh { family: Family::Ipv4Unicast, kind: RefreshKind::Request };
    speaker.handle(Input::Received(CONN, Ok(Message::RouteRefresh(refresh))), now);
    assert!(outputs(&mut speaker).contains(&Output::Transmit(CONN)));
    assert!(matches!(&messages(&mut speaker, now)[..], [Message::Update(update)] if update.reach.len() == 1));
    assert_eq!(speaker.view(now).peers[0].counters.refreshes_received, 1);
}

#[test]
fn malformed_updates_are_counted_and_said_now_and_then() {
    let mut now = Instant::now();
    let mut speaker = established(config(), now);
    let error = crate::wire::AttributeError {
        code: 4,
        treatment: crate::wire::Treatment::AttributeDiscard,
        reason: "has 3 octets".to_owned(),
    };
    let mut said = 0;
    for _ in 0..100 {
        let update = Update { errors: vec![error.clone()], ..Update::default() };
        speaker.handle(Input::Received(CONN, Ok(Message::Update(update))), now);
        said += outputs(&mut speaker).iter().filter(|output| matches!(output, Output::Notice(_))).count();
        now += Duration::from_millis(200);
    }
    assert_eq!(said, 2, "in 20 s");
    assert_eq!(speaker.view(now).peers[0].counters.update_errors, 100);
    assert_eq!(state(&speaker, now), State::Established);
}

#[test]
fn two_speakers_that_dial_each_other_end_up_with_one_session() {
    let lab = Lab::external(2);
    assert!(lab.is_up(0, 1) && lab.is_up(1, 0));
    for (node, other) in [(0, 1), (1, 0)] {
        assert_eq!(lab.speaker(node).connections.len(), 1);
        assert_eq!(lab.peer(node, other).remote_as, Some(asn(other)));
        assert_eq!(lab.peer(node, other).counters.flaps, 0);
    }
}

#[test]
fn what_changes_for_nobody_is_transmitted_to_nobody() {
    let mut lab = Lab::external(3);
    lab.originate(0, &["10.100.0.0/24"]);
    let before = lab.nodes[0].transmits;
    lab.originate(0, &["10.100.0.0/24"]);
    assert_eq!(lab.nodes[0].transmits, before);
    lab.originate(0, &["10.100.0.0/24", "10.101.0.0/24"]);
    assert_eq!(lab.nodes[0].transmits, before + 2, "once for each peer");
}

#[test]
fn members_are_asked_once_for_many_inputs() {
    let now = Instant::now();
    let mut speaker = established(config(), now);
    for n in 0..10 {
        speaker.handle(Input::Received(CONN, Ok(announcement(&format!("10.{n}.0.0/16")))), now);
    }
    let transmits = outputs(&mut speaker);
    let transmits = transmits.iter().filter(|output| matches!(output, Output::Transmit(_)));
    assert!(transmits.count() <= 1);
}

/// The peer's OPEN with graceful restart.
fn graceful_open(forwarding_preserved: bool) -> Message {
    let Message::Open(mut open) = their_open() else { unreachable!() };
    let families = vec![GracefulRestartFamily { family: Family::Ipv4Unicast, forwarding_preserved }];
    open.capabilities.push(Capability::GracefulRestart(GracefulRestart {
        restarted: forwarding_preserved,
        notification: false,
        restart_time_secs: 120,
        families,
    }));
    // Ours is the higher identifier: in a collision what we dialled stays.
    open.router_id = Ipv4Addr::new(1, 0, 0, 1);
    Message::Open(open)
}

#[test]
fn two_connections_of_a_peer_that_restarted_are_one_return() {
    let mut now = Instant::now();
    let mut speaker = Speaker::new();
    configure(&mut speaker, dialling(config()), now);
    speaker.handle(Input::ConnectFailed(ConnId::FIRST_DIALLED, String::new()), now);
    speaker.handle(Input::Accepted(CONN, endpoint(), local()), now);
    let routes = ["10.8.0.0/16", "10.9.0.0/16"].map(announcement);
    let [first, second] = routes;
    for message in [graceful_open(false), Message::Keepalive, first.clone(), second] {
        speaker.handle(Input::Received(CONN, Ok(message)), now);
    }
    speaker.handle(Input::Closed(CONN, String::new()), now);
    outputs(&mut speaker);
    let dialled = loop {
        now += Duration::from_secs(1);
        speaker.handle(Input::Deadline, now);
        let mut outputs = outputs(&mut speaker).into_iter();
        if let Some(conn) = outputs.find_map(|output| match output {
            Output::Connect(conn, ..) => Some(conn),
            Output::Disconnect(_)
            | Output::Codec(..)
            | Output::Transmit(_)
            | Output::BestPaths(_)
            | Output::Synchronised
            | Output::WatchPeer(..)
            | Output::Notice(_)
            | Output::Monitored(_) => None,
        }) {
            break conn;
        }
    };
    let accepted = ConnId(1);
    speaker.handle(Input::Accepted(accepted, endpoint(), local()), now);
    speaker.handle(Input::Connected(dialled, local()), now);
    for (conn, message) in [
        (accepted, graceful_open(true)),
        (accepted, Message::Keepalive),
        (accepted, first),
        (dialled, graceful_open(true)),
    ] {
        speaker.handle(Input::Received(conn, Ok(message)), now);
    }
    let family = |speaker: &Speaker| {
        let peer = speaker.view(now).peers.remove(0);
        (peer.counters.flaps, peer.families[0].received, peer.families[0].stale)
    };
    assert_eq!(family(&speaker), (1, 2, 1), "the one that was accepted stands");
    speaker.handle(Input::Received(dialled, Ok(Message::Keepalive)), now);
    assert_eq!(family(&speaker), (2, 2, 2), "the one that was dialled has replaced it");
}
