//! Counters for Prometheus: what the speaker, the kernel side, the loop and the allocator say of themselves, as text.
//!
//! Nothing is counted here. Each scrape takes one [`View`] of the speaker, the [`Counters`] beside it and the newest
//! [`Status`], and writes them out; that is why no client library keeps registries of counters of its own. Labels are a
//! peer's name, a collector's address, an address family, a pool's name and a few fixed words: as many series as there
//! are peers, collectors and pools, never one a route or address.

use ::bgp::bfd::State as BfdState;
use ::bgp::net::{Counters, bfd, bmp};
use ::bgp::session::State;
use ::bgp::speaker::view::{FamilyView, PeerView, View};

use crate::agent::Status;
use crate::agent::meter::{BOUNDS_MS, Meter};

pub mod exposition;
pub mod ipam;
pub mod server;
#[cfg(test)]
mod tests;

use exposition::{Exposition, Kind};

/// Everything; without a speaker (BGP does not run yet) only what is known without it.
#[must_use]
pub fn render(status: &Status, running: Option<&(View, Counters)>, addresses: &ipam::View<'_>) -> String {
    let mut out = Exposition::default();
    agent(&mut out, status);
    meter(&mut out, &status.meter);
    ipam::render(&mut out, addresses);
    if let Some((view, counters)) = running {
        speaker(&mut out, view);
        sessions(&mut out, &view.peers);
        messages(&mut out, &view.peers);
        prefixes(&mut out, &view.peers);
        datagrams(&mut out, &counters.bfd);
        collectors(&mut out, &counters.collectors);
    }
    out.finish()
}

fn agent(out: &mut Exposition, status: &Status) {
    out.family("fabric_agent_info", Kind::Gauge, "The agent's version and node.");
    out.sample("", &[("version", env!("CARGO_PKG_VERSION")), ("node", &status.node)], 1);
    out.family("fabric_agent_uptime_seconds", Kind::Gauge, "Since the process began.");
    out.sample("", &[], status.started.elapsed().as_secs_f64());
    out.family("fabric_agent_ready", Kind::Gauge, "1 while pods can be attached here and reached.");
    out.sample("", &[], u64::from(status.ready));
    out.family("fabric_agent_problems", Kind::Gauge, "Things that are not as they should be.");
    out.sample("", &[], status.problems.len() as u64);
    out.family("fabric_agent_endpoints", Kind::Gauge, "Pods attached to this node.");
    out.sample("", &[], status.endpoints.len() as u64);
    let (policies, faulty) = status.policies;
    out.family("fabric_policy_policies", Kind::Gauge, "Policies that are enforced, of the whole fabric.");
    out.sample("", &[], policies as u64);
    out.family(
        "fabric_policy_policies_with_problems",
        Kind::Gauge,
        "Those of which something could not be used as it is written.",
    );
    out.sample("", &[], faulty as u64);
    out.family(
        "fabric_policy_unfulfilled_endpoints",
        Kind::Gauge,
        "Pods of this node that do not have their newest rules; what they have lets no more pass.",
    );
    out.sample("", &[], status.enforcement.unfulfilled.len() as u64);
    out.family(
        "fabric_policy_enforced",
        Kind::Gauge,
        "1 while the kernel holds the rules that were planned.",
    );
    out.sample("", &[], u64::from(status.enforcement.stands));
    out.family("fabric_agent_kernel_routes", Kind::Gauge, "Routes of ours in the kernel.");
    out.sample("", &[], status.routes as u64);
}

fn meter(out: &mut Exposition, meter: &Meter) {
    out.family("fabric_agent_passes_total", Kind::Counter, "Times that the kernel was brought up to date.");
    out.sample("", &[], meter.passes);
    out.family("fabric_agent_passes_incomplete_total", Kind::Counter, "Those that left something undone.");
    out.sample("", &[], meter.incomplete);
    out.family(
        "fabric_bgp_convergence_seconds",
        Kind::Histogram,
        "From a change of best paths to the end of the pass that wrote it to the kernel.",
    );
    let mut count = 0;
    let bounds = BOUNDS_MS.iter().map(|bound| seconds(*bound)).chain(["+Inf".to_owned()]);
    for (bound, within) in bounds.zip(meter.convergence) {
        count += within;
        out.sample("_bucket", &[("le", &bound)], count);
    }
    out.sample("_sum", &[], meter.convergence_total.as_secs_f64());
    out.sample("_count", &[], count);
}

fn seconds(milliseconds: u64) -> String {
    std::time::Duration::from_millis(milliseconds).as_secs_f64().to_string()
}

