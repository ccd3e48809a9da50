//! Which routes: local pods, own blocks, learned prefixes.
//!
//! Precedence where destinations are equal: a pod of this node, then a block of this node, then what was learned.
//! A default route is not taken from BGP: the host's own way out is not ours to change.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ::bgp::rib::{Hop, Hops};
use ::bgp::wire::NextHop as WireNextHop;
use ipnetwork::IpNetwork;

use super::desired::{NextHop, Route, Routes};
use crate::inputs::Inputs;

/// Every route that this node should have under our protocol number.
#[must_use]
pub fn routes(inputs: &Inputs) -> Routes {
    let mut routes = learned(inputs);
    // A block of ours is ours even if a neighbour claims it; the node's own addresses are local and need no route.
    for block in &inputs.blocks {
        routes.insert(*block, Route::Blackhole);
    }
    for address in &inputs.node.addresses {
        routes.remove(&IpNetwork::from(*address));
    }
    for workload in inputs.workloads.values() {
        for address in &workload.addresses {
            let route = Route::Device {
                interface: workload.host_interface.clone(),
                source: inputs.node.source_for(*address),
            };
            routes.insert(IpNetwork::from(*address), route);
        }
    }
    routes
}

/// The same for one destination: what [`routes`] has there.
#[must_use]
pub fn route_to(inputs: &Inputs, prefix: &IpNetwork) -> Option<Route> {
    let is_it = |address: &IpAddr| IpNetwork::from(*address) == *prefix;
    // Of two that claim an address the last one counts, as above.
    let mut workloads = inputs.workloads.values().rev();
    if let Some(workload) = workloads.find(|workload| workload.addresses.iter().any(is_it)) {
        let source = inputs.node.source_for(prefix.ip());
        return Some(Route::Device { interface: workload.host_interface.clone(), source });
    }
    if inputs.node.addresses.iter().any(is_it) {
        return None;
    }
    if inputs.blocks.contains(prefix) {
        return Some(Route::Blackhole);
    }
    inputs.fib.paths.get(prefix).and_then(|hops| learn(inputs, prefix, hops))
}

fn learned(inputs: &Inputs) -> Routes {
    let paths = inputs.fib.paths.iter();
    paths.filter_map(|(prefix, hops)| learn(inputs, prefix, hops).map(|route| (*prefix, route))).collect()
}

fn learn(inputs: &Inputs, prefix: &IpNetwork, hops: &Hops) -> Option<Route> {
    if prefix.prefix() == 0 {
        return None;
    }
    let next_hops = usable(inputs, hops);
    let source = inputs.node.source_for(prefix.ip());
    (!next_hops.is_empty()).then_some(Route::Via { next_hops, source })
}

/// The next hops that a link of ours reaches: the kernel refuses a route for the sake of a single other one. If none is,
/// all are kept, so that the refusal shows.
fn usable(inputs: &Inputs, hops: &Hops) -> BTreeSet<NextHop> {
    let is_reached = |hop: &&NextHop| match &hop.interface {
        Some(interface) => inputs.uplinks.contains_key(interface),
        None => {
            let mut subnets = inputs.uplinks.values().flat_map(|uplink| &uplink.subnets);
            subnets.any(|subnet| subnet.contains(hop.gateway))
        }
    };
    let all: BTreeSet<NextHop> = hops.iter().map(via).collect();
    let reached: BTreeSet<NextHop> = all.iter().filter(is_reached).cloned().collect();
    if reached.is_empty() { all } else { reached }
}

/// Behind an unnumbered peer the link-local address is on the link for certain; a global one beside it need not be.
fn via(hop: &Hop) -> NextHop {
    let interface = hop.interface.as_ref().map(|name| name.to_string());
    let link_local = match hop.next_hop {
        WireNextHop::V6 { link_local, .. } if interface.is_some() => link_local.map(IpAddr::V6),
        WireNextHop::V6 { .. } | WireNextHop::V4(_) => None,
    };
    NextHop { gateway: link_local.unwrap_or_else(|| hop.next_hop.address()), interface }
}
