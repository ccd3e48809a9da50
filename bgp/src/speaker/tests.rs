use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use super::{ConnId, Input, LocalAddresses, Output, Speaker};
use crate::config::{Config, Export, GracefulRestart, PeerConfig};
use crate::session::State;
use crate::wire::{
    AsPath, AsPathSegment, Attributes, Capability, Family, Message, NextHop, Open, Reach, Update,
};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const CONN: ConnId = ConnId(0);

fn config() -> Config {
    let peer = PeerConfig {
        remote_as: 65002,
        port: 179,
        local_address: None,
        hold_time: Duration::from_secs(90),
        connect_retry: Duration::from_secs(5),
        passive: true,
        ttl: None,
        families: vec![Family::Ipv4Unicast],
        export: Export::All,
        next_hop_self: false,
        description: String::new(),
    };
    Config {
        local_as: 65001,
        router_id: Ipv4Addr::new(10, 0, 0, 1),
        peers: BTreeMap::from([(PEER, peer)]),
        graceful_restart: GracefulRestart {
            enabled: false,
            restart_time: Duration::from_secs(120),
            restarting: false,
            deferral_time: Duration::from_secs(600),
        },
        multipath_limit: 1,
    }
}

fn outputs(speaker: &mut Speaker) -> Vec<Output> {
    std::iter::from_fn(|| speaker.poll_output()).collect()
}

fn messages(speaker: &mut Speaker, now: Instant) -> Vec<Message> {
    std::iter::from_fn(|| speaker.poll_transmit(CONN, now)).collect()
}

/// Up, with everything that was to be sent and done sent and done.
fn established(now: Instant) -> Speaker {
    let mut speaker = Speaker::new();
    speaker.handle(Input::Configure(config()), now);
    let local = LocalAddresses { v4: Some(Ipv4Addr::new(10, 0, 0, 1)), ..LocalAddresses::default() };
    speaker.handle(Input::Accepted(CONN, PEER, local), now);
    let router_id = Ipv4Addr::new(10, 0, 0, 2);
    let capabilities = vec![Capability::MultiProtocol(Family::Ipv4Unicast), Capability::RouteRefresh];
    let open = Open { asn: 65002, hold_time_secs: 90, router_id, capabilities };
    speaker.handle(Input::Received(CONN, Ok(Message::Open(open))), now);
    speaker.handle(Input::Received(CONN, Ok(Message::Keepalive)), now);
    outputs(&mut speaker);
    messages(&mut speaker, now);
    assert_eq!(speaker.view(now).peers[0].state, State::Established);
    speaker
}

fn announcement() -> Message {
    let next_hop = NextHop::V4(Ipv4Addr::new(10, 0, 0, 2));
    let prefixes = vec!["10.9.0.0/16".parse().unwrap()];
    let as_path = AsPath { segments: vec![AsPathSegment::Sequence(vec![65002])] };
    Message::Update(Update {
        reach: vec![Reach { family: Family::Ipv4Unicast, next_hop, prefixes }],
        attributes: Attributes { as_path, ..Attributes::default() },
        ..Update::default()
    })
}

#[test]
fn best_paths_come_before_the_word_that_they_are_complete() {
    let now = Instant::now();
    let mut speaker = established(now);
    speaker.handle(Input::Received(CONN, Ok(announcement())), now);
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
    let mut speaker = established(now);
    speaker.handle(Input::Reset(PEER), now);
    assert!(outputs(&mut speaker).contains(&Output::Disconnect(CONN)));
    assert!(
        matches!(&messages(&mut speaker, now)[..], [Message::Notification(n)] if (n.code, n.subcode) == (6, 4))
    );
    // What still comes on the dying connection is nobody's.
    speaker.handle(Input::Received(CONN, Ok(announcement())), now);
    speaker.handle(Input::Closed(CONN, String::new()), now);
    assert!(outputs(&mut speaker).iter().all(|output| !matches!(output, Output::BestPaths(_))));
    assert_eq!(speaker.view(now).peers[0].last_down_reason, "administrative reset");
}

