use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use netlink_packet_core::{Emitable, Parseable};
use netlink_packet_route::route::RouteMessage;
use proptest::prelude::*;

use super::{RouteError, message};
use crate::dataplane::netlink::{Interface, Interfaces};
use crate::plan::desired::{NextHop, Route};

const NAMES: [&str; 3] = ["eth0", "eth1", "fabaaaaaaaaaaaa"];

fn interfaces() -> Interfaces {
    (1_u32..)
        .zip(NAMES)
        .map(|(index, name)| Interface {
            name: name.into(),
            index,
            peer: None,
            up: true,
            carrier: true,
            loopback: false,
            mtu: 1500,
            mac: None,
            addresses: Vec::new(),
        })
        .collect()
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

fn v4() -> impl Strategy<Value = IpAddr> {
    any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into())
}

fn v6() -> impl Strategy<Value = IpAddr> {
    any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits >> 3 | 1 << 125).into())
}

fn next_hop(gateway: impl Strategy<Value = IpAddr>) -> impl Strategy<Value = NextHop> {
    (gateway, prop::option::of(name())).prop_map(|(gateway, interface)| NextHop { gateway, interface })
}

fn link_local_hop() -> impl Strategy<Value = NextHop> {
    (any::<u64>(), name()).prop_map(|(bits, interface)| NextHop {
        gateway: Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(bits)).into(),
        interface: Some(interface),
    })
}

fn route(v6_destination: bool) -> impl Strategy<Value = Route> {
    let gateway = if v6_destination { v6().boxed() } else { v4().boxed() };
    let source = if v6_destination { v6().boxed() } else { v4().boxed() };
    let source = prop::option::of(source);
    // An IPv4 destination may be behind an IPv6 next hop (RFC 8950).
    let hop = prop_oneof![3 => next_hop(gateway), 1 => link_local_hop(), 1 => next_hop(v6())];
    prop_oneof![
        Just(Route::Blackhole),
        (name(), source.clone()).prop_map(|(interface, source)| Route::Device { interface, source }),
        (prop::collection::btree_set(hop, 1..5), source)
            .prop_map(|(next_hops, source)| Route::Via { next_hops, source }),
    ]
}

fn entry() -> impl Strategy<Value = (IpNetwork, Route)> {
    let v4 = (any::<u32>(), 0_u8..=32).prop_map(|(bits, prefix)| {
        let raw = Ipv4Network::new(Ipv4Addr::from_bits(bits), prefix).unwrap();
        IpNetwork::new(raw.network().into(), prefix).unwrap()
    });
    let v6 = (any::<u128>(), 0_u8..=128).prop_map(|(bits, prefix)| {
        let raw = Ipv6Network::new(Ipv6Addr::from_bits(bits), prefix).unwrap();
        IpNetwork::new(raw.network().into(), prefix).unwrap()
    });
    prop_oneof![(v4, route(false)), (v6, route(true))]
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same((destination, route) in entry()) {
        let encoded = message::encode(destination, &route, &interfaces()).unwrap();
        let mut bytes = vec![0; encoded.buffer_len()];
        encoded.emit(&mut bytes);
        let parsed = RouteMessage::parse(bytes.as_slice()).unwrap();
        prop_assert_eq!(message::decode(&parsed, &interfaces()), Some((destination, route)));
    }

    #[test]
    fn another_protocols_route_is_not_ours((destination, route) in entry(), protocol in any::<u8>()) {
        let mut encoded = message::encode(destination, &route, &interfaces()).unwrap();
        encoded.header.protocol = protocol.into();
        let ours = protocol == super::ROUTE_PROTOCOL;
        prop_assert_eq!(message::decode(&encoded, &interfaces()).is_some(), ours);
        prop_assert_eq!(message::decode_identity(&encoded), Some((destination, ours)));
        prop_assert_eq!(message::decode_occupant(&encoded), Some((destination, protocol)));
    }
}

fn via(hops: &[(&str, Option<&str>)]) -> Route {
    let next_hops = hops
        .iter()
        .map(|(gateway, interface)| NextHop {
            gateway: gateway.parse().unwrap(),
            interface: interface.map(str::to_owned),
        })
        .collect();
    Route::Via { next_hops, source: None }
}

#[test]
fn a_plan_without_meaning_is_refused_before_the_kernel_sees_it() {
    let cases = [
        ("10.0.0.1/24", Route::Blackhole, "host bits"),
        ("10.0.0.0/24", Route::Via { next_hops: BTreeSet::new(), source: None }, "no next hop"),
        ("fd00::/64", via(&[("192.0.2.1", None)]), "IPv4 gateway"),
        ("fd00::/64", via(&[("fe80::1", None)]), "without its interface"),
        (
            "10.0.0.1/32",
            Route::Device { interface: "eth0".into(), source: Some("fd00::1".parse().unwrap()) },
            "address family",
        ),
    ];
    for (destination, route, reason) in cases {
        let error = message::encode(destination.parse().unwrap(), &route, &interfaces()).unwrap_err();
        assert!(matches!(error, RouteError::Meaningless(_)), "{destination}: {error}");
        assert!(error.to_string().contains(reason), "{destination}: {error}");
    }
}

#[test]
fn an_interface_that_is_not_there_yet_is_worth_waiting_for() {
    let route = via(&[("fe80::1", Some("eth9"))]);
    let error = message::encode("fd00::/64".parse().unwrap(), &route, &interfaces()).unwrap_err();
    assert!(matches!(&error, RouteError::InterfaceMissing { interface } if interface == "eth9"));
}
