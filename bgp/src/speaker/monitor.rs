//! What BMP collectors are told of peers (RFC 7854): sessions and Adj-RIBs-In before policy, as they came.

use std::collections::BTreeSet;

use super::connection::LastWord;
use super::peer::{Peer, PeerId};
use super::{ConnId, Monitored, MonitoredDown, MonitoredId, MonitoredPeer, Output, Speaker};
use crate::rib::{Announced, SourceId};
use crate::wire::{Family, Nlri, Reach, Update};

/// Prefixes in one message of a table that is told from the beginning: with the longest attributes still a message.
const PREFIXES: usize = 200;

impl Speaker {
    pub(super) fn monitor_up(&mut self, id: PeerId) {
        let up = self.peers.get(id).and_then(|peer| self.monitored_peer(peer));
        if let Some(up) = up.filter(|_| self.config.monitoring) {
            self.outputs.push_back(Output::Monitored(Monitored::Up(Box::new(up))));
        }
    }

    /// To be called while the connection and the Established session are still known.
    pub(super) fn monitor_down(&mut self, id: PeerId, conn: ConnId) {
        if !self.config.monitoring {
            return;
        }
        let Some(peer) = self.peers.get(id).filter(|peer| peer.established_conn() == Some(conn)) else {
            return;
        };
        let Some(monitored) = monitored_id(peer) else { return };
        let last_word = self.connections.get(&conn).and_then(|connection| connection.last_word.as_ref());
        let reason = match last_word {
            Some(_) if self.is_deconfigured(peer) => MonitoredDown::Deconfigured,
            Some(LastWord::Ours(notification)) => MonitoredDown::Sent(notification.clone()),
            Some(LastWord::Theirs(notification)) => MonitoredDown::Received(notification.clone()),
            None => MonitoredDown::Lost,
        };
        self.outputs.push_back(Output::Monitored(Monitored::Down { peer: monitored, reason }));
    }

    fn is_deconfigured(&self, peer: &Peer) -> bool {
        peer.range.is_none() && !self.config.peers.contains_key(&peer.key)
    }

    pub(super) fn monitor_routes(&mut self, id: PeerId, update: &Update) {
        if !self.config.monitoring {
            return;
        }
        if let Some(peer) = self.peers.get(id).and_then(monitored_id) {
            self.outputs.push_back(Output::Monitored(Monitored::Routes { peer, update: update.clone() }));
        }
    }

    /// What collectors know of an Established peer's family of which something is stale; to be asked before that goes.
    pub(super) fn monitored_stale(&self, id: PeerId, family: Family) -> BTreeSet<Nlri> {
        let established = self.peers.get(id).and_then(|peer| peer.established.as_ref());
        let source = established.filter(|_| self.config.monitoring).map(|established| established.source);
        let source = source.filter(|source| self.rib.counts(*source, family).stale > 0);
        source.map_or_else(BTreeSet::new, |source| self.announced_prefixes(source, family))
    }

    /// The peer does not withdraw what it failed to announce again; collectors have to be told even so.
    pub(super) fn monitor_flushed(&mut self, id: PeerId, family: Family, before: BTreeSet<Nlri>) {
        let Some(peer) = self.peers.get(id).filter(|_| !before.is_empty()) else { return };
        let (Some(source), Some(told)) = (&peer.source, monitored_id(peer)) else { return };
        let left = self.announced_prefixes(source.id, family);
        let gone: Vec<_> = before.difference(&left).copied().collect();
        for withdrawn in gone.chunks(PREFIXES) {
            let update = Update { withdrawn: withdrawn.to_vec(), ..Update::default() };
            self.outputs.push_back(Output::Monitored(Monitored::Routes { peer: told.clone(), update }));
        }
    }

    fn announced_prefixes(&self, source: SourceId, family: Family) -> BTreeSet<Nlri> {
        let announced = self.rib.announced_by(source, family);
        announced.into_iter().flat_map(|announced| announced.prefixes).collect()
    }

    fn monitored_peer(&self, peer: &Peer) -> Option<MonitoredPeer> {
        let established = peer.established.as_ref()?;
        let connection = self.connections.get(&established.conn)?;
        Some(MonitoredPeer {
            peer: monitored_id(peer)?,
            local: connection.local.local,
            remote_port: connection.local.remote_port,
            sent: connection.open.clone()?,
            received: established.negotiated.open.clone(),
        })
    }

    /// Everything that a new BMP collector has to be told first: each Established peer, then its routes.
    #[must_use]
    pub fn monitored(&self) -> Vec<Monitored> {
        let mut told = Vec::new();
        for peer in self.peers.by_key() {
            let (Some(up), Some(established)) = (self.monitored_peer(peer), &peer.established) else {
                continue;
            };
            let id = up.peer.clone();
            told.push(Monitored::Up(Box::new(up)));
            let markers = established.end_of_rib.iter();
            let markers = markers.map(|family| Update { end_of_rib: Some(family), ..Update::default() });
            let updates = self.adj_rib_in(established.source).into_iter().chain(markers);
            told.extend(updates.map(|update| Monitored::Routes { peer: id.clone(), update }));
        }
        told
    }

    /// What a peer announced, as it might have said it.
    fn adj_rib_in(&self, source: SourceId) -> Vec<Update> {
        let of_family = |family| {
            let announced = self.rib.announced_by(source, family);
            announced.into_iter().flat_map(move |announced| updates(family, &announced))
        };
        Family::ALL.into_iter().flat_map(of_family).collect()
    }
}

fn updates(family: Family, announced: &Announced) -> Vec<Update> {
    let Announced { attributes, next_hop, prefixes } = announced;
    let update = |prefixes: &[Nlri]| Update {
        reach: vec![Reach { family, next_hop: *next_hop, prefixes: prefixes.to_vec() }],
        attributes: attributes.clone(),
        ..Update::default()
    };
    prefixes.chunks(PREFIXES).map(update).collect()
}

fn monitored_id(peer: &Peer) -> Option<MonitoredId> {
    let negotiated = &peer.established.as_ref()?.negotiated;
    Some(MonitoredId {
        address: peer.endpoint.as_ref()?.address,
        asn: negotiated.asn,
        router_id: negotiated.router_id,
    })
}
