//! Which prefixes this node originates, and the speaker's configuration.
//!
//! Only what the kernel already carries is announced: a block once its blackhole route stands (packets for addresses
//! that nobody owns end here), an address borrowed from another node's block once its own route stands. The node's own
//! addresses are always carried.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use ::bgp::config as speaker;
use ::bgp::wire::Family;
use ipnetwork::IpNetwork;

use super::desired::{Route, Routes};
use crate::config::{self, Config};
use crate::inputs::Inputs;

/// The prefixes to originate, given the routes that are in the kernel.
#[must_use]
pub fn originate(inputs: &Inputs, carried: &Routes, advertise_node_addresses: bool) -> BTreeSet<IpNetwork> {
    let own = |prefix: &IpNetwork| inputs.blocks.iter().any(|block| block.contains(prefix.ip()));
    let mut prefixes: BTreeSet<IpNetwork> = carried
        .iter()
        .filter(|(prefix, route)| match route {
            Route::Blackhole => inputs.blocks.contains(*prefix),
            // A block of one address is that pod's.
            Route::Device { .. } => !own(prefix) || inputs.blocks.contains(*prefix),
            Route::Via { .. } => false,
        })
        .map(|(prefix, _)| *prefix)
        .collect();
    if advertise_node_addresses {
        prefixes.extend(inputs.node.addresses.iter().copied().map(IpNetwork::from));
    }
    prefixes
}

/// The speaker's configuration. `restarting`: an earlier life's routes are still in the kernel.
#[must_use]
pub fn speaker(config: &Config, restarting: bool) -> speaker::Config {
    let restart = &config.bgp.graceful_restart;
    speaker::Config {
        local_as: config.bgp.local_as,
        router_id: config.router_id().unwrap_or(Ipv4Addr::UNSPECIFIED),
        peers: config
            .bgp
            .peers
            .iter()
            .map(|peer| (peer.address, neighbour(peer)))
            .collect::<BTreeMap<_, _>>(),
        graceful_restart: speaker::GracefulRestart {
            enabled: restart.enabled,
            restart_time: Duration::from_secs(restart.restart_time_secs.into()),
            restarting: restarting && restart.enabled,
            deferral_time: Duration::from_secs(restart.deferral_time_secs.into()),
        },
        multipath_limit: config.bgp.multipath_limit.into(),
    }
}

fn neighbour(peer: &config::Peer) -> speaker::PeerConfig {
    speaker::PeerConfig {
        remote_as: peer.remote_as,
        port: peer.port,
        local_address: peer.local_address,
        hold_time: Duration::from_secs(peer.hold_time_secs.into()),
        connect_retry: Duration::from_secs(peer.connect_retry_secs.into()),
        passive: peer.passive,
        ttl: peer.ttl,
        families: peer.families.iter().map(|family| self::family(*family)).collect(),
        export: match peer.export {
            config::Export::Originated => speaker::Export::Originated,
            config::Export::All => speaker::Export::All,
        },
        next_hop_self: peer.next_hop_self,
        description: peer.description.clone(),
    }
}

fn family(family: config::Family) -> Family {
    match family {
        config::Family::Ipv4Unicast => Family::Ipv4Unicast,
        config::Family::Ipv6Unicast => Family::Ipv6Unicast,
    }
}
