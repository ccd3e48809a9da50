//! RFC 4724, 8538, 9494: who keeps what while somebody restarts; and BFD, which knows better.

use std::time::Duration;

use super::lab::{Lab, asn, config, key, peer};
use crate::bfd::{Report, State as Path};
use crate::config::{Bfd, Config, PeerConfig, Policy};
use crate::session::State;
use crate::speaker::{Input, NoticeKind, Reset};
use crate::wire::{Capability, Community, Family, Message, Notification, RefreshKind, RouteRefresh, Update};

fn restarted(mut config: Config) -> Config {
    config.graceful_restart.restarting = true;
    config
}

fn again(lab: &Lab, node: usize) -> Config {
    restarted(lab.speaker(node).config.clone())
}

/// Two external peers; 1 announces two prefixes.
fn pair() -> Lab {
    let mut lab = Lab::external(2);
    lab.originate(1, &["10.101.0.0/24", "10.102.0.0/24"]);
    assert!(lab.knows(0, "10.101.0.0/24"));
    lab
}

fn has_end_of_rib(messages: &[Message]) -> bool {
    messages.iter().any(|message| matches!(message, Message::Update(update) if update.end_of_rib.is_some()))
}

#[test]
fn a_restarted_peer_finds_its_routes_and_what_it_does_not_announce_again_goes() {
    let mut lab = pair();
    let config = again(&lab, 1);
    lab.kill(1);
    lab.seconds(20);
    assert_eq!(lab.stale(0, "10.101.0.0/24"), Some(true));
    assert!(lab.peer(0, 1).stale);
    assert_eq!(lab.family(0, 1).stale, 2);
    lab.start_with(1, config, &["10.101.0.0/24"]);
    lab.seconds(30);
    assert_eq!(lab.stale(0, "10.101.0.0/24"), Some(false));
    assert_eq!(lab.nodes[0].lost, ["10.102.0.0/24".parse().unwrap()]);
    assert!(!lab.peer(0, 1).stale);
    let stale = lab.nodes[0].notices.iter().filter_map(|(_, kind)| {
        if let NoticeKind::Stale { count, long_lived: false, .. } = kind { Some(*count) } else { None }
    });
    assert_eq!(stale.collect::<Vec<_>>(), [2, 0]);
}

#[test]
fn the_restart_and_forwarding_bits_are_true() {
    let mut lab = pair();
    let config = again(&lab, 1);
    lab.kill(1);
    lab.take_received(0, 1);
    lab.start(1, config);
    lab.seconds(20);
    let bits = |lab: &mut Lab| {
        let restart = |capability: &Capability| {
            let Capability::GracefulRestart(restart) = capability else { return None };
            Some((restart.restarted, restart.families.iter().all(|family| family.forwarding_preserved)))
        };
        lab.take_received(0, 1).into_iter().rev().find_map(|message| {
            let Message::Open(open) = message else { return None };
            open.capabilities.iter().find_map(restart)
        })
    };
    assert_eq!(bits(&mut lab), Some((true, true)));
    assert!(lab.nodes[1].synchronised_at.is_some());
    // Once everything is known, a lost connection is no restart; forwarding went on.
    lab.reset(0, 1, Reset::Hard(None));
    lab.seconds(30);
    assert_eq!(bits(&mut lab), Some((false, true)));
}

#[test]
fn a_peer_that_never_returns_is_forgotten_after_its_restart_time() {
    let mut lab = pair();
    lab.kill(1);
    lab.seconds(119);
    assert!(lab.knows(0, "10.101.0.0/24"));
    lab.seconds(2);
    assert!(!lab.knows(0, "10.101.0.0/24"));
    assert!(!lab.peer(0, 1).stale);
}

#[test]
fn a_peer_that_comes_back_without_forwarding_state_is_flushed() {
    let mut lab = pair();
    let mut config = again(&lab, 1);
    config.graceful_restart.restarting = false;
    lab.kill(1);
    lab.seconds(10);
    lab.start(1, config);
    lab.seconds(10);
    assert!(lab.is_up(0, 1));
    assert_eq!(lab.stale(0, "10.101.0.0/24"), None);
}

