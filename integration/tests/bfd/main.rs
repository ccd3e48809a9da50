//! BFD with BIRD and FRR as Debian packages them, and with ourselves: over a link, over a router, IPv4, IPv6 and
//! link-local. A failure is made by dropping packets, so that no interface notices.
//!
//! The monitor runs in this process; its thread lives in the namespace that it was started from.

#![allow(clippy::unwrap_used, clippy::panic)] // A test's helpers are tests too.

mod node;
mod place;
mod routers;

mod failure;
mod farewell;
mod ourselves;

use std::time::Duration;

/// For what takes some seconds of slow start at most, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for `check` to hold, and fails the test if it never does.
fn wait_until<T>(what: &str, check: impl FnMut() -> anyhow::Result<T>) -> T {
    integration::eventually::eventually(what, PATIENCE, check).unwrap()
}
