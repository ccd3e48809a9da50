//! One session, RFC 5880 §6.8: packets and time in, packets and state out.
//!
//! ```text
//! received(packet, now)   what the other end said         poll_transmit(now)   what to say to it, until None
//! timers(now)             time has passed                 poll_report()        where the session is now, if it moved
//! configure, hold_down, release                           deadline()           when to call timers and poll_transmit
//! ```
//!
//! After each call on the left, both on the right are to be polled dry. A session starts Down, and that is not reported:
//! it is a failure only if it was Up before.
//!
//! An interval has two values while it changes (§6.8.3): what we *advertise* holds at once, what is in *effect* follows
//! when the other end has confirmed by a Poll Sequence that it knows. A packet is due when its time has come, or as soon
//! as it would say something else than the last one.

use std::time::{Duration, Instant};

use super::jitter::Jitter;
use super::packet::{Micros, Packet, diagnostic};
use super::{Report, State};
use crate::config;

#[cfg(test)]
mod tests;

/// A session that is not Up is sent no faster than this, RFC 5880 §6.8.3.
const SLOW: Duration = Duration::from_secs(1);
/// Nothing shorter is asked for: timers of a millisecond's resolution would make it a lottery.
const SHORTEST: Duration = Duration::from_millis(10);
/// What fits into a packet, 71 minutes.
const LONGEST: Duration = Duration::from_micros(u32::MAX as u64);
/// What is supposed of a peer that has said nothing (bfd.RemoteMinRxInterval, §6.8.1).
const UNHEARD_MIN_RX: Duration = Duration::from_micros(1);

/// A BFD session in asynchronous mode.
#[derive(Debug, Clone)]
pub struct Session {
    settings: Settings,
    discriminator: u32,
    state: State,
    diagnostic: u8,
    advertised: Intervals,
    effective: Intervals,
    poll: Poll,
    remote: Remote,
    /// The last packet that counts for the detection time.
    heard_at: Option<Instant>,
    /// An answer to P is owed.
    final_owed: bool,
    /// The last packet, P and F aside, and when a periodic one was last sent.
    said: Option<Packet>,
    said_at: Option<Instant>,
    begun: Instant,
    /// The interval that `due` was drawn from.
    pace: Option<Duration>,
    due: Option<Instant>,
    jitter: Jitter,
    told: Report,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settings {
    wanted: Intervals,
    multiplier: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Intervals {
    min_tx: Duration,
    min_rx: Duration,
}

/// A Poll Sequence (§6.5). Whatever is to be confirmed by it is in every packet, so a change meanwhile begins it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poll {
    Idle,
    /// No packet with P has gone out: an F that comes now answers an earlier sequence.
    Wanted,
    Asked,
}

/// What the other end said last.
#[derive(Debug, Clone, Copy)]
struct Remote {
    /// Zero while it is not heard.
    discriminator: u32,
    state: State,
    min_tx: Duration,
    min_rx: Duration,
    multiplier: u8,
    demand: bool,
    independent: bool,
}

impl From<&config::Bfd> for Settings {
    fn from(bfd: &config::Bfd) -> Self {
        Self {
            wanted: Intervals {
                min_tx: bfd.transmit_interval.clamp(SHORTEST, LONGEST),
                min_rx: bfd.receive_interval.clamp(SHORTEST, LONGEST),
            },
            multiplier: bfd.multiplier.max(1),
        }
    }
}

impl Session {
    /// A session that is Down and has its first packet ready. Intervals below 10 ms and a multiplier of 0 are taken for
    /// 10 ms and 1. The discriminator must not be zero, nor that of another session of this system.
    #[must_use]
    pub fn new(settings: &config::Bfd, discriminator: u32, seed: u64, now: Instant) -> Self {
        let settings = Settings::from(settings);
        let slow = Intervals { min_tx: settings.wanted.min_tx.max(SLOW), ..settings.wanted };
        let remote = Remote {
            discriminator: 0,
            state: State::Down,
            min_tx: Duration::ZERO,
            min_rx: UNHEARD_MIN_RX,
            multiplier: 0,
            demand: false,
            independent: false,
        };
        let mut session = Self {
            settings,
            discriminator,
            state: State::Down,
            diagnostic: diagnostic::NONE,
            advertised: slow,
            effective: slow,
            poll: Poll::Idle,
            remote,
            heard_at: None,
            final_owed: false,
            said: None,
            said_at: None,
            begun: now,
            pace: None,
            due: Some(now),
            jitter: Jitter::new(seed),
            told: Report {
                state: State::Down,
                diagnostic: diagnostic::NONE,
                remote_independent: false,
                remote_admin_down: false,
            },
        };
        session.pace = session.interval();
        session
    }

