//! The rules of an election as a value: events and times in, actions out. See [`super`] for why no two lead.
//!
//! The one who drives it does each action and tells what came of it, one at a time. All times that decide are of one
//! monotonic clock of the driver's, which says nothing to anyone else.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

use crate::key::Key;
use crate::resource::Resource;
use crate::store::{Precondition, Revision, Write};

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    seconds: u32,
}

impl Timing {
    /// After so many seconds without renewal, somebody else leads; at least one.
    #[must_use]
    pub const fn of_seconds(seconds: u32) -> Self {
        Self { seconds: if seconds == 0 { 1 } else { seconds } }
    }

    /// How long others wait after a renewal that they saw.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds as u64)
    }

    /// How long a leader acts after a renewal that it sent: two thirds of that.
    #[must_use]
    pub const fn deadline(self) -> Duration {
        Duration::from_millis(self.seconds as u64 * 2000 / 3)
    }

    /// How often it renews, and others look: a fifth of that.
    #[must_use]
    pub const fn period(self) -> Duration {
        Duration::from_millis(self.seconds as u64 * 200)
    }
}

/// As `client-go` has it.
impl Default for Timing {
    fn default() -> Self {
        Self::of_seconds(15)
    }
}

/// When something happens.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Since the driver began: this decides.
    pub monotonic: Duration,
    /// For people.
    pub wall: Timestamp,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The time waited for has come; also at the beginning.
    Woken,
    /// The lease was read.
    Found(Option<(Revision, Box<Lease>)>),
    /// The write was done.
    Written(Revision),
    /// The write was not done, as somebody else was faster.
    Conflict,
    /// Nothing was read, or whether the write was done is not known.
    Failed,
    /// Somebody wants this to end.
    Stop,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Read the lease.
    Read,
    /// Write it.
    Write(Write),
    /// Do nothing until then, or until it is to stop.
    Wait(Duration),
    /// Nothing more.
    End,
}

/// A record, and when it was first seen.
#[derive(Debug, Clone)]
struct Seen {
    revision: Revision,
    lease: Box<Lease>,
    since: Duration,
}

/// A write that is under way.
#[derive(Debug, Clone)]
struct Sent {
    lease: Box<Lease>,
    at: Duration,
}

/// One candidate's part of an election.
#[derive(Debug, Clone)]
pub struct Election {
    key: Key,
    identity: String,
    timing: Timing,
    seen: Option<Seen>,
    sent: Option<Sent>,
    until: Option<Duration>,
    /// What was seen last may not be what is there.
    is_stale: bool,
    is_stopping: bool,
}

impl Election {
    /// A candidate that has seen nothing. No other may ever have the same identity.
    #[must_use]
    pub const fn new(key: Key, identity: String, timing: Timing) -> Self {
        let (seen, sent, until) = (None, None, None);
        Self { key, identity, timing, seen, sent, until, is_stale: true, is_stopping: false }
    }

    /// Until when it leads, unless it renews. It no longer does once that is past.
    #[must_use]
    pub const fn leads_until(&self) -> Option<Duration> {
        self.until
    }

    /// Who held the lease when it was last seen.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref().and_then(|seen| holder(&seen.lease))
    }

    /// Takes in what has happened, and says what to do.
    #[must_use]
    pub fn on(&mut self, event: Event, now: Now) -> Action {
        if self.until.is_some_and(|until| until <= now.monotonic) {
            self.until = None;
        }
        let sent = self.sent.take();
        match event {
            Event::Woken if self.is_ours() && !self.is_stale => self.claim(now),
            Event::Woken | Event::Conflict => Action::Read,
            Event::Found(found) => {
                self.find(found, now.monotonic);
                self.decide(now)
            }
            Event::Written(_) if self.is_stopping => Action::End,
            Event::Written(revision) => match sent {
                Some(Sent { lease, at }) => {
                    self.seen = Some(Seen { revision, lease, since: now.monotonic });
                    self.is_stale = false;
                    self.until = Some(at + self.timing.deadline());
                    Action::Wait(at + self.timing.period())
                }
                None => Action::Read,
            },
            Event::Failed if self.is_stopping => Action::End,
            Event::Failed => {
                self.is_stale = true;
                self.wait(now.monotonic, self.until)
            }
            Event::Stop => {
                (self.is_stopping, self.until) = (true, None);
                Action::Read
            }
        }
    }

    fn find(&mut self, found: Option<(Revision, Box<Lease>)>, now: Duration) {
        let before = self.seen.take();
        self.is_stale = false;
        self.seen = found.map(|(revision, lease)| {
            let known = before.filter(|before| before.revision == revision);
            Seen { revision, lease, since: known.map_or(now, |known| known.since) }
        });
    }

    /// What to do about what was just read.
    fn decide(&mut self, now: Now) -> Action {
        if self.is_stopping {
            return if self.is_ours() { self.give_back(now) } else { Action::End };
        }
        let expires = match &self.seen {
            Some(seen) if holder(&seen.lease).is_some() && !self.is_ours() => {
                seen.since + duration(&seen.lease).unwrap_or(self.timing.duration())
            }
            Some(_) | None => return self.claim(now),
        };
        if expires <= now.monotonic {
            return self.claim(now);
        }
        // Somebody could take it from us only after we had stopped.
        self.until = None;
        self.wait(now.monotonic, Some(expires))
    }

    /// A period, or until `earlier`, if that is to come.
    fn wait(&self, now: Duration, earlier: Option<Duration>) -> Action {
        let until = now + self.timing.period();
        Action::Wait(earlier.filter(|earlier| *earlier > now).map_or(until, |earlier| earlier.min(until)))
    }

    fn is_ours(&self) -> bool {
        self.holder() == Some(self.identity.as_str())
    }

    /// Writes ourselves as the holder over what was seen last.
    fn claim(&mut self, now: Now) -> Action {
        let renews = self.is_ours();
        let identity = self.identity.clone();
        let seconds = i32::try_from(self.timing.seconds).unwrap_or(i32::MAX);
        self.write(now, |spec, is_new| {
            if !renews {
                spec.holder_identity = Some(identity);
                spec.acquire_time = Some(MicroTime(now.wall));
                let before = spec.lease_transitions.unwrap_or(0);
                spec.lease_transitions = Some(if is_new { 0 } else { before.saturating_add(1) });
            }
            spec.lease_duration_seconds = Some(seconds);
        })
    }

    /// Writes that nobody holds it.
    fn give_back(&mut self, now: Now) -> Action {
        self.write(now, |spec, _| {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(1);
        })
    }

    /// Keeps what others have written beside it.
    fn write(&mut self, now: Now, change: impl FnOnce(&mut LeaseSpec, bool)) -> Action {
        let (mut lease, precondition) = match &self.seen {
            Some(seen) => (seen.lease.clone(), Precondition::Unchanged(seen.revision)),
            None => (Box::default(), Precondition::Absent),
        };
        lease.metadata.name = Some(self.key.name.clone());
        lease.metadata.namespace = Some(self.key.namespace.clone());
        let spec = lease.spec.get_or_insert_default();
        change(spec, self.seen.is_none());
        spec.renew_time = Some(MicroTime(now.wall));
        self.sent = Some(Sent { lease: lease.clone(), at: now.monotonic });
        Action::Write(Write::put(Resource::Lease(lease), precondition))
    }
}

/// Who holds a lease.
fn holder(lease: &Lease) -> Option<&str> {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
    holder.filter(|holder| !holder.is_empty())
}

/// For how long its holder has asked.
fn duration(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
