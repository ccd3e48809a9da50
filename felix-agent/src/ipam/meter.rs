//! Counts what the worker does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the histogram's buckets, in microseconds.
pub const BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_000_000, 10_000_000];

/// What has been done since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Wishes taken up.
    pub requests: u64,
    /// Commits tried for them.
    pub commits: u64,
    /// Of those, how many had to be planned anew: somebody else wrote the same records, or the answer was lost.
    pub conflicts: u64,
    /// Listings of all blocks.
    pub listings: u64,
    /// Wishes for addresses that were fulfilled.
    pub assignments: u64,
    /// Wishes to give addresses back that were fulfilled.
    pub releases: u64,
    /// Wishes that were not.
    pub failures: u64,
    /// From a wish for addresses to the answer: how many within each of [`BOUNDS_US`], and not within the one before;
    /// beyond all of them in the last.
    pub latency: [u64; BOUNDS_US.len() + 1],
    /// All of those times together.
    pub latency_total: Duration,
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Meter {
    requests: AtomicU64,
    commits: AtomicU64,
    conflicts: AtomicU64,
    listings: AtomicU64,
    assignments: AtomicU64,
    releases: AtomicU64,
    failures: AtomicU64,
    latency: [AtomicU64; BOUNDS_US.len() + 1],
    latency_total_us: AtomicU64,
}

impl Meter {
    pub(super) fn requests(&self, count: usize) {
        self.requests.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn listing(&self) {
        self.listings.fetch_add(1, Ordering::Relaxed);
    }

    /// A wish for addresses was answered, after so long.
    pub(super) fn assigned(&self, is_fulfilled: bool, took: Duration) {
        let counter = if is_fulfilled { &self.assignments } else { &self.failures };
        counter.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|bound| took <= *bound).unwrap_or(BOUNDS_US.len());
        if let Some(count) = self.latency.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.latency_total_us.fetch_add(took, Ordering::Relaxed);
    }

    /// A wish to give addresses back was answered.
    pub(super) fn released(&self, is_fulfilled: bool) {
        let counter = if is_fulfilled { &self.releases } else { &self.failures };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            requests: read(&self.requests),
            commits: read(&self.commits),
            conflicts: read(&self.conflicts),
            listings: read(&self.listings),
            assignments: read(&self.assignments),
            releases: read(&self.releases),
            failures: read(&self.failures),
            latency: std::array::from_fn(|bucket| self.latency.get(bucket).map_or(0, read)),
            latency_total: Duration::from_micros(read(&self.latency_total_us)),
        }
    }
}
