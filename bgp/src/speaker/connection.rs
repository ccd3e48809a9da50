//! One TCP connection: its session and the control messages that wait for its socket.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::LocalAddresses;
use super::peer::PeerId;
use crate::session::collision::Direction;
use crate::session::machine::Session;
use crate::wire::{Codec, Message, Notification, Open};

/// A connection with a session on it, or with a last NOTIFICATION to be sent.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: PeerId,
    pub(super) direction: Direction,
    pub(super) local: LocalAddresses,
    pub(super) session: Session,
    /// It began when another session with the peer was Established already.
    pub(super) latecomer: bool,
    /// The session is over; the shell was told to close it once the outbox is empty.
    pub(super) closing: bool,
    /// Our OPEN.
    pub(super) open: Option<Open>,
    /// What ended it, for BMP.
    pub(super) last_word: Option<LastWord>,
    outbox: VecDeque<Message>,
}

/// The NOTIFICATION that ended a session.
#[derive(Debug)]
pub(super) enum LastWord {
    Ours(Notification),
    Theirs(Notification),
}

impl Connection {
    pub(super) fn new(
        peer: PeerId,
        direction: Direction,
        local: LocalAddresses,
        session: Session,
        latecomer: bool,
    ) -> Self {
        Self {
            peer,
            direction,
            local,
            session,
            latecomer,
            closing: false,
            open: None,
            last_word: None,
            outbox: VecDeque::new(),
        }
    }

    /// Everything but UPDATEs. What says the same as a message that still waits is not sent twice, so that a peer
    /// that does not read cannot make us remember more and more.
    pub(super) fn send(&mut self, message: Message) {
        match &message {
            Message::Keepalive | Message::RouteRefresh(_) if self.outbox.contains(&message) => return,
            Message::Open(open) => self.open = Some(open.clone()),
            Message::Notification(notification) => {
                self.last_word = Some(LastWord::Ours(notification.clone()));
            }
            Message::Keepalive | Message::RouteRefresh(_) | Message::Update(_) => {}
        }
        self.outbox.push_back(message);
    }

    pub(super) fn take_outbox(&mut self) -> VecDeque<Message> {
        std::mem::take(&mut self.outbox)
    }

    pub(super) fn is_drained(&self) -> bool {
        self.outbox.is_empty()
    }

    pub(super) fn codec(&self) -> Codec {
        self.session.negotiated().map(|negotiated| negotiated.codec).unwrap_or_default()
    }
}

impl LocalAddresses {
    /// All of ours on the connection.
    pub(super) fn all(&self) -> Vec<IpAddr> {
        let v6 = [self.v6, self.v6_link_local].into_iter().flatten().map(IpAddr::V6);
        let mut all: Vec<_> = self.v4.map(IpAddr::V4).into_iter().chain(v6).collect();
        if let Some(local) = self.local.map(|local| local.ip())
            && !all.contains(&local)
        {
            all.push(local);
        }
        all
    }
}
