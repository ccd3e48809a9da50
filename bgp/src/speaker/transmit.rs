//! Octets for sockets that can take them: control messages first, then pieces of each family in turn, made on the spot.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::peer::PeerId;
use super::timers::Timed;
use super::view::Counters;
use super::{ConnId, Speaker};
use crate::rib::Piece;
use crate::session::machine::Cease;
use crate::wire::{Codec, Family, Message};

impl Speaker {
    /// The next octets for a connection, whole messages; none until the next
    /// [`Output::Transmit`](super::Output::Transmit). To be asked only when the socket has taken all before: the send
    /// hold timer (RFC 9687) runs from here.
    pub fn poll_transmit(&mut self, conn: ConnId, now: Instant) -> Option<Bytes> {
        if self.rejected.remove(&conn) {
            let farewell = Message::Notification(Cease::ConnectionRejected.notification());
            return Some(encode([farewell], &Codec::default(), &mut Counters::default()));
        }
        let connection = self.connections.get(&conn)?;
        let (id, closing) = (connection.peer, connection.closing);
        let octets = match self.control(conn, id) {
            Some(octets) => self.handed_over(conn, octets, false, now),
            None if closing => None,
            None => match self.next_piece(id, conn) {
                Some(octets) => self.handed_over(conn, octets, true, now),
                None => {
                    self.connections.get_mut(&conn)?.session.all_taken();
                    None
                }
            },
        };
        if closing {
            self.forget_connection(conn);
        }
        octets
    }

    fn handed_over(&mut self, conn: ConnId, octets: Bytes, update: bool, now: Instant) -> Option<Bytes> {
        let connection = self.connections.get_mut(&conn)?;
        connection.session.handed_over(update, now);
        let deadline = connection.session.deadline();
        self.timers.arm(Timed::Connection(conn), deadline);
        Some(octets)
    }

    /// Every control message that waits.
    fn control(&mut self, conn: ConnId, id: PeerId) -> Option<Bytes> {
        let connection = self.connections.get_mut(&conn)?;
        if connection.is_drained() {
            return None;
        }
        let codec = connection.codec();
        let messages = connection.take_outbox();
        // A peer that is configured no longer is still told so.
        let mut nobody = Counters::default();
        let counters = self.peers.get_mut(id).map_or(&mut nobody, |peer| &mut peer.counters);
        Some(encode(messages, &codec, counters))
    }

    /// UPDATEs of the family whose turn it is, or of the next that has some.
    fn next_piece(&mut self, id: PeerId, conn: ConnId) -> Option<Bytes> {
        let peer = self.peers.get_mut(id)?;
        let established = peer.established.as_mut().filter(|established| established.conn == conn)?;
        for family in [established.turn, after(established.turn)] {
            let Some(member) = established.members.get(&family) else { continue };
            if let Some(Piece { octets, messages }) = self.rib.next_piece(*member) {
                established.turn = after(family);
                peer.counters.messages_sent += u64::from(messages);
                peer.counters.updates_sent += u64::from(messages);
                peer.counters.octets_sent += octets.len() as u64;
                return Some(octets);
            }
        }
        None
    }

    /// Notes who has something to transmit, of those for whom something has changed.
    pub(super) fn note_pending(&mut self) {
        let changed = self.rib.take_changed();
        if changed.is_empty() {
            return;
        }
        for established in self.peers.iter().filter_map(|(_, peer)| peer.established.as_ref()) {
            let mut members = established.members.iter();
            let pending =
                members.any(|(family, member)| changed.contains(*family) && self.rib.is_pending(*member));
            if pending {
                self.to_transmit.insert(established.conn);
            }
        }
    }
}

fn after(family: Family) -> Family {
    match family {
        Family::Ipv4Unicast => Family::Ipv6Unicast,
        Family::Ipv6Unicast => Family::Ipv4Unicast,
    }
}

fn encode(messages: impl IntoIterator<Item = Message>, codec: &Codec, counters: &mut Counters) -> Bytes {
    let mut out = BytesMut::new();
    for message in messages {
        counters.messages_sent += 1;
        counters.notifications_sent += u64::from(matches!(message, Message::Notification(_)));
        // Only UPDATEs can fail to encode, and none is here.
        let _ = message.encode(codec, &mut out);
    }
    counters.octets_sent += out.len() as u64;
    out.freeze()
}
