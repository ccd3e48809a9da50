//! Which routes: local pods, own blocks, learned prefixes.
//!
//! Precedence where destinations are equal: a pod of this node, then a block of this node, then what was learned.
//! A default route is not taken from BGP: the host's own way out is not ours to change.

use std::collections::BTreeSet;

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

fn learned(inputs: &Inputs) -> Routes {
    inputs
        .fib
        .paths
        .iter()
        .filter(|(prefix, _)| prefix.prefix() != 0)
        .filter_map(|(prefix, next_hops)| {
            let next_hops = usable(inputs, next_hops);
            let source = inputs.node.source_for(prefix.ip());
            (!next_hops.is_empty()).then_some((*prefix, Route::Via { next_hops, source }))
        })
        .collect()
}

/// The next hops that a link of ours reaches: the kernel refuses a route for the sake of a single other one. If none is,
/// all are kept, so that the refusal shows.
fn usable(inputs: &Inputs, next_hops: &BTreeSet<WireNextHop>) -> BTreeSet<NextHop> {
    let is_reached = |hop: &&WireNextHop| {
        let mut subnets = inputs.uplinks.values().flat_map(|uplink| &uplink.subnets);
        subnets.any(|subnet| subnet.contains(hop.address()))
    };
    let reached: BTreeSet<NextHop> = next_hops.iter().filter(is_reached).map(via).collect();
    if reached.is_empty() { next_hops.iter().map(via).collect() } else { reached }
}

fn via(hop: &WireNextHop) -> NextHop {
    NextHop { gateway: hop.address(), interface: None }
}
