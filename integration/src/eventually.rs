//! Waiting for what becomes true by itself, without guessing how long it takes.
//!
//! A condition is a function that returns what it found, or why not yet. It is asked again and again until it holds; a
//! deadline only bounds a wait that would never end, and the error then carries the last reason. Deadlines are generous:
//! a test that is slow on a busy machine is slow, not wrong.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks `check` until it succeeds.
///
/// # Errors
/// The last reason, when `patience` is over.
pub fn eventually<T>(what: &str, patience: Duration, mut check: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match check() {
            Ok(found) => return Ok(found),
            Err(reason) if Instant::now() > deadline => {
                return Err(reason).with_context(|| format!("after {patience:?} still not: {what}"));
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
