use std::time::{Duration, Instant};

use super::{IN_TIME, LISTENING, Punctuality};

#[test]
fn who_is_late_listens_first() {
    let start = Instant::now();
    let deadline = Some(start);
    let after = |time: Duration| start + time;
    let mut punctuality = Punctuality::default();
    assert!(!punctuality.is_time(None, true, start));
    assert!(!punctuality.is_time(Some(start + IN_TIME), true, start), "not yet");
    assert!(punctuality.is_time(deadline, true, after(IN_TIME)), "in time, and nobody said anything");

    // A turn of ten seconds.
    let late = after(Duration::from_secs(10));
    assert!(!punctuality.is_time(deadline, true, late), "nobody had a chance to say anything");
    assert!(punctuality.is_late());
    assert!(!punctuality.is_time(deadline, false, late), "somebody does");
    assert!(punctuality.is_time(deadline, true, late), "nobody does any more");
    assert!(!punctuality.is_late());
}

#[test]
fn nobody_is_listened_to_for_ever() {
    let start = Instant::now();
    let mut punctuality = Punctuality::default();
    assert!(!punctuality.is_time(Some(start), false, start));
    assert!(!punctuality.is_time(Some(start), false, start + LISTENING / 2));
    assert!(punctuality.is_time(Some(start), false, start + LISTENING));
    assert!(!punctuality.is_late());
}

#[test]
fn a_deadline_that_was_put_off_is_none() {
    let start = Instant::now();
    let mut punctuality = Punctuality::default();
    assert!(!punctuality.is_time(Some(start), false, start));
    assert!(!punctuality.is_time(Some(start + LISTENING * 4), true, start + LISTENING * 2));
    assert!(!punctuality.is_late());
}
