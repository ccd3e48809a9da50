//! The half of RFC 4271 §8 from a standing TCP connection on: OpenSent, OpenConfirm, Established.
//!
//! A session is born with its connection, sends OPEN first, and dies once: after [`Action::Down`] nothing more comes
//! out of it. It does not know that there may be a second connection with the same peer; its owner does
//! ([`collision`](super::collision)).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::State;
use super::jitter::Jitter;
use super::negotiation::{Negotiated, Proposal};
use crate::wire::code::{UNSPECIFIC, cease, error, fsm_error};
use crate::wire::{DecodeError, Message, Notification, Open, RouteRefresh, Update};

/// Hold time until the OPENs are exchanged: RFC 4271 §8.2.2 suggests 4 minutes.
const LARGE_HOLD_TIME: Duration = Duration::from_secs(240);

/// Cease subcodes of RFC 4486 §3, RFC 9003 and RFC 9384 that this speaker sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cease {
    /// 1.
    MaximumPrefixes,
    /// 2.
    AdministrativeShutdown,
    /// 3.
    PeerDeconfigured,
    /// 4.
    AdministrativeReset,
    /// 5.
    ConnectionRejected,
    /// 6.
    OtherConfigurationChange,
    /// 7.
    ConnectionCollisionResolution,
    /// 8.
    OutOfResources,
    /// 10.
    BfdDown,
}

impl Cease {
    /// The message that says so.
    #[must_use]
    pub fn notification(self) -> Notification {
        Notification::cease(match self {
            Self::MaximumPrefixes => cease::MAXIMUM_PREFIXES,
            Self::AdministrativeShutdown => cease::ADMINISTRATIVE_SHUTDOWN,
            Self::PeerDeconfigured => cease::PEER_DECONFIGURED,
            Self::AdministrativeReset => cease::ADMINISTRATIVE_RESET,
            Self::ConnectionRejected => cease::CONNECTION_REJECTED,
            Self::OtherConfigurationChange => cease::OTHER_CONFIGURATION_CHANGE,
            Self::ConnectionCollisionResolution => cease::COLLISION_RESOLUTION,
            Self::OutOfResources => cease::OUT_OF_RESOURCES,
            Self::BfdDown => cease::BFD_DOWN,
        })
    }
}

/// An end that the owner wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// What the peer is told.
    pub cease: Cease,
    /// In words (RFC 9003), for shutdown and reset; cut at 255 octets.
    pub communication: Option<String>,
    /// The peer is not to keep our routes: where RFC 8538 is spoken, a Hard Reset says so.
    pub hard: bool,
    /// For our own people: one sentence.
    pub why: String,
}

/// What happened on the connection.
#[derive(Debug)]
pub enum Event {
    /// It brought a message.
    Received(Message),
    /// It brought something that is none.
    Malformed(DecodeError),
    /// It is gone.
    Closed(String),
    /// The link under it is gone.
    LinkDown,
    /// The owner wants it ended.
    Stop(Stop),
    /// The peer has come back on another connection without ending this one (RFC 4724 §4.2).
    Replaced,
    /// Time has passed.
    Timers,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this, in order.
    Send(Message),
    /// The peer's OPEN was good: now is the time to look for a collision. The session is in OpenConfirm.
    Opened,
    /// The session has become Established.
    Established,
    /// KEEPALIVE in Established.
    KeptAlive,
    /// Routes have come.
    Routes(Update),
    /// The peer wants a family's routes again.
    Refresh(RouteRefresh),
    /// The session is over; close the connection.
    Down(Down),
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// For people: one sentence.
    pub reason: String,
    /// For the owner.
    pub cause: Cause,
}

