//! What sessions want done: collisions resolved, peers established, routes learned, losses dealt with.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::connections::stop;
use super::peer::{Established, PeerId};
use super::{ConnId, NoticeKind, Output, Speaker};
use crate::session::State;
use crate::session::collision::{Keep, Rank, survivor};
use crate::session::dialer::{self, Setback};
use crate::session::machine::{Cause, Cease, Down, Event};
use crate::wire::{AttributeError, Family, FamilySet, Nlri, Update};

/// Malformed UPDATEs of one peer are said so often at most; between, they are counted.
const MALFORMED_INTERVAL: Duration = Duration::from_secs(10);

impl Speaker {
    /// The peer's OPEN was good: RFC 4271 §6.8.
    pub(super) fn opened(&mut self, conn: ConnId, now: Instant) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let Some(negotiated) = connection.session.negotiated() else { return };
        self.outputs.push_back(Output::Codec(conn, negotiated.codec));
        let Some(peer) = self.peers.get(connection.peer) else { return };
        let others: Vec<_> = peer.sessions.iter().filter(|other| **other != conn).copied().collect();
        for other in others {
            if let Some(loser) = self.collision(conn, other) {
                self.end(loser, stop(Cease::ConnectionCollisionResolution, "connection collision"), now);
            }
        }
    }

    /// Which of two connections has to go; none if that is not to be decided yet.
    fn collision(&self, new: ConnId, existing: ConnId) -> Option<ConnId> {
        let (arrival, present) = (self.connections.get(&new)?, self.connections.get(&existing)?);
        let peer = self.peers.get(arrival.peer)?;
        let negotiated = arrival.session.negotiated()?;
        let ours = Rank { router_id: self.config.router_id, asn: peer.local_as(&self.config) };
        let theirs = Rank { router_id: negotiated.router_id, asn: negotiated.asn };
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

    pub(super) fn established(&mut self, conn: ConnId, now: Instant) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let id = connection.peer;
        let Some(negotiated) = connection.session.negotiated().cloned() else { return };
        if let Some(before) = self.peers.get(id).and_then(super::Peer::established_conn) {
            self.end(before, Event::Replaced, now);
        }
        let Some(source) = self.source(id, conn, &negotiated) else { return };
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.was_established = true;
        peer.levels.clear();
        peer.established = Some(Established {
            conn,
            since: now,
            source,
            negotiated: negotiated.clone(),
            members: BTreeMap::new(),
            turn: Family::Ipv4Unicast,
            end_of_rib: FamilySet::default(),
            kept_alive: false,
        });
        self.resume(id, &negotiated, now);
        self.join(id);
        self.watch_path(id);
        self.monitor_up(id);
        self.synchronisation.look_again();
    }

    pub(super) fn kept_alive(&mut self, conn: ConnId) {
        if let Some(established) = self.established_on(conn).and_then(|id| self.established_mut(id))
            && !established.kept_alive
        {
            established.kept_alive = true;
            self.synchronisation.look_again();
        }
    }

    /// The peer whose Established session is on this connection.
    pub(super) fn established_on(&self, conn: ConnId) -> Option<PeerId> {
        let id = self.connections.get(&conn)?.peer;
        (self.peers.get(id)?.established_conn() == Some(conn)).then_some(id)
    }

    pub(super) fn established_mut(&mut self, id: PeerId) -> Option<&mut Established> {
        self.peers.get_mut(id)?.established.as_mut()
    }

    /// An UPDATE: withdrawals first, as RFC 4271 §4.3 reads, then announcements, of negotiated families only.
    pub(super) fn learn(&mut self, conn: ConnId, update: Update, now: Instant) {
        let Some(id) = self.established_on(conn) else { return };
        self.monitor_routes(id, &update);
        let Some(established) = self.established_mut(id) else { return };
        let (source, families) = (established.source, established.negotiated.families);
        if let Some(family) = update.end_of_rib.filter(|family| families.contains(*family)) {
            established.end_of_rib.insert(family);
            self.end_of_rib(id, family);
            self.synchronisation.look_again();
        }
        self.note_malformed(id, &update.errors, now);
        self.withdraw(source, families, update.withdrawn);
        for reach in update.reach.iter().filter(|reach| families.contains(reach.family)) {
            let (attributes, prefixes) = (&update.attributes, &reach.prefixes);
            self.rib.announce(source, reach.family, attributes, reach.next_hop, prefixes, now);
        }
        self.check_prefixes(id, now);
    }

    fn withdraw(&mut self, source: crate::rib::SourceId, families: FamilySet, mut prefixes: Vec<Nlri>) {
        prefixes.retain(|nlri| families.contains(Family::of(&nlri.prefix)));
        if !prefixes.is_empty() {
            self.rib.withdraw(source, &prefixes);
        }
    }

    fn note_malformed(&mut self, id: PeerId, errors: &[AttributeError], now: Instant) {
        let Some(first) = errors.first() else { return };
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.counters.update_errors += errors.len() as u64;
        let unsaid = match &mut peer.malformed {
            Some((said, unsaid)) if now.saturating_duration_since(*said) < MALFORMED_INTERVAL => {
                *unsaid += 1;
                return;
            }
            Some((_, unsaid)) => *unsaid,
            None => 0,
        };
        peer.malformed = Some((now, 0));
        let mut text = first.to_string();
        if errors.len() > 1 {
            text.push_str(&format!(", and {} more errors in the same message", errors.len() - 1));
        }
        if unsaid > 0 {
            text.push_str(&format!(" ({unsaid} malformed UPDATEs before were not mentioned)"));
        }
        self.notice(id, NoticeKind::Malformed(text));
    }

    /// A session is over: its connection goes, its routes with it or (RFC 4724) not yet, and the dialer goes on.
    pub(super) fn down(&mut self, conn: ConnId, down: Down, now: Instant) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let id = connection.peer;
        connection.closing = true;
        self.outputs.push_back(Output::Disconnect(conn));
        self.monitor_down(id, conn);
        if self.connections.get(&conn).is_some_and(super::Connection::is_drained) {
            self.forget_connection(conn);
        }
        let Some(peer) = self.peers.get_mut(id) else { return };
        let lasted = peer.established_for(conn, now);
        peer.sessions.remove(&conn);
        let was_established = peer.established_conn() == Some(conn);
        let setback = Setback::of(down.cause, lasted);
        match down.cause {
            Cause::Collision if !was_established => {}
            Cause::Lost | Cause::Link if !was_established => peer.attempt_failed(down.reason.clone(), now),
            Cause::Lost | Cause::Link | Cause::Collision | Cause::Kept | Cause::Notified => {
                peer.session_down(down.reason.clone(), now);
            }
        }
        let last = peer.sessions.is_empty();
        if was_established {
            self.lose(id, down.cause, now);
        }
        if last {
            self.dial(id, dialer::Event::Down(setback), &down.reason, now);
        }
    }

    /// Ends all sessions with a peer.
    pub(super) fn each_session(&mut self, id: PeerId, now: Instant, event: impl Fn() -> Event) {
        let Some(sessions) = self.peers.get(id).map(|peer| peer.sessions.clone()) else { return };
        for conn in sessions {
            self.drive(conn, event(), now);
        }
    }

    /// The link towards a peer is gone, and with it the path to everything behind: nothing stale is kept.
    pub(super) fn link_down(&mut self, id: PeerId, now: Instant) {
        self.each_session(id, now, || Event::LinkDown);
        self.forget_stale(id);
        self.retire(id, now);
    }
}
