//! Every event in every phase of a dialer, and the pauses that it makes.

use std::time::{Duration, Instant};

use super::super::State;
use super::super::dialer::{Command, Dialer, Event, Setback};
use super::jitter;

const RETRY: Duration = Duration::from_secs(100);
const LONG: Duration = Duration::from_secs(100);

/// Where a dialer can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Administratively down.
    Shutdown,
    /// Resting, for a while.
    Idle,
    /// Resting until a reset.
    Resting,
    /// Dialling.
    Connect,
    /// Waiting for the time to dial.
    Retry,
    /// Waiting for the peer alone: passive.
    Passive,
    /// Waiting for its address.
    Missing,
    /// There is a session.
    Taken,
}

use Place::{Connect, Idle, Missing, Passive, Resting, Retry, Shutdown, Taken};

const PLACES: [Place; 8] = [Shutdown, Idle, Resting, Connect, Retry, Passive, Missing, Taken];

fn dialer(place: Place, now: Instant) -> Dialer {
    let mut dialer = Dialer::new(place == Passive, RETRY, jitter(), now);
    let events: &[Event] = match place {
        Shutdown => &[Event::Shutdown],
        Idle => &[Event::Down(Setback::Rest(Some(LONG)))],
        Resting => &[Event::Down(Setback::Rest(None))],
        Connect | Passive => &[Event::Timers],
        Retry => &[Event::Timers, Event::ConnectFailed],
        Missing => &[Event::Missing, Event::Timers],
        Taken => &[Event::Timers, Event::Connected],
    };
    events.iter().for_each(|event| _ = dialer.on(*event, now));
    dialer
}

/// Where it is, as far as one can see from outside and by what it would do next: dial once it is no longer passive,
/// once it is found, or on a reset.
fn seen(dialer: &Dialer, now: Instant) -> (State, bool, bool, [bool; 3]) {
    let would = |event, active: bool| {
        let mut probe = dialer.clone();
        if active {
            probe.configure(false, RETRY);
        }
        probe.on(event, now).is_some()
    };
    let probes = [would(Event::Timers, true), would(Event::Found, false), would(Event::Reset, false)];
    (dialer.state(), dialer.accepts(), dialer.deadline().is_some(), probes)
}

/// A variant without a row here does not compile; one whose row is not in the table fails.
fn row(event: Event) -> usize {
    match event {
        Event::Timers => 0,
        Event::Connected => 1,
        Event::ConnectFailed => 2,
        Event::Accepted => 3,
        Event::Down(Setback::Lost(lasted)) if lasted == LONG => 4,
        Event::Down(Setback::Lost(_)) => 5,
        Event::Down(Setback::Unreachable) => 6,
        Event::Down(Setback::Error(_)) => 7,
        Event::Down(Setback::Rest(Some(_))) => 8,
        Event::Down(Setback::Rest(None)) => 9,
        Event::Reset => 10,
        Event::Shutdown => 11,
        Event::Start => 12,
        Event::Found => 13,
        Event::Missing => 14,
    }
}

#[test]
fn every_event_in_every_phase() {
    let (s, i, r, c, a, p, m, t) = (Shutdown, Idle, Resting, Connect, Retry, Passive, Missing, Taken);
    // From Shutdown, Idle (not over), Resting, Connect, Retry (not due), Passive, Missing, Taken.
    let table: [(Event, [Place; 8]); 15] = [
        (Event::Timers, [s, i, r, c, a, p, m, t]),
        (Event::Connected, [s, i, r, t, a, p, m, t]),
        (Event::ConnectFailed, [s, i, r, a, a, p, m, t]),
        (Event::Accepted, [s, i, r, c, t, t, t, t]),
        (Event::Down(Setback::Lost(LONG)), [s, i, r, c, c, p, m, c]),
        (Event::Down(Setback::Lost(Duration::ZERO)), [s, i, r, c, a, p, m, a]),
        (Event::Down(Setback::Unreachable), [s, i, r, c, a, p, m, a]),
        (Event::Down(Setback::Error(LONG)), [s, i, r, c, i, i, i, i]),
        (Event::Down(Setback::Rest(Some(LONG))), [s, i, i, i, i, i, i, i]),
        (Event::Down(Setback::Rest(None)), [s, r, r, r, r, r, r, r]),
        (Event::Reset, [s, c, c, c, c, p, m, t]),
        (Event::Shutdown, [s; 8]),
        (Event::Start, [c, i, r, c, a, p, m, t]),
        (Event::Found, [s, i, r, c, a, p, c, t]),
        (Event::Missing, [s, i, r, c, m, p, m, t]),
    ];
    let now = Instant::now();
    for (index, (event, expected)) in table.into_iter().enumerate() {
        assert_eq!(row(event), index, "{event:?}");
        for (from, to) in PLACES.into_iter().zip(expected) {
            let mut dialer = dialer(from, now);
            let command = dialer.on(event, now);
            let mut there = self::dialer(to, now);
            there.configure(from == Passive, RETRY);
            if event == Event::Missing || (from == Missing && event != Event::Found) {
                there.on(Event::Missing, now);
            }
            assert_eq!(seen(&dialer, now), seen(&there, now), "{event:?} in {from:?}");
            let dials = to == Connect && from != Connect;
            assert_eq!(command, dials.then_some(Command::Dial), "{event:?} in {from:?}");
        }
    }
}

