//! Peers that are not known by their address: unnumbered ones and those of listen ranges.

use super::lab::{LINK, Lab, asn, config, key, link, link_local, peer, prefix, unnumbered, v4, v6};
use crate::config::{Config, ListenRange, PeerConfig};
use crate::session::State;
use crate::speaker::{Input, Reset};
use crate::wire::NextHop;

fn unnumbered_config(node: usize, remote_as: u32) -> Config {
    let mut config = config(node, asn(node), &[]);
    let mut peer = peer(remote_as);
    peer.extended_next_hop = true;
    config.peers.insert(unnumbered(), peer);
    config
}

fn discover(lab: &mut Lab, node: usize, other: usize) {
    lab.input(node, Input::Discovered(link(), link_local(other)));
}

/// Two nodes that have nothing but link-local addresses.
fn link_local_only() -> Lab {
    let mut lab = Lab::new(3);
    for node in &mut lab.nodes {
        (node.local.v4, node.local.v6) = (None, None);
    }
    lab
}

#[test]
fn an_unnumbered_peer_is_dialled_when_it_is_heard() {
    let mut lab = link_local_only();
    for node in 0..2 {
        lab.start(node, unnumbered_config(node, asn(1 - node)));
    }
    lab.seconds(60);
    let view = lab.peer_by(0, &unnumbered()).unwrap();
    assert_eq!((view.state, view.address), (State::Active, None));
    discover(&mut lab, 0, 1);
    lab.seconds(5);
    let view = lab.peer_by(0, &unnumbered()).unwrap();
    assert_eq!((view.state, view.address), (State::Established, Some(link_local(1).into())));
    assert_eq!(view.interface.as_deref(), Some(LINK));
    // The other one learned it from the connection.
    let view = lab.peer_by(1, &unnumbered()).unwrap();
    assert_eq!((view.state, view.address), (State::Established, Some(link_local(0).into())));
    // Routes of both families lead out of the interface.
    lab.originate(1, &["10.101.0.0/24", "fd01::/64"]);
    for text in ["10.101.0.0/24", "fd01::/64"] {
        let hop = lab.nodes[0].fib[&prefix(text)].first().unwrap().clone();
        assert_eq!(hop.next_hop, NextHop::V6 { global: link_local(1), link_local: None });
        assert_eq!(hop.interface.as_deref(), Some(LINK));
    }
}

#[test]
fn who_was_heard_before_it_was_configured_is_dialled() {
    let mut lab = link_local_only();
    lab.start(1, unnumbered_config(1, 65000));
    lab.start(0, config(0, 65000, &[]));
    discover(&mut lab, 0, 1);
    lab.configure(0, |config| *config = unnumbered_config(0, 65001));
    lab.seconds(1);
    assert_eq!(lab.peer_by(0, &unnumbered()).unwrap().state, State::Established);
}

#[test]
fn another_router_on_the_link_does_not_take_a_living_peers_place_but_a_dead_ones() {
    let mut lab = link_local_only();
    lab.start(0, unnumbered_config(0, 65001));
    lab.start(1, unnumbered_config(1, 65000));
    discover(&mut lab, 0, 1);
    lab.seconds(1);
    lab.originate(1, &["10.101.0.0/24"]);
    discover(&mut lab, 0, 2);
    lab.start(2, Config { local_as: 65001, ..unnumbered_config(2, 65000) });
    discover(&mut lab, 2, 0);
    lab.seconds(20);
    assert_eq!(lab.peer_by(0, &unnumbered()).unwrap().address, Some(link_local(1).into()));
    lab.kill(1);
    discover(&mut lab, 0, 2);
    lab.seconds(20);
    let view = lab.peer_by(0, &unnumbered()).unwrap();
    assert_eq!((view.state, view.address), (State::Established, Some(link_local(2).into())));
    assert!(!lab.knows(0, "10.101.0.0/24"), "the one before is not coming back");
}

fn range(network: &str, limit: u32, remote_as: u32) -> ListenRange {
    ListenRange { network: prefix(network), limit, peer: peer(remote_as) }
}

/// 0 listens; each of the others dials it.
fn listening(ranges: Vec<ListenRange>, others: &[(usize, u32)]) -> Lab {
    let mut lab = Lab::new(6);
    lab.start(0, Config { listen_ranges: ranges, ..config(0, 65000, &[]) });
    for (node, local_as) in others {
        lab.start(*node, config(*node, *local_as, &[(0, peer(65000))]));
    }
    lab.seconds(10);
    lab
}

