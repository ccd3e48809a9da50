//! How often the kernel is brought up to date, and how soon after BGP's word. Values only.

use std::time::Duration;

/// Upper bounds of the histogram's buckets, in milliseconds.
pub const BOUNDS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 5_000, 30_000];

/// What has passed since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meter {
    /// Passes.
    pub passes: u64,
    /// Passes that left something undone.
    pub incomplete: u64,
    /// From a change of best paths to the end of the pass that wrote it: how many within each of [`BOUNDS_MS`], and
    /// not within the one before; beyond all of them in the last.
    pub convergence: [u64; BOUNDS_MS.len() + 1],
    /// All of those times together.
    pub convergence_total: Duration,
}

impl Meter {
    /// A pass has ended; `waited` is how long ago the oldest best path that it wrote was heard of, if it wrote any.
    pub fn pass(&mut self, is_complete: bool, waited: Option<Duration>) {
        self.passes += 1;
        self.incomplete += u64::from(!is_complete);
        let Some(waited) = waited else { return };
        let bucket = BOUNDS_MS.iter().position(|bound| waited <= Duration::from_millis(*bound));
        if let Some(count) = self.convergence.get_mut(bucket.unwrap_or(BOUNDS_MS.len())) {
            *count += 1;
        }
        self.convergence_total = self.convergence_total.saturating_add(waited);
    }
}
