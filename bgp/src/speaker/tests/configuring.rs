//! A reload changes what it says and nothing else: which settings reset a session, which do not, and whose.

use std::time::Duration;

use super::lab::{Lab, asn, config, key, peer, v4};
use crate::config::{
    Beyond, Bfd, Hops, LocalAs, MaxPrefixes, NextHopMode, PeerConfig, Policy, RemoteAs, RoleConfig, Secret,
    SendPaths, TcpAo, TcpAoAlgorithm,
};
use crate::session::State;
use crate::speaker::Table;
use crate::wire::{Family, Message, Role};

type Change = fn(&mut PeerConfig);

fn each_family(peer: &mut PeerConfig, change: fn(&mut crate::config::FamilyConfig)) {
    peer.families.values_mut().for_each(change);
}

#[test]
fn what_the_open_carries_or_the_connection_is_made_of_resets_that_session_and_no_other() {
    let changes: [(&str, Change); 15] = [
        ("AS", |peer| peer.remote_as = RemoteAs::Is(64999)),
        ("local AS", |peer| peer.local_as = Some(LocalAs { asn: 64999, replace: false })),
        ("local address", |peer| peer.local_address = Some(v4(0).into())),
        ("password", |peer| peer.password = Some(Secret("s".into()))),
        ("TCP-AO", |peer| {
            let (algorithm, secret) = (TcpAoAlgorithm::HmacSha1, Secret("s".into()));
            peer.tcp_ao = Some(TcpAo { send_id: 1, receive_id: 1, algorithm, secret });
        }),
        ("hops", |peer| peer.hops = Hops::Security(1)),
        ("families", |peer| _ = peer.families.remove(&Family::Ipv6Unicast)),
        ("hold time", |peer| peer.timers.hold = Duration::from_secs(30)),
        ("extended messages", |peer| peer.extended_messages = false),
        ("extended next hop", |peer| peer.extended_next_hop = true),
        ("graceful restart", |peer| peer.graceful_restart = false),
        ("long-lived", |peer| each_family(peer, |f| f.long_lived_stale_time = Duration::from_secs(9))),
        ("ADD-PATH in", |peer| each_family(peer, |f| f.add_path_receive = true)),
        ("ADD-PATH out", |peer| each_family(peer, |f| f.add_path_send = SendPaths::All)),
        ("role", |peer| peer.role = Some(RoleConfig { role: Role::Peer, strict: false })),
    ];
    for (what, change) in changes {
        let mut lab = Lab::external(3);
        lab.configure_peer(0, 1, change);
        assert_eq!(lab.peer(0, 1).counters.flaps, 1, "{what}");
        assert_eq!(lab.peer(0, 2).counters.flaps, 0, "{what}");
        assert_eq!(lab.peer(0, 1).last_down_reason, "configuration changed", "{what}");
        lab.seconds(60);
        let accepted = !matches!(what, "AS" | "local AS"); // The peer does not know of it.
        assert_eq!(lab.is_up(0, 1), accepted, "{what}");
    }
}

#[test]
fn all_else_is_applied_to_the_session_that_stands() {
    let changes: [(&str, Change); 17] = [
        ("any AS", |peer| peer.remote_as = RemoteAs::Any),
        ("external AS", |peer| peer.remote_as = RemoteAs::External),
        ("port", |peer| peer.port = 1179),
        ("import", |peer| each_family(peer, |f| f.import = Policy::Reject)),
        ("export", |peer| each_family(peer, |f| f.export = Policy::Originated)),
        ("next hop", |peer| peer.next_hop = NextHopMode::Itself),
        ("cost", |peer| peer.cost = 7),
        ("client", |peer| peer.route_reflector_client = true),
        ("limit", |peer| {
            each_family(peer, |f| {
                let beyond = Beyond::Idle;
                f.max_prefixes = Some(MaxPrefixes { limit: 1000, warn_percent: 80, beyond });
            });
        }),
        ("BFD", |peer| {
            peer.bfd = Some(Bfd {
                transmit_interval: Duration::from_millis(300),
                receive_interval: Duration::from_millis(300),
                multiplier: 3,
                multihop: false,
            });
        }),
        ("description", |peer| peer.description = "ToR".to_owned()),
        ("connect retry", |peer| peer.timers.connect_retry = Duration::from_secs(1)),
        ("keepalive", |peer| peer.timers.keepalive = Some(Duration::from_secs(1))),
        ("send hold", |peer| peer.timers.send_hold = Some(Duration::from_secs(60))),
        ("passive", |peer| peer.passive = true),
        ("own AS", |peer| peer.allow_own_as = 2),
        ("override", |peer| peer.as_override = true),
    ];
    for (what, change) in changes {
        let mut lab = Lab::external(2);
        lab.configure_peer(0, 1, change);
        lab.seconds(5);
        assert_eq!((lab.peer(0, 1).counters.flaps, lab.state(0, 1)), (0, State::Established), "{what}");
    }
    let mut lab = Lab::external(2);
    lab.configure(0, |config| config.multipath.external = 4);
    lab.configure(0, |config| config.cluster_id = Some(v4(9)));
    lab.configure(0, |config| config.graceful_restart.stale_time = Duration::from_secs(1));
    lab.configure(0, |config| _ = config.peers.insert(key(5), peer(1)));
    lab.configure(0, |config| _ = config.peers.remove(&key(5)));
    assert_eq!(lab.peer(0, 1).counters.flaps, 0);
}

#[test]
fn a_new_identity_of_the_speaker_resets_everybody() {
    let mut lab = Lab::external(3);
    lab.configure(0, |config| config.router_id = v4(200));
    assert_eq!((lab.peer(0, 1).counters.flaps, lab.peer(0, 2).counters.flaps), (1, 1));
    lab.seconds(60);
    assert_eq!(lab.peer(1, 0).router_id, Some(v4(200)));
    lab.configure(0, |config| config.graceful_restart.restart_time = Duration::from_secs(60));
    assert_eq!(lab.peer(0, 1).counters.flaps, 2, "the OPEN carries it");
}