    /// Where the session is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Ours.
    #[must_use]
    pub fn discriminator(&self) -> u32 {
        self.discriminator
    }

    /// Between periodic packets, before jitter; none while the other end wants none.
    #[must_use]
    pub fn transmit_interval(&self) -> Option<Duration> {
        self.interval()
    }

    /// Silence of this length is a failure; none while the other end has not been heard.
    #[must_use]
    pub fn detection_time(&self) -> Option<Duration> {
        let longer = self.effective.min_rx.max(self.remote.min_tx);
        (self.remote.discriminator != 0).then(|| longer.saturating_mul(u32::from(self.remote.multiplier)))
    }

    /// The other end has confirmed all that we said of intervals and state, or is not heard at all. After
    /// [`hold_down`](Self::hold_down): there is nothing left to say.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.poll == Poll::Idle && !self.final_owed
    }

    /// Other intervals or another multiplier, on the living session.
    pub fn configure(&mut self, settings: &config::Bfd) {
        self.settings = Settings::from(settings);
        self.renegotiate();
    }

    /// Ends the session for an operator's reasons (§6.8.16): the other end is told that nothing failed, at the pace kept
    /// so far until it has confirmed or its patience is over. The RFC's slow pace would put the second packet after the
    /// detection time: one lost packet would make a failure of a farewell.
    pub fn hold_down(&mut self) {
        self.enter(State::AdminDown, diagnostic::ADMINISTRATIVELY_DOWN);
        if self.remote.discriminator != 0 {
            self.poll = Poll::Wanted;
        }
        self.renegotiate();
    }

    /// Takes back [`hold_down`](Self::hold_down).
    pub fn release(&mut self) {
        if self.state == State::AdminDown {
            self.enter(State::Down, diagnostic::NONE);
            self.renegotiate();
        }
    }

    /// The other end has been heard. One that speaks of another session than this is not.
    pub fn received(&mut self, packet: &Packet, now: Instant) {
        if packet.your_discriminator != 0 && packet.your_discriminator != self.discriminator {
            return;
        }
        self.remote = Remote {
            discriminator: packet.my_discriminator,
            state: packet.state,
            min_tx: packet.desired_min_tx.into(),
            min_rx: packet.required_min_rx.into(),
            multiplier: packet.multiplier,
            demand: packet.demand,
            independent: packet.independent,
        };
        if packet.final_ && self.poll == Poll::Asked {
            self.poll = Poll::Idle;
        }
        // "Discard the packet" (§6.8.6): it neither moves the state nor counts as heard.
        if self.state != State::AdminDown {
            self.heard_at = Some(now);
            self.final_owed |= packet.poll;
            self.follow(packet.state);
        }
        self.renegotiate();
    }

    /// Time has passed: was the other end silent for too long?
    pub fn timers(&mut self, now: Instant) {
        if self.silence_ends().is_none_or(|end| now < end) {
            return;
        }
        // What it said of its state and of the C bit stays the last that it said.
        self.remote = Remote { discriminator: 0, min_rx: UNHEARD_MIN_RX, demand: false, ..self.remote };
        self.heard_at = None;
        self.poll = Poll::Idle;
        match self.state {
            State::Init | State::Up => self.enter(State::Down, diagnostic::DETECTION_TIME_EXPIRED),
            State::Down | State::AdminDown => {}
        }
        self.renegotiate();
    }