/// What kind of end it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Without a NOTIFICATION: the peer may be restarting (RFC 4724 §4.2).
    Lost,
    /// With a NOTIFICATION, sent or received, over which both ends keep routes (RFC 8538).
    Kept,
    /// With a NOTIFICATION, sent or received: the routes go.
    Notified,
    /// By the loser's rule of RFC 4271 §6.8: no fault.
    Collision,
    /// With the link.
    Link,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    OpenSent,
    OpenConfirm,
    Established,
    Over,
}

/// One TCP connection's life as a BGP session.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    proposal: Proposal,
    negotiated: Option<Negotiated>,
    hold: Option<Instant>,
    keepalive: Option<Instant>,
    jitter: Jitter,
}

impl Session {
    /// Begins on a connection that stands, by sending OPEN.
    #[must_use]
    pub fn start(proposal: Proposal, jitter: Jitter, now: Instant) -> (Self, Vec<Action>) {
        let open = proposal.open();
        let hold = Some(now + LARGE_HOLD_TIME);
        let session =
            Self { phase: Phase::OpenSent, proposal, negotiated: None, hold, keepalive: None, jitter };
        (session, vec![Action::Send(Message::Open(open))])
    }

    /// OpenSent, OpenConfirm or Established; Idle once it is over.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::OpenSent => State::OpenSent,
            Phase::OpenConfirm => State::OpenConfirm,
            Phase::Established => State::Established,
            Phase::Over => State::Idle,
        }
    }

    /// What the OPENs agreed on, from OpenConfirm on.
    #[must_use]
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_ref()
    }

    /// When to send [`Event::Timers`].
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        [self.hold, self.keepalive].into_iter().flatten().min()
    }

    /// When the hold timer expires, if it runs: for people.
    #[must_use]
    pub fn hold_deadline(&self) -> Option<Instant> {
        self.hold
    }

    /// Octets have been handed to the socket, which took everything before: the send hold timer (RFC 9687) runs for
    /// these. With an UPDATE among them, which proves us alive as well as a KEEPALIVE does (RFC 4271 §8.2.2).
    pub fn handed_over(&mut self, update: bool, now: Instant) {
        if update {
            self.sent_update(now);
        }
    }

    /// The socket has taken everything: the send hold timer stops.
    pub fn all_taken(&mut self) {}

    /// An UPDATE was sent: it proves us alive as well as a KEEPALIVE does (RFC 4271 §8.2.2).
    fn sent_update(&mut self, now: Instant) {
        self.restart_keepalive(now);
    }

    /// The next step.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        match event {
            Event::Received(message) => self.received(message, now),
            Event::Malformed(error) => {
                let reason = format!("we sent {}: {}", error.notification, error.reason);
                self.notify(error.notification, reason, Cause::Notified)
            }
            Event::Closed(why) => self.over(format!("connection lost: {why}"), Cause::Lost),
            Event::LinkDown => self.over("link down".to_owned(), Cause::Link),
            Event::Stop(stop) => {
                let collision = stop.cease == Cease::ConnectionCollisionResolution;
                let cause = if collision { Cause::Collision } else { Cause::Notified };
                self.notify(stop.cease.notification(), stop.why, cause)
            }
            Event::Replaced => self.over("the peer came back on a new connection".to_owned(), Cause::Lost),
            Event::Timers => self.timers(now),
        }
    }

    fn received(&mut self, message: Message, now: Instant) -> Vec<Action> {
        let name = name(&message);
        match (self.phase, message) {
            (_, Message::Notification(notification)) => self.notified(&notification),
            (Phase::OpenSent, Message::Open(open)) => self.opened(&open, now),
            (Phase::OpenConfirm, Message::Keepalive) => {
                self.phase = Phase::Established;
                self.restart_hold(now);
                vec![Action::Established]
            }
            (Phase::Established, Message::Keepalive) => {
                self.restart_hold(now);
                vec![Action::KeptAlive]
            }
            (Phase::Established, Message::Update(update)) => {
                self.restart_hold(now);
                vec![Action::Routes(update)]
            }
            (Phase::Established, Message::RouteRefresh(family)) => vec![Action::Refresh(family)],
            (
                phase,
                Message::Open(_) | Message::Keepalive | Message::Update(_) | Message::RouteRefresh(_),
            ) => self.unexpected(phase, name),
        }
    }

    fn notified(&mut self, notification: &Notification) -> Vec<Action> {
        let mut reason = format!("peer sent NOTIFICATION: {notification}");
        if let Some(text) = notification.shutdown_communication() {
            reason.push_str(&format!(": {text}"));
        }
        let lost_collision =
            (notification.code, notification.subcode) == (error::CEASE, cease::COLLISION_RESOLUTION);
        self.over(reason, if lost_collision { Cause::Collision } else { Cause::Notified })
    }

    fn opened(&mut self, open: &Open, now: Instant) -> Vec<Action> {
        match self.proposal.agree(open) {
            Ok(negotiated) => {
                self.negotiated = Some(negotiated);
                self.phase = Phase::OpenConfirm;
                self.restart_hold(now);
                self.restart_keepalive(now);
                vec![Action::Send(Message::Keepalive), Action::Opened]
            }
            Err(refusal) => {
                let reason = format!("we sent {}: {}", refusal.notification, refusal.reason);
                self.notify(refusal.notification, reason, Cause::Notified)
            }
        }
    }

    /// RFC 6608 §3: the subcode tells the peer in which state we were.
    fn unexpected(&mut self, phase: Phase, message: &str) -> Vec<Action> {
        let subcode = match phase {
            Phase::OpenSent => fsm_error::UNEXPECTED_IN_OPEN_SENT,
            Phase::OpenConfirm => fsm_error::UNEXPECTED_IN_OPEN_CONFIRM,
            Phase::Established => fsm_error::UNEXPECTED_IN_ESTABLISHED,
            Phase::Over => UNSPECIFIC,
        };
        let notification = Notification::new(error::FSM, subcode, Bytes::new());
        let reason = format!("we sent {notification}: {message} in state {}", self.state());
        self.notify(notification, reason, Cause::Notified)
    }

    fn timers(&mut self, now: Instant) -> Vec<Action> {
        if self.hold.is_some_and(|deadline| deadline <= now) {
            let notification = Notification::new(error::HOLD_TIMER_EXPIRED, UNSPECIFIC, Bytes::new());
            return self.notify(notification, "hold timer expired".to_owned(), Cause::Notified);
        }
        if self.keepalive.is_some_and(|deadline| deadline <= now) {
            self.restart_keepalive(now);
            return vec![Action::Send(Message::Keepalive)];
        }
        Vec::new()
    }

    fn restart_hold(&mut self, now: Instant) {
        let hold_time = self.negotiated.as_ref().map(|negotiated| negotiated.hold_time);
        self.hold = hold_time.filter(|time| !time.is_zero()).map(|time| now + time);
    }

    fn restart_keepalive(&mut self, now: Instant) {
        let interval = self.negotiated.as_ref().map(|negotiated| negotiated.keepalive);
        self.keepalive = interval.filter(|time| !time.is_zero()).map(|time| now + self.jitter.shorten(time));
    }

    fn notify(&mut self, notification: Notification, reason: String, cause: Cause) -> Vec<Action> {
        let mut actions = vec![Action::Send(Message::Notification(notification))];
        actions.extend(self.over(reason, cause));
        actions
    }

    fn over(&mut self, reason: String, cause: Cause) -> Vec<Action> {
        self.phase = Phase::Over;
        self.hold = None;
        self.keepalive = None;
        vec![Action::Down(Down { reason, cause })]
    }
}

fn name(message: &Message) -> &'static str {
    match message {
        Message::Open(_) => "OPEN",
        Message::Update(_) => "UPDATE",
        Message::Notification(_) => "NOTIFICATION",
        Message::Keepalive => "KEEPALIVE",
        Message::RouteRefresh(_) => "ROUTE-REFRESH",
    }
}
