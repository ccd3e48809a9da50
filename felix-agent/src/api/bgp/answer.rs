//! What the speaker says, as messages.

use std::collections::BTreeSet;
use std::time::Duration;

use ::bgp::speaker::view::{FamilyView, PathView, PeerView, RouteView, Table};
use ::bgp::wire::Attributes;
use ipnetwork::IpNetwork;
use proto::v1;

pub(super) fn peer(peer: PeerView) -> v1::Peer {
    let counters = peer.counters;
    v1::Peer {
        address: text(peer.address),
        remote_as: peer.remote_as.unwrap_or_default(),
        state: peer.state.to_string(),
        state_age_ms: milliseconds(peer.state_age),
        last_down_reason: peer.last_down_reason,
        peer_router_id: text(peer.router_id),
        hold_time_secs: seconds(peer.hold_time),
        keepalive_secs: seconds(peer.keepalive),
        capabilities: peer.capabilities,
        families: peer.families.into_iter().map(family).collect(),
        messages_received: counters.messages_received,
        messages_sent: counters.messages_sent,
        updates_received: counters.updates_received,
        updates_sent: counters.updates_sent,
        flaps: counters.flaps,
        description: peer.description,
        stale: peer.stale,
        name: peer.key.to_string(),
        interface: peer.interface.unwrap_or_default(),
        dynamic: peer.dynamic,
        local_as: peer.local_as,
        route_reflector_client: peer.route_reflector_client,
        shutdown: peer.shutdown.is_some(),
        shutdown_message: peer.shutdown.unwrap_or_default(),
        last_down_age_ms: peer.last_down_age.map(milliseconds),
        hold_remaining_ms: peer.hold_remaining.map(milliseconds),
        retry_in_ms: peer.retry_in.map(milliseconds),
        role: text(peer.role),
        notifications_received: counters.notifications_received,
        notifications_sent: counters.notifications_sent,
        refreshes_received: counters.refreshes_received,
        octets_sent: counters.octets_sent,
        update_errors: counters.update_errors,
        bfd: text(peer.bfd),
    }
}

fn family(family: FamilyView) -> v1::PeerFamily {
    v1::PeerFamily {
        family: family.family.to_string(),
        received: family.received,
        accepted: family.accepted,
        advertised: family.advertised,
        end_of_rib_received: family.end_of_rib_received,
        negotiated: family.negotiated,
        rejected: family.rejected,
        stale: family.stale,
        limit: family.limit,
        no_next_hop: family.no_next_hop,
        no_import_policy: family.no_import_policy,
        no_export_policy: family.no_export_policy,
    }
}

pub(super) fn route(route: RouteView, table: Table, installed: &BTreeSet<IpNetwork>) -> v1::Route {
    v1::Route {
        prefix: route.prefix.to_string(),
        installed: table == Table::LocRib && installed.contains(&route.prefix),
        paths: route.paths.into_iter().map(path).collect(),
    }
}

pub(super) fn path(path: PathView) -> v1::Path {
    let Attributes {
        origin,
        as_path,
        med,
        local_pref,
        atomic_aggregate,
        aggregator,
        communities,
        extended_communities,
        large_communities,
        originator_id,
        cluster_list,
        only_to_customer,
        unknown_transitive,
    } = path.attributes;
    v1::Path {
        peer: text(path.peer),
        next_hop: text(path.next_hop),
        as_path: as_path.to_string(),
        origin: origin.to_string(),
        local_pref,
        med,
        communities: texts(communities),
        best: path.best,
        multipath: path.multipath,
        stale: path.stale,
        reason: path.reason,
        age_ms: milliseconds(path.age),
        large_communities: texts(large_communities),
        extended_communities: texts(extended_communities),
        originator_id: text(originator_id),
        cluster_list: texts(cluster_list),
        path_id: path.path_id,
        aggregator: aggregator.map_or(String::new(), |(asn, router)| format!("{asn} {router}")),
        atomic_aggregate,
        only_to_customer,
        unusable: path.unusable,
        unknown_attributes: unknown_transitive.iter().map(|attribute| attribute.code.into()).collect(),
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn texts(values: Vec<impl ToString>) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