#[test]
fn routes_stay_while_a_session_is_made_anew_by_settings() {
    let mut lab = Lab::external(2);
    lab.originate(1, &["10.101.0.0/24"]);
    lab.originate(0, &["10.100.0.0/24"]);
    lab.configure_peer(0, 1, |peer| peer.timers.hold = Duration::from_secs(30));
    assert!(lab.knows(0, "10.101.0.0/24") && lab.knows(1, "10.100.0.0/24"), "RFC 8538");
    lab.seconds(60);
    assert_eq!(lab.peer(0, 1).hold_time, Duration::from_secs(30));
    assert_eq!(lab.stale(0, "10.101.0.0/24"), Some(false));
    assert_eq!((&lab.nodes[0].lost[..], &lab.nodes[1].lost[..]), (&[][..], &[][..]));
    // But not of another AS.
    lab.configure_peer(0, 1, |peer| peer.remote_as = RemoteAs::Is(64999));
    assert!(!lab.knows(0, "10.101.0.0/24") && !lab.knows(1, "10.100.0.0/24"));
}

#[test]
fn policies_are_applied_to_what_is_there_both_ways_and_back() {
    let mut lab = Lab::external(2);
    lab.originate(1, &["10.101.0.0/24"]);
    for (import, export, told, used) in [
        (Policy::Reject, Policy::Accept, true, false),
        (Policy::Accept, Policy::Accept, true, true),
        (Policy::Accept, Policy::Reject, false, false),
        (Policy::Accept, Policy::Originated, true, true),
    ] {
        lab.configure_peer(0, 1, |peer| each_import(peer, &import));
        lab.configure_peer(1, 0, |peer| each_export(peer, &export));
        assert_eq!(!lab.paths(0, Table::AdjRibIn, "10.101.0.0/24").is_empty(), told, "{import:?} {export:?}");
        assert_eq!(lab.knows(0, "10.101.0.0/24"), used, "{import:?} {export:?}");
    }
    assert_eq!(lab.peer(0, 1).counters.flaps, 0);
}

fn each_import(peer: &mut PeerConfig, policy: &Policy) {
    peer.families.values_mut().for_each(|family| family.import = policy.clone());
}

fn each_export(peer: &mut PeerConfig, policy: &Policy) {
    peer.families.values_mut().for_each(|family| family.export = policy.clone());
}

#[test]
fn a_passive_peer_dials_when_it_may() {
    let mut lab = Lab::new(2);
    let passive = |asn| PeerConfig { passive: true, ..peer(asn) };
    for node in 0..2 {
        lab.start(node, config(node, asn(node), &[(1 - node, passive(asn(1 - node)))]));
    }
    lab.seconds(100);
    assert_eq!(lab.state(0, 1), State::Active);
    lab.configure_peer(0, 1, |peer| peer.passive = false);
    assert!(lab.is_up(0, 1));
}

#[test]
fn a_peer_that_is_removed_is_told_so_and_all_it_said_goes() {
    let mut lab = Lab::external(3);
    lab.originate(1, &["10.101.0.0/24"]);
    lab.configure(0, |config| _ = config.peers.remove(&key(1)));
    assert_eq!(lab.peer_by(0, &key(1)), None);
    assert!(lab.peer(1, 0).last_down_reason.contains("Peer De-configured"));
    // Still known by way of the third.
    assert_eq!(lab.paths(0, Table::LocRib, "10.101.0.0/24")[0].peer, Some(key(2)));
    assert_eq!(lab.peer(0, 2).counters.flaps, 0);
}

#[test]
fn forwarding_can_be_left_alone() {
    let mut lab = Lab::new(2);
    let mut reflector = config(0, 65000, &[(1, peer(65001))]);
    reflector.forwarding = false;
    lab.start(0, reflector);
    lab.start(1, config(1, 65001, &[(0, peer(65000))]));
    lab.originate(1, &["10.101.0.0/24"]);
    lab.seconds(5);
    assert!(lab.nodes[0].fib.is_empty());
    assert_eq!(lab.paths(0, Table::LocRib, "10.101.0.0/24").len(), 1);
    lab.configure(0, |config| config.forwarding = true);
    assert!(lab.knows(0, "10.101.0.0/24"));
}

#[test]
fn keepalive_and_send_hold_times_hold_for_the_session_that_stands() {
    let mut lab = Lab::external(2);
    lab.configure_peer(0, 1, |peer| peer.timers.keepalive = Some(Duration::from_secs(2)));
    assert_eq!(lab.peer(0, 1).keepalive, Duration::from_secs(2));
    lab.take_received(1, 0);
    lab.seconds(10);
    let keepalives = lab.take_received(1, 0);
    assert!(keepalives.iter().filter(|message| **message == Message::Keepalive).count() >= 5);
    // The lab asks for more at once, so that only what is stuck waits: hand something over and ask no more.
    lab.configure_peer(0, 1, |peer| peer.timers.send_hold = Some(Duration::from_secs(20)));
    let (now, node) = (lab.now, &mut lab.nodes[0]);
    let speaker = node.speaker.as_mut().unwrap();
    let conn = speaker.peers.by_key().next().unwrap().established_conn().unwrap();
    speaker.connections.get_mut(&conn).unwrap().session.handed_over(false, now);
    lab.stuck.insert((0, 1));
    lab.seconds(25);
    assert!(lab.peer(0, 1).last_down_reason.contains("send hold"), "{}", lab.peer(0, 1).last_down_reason);
}
