//! What is planned, from small pictures of inputs.

use std::collections::{BTreeMap, BTreeSet};

use ::bgp::config::{Origination, Source};
use ::bgp::rib::Hop;
use datastore::WorkloadEndpoint;
use ipnetwork::IpNetwork;
use policy::program::EndpointId;

use super::desired::{NextHop, Route, Routes};
use super::{bgp, links, routes};
use crate::inputs::{Inputs, Node, Uplink};

fn net(text: &str) -> IpNetwork {
    text.parse().expect("prefix")
}

fn inputs() -> Inputs {
    let addresses = vec!["10.255.0.1".parse().expect("v4"), "fd00:ff::1".parse().expect("v6")];
    let mut inputs = Inputs::new(Node { name: "node1".to_owned(), addresses });
    inputs.blocks = BTreeSet::from([net("10.42.0.0/26"), net("fd00:42::/122")]);
    inputs
}

fn workload(name: &str, addresses: &[&str]) -> (EndpointId, WorkloadEndpoint) {
    let id = EndpointId { namespace: "shop".to_owned(), name: name.to_owned() };
    let endpoint = WorkloadEndpoint {
        namespace: id.namespace.clone(),
        name: id.name.clone(),
        node: "node1".to_owned(),
        container_id: format!("container-{name}"),
        interface: "eth0".to_owned(),
        host_interface: format!("fab{name}"),
        mac: "02:00:00:00:00:07".to_owned(),
        addresses: addresses.iter().map(|address| address.parse().expect("address")).collect(),
        labels: BTreeMap::new(),
        netns: String::new(),
    };
    (id, endpoint)
}

fn learn(inputs: &mut Inputs, prefix: &str, next_hops: &[&str]) {
    let next_hops: Vec<_> = next_hops.iter().map(|hop| (*hop, None)).collect();
    learn_behind(inputs, prefix, &next_hops);
}

/// The same with the interfaces of unnumbered peers.
fn learn_behind(inputs: &mut Inputs, prefix: &str, next_hops: &[(&str, Option<&str>)]) {
    let hop = |(hop, interface): &(&str, Option<&str>)| Hop {
        next_hop: hop.parse().expect("next hop"),
        interface: interface.map(Into::into),
    };
    let next_hops = next_hops.iter().map(hop).collect();
    inputs.fib.update(BTreeMap::from([(net(prefix), Some(next_hops))]));
}

#[test]
fn blocks_are_blackholes_and_pods_are_behind_their_links() {
    let mut inputs = inputs();
    inputs.workloads.extend([workload("a", &["10.42.0.5", "fd00:42::5"])]);
    let planned = routes::routes(&inputs);
    assert_eq!(planned[&net("10.42.0.0/26")], Route::Blackhole);
    assert_eq!(planned[&net("fd00:42::/122")], Route::Blackhole);
    let source = Some("10.255.0.1".parse().expect("v4"));
    assert_eq!(planned[&net("10.42.0.5/32")], Route::Device { interface: "faba".to_owned(), source });
    let source = Some("fd00:ff::1".parse().expect("v6"));
    assert_eq!(planned[&net("fd00:42::5/128")], Route::Device { interface: "faba".to_owned(), source });
    assert_eq!(planned.len(), 4);
}

#[test]
fn learned_prefixes_go_by_all_their_next_hops() {
    let mut inputs = inputs();
    learn(&mut inputs, "10.42.0.64/26", &["10.1.1.0", "10.1.2.0"]);
    let hop = |text: &str| NextHop { gateway: text.parse().expect("hop"), interface: None };
    assert_eq!(
        routes::routes(&inputs)[&net("10.42.0.64/26")],
        Route::Via {
            next_hops: BTreeSet::from([hop("10.1.1.0"), hop("10.1.2.0")]),
            source: Some("10.255.0.1".parse().expect("v4")),
        }
    );
}

#[test]
fn what_is_ours_is_not_routed_away() {
    let mut inputs = inputs();
    inputs.workloads.extend([workload("a", &["10.42.0.5"])]);
    for prefix in ["10.42.0.0/26", "10.42.0.5/32", "10.255.0.1/32", "0.0.0.0/0"] {
        learn(&mut inputs, prefix, &["10.1.1.0"]);
    }
    let planned = routes::routes(&inputs);
    assert_eq!(planned[&net("10.42.0.0/26")], Route::Blackhole);
    assert!(matches!(planned[&net("10.42.0.5/32")], Route::Device { .. }));
    assert!(!planned.contains_key(&net("10.255.0.1/32")), "the node's own address is local");
    assert!(!planned.contains_key(&net("0.0.0.0/0")), "the host's default route is its own");
}

fn origination(source: Source) -> Origination {
    Origination { source, communities: BTreeSet::new() }
}

#[test]
fn behind_unnumbered_peers_it_is_the_link_that_counts() {
    let mut inputs = inputs();
    let bare = Uplink { subnets: Vec::new(), mtu: 1500, accepts_router_advertisements: false };
    inputs.uplinks.extend([("eth0".to_owned(), bare.clone()), ("eth1".to_owned(), bare)]);
    // IPv4 by IPv6 next hops (RFC 8950), and a global next hop beside the link-local one.
    let hops = [("fe80::a", Some("eth0")), ("2001:db8::b fe80::b", Some("eth1")), ("fe80::c", Some("gone"))];
    learn_behind(&mut inputs, "10.42.0.64/26", &hops);
    learn_behind(&mut inputs, "fd00:42::40/122", &hops[..2]);
    let expected = BTreeSet::from([
        NextHop { gateway: "fe80::a".parse().expect("hop"), interface: Some("eth0".to_owned()) },
        NextHop { gateway: "fe80::b".parse().expect("hop"), interface: Some("eth1".to_owned()) },
    ]);
    let planned = routes::routes(&inputs);
    for prefix in ["10.42.0.64/26", "fd00:42::40/122"] {
        let Route::Via { next_hops, .. } = &planned[&net(prefix)] else { panic!("{prefix} is not ours") };
        assert_eq!(*next_hops, expected, "{prefix}");
    }
}

