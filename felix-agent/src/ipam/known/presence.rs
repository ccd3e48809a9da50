//! Whether the datastore answers, as whoever asked it last found out.
//!
//! Nobody goes by it to decide what is true: it spares those who can do without the datastore the wait for one that does
//! not answer, and tells people.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Since when it does not answer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// The first time that it did not.
    pub since: Instant,
    /// What was heard last.
    pub reason: String,
}

impl Away {
    /// For how long.
    #[must_use]
    pub fn lasting(&self) -> Duration {
        self.since.elapsed()
    }
}

/// Whether it answers.
#[derive(Debug)]
pub(super) struct Presence(watch::Sender<Option<Away>>);

impl Presence {
    /// Nobody has asked yet.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// It did not answer.
    pub(super) fn lost(&self, reason: &str) {
        self.0.send_modify(|away| {
            let since = away.as_ref().map_or_else(Instant::now, |away| away.since);
            *away = Some(Away { since, reason: reason.to_owned() });
        });
    }

    /// It did.
    pub(super) fn answered(&self) {
        self.0.send_if_modified(|away| away.take().is_some());
    }

    pub(super) fn away(&self) -> Option<Away> {
        self.0.borrow().clone()
    }
}