#[test]
fn a_peer_that_comes_back_as_somebody_else_is_another_source() {
    let mut lab = pair();
    let mut config = again(&lab, 1);
    config.router_id = "10.9.9.9".parse().unwrap();
    lab.kill(1);
    lab.start_with(1, config, &["10.103.0.0/24"]);
    lab.seconds(10);
    assert!(lab.is_up(0, 1));
    assert_eq!(lab.stale(0, "10.101.0.0/24"), None);
    assert_eq!(lab.stale(0, "10.103.0.0/24"), Some(false));
}

#[test]
fn restarts_that_get_nowhere_change_nothing_for_a_peer_that_is_away() {
    let mut lab = pair();
    let config = again(&lab, 1);
    lab.kill(1);
    lab.stuck.insert((1, 0));
    for _ in 0..3 {
        lab.seconds(10);
        lab.start(1, config.clone());
        lab.kill(1);
    }
    assert_eq!(lab.family(0, 1).stale, 2);
    lab.stuck.clear();
    lab.start_with(1, config, &["10.101.0.0/24", "10.102.0.0/24"]);
    lab.seconds(30);
    assert!(lab.nodes[0].lost.is_empty());
    assert_eq!(lab.stale(0, "10.102.0.0/24"), Some(false));
}

#[test]
fn a_second_restart_loses_what_was_not_announced_since_the_first_and_keeps_the_rest() {
    let mut lab = pair();
    let config = again(&lab, 1);
    lab.kill(1);
    // Back, it holds its End-of-RIB back for a peer that stays away.
    let mut waiting = config.clone();
    waiting.peers.insert(key(3), peer(asn(3)));
    lab.start_with(1, waiting, &["10.101.0.0/24"]);
    lab.seconds(5);
    assert_eq!((lab.stale(0, "10.101.0.0/24"), lab.stale(0, "10.102.0.0/24")), (Some(false), Some(true)));
    lab.kill(1);
    assert_eq!((lab.stale(0, "10.101.0.0/24"), lab.stale(0, "10.102.0.0/24")), (Some(true), None));
    lab.start_with(1, config, &["10.101.0.0/24"]);
    lab.seconds(20);
    assert_eq!(lab.stale(0, "10.101.0.0/24"), Some(false));
    assert_eq!(lab.nodes[0].lost, ["10.102.0.0/24".parse().unwrap()]);
}

#[test]
fn a_restart_that_nobody_noticed_is_taken_over_by_the_new_connection() {
    let mut lab = pair();
    let config = again(&lab, 1);
    lab.vanish(1);
    assert!(lab.is_up(0, 1));
    lab.start_with(1, config, &["10.101.0.0/24", "10.102.0.0/24"]);
    lab.seconds(10);
    let view = lab.peer(0, 1);
    assert_eq!((view.state, view.counters.flaps, view.stale), (State::Established, 1, false));
    assert!(lab.nodes[0].lost.is_empty());
}

#[test]
fn notifications_keep_routes_where_both_ends_say_so_but_for_a_hard_reset() {
    for (spoken, kept) in [(true, true), (false, false)] {
        let mut lab = Lab::new(2);
        for node in 0..2 {
            let mut config = config(node, asn(node), &[(1 - node, peer(asn(1 - node)))]);
            config.graceful_restart.notification = spoken;
            lab.start(node, config);
        }
        lab.originate(1, &["10.101.0.0/24"]);
        lab.seconds(10);
        lab.inject(0, 1, Message::Notification(Notification::cease(6)));
        assert_eq!(lab.knows(0, "10.101.0.0/24"), kept);
        lab.seconds(60);
        assert!(lab.is_up(0, 1));
        assert_eq!(lab.stale(0, "10.101.0.0/24"), Some(false));
    }
    let mut lab = pair();
    lab.reset(1, 0, Reset::Hard(None));
    assert!(!lab.knows(0, "10.101.0.0/24"));
}

#[test]
fn an_expired_hold_timer_keeps_routes_for_a_restart_time() {
    let mut lab = pair();
    let config = again(&lab, 1);
    lab.vanish(1);
    lab.seconds(91);
    assert_ne!(lab.state(0, 1), State::Established);
    assert_eq!(lab.stale(0, "10.101.0.0/24"), Some(true));
    lab.start_with(1, config, &["10.101.0.0/24", "10.102.0.0/24"]);
    lab.seconds(40);
    assert!(lab.nodes[0].lost.is_empty());
}

