//! Which prefixes this node originates, and the speaker's configuration.
//!
//! Only what the kernel already carries is announced: a block once its blackhole route stands (packets for addresses
//! that nobody owns end here), an address borrowed from another node's block once its own route stands. The node's own
//! addresses are always carried.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use ::bgp::config as speaker;
use ipnetwork::IpNetwork;

use super::desired::{Route, Routes};
use crate::config::{self, Config};
use crate::inputs::Inputs;

mod filter;
mod peer;
#[cfg(test)]
mod tests;

/// Filters of the speaker, by name: each is made once, however many peers use it.
type Filters = BTreeMap<String, Arc<::bgp::filter::Filter>>;

/// The prefixes to originate, given the routes that are in the kernel.
#[must_use]
pub fn originate(
    inputs: &Inputs,
    carried: &Routes,
    advertise_node_addresses: bool,
) -> BTreeMap<IpNetwork, speaker::Origination> {
    let own = |prefix: &IpNetwork| inputs.blocks.iter().any(|block| block.contains(prefix.ip()));
    let origination = |source| speaker::Origination { source, communities: BTreeSet::new() };
    let mut prefixes: BTreeMap<IpNetwork, speaker::Origination> = carried
        .iter()
        .filter(|(prefix, route)| match route {
            Route::Blackhole => inputs.blocks.contains(*prefix),
            // A block of one address is that pod's.
            Route::Device { .. } => !own(prefix) || inputs.blocks.contains(*prefix),
            Route::Via { .. } => false,
        })
        .map(|(prefix, _)| (*prefix, origination(speaker::Source::Block)))
        .collect();
    if advertise_node_addresses {
        let addresses = inputs.node.addresses.iter().copied().map(IpNetwork::from);
        prefixes.extend(addresses.map(|address| (address, origination(speaker::Source::Node))));
    }
    prefixes
}

/// The speaker's configuration. `restarting`: an earlier life's routes are still in the kernel.
#[must_use]
pub fn speaker(config: &Config, restarting: bool) -> speaker::Config {
    let bgp = &config.bgp;
    let filters: Filters = bgp
        .filters
        .iter()
        .map(|(name, written)| (name.clone(), Arc::new(filter::compile(name, written, bgp.local_as))))
        .collect();
    let neighbour = |written: &config::Peer| peer::compile(written, &filters);
    let peers = bgp.peers.iter().filter_map(|peer| peer.key().map(|key| (key, neighbour(peer)))).collect();
    let ranges = bgp.listen_ranges.iter().map(|range| speaker::ListenRange {
        network: range.network,
        limit: range.limit,
        peer: speaker::PeerConfig { passive: true, ..neighbour(&range.peer) },
    });
    let limit = |own: Option<u16>| usize::from(own.unwrap_or(bgp.multipath_limit));
    speaker::Config {
        local_as: bgp.local_as,
        router_id: config.router_id().unwrap_or(Ipv4Addr::UNSPECIFIED),
        cluster_id: bgp.cluster_id,
        client_to_client_reflection: bgp.client_to_client_reflection,
        peers,
        listen_ranges: ranges.collect(),
        graceful_restart: graceful_restart(&bgp.graceful_restart, restarting),
        multipath: speaker::Multipath {
            external: limit(bgp.multipath.external),
            internal: limit(bgp.multipath.internal),
            relaxed_as_path: bgp.multipath.relaxed_as_path,
        },
        aggregates: bgp
            .aggregates
            .iter()
            .map(|aggregate| (aggregate.prefix, speaker::Aggregate { summary_only: aggregate.summary_only }))
            .collect(),
        graceful_shutdown: bgp.graceful_shutdown,
        forwarding: true,
        monitoring: !bgp.bmp.collectors.is_empty(),
    }
}

fn graceful_restart(written: &config::bgp::GracefulRestart, restarting: bool) -> speaker::GracefulRestart {
    let seconds = |seconds: u16| Duration::from_secs(seconds.into());
    speaker::GracefulRestart {
        enabled: written.enabled,
        restart_time: seconds(written.restart_time_secs),
        restarting: restarting && written.enabled,
        deferral_time: seconds(written.deferral_time_secs),
        stale_time: seconds(written.stale_time_secs),
        notification: written.notification,
    }
}
