//! Everything once more, without a reset: route refresh in both directions (RFC 2918, RFC 7313), and resets by people.

use std::time::Instant;

use super::peer::{Held, PeerId};
use super::{ConnId, Reset, Speaker};
use crate::session::dialer;
use crate::session::machine::{Cease, Event, Stop};
use crate::wire::{Family, Message, RefreshKind, RouteRefresh};

impl Speaker {
    pub(super) fn reset(&mut self, id: PeerId, reset: Reset, now: Instant) {
        match reset {
            Reset::Hard(communication) => self.reset_hard(id, communication.as_ref(), now),
            Reset::SoftIn(family) => self.soft_in(id, family),
            Reset::SoftOut(family) => self.soft_out(id, family),
        }
    }

    /// Ends sessions and rests alike; only an administrative shutdown stands.
    fn reset_hard(&mut self, id: PeerId, communication: Option<&String>, now: Instant) {
        self.each_session(id, now, || {
            Event::Stop(Stop {
                cease: Cease::AdministrativeReset,
                communication: communication.cloned(),
                hard: true,
                why: "administrative reset".to_owned(),
            })
        });
        self.forget_stale(id);
        let Some(peer) = self.peers.get_mut(id) else { return };
        match peer.held {
            Some(Held::Shutdown) => {}
            Some(Held::UntilReset | Held::Until(_)) => self.release(id, "administrative reset", now),
            None => self.dial(id, dialer::Event::Timers, "administrative reset", now),
        }
    }

    /// What was received is kept unchanged, hence can be judged anew here; the peer is asked as well, in case what it
    /// says and what we have differ.
    fn soft_in(&mut self, id: PeerId, only: Option<Family>) {
        self.judge(id);
        let Some(established) = self.peers.get(id).and_then(|peer| peer.established.as_ref()) else {
            return;
        };
        if !established.negotiated.route_refresh {
            return;
        }
        let (conn, families) = (established.conn, established.negotiated.families);
        for family in families.iter().filter(|family| only.is_none_or(|only| only == *family)) {
            self.send(conn, Message::RouteRefresh(RouteRefresh { family, kind: RefreshKind::Request }));
        }
    }

    fn soft_out(&mut self, id: PeerId, only: Option<Family>) {
        let Some(established) = self.peers.get(id).and_then(|peer| peer.established.as_ref()) else {
            return;
        };
        let enhanced = established.negotiated.enhanced_route_refresh;
        let members = established.members.iter();
        for (_, member) in members.filter(|(family, _)| only.is_none_or(|only| only == **family)) {
            self.rib.tell_again(*member, enhanced);
        }
        self.to_transmit.insert(established.conn);
    }

    /// The peer asks for a family's routes (RFC 2918 §4), or marks where its own begin and end (RFC 7313 §4.2).
    pub(super) fn refreshed(&mut self, conn: ConnId, refresh: RouteRefresh, now: Instant) {
        let RouteRefresh { family, kind } = refresh;
        let Some(id) = self.established_on(conn) else { return };
        let Some(established) = self.established_mut(id) else { return };
        let enhanced = established.negotiated.enhanced_route_refresh;
        if !established.negotiated.families.contains(family) {
            return;
        }
        match kind {
            RefreshKind::Request => self.soft_out(id, Some(family)),
            RefreshKind::Begin if enhanced => self.begin_refresh(id, family, now),
            RefreshKind::End if enhanced => self.end_refresh(id, family),
            // Whoever did not offer the capability does not say this.
            RefreshKind::Begin | RefreshKind::End => {}
        }
    }
}
