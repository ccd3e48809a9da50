use std::net::IpAddr;

use super::{Address, Interface, Interfaces};

fn interface(index: u32, name: &str, mtu: u32, addresses: &[(&str, &str)]) -> Interface {
    let addresses = addresses
        .iter()
        .map(|(local, subnet)| Address { local: local.parse().unwrap(), subnet: subnet.parse().unwrap() })
        .collect();
    Interface {
        name: name.into(),
        index,
        peer: None,
        up: true,
        carrier: true,
        loopback: name == "lo",
        mtu,
        mac: None,
        addresses,
    }
}

fn node() -> Interfaces {
    [
        interface(
            1,
            "lo",
            65536,
            &[("127.0.0.1", "127.0.0.0/8"), ("::1", "::1/128"), ("fd00::7", "fd00::7/128")],
        ),
        interface(3, "eth1", 9000, &[("192.0.2.5", "192.0.2.4/30"), ("fe80::5", "fe80::/64")]),
        interface(2, "eth2", 1400, &[("192.0.2.1", "192.0.2.0/24"), ("2001:db8::1", "2001:db8::/64")]),
        interface(4, "mgmt", 576, &[("169.254.7.7", "169.254.0.0/16")]),
        interface(9, "fababcdefghijkl", 1280, &[("198.51.100.1", "198.51.100.0/24")]),
    ]
    .into_iter()
    .collect()
}

fn reaching(address: &str) -> Option<String> {
    node().reaching(address.parse().unwrap()).map(|interface| interface.name.clone())
}

#[test]
fn the_longest_connected_subnet_reaches_a_neighbour() {
    assert_eq!(reaching("192.0.2.6").as_deref(), Some("eth1"));
    assert_eq!(reaching("192.0.2.9").as_deref(), Some("eth2"));
    assert_eq!(reaching("2001:db8::99").as_deref(), Some("eth2"));
    assert_eq!(reaching("203.0.113.1"), None);
    assert_eq!(reaching("fe80::99"), None, "link-local is on every link");
}

#[test]
fn uplinks_are_neither_pods_nor_loopback_nor_link_local_only() {
    assert_eq!(node().uplinks().map(|uplink| uplink.name.as_str()).collect::<Vec<_>>(), ["eth1", "eth2"]);
    assert_eq!(node().uplink_mtu(), 1400, "the smallest: ECMP may take any");
    assert_eq!(Interfaces::default().uplink_mtu(), 1500);
}

#[test]
fn an_address_on_the_loopback_is_the_nodes_before_any_uplinks() {
    let found = node().node_addresses();
    assert_eq!(found.v6, Some("fd00::7".parse::<IpAddr>().unwrap()));
    assert_eq!(found.v4, Some("192.0.2.1".parse::<IpAddr>().unwrap()), "eth2 has the lower index");
}

#[test]
fn names_and_indices_answer_for_each_other() {
    let node = node();
    for interface in node.iter() {
        assert_eq!(node.index(&interface.name), Some(interface.index));
        assert_eq!(node.name(interface.index), Some(&interface.name));
    }
    assert_eq!(node.host_ends().count(), 1);
    assert_eq!(node.name(77), None);
}