fn speaker(out: &mut Exposition, view: &View) {
    let local_as = view.local_as.to_string();
    out.family("fabric_bgp_info", Kind::Gauge, "This speaker.");
    let labels = [("local_as", local_as.as_str()), ("router_id", &view.router_id.to_string())];
    out.sample("", &labels, 1);
    out.family(
        "fabric_bgp_synchronised",
        Kind::Gauge,
        "1 once the initial synchronisation is over (RFC 4724).",
    );
    out.sample("", &[], u64::from(view.synchronised));
    let families = ["ipv4-unicast", "ipv6-unicast"];
    out.family("fabric_bgp_rib_destinations", Kind::Gauge, "Prefixes that have a route.");
    for (family, size) in families.into_iter().zip(view.sizes.destinations) {
        out.sample("", &[("family", family)], size as u64);
    }
    out.family("fabric_bgp_rib_routes", Kind::Gauge, "Routes, unusable ones included.");
    for (family, size) in families.into_iter().zip(view.sizes.routes) {
        out.sample("", &[("family", family)], size as u64);
    }
    out.family("fabric_bgp_rib_paths", Kind::Gauge, "Distinct sets of path attributes and next hop.");
    out.sample("", &[], view.sizes.paths as u64);
    out.family("fabric_bgp_update_groups", Kind::Gauge, "Groups of peers that are told the same.");
    out.sample("", &[], view.sizes.groups as u64);
    out.family("fabric_bgp_shared_octets", Kind::Gauge, "Octets of messages kept for more than one peer.");
    out.sample("", &[], view.sizes.shared_octets as u64);
}

fn sessions(out: &mut Exposition, peers: &[PeerView]) {
    out.family("fabric_bgp_peer_info", Kind::Gauge, "A peer, its AS and what people call it.");
    for (name, peer) in named(peers) {
        let remote_as = peer.remote_as.map_or(String::new(), |asn| asn.to_string());
        let labels = [("peer", name.as_str()), ("remote_as", &remote_as), ("description", &peer.description)];
        out.sample("", &labels, 1);
    }
    each(
        out,
        peers,
        (
            "fabric_bgp_peer_state",
            Kind::Gauge,
            "Idle 1, Connect 2, Active 3, OpenSent 4, OpenConfirm 5, Established 6 (RFC 4273).",
        ),
        |peer| Some(state(peer.state)),
    );
    each(out, peers, ("fabric_bgp_peer_up", Kind::Gauge, "1 while the session is Established."), |peer| {
        Some(u64::from(peer.state == State::Established))
    });
    out.family("fabric_bgp_peer_up_seconds", Kind::Gauge, "How long the session has been Established.");
    for (name, peer) in named(peers).filter(|(_, peer)| peer.state == State::Established) {
        out.sample("", &[("peer", &name)], peer.state_age.as_secs_f64());
    }
    each(
        out,
        peers,
        ("fabric_bgp_peer_stale", Kind::Gauge, "1 while its routes are kept over its restart."),
        |peer| Some(u64::from(peer.stale)),
    );
    each(
        out,
        peers,
        ("fabric_bgp_peer_flaps_total", Kind::Counter, "Times that the session went down."),
        |peer| Some(peer.counters.flaps),
    );
    each(
        out,
        peers,
        ("fabric_bgp_peer_bfd_state", Kind::Gauge, "AdminDown 0, Down 1, Init 2, Up 3 (RFC 5880)."),
        |peer| peer.bfd.map(bfd_state),
    );
}

fn messages(out: &mut Exposition, peers: &[PeerView]) {
    out.family("fabric_bgp_peer_messages_received_total", Kind::Counter, "Messages received, by type.");
    for (name, peer) in named(peers) {
        let c = &peer.counters;
        let known = c.updates_received + c.notifications_received + c.refreshes_received;
        let kinds = [
            ("update", c.updates_received),
            ("notification", c.notifications_received),
            ("route-refresh", c.refreshes_received),
            ("other", c.messages_received.saturating_sub(known)),
        ];
        for (kind, count) in kinds {
            out.sample("", &[("peer", &name), ("type", kind)], count);
        }
    }
    out.family("fabric_bgp_peer_messages_sent_total", Kind::Counter, "Messages sent, by type.");
    for (name, peer) in named(peers) {
        let c = &peer.counters;
        let known = c.updates_sent + c.notifications_sent;
        let kinds = [
            ("update", c.updates_sent),
            ("notification", c.notifications_sent),
            ("other", c.messages_sent.saturating_sub(known)),
        ];
        for (kind, count) in kinds {
            out.sample("", &[("peer", &name), ("type", kind)], count);
        }
    }
    each(
        out,
        peers,
        ("fabric_bgp_peer_octets_sent_total", Kind::Counter, "Octets handed to the socket."),
        |peer| Some(peer.counters.octets_sent),
    );
    each(
        out,
        peers,
        (
            "fabric_bgp_peer_update_errors_total",
            Kind::Counter,
            "Errors in UPDATEs that were survived (RFC 7606).",
        ),
        |peer| Some(peer.counters.update_errors),
    );
}

