//! What must have been so for a while before it is acted upon. Pure; the same rules as [`ipam::Collector`]'s, of things that
//! are no addresses.
//!
//! Time is monotonic and an argument. A thing that is not there in one look begins anew. A step of time counts for a third
//! of the grace at most, so that a long pause between two looks does not stand for the looks that it lacks.

use std::collections::BTreeMap;
use std::time::Duration;

/// Remembers since when things are so.
#[derive(Debug, Clone)]
pub struct Grace<T> {
    grace: Duration,
    /// The time that counted so far.
    clock: Duration,
    last: Option<Duration>,
    since: BTreeMap<T, Duration>,
}

impl<T: Ord + Clone> Grace<T> {
    /// One that has seen nothing yet.
    #[must_use]
    pub const fn new(grace: Duration) -> Self {
        Self { grace, clock: Duration::ZERO, last: None, since: BTreeMap::new() }
    }

    /// Looks at all that is so now, and returns what has been for the grace, two looks at the least. That is due again in
    /// every later look, until it is gone.
    pub fn observe(&mut self, things: impl IntoIterator<Item = T>, now: Duration) -> Vec<T> {
        let step = self.last.map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.clock += step.min(self.grace / 3);
        self.last = Some(now);
        let former = std::mem::take(&mut self.since);
        let clock = self.clock;
        self.since = things
            .into_iter()
            .map(|thing| {
                let since = former.get(&thing).copied().unwrap_or(clock);
                (thing, since)
            })
            .collect();
        let is_due = |since: &Duration| *since < clock && clock - *since >= self.grace;
        self.since.iter().filter(|(_, since)| is_due(since)).map(|(thing, _)| thing.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(90);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_what_lasts_is_due() {
        let mut grace = Grace::new(GRACE);
        assert!(grace.observe(["a", "b"], seconds(0)).is_empty());
        assert!(grace.observe(["a"], seconds(30)).is_empty());
        assert!(grace.observe(["a", "b"], seconds(60)).is_empty());
        assert_eq!(grace.observe(["a", "b"], seconds(90)), ["a"]);
        assert_eq!(grace.observe(["a", "b"], seconds(120)), ["a"], "until it is gone");
        assert_eq!(grace.observe(["b"], seconds(150)), ["b"]);
    }

    #[test]
    fn a_long_sleep_is_no_look() {
        let mut grace = Grace::new(GRACE);
        assert!(grace.observe(["a"], seconds(0)).is_empty());
        assert!(grace.observe(["a"], seconds(10_000)).is_empty());
        assert!(grace.observe(["a"], seconds(5_000)).is_empty(), "time does not go back");
        assert!(grace.observe(["a"], seconds(20_000)).is_empty());
        assert_eq!(grace.observe(["a"], seconds(30_000)), ["a"]);
    }
}
