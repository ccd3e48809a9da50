use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::time::Instant;

use super::Pace;
use crate::session::jitter::Jitter;

fn started() -> (Pace, Instant) {
    let now = Instant::now();
    let jitter = Jitter::new(Ipv4Addr::new(10, 0, 0, 1), Ipv6Addr::UNSPECIFIED.into());
    (Pace::new(jitter, now), now)
}

/// When advertisements and solicitations go out up to a time, in milliseconds from the start.
fn sent(pace: &mut Pace, start: Instant, until: Instant) -> [Vec<u128>; 2] {
    let [mut advertised, mut solicited] = [Vec::new(), Vec::new()];
    while pace.deadline() <= until {
        let now = pace.deadline();
        let due = pace.due(now);
        assert!(due.advertisement || due.solicitation, "a deadline for something");
        let at = (now - start).as_millis();
        if due.solicitation {
            pace.sent_solicitation(now);
            solicited.push(at);
        }
        if due.advertisement {
            pace.sent_advertisement(now);
            advertised.push(at);
        }
    }
    [advertised, solicited]
}

fn assert_seldom(times: &[u128]) {
    assert!(times.windows(2).all(|pair| (3000..=5000).contains(&(pair[1] - pair[0]))), "{times:?}");
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_start_is_quick_and_what_follows_is_not() {
    let (mut pace, start) = started();
    let [advertised, solicited] = sent(&mut pace, start, start + MINUTE);
    assert_eq!(advertised[..3], [0, 1000, 2000]);
    assert_eq!(solicited[..3], [0, 4000, 8000]);
    assert_seldom(&advertised[2..]);
    assert_seldom(&solicited);
    let gaps: std::collections::BTreeSet<_> =
        advertised[2..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.len() > 5, "jitter keeps routers apart: {gaps:?}");
}

#[test]
fn who_has_heard_a_router_asks_no_more() {
    let (mut pace, start) = started();
    pace.sent_solicitation(start);
    pace.heard_advertisement();
    let [advertised, solicited] = sent(&mut pace, start, start + MINUTE);
    assert!(advertised.len() > 10);
    assert_eq!(solicited, [0_u128; 0]);
}

#[test]
fn the_first_who_asks_is_answered_at_once_and_a_flood_is_not() {
    let (mut pace, start) = started();
    sent(&mut pace, start, start + MINUTE);
    let asked = start + MINUTE;
    pace.heard_solicitation(asked);
    assert_eq!(pace.deadline(), asked);
    assert!(pace.due(asked).advertisement);
    let mut times = Vec::new();
    for tenth in 0..600 {
        let now = asked + Duration::from_millis(100) * tenth;
        pace.heard_solicitation(now);
        times.extend(sent(&mut pace, start, now)[0].iter());
    }
    assert_eq!(times[0], MINUTE.as_millis());
    assert_seldom(&times);
    assert!(times.len() > 10, "those who ask are answered");
}

#[test]
fn what_could_not_be_sent_does_not_count() {
    let (mut pace, start) = started();
    for second in 0..5 {
        let now = start + Duration::from_secs(second);
        assert_eq!(pace.deadline(), now);
        pace.postpone(now);
    }
    let [advertised, solicited] = sent(&mut pace, start, start + MINUTE);
    assert_eq!(advertised[..3], [5000, 6000, 7000]);
    assert_eq!(solicited[..3], [5000, 9000, 13000]);
}