#[test]
fn a_peer_with_which_graceful_restart_is_off_is_not_helped() {
    let mut lab = pair();
    lab.configure_peer(0, 1, |peer| peer.graceful_restart = false);
    lab.seconds(60);
    assert!(lab.is_up(0, 1) && lab.knows(0, "10.101.0.0/24"));
    lab.kill(1);
    assert!(!lab.knows(0, "10.101.0.0/24"));
}

#[test]
fn a_peer_that_is_back_and_does_not_finish_in_time_is_given_up() {
    let mut lab = pair();
    lab.configure(0, |config| config.graceful_restart.stale_time = Duration::from_secs(5));
    // It passes on what others tell, and waits for one that is not there before it says that this was all.
    let mut config = again(&lab, 1);
    config.peers.insert(key(2), peer(asn(2)));
    lab.kill(1);
    lab.take_received(0, 1);
    lab.start(1, config);
    lab.seconds(4);
    assert!(lab.is_up(0, 1));
    assert_eq!(lab.stale(0, "10.101.0.0/24"), Some(true));
    lab.seconds(2);
    assert_eq!(lab.stale(0, "10.101.0.0/24"), None);
    assert!(!has_end_of_rib(&lab.take_received(0, 1)));
}

/// Three in a row, 0 – 1 – 2; the middle one has long-lived graceful restart with 0, and 2 says perhaps that it has.
fn long_lived(with_2: bool) -> Lab {
    let hour = Duration::from_secs(3600);
    let lasting = |seconds| {
        let mut lasting = peer(0);
        lasting.families.values_mut().for_each(|family| family.long_lived_stale_time = seconds);
        lasting
    };
    let is = |asn, mut peer: crate::config::PeerConfig| {
        peer.remote_as = crate::config::RemoteAs::Is(asn);
        peer
    };
    let mut lab = Lab::new(3);
    lab.start(0, config(0, 65000, &[(1, is(65001, lasting(hour)))]));
    let right = if with_2 { lasting(hour) } else { peer(0) };
    // What 2 itself would announce is not kept: whether it is told of others' stale routes is its own word.
    let left = lasting(Duration::from_secs(1000));
    lab.start(1, config(1, 65001, &[(0, is(65000, left)), (2, is(65002, peer(0)))]));
    lab.start(2, config(2, 65002, &[(1, is(65001, right))]));
    lab.originate(0, &["10.100.0.0/24"]);
    lab.seconds(10);
    assert!(lab.knows(2, "10.100.0.0/24"));
    lab
}

#[test]
fn long_lived_routes_outlast_the_restart_time_by_the_smaller_stale_time() {
    let mut lab = long_lived(true);
    lab.kill(0);
    lab.seconds(121);
    assert!(lab.knows(1, "10.100.0.0/24"));
    let paths = lab.paths(2, crate::speaker::Table::AdjRibIn, "10.100.0.0/24");
    assert!(paths[0].attributes.communities.contains(&Community::LLGR_STALE));
    assert!(lab.nodes[1].notices.iter().any(|(peer, kind)| {
        *peer == key(0) && matches!(kind, NoticeKind::Stale { long_lived: true, count: 1, .. })
    }));
    lab.seconds(995);
    assert!(lab.knows(1, "10.100.0.0/24"));
    lab.seconds(5);
    assert!(!lab.knows(1, "10.100.0.0/24"));
}

#[test]
fn long_lived_routes_are_kept_from_who_does_not_know_them_and_renewed_when_the_peer_returns() {
    let mut lab = long_lived(false);
    let config = again(&lab, 0);
    lab.kill(0);
    lab.seconds(121);
    assert!(lab.knows(1, "10.100.0.0/24") && !lab.knows(2, "10.100.0.0/24"));
    lab.start_with(0, config, &["10.100.0.0/24"]);
    lab.seconds(30);
    assert!(lab.knows(2, "10.100.0.0/24"));
    assert_eq!(lab.stale(1, "10.100.0.0/24"), Some(false));
    assert!(!lab.peer(1, 0).stale);
}

