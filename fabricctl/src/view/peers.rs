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
    local_as: u32,
    router_id: String,
    peers: Vec<Peer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Peer {
    address: String,
    description: String,
    remote_as: u32,
    peer_router_id: String,
    state: String,
    state_age_ms: u64,
    stale: bool,
    last_down_reason: String,
    flaps: u64,
    hold_time_secs: u32,
    keepalive_secs: u32,
    capabilities: Vec<String>,
    families: Vec<Family>,
    messages_received: u64,
    messages_sent: u64,
    updates_received: u64,
    updates_sent: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Family {
    family: String,
    received: u64,
    accepted: u64,
    advertised: u64,
    end_of_rib_received: bool,
}

impl From<v1::ListPeersResponse> for Peers {
    fn from(message: v1::ListPeersResponse) -> Self {
        let v1::ListPeersResponse { peers, local_as, router_id } = message;
        Self { local_as, router_id, peers: peers.into_iter().map(Peer::from).collect() }
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
        }
    }
}

impl From<v1::PeerFamily> for Family {
    fn from(message: v1::PeerFamily) -> Self {
        let v1::PeerFamily { family, received, accepted, advertised, end_of_rib_received } = message;
        Self { family, received, accepted, advertised, end_of_rib_received }
    }
}

impl Peer {
    /// Received, accepted and advertised prefixes of a family.
    fn counts(&self, family: &str) -> String {
        let found = self.families.iter().find(|entry| entry.family == family);
        found.map(|f| format!("{}/{}/{}", f.received, f.accepted, f.advertised)).unwrap_or_default()
    }
}

impl View for Peers {
    fn render(&self) -> String {
        let headers = ["PEER", "AS", "STATE", "AGE", "IPV4-RX/OK/TX", "IPV6-RX/OK/TX", "FLAPS", "LAST-DOWN"];
        table::render(
            headers,
            self.peers.iter().map(|peer| {
                [
                    peer.address.clone(),
                    peer.remote_as.to_string(),
                    if peer.stale { format!("{} (routes kept)", peer.state) } else { peer.state.clone() },
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
