//! The half of RFC 4271 §8 before a TCP connection stands: Idle, Connect, Active.
//!
//! ```text
//!              ┌── retry due ──────────────┐
//!              ▼                           │
//! Idle ──► Connect ── connected, failed ──► Active ◄── lost before Established
//!  ▲           ▲                           │  │
//!  │           └── lost while Established ─┘  │
//!  └────────────── an error: NOTIFICATION ────┘
//! ```
//!
//! After errors the peer rests in Idle, longer each time (RFC 4271 §8.1.1, DampPeerOscillations), so that two
//! speakers that disagree do not fill logs and links. A connection that merely went away is no error: the peer
//! restarts, and the sooner it is back the better.

use std::time::{Duration, Instant};

use super::State;
use super::jitter::Jitter;

/// First rest after an error; doubles with every further one.
const IDLE_HOLD: Duration = Duration::from_secs(1);
/// Longest rest.
const IDLE_HOLD_MAX: Duration = Duration::from_secs(32);
/// A session that lasted this long proves that earlier errors are over.
const STABLE: Duration = Duration::from_secs(60);
/// A session lost sooner than this is not redialled at once.
const SHORT_LIVED: Duration = Duration::from_secs(5);

/// What happened to the connections of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Time has passed.
    Timers,
    /// Our connection stands; its session goes on from here.
    Connected,
    /// Our connection could not be made.
    ConnectFailed,
    /// The peer's connection stands; its session goes on from here.
    Accepted,
    /// The last session is gone.
    Down(Setback),
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
}

/// What the owner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Open a connection to the peer.
    Dial,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle { until: Instant },
    Connect,
    Active { retry: Option<Instant> },
}

/// Decides when to dial one peer.
#[derive(Debug, Clone)]
pub struct Dialer {
    phase: Phase,
    passive: bool,
    connect_retry: Duration,
    errors: u32,
    jitter: Jitter,
}

impl Dialer {
    /// A dialer that starts at the next [`Event::Timers`].
    #[must_use]
    pub fn new(passive: bool, connect_retry: Duration, jitter: Jitter, now: Instant) -> Self {
        Self { phase: Phase::Idle { until: now }, passive, connect_retry, errors: 0, jitter }
    }

    /// New settings; they hold from the next decision on.
    pub fn configure(&mut self, passive: bool, connect_retry: Duration) {
        self.passive = passive;
        self.connect_retry = connect_retry;
    }

    /// Idle, Connect or Active.
    #[must_use]
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Idle { .. } => State::Idle,
            Phase::Connect => State::Connect,
            Phase::Active { .. } => State::Active,
        }
    }

    /// Whether a connection of the peer is welcome (RFC 4271 §8.2.2: in Idle it is refused).
    #[must_use]
    pub fn accepts(&self) -> bool {
        !matches!(self.phase, Phase::Idle { .. })
    }

    /// When to send [`Event::Timers`].
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle { until } => Some(until),
            Phase::Connect => None,
            Phase::Active { retry } => retry,
        }
    }

    /// The next step.
    pub fn on(&mut self, event: Event, now: Instant) -> Option<Command> {
        match (event, self.phase) {
            (Event::Timers, Phase::Idle { until }) if until <= now => self.dial(),
            (Event::Timers, Phase::Active { retry: Some(retry) }) if retry <= now => self.dial(),
            (Event::Connected, Phase::Connect) | (Event::Accepted, Phase::Active { .. }) => {
                self.phase = Phase::Active { retry: None };
                None
            }
            (Event::ConnectFailed, Phase::Connect) => self.wait(now),
            (Event::Down(setback), Phase::Active { .. }) => self.down(setback, now),
            // A dial under way decides by itself; Idle has its timer; nothing else concerns the dialer.
            (
                Event::Timers | Event::Connected | Event::ConnectFailed | Event::Accepted | Event::Down(_),
                Phase::Idle { .. } | Phase::Connect | Phase::Active { .. },
            ) => None,
        }
    }

    fn down(&mut self, setback: Setback, now: Instant) -> Option<Command> {
        match setback {
            Setback::Lost(lasted) if lasted >= SHORT_LIVED => self.dial(),
            Setback::Lost(_) | Setback::Unreachable => self.wait(now),
            Setback::Error(lasted) => {
                self.errors = if lasted >= STABLE { 0 } else { self.errors };
                let hold = IDLE_HOLD.saturating_mul(1 << self.errors.min(5)).min(IDLE_HOLD_MAX);
                self.errors = self.errors.saturating_add(1);
                self.phase = Phase::Idle { until: now + self.jitter.shorten(hold) };
                None
            }
        }
    }

    fn dial(&mut self) -> Option<Command> {
        if self.passive {
            self.phase = Phase::Active { retry: None };
            return None;
        }
        self.phase = Phase::Connect;
        Some(Command::Dial)
    }

    fn wait(&mut self, now: Instant) -> Option<Command> {
        let retry = (!self.passive).then(|| now + self.jitter.shorten(self.connect_retry));
        self.phase = Phase::Active { retry };
        None
    }
}