#[test]
fn the_longest_network_says_what_a_dynamic_peer_is() {
    let ranges = vec![range("10.0.0.0/8", 10, 65100), range("10.0.0.3/32", 10, 65200)];
    let lab = listening(ranges, &[(1, 65100), (2, 65200), (3, 65200)]);
    assert!(lab.is_up(0, 1) && lab.is_up(0, 2));
    assert!(lab.peer(0, 1).dynamic);
    // The third is in the wrong AS for its range.
    assert!(!lab.is_up(3, 0));
}

#[test]
fn a_listen_range_has_a_limit_and_its_peers_go_when_they_are_down() {
    let lab_of = || listening(vec![range("10.0.0.0/8", 2, 65100)], &[(1, 65100), (2, 65100), (3, 65100)]);
    let mut lab = lab_of();
    assert!(lab.is_up(1, 0) && lab.is_up(2, 0) && !lab.is_up(3, 0));
    assert!(lab.peer(3, 0).last_down_reason.contains("Connection Rejected"));
    lab.originate(1, &["10.101.0.0/24"]);
    // While its routes are kept it keeps its place.
    lab.kill(1);
    lab.seconds(60);
    assert!(lab.peer(0, 1).stale && !lab.is_up(3, 0));
    lab.seconds(61);
    assert_eq!(lab.peer_by(0, &key(1)), None);
    assert!(!lab.knows(0, "10.101.0.0/24"));
    lab.seconds(60);
    assert!(lab.is_up(3, 0));
    assert_eq!(lab.speaker(0).view(lab.now).peers.len(), 2);
}

#[test]
fn a_dynamic_peer_is_never_dialled() {
    let mut lab = listening(vec![range("10.0.0.0/8", 2, 65100)], &[(1, 65100)]);
    lab.originate(1, &["10.101.0.0/24"]);
    lab.configure_peer(1, 0, |peer| peer.passive = true);
    lab.reset(0, 1, Reset::Hard(None));
    lab.seconds(100);
    assert_eq!(lab.peer_by(0, &key(1)), None);
    assert_eq!(lab.state(1, 0), State::Active);
}

#[test]
fn a_configured_peer_beats_a_range_and_may_take_over_a_dynamic_ones_session() {
    let mut lab = listening(vec![range("10.0.0.0/8", 10, 65100)], &[(1, 65100)]);
    lab.configure(0, |config| _ = config.peers.insert(key(1), PeerConfig { passive: true, ..peer(65100) }));
    let view = lab.peer(0, 1);
    assert_eq!((view.dynamic, view.state, view.counters.flaps), (false, State::Established, 0));
    // It is in no range's count any more, and back when it is not configured.
    lab.configure(0, |config| config.peers.clear());
    assert!(lab.peer_by(0, &key(1)).is_none_or(|peer| peer.state != State::Established));
    lab.seconds(60);
    assert!(lab.is_up(0, 1) && lab.peer(0, 1).dynamic);
}

#[test]
fn a_range_that_goes_takes_its_peers_along_and_a_change_of_policy_does_not() {
    let mut lab = listening(vec![range("10.0.0.0/8", 10, 65100)], &[(1, 65100)]);
    lab.originate(1, &["10.101.0.0/24"]);
    let reject = crate::config::Policy::Reject;
    lab.configure(0, |config| {
        let range = &mut config.listen_ranges[0];
        range.peer = range.peer.clone().with_policy(&reject, &reject);
    });
    assert!(!lab.knows(0, "10.101.0.0/24"));
    assert_eq!((lab.state(0, 1), lab.peer(0, 1).counters.flaps), (State::Established, 0));
    lab.configure(0, |config| config.listen_ranges.clear());
    assert_eq!(lab.peer_by(0, &key(1)), None);
    assert!(lab.peer(1, 0).last_down_reason.contains("Peer De-configured"));
}

#[test]
fn ipv6_peers_are_found_by_their_address() {
    let mut lab = Lab::new(2);
    for node in 0..2 {
        let mut config = config(node, asn(node), &[]);
        config.peers.insert(v6(1 - node).into_key(), peer(asn(1 - node)));
        lab.start(node, config);
    }
    lab.originate(0, &["fd01::/64", "10.100.0.0/24"]);
    lab.seconds(5);
    let hops = &lab.nodes[1].fib[&prefix("fd01::/64")];
    let expected = NextHop::V6 { global: v6(0), link_local: Some(link_local(0)) };
    assert_eq!(hops.first().unwrap().next_hop, expected);
    assert_eq!(lab.nodes[1].fib[&prefix("10.100.0.0/24")].first().unwrap().next_hop, NextHop::V4(v4(0)));
}

trait IntoKey {
    fn into_key(self) -> crate::config::PeerKey;
}

impl IntoKey for std::net::Ipv6Addr {
    fn into_key(self) -> crate::config::PeerKey {
        crate::config::PeerKey::Address(self.into())
    }
}
