//! A fabric without agents: every node reaches every router over both families, and the kernel is read right.

#![allow(clippy::unwrap_used, clippy::panic)] // A test's helpers are tests too.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

use integration::kernel;
use integration::lab::Lab;
use integration::probe::tcp::{self, Outcome, Server};
use integration::topology::{Fabric, addresses};
use integration::tor::Kind;
use ipnetwork::IpNetwork;

const PATIENCE: Duration = Duration::from_secs(20);

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
