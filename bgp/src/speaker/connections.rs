//! Inputs about connections, on their way to the sessions.

use std::time::Instant;

use super::connection::{Connection, LastWord};
use super::peer::PeerId;
use super::timers::Timed;
use super::{ConnId, Endpoint, LocalAddresses, Output, Speaker};
use crate::session::collision::Direction;
use crate::session::machine::{Action, Cease, Event, Session, Stop};
use crate::session::{State, dialer};
use crate::wire::{DecodeError, Message};

impl Speaker {
    pub(super) fn accepted(
        &mut self,
        conn: ConnId,
        endpoint: &Endpoint,
        local: LocalAddresses,
        now: Instant,
    ) {
        let admitted = self.admit(endpoint, now);
        let Some((id, peer)) = admitted.and_then(|id| self.peers.get(id).map(|peer| (id, peer))) else {
            return self.reject(conn);
        };
        if peer.is_out() {
            return self.reject(conn);
        }
        if peer.sessions.is_empty() && !peer.dialer.accepts() {
            self.outputs.push_back(Output::Disconnect(conn));
            return;
        }
        self.end_unfinished(id, now);
        self.dial(id, dialer::Event::Accepted, "", now);
        self.begin(conn, id, Direction::Accepted, local, now);
    }

    /// Closes the connection of somebody who is not welcome, with a word about it.
    fn reject(&mut self, conn: ConnId) {
        self.rejected.insert(conn);
        self.outputs.push_back(Output::Transmit(conn));
        self.outputs.push_back(Output::Disconnect(conn));
    }

    /// A peer that connects again has given up its earlier attempts.
    fn end_unfinished(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get(id) else { return };
        let unfinished = |conn: &&ConnId| {
            self.connections.get(conn).is_some_and(|connection| {
                !connection.closing
                    && connection.direction == Direction::Accepted
                    && connection.session.state() < State::Established
            })
        };
        let given_up: Vec<_> = peer.sessions.iter().filter(unfinished).copied().collect();
        for conn in given_up {
            let why = "the peer opened another connection";
            self.end(conn, stop(Cease::ConnectionCollisionResolution, why), now);
        }
    }

    pub(super) fn connected(&mut self, conn: ConnId, local: LocalAddresses, now: Instant) {
        let Some(id) = self.dials.remove(&conn) else {
            self.outputs.push_back(Output::Disconnect(conn));
            return;
        };
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.dialling = None;
        let wanted = peer.dialer.accepts();
        peer.dialer.on(dialer::Event::Connected, now);
        if !wanted || peer.established.is_some() {
            // The peer was faster; RFC 4271 §6.8 would close the new connection after the OPENs anyway.
            self.outputs.push_back(Output::Disconnect(conn));
            return;
        }
        self.begin(conn, id, Direction::Dialled, local, now);
    }

    pub(super) fn connect_failed(&mut self, conn: ConnId, why: &str, now: Instant) {
        let Some(id) = self.dials.remove(&conn) else { return };
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.dialling = None;
        let reason = format!("cannot connect: {why}");
        let alone = peer.sessions.is_empty();
        if alone {
            peer.attempt_failed(reason.clone(), now);
        }
        self.dial(id, dialer::Event::ConnectFailed, &reason, now);
        if !alone {
            // The peer's own connection makes ours unnecessary.
            self.dial(id, dialer::Event::Accepted, &reason, now);
        }
    }

    fn begin(&mut self, conn: ConnId, id: PeerId, direction: Direction, local: LocalAddresses, now: Instant) {
        let Some(proposal) = self.proposal(id) else { return };
        let Some(peer) = self.peers.get_mut(id) else { return };
        let (session, actions) = Session::start(proposal, peer.jitter.fork(), now);
        let latecomer = peer.established.is_some();
        peer.sessions.insert(conn);
        self.connections.insert(conn, Connection::new(id, direction, local, session, latecomer));
        self.perform(conn, actions, now);
        self.arm_connection(conn);
        self.report(id, "connected", now);
    }

