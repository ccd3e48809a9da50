//! The speaker and its peers, as they are now.

use std::time::{Duration, Instant};

use super::{FamilyView, PeerView, View};
use crate::config::{FamilyConfig, Policy, RemoteAs};
use crate::rib::Counts;
use crate::session::negotiation::Negotiated;
use crate::speaker::Speaker;
use crate::speaker::peer::Peer;
use crate::wire::Family;

impl Speaker {
    /// The speaker and its peers.
    #[must_use]
    pub fn view(&self, now: Instant) -> View {
        View {
            local_as: self.config.local_as,
            router_id: self.config.router_id,
            cluster_id: self.cluster_id(),
            synchronised: self.synchronisation.is_over(),
            peers: self.peers.by_key().map(|peer| self.view_peer(peer, now)).collect(),
            sizes: self.rib.sizes(),
        }
    }

    fn view_peer(&self, peer: &Peer, now: Instant) -> PeerView {
        let negotiated = peer.established.as_ref().map(|established| &established.negotiated);
        let connection = peer.established_conn().and_then(|conn| self.connections.get(&conn));
        let hold = connection.and_then(|connection| connection.session.hold_deadline());
        let remaining = |deadline: Instant| deadline.saturating_duration_since(now);
        let waits = peer.is_sought() && peer.sessions.is_empty();
        let families = peer.config.families.iter();
        PeerView {
            key: peer.key.clone(),
            address: peer.endpoint.as_ref().map(|endpoint| endpoint.address),
            interface: peer
                .endpoint
                .as_ref()
                .and_then(|endpoint| endpoint.interface.as_ref())
                .map(ToString::to_string),
            dynamic: peer.range.is_some(),
            remote_as: self.remote_as(peer),
            local_as: peer.local_as(&self.config),
            route_reflector_client: peer.config.route_reflector_client,
            shutdown: peer.config.shutdown.clone(),
            state: peer.state,
            state_age: now.saturating_duration_since(peer.state_since),
            last_down_reason: peer.last_down.reason.clone(),
            last_down_age: peer.last_down.at.map(|at| now.saturating_duration_since(at)),
            router_id: negotiated.map(|negotiated| negotiated.router_id),
            hold_time: negotiated.map_or(Duration::ZERO, |negotiated| negotiated.hold_time),
            keepalive: negotiated.map_or(Duration::ZERO, |negotiated| negotiated.keepalive),
            hold_remaining: hold.map(remaining),
            retry_in: peer.dialer.deadline().filter(|_| waits).map(remaining),
            capabilities: negotiated.map(Negotiated::capability_names).unwrap_or_default(),
            role: peer.config.role.map(|role| role.role),
            families: families.map(|(family, settings)| self.view_family(peer, *family, settings)).collect(),
            counters: peer.counters,
            description: peer.config.description.clone(),
            stale: peer.helper.is_active(),
            bfd: peer.bfd,
        }
    }

    /// As its OPEN said, now or last; else as configured.
    fn remote_as(&self, peer: &Peer) -> Option<u32> {
        let said = peer.established.as_ref().map(|established| established.negotiated.asn);
        let said_last = peer.source.as_ref().map(|source| source.neighbour.asn);
        said.or(match peer.config.remote_as {
            RemoteAs::Is(asn) => Some(asn),
            RemoteAs::Internal => Some(peer.local_as(&self.config)),
            RemoteAs::External | RemoteAs::Any => said_last,
        })
    }

    fn view_family(&self, peer: &Peer, family: Family, settings: &FamilyConfig) -> FamilyView {
        let source = peer.source.as_ref().map(|source| source.id);
        let Counts { received, accepted, stale } =
            source.map(|source| self.rib.counts(source, family)).unwrap_or_default();
        let established = peer.established.as_ref();
        let member = established.and_then(|established| established.members.get(&family));
        let negotiated =
            established.is_some_and(|established| established.negotiated.families.contains(family));
        let has_next_hop = self.own_next_hop(peer, family).is_some();
        let external = self.is_external(peer);
        FamilyView {
            family,
            negotiated,
            received: received.into(),
            accepted: accepted.into(),
            rejected: received.saturating_sub(accepted).into(),
            stale: stale.into(),
            advertised: member.map_or(0, |member| self.rib.advertised(*member)).into(),
            limit: settings.max_prefixes.map(|limits| limits.limit),
            end_of_rib_received: established
                .is_some_and(|established| established.end_of_rib.contains(family)),
            no_next_hop: negotiated && !has_next_hop,
            no_import_policy: external && settings.import == Policy::Unset,
            no_export_policy: external && settings.export == Policy::Unset,
        }
    }

    /// As far as that is known before the peer has said its AS.
    fn is_external(&self, peer: &Peer) -> bool {
        match self.remote_as(peer) {
            Some(asn) => asn != peer.local_as(&self.config),
            None => peer.config.remote_as == RemoteAs::External,
        }
    }
}
