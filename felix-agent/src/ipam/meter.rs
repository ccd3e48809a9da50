//! Counts what the worker does.

use std::sync::atomic::{AtomicU64, Ordering};

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
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Meter {
    requests: AtomicU64,
    commits: AtomicU64,
    conflicts: AtomicU64,
    listings: AtomicU64,
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

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            requests: read(&self.requests),
            commits: read(&self.commits),
            conflicts: read(&self.conflicts),
            listings: read(&self.listings),
        }
    }
}