#[test]
fn a_peer_that_does_not_read_costs_no_memory() {
    let mut now = Instant::now();
    let mut speaker = established(now);
    let prefixes = |n: u8| BTreeSet::from([format!("10.{n}.0.0/16").parse().unwrap()]);
    for round in 0..200 {
        now += Duration::from_secs(30);
        speaker.handle(Input::Received(CONN, Ok(Message::Keepalive)), now);
        speaker.handle(Input::Deadline, now);
        speaker.handle(Input::Originate(prefixes(round)), now);
        speaker.handle(Input::Refresh(PEER, Family::Ipv4Unicast), now);
        outputs(&mut speaker);
    }
    // One KEEPALIVE, one ROUTE-REFRESH, and the newest of 200 states in one UPDATE.
    let sent = messages(&mut speaker, now);
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert!(
        matches!(&sent[2], Message::Update(update) if update.reach[0].prefixes == ["10.199.0.0/16".parse().unwrap()])
    );
}

#[test]
fn routes_of_a_family_that_was_not_negotiated_are_ignored() {
    let now = Instant::now();
    let mut speaker = established(now);
    let next_hop = NextHop::V6 { global: "fd00::2".parse().unwrap(), link_local: None };
    let prefixes = vec!["fd01::/64".parse().unwrap()];
    let reach = vec![Reach { family: Family::Ipv6Unicast, next_hop, prefixes }];
    speaker.handle(Input::Received(CONN, Ok(Message::Update(Update { reach, ..Update::default() }))), now);
    assert_eq!(outputs(&mut speaker), []);
}

#[test]
fn dialled_connections_are_numbered_apart_from_accepted_ones() {
    let now = Instant::now();
    let mut config = config();
    config.peers.values_mut().for_each(|peer| peer.passive = false);
    let mut speaker = Speaker::new();
    assert_eq!((speaker.deadline(), speaker.poll_output()), (None, None));
    speaker.handle(Input::Configure(config), now);
    assert!(outputs(&mut speaker).contains(&Output::Connect(ConnId::FIRST_DIALLED, PEER)));
}

#[test]
fn a_peer_that_connects_again_has_given_up_its_first_attempt() {
    let now = Instant::now();
    let mut config = config();
    config.peers.values_mut().for_each(|peer| peer.passive = false);
    let mut speaker = Speaker::new();
    speaker.handle(Input::Configure(config), now);
    speaker.handle(Input::ConnectFailed(ConnId::FIRST_DIALLED, "refused".to_owned()), now);
    speaker.handle(Input::Accepted(CONN, PEER, LocalAddresses::default()), now);
    outputs(&mut speaker);
    let again = ConnId(1);
    speaker.handle(Input::Accepted(again, PEER, LocalAddresses::default()), now);
    assert!(outputs(&mut speaker).contains(&Output::Disconnect(CONN)));
    assert_eq!(speaker.view(now).peers[0].state, State::OpenSent);
    // And while that one stands, nobody dials.
    speaker.handle(Input::Deadline, now + Duration::from_secs(60));
    assert!(outputs(&mut speaker).iter().all(|output| !matches!(output, Output::Connect(..))));
}

#[test]
fn a_connection_from_a_resting_peer_is_refused() {
    let now = Instant::now();
    let mut speaker = established(now);
    speaker.handle(Input::Reset(PEER), now);
    assert_eq!(speaker.view(now).peers[0].state, State::Idle);
    outputs(&mut speaker);
    let late = ConnId(1);
    speaker.handle(Input::Accepted(late, PEER, LocalAddresses::default()), now);
    assert_eq!(outputs(&mut speaker), [Output::Disconnect(late)]);
    speaker.handle(Input::Deadline, now + Duration::from_secs(1));
    assert_eq!(speaker.view(now).peers[0].state, State::Active);
}