    /// What to send now.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Packet> {
        let content = self.content();
        if std::mem::take(&mut self.final_owed) {
            // Outside of the schedule, and without P, which must not stand beside F (§6.5).
            self.said = Some(content);
            return Some(Packet { final_: true, ..content });
        }
        let is_due = self.due.is_some_and(|due| due <= now);
        let is_news = self.said.is_some_and(|said| said != content);
        if !is_due && !is_news {
            return None;
        }
        self.said = Some(content);
        self.said_at = Some(now);
        self.draw();
        let poll = self.poll != Poll::Idle;
        if poll {
            self.poll = Poll::Asked;
        }
        Some(Packet { poll, ..content })
    }

    /// When to call [`timers`](Self::timers) and [`poll_transmit`](Self::poll_transmit) at the latest; none if only
    /// after other inputs.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.silence_ends()).min()
    }

    /// Where the session is now, if it has moved since this was last asked.
    pub fn poll_report(&mut self) -> Option<Report> {
        let report = Report {
            state: self.state,
            diagnostic: self.diagnostic,
            remote_independent: self.remote.independent,
            remote_admin_down: self.remote.state == State::AdminDown,
        };
        let moved = report.state != self.told.state
            || report.remote_admin_down != self.told.remote_admin_down
            // Of interest only where there is something to lose.
            || report.state == State::Up && report.remote_independent != self.told.remote_independent;
        moved.then(|| {
            self.told = report;
            report
        })
    }

    /// The three-way handshake, §6.2 and §6.8.6.
    fn follow(&mut self, remote: State) {
        match (self.state, remote) {
            (State::AdminDown, _)
            | (State::Down, State::AdminDown | State::Up)
            | (State::Init, State::Down)
            | (State::Up, State::Init | State::Up) => {}
            // The reason for the last failure is kept until the session is Up: the other end may want to know.
            (State::Down, State::Down) => self.enter(State::Init, self.diagnostic),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.enter(State::Up, diagnostic::NONE);
            }
            (State::Init, State::AdminDown) | (State::Up, State::Down | State::AdminDown) => {
                self.enter(State::Down, diagnostic::NEIGHBOR_SIGNALED_DOWN);
            }
        }
    }

    fn enter(&mut self, state: State, diagnostic: u8) {
        self.state = state;
        self.diagnostic = diagnostic;
    }

    /// Brings intervals and schedule in line with state, settings and what the other end said (§6.8.2, §6.8.3).
    fn renegotiate(&mut self) {
        let mut wanted = self.settings.wanted;
        if self.state != State::Up {
            wanted.min_tx = wanted.min_tx.max(SLOW);
        }
        if self.advertised != wanted {
            self.advertised = wanted;
            if self.remote.discriminator != 0 {
                self.poll = Poll::Wanted;
            }
        }
        let unconfirmed = self.poll != Poll::Idle && matches!(self.state, State::Up | State::AdminDown);
        self.effective = if unconfirmed {
            Intervals {
                min_tx: self.effective.min_tx.min(wanted.min_tx),
                min_rx: self.effective.min_rx.max(wanted.min_rx),
            }
        } else {
            wanted
        };
        if self.pace != self.interval() {
            self.draw();
        }
    }

    /// Draws the time of the next periodic packet from the present interval: the last one and not now is where it
    /// begins, since the other end counts from there.
    fn draw(&mut self) {
        self.pace = self.interval();
        self.due = match (self.pace, self.said_at) {
            (Some(pace), Some(at)) => Some(at + self.jitter.shorten(pace, self.settings.multiplier)),
            // Nothing has been said yet: the first packet is due since the beginning.
            (Some(_), None) => Some(self.begun),
            (None, _) => None,
        };
    }

    /// Between periodic packets (§6.8.7). None if the other end can take none, or has asked to be left alone
    /// (demand mode, §6.6) and we have nothing to ask it.
    fn interval(&self) -> Option<Duration> {
        let both_up = self.state == State::Up && self.remote.state == State::Up;
        let on_demand = self.remote.demand && both_up && self.poll == Poll::Idle;
        (!self.remote.min_rx.is_zero() && !on_demand).then(|| self.effective.min_tx.max(self.remote.min_rx))
    }

    fn silence_ends(&self) -> Option<Instant> {
        Some(self.heard_at? + self.detection_time()?)
    }

    fn content(&self) -> Packet {
        Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: false,
            final_: false,
            // This speaker and its BFD are one process (RFC 5882 §4.3.2).
            independent: false,
            demand: false,
            multiplier: self.settings.multiplier,
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx: self.advertised.min_tx.into(),
            required_min_rx: self.advertised.min_rx.into(),
            // Echo packets that came would not be returned.
            required_min_echo_rx: Micros(0),
        }
    }
}