#[test]
fn own_prefixes_are_told_at_once_and_others_when_all_is_known() {
    // A spine between two leaves, one of which has not told all yet.
    let mut lab = Lab::new(3);
    let spine = || config(0, 65000, &[(1, peer(65001)), (2, peer(65002))]);
    for leaf in [1, 2] {
        let up = peer(65000).with_policy(&Policy::Accept, &Policy::Originated);
        lab.start(leaf, config(leaf, asn(leaf), &[(0, up)]));
        lab.originate(leaf, &[&format!("10.10{leaf}.0.0/24")]);
    }
    lab.stuck.insert((2, 0));
    lab.start(0, restarted(spine()));
    lab.originate(0, &["10.100.0.0/24"]);
    lab.seconds(5);
    assert!(lab.is_up(0, 1) && !lab.is_up(0, 2));
    assert!(lab.knows(1, "10.100.0.0/24") && lab.knows(0, "10.101.0.0/24"));
    assert!(!has_end_of_rib(&lab.take_received(1, 0)));
    assert_eq!(lab.nodes[0].synchronised_at, None);
    lab.stuck.clear();
    lab.seconds(30);
    assert!(lab.nodes[0].synchronised_at.is_some());
    assert!(lab.knows(1, "10.102.0.0/24"));
    assert!(has_end_of_rib(&lab.take_received(1, 0)));
}

#[test]
fn peers_that_are_down_delay_the_end_of_a_restart_by_seconds_only() {
    let mut lab = Lab::new(3);
    lab.start(1, config(1, 65001, &[(0, peer(65000))]));
    let begun = lab.now;
    let mut config = config(0, 65000, &[(1, peer(65001)), (2, peer(65002))]);
    config.graceful_restart.deferral_time = Duration::from_secs(240);
    lab.start(0, restarted(config));
    lab.seconds(9);
    assert_eq!(lab.nodes[0].synchronised_at, None);
    lab.seconds(2);
    assert_eq!(lab.nodes[0].synchronised_at, Some(begun + Duration::from_secs(10)));
}

#[test]
fn with_everybody_there_a_restart_is_over_at_once_and_with_nobody_after_the_deferral_time() {
    let mut lab = Lab::new(2);
    lab.start(1, config(1, 65001, &[(0, peer(65000))]));
    lab.start(0, restarted(config(0, 65000, &[(1, peer(65001))])));
    assert_eq!(lab.nodes[0].synchronised_at, Some(lab.now));

    let mut lab = Lab::new(2);
    let begun = lab.now;
    lab.start(0, restarted(config(0, 65000, &[(1, peer(65001))])));
    lab.seconds(60);
    assert_eq!(lab.nodes[0].synchronised_at, Some(begun + Duration::from_secs(30)));

    // Whoever is administratively down is nobody.
    let mut lab = Lab::new(2);
    let mut shut = peer(65001);
    shut.shutdown = Some(String::new());
    lab.start(0, restarted(config(0, 65000, &[(1, shut)])));
    assert_eq!(lab.nodes[0].synchronised_at, Some(lab.now));
}

#[test]
fn two_speakers_that_both_restarted_wait_for_each_others_own_prefixes_and_for_nothing_else() {
    let mut lab = Lab::new(2);
    for node in 0..2 {
        let other = talkative(peer(asn(1 - node)));
        lab.start(node, restarted(config(node, asn(node), &[(1 - node, other)])));
    }
    // What is left in the kernel of before is not swept yet: nothing at all has been said.
    assert!(lab.is_up(0, 1) && lab.is_up(1, 0));
    assert!(lab.nodes.iter().all(|node| node.synchronised_at.is_none()));
    lab.seconds(5);
    assert!(lab.nodes.iter().all(|node| node.synchronised_at.is_some()));
}

/// With KEEPALIVEs each second.
fn talkative(mut peer: PeerConfig) -> PeerConfig {
    peer.timers.keepalive = Some(Duration::from_secs(1));
    peer
}

