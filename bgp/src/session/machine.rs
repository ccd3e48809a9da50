//! The half of RFC 4271 §8 from a standing TCP connection on: OpenSent, OpenConfirm, Established.
//!
//! A session is born with its connection, sends OPEN first, and dies once: after [`Action::Down`] nothing more comes
//! out of it, and never more than one NOTIFICATION. It does not know that there may be a second connection with the
//! same peer; its owner does ([`collision`](super::collision)).
//!
//! ```text
//!             OPEN agreed              KEEPALIVE
//! OpenSent ──────────────► OpenConfirm ──────────► Established ─┐ KEEPALIVE, UPDATE, ROUTE-REFRESH
//!     └── anything else ───────┴── anything else ──────┴───────◄┘ anything else: Down
//! ```
//!
//! Each [`Down`] says what becomes of the peer's routes ([`Cause`]): RFC 4724 keeps them when a connection goes without
//! a word, RFC 8538 over NOTIFICATIONs and an expired hold timer too, where both ends have agreed to it.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::State;
use super::jitter::Jitter;
use super::negotiation::{Negotiated, Proposal};
use crate::config::Timers;
use crate::wire::code::{UNSPECIFIC, cease, error, fsm_error};
use crate::wire::{DecodeError, FamilySet, Message, Notification, Open, RefreshKind, RouteRefresh, Update};

pub use super::cease::{Cease, Stop};

/// Hold time until the OPENs are exchanged: RFC 4271 §8.2.2 suggests 4 minutes.
const LARGE_HOLD_TIME: Duration = Duration::from_secs(240);

/// What happened on the connection.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large one is the common one, and is moved once")]
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
    /// Routes have come, of families that both ends carry: others are left out.
    Routes(Update),
    /// The peer wants a family's routes again; or (RFC 7313, agreed by both) it begins or ends sending its own again.
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
    /// Without a NOTIFICATION: the peer may be restarting (RFC 4724 §4.2), and keeps our routes if we are.
    Lost,
    /// With a NOTIFICATION, sent or received, or by a timer, where both ends keep routes over that (RFC 8538).
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
    /// Since when the socket has had octets that it has not taken.
    untaken_since: Option<Instant>,
    jitter: Jitter,
}

impl Session {
    /// Begins on a connection that stands, by sending OPEN.
    #[must_use]
    pub fn start(proposal: Proposal, jitter: Jitter, now: Instant) -> (Self, Vec<Action>) {
        let open = proposal.open();
        let hold = Some(now + LARGE_HOLD_TIME);
        let session = Self {
            phase: Phase::OpenSent,
            proposal,
            negotiated: None,
            hold,
            keepalive: None,
            untaken_since: None,
            jitter,
        };
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
        [self.hold, self.keepalive, self.send_hold()].into_iter().flatten().min()
    }

    /// When the hold timer expires, if it runs: for people.
    #[must_use]
    pub fn hold_deadline(&self) -> Option<Instant> {
        self.hold
    }

    /// Other keepalive and send hold times, from now on. The hold time is agreed on by OPENs and stays.
    pub fn pace(&mut self, timers: Timers, now: Instant) {
        let hold = self.proposal.timers.hold;
        self.proposal.timers = Timers { hold, ..timers };
        let Some(negotiated) = &mut self.negotiated else { return };
        let before = negotiated.keepalive;
        self.proposal.pace(negotiated);
        if negotiated.keepalive != before && self.keepalive.is_some() {
            self.restart_keepalive(now);
        }
    }

    /// Octets have been handed to the socket, which took everything before: the send hold timer (RFC 9687) runs for
    /// these. With an UPDATE among them, which proves us alive as well as a KEEPALIVE does (RFC 4271 §8.2.2).
    pub fn handed_over(&mut self, update: bool, now: Instant) {
        if self.phase == Phase::Over {
            return;
        }
        self.untaken_since = Some(now);
        if update {
            self.restart_keepalive(now);
        }
    }

    /// The socket has taken everything: the send hold timer stops.
    pub fn all_taken(&mut self) {
        self.untaken_since = None;
    }

    /// When the send hold timer expires. It is known how long that is once OPENs have been exchanged.
    fn send_hold(&self) -> Option<Instant> {
        let patience = self.negotiated.as_ref()?.send_hold;
        self.untaken_since.filter(|_| !patience.is_zero()).map(|since| since + patience)
    }

