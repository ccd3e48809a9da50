//! A fabric of 5,000 nodes under two tiers of route reflectors, in one process, on virtual wires: how long it takes to
//! converge, in the fabric's time and in this machine's, and what a speaker takes.
//!
//! `cargo bench -p bgp --bench reflectors -- [nodes]`. The fabric's time counts what the protocol waits for (each
//! message travels 1 ms), not what computing takes: this machine's time divided by the nodes is about that.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the harness of the tests, and a program that prints"
)]

#[path = "../tests/fabric/dice.rs"]
mod dice;
#[path = "../tests/fabric/network.rs"]
mod network;
#[path = "../tests/fabric/node.rs"]
mod node;
#[path = "../tests/fabric/topology.rs"]
mod topology;

use std::time::{Duration, Instant};

use bgp::speaker::{RouteQuery, Table, view::Match};
use network::Network;
use topology::Topology;

const TOP: usize = 4;
/// Nodes of a rack, its two reflectors among them.
const RACK: usize = 100;
/// How exactly the fabric's time is told.
const STEP: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(600);

fn main() {
    let nodes = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(5000);
    let racks = (nodes - TOP).div_ceil(RACK).max(1);
    let topology = Topology::reflectors(TOP, racks, RACK - 2, false, false);
    let nodes = topology.nodes();
    println!("{nodes} nodes, {TOP} top reflectors, {racks} racks, {} sessions", topology.sessions.len());

    let mut network = Network::new(nodes);
    network.record = false;
    let empty = resident();
    measure(&mut network, "all start, each with a prefix, until all have all", |network| {
        for node in 0..nodes {
            let mut config = topology.config(node);
            // The simulation's own forwarding tables would take more than the speakers.
            config.forwarding = false;
            network.start(node, config);
            network.originate(node, &[&block(node)]);
        }
        move |network: &Network| (0..nodes).all(|node| destinations(network, node) == nodes)
    });
    let speaker = (resident() - empty) / nodes;
    println!("  memory: {} kB a speaker, with its part of the wires, for {nodes} routes", speaker / 1024);

    // What comes late in the handshake is over before the next measurements.
    network.seconds(60);
    let (leaf, far) = (TOP + 2, nodes - 1);
    measure(&mut network, "one node announces one prefix more, until all have it", |network| {
        network.originate(leaf, &[&block(leaf), "192.0.2.0/24"]);
        move |network: &Network| (0..nodes).all(|node| destinations(network, node) == nodes + 1)
    });
    measure(&mut network, "it withdraws it, until nobody has it", |network| {
        network.originate(leaf, &[&block(leaf)]);
        move |network: &Network| (0..nodes).all(|node| destinations(network, node) == nodes)
    });
    measure(&mut network, "its rack loses a reflector for good, until nobody uses it", |network| {
        network.kill(TOP);
        move |network: &Network| {
            destinations(network, far) == nodes - 1 && destinations(network, leaf) == nodes - 1
        }
    });
    assert_eq!(routes(&network, far, &block(leaf)), 2, "over both reflectors of its own rack");
}

/// Does something and runs the fabric until it shows everywhere.
fn measure<D>(network: &mut Network, what: &str, begin: impl FnOnce(&mut Network) -> D)
where
    D: Fn(&Network) -> bool,
{
    let (began, virtually, messages) = (Instant::now(), network.now, network.messages);
    let done = begin(network);
    while !done(network) {
        network.run(STEP);
        assert!(network.now - virtually < LONGEST, "{what}: not within {LONGEST:?}");
    }
    println!(
        "{what}: {:.2} s of the fabric, {:.2} s of this machine, {} messages",
        (network.now - virtually).as_secs_f64(),
        began.elapsed().as_secs_f64(),
        network.messages - messages,
    );
}

fn block(node: usize) -> String {
    format!("172.{}.{}.0/24", 16 + node / 256, node % 256)
}

/// Prefixes that a node knows; none for one that does not run, which nobody waits for.
fn destinations(network: &Network, node: usize) -> usize {
    let speaker = network.nodes[node].speaker.as_ref();
    speaker.map_or(0, |speaker| speaker.view(network.now).sizes.destinations[0])
}

fn routes(network: &Network, node: usize, text: &str) -> usize {
    let query = RouteQuery {
        table: Table::LocRib,
        peer: None,
        family: None,
        prefix: Some((network::prefix(text), Match::Exact)),
        rejected: false,
        limit: 1,
    };
    network.speaker(node).routes(&query, network.now).iter().map(|route| route.paths.len()).sum()
}

/// Octets of memory in use (proc_pid_statm(5)).
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap() * 4096
}
