//! When to advertise and solicit on a link, RFC 4861 §6.2.4, §6.2.6 and §6.3.7: quickly at the start, so that peers find
//! each other at once, and then so seldom that a link with many routers stays quiet. Time in, what is due out.
//!
//! The delay between answers does not count the advertisements that nobody asked for: a router that starts is answered
//! at once, unless another one just was.

use std::time::Duration;

use tokio::time::Instant;

use crate::session::jitter::Jitter;

#[cfg(test)]
mod tests;

/// `MAX_INITIAL_RTR_ADVERTISEMENTS`.
const QUICK_ADVERTISEMENTS: u32 = 3;
/// Between these.
pub(super) const QUICK: Duration = Duration::from_secs(1);
/// Between later ones at most; jitter takes a quarter at most, so that 3 s (`MIN_DELAY_BETWEEN_RAS`) remain.
const INTERVAL: Duration = Duration::from_secs(5);
/// `MIN_DELAY_BETWEEN_RAS`.
const BETWEEN_ANSWERS: Duration = Duration::from_secs(3);
/// `MAX_RTR_SOLICITATIONS`.
const QUICK_SOLICITATIONS: u32 = 3;
/// `RTR_SOLICITATION_INTERVAL`.
const BETWEEN_SOLICITATIONS: Duration = Duration::from_secs(4);

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    jitter: Jitter,
    advertised: u32,
    solicited: u32,
    advertise_at: Instant,
    /// None once somebody was heard.
    solicit_at: Option<Instant>,
    /// Somebody asked and has no answer yet.
    answer_at: Option<Instant>,
    answered: Option<Instant>,
}

/// What has to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) advertisement: bool,
    pub(super) solicitation: bool,
}

impl Pace {
    /// Both are due at once.
    pub(super) fn new(jitter: Jitter, now: Instant) -> Self {
        Self {
            jitter,
            advertised: 0,
            solicited: 0,
            advertise_at: now,
            solicit_at: Some(now),
            answer_at: None,
            answered: None,
        }
    }

    /// When something will be due.
    pub(super) fn deadline(&self) -> Instant {
        self.answer_at.into_iter().chain(self.solicit_at).fold(self.advertise_at, Instant::min)
    }

    pub(super) fn due(&self, now: Instant) -> Due {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        Due {
            advertisement: is_due(Some(self.advertise_at)) || is_due(self.answer_at),
            solicitation: is_due(self.solicit_at),
        }
    }

    /// A router was heard: there is no need to ask any more.
    pub(super) fn heard_advertisement(&mut self) {
        self.solicit_at = None;
    }

    /// Somebody wants an advertisement. One answers all who ask before it goes out.
    pub(super) fn heard_solicitation(&mut self, now: Instant) {
        let at = self.answered.map_or(now, |last| now.max(last + BETWEEN_ANSWERS));
        self.answer_at.get_or_insert(at);
    }

    /// An advertisement went out, which everybody hears, also those who asked.
    pub(super) fn sent_advertisement(&mut self, now: Instant) {
        if self.answer_at.take().is_some() {
            self.answered = Some(now);
        }
        if self.advertise_at <= now {
            self.advertised = self.advertised.saturating_add(1);
        }
        if self.advertised >= QUICK_ADVERTISEMENTS {
            self.advertise_at = now + self.jitter.shorten(INTERVAL);
        } else if self.advertise_at <= now {
            self.advertise_at = now + QUICK;
        }
    }

    pub(super) fn sent_solicitation(&mut self, now: Instant) {
        self.solicited = self.solicited.saturating_add(1);
        let wait = if self.solicited < QUICK_SOLICITATIONS {
            BETWEEN_SOLICITATIONS
        } else {
            self.jitter.shorten(INTERVAL)
        };
        self.solicit_at = self.solicit_at.map(|_| now + wait);
    }

    /// Nothing could be sent, as before the link has an address: what is due is due again soon, and does not count.
    pub(super) fn postpone(&mut self, now: Instant) {
        let later = now + QUICK;
        self.advertise_at = self.advertise_at.max(later);
        self.solicit_at = self.solicit_at.map(|at| at.max(later));
        self.answer_at = self.answer_at.map(|at| at.max(later));
    }
}
