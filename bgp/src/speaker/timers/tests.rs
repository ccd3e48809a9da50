use std::time::Duration;

use super::*;

#[test]
fn an_entry_moves_forward_only_and_comes_out_once() {
    let now = Instant::now();
    let at = |seconds| now + Duration::from_secs(seconds);
    let mut timers = Timers::default();
    timers.arm(Timed::Connection(ConnId(1)), Some(at(5)));
    timers.arm(Timed::Connection(ConnId(1)), Some(at(9)));
    timers.arm(Timed::Connection(ConnId(1)), None);
    assert_eq!(timers.next(), Some(at(5)));
    timers.arm(Timed::Connection(ConnId(1)), Some(at(3)));
    timers.arm(Timed::Synchronisation, Some(at(2)));
    timers.arm(Timed::Connection(ConnId(2)), Some(at(4)));
    timers.disarm(Timed::Connection(ConnId(2)));
    assert_eq!(timers.take_due(at(1)), []);
    assert_eq!(timers.take_due(at(8)), [Timed::Synchronisation, Timed::Connection(ConnId(1))]);
    assert_eq!((timers.next(), timers.take_due(at(99))), (None, Vec::new()));
}
