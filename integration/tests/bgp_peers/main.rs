//! The speaker among others: BIRD and FRR as Debian packages them, and peers that are nothing but a socket and know no
//! manners.
//!
//! [`routers`] is a node between a BIRD and an FRR; [`segment`] is one among raw peers, with a BIRD beside it that must
//! not notice any of what they do. What is expected of a message is spelled out in octets, by hand: our own encoder has
//! no say in it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // A test's helpers are tests too.

mod agent;
mod routers;
mod segment;
mod vigil;
mod wire;

mod collision;
mod exchange;
mod misbehaviour;
mod refusal;
mod restart;

use std::time::Duration;

/// For what takes a few timers of the other side at most.
const PATIENCE: Duration = Duration::from_secs(40);

/// Waits for `check` to hold, and fails the test if it never does.
fn wait_until<T>(what: &str, check: impl FnMut() -> anyhow::Result<T>) -> T {
    integration::eventually::eventually(what, PATIENCE, check).unwrap()
}
