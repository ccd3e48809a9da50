//! What becomes of routes on their way through a speaker: kinds of peers, AS numbers, next hops, policies, limits.

use std::time::Duration;

use super::lab::{Lab, asn, config, key, link_local, peer, prefix, v4};
use crate::config::{Beyond, LocalAs, MaxPrefixes, NextHopMode, Policy, RemoteAs, RoleConfig, SendPaths};
use crate::session::State;
use crate::speaker::{NoticeKind, Reset, Table};
use crate::wire::{Community, Family, NextHop, Role};

fn path(lab: &Lab, node: usize, text: &str) -> String {
    lab.paths(node, Table::AdjRibIn, text)
        .first()
        .map(|path| path.attributes.as_path.to_string())
        .unwrap_or_default()
}

/// 0 – 1 – 2 in a row, each in an AS of its own, as the given changes have it.
fn row(change: impl Fn(usize, usize, &mut crate::config::PeerConfig)) -> Lab {
    let mut lab = Lab::new(3);
    let neighbours: [&[usize]; 3] = [&[1], &[0, 2], &[1]];
    for (node, others) in neighbours.into_iter().enumerate() {
        let peers: Vec<_> = others
            .iter()
            .map(|other| {
                let mut peer = peer(asn(*other));
                change(node, *other, &mut peer);
                (*other, peer)
            })
            .collect();
        lab.start(node, config(node, asn(node), &peers));
    }
    lab.originate(0, &["10.100.0.0/24"]);
    lab.seconds(10);
    lab
}

#[test]
fn routes_pass_through_an_as_and_lead_somewhere() {
    let mut lab = row(|_, _, _| {});
    assert_eq!(path(&lab, 2, "10.100.0.0/24"), "65001 65000");
    // All share a link: the third party's next hop is passed on.
    assert_eq!(lab.paths(2, Table::AdjRibIn, "10.100.0.0/24")[0].next_hop, Some(NextHop::V4(v4(0))));
    lab.originate(0, &[]);
    assert!(!lab.knows(2, "10.100.0.0/24"));
}

#[test]
fn next_hop_itself_and_unchanged_are_applied_without_a_reset() {
    let mut lab = row(|_, _, _| {});
    lab.configure_peer(1, 2, |peer| peer.next_hop = NextHopMode::Itself);
    assert_eq!(lab.paths(2, Table::AdjRibIn, "10.100.0.0/24")[0].next_hop, Some(NextHop::V4(v4(1))));
    assert_eq!(lab.peer(2, 1).counters.flaps, 0);
}

#[test]
fn external_peers_without_policy_exchange_nothing_and_it_is_shown() {
    let mut lab = row(|node, _, peer| {
        if node == 1 {
            *peer = crate::config::PeerConfig::new(peer.remote_as);
        }
    });
    assert!(lab.paths(2, Table::AdjRibIn, "10.100.0.0/24").is_empty());
    let family = lab.family(1, 0);
    assert!(family.no_import_policy && family.no_export_policy);
    assert_eq!((family.received, family.accepted, family.rejected), (1, 0, 1));
    assert!(lab.paths(1, Table::LocRib, "10.100.0.0/24")[0].unusable);
    // With a policy, what was received is judged anew; nobody is asked.
    for other in [0, 2] {
        lab.configure_peer(1, other, |peer| {
            *peer = peer.clone().with_policy(&Policy::Accept, &Policy::Accept)
        });
    }
    assert!(lab.knows(2, "10.100.0.0/24"));
    assert_eq!((lab.peer(1, 0).counters.flaps, lab.peer(0, 1).counters.refreshes_received), (0, 0));
}

#[test]
fn a_leaf_passes_on_nothing() {
    let lab = row(|node, _, peer| {
        if node == 1 {
            *peer = peer.clone().with_policy(&Policy::Accept, &Policy::Originated);
        }
    });
    assert!(lab.knows(1, "10.100.0.0/24") && !lab.knows(2, "10.100.0.0/24"));
}

#[test]
fn another_local_as_is_shown_to_the_peer_and_prepended_or_not() {
    let local_as = |replace| {
        row(move |node, other, peer| {
            if (node, other) == (1, 2) {
                peer.local_as = Some(LocalAs { asn: 64999, replace });
            }
            if (node, other) == (2, 1) {
                peer.remote_as = RemoteAs::Is(64999);
            }
        })
    };
    let lab = local_as(false);
    assert_eq!(lab.peer(1, 2).local_as, 64999);
    assert_eq!(path(&lab, 2, "10.100.0.0/24"), "64999 65001 65000");
    let mut lab = local_as(true);
    assert_eq!(path(&lab, 2, "10.100.0.0/24"), "64999 65000");
    // The other way: what comes in through the other AS passes it visibly, unless replaced.
    lab.originate(2, &["10.102.0.0/24"]);
    assert_eq!(path(&lab, 0, "10.102.0.0/24"), "65001 65002");
    let mut lab = local_as(false);
    lab.originate(2, &["10.102.0.0/24"]);
    assert_eq!(path(&lab, 0, "10.102.0.0/24"), "65001 64999 65002");
}

