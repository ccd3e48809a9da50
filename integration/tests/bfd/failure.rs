//! Up, cut without a word from any interface, and up again; intervals changed meanwhile.

use anyhow::ensure;
use bgp::bfd::packet::diagnostic;
use bgp::bfd::{Report, State};
use integration::tor::Kind;

use crate::node::Node;
use crate::place::Place;
use crate::routers::Router;
use crate::wait_until;

/// Packets are so frequent that a thread of ours that does not get its turn may be missed before the cut is.
const ATTEMPTS: usize = 3;

#[test]
fn bird_on_the_link() {
    a_cut_is_seen_from_both_ends(Kind::Bird, &Place::link(), 50);
}

#[test]
fn frr_on_the_link() {
    a_cut_is_seen_from_both_ends(Kind::Frr, &Place::link(), 50);
}

#[test]
fn bird_behind_a_router() {
    a_cut_is_seen_from_both_ends(Kind::Bird, &Place::routed(), 100);
}

#[test]
fn frr_behind_a_router() {
    a_cut_is_seen_from_both_ends(Kind::Frr, &Place::routed(), 100);
}

fn a_cut_is_seen_from_both_ends(kind: Kind, place: &Place, interval_ms: u64) {
    let router = Router::start(kind, place, interval_ms);
    let mut node = Node::start(&place.node);
    place.ways.iter().for_each(|way| node.watch(way, interval_ms, 3));
    node.wait_for(&place.ways, State::Up);
    router.wait_until_all(true);

    for _ in 0..ATTEMPTS {
        place.ways.iter().for_each(|way| node.forget_reports(way.theirs));
        place.cut();
        let reports: Vec<Report> = place
            .ways
            .iter()
            .map(|way| wait_until("the cut is noticed", || node.ensure_last(way.theirs, State::Down)))
            .collect();
        router.wait_until_all(false);
        assert!(reports.iter().all(|report| !report.remote_admin_down), "{reports:?}");

        place.mend();
        node.wait_for(&place.ways, State::Up);
        router.wait_until_all(true);
        let noticed = |report: &Report| match report.diagnostic {
            diagnostic::DETECTION_TIME_EXPIRED => true,
            // We were silent for so long just before the cut that the router was first.
            diagnostic::NEIGHBOR_SIGNALED_DOWN => false,
            _ => panic!("{report:?}"),
        };
        if reports.iter().all(noticed) {
            return;
        }
    }
    panic!("of {ATTEMPTS} cuts we have noticed none by ourselves");
}

#[test]
fn bird_follows_other_intervals() {
    intervals_change_on_the_living_session(Kind::Bird);
}

#[test]
fn frr_follows_other_intervals() {
    intervals_change_on_the_living_session(Kind::Frr);
}

/// With patience enough for a busy machine, so that whatever goes down does so by the change.
fn intervals_change_on_the_living_session(kind: Kind) {
    let place = Place::link();
    let router = Router::start(kind, &place, 100);
    let mut node = Node::start(&place.node);
    for interval_ms in [400, 900, 300, 1_000] {
        place.ways.iter().for_each(|way| node.watch(way, interval_ms, 10));
        router.wait_until_all(true);
        wait_until("the router has heard of it", || {
            let sessions = router.sessions()?;
            ensure!(
                sessions.values().all(|seen| seen.interval_ms == interval_ms),
                "{interval_ms}: {sessions:?}"
            );
            Ok(())
        });
    }
    node.wait_for(&place.ways, State::Up);
    for way in &place.ways {
        let reports = node.reports(way.theirs);
        let ups = reports.iter().filter(|report| report.state == State::Up).count();
        assert_eq!(ups, 1, "it came up once and stayed: {reports:?}");
    }
}