fn prefixes(out: &mut Exposition, peers: &[PeerView]) {
    type Count = fn(&FamilyView) -> Option<u64>;
    let families: [(&str, &str, Count); 6] = [
        ("fabric_bgp_peer_prefixes_received", "Routes received.", |family| Some(family.received)),
        ("fabric_bgp_peer_prefixes_accepted", "Received and usable.", |family| Some(family.accepted)),
        ("fabric_bgp_peer_prefixes_rejected", "Left out by loops or policy.", |family| Some(family.rejected)),
        ("fabric_bgp_peer_prefixes_stale", "Kept over its restart.", |family| Some(family.stale)),
        ("fabric_bgp_peer_prefixes_advertised", "Told to it.", |family| Some(family.advertised)),
        ("fabric_bgp_peer_prefixes_limit", "How many it may announce.", |family| family.limit.map(u64::from)),
    ];
    for (metric, help, count) in families {
        out.family(metric, Kind::Gauge, help);
        for (name, peer) in named(peers) {
            for family in &peer.families {
                let label = family.family.to_string();
                if let Some(count) = count(family) {
                    out.sample("", &[("peer", &name), ("family", &label)], count);
                }
            }
        }
    }
}

fn datagrams(out: &mut Exposition, counters: &bfd::Counters) {
    out.family("fabric_bgp_bfd_packets_received_total", Kind::Counter, "BFD packets that a session took.");
    out.sample("", &[], counters.received);
    out.family("fabric_bgp_bfd_packets_sent_total", Kind::Counter, "BFD packets sent.");
    out.sample("", &[], counters.transmitted);
    out.family(
        "fabric_bgp_bfd_packets_unsent_total",
        Kind::Counter,
        "BFD packets that could not be sent: no route, no such address or interface, or a full queue.",
    );
    out.sample("", &[], counters.unsent);
    out.family(
        "fabric_bgp_bfd_packets_dropped_total",
        Kind::Counter,
        "Packets on BFD's ports that no session took: malformed, from beyond the link, or of no session.",
    );
    for (reason, count) in
        [("malformed", counters.malformed), ("too-far", counters.too_far), ("unclaimed", counters.unclaimed)]
    {
        out.sample("", &[("reason", reason)], count);
    }
}

fn collectors(out: &mut Exposition, collectors: &[bmp::Counters]) {
    type Count = fn(&bmp::Counters) -> u64;
    let families: [(&str, Kind, &str, Count); 5] = [
        ("fabric_bgp_bmp_collector_up", Kind::Gauge, "1 while the BMP collector is connected.", |one| {
            u64::from(one.connected)
        }),
        ("fabric_bgp_bmp_collector_queued_octets", Kind::Gauge, "Octets that wait for it.", |one| {
            one.queued_octets
        }),
        ("fabric_bgp_bmp_collector_connections_total", Kind::Counter, "Times that it connected.", |one| {
            one.connections
        }),
        (
            "fabric_bgp_bmp_collector_overruns_total",
            Kind::Counter,
            "Times that it was disconnected because it did not keep up.",
            |one| one.overruns,
        ),
        ("fabric_bgp_bmp_collector_octets_sent_total", Kind::Counter, "Octets that it took.", |one| {
            one.octets_sent
        }),
    ];
    for (metric, kind, help, count) in families {
        out.family(metric, kind, help);
        for one in collectors {
            out.sample("", &[("collector", &one.address.to_string())], count(one));
        }
    }
}

/// One sample a peer, where there is a value.
fn each(
    out: &mut Exposition,
    peers: &[PeerView],
    (metric, kind, help): (&'static str, Kind, &str),
    value: impl Fn(&PeerView) -> Option<u64>,
) {
    out.family(metric, kind, help);
    for (name, peer) in named(peers) {
        if let Some(value) = value(peer) {
            out.sample("", &[("peer", &name)], value);
        }
    }
}

fn named(peers: &[PeerView]) -> impl Iterator<Item = (String, &PeerView)> {
    peers.iter().map(|peer| (peer.key.to_string(), peer))
}

fn state(state: State) -> u64 {
    match state {
        State::Idle => 1,
        State::Connect => 2,
        State::Active => 3,
        State::OpenSent => 4,
        State::OpenConfirm => 5,
        State::Established => 6,
    }
}

fn bfd_state(state: BfdState) -> u64 {
    match state {
        BfdState::AdminDown => 0,
        BfdState::Down => 1,
        BfdState::Init => 2,
        BfdState::Up => 3,
    }
}
