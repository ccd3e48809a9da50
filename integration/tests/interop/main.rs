//! Our speaker and the routers that we did not write: every session type that each of them has, in both directions.
//!
//! [`segment`] is a link that all share. Every test asserts both sides: what the foreign router's own command line says
//! it has, and what ours says.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // A test's helpers are tests too.

mod segment;

mod adapters;

use std::time::Duration;

/// For what takes a few timers of the other side at most.
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits for `check` to hold, and fails the test if it never does.
#[track_caller]
fn wait_until<T>(what: &str, check: impl FnMut() -> anyhow::Result<T>) -> T {
    match integration::eventually::eventually(what, PATIENCE, check) {
        Ok(found) => found,
        Err(error) => panic!("{error:#}"),
    }
}