#[test]
fn a_peer_that_restarts_as_well_is_not_waited_for_but_by_a_leaf() {
    // The leaf tells nobody's routes but its own, if those; the spine waits for nobody but the leaf and an absent one.
    for quiet in [Policy::Originated, Policy::Reject] {
        let mut lab = Lab::new(3);
        let up = talkative(peer(65000).with_policy(&Policy::Accept, &quiet));
        lab.start(1, restarted(config(1, 65001, &[(0, up)])));
        let down = talkative(peer(65001));
        lab.start(0, restarted(config(0, 65000, &[(1, down), (2, peer(65002))])));
        lab.seconds(5);
        assert!(lab.is_up(1, 0));
        assert_eq!(lab.nodes[1].synchronised_at, None, "the spine is about to tell it more: {quiet:?}");
        lab.seconds(10);
        assert!(lab.nodes[0].synchronised_at.is_some() && lab.nodes[1].synchronised_at.is_some());
    }
}

#[test]
fn a_peer_without_graceful_restart_has_told_all_with_its_keepalive() {
    let mut lab = Lab::new(2);
    let mut plain = config(1, 65001, &[(0, peer(65000))]);
    plain.graceful_restart.enabled = false;
    lab.start(1, plain);
    lab.start(0, restarted(config(0, 65000, &[(1, peer(65001))])));
    lab.seconds(31);
    assert!(lab.nodes[0].synchronised_at.is_some());
}

fn watched(notification: bool) -> Lab {
    let mut lab = Lab::new(2);
    for node in 0..2 {
        let mut peer = peer(asn(1 - node));
        peer.bfd = Some(Bfd {
            transmit_interval: Duration::from_millis(300),
            receive_interval: Duration::from_millis(300),
            multiplier: 3,
            multihop: false,
        });
        let mut config = config(node, asn(node), &[(1 - node, peer)]);
        config.graceful_restart.notification = notification;
        lab.start(node, config);
    }
    lab.originate(1, &["10.101.0.0/24"]);
    lab.seconds(10);
    let watch = lab.nodes[0].watches[&key(1)].clone().unwrap();
    assert_eq!((watch.remote, watch.local), (super::lab::v4(1).into(), Some(super::lab::v4(0).into())));
    lab.bfd(0, 1, report(Path::Up));
    assert_eq!(lab.peer(0, 1).bfd, Some(Path::Up));
    lab
}

fn report(state: Path) -> Report {
    Report { state, diagnostic: 0, remote_independent: false, remote_admin_down: false }
}

#[test]
fn a_path_that_goes_down_ends_the_session_and_graceful_restart_keeps_the_routes() {
    for notification in [true, false] {
        let mut lab = watched(notification);
        lab.take_received(1, 0);
        lab.bfd(0, 1, report(Path::Down));
        assert_eq!(lab.peer(0, 1).counters.flaps, 1);
        assert!(lab.peer(0, 1).last_down_reason.contains("BFD"));
        assert!(lab.knows(0, "10.101.0.0/24"), "RFC 5882 §4.3");
        let said = lab.take_received(1, 0).iter().any(|message| matches!(message, Message::Notification(_)));
        assert_eq!(said, notification);
    }
}

#[test]
fn a_dead_forwarding_path_takes_the_routes_along_even_while_the_peer_restarts() {
    let dead = Report { remote_independent: true, ..report(Path::Down) };
    let mut lab = watched(true);
    lab.bfd(0, 1, dead);
    assert!(!lab.knows(0, "10.101.0.0/24"));
    let mut lab = watched(true);
    lab.kill(1);
    assert!(lab.knows(0, "10.101.0.0/24"));
    lab.bfd(0, 1, dead);
    assert!(!lab.knows(0, "10.101.0.0/24"));
}

#[test]
fn an_operator_that_stops_bfd_or_a_path_that_never_was_up_ends_nothing() {
    let mut lab = watched(true);
    lab.bfd(0, 1, Report { remote_admin_down: true, ..report(Path::Down) });
    lab.bfd(0, 1, report(Path::Init));
    lab.bfd(0, 1, report(Path::Down));
    assert!(lab.is_up(0, 1));
    assert_eq!(lab.peer(0, 1).counters.flaps, 0);
    let bfd = lab.nodes[0].notices.iter().filter(|(_, kind)| matches!(kind, NoticeKind::Bfd(_))).count();
    assert_eq!(bfd, 4, "each state once");
}

