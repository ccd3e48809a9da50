//! When the speaker is told that time has passed: our being late must not look like a failure of others.
//!
//! A hold timer expires when nothing was heard, a send hold timer when nothing was taken. If the owner was busy for long,
//! what was heard still lies in sockets and channels, and what was taken has not been reported. So whoever comes late to
//! a deadline listens first, until there is nothing more to hear or to write; but not for ever, since KEEPALIVEs have
//! deadlines, too.

use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Who comes no later than this comes in time.
const IN_TIME: Duration = Duration::from_millis(50);
/// For so long at most others are listened to first.
const LISTENING: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Punctuality {
    /// Since when others are listened to before time is judged.
    late_since: Option<Instant>,
}

impl Punctuality {
    /// Whether time is to be judged at the end of this turn. With `quiet`, there was nothing to hear or to write in it.
    pub(super) fn is_time(&mut self, deadline: Option<Instant>, quiet: bool, now: Instant) -> bool {
        let Some(late) = deadline.and_then(|deadline| now.checked_duration_since(deadline)) else {
            self.late_since = None;
            return false;
        };
        let is_time = match self.late_since {
            None => quiet && late <= IN_TIME,
            Some(since) => quiet || now.saturating_duration_since(since) >= LISTENING,
        };
        if is_time {
            self.late_since = None;
        } else {
            self.late_since.get_or_insert(now);
        }
        is_time
    }

    /// A deadline has passed and waits for others to be heard.
    pub(super) fn is_late(&self) -> bool {
        self.late_since.is_some()
    }
}
