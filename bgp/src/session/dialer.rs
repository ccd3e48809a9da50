//! The half of RFC 4271 §8 before a TCP connection stands: Idle, Connect, Active.
//!
//! ```text
//!              ┌── retry due, reset ───────┐
//!              ▼                           │
//! Idle ──► Connect ── connected, failed ──► Active ◄── lost before Established
//!  ▲           ▲                           │  │
//!  │           └── lost while Established ─┘  │
//!  └── an error, a limit, people say so ──────┘
//! ```
//!
//! After errors the peer rests in Idle, longer each time (RFC 4271 §8.1.1, DampPeerOscillations), so that two
//! speakers that disagree do not fill logs and links. A connection that merely went away is no error: the peer
//! restarts, and the sooner it is back the better. A peer that passed its limit of prefixes rests for as long as that
//! limit says, perhaps until somebody resets it; one that is administratively down rests until that ends.
//!
//! Who has no address yet (an unnumbered peer before its router advertisement) cannot be dialled, but may come.

use std::time::{Duration, Instant};

use super::State;
use super::jitter::Jitter;
use super::machine::Cause;

/// First rest after an error; doubles with every further one.
const IDLE_HOLD: Duration = Duration::from_secs(1);
/// Longest rest.
const IDLE_HOLD_MAX: Duration = Duration::from_secs(32);
/// A session that lasted this long proves that earlier errors are over.
const STABLE: Duration = Duration::from_secs(60);
/// A session lost sooner than this is not redialled at once.
const SHORT_LIVED: Duration = Duration::from_secs(5);

/// What happened to the connections of a peer, and what people want of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Time has passed, or [`configure`](Dialer::configure) was called.
    Timers,
    /// Our connection stands; its session goes on from here. In Idle it is not wanted any more: close it.
    Connected,
    /// Our connection could not be made.
    ConnectFailed,
    /// The peer's connection stands; its session goes on from here.
    Accepted,
    /// The last session is gone.
    Down(Setback),
    /// Somebody wants it up now: whatever rest there is ends, and earlier errors are forgotten. An administrative
    /// shutdown outlasts it.
    Reset,
    /// It is administratively down from now on.
    Shutdown,
    /// It no longer is.
    Start,
    /// Its address is known.
    Found,
    /// Its address is not known: there is nobody to dial.
    Missing,
}

/// How the last session went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setback {
    /// The connection went away without a word, after so long in Established (zero if never there).
    Lost(Duration),
    /// The link went down: nobody is there to dial.
    Unreachable,
    /// One side sent a NOTIFICATION, after so long in Established (zero if never there).
    Error(Duration),
    /// We ended it and want none for so long, or until [`Event::Reset`].
    Rest(Option<Duration>),
}

impl Setback {
    /// What an end of this kind is, after so long in Established.
    #[must_use]
    pub fn of(cause: Cause, lasted: Duration) -> Self {
        match cause {
            Cause::Lost | Cause::Collision => Self::Lost(lasted),
            Cause::Kept | Cause::Notified => Self::Error(lasted),
            Cause::Link => Self::Unreachable,
        }
    }
}

/// What the owner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Open a connection to the peer.
    Dial,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Administratively down.
    Shutdown,
    /// At rest; without an end, until a reset.
    Idle { until: Option<Instant> },
    /// A dial is under way.
    Connect,
    /// No session; without a time, none is dialled.
    Active { retry: Option<Instant> },
    /// There is a session: nothing to do while it lasts.
    Taken,
}

/// Decides when to dial one peer.
#[derive(Debug, Clone)]
pub struct Dialer {
    phase: Phase,
    passive: bool,
    found: bool,
    connect_retry: Duration,
    errors: u32,
    jitter: Jitter,
}

impl Dialer {
    /// A dialer that starts at the next [`Event::Timers`]; the address is known until it hears otherwise.
    #[must_use]
    pub fn new(passive: bool, connect_retry: Duration, jitter: Jitter, now: Instant) -> Self {
        let phase = Phase::Idle { until: Some(now) };
        Self { phase, passive, found: true, connect_retry, errors: 0, jitter }
    }

    /// New settings; they hold from the next event on, which [`Event::Timers`] can be.
    pub fn configure(&mut self, passive: bool, connect_retry: Duration) {
        self.passive = passive;
        self.connect_retry = connect_retry;
    }

