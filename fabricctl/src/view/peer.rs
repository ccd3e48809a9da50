//! `peers PEER`: the same shape as `peers`, and for people everything about it.

use serde::{Serialize, Serializer};

use super::peers::{Family, Peer, Peers};
use crate::output::View;
use crate::output::quantity::render_age;
use crate::output::table;

/// Peers, as a rule one, in full.
pub(crate) struct PeerInFull(pub(crate) Peers);

impl Serialize for PeerInFull {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl View for PeerInFull {
    fn render(&self) -> String {
        let peers: Vec<String> = self.0.peers.iter().map(render).collect();
        peers.join("\n")
    }

    fn remark_if_empty(&self) -> &'static str {
        "No peers are configured."
    }
}

fn render(peer: &Peer) -> String {
    let age = |age: Option<u64>| age.map(render_age).unwrap_or_default();
    let last_down = match (peer.last_down_reason.as_str(), peer.last_down_age_ms) {
        ("", Some(ms)) => format!("{} ago", render_age(ms)),
        (reason, Some(ms)) => format!("{reason}, {} ago", render_age(ms)),
        (reason, None) => reason.to_owned(),
    };
    let kinds = [(peer.dynamic, "dynamic"), (peer.route_reflector_client, "route reflector client")];
    let kinds: Vec<String> = kinds.iter().filter(|(is, _)| *is).map(|(_, kind)| (*kind).to_owned()).collect();
    let timers = format!("hold {} s, keepalive {} s", peer.hold_time_secs, peer.keepalive_secs);
    let mut fields = vec![
        ("Peer", peer.render_name()),
        ("Description", peer.description.clone()),
        ("Address", peer.address.clone()),
        ("AS", format!("{}, ours {}", peer.render_remote_as(), peer.local_as)),
        ("State", peer.render_state()),
        ("In this state", render_age(peer.state_age_ms)),
        ("Last down", last_down),
        ("Flaps", peer.flaps.to_string()),
        ("Router ID", peer.peer_router_id.clone()),
        ("Timers", timers),
        ("Hold timer", age(peer.hold_remaining_ms)),
        ("Next attempt", age(peer.retry_in_ms)),
        ("Capabilities", table::join(&peer.capabilities)),
        (
            "Messages",
            format!(
                "received {} ({} updates, {} notifications, {} refreshes), sent {} ({} updates, {} notifications)",
                peer.messages_received,
                peer.updates_received,
                peer.notifications_received,
                peer.refreshes_received,
                peer.messages_sent,
                peer.updates_sent,
                peer.notifications_sent
            ),
        ),
        ("Octets sent", peer.octets_sent.to_string()),
        ("Update errors", peer.update_errors.to_string()),
    ];
    let optional = [
        ("Interface", peer.interface.clone()),
        ("Kind", table::join(&kinds)),
        ("Shut down", peer.shutdown_message.clone()),
        ("Role", peer.role.clone()),
        ("BFD", peer.bfd.clone()),
    ];
    fields.extend(optional.into_iter().filter(|(_, value)| !value.is_empty()));
    let headers = [
        "FAMILY",
        "NEGOTIATED",
        "RECEIVED",
        "ACCEPTED",
        "REJECTED",
        "STALE",
        "TOLD",
        "LIMIT",
        "COMPLETE",
        "REMARKS",
    ];
    let families = table::render(headers, peer.families.iter().map(row));
    format!("{}\n{families}", table::render_fields(&fields))
}

fn row(family: &Family) -> [String; 10] {
    let remarks = [
        (family.no_next_hop, "no next hop of ours on this connection: nothing is told"),
        (family.no_import_policy, "no import policy: nothing is taken (RFC 8212)"),
        (family.no_export_policy, "no export policy: nothing is told (RFC 8212)"),
    ];
    let remarks: Vec<&str> = remarks.into_iter().filter(|(holds, _)| *holds).map(|(_, text)| text).collect();
    [
        family.family.clone(),
        table::yes_no(family.negotiated),
        family.received.to_string(),
        family.accepted.to_string(),
        family.rejected.to_string(),
        family.stale.to_string(),
        family.advertised.to_string(),
        family.limit.map(|limit| limit.to_string()).unwrap_or_default(),
        table::yes_no(family.end_of_rib_received),
        remarks.join("; "),
    ]
}