#[test]
fn a_session_is_not_disturbed_by_anything_but_its_end_or_people() {
    let now = Instant::now();
    let later = now + RETRY * 10;
    for event in [Event::Timers, Event::Found, Event::Reset, Event::Start, Event::Accepted] {
        let mut dialer = dialer(Taken, now);
        assert_eq!(dialer.on(event, later), None, "{event:?}");
        assert_eq!((dialer.state(), dialer.deadline()), (State::Active, None));
    }
}

#[test]
fn rests_end_when_they_should() {
    let now = Instant::now();
    for (place, over) in [(Idle, Some(now + LONG)), (Resting, None), (Shutdown, None)] {
        let mut dialer = dialer(place, now);
        assert_eq!(dialer.deadline(), over, "{place:?}");
        assert!(!dialer.accepts());
        let later = now + LONG * 1000;
        assert_eq!(dialer.on(Event::Timers, later).is_some(), over.is_some(), "{place:?}");
    }
    let mut dialer = dialer(Shutdown, now);
    assert_eq!(dialer.on(Event::Reset, now), None, "a reset does not undo what was configured");
    assert_eq!(dialer.on(Event::Start, now), Some(Command::Dial));
}

#[test]
fn a_dial_that_comes_back_after_a_shutdown_changes_nothing() {
    let now = Instant::now();
    for event in [Event::Connected, Event::ConnectFailed] {
        let mut dialer = dialer(Connect, now);
        dialer.on(Event::Shutdown, now);
        assert_eq!(dialer.on(event, now), None);
        assert_eq!((dialer.state(), dialer.deadline()), (State::Idle, None));
    }
}

#[test]
fn who_has_no_address_is_dialled_when_it_has_one() {
    let now = Instant::now();
    let mut dialer = dialer(Missing, now);
    assert!(dialer.accepts(), "it may come");
    assert_eq!(dialer.on(Event::Reset, now), None);
    assert_eq!(dialer.on(Event::Found, now), Some(Command::Dial));
    assert_eq!(dialer.on(Event::Found, now), None, "it is said again and again");
    dialer.on(Event::Missing, now);
    dialer.on(Event::ConnectFailed, now);
    assert_eq!((dialer.state(), dialer.deadline()), (State::Active, None));
}

#[test]
fn new_settings_hold_from_the_next_event_on() {
    let now = Instant::now();
    let mut dialer = dialer(Passive, now);
    dialer.configure(false, RETRY);
    assert_eq!(dialer.on(Event::Timers, now), Some(Command::Dial));
    dialer.configure(true, RETRY);
    dialer.on(Event::ConnectFailed, now);
    assert_eq!((dialer.state(), dialer.deadline()), (State::Active, None));
}

#[test]
fn a_dialer_tries_again_after_the_retry_time_with_jitter() {
    let now = Instant::now();
    let mut dialer = dialer(Retry, now);
    let retry = dialer.deadline().unwrap();
    assert!((now + RETRY * 3 / 4..=now + RETRY).contains(&retry));
    assert_eq!(dialer.on(Event::Timers, retry - Duration::from_millis(1)), None);
    assert_eq!(dialer.on(Event::Timers, retry), Some(Command::Dial));
}

#[test]
fn a_passive_dialer_never_dials() {
    let now = Instant::now();
    let mut dialer = dialer(Passive, now);
    for setback in [Setback::Lost(RETRY), Setback::Unreachable, Setback::Error(RETRY)] {
        assert_eq!(dialer.on(Event::Down(setback), now), None);
        assert_eq!(dialer.on(Event::Timers, now + RETRY), None);
        assert_eq!((dialer.state(), dialer.deadline()), (State::Active, None));
    }
}

#[test]
fn pauses_grow_with_errors_and_shrink_after_a_stable_session() {
    let mut now = Instant::now();
    let mut dialer = dialer(Passive, now);
    let mut pause = |lasted| {
        dialer.on(Event::Down(Setback::Error(lasted)), now);
        let until = dialer.deadline().unwrap();
        let pause = until - now;
        now = until;
        dialer.on(Event::Timers, now);
        pause.as_secs_f32()
    };
    for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0, 32.0] {
        let pause = pause(Duration::ZERO);
        assert!((0.75 * expected..=expected).contains(&pause), "{pause} of {expected}");
    }
    assert!(pause(Duration::from_secs(600)) <= 1.0);
}

#[test]
fn a_reset_forgets_earlier_errors() {
    let now = Instant::now();
    let mut dialer = dialer(Passive, now);
    for _ in 0..5 {
        dialer.on(Event::Down(Setback::Error(Duration::ZERO)), now);
        dialer.on(Event::Reset, now);
        assert_eq!(dialer.state(), State::Active);
    }
    dialer.on(Event::Down(Setback::Error(Duration::ZERO)), now);
    assert!(dialer.deadline().unwrap() <= now + Duration::from_secs(1));
}
