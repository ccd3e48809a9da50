//! Who leaves on purpose, and is not taken for dead (RFC 5882 §4.2).

use anyhow::ensure;
use bgp::bfd::State;
use bgp::bfd::packet::diagnostic;
use integration::tor::Kind;

use crate::node::Node;
use crate::place::Place;
use crate::routers::Router;
use crate::wait_until;

/// So long that nobody is missed because a thread did not get its turn: what ends sessions here is who leaves.
const INTERVAL_MS: u64 = 500;

#[test]
fn frr_put_down_by_its_operator_has_not_failed() {
    let place = Place::link();
    let router = Router::start(Kind::Frr, &place, INTERVAL_MS);
    let mut node = Node::start(&place.node);
    place.ways.iter().for_each(|way| node.watch(way, INTERVAL_MS, 10));
    node.wait_for(&place.ways, State::Up);
    for way in &place.ways {
        router.shut_down(way, true);
        let report = wait_until("we are told", || node.ensure_last(way.theirs, State::Down));
        assert_eq!(report.diagnostic, diagnostic::NEIGHBOR_SIGNALED_DOWN);
        assert!(report.remote_admin_down, "{report:?}");
        router.shut_down(way, false);
    }
    node.wait_for(&place.ways, State::Up);
}

#[test]
fn frr_is_told_that_we_leave() {
    let place = Place::link();
    let router = Router::start(Kind::Frr, &place, INTERVAL_MS);
    let mut node = Node::start(&place.node);
    place.ways.iter().for_each(|way| node.watch(way, INTERVAL_MS, 10));
    node.wait_for(&place.ways, State::Up);
    router.wait_until_all(true);
    let (first, others) = place.ways.split_first().unwrap();
    node.forget(first);
    let ensure_told = |way| {
        let (own, ours) = router.reasons(way)?;
        ensure!(own == "neighbor signaled session down", "{own}");
        ensure!(ours == "administratively down", "{ours}");
        Ok(())
    };
    wait_until("the session that is watched no longer ends", || ensure_told(first));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(node.monitor.shutdown());
    for way in others {
        wait_until("all sessions have ended", || ensure_told(way));
    }
}