/// 0 and 2 are sites of the same AS behind 1.
fn sites(change: impl Fn(usize, &mut crate::config::PeerConfig)) -> Lab {
    let mut lab = Lab::new(3);
    for site in [0, 2] {
        let mut up = peer(65001);
        change(site, &mut up);
        lab.start(site, config(site, 65100, &[(1, up)]));
    }
    let mut down = peer(65100);
    change(1, &mut down);
    lab.start(1, config(1, 65001, &[(0, down.clone()), (2, down)]));
    lab.originate(0, &["10.100.0.0/24"]);
    lab.seconds(10);
    lab
}

#[test]
fn sites_that_share_an_as_reach_each_other_by_allow_own_as_or_as_override() {
    let mut lab = sites(|_, _| {});
    assert!(!lab.knows(2, "10.100.0.0/24"));
    lab.configure_peer(2, 1, |peer| peer.allow_own_as = 1);
    assert!(lab.knows(2, "10.100.0.0/24"));
    let mut lab = sites(|_, _| {});
    lab.configure_peer(1, 2, |peer| peer.as_override = true);
    assert!(lab.knows(2, "10.100.0.0/24"));
    assert_eq!(path(&lab, 2, "10.100.0.0/24"), "65001 65001");
}

/// A reflector, 1, between 0 and 2, all internal.
fn reflector(clients: &[usize]) -> Lab {
    let mut lab = Lab::new(3);
    for node in [0, 2] {
        lab.start(node, config(node, 65000, &[(1, peer(65000))]));
    }
    let client = |node| crate::config::PeerConfig {
        route_reflector_client: clients.contains(&node),
        remote_as: RemoteAs::Internal,
        ..peer(65000)
    };
    lab.start(1, config(1, 65000, &[(0, client(0)), (2, client(2))]));
    lab.originate(0, &["10.100.0.0/24"]);
    lab.seconds(10);
    lab
}

#[test]
fn a_reflector_passes_on_to_and_from_clients_and_says_so() {
    assert!(!reflector(&[]).knows(2, "10.100.0.0/24"));
    for clients in [&[0][..], &[2], &[0, 2]] {
        let lab = reflector(clients);
        let attributes = &lab.paths(2, Table::AdjRibIn, "10.100.0.0/24")[0].attributes;
        assert_eq!(attributes.originator_id, Some(v4(0)));
        assert_eq!(attributes.cluster_list, [v4(1)]);
    }
}

#[test]
fn whether_clients_are_told_of_each_other_changes_without_a_reset() {
    let mut lab = reflector(&[0, 2]);
    assert!(lab.knows(2, "10.100.0.0/24"));
    lab.configure(1, |config| config.client_to_client_reflection = false);
    assert!(!lab.knows(2, "10.100.0.0/24"));
    let why = lab.speaker(1).why(&prefix("10.100.0.0/24"), lab.now);
    let told = why.told.iter().find(|told| told.peer == key(2)).expect("an established peer");
    assert_eq!((told.told, told.reason.as_str()), (false, "clients' routes are not reflected to clients"));
    // Those of others are, and theirs to others.
    lab.configure_peer(1, 0, |peer| peer.route_reflector_client = false);
    assert!(lab.knows(2, "10.100.0.0/24"));
    lab.configure_peer(1, 0, |peer| peer.route_reflector_client = true);
    lab.configure_peer(1, 2, |peer| peer.route_reflector_client = false);
    assert!(lab.knows(2, "10.100.0.0/24"));
    lab.configure_peer(1, 2, |peer| peer.route_reflector_client = true);
    assert!(!lab.knows(2, "10.100.0.0/24"));
    lab.configure(1, |config| config.client_to_client_reflection = true);
    assert!(lab.knows(2, "10.100.0.0/24"));
    for (node, other) in [(1, 0), (1, 2), (0, 1), (2, 1)] {
        assert_eq!(lab.peer(node, other).counters.flaps, 0, "{node} with {other}");
    }
}

