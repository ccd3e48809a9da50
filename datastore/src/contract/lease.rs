//! Elections on a real store, among clocks that disagree.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "see contract.rs")]

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{Backend, PATIENCE, make_spaces};
use crate::lease::{Elector, NAMESPACE, Timing, wall_clock};

/// Waits until this one leads.
pub(crate) async fn led(elector: &Elector) {
    let leads = async {
        while !elector.is_leader() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, leads).await.expect("never leads");
}

/// One leads, and while it renews nobody else does, though their wall clocks are days apart. When it stops, the next
/// one does; when that dies, another, after the lease has expired.
pub async fn electors_take_turns(backend: &dyn Backend) {
    let start = |node: &'static str, name: &'static str, hours: i64, store| {
        let wall = move || Timestamp::from_second(wall_clock().as_second() + hours * 3600).unwrap();
        Elector::start_with_clock(store, name, node, Timing::of_seconds(1), wall)
    };
    make_spaces(backend.open().await.as_ref(), &[NAMESPACE]).await;
    let ahead = start("ahead", "turns", 30, backend.open().await);
    led(&ahead).await;
    let behind = start("behind", "turns", -50, backend.open().await);
    // Another lease is another election.
    let other = start("behind", "other-turns", -50, backend.open().await);
    led(&other).await;
    let mut seen = behind.leadership();
    let knows = seen.wait_for(|leadership| leadership.holder.is_some());
    tokio::time::timeout(PATIENCE, knows).await.expect("never hears of a leader").unwrap();
    // Several times as long as the lease lasts without renewal.
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // A machine that is too slow to renew may lose it, but never to one while the other has it.
        assert!(!(ahead.is_leader() && behind.is_leader()));
    }
    ahead.stop().await;
    led(&behind).await;
    let third = start("third", "turns", 0, backend.open().await);
    drop(behind);
    led(&third).await;
    third.stop().await;
    other.stop().await;
}
