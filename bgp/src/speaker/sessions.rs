//! What sessions want done: collisions resolved, peers established, routes learned, losses dealt with.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::peer::Established;
use super::{ConnId, Output, Speaker};
use crate::rib::adj_in::Identity;
use crate::rib::adj_out::AdjRibOut;
use crate::rib::path::Neighbour;
use crate::session::State;
use crate::session::collision::{Keep, Rank, survivor};
use crate::session::dialer::{self, Setback};
use crate::session::machine::{Cause, Cease, Down, Event};
use crate::wire::{Family, Reach, Update};

impl Speaker {
    /// The peer's OPEN was good: RFC 4271 §6.8.
    pub(super) fn opened(&mut self, conn: ConnId, now: Instant) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let Some(negotiated) = connection.session.negotiated() else { return };
        self.outputs.push_back(Output::Codec(conn, negotiated.codec));
        let address = connection.peer;
        let others: Vec<_> = self.sessions_of(address).filter(|other| *other != conn).collect();
        for other in others {
            if let Some(loser) = self.collision(conn, other) {
                let why = "connection collision";
                self.end(loser, Event::Stop(Cease::ConnectionCollisionResolution, why), now);
            }
        }
    }

    /// Which of two connections has to go; none if that is not to be decided yet.
    fn collision(&self, new: ConnId, existing: ConnId) -> Option<ConnId> {
        let (arrival, present) = (self.connections.get(&new)?, self.connections.get(&existing)?);
        let peer = self.peers.get(&arrival.peer)?;
        let negotiated = arrival.session.negotiated()?;
        let ours = Rank { router_id: self.config.router_id, asn: self.config.local_as };
        let theirs = Rank { router_id: negotiated.router_id, asn: peer.config.remote_as };
        let keep = survivor(ours, theirs, present.direction, arrival.direction);
        match present.session.state() {
            State::OpenConfirm => Some(if keep == Keep::New { existing } else { new }),
            // The peer restarted and we did not notice: it becomes clear when it confirms the new session
            // (RFC 4724 §4.2). Without that capability the old session stays (RFC 4271 §6.8).
            State::Established if arrival.latecomer => negotiated.graceful_restart.is_none().then_some(new),
            // Both dialled at the same time and the peer may or may not have established the other one: what it
            // does next tells. If it confirms the new one, that replaces the old.
            State::Established => (keep == Keep::Existing).then_some(new),
            // Its OPEN will bring us here again.
            State::Idle | State::Connect | State::Active | State::OpenSent => None,
        }
    }

    fn sessions_of(&self, address: IpAddr) -> impl Iterator<Item = ConnId> {
        self.peers.get(&address).into_iter().flat_map(|peer| peer.sessions.iter().copied())
    }

    pub(super) fn established(&mut self, conn: ConnId, now: Instant) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let address = connection.peer;
        let Some(negotiated) = connection.session.negotiated().cloned() else { return };
        let before = self.peers.get(&address).and_then(super::Peer::established_conn);
        if let Some(before) = before {
            self.end(before, Event::Replaced, now);
        }
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let asn = peer.config.remote_as;
        let external = asn != self.config.local_as;
        let neighbour = Neighbour { address, router_id: negotiated.router_id, asn, external };
        peer.adj_out = AdjRibOut::default();
        peer.was_established = true;
        peer.established = Some(Established {
            conn,
            since: now,
            neighbour: Arc::new(neighbour),
            negotiated: negotiated.clone(),
            end_of_rib: BTreeSet::new(),
            kept_alive: false,
        });
        self.resume(address, &negotiated, now);
        self.tell_everything(address);
    }

    /// Marks the whole table for a peer, with the End-of-RIB markers that follow.
    pub(super) fn tell_everything(&mut self, address: IpAddr) {
        let held_back = self.holds_back_transit();
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let complete = !(held_back && peer.is_told_transit());
        let Some(established) = &peer.established else { return };
        for prefix in self.rib.loc().prefixes() {
            if established.negotiated.families.contains(&Family::of(prefix)) {
                peer.adj_out.mark(*prefix);
            }
        }
        if complete {
            for family in &established.negotiated.families {
                peer.adj_out.mark_end_of_rib(*family);
            }
        }
        self.to_transmit.insert(established.conn);
    }

    pub(super) fn kept_alive(&mut self, conn: ConnId) {
        if let Some(established) = self.established_on(conn) {
            established.kept_alive = true;
        }
    }

    fn established_on(&mut self, conn: ConnId) -> Option<&mut Established> {
        let address = self.connections.get(&conn)?.peer;
        let established = self.peers.get_mut(&address)?.established.as_mut()?;
        (established.conn == conn).then_some(established)
    }

    /// An UPDATE: withdrawals first, as RFC 4271 §3.1 reads, then announcements, of negotiated families only.
    pub(super) fn learn(&mut self, conn: ConnId, update: Update, now: Instant) {
        let Some(addresses) = self.connections.get(&conn).map(|connection| connection.addresses()) else {
            return;
        };
        let (asn, router_id) = (self.config.local_as, self.config.router_id);
        let Some(established) = self.established_on(conn) else { return };
        let neighbour = established.neighbour.clone();
        let families = established.negotiated.families.clone();
        if let Some(family) = update.end_of_rib.filter(|family| families.contains(family)) {
            established.end_of_rib.insert(family);
            self.finish_stale(neighbour.address, family);
        }
        for prefix in update.withdrawn {
            self.rib.withdraw(neighbour.address, prefix);
        }
        let identity = Identity { asn, router_id, addresses };
        let mut attributes = update.attributes;
        if neighbour.external {
            // RFC 4271 §5.1.5, RFC 4456 §8: these mean nothing across an AS boundary.
            attributes.local_pref = None;
            attributes.originator_id = None;
            attributes.cluster_list.clear();
        }
        for Reach { family, next_hop, prefixes } in update.reach {
            if !families.contains(&family) {
                continue;
            }
            let path = self.rib.path(attributes.clone(), next_hop);
            let unusable = identity.judge(&neighbour, &path);
            for prefix in prefixes {
                self.rib.announce(&neighbour, prefix, &path, unusable, now);
            }
        }
    }

    /// The peer asked for a family's routes again (RFC 2918 §4).
    pub(super) fn tell_again(&mut self, conn: ConnId, family: Family) {
        let Some(address) = self.connections.get(&conn).map(|connection| connection.peer) else { return };
        if let Some(peer) = self.peers.get_mut(&address).filter(|peer| peer.carries(family)) {
            peer.adj_out.refresh(family);
            self.to_transmit.insert(conn);
        }
    }

    /// A session is over: its connection goes, its routes with it or (RFC 4724) not yet, and the dialer goes on.
    pub(super) fn down(&mut self, conn: ConnId, down: Down, now: Instant) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let address = connection.peer;
        connection.closing = true;
        if connection.is_drained() {
            self.connections.remove(&conn);
            self.to_transmit.remove(&conn);
        }
        self.outputs.push_back(Output::Disconnect(conn));
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let lasted = peer.established_for(conn, now);
        peer.sessions.remove(&conn);
        let was_established = peer.established_conn() == Some(conn);
        let setback = match down.cause {
            Cause::Lost | Cause::Collision => Setback::Lost(lasted),
            Cause::Link => Setback::Unreachable,
            Cause::Notified => Setback::Error(lasted),
        };
        if was_established || down.cause != Cause::Collision {
            peer.session_down(down.reason);
        }
        let last = peer.sessions.is_empty();
        if was_established {
            self.lose(address, down.cause, now);
        }
        if last {
            self.dial_quietly(address, dialer::Event::Down(setback), now);
        }
    }

    fn dial_quietly(&mut self, address: IpAddr, event: dialer::Event, now: Instant) {
        let reason = self.peers.get(&address).map(|peer| peer.last_down.reason.clone()).unwrap_or_default();
        self.dial(address, event, &reason, now);
    }
}