#[test]
fn who_is_a_client_and_at_what_cost_changes_without_a_reset() {
    let mut lab = reflector(&[]);
    lab.configure_peer(1, 0, |peer| peer.route_reflector_client = true);
    assert!(lab.knows(2, "10.100.0.0/24"));
    lab.configure_peer(1, 0, |peer| peer.route_reflector_client = false);
    assert!(!lab.knows(2, "10.100.0.0/24"));
    assert_eq!(lab.peer(1, 0).counters.flaps, 0);

    // Two internal peers have the same prefix: the nearer one is chosen, and which that is may change.
    lab.originate(2, &["10.100.0.0/24"]);
    for (farther, nearer) in [(0, 2), (2, 0)] {
        lab.configure_peer(1, farther, |peer| peer.cost = 10);
        lab.configure_peer(1, nearer, |peer| peer.cost = 5);
        assert_eq!(lab.paths(1, Table::LocRib, "10.100.0.0/24")[0].peer, Some(key(nearer)));
    }
    assert_eq!((lab.peer(1, 0).counters.flaps, lab.peer(1, 2).counters.flaps), (0, 0));
}

#[test]
fn a_leak_between_providers_is_stopped_by_roles() {
    // 0 and 2 are providers of 1.
    let lab = row(|node, other, peer| {
        let role = if node == 1 { Role::Customer } else { Role::Provider };
        peer.role = Some(RoleConfig { role, strict: true });
        assert_ne!(node, other);
    });
    assert!(lab.is_up(0, 1) && lab.is_up(1, 2));
    assert!(lab.knows(1, "10.100.0.0/24") && !lab.knows(2, "10.100.0.0/24"));
}

#[test]
fn ipv4_goes_over_ipv6_next_hops_where_that_is_spoken_and_there_is_no_ipv4() {
    let build = |extended| {
        let mut lab = Lab::new(2);
        for node in 0..2 {
            let local = &mut lab.nodes[node].local;
            (local.v4, local.v6) = (None, None);
        }
        for node in 0..2 {
            let mut peer = peer(asn(1 - node));
            peer.extended_next_hop = extended;
            lab.start(node, config(node, asn(node), &[(1 - node, peer)]));
        }
        lab.originate(0, &["10.100.0.0/24"]);
        lab.seconds(10);
        lab
    };
    let lab = build(false);
    assert!(lab.family(0, 1).no_next_hop && !lab.knows(1, "10.100.0.0/24"));
    let lab = build(true);
    assert!(!lab.family(0, 1).no_next_hop);
    let next_hop = lab.paths(1, Table::AdjRibIn, "10.100.0.0/24")[0].next_hop;
    assert!(matches!(next_hop, Some(NextHop::V6 { global, .. }) if global == link_local(0)), "{next_hop:?}");
}

#[test]
fn several_paths_are_told_where_add_path_is_spoken() {
    // 0 has two ways to the prefix, through 1 and 2, and tells 3.
    let build = |paths| {
        let mut lab = Lab::new(4);
        let mut up = peer(65003);
        up.families.values_mut().for_each(|family| family.add_path_send = paths);
        lab.start(0, config(0, 65000, &[(1, peer(65001)), (2, peer(65002)), (3, up)]));
        for node in [1, 2] {
            lab.start(node, config(node, asn(node), &[(0, peer(65000))]));
            lab.originate(node, &["10.100.0.0/24"]);
        }
        let mut down = peer(65000);
        down.families.values_mut().for_each(|family| family.add_path_receive = true);
        lab.start(3, config(3, 65003, &[(0, down)]));
        lab.seconds(10);
        lab
    };
    for (paths, expected) in [(SendPaths::Best, 1), (SendPaths::Limit(2), 2), (SendPaths::All, 2)] {
        let lab = build(paths);
        assert_eq!(lab.paths(3, Table::AdjRibIn, "10.100.0.0/24").len(), expected, "{paths:?}");
    }
    // Fewer or more of them is no matter of the OPEN.
    let mut lab = build(SendPaths::Limit(2));
    lab.configure_peer(0, 3, |peer| {
        peer.families.values_mut().for_each(|family| family.add_path_send = SendPaths::All);
    });
    assert_eq!(lab.peer(0, 3).counters.flaps, 0);
}

#[test]
fn graceful_shutdown_is_told_to_everybody_and_taken_back_without_a_reset() {
    let mut lab = row(|_, _, _| {});
    let marked = |lab: &Lab| {
        let paths = lab.paths(1, Table::AdjRibIn, "10.100.0.0/24");
        paths[0].attributes.communities.contains(&Community::GRACEFUL_SHUTDOWN)
    };
    assert!(!marked(&lab));
    lab.configure(0, |config| config.graceful_shutdown = true);
    assert!(marked(&lab));
    lab.configure(0, |config| config.graceful_shutdown = false);
    assert!(!marked(&lab));
    assert_eq!(lab.peer(1, 0).counters.flaps, 0);
}