#[test]
fn one_destination_is_planned_as_it_is_among_all() {
    let mut inputs = inputs();
    inputs.workloads.extend([workload("a", &["10.42.0.5"]), workload("b", &["10.42.0.5", "fd00:42::6"])]);
    inputs.blocks.insert(net("10.42.7.7/32"));
    inputs.workloads.extend([workload("c", &["10.42.7.7"])]);
    for prefix in ["10.42.0.0/26", "10.42.0.64/26", "10.255.0.1/32", "0.0.0.0/0", "fd00:42::6/128"] {
        learn(&mut inputs, prefix, &["10.1.1.0"]);
    }
    let all = routes::routes(&inputs);
    let others =
        ["10.42.0.5/32", "fd00:42::/122", "10.42.7.7/32", "10.9.9.9/32", "0.0.0.0/0", "10.255.0.1/32"];
    for prefix in all.keys().copied().chain(others.map(net)) {
        assert_eq!(routes::route_to(&inputs, &prefix).as_ref(), all.get(&prefix), "{prefix}");
    }
}

#[test]
fn only_what_the_kernel_carries_is_announced() {
    let mut inputs = inputs();
    inputs.workloads.extend([workload("a", &["10.42.0.5"]), workload("borrower", &["10.42.9.9"])]);
    let node = BTreeMap::from([
        (net("10.255.0.1/32"), origination(Source::Node)),
        (net("fd00:ff::1/128"), origination(Source::Node)),
    ]);
    assert_eq!(bgp::originate(&inputs, &Routes::new(), true), node);
    assert_eq!(bgp::originate(&inputs, &Routes::new(), false), BTreeMap::new());

    let mut carried = routes::routes(&inputs);
    carried.remove(&net("fd00:42::/122"));
    let announced = bgp::originate(&inputs, &carried, false);
    // The block that stands, and the address borrowed from another node's block; not the address inside our own.
    let block = origination(Source::Block);
    assert_eq!(
        announced,
        BTreeMap::from([(net("10.42.0.0/26"), block.clone()), (net("10.42.9.9/32"), block)])
    );
}

#[test]
fn a_block_of_one_address_is_announced_by_its_pods_route() {
    let mut inputs = inputs();
    inputs.blocks = BTreeSet::from([net("10.42.0.5/32")]);
    inputs.workloads.extend([workload("a", &["10.42.0.5"])]);
    let planned = routes::routes(&inputs);
    assert!(matches!(planned[&net("10.42.0.5/32")], Route::Device { .. }));
    let announced = BTreeMap::from([(net("10.42.0.5/32"), origination(Source::Block))]);
    assert_eq!(bgp::originate(&inputs, &planned, false), announced);
}

#[test]
fn a_next_hop_that_no_link_reaches_is_left_out_while_another_is_reached() {
    let mut inputs = inputs();
    let uplink =
        Uplink { subnets: vec![net("10.1.1.0/31")], mtu: 1500, accepts_router_advertisements: false };
    inputs.uplinks.insert("tor1".to_owned(), uplink);
    learn(&mut inputs, "10.42.0.64/26", &["10.1.1.0", "192.0.2.9"]);
    learn(&mut inputs, "10.42.0.128/26", &["192.0.2.9"]);
    let planned = routes::routes(&inputs);
    let gateways = |prefix: &str| match &planned[&net(prefix)] {
        Route::Via { next_hops, .. } => {
            next_hops.iter().map(|hop| hop.gateway.to_string()).collect::<Vec<_>>()
        }
        Route::Device { .. } | Route::Blackhole => panic!("{prefix} is not ours"),
    };
    assert_eq!(gateways("10.42.0.64/26"), ["10.1.1.0"]);
    // Nothing better is known: let the kernel say why not.
    assert_eq!(gateways("10.42.0.128/26"), ["192.0.2.9"]);
}

#[test]
fn links_open_with_a_gateway_where_there_is_ipv6() {
    let mut inputs = inputs();
    inputs.workloads.extend([workload("a", &["10.42.0.5", "fd00:42::5"]), workload("b", &["10.42.0.6"])]);
    let planned = links::links(&inputs);
    assert!(planned["faba"].up && planned["fabb"].up);
    assert!(planned["faba"].gateway_v6.is_some());
    assert!(planned["fabb"].gateway_v6.is_none());
    let mac = [2, 0, 0, 0, 0, 7];
    assert_eq!(links::neighbours(&inputs)[&("faba".to_owned(), "fd00:42::5".parse().expect("v6"))], mac);
}

#[test]
fn a_mac_is_six_octets() {
    assert_eq!(links::parse_mac("02:00:00:00:00:07"), Some([2, 0, 0, 0, 0, 7]));
    for wrong in ["", "02:00:00:00:00", "02:00:00:00:00:07:08", "02:00:00:00:00:zz"] {
        assert_eq!(links::parse_mac(wrong), None, "{wrong}");
    }
}