    pub(super) fn received(&mut self, conn: ConnId, message: Result<Message, DecodeError>, now: Instant) {
        let Some(connection) = self.connections.get_mut(&conn).filter(|connection| !connection.closing)
        else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(connection.peer) {
            let counters = &mut peer.counters;
            counters.messages_received += 1;
            match &message {
                Ok(Message::Update(_)) => counters.updates_received += 1,
                Ok(Message::Notification(_)) => counters.notifications_received += 1,
                Ok(Message::RouteRefresh(_)) => counters.refreshes_received += 1,
                Ok(Message::Open(_) | Message::Keepalive) | Err(_) => {}
            }
        }
        let event = match message {
            Ok(message) => {
                if let Message::Notification(notification) = &message {
                    connection.last_word = Some(LastWord::Theirs(notification.clone()));
                }
                Event::Received(message)
            }
            Err(error) => Event::Malformed(error),
        };
        self.drive(conn, event, now);
    }

    pub(super) fn closed(&mut self, conn: ConnId, why: String, now: Instant) {
        self.drive(conn, Event::Closed(why), now);
        self.forget_connection(conn);
        self.rejected.remove(&conn);
    }

    pub(super) fn forget_connection(&mut self, conn: ConnId) {
        self.connections.remove(&conn);
        self.to_transmit.remove(&conn);
        self.timers.disarm(Timed::Connection(conn));
    }

    /// Gives the session an event, does what it wants done, and tells the owner.
    pub(super) fn drive(&mut self, conn: ConnId, event: Event, now: Instant) {
        let Some(id) = self.connections.get(&conn).map(|connection| connection.peer) else { return };
        let reason = self.end(conn, event, now);
        self.report(id, &reason, now);
        self.retire(id, now);
    }

    /// [`drive`](Self::drive), where another session of the peer is what the owner is told of.
    pub(super) fn end(&mut self, conn: ConnId, event: Event, now: Instant) -> String {
        let Some(connection) = self.connections.get_mut(&conn) else { return String::new() };
        let actions = connection.session.on(event, now);
        let reason = self.perform(conn, actions, now);
        self.arm_connection(conn);
        reason
    }

    pub(super) fn arm_connection(&mut self, conn: ConnId) {
        let deadline = self.connections.get(&conn).and_then(|connection| connection.session.deadline());
        self.timers.arm(Timed::Connection(conn), deadline);
    }

    /// Gives the dialer an event, and dials if it says so.
    pub(super) fn dial(&mut self, id: PeerId, event: dialer::Event, reason: &str, now: Instant) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        if let Some(dialer::Command::Dial) = peer.dialer.on(event, now)
            && let Some(endpoint) = &peer.endpoint
        {
            let conn = ConnId(ConnId::FIRST_DIALLED.0 | self.dialled);
            self.dialled += 1;
            peer.dialling = Some(conn);
            self.dials.insert(conn, id);
            self.outputs.push_back(Output::Connect(conn, peer.key.clone(), endpoint.clone()));
        }
        self.report(id, reason, now);
    }

    /// Gives up the connection that is being made; whether one was.
    pub(super) fn stop_dialling(&mut self, id: PeerId, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(id) else { return false };
        let Some(conn) = peer.dialling.take() else { return false };
        peer.dialer.on(dialer::Event::ConnectFailed, now);
        self.dials.remove(&conn);
        self.outputs.push_back(Output::Disconnect(conn));
        true
    }

    /// Does what a session wants done, in order. The reason, where it went down.
    fn perform(&mut self, conn: ConnId, actions: Vec<Action>, now: Instant) -> String {
        let mut reason = String::new();
        for action in actions {
            match action {
                Action::Send(message) => self.send(conn, message),
                Action::Opened => self.opened(conn, now),
                Action::Established => self.established(conn, now),
                Action::KeptAlive => self.kept_alive(conn),
                Action::Routes(update) => self.learn(conn, update, now),
                Action::Refresh(refresh) => self.refreshed(conn, refresh, now),
                Action::Down(down) => {
                    reason.clone_from(&down.reason);
                    self.down(conn, down, now);
                }
            }
        }
        reason
    }

    pub(super) fn send(&mut self, conn: ConnId, message: Message) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.send(message);
            self.to_transmit.insert(conn);
        }
    }
}

/// An end that the peer may keep our routes over, without words for its people.
pub(super) fn stop(cease: Cease, why: impl Into<String>) -> Event {
    Event::Stop(Stop { cease, communication: None, hard: false, why: why.into() })
}
