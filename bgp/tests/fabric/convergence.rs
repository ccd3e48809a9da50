//! Leaf-spine fabrics: everything arrives everywhere, over all equal paths, and goes away again.

use bgp::config::NextHopMode;
use bgp::session::State;
use bgp::speaker::Table;
use bgp::wire::{Family, Message};

use crate::network::{Network, prefix, v4, v6};
use crate::topology::{config, peer, upstream};

const SPINES: usize = 2;
const LEAVES: usize = 20;

/// Spines are nodes 0 and 1, each its own AS; leaves follow, each its own AS, each originating 10.<leaf>.0.0/24.
fn leaf_spine() -> Network {
    let mut fabric = Network::new(SPINES + LEAVES);
    let asn = |node: usize| 65000 + u32::try_from(node).unwrap();
    for spine in 0..SPINES {
        let leaves: Vec<_> = (SPINES..SPINES + LEAVES).map(|leaf| (leaf, peer(asn(leaf)))).collect();
        fabric.start(spine, config(spine, asn(spine), &leaves));
    }
    for leaf in SPINES..SPINES + LEAVES {
        let spines: Vec<_> = (0..SPINES).map(|spine| (spine, upstream(asn(spine)))).collect();
        fabric.start(leaf, config(leaf, asn(leaf), &spines));
        fabric.originate(leaf, &[&format!("10.{leaf}.0.0/24"), &format!("fd00:{leaf}::/64")]);
    }
    fabric
}

#[test]
fn a_leaf_spine_fabric_converges_with_ecmp_and_withdraws() {
    let mut fabric = leaf_spine();
    fabric.seconds(30);
    for leaf in SPINES..SPINES + LEAVES {
        assert_eq!(fabric.nodes[leaf].fib.len(), 2 * (LEAVES - 1));
        for other in (SPINES..SPINES + LEAVES).filter(|other| *other != leaf) {
            assert_eq!(fabric.next_hops(leaf, &format!("10.{other}.0.0/24")), [0, 1]);
            assert_eq!(fabric.next_hops(leaf, &format!("fd00:{other}::/64")), [0, 1]);
        }
    }
    // A leaf that exports what it originates is no transit: the spines do not hear each other through it.
    assert_eq!(fabric.next_hops(0, "10.5.0.0/24"), [5]);

    let paths = fabric.paths(2, Table::LocRib, "10.5.0.0/24");
    assert_eq!(
        paths.iter().map(|path| (path.best, path.multipath)).collect::<Vec<_>>(),
        [(true, false), (false, true)]
    );
    assert_eq!(paths[0].attributes.as_path.to_string(), "65000 65005");

    // One spine dies hard with its connections; then a leaf takes its prefix back.
    fabric.kill(0);
    fabric.seconds(130);
    assert_eq!(fabric.next_hops(7, "10.5.0.0/24"), [1]);
    fabric.originate(5, &[]);
    fabric.seconds(1);
    for node in (1..SPINES + LEAVES).filter(|node| *node != 5) {
        assert_eq!(fabric.next_hops(node, "10.5.0.0/24"), [0_usize; 0], "node {node}");
    }
}

#[test]
fn initial_routes_travel_in_few_messages() {
    let mut fabric = Network::new(2);
    fabric.start(0, config(0, 65001, &[(1, peer(65002))]));
    fabric.start(1, config(1, 65002, &[(0, peer(65001))]));
    let prefixes: Vec<_> = (0..2000).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect();
    fabric.originate(0, &prefixes.iter().map(String::as_str).collect::<Vec<_>>());
    fabric.seconds(10);
    assert_eq!(fabric.nodes[1].fib.len(), 2000);
    // 2000 prefixes of 4 octets and one End-of-RIB for each family.
    assert!(fabric.peer(0, 1).counters.updates_sent <= 5, "{}", fabric.peer(0, 1).counters.updates_sent);
}

#[test]
fn internal_peers_get_preference_and_next_hop_and_pass_nothing_on() {
    // 0 (AS 65000) ─ eBGP ─ 1 ─ iBGP ─ 2 ─ iBGP ─ 3, the last three in AS 65001.
    let mut fabric = Network::new(4);
    let mut to_two = peer(65001);
    to_two.next_hop = NextHopMode::Itself;
    fabric.start(0, config(0, 65000, &[(1, peer(65001))]));
    fabric.start(1, config(1, 65001, &[(0, peer(65000)), (2, to_two)]));
    fabric.start(2, config(2, 65001, &[(1, peer(65001)), (3, peer(65001))]));
    fabric.start(3, config(3, 65001, &[(2, peer(65001))]));
    fabric.originate(0, &["10.0.0.0/24"]);
    fabric.originate(2, &["10.2.0.0/24"]);
    fabric.seconds(20);
    let path = &fabric.paths(2, Table::LocRib, "10.0.0.0/24")[0];
    assert_eq!(
        (path.attributes.local_pref, path.attributes.as_path.to_string(), path.next_hop.unwrap().address()),
        (Some(100), "65000".to_owned(), v4(1).into())
    );
    assert!(fabric.paths(3, Table::LocRib, "10.0.0.0/24").is_empty());
    assert_eq!(fabric.next_hops(3, "10.2.0.0/24"), [2]);
    let path = &fabric.paths(0, Table::LocRib, "10.2.0.0/24")[0];
    assert_eq!((path.attributes.local_pref, path.attributes.as_path.to_string()), (None, "65001".to_owned()));
}

#[test]
fn the_same_fabric_runs_the_same_way_twice() {
    let run = || {
        let mut fabric = leaf_spine();
        fabric.seconds(20);
        fabric.kill(4);
        fabric.seconds(20);
        fabric.nodes.iter().map(|node| (node.notices.clone(), node.received.len())).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_broken_connection_is_redialled() {
    let mut fabric = leaf_spine();
    fabric.seconds(30);
    fabric.break_connections(0, 2);
    fabric.seconds(20);
    assert_eq!((fabric.state(0, 2), fabric.flaps(0, 2)), (State::Established, 1));
    assert!(fabric.nodes[3].withdrawn_from_fib.is_empty());
}

#[test]
fn ipv4_travels_by_ipv6_next_hops_where_there_is_no_ipv4() {
    let mut fabric = Network::new(2);
    for node in [0, 1] {
        fabric.nodes[node].local.v4 = None;
        let mut other = peer(65002 - u32::try_from(node).unwrap());
        other.extended_next_hop = true;
        fabric.start(node, config(node, 65001 + u32::try_from(node).unwrap(), &[(1 - node, other)]));
    }
    fabric.originate(0, &["10.1.0.0/24", "fd01::/64"]);
    fabric.seconds(10);
    for text in ["10.1.0.0/24", "fd01::/64"] {
        let hops: Vec<_> = fabric.nodes[1].fib[&prefix(text)].iter().collect();
        assert_eq!(hops.len(), 1);
        assert_eq!(hops[0].next_hop.address(), v6(0), "{text}");
    }
    assert!(!fabric.family(0, 1, Family::Ipv4Unicast).no_next_hop);
    fabric.originate(0, &[]);
    fabric.seconds(1);
    assert!(fabric.nodes[1].fib.is_empty());
    let errors = |message: &Message| matches!(message, Message::Notification(_));
    assert!(!fabric.nodes.iter().any(|node| node.received.iter().any(errors)));
}