#[test]
fn the_watch_follows_the_configuration_without_a_reset() {
    let mut lab = watched(true);
    lab.configure_peer(0, 1, |peer| peer.bfd.as_mut().unwrap().multiplier = 5);
    assert_eq!(lab.nodes[0].watches[&key(1)].as_ref().unwrap().settings.multiplier, 5);
    lab.configure_peer(0, 1, |peer| peer.bfd = None);
    assert_eq!(lab.nodes[0].watches[&key(1)], None);
    assert_eq!((lab.peer(0, 1).counters.flaps, lab.peer(0, 1).bfd), (0, None));
}

#[test]
fn a_link_that_goes_down_ends_session_and_restart_alike() {
    let mut lab = pair();
    lab.vanish(1);
    lab.input(0, Input::LinkDown(key(1)));
    assert!(!lab.knows(0, "10.101.0.0/24"));
    let mut lab = pair();
    lab.kill(1);
    lab.input(0, Input::LinkDown(key(1)));
    assert!(!lab.knows(0, "10.101.0.0/24"));
    assert!(!lab.peer(0, 1).stale);
}

#[test]
fn a_refresh_that_never_ends_is_ended() {
    let mut lab = pair();
    lab.configure(0, |config| config.graceful_restart.stale_time = Duration::from_secs(50));
    lab.inject(0, 1, refresh(RefreshKind::Begin));
    assert_eq!(lab.stale(0, "10.101.0.0/24"), Some(true));
    assert!(!lab.peer(0, 1).stale, "the peer does not restart");
    // End-of-RIB is another matter.
    let marker = Update { end_of_rib: Some(Family::Ipv4Unicast), ..Update::default() };
    lab.inject(0, 1, Message::Update(marker));
    assert!(lab.knows(0, "10.101.0.0/24"));
    lab.seconds(51);
    assert!(!lab.knows(0, "10.101.0.0/24"));
    assert!(lab.is_up(0, 1));
}

fn refresh(kind: RefreshKind) -> Message {
    Message::RouteRefresh(RouteRefresh { family: Family::Ipv4Unicast, kind })
}

#[test]
fn a_restart_in_the_middle_of_a_refresh_loses_nothing() {
    let mut lab = pair();
    lab.inject(0, 1, refresh(RefreshKind::Begin));
    lab.kill(1);
    assert!(lab.nodes[0].lost.is_empty());
    assert_eq!(lab.family(0, 1).stale, 2);
}

/// 1 has restarted and announced one prefix of two; it holds its End-of-RIB back for a peer that stays away.
fn half_back() -> Lab {
    let mut lab = pair();
    let mut waiting = again(&lab, 1);
    waiting.peers.insert(key(3), peer(asn(3)));
    lab.kill(1);
    lab.start_with(1, waiting, &["10.101.0.0/24"]);
    lab.seconds(5);
    assert_eq!((lab.stale(0, "10.101.0.0/24"), lab.stale(0, "10.102.0.0/24")), (Some(false), Some(true)));
    lab
}

#[test]
fn a_refresh_before_the_end_of_rib_counts_for_nothing() {
    let mut lab = half_back();
    lab.inject(0, 1, refresh(RefreshKind::Begin));
    assert_eq!(lab.stale(0, "10.101.0.0/24"), Some(false));
    lab.inject(0, 1, refresh(RefreshKind::End));
    assert_eq!(lab.stale(0, "10.102.0.0/24"), Some(true));
    lab.seconds(30);
    assert_eq!(lab.nodes[0].lost, ["10.102.0.0/24".parse().unwrap()]);
}

#[test]
fn a_collision_in_the_middle_of_a_restart_is_no_second_restart() {
    let mut lab = half_back();
    lab.vanish(1);
    lab.inject(0, 1, Message::Notification(Notification::cease(7)));
    assert_eq!((lab.stale(0, "10.101.0.0/24"), lab.stale(0, "10.102.0.0/24")), (Some(true), Some(true)));
    // It has been away for 5 s of 120.
    lab.seconds(114);
    assert!(lab.knows(0, "10.102.0.0/24"));
    lab.seconds(2);
    assert!(!lab.knows(0, "10.101.0.0/24") && !lab.knows(0, "10.102.0.0/24"));
}
