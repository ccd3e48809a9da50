//! One TCP connection: its session and the control messages that wait for its socket.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use super::LocalAddresses;
use crate::session::collision::Direction;
use crate::session::machine::Session;
use crate::wire::Message;

/// A connection with a session on it, or with a last NOTIFICATION to be sent.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: IpAddr,
    pub(super) direction: Direction,
    pub(super) local: LocalAddresses,
    pub(super) session: Session,
    /// It began when another session with the peer was Established already.
    pub(super) latecomer: bool,
    /// The session is over; the shell was told to close it once the outbox is empty.
    pub(super) closing: bool,
    outbox: VecDeque<Message>,
}

impl Connection {
    pub(super) fn new(
        peer: IpAddr,
        direction: Direction,
        local: LocalAddresses,
        session: Session,
        latecomer: bool,
    ) -> Self {
        Self { peer, direction, local, session, latecomer, closing: false, outbox: VecDeque::new() }
    }

    /// Everything but UPDATEs. What says the same as a message that still waits is not sent twice, so that a peer
    /// that does not read cannot make us remember more and more.
    pub(super) fn send(&mut self, message: Message) {
        if matches!(message, Message::Keepalive | Message::RouteRefresh(_)) && self.outbox.contains(&message)
        {
            return;
        }
        self.outbox.push_back(message);
    }

    pub(super) fn next_message(&mut self) -> Option<Message> {
        self.outbox.pop_front()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.outbox.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    /// Our addresses on it.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let LocalAddresses { v4, v6, v6_link_local } = self.local;
        let v4 = v4.map(IpAddr::V4);
        let v6 = [v6, v6_link_local].into_iter().flatten().map(IpAddr::V6);
        v4.into_iter().chain(v6).collect()
    }
}
