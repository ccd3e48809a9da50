//! Our speaker and the routers that we did not write: every session type that each of them has, in both directions.
//!
//! [`segment`] is a link that all share, [`pair`] our speaker and one router on it. Every test asserts both sides: what
//! the foreign router's own command line says it has, and what ours says. A subject is a function of the router's kind;
//! `with_each!` makes a test of it for every router that can do it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // A test's helpers are tests too.

/// A test for each of these routers of a function that takes its kind, named `<function>::<router>`.
macro_rules! with_each {
    ($subject:ident: $($router:ident $kind:ident),+) => {
        mod $subject {
            $(
                #[test]
                fn $router() {
                    super::$subject(integration::router::Kind::$kind);
                }
            )+
        }
    };
}

mod pair;
mod segment;

mod adapters;
mod add_path;
mod attributes;
mod goodbye;
mod hostile;
mod limits;
mod next_hop;
mod policy;
mod protection;
mod reflection;
mod refresh;
mod restart;
mod sessions;

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