    /// Idle, Connect or Active.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Shutdown | Phase::Idle { .. } => State::Idle,
            Phase::Connect => State::Connect,
            Phase::Active { .. } | Phase::Taken => State::Active,
        }
    }

    /// Whether a connection of the peer is welcome (RFC 4271 §8.2.2: in Idle it is refused).
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.state() != State::Idle
    }

    /// When to send [`Event::Timers`].
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle { until } => until,
            Phase::Active { retry } => retry,
            Phase::Shutdown | Phase::Connect | Phase::Taken => None,
        }
    }

    /// The next step.
    pub fn on(&mut self, event: Event, now: Instant) -> Option<Command> {
        match event {
            Event::Timers => self.timers(now),
            Event::Connected if self.phase == Phase::Connect => self.enter(Phase::Taken),
            Event::ConnectFailed if self.phase == Phase::Connect => self.wait(now),
            Event::Accepted if matches!(self.phase, Phase::Active { .. }) => self.enter(Phase::Taken),
            // A dial under way decides by itself; Idle has its timer.
            Event::Connected | Event::ConnectFailed | Event::Accepted => None,
            Event::Down(setback) => self.down(setback, now),
            Event::Reset => self.reset(),
            Event::Shutdown => self.enter(Phase::Shutdown),
            Event::Start if self.phase == Phase::Shutdown => {
                self.errors = 0;
                self.dial()
            }
            Event::Start => None,
            Event::Found => self.found(),
            Event::Missing => self.missing(),
        }
    }

    fn timers(&mut self, now: Instant) -> Option<Command> {
        match self.phase {
            Phase::Idle { until: Some(due) } | Phase::Active { retry: Some(due) } if due <= now => {
                self.dial()
            }
            // Settings may have changed.
            Phase::Active { retry: None } => self.dial(),
            Phase::Shutdown | Phase::Idle { .. } | Phase::Connect | Phase::Active { .. } | Phase::Taken => {
                None
            }
        }
    }

    fn down(&mut self, setback: Setback, now: Instant) -> Option<Command> {
        match (setback, self.phase) {
            // Whoever must not come back at once does not by a dial under way either.
            (
                Setback::Rest(length),
                Phase::Idle { .. } | Phase::Connect | Phase::Active { .. } | Phase::Taken,
            ) => self.enter(Phase::Idle { until: length.map(|length| now + length) }),
            (Setback::Lost(lasted), Phase::Active { .. } | Phase::Taken) if lasted >= SHORT_LIVED => {
                self.dial()
            }
            (Setback::Lost(_) | Setback::Unreachable, Phase::Active { .. } | Phase::Taken) => self.wait(now),
            (Setback::Error(lasted), Phase::Active { .. } | Phase::Taken) => {
                self.errors = if lasted >= STABLE { 0 } else { self.errors };
                let hold = IDLE_HOLD.saturating_mul(1 << self.errors.min(5)).min(IDLE_HOLD_MAX);
                self.errors = self.errors.saturating_add(1);
                let until = Some(now + self.jitter.shorten(hold));
                self.enter(Phase::Idle { until })
            }
            (Setback::Rest(_), Phase::Shutdown)
            | (
                Setback::Lost(_) | Setback::Unreachable | Setback::Error(_),
                Phase::Shutdown | Phase::Idle { .. } | Phase::Connect,
            ) => None,
        }
    }

    fn reset(&mut self) -> Option<Command> {
        self.errors = 0;
        match self.phase {
            Phase::Idle { .. } | Phase::Active { .. } => self.dial(),
            Phase::Shutdown | Phase::Connect | Phase::Taken => None,
        }
    }

    /// Said of a known peer it changes nothing: router advertisements come every few seconds.
    fn found(&mut self) -> Option<Command> {
        let new = !std::mem::replace(&mut self.found, true);
        if new && matches!(self.phase, Phase::Active { .. }) { self.dial() } else { None }
    }

    fn missing(&mut self) -> Option<Command> {
        self.found = false;
        if let Phase::Active { retry } = &mut self.phase {
            *retry = None;
        }
        None
    }

    fn dial(&mut self) -> Option<Command> {
        if self.passive || !self.found {
            return self.enter(Phase::Active { retry: None });
        }
        self.phase = Phase::Connect;
        Some(Command::Dial)
    }

    fn wait(&mut self, now: Instant) -> Option<Command> {
        let retry = (!self.passive && self.found).then(|| now + self.jitter.shorten(self.connect_retry));
        self.enter(Phase::Active { retry })
    }

    fn enter(&mut self, phase: Phase) -> Option<Command> {
        self.phase = phase;
        None
    }
}
