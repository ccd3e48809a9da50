use super::{InterfaceAddress, index_of, read, select};
use crate::speaker::LocalAddresses;

fn addresses() -> Vec<InterfaceAddress> {
    let table = [
        ("lo", 1, "127.0.0.1/8"),
        ("lo", 1, "::1/128"),
        ("eth0", 2, "192.0.2.1/24"),
        ("eth0", 2, "192.0.2.9/24"),
        ("eth0", 2, "fe80::a/64"),
        ("eth0", 2, "2001:db8::1/64"),
        ("eth1", 3, "fe80::b/64"),
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
        ("192.0.2.1", "192.0.2.2", ("192.0.2.1", "2001:db8::1", "fe80::a")),
        ("192.0.2.9", "192.0.2.2", ("192.0.2.9", "2001:db8::1", "fe80::a")),
        ("192.0.2.1", "198.51.100.1", ("192.0.2.1", "2001:db8::1", "")),
        ("2001:db8::1", "2001:db8::2", ("192.0.2.1", "2001:db8::1", "fe80::a")),
        ("2001:db8::1", "2001:db8:1::2", ("192.0.2.1", "2001:db8::1", "")),
        ("fe80::a", "fe80::2", ("192.0.2.1", "2001:db8::1", "fe80::a")),
        ("fe80::b", "fe80::2", ("", "", "fe80::b")),
        ("127.0.0.7", "127.0.0.8", ("127.0.0.7", "::1", "")),
        ("::1", "::1", ("127.0.0.1", "::1", "")),
        ("10.0.0.1", "10.0.0.2", ("10.0.0.1", "", "")),
        ("203.0.113.1", "203.0.113.2", ("203.0.113.1", "", "")),
    ];
    for (local, peer, (v4, v6, link_local)) in table {
        let expected = LocalAddresses {
            v4: v4.parse().ok(),
            v6: v6.parse().ok(),
            v6_link_local: link_local.parse().ok(),
        };
        let selected = select(local.parse().unwrap(), peer.parse().unwrap(), &addresses());
        assert_eq!(selected, expected, "{local} to {peer}");
    }
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
