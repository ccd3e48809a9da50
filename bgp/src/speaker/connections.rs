//! Inputs about connections, on their way to the sessions.

use std::net::IpAddr;
use std::time::Instant;

use super::connection::Connection;
use super::{ConnId, LocalAddresses, Output, Speaker};
use crate::session::collision::Direction;
use crate::session::machine::{Action, Cease, Event, Session};
use crate::session::negotiation::Proposal;
use crate::session::{State, dialer};
use crate::wire::{DecodeError, Message};

impl Speaker {
    pub(super) fn accepted(&mut self, conn: ConnId, address: IpAddr, local: LocalAddresses, now: Instant) {
        let Some(peer) = self.peers.get_mut(&address) else {
            self.rejected.insert(conn);
            self.outputs.push_back(Output::Transmit(conn));
            self.outputs.push_back(Output::Disconnect(conn));
            return;
        };
        if peer.sessions.is_empty() && !peer.dialer.accepts() {
            self.outputs.push_back(Output::Disconnect(conn));
            return;
        }
        self.end_unfinished(address, now);
        self.dial(address, dialer::Event::Accepted, "", now);
        self.begin(conn, address, Direction::Accepted, local, now);
    }

    /// A peer that connects again has given up its earlier attempts.
    fn end_unfinished(&mut self, address: IpAddr, now: Instant) {
        let unfinished = |(conn, connection): (&ConnId, &Connection)| {
            let given_up = connection.peer == address
                && !connection.closing
                && connection.direction == Direction::Accepted
                && connection.session.state() < State::Established;
            given_up.then_some(*conn)
        };
        let given_up: Vec<_> = self.connections.iter().filter_map(unfinished).collect();
        for conn in given_up {
            let why = "the peer opened another connection";
            self.end(conn, Event::Stop(Cease::ConnectionCollisionResolution, why), now);
        }
    }

    pub(super) fn connected(&mut self, conn: ConnId, local: LocalAddresses, now: Instant) {
        let dialled = self.peers.iter_mut().find(|(_, peer)| peer.dialling == Some(conn));
        let Some((&address, peer)) = dialled else {
            self.outputs.push_back(Output::Disconnect(conn));
            return;
        };
        peer.dialling = None;
        peer.dialer.on(dialer::Event::Connected, now);
        if peer.established.is_some() {
            // The peer was faster; RFC 4271 §6.8 would close the new connection after the OPENs anyway.
            self.outputs.push_back(Output::Disconnect(conn));
            return;
        }
        self.begin(conn, address, Direction::Dialled, local, now);
    }

    pub(super) fn connect_failed(&mut self, conn: ConnId, why: &str, now: Instant) {
        let dialled = self.peers.iter_mut().find(|(_, peer)| peer.dialling == Some(conn));
        let Some((&address, peer)) = dialled else { return };
        peer.dialling = None;
        let reason = format!("cannot connect: {why}");
        let alone = peer.sessions.is_empty();
        if alone {
            peer.dial_failed(reason.clone());
        }
        self.dial(address, dialer::Event::ConnectFailed, &reason, now);
        if !alone {
            // The peer's own connection makes ours unnecessary.
            self.dial(address, dialer::Event::Accepted, &reason, now);
        }
    }

    fn begin(
        &mut self,
        conn: ConnId,
        address: IpAddr,
        direction: Direction,
        local: LocalAddresses,
        now: Instant,
    ) {
        let Some(proposal) = self.proposal(address) else { return };
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let (session, actions) = Session::start(proposal, peer.jitter.fork(), now);
        let latecomer = peer.established.is_some();
        peer.sessions.insert(conn);
        self.connections.insert(conn, Connection::new(address, direction, local, session, latecomer));
        self.perform(conn, actions, now);
        self.report(address, "connected", now);
    }

    fn proposal(&self, address: IpAddr) -> Option<Proposal> {
        let peer = self.peers.get(&address)?;
        Some(Proposal {
            local_as: self.config.local_as,
            router_id: self.config.router_id,
            remote_as: peer.config.remote_as,
            hold_time: peer.config.hold_time,
            families: peer.config.families.clone(),
            graceful_restart: self.restart_capability(peer),
        })
    }

    pub(super) fn received(&mut self, conn: ConnId, message: Result<Message, DecodeError>, now: Instant) {
        let Some(connection) = self.connections.get(&conn).filter(|connection| !connection.closing) else {
            return;
        };
        if let Some(peer) = self.peers.get_mut(&connection.peer) {
            peer.counters.messages_received += 1;
            peer.counters.updates_received += u64::from(matches!(message, Ok(Message::Update(_))));
        }
        let event = match message {
            Ok(message) => Event::Received(message),
            Err(error) => Event::Malformed(error),
        };
        self.drive(conn, event, now);
    }

    pub(super) fn closed(&mut self, conn: ConnId, why: String, now: Instant) {
        self.drive(conn, Event::Closed(why), now);
        self.connections.remove(&conn);
        self.to_transmit.remove(&conn);
        self.rejected.remove(&conn);
    }

    /// Gives the session an event, does what it wants done, and tells the owner.
    pub(super) fn drive(&mut self, conn: ConnId, event: Event, now: Instant) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let address = connection.peer;
        let actions = connection.session.on(event, now);
        let reason = self.perform(conn, actions, now);
        self.report(address, &reason, now);
    }

    /// [`drive`](Self::drive), where another session of the peer is what the owner is told of.
    pub(super) fn end(&mut self, conn: ConnId, event: Event, now: Instant) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let actions = connection.session.on(event, now);
        self.perform(conn, actions, now);
    }

    /// Gives the dialer an event, and dials if it says so.
    pub(super) fn dial(&mut self, address: IpAddr, event: dialer::Event, reason: &str, now: Instant) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        match peer.dialer.on(event, now) {
            Some(dialer::Command::Dial) => {
                let conn = ConnId(self.next_dialled);
                self.next_dialled += 1;
                peer.dialling = Some(conn);
                self.outputs.push_back(Output::Connect(conn, address));
            }
            None => {}
        }
        self.report(address, reason, now);
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
                Action::Refresh(family) => self.tell_again(conn, family),
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
