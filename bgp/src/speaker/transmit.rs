//! Messages for sockets that can take them: control messages first, then UPDATEs made on the spot.

use std::net::IpAddr;
use std::time::Instant;

use super::connection::Connection;
use super::peer::Peer;
use super::{ConnId, Speaker};
use crate::rib::export::{Exporter, NextHops, Policy};
use crate::session::machine::Cease;
use crate::wire::{Family, Message, NextHop, Update};

impl Speaker {
    /// The next message for a connection; none until the next [`Output::Transmit`](super::Output::Transmit).
    pub fn poll_transmit(&mut self, conn: ConnId, now: Instant) -> Option<Message> {
        if self.rejected.remove(&conn) {
            return Some(Message::Notification(Cease::ConnectionRejected.notification()));
        }
        let connection = self.connections.get_mut(&conn)?;
        let address = connection.peer;
        let message = match connection.next_message() {
            Some(message) => Some(message),
            None if connection.closing => None,
            None => self.next_update(conn, address, now).map(Message::Update),
        };
        if self.connections.get(&conn).is_some_and(|connection| connection.closing && connection.is_drained())
        {
            self.connections.remove(&conn);
        }
        if let Some(peer) = self.peers.get_mut(&address)
            && let Some(message) = &message
        {
            peer.counters.messages_sent += 1;
            peer.counters.updates_sent += u64::from(matches!(message, Message::Update(_)));
        }
        message
    }

    fn next_update(&mut self, conn: ConnId, address: IpAddr, now: Instant) -> Option<Update> {
        let policy = self.policy(address)?;
        let peer = self.peers.get_mut(&address).filter(|peer| peer.established_conn() == Some(conn))?;
        let (loc, paths) = self.rib.to_export();
        let mut exporter = Exporter::new(&policy, loc, paths);
        let update = peer.adj_out.next_update(now, |prefix| exporter.export(prefix))?;
        self.connections.get_mut(&conn)?.session.sent_update(now);
        Some(update)
    }

    /// How the Established session of a peer is told routes.
    pub(super) fn policy(&self, address: IpAddr) -> Option<Policy> {
        let peer = self.peers.get(&address)?;
        let connection = self.connections.get(&peer.established_conn()?)?;
        Some(Policy {
            peer: address,
            external: peer.config.remote_as != self.config.local_as,
            local_as: self.config.local_as,
            export: peer.config.export,
            hold_back_transit: self.holds_back_transit(),
            next_hop_self: peer.config.next_hop_self,
            next_hops: next_hops(peer, connection),
        })
    }
}

/// Ourselves, by negotiated family; a family for which we have no address there is left out.
fn next_hops(peer: &Peer, connection: &Connection) -> NextHops {
    let local = connection.local;
    let own = |family| match family {
        Family::Ipv4Unicast => local.v4.map(NextHop::V4),
        Family::Ipv6Unicast => local.v6.map(|global| NextHop::V6 { global, link_local: local.v6_link_local }),
    };
    let families = peer.established.iter().flat_map(|established| &established.negotiated.families);
    families.filter_map(|&family| own(family).map(|next_hop| (family, next_hop))).collect()
}