    /// The next step.
    pub fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        match event {
            Event::Received(message) => self.received(message, now),
            Event::Malformed(error) => self.refuse(error),
            Event::Closed(why) => self.over(format!("connection lost: {why}"), Cause::Lost),
            Event::LinkDown => self.over("link down".to_owned(), Cause::Link),
            Event::Stop(stop) => {
                let notification = stop.notification(self.keeps_routes());
                let collision = stop.cease == Cease::ConnectionCollisionResolution;
                let cause = if collision { Cause::Collision } else { self.cause_of(&notification) };
                self.notify(notification, stop.why, cause)
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
                vec![Action::Routes(self.of_agreed_families(update))]
            }
            (Phase::Established, Message::RouteRefresh(refresh)) => self.refresh(refresh),
            (
                phase,
                Message::Open(_) | Message::Keepalive | Message::Update(_) | Message::RouteRefresh(_),
            ) => self.unexpected(phase, name),
        }
    }

    /// Whether both ends keep routes over a NOTIFICATION (RFC 8538).
    fn keeps_routes(&self) -> bool {
        self.negotiated.as_ref().is_some_and(|negotiated| negotiated.notification)
    }

    /// RFC 8538 §4: with either end's NOTIFICATION but for a Hard Reset, routes are kept where both agreed to it.
    fn cause_of(&self, notification: &Notification) -> Cause {
        if self.keeps_routes() && !notification.is_hard_reset() { Cause::Kept } else { Cause::Notified }
    }

    fn notified(&mut self, notification: &Notification) -> Vec<Action> {
        let mut reason = format!("peer sent NOTIFICATION: {notification}");
        if let Some(inner) = notification.hard_reset_inner() {
            reason.push_str(&format!(": {inner}"));
        }
        if let Some(text) = notification.shutdown_communication() {
            reason.push_str(&format!(": {text}"));
        }
        let lost_collision =
            (notification.code, notification.subcode) == (error::CEASE, cease::COLLISION_RESOLUTION);
        let cause = if lost_collision { Cause::Collision } else { self.cause_of(notification) };
        self.over(reason, cause)
    }

    /// RFC 4760 §6 forbids what was not agreed on; it is left out, since a session is not worth it.
    fn of_agreed_families(&self, mut update: Update) -> Update {
        let families =
            self.negotiated.as_ref().map_or(FamilySet::default(), |negotiated| negotiated.families);
        update.reach.retain(|reach| families.contains(reach.family));
        update.end_of_rib = update.end_of_rib.filter(|family| families.contains(*family));
        update
    }

    /// RFC 2918 §4: of other families nothing was agreed on. RFC 7313 §4: where that is not spoken, nothing begins or
    /// ends.
    fn refresh(&self, refresh: RouteRefresh) -> Vec<Action> {
        let Some(negotiated) = &self.negotiated else { return Vec::new() };
        let meant = match refresh.kind {
            RefreshKind::Request => true,
            RefreshKind::Begin | RefreshKind::End => negotiated.enhanced_route_refresh,
        };
        if meant && negotiated.families.contains(refresh.family) {
            vec![Action::Refresh(refresh)]
        } else {
            Vec::new()
        }
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
            Err(refusal) => self.refuse(refusal),
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
        let reason = format!("{message} in state {}", self.state());
        self.refuse(DecodeError { notification, reason })
    }

    fn refuse(&mut self, error: DecodeError) -> Vec<Action> {
        let reason = format!("we sent {}: {}", error.notification, error.reason);
        let cause = self.cause_of(&error.notification);
        self.notify(error.notification, reason, cause)
    }

    fn timers(&mut self, now: Instant) -> Vec<Action> {
        let due = |timer: Option<Instant>| timer.is_some_and(|deadline| deadline <= now);
        if due(self.hold) {
            let notification = Notification::new(error::HOLD_TIMER_EXPIRED, UNSPECIFIC, Bytes::new());
            let cause = self.cause_of(&notification);
            return self.notify(notification, "hold timer expired".to_owned(), cause);
        }
        if due(self.send_hold()) {
            // A NOTIFICATION (8, Send Hold Timer Expired) would queue behind what is not being taken.
            let cause = if self.keeps_routes() { Cause::Kept } else { Cause::Lost };
            let patience = self.negotiated.as_ref().map_or(0, |negotiated| negotiated.send_hold.as_secs());
            return self
                .over(format!("send hold timer expired: the peer took nothing for {patience} s"), cause);
        }
        if due(self.keepalive) {
            self.restart_keepalive(now);
            return vec![Action::Send(Message::Keepalive)];
        }
        Vec::new()
    }

    /// Without a hold time there is still one until the session stands: a peer that agrees and then says nothing
    /// would hold its place for ever.
    fn restart_hold(&mut self, now: Instant) {
        let agreed = self.negotiated.as_ref().map(|negotiated| negotiated.hold_time);
        let hold_time = match agreed.filter(|time| !time.is_zero()) {
            None if self.phase == Phase::OpenConfirm => Some(LARGE_HOLD_TIME),
            agreed => agreed,
        };
        self.hold = hold_time.map(|time| now + time);
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
        self.untaken_since = None;
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
