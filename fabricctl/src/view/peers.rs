//! `peers`: `{localAs, routerId, peers: [...]}`.

use proto::v1;
use serde::Serialize;

use crate::output::View;
use crate::output::quantity::render_age;
use crate::output::table;

/// Peers of this node's speaker.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Peers {
    pub(super) local_as: u32,
    router_id: String,
    cluster_id: String,
    synchronised: bool,
    pub(super) peers: Vec<Peer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Peer {
    pub(super) address: String,
    pub(super) description: String,
    pub(super) remote_as: u32,
    pub(super) peer_router_id: String,
    pub(super) state: String,
    pub(super) state_age_ms: u64,
    pub(super) stale: bool,
    pub(super) last_down_reason: String,
    pub(super) flaps: u64,
    pub(super) hold_time_secs: u32,
    pub(super) keepalive_secs: u32,
    pub(super) capabilities: Vec<String>,
    pub(super) families: Vec<Family>,
    pub(super) messages_received: u64,
    pub(super) messages_sent: u64,
    pub(super) updates_received: u64,
    pub(super) updates_sent: u64,
    pub(super) name: String,
    pub(super) interface: String,
    pub(super) dynamic: bool,
    pub(super) local_as: u32,
    pub(super) route_reflector_client: bool,
    pub(super) shutdown: bool,
    pub(super) shutdown_message: String,
    pub(super) last_down_age_ms: Option<u64>,
    pub(super) hold_remaining_ms: Option<u64>,
    pub(super) retry_in_ms: Option<u64>,
    pub(super) role: String,
    pub(super) notifications_received: u64,
    pub(super) notifications_sent: u64,
    pub(super) refreshes_received: u64,
    pub(super) octets_sent: u64,
    pub(super) update_errors: u64,
    pub(super) bfd: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Family {
    pub(super) family: String,
    pub(super) received: u64,
    pub(super) accepted: u64,
    pub(super) advertised: u64,
    pub(super) end_of_rib_received: bool,
    pub(super) negotiated: bool,
    pub(super) rejected: u64,
    pub(super) stale: u64,
    pub(super) limit: Option<u32>,
    pub(super) no_next_hop: bool,
    pub(super) no_import_policy: bool,
    pub(super) no_export_policy: bool,
}

impl From<v1::ListPeersResponse> for Peers {
    fn from(message: v1::ListPeersResponse) -> Self {
        let v1::ListPeersResponse { peers, local_as, router_id, cluster_id, synchronised } = message;
        let peers = peers.into_iter().map(Peer::from).collect();
        Self { local_as, router_id, cluster_id, synchronised, peers }
    }
}

impl From<v1::Peer> for Peer {
    fn from(message: v1::Peer) -> Self {
        let v1::Peer {
            address,
            remote_as,
            state,
            state_age_ms,
            last_down_reason,
            peer_router_id,
            hold_time_secs,
            keepalive_secs,
            capabilities,
            families,
            messages_received,
            messages_sent,
            updates_received,
            updates_sent,
            flaps,
            description,
            stale,
            name,
            interface,
            dynamic,
            local_as,
            route_reflector_client,
            shutdown,
            shutdown_message,
            last_down_age_ms,
            hold_remaining_ms,
            retry_in_ms,
            role,
            notifications_received,
            notifications_sent,
            refreshes_received,
            octets_sent,
            update_errors,
            bfd,
        } = message;
        Self {
            address,
            description,
            remote_as,
            peer_router_id,
            state,
            state_age_ms,
            stale,
            last_down_reason,
            flaps,
            hold_time_secs,
            keepalive_secs,
            capabilities,
            families: families.into_iter().map(Family::from).collect(),
            messages_received,
            messages_sent,
            updates_received,
            updates_sent,
            name,
            interface,
            dynamic,
            local_as,
            route_reflector_client,
            shutdown,
            shutdown_message,
            last_down_age_ms,
            hold_remaining_ms,
            retry_in_ms,
            role,
            notifications_received,
            notifications_sent,
            refreshes_received,
            octets_sent,
            update_errors,
            bfd,
        }
    }
}

impl From<v1::PeerFamily> for Family {
    fn from(message: v1::PeerFamily) -> Self {
        let v1::PeerFamily {
            family,
            received,
            accepted,
            advertised,
            end_of_rib_received,
            negotiated,
            rejected,
            stale,
            limit,
            no_next_hop,
            no_import_policy,
            no_export_policy,
        } = message;
        Self {
            family,
            received,
            accepted,
            advertised,
            end_of_rib_received,
            negotiated,
            rejected,
            stale,
            limit,
            no_next_hop,
            no_import_policy,
            no_export_policy,
        }
    }
}

impl Peer {
    /// Received, accepted and advertised prefixes of a family.
    fn counts(&self, family: &str) -> String {
        let found = self.families.iter().find(|entry| entry.family == family);
        found.map(|f| format!("{}/{}/{}", f.received, f.accepted, f.advertised)).unwrap_or_default()
    }

    /// Its state, and what a person should know beside it.
    pub(super) fn render_state(&self) -> String {
        let has = |flag: fn(&Family) -> bool| self.families.iter().any(flag);
        let remarks = [
            (self.shutdown, "shut down"),
            (self.stale, "routes kept"),
            (has(|family| family.no_import_policy), "no import policy"),
            (has(|family| family.no_export_policy), "no export policy"),
            (!self.bfd.is_empty() && self.bfd != "Up", "BFD is not up"),
        ];
        let held: Vec<&str> = remarks.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text).collect();
        if held.is_empty() { self.state.clone() } else { format!("{} ({})", self.state, held.join(", ")) }
    }

    /// What names it; an agent of an older version says its address only.
    pub(super) fn render_name(&self) -> String {
        if self.name.is_empty() { self.address.clone() } else { self.name.clone() }
    }

    /// `any` while nobody has said.
    pub(super) fn render_remote_as(&self) -> String {
        if self.remote_as == 0 { "any".to_owned() } else { self.remote_as.to_string() }
    }
}

impl View for Peers {
    fn render(&self) -> String {
        let headers = ["PEER", "AS", "STATE", "AGE", "IPV4-RX/OK/TX", "IPV6-RX/OK/TX", "FLAPS", "LAST-DOWN"];
        table::render(
            headers,
            self.peers.iter().map(|peer| {
                [
                    peer.render_name(),
                    peer.render_remote_as(),
                    peer.render_state(),
                    render_age(peer.state_age_ms),
                    peer.counts("ipv4-unicast"),
                    peer.counts("ipv6-unicast"),
                    peer.flaps.to_string(),
                    peer.last_down_reason.clone(),
                ]
            }),
        )
    }

    fn remark_if_empty(&self) -> &'static str {
        "No peers are configured."
    }
}
