//! A fabric without agents: every node reaches every router over both families, and the kernel is read right.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // A test's helpers are tests too.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use integration::eventually::eventually;
use integration::kernel;
use integration::lab::Lab;
use integration::probe::sequence::Report;
use integration::probe::tcp::{self, Outcome, Server};
use integration::probe::udp::{Flow, Pace};
use integration::topology::{Fabric, addresses};
use integration::tor::Kind;
use ipnetwork::IpNetwork;

const PATIENCE: Duration = Duration::from_secs(20);

/// So many that each router carries some, however they are hashed.
const FLOWS: u16 = 64;

#[test]
fn every_node_has_a_link_to_every_router() {
    let fabric = Fabric::build(Lab::new("test").unwrap(), &[Kind::Bird, Kind::Frr], 3).unwrap();
    assert_eq!((fabric.tors.len(), fabric.nodes.len()), (2, 3));
    for (t, tor) in (1..).zip(&fabric.tors) {
        let listener = tor.namespace().run(|| TcpListener::bind("[::]:8080")).unwrap().unwrap();
        let _server = Server::start(listener).unwrap();
        for (n, node) in (1..).zip(&fabric.nodes) {
            let ends = addresses::link(t, n);
            for (near, far) in ends.node.into_iter().zip(ends.tor) {
                let to = SocketAddr::new(far.ip(), 8080);
                let outcome = node.namespace().run(|| tcp::connect(to, PATIENCE)).unwrap().unwrap();
                let Outcome::Connected { seen_as, .. } = outcome else {
                    panic!("{} to {to}: {outcome:?}", node.name())
                };
                assert_eq!(seen_as.ip(), near.ip());
            }
        }
    }
}

#[test]
fn the_kernels_next_hops_are_read_however_they_were_set() {
    let fabric = Fabric::build(Lab::new("test").unwrap(), &[Kind::Bird, Kind::Bird], 1).unwrap();
    let node = fabric.nodes[0].namespace();
    let both: BTreeSet<IpAddr> = ["10.1.1.0", "10.1.2.0"].map(|gateway| gateway.parse().unwrap()).into();
    let hops = ["nexthop", "via", "10.1.1.0", "nexthop", "via", "10.1.2.0"];
    node.output("ip", &[&["route", "add", "192.0.2.0/26"], &hops[..]].concat()).unwrap();
    node.output("ip", &["nexthop", "add", "id", "1", "via", "10.1.1.0", "dev", "tor1"]).unwrap();
    node.output("ip", &["nexthop", "add", "id", "2", "via", "10.1.2.0", "dev", "tor2"]).unwrap();
    node.output("ip", &["nexthop", "add", "id", "3", "group", "1/2"]).unwrap();
    node.output("ip", &["route", "add", "198.51.100.0/26", "nhid", "3"]).unwrap();
    let gateways = |prefix: &str| kernel::gateways(node, prefix.parse::<IpNetwork>().unwrap()).unwrap();
    for compatible in ["1", "0"] {
        node.set_sysctl("net/ipv4/nexthop_compat_mode", compatible).unwrap();
        assert_eq!(gateways("192.0.2.0/26"), both);
        assert_eq!(gateways("198.51.100.0/26"), both, "nexthop_compat_mode={compatible}");
        assert!(gateways("203.0.113.0/26").is_empty());
    }
    assert!(kernel::received_packets(fabric.tors[0].namespace()).unwrap() > 0, "BGP's attempts, at least");
}

/// Flows from the first node's own address to the second's, from different ports.
fn flows(fabric: &Fabric, count: u16) -> Vec<Flow> {
    let [near, far] = [1, 2].map(|n| addresses::node_loopbacks(n)[0].ip());
    let socket = |n: usize, address, port| {
        fabric.nodes[n].namespace().run(|| UdpSocket::bind((address, port))).unwrap().unwrap()
    };
    let flow = |port| {
        let destination = SocketAddr::new(far, port);
        Flow::one_way(socket(0, near, 0), socket(1, far, port), destination, Pace::per_second(50)).unwrap()
    };
    (9_000..9_000 + count).map(flow).collect()
}

fn finish(flows: Vec<Flow>) -> Report {
    flows.iter().for_each(Flow::stop);
    flows.into_iter().map(|flow| flow.finish().unwrap()).fold(Report::default(), Report::and)
}

/// What the kernel does by itself when a router goes: the least that a fabric with agents has to match.
///
/// With next hop objects, that is: of a plain IPv4 multipath route the kernel drops all next hops as soon as one of their
/// devices is unregistered (`fib_sync_down_dev` in net/ipv4/fib_semantics.c).
#[test]
fn flows_over_a_router_without_power_move_to_the_other() {
    let mut fabric = Fabric::build(Lab::new("test").unwrap(), &[Kind::Bird, Kind::Frr], 2).unwrap();
    let far = addresses::node_loopbacks(2)[0].to_string();
    let node = fabric.nodes[0].namespace();
    node.output("ip", &["nexthop", "add", "id", "1", "via", "10.1.1.0", "dev", "tor1"]).unwrap();
    node.output("ip", &["nexthop", "add", "id", "2", "via", "10.1.2.0", "dev", "tor2"]).unwrap();
    node.output("ip", &["nexthop", "add", "id", "3", "group", "1/2"]).unwrap();
    node.output("ip", &["route", "add", &far, "nhid", "3"]).unwrap();
    for (t, tor) in (1..).zip(&fabric.tors) {
        let via = addresses::link(t, 2).node[0].ip().to_string();
        tor.namespace().output("ip", &["route", "add", &far, "via", &via]).unwrap();
    }

    let running = flows(&fabric, FLOWS);
    let arrived = |at_least: u64| {
        eventually("packets have arrived", PATIENCE, || {
            let received: u64 = running.iter().map(|flow| flow.progress().1).sum();
            anyhow::ensure!(received >= at_least, "{received}");
            Ok(received)
        })
        .unwrap()
    };
    let before = arrived(1_000);
    for tor in &fabric.tors {
        let carried = kernel::received_packets(tor.namespace()).unwrap();
        assert!(carried > 100, "both routers carry flows: {} has seen {carried} packets", tor.spec().name);
    }
    fabric.tors[0].pull_the_plug().unwrap();
    arrived(before + 1_000);
    let report = finish(running);
    println!("{report:?}");
    assert!(report.lost < report.sent / 4, "{report:?}");

    let report = finish_after(flows(&fabric, FLOWS), 1_000);
    assert_eq!(report.lost, 0, "over the router that is left: {report:?}");
}

fn finish_after(flows: Vec<Flow>, received: u64) -> Report {
    eventually("packets have arrived", PATIENCE, || {
        anyhow::ensure!(flows.iter().map(|flow| flow.progress().1).sum::<u64>() >= received);
        Ok(())
    })
    .unwrap();
    finish(flows)
}
