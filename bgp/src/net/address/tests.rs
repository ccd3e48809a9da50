use std::time::Instant;

use super::{Addresses, InterfaceAddress, MAX_AGE, index_of, read, select};

fn addresses() -> Vec<InterfaceAddress> {
    let table = [
        ("lo", 1, "127.0.0.1/8"),
        ("lo", 1, "::1/128"),
        ("eth0", 2, "192.0.2.1/24"),
        ("eth0", 2, "192.0.2.9/24"),
        ("eth0", 2, "fe80::a/64"),
        ("eth0", 2, "2001:db8::1/64"),
        ("eth1", 3, "fe80::b/64"),
        ("eth2", 5, "fe80::b/64"),
        ("eth2", 5, "203.0.113.9/32"),
        ("dummy0", 4, "10.0.0.1/32"),
        ("dummy0", 4, "127.1.1.1/32"),
    ];
    table
        .into_iter()
        .map(|(interface, index, network)| InterfaceAddress {
            interface: interface.into(),
            index,
            network: network.parse().unwrap(),
        })
        .collect()
}

#[test]
fn next_hops_of_a_connection() {
    let table = [
        // local, peer → v4, v6, link-local
        ("192.0.2.1:179", "192.0.2.2:1", ("192.0.2.1", "2001:db8::1", "fe80::a")),
        ("192.0.2.9:179", "192.0.2.2:1", ("192.0.2.9", "2001:db8::1", "fe80::a")),
        ("192.0.2.1:179", "198.51.100.1:1", ("192.0.2.1", "2001:db8::1", "")),
        ("[2001:db8::1]:179", "[2001:db8::2]:1", ("192.0.2.1", "2001:db8::1", "fe80::a")),
        ("[2001:db8::1]:179", "[2001:db8:1::2]:1", ("192.0.2.1", "2001:db8::1", "")),
        ("[fe80::a%2]:179", "[fe80::2%2]:1", ("192.0.2.1", "2001:db8::1", "fe80::a")),
        ("[fe80::b%3]:179", "[fe80::2%3]:1", ("", "", "fe80::b")),
        ("[fe80::b%5]:179", "[fe80::2%5]:1", ("203.0.113.9", "", "fe80::b")),
        ("127.0.0.7:179", "127.0.0.8:1", ("127.0.0.7", "::1", "")),
        ("[::1]:179", "[::1]:1", ("127.0.0.1", "::1", "")),
        ("10.0.0.1:179", "10.0.0.2:1", ("10.0.0.1", "", "")),
        ("203.0.113.1:179", "203.0.113.2:1", ("203.0.113.1", "", "")),
    ];
    for (local, peer, (v4, v6, link_local)) in table {
        let (local, remote) = (local.parse().unwrap(), peer.parse().unwrap());
        let selected = select(local, remote, &addresses());
        let hops = (selected.v4, selected.v6, selected.v6_link_local);
        assert_eq!(hops, (v4.parse().ok(), v6.parse().ok(), link_local.parse().ok()), "{local} to {peer}");
        assert_eq!((selected.local, selected.remote_port), (Some(local), 1));
    }
}

#[test]
fn only_peers_on_the_link_share_its_networks() {
    let subnets = |local: &str, remote: &str| {
        let selected = select(local.parse().unwrap(), remote.parse().unwrap(), &addresses());
        selected.subnets.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let link = ["192.0.2.0/24", "2001:db8::/64", "fe80::/64"];
    assert_eq!(subnets("192.0.2.1:179", "192.0.2.2:1"), link);
    assert_eq!(subnets("[fe80::a%2]:179", "[fe80::2%2]:1"), link);
    assert!(subnets("192.0.2.1:179", "198.51.100.1:1").is_empty());
}

#[test]
fn addresses_are_read_again_when_they_are_old_or_lack_the_connections_own() {
    let now = Instant::now();
    let (local, remote) = ("127.0.0.1:179".parse().unwrap(), "127.0.0.2:1".parse().unwrap());
    let mut known = Addresses { read: Some((now, addresses())) };
    let at = |known: &Addresses| known.read.as_ref().unwrap().0;
    known.select(local, remote, now + MAX_AGE / 2).unwrap();
    assert_eq!(at(&known), now);
    known.select("198.51.100.7:179".parse().unwrap(), remote, now + MAX_AGE / 2).unwrap();
    assert_eq!(at(&known), now + MAX_AGE / 2);
    known.select(local, remote, now + MAX_AGE * 2).unwrap();
    assert_eq!(at(&known), now + MAX_AGE * 2);
}

#[test]
fn the_link_of_an_address() {
    assert_eq!(index_of("fe80::b".parse().unwrap(), &addresses()), Some(3));
    assert_eq!(index_of("fe80::c".parse().unwrap(), &addresses()), None);
}

#[test]
fn reads_this_host() {
    let loopback = read().unwrap().into_iter().find(|it| it.network == "127.0.0.1/8".parse().unwrap());
    let loopback = loopback.expect("a loopback interface");
    assert_eq!((loopback.interface.as_str(), loopback.index), ("lo", 1));
}
