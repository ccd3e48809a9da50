use std::net::{IpAddr, Ipv4Addr};

use super::Pending;
use crate::bfd::{Report, State};
use crate::config::PeerKey;

fn peer(last: u8) -> PeerKey {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)).into()
}

fn report(state: State) -> Report {
    Report { state, diagnostic: 0, remote_independent: false, remote_admin_down: false }
}

fn drain(pending: &mut Pending) -> Vec<(PeerKey, State)> {
    std::iter::from_fn(|| pending.pop()).map(|(peer, report)| (peer, report.state)).collect()
}

#[test]
fn a_failure_is_told_before_the_recovery_that_overtook_it() {
    let mut pending = Pending::default();
    for _ in 0..1000 {
        for state in [State::Up, State::Down, State::Init, State::Up] {
            pending.push(peer(1), report(state));
        }
    }
    pending.push(peer(2), report(State::Up));
    let expected = [(peer(1), State::Down), (peer(1), State::Up), (peer(2), State::Up)];
    assert_eq!(drain(&mut pending), expected);
    assert!(pending.is_empty());
}

#[test]
fn without_a_failure_the_newest_is_enough() {
    let mut pending = Pending::default();
    pending.push(peer(1), report(State::Init));
    pending.push(peer(1), Report { remote_admin_down: true, ..report(State::Down) });
    pending.push(peer(1), report(State::Up));
    assert_eq!(drain(&mut pending), [(peer(1), State::Up)]);
}

#[test]
fn what_is_watched_no_longer_is_not_reported() {
    let mut pending = Pending::default();
    pending.push(peer(1), report(State::Down));
    pending.forget(&peer(1));
    assert_eq!(drain(&mut pending), []);
}