fn limited(beyond: Beyond) -> Lab {
    let mut lab = Lab::external(2);
    lab.configure_peer(0, 1, |peer| {
        let limits = MaxPrefixes { limit: 4, warn_percent: 75, beyond };
        peer.families.get_mut(&Family::Ipv4Unicast).unwrap().max_prefixes = Some(limits);
    });
    assert_eq!(lab.peer(0, 1).counters.flaps, 0, "a limit is no matter of the OPEN");
    lab
}

fn announce(lab: &mut Lab, count: usize) {
    let prefixes: Vec<_> = (0..count).map(|n| format!("10.100.{n}.0/24")).collect();
    lab.originate(1, &prefixes.iter().map(String::as_str).collect::<Vec<_>>());
}

fn said(lab: &mut Lab) -> Vec<u32> {
    let notices = std::mem::take(&mut lab.nodes[0].notices);
    let count = |kind: &NoticeKind| {
        if let NoticeKind::Prefixes { count, limit: 4, .. } = kind { Some(*count) } else { None }
    };
    notices.iter().filter_map(|(_, kind)| count(kind)).collect()
}

#[test]
fn a_limit_on_prefixes_is_said_once_for_each_crossing() {
    let mut lab = limited(Beyond::Warn);
    announce(&mut lab, 2);
    assert_eq!(said(&mut lab), []);
    announce(&mut lab, 3);
    announce(&mut lab, 4);
    assert_eq!(said(&mut lab), [3]);
    announce(&mut lab, 5);
    announce(&mut lab, 7);
    assert_eq!(said(&mut lab), [5]);
    announce(&mut lab, 0);
    announce(&mut lab, 3);
    assert_eq!(said(&mut lab), [3], "it had been below");
    assert!(lab.is_up(0, 1));
}

#[test]
fn a_peer_beyond_its_limit_rests_until_somebody_resets_it() {
    let mut lab = limited(Beyond::Idle);
    announce(&mut lab, 9);
    assert_eq!(lab.state(0, 1), State::Idle);
    assert!(lab.peer(0, 1).last_down_reason.contains("more than 4 ipv4-unicast prefixes"));
    assert!(lab.peer(1, 0).last_down_reason.contains("Maximum Number of Prefixes"));
    assert!(lab.nodes[0].fib.is_empty(), "nothing of it is kept over that");
    lab.seconds(600);
    assert_eq!(lab.state(0, 1), State::Idle);
    announce(&mut lab, 1);
    lab.reset(0, 1, Reset::Hard(None));
    lab.seconds(60);
    assert!(lab.is_up(0, 1));
}

#[test]
fn a_peer_beyond_its_limit_may_come_back_after_a_while() {
    let mut lab = limited(Beyond::Restart(Duration::from_secs(100)));
    announce(&mut lab, 9);
    lab.seconds(99);
    assert_eq!(lab.state(0, 1), State::Idle);
    announce(&mut lab, 1);
    lab.seconds(40);
    assert!(lab.is_up(0, 1));
    assert!(lab.knows(0, "10.100.0.0/24"));
}

#[test]
fn a_peer_in_any_external_or_internal_as_is_taken_for_what_it_is() {
    let cases = [
        (RemoteAs::Any, 65001, true),
        (RemoteAs::Any, 65000, true),
        (RemoteAs::External, 65001, true),
        (RemoteAs::External, 65000, false),
        (RemoteAs::Internal, 65000, true),
        (RemoteAs::Internal, 65001, false),
        (RemoteAs::Is(65001), 65002, false),
    ];
    for (remote_as, theirs, up) in cases {
        let mut lab = Lab::new(2);
        let mut wide = peer(theirs);
        wide.remote_as = remote_as;
        lab.start(0, config(0, 65000, &[(1, wide)]));
        lab.start(1, config(1, theirs, &[(0, peer(65000))]));
        lab.seconds(5);
        assert_eq!(lab.is_up(0, 1), up, "{remote_as:?} {theirs}");
        if up {
            assert_eq!(lab.peer(0, 1).remote_as, Some(theirs));
        }
    }
}

#[test]
fn own_prefixes_and_summaries_are_told_as_configured() {
    let mut lab = Lab::external(2);
    lab.originate(0, &["10.100.0.0/26", "10.100.0.64/26"]);
    lab.configure(0, |config| {
        let summary = crate::config::Aggregate { summary_only: true };
        config.aggregates.insert(prefix("10.100.0.0/24"), summary);
    });
    let known: Vec<_> = lab.nodes[1].fib.keys().copied().collect();
    assert_eq!(known, [prefix("10.100.0.0/24")]);
}
