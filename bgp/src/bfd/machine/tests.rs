use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::packet::{Micros, Packet, diagnostic};
use super::super::{Report, State};
use super::Session;
use crate::config::Bfd;

mod simulation;

const OURS: u32 = 0x1111;
const THEIRS: u32 = 0x2222;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn micros(millis: u32) -> Micros {
    Micros(millis * 1000)
}

fn settings(interval: u64, multiplier: u8) -> Bfd {
    Bfd { transmit_interval: ms(interval), receive_interval: ms(interval), multiplier, multihop: false }
}

/// What a peer with 50 ms × 3 says.
fn says(state: State) -> Packet {
    Packet {
        diagnostic: 0,
        state,
        poll: false,
        final_: false,
        independent: false,
        demand: false,
        multiplier: 3,
        my_discriminator: THEIRS,
        your_discriminator: OURS,
        desired_min_tx: micros(50),
        required_min_rx: micros(50),
        required_min_echo_rx: Micros(0),
    }
}

fn new(interval: u64, multiplier: u8) -> (Session, Instant) {
    let now = Instant::now();
    (Session::new(&settings(interval, multiplier), OURS, 7, now), now)
}

fn sent(session: &mut Session, now: Instant) -> Vec<Packet> {
    std::iter::from_fn(|| session.poll_transmit(now)).collect()
}

/// A session that is Up, its Poll Sequence confirmed, and nothing left to say.
fn up(interval: u64, multiplier: u8) -> (Session, Instant) {
    let (mut session, now) = new(interval, multiplier);
    sent(&mut session, now);
    session.received(&says(State::Init), now);
    sent(&mut session, now);
    session.received(&Packet { final_: true, ..says(State::Up) }, now);
    assert!(sent(&mut session, now).is_empty());
    assert_eq!(session.poll_report().unwrap().state, State::Up);
    assert!(session.is_settled());
    (session, now)
}

/// A session in this state that has heard the other end.
fn in_state(state: State) -> (Session, Instant) {
    let (mut session, now) = new(50, 3);
    match state {
        State::AdminDown => session.hold_down(),
        State::Down => {}
        State::Init => session.received(&says(State::Down), now),
        State::Up => session.received(&says(State::Init), now),
    }
    sent(&mut session, now);
    assert_eq!(session.state(), state);
    session.poll_report();
    (session, now)
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Hears(State),
    Silence,
    HoldDown,
    Release,
}

/// Every state × every event, RFC 5880 §6.8.6, §6.8.4, §6.8.16.
#[test]
fn every_state_meets_every_event() {
    use Event::{Hears, HoldDown, Release, Silence};
    use State::{AdminDown, Down, Init, Up};
    use diagnostic::{ADMINISTRATIVELY_DOWN as ADMIN, DETECTION_TIME_EXPIRED as EXPIRED, NONE};
    const SIGNALED: u8 = diagnostic::NEIGHBOR_SIGNALED_DOWN;
    let table = [
        (AdminDown, Hears(AdminDown), AdminDown, ADMIN),
        (AdminDown, Hears(Down), AdminDown, ADMIN),
        (AdminDown, Hears(Init), AdminDown, ADMIN),
        (AdminDown, Hears(Up), AdminDown, ADMIN),
        (AdminDown, Silence, AdminDown, ADMIN),
        (AdminDown, HoldDown, AdminDown, ADMIN),
        (AdminDown, Release, Down, NONE),
        (Down, Hears(AdminDown), Down, NONE),
        (Down, Hears(Down), Init, NONE),
        (Down, Hears(Init), Up, NONE),
        (Down, Hears(Up), Down, NONE),
        (Down, Silence, Down, NONE),
        (Down, HoldDown, AdminDown, ADMIN),
        (Down, Release, Down, NONE),
        (Init, Hears(AdminDown), Down, SIGNALED),
        (Init, Hears(Down), Init, NONE),
        (Init, Hears(Init), Up, NONE),
        (Init, Hears(Up), Up, NONE),
        (Init, Silence, Down, EXPIRED),
        (Init, HoldDown, AdminDown, ADMIN),
        (Init, Release, Init, NONE),
        (Up, Hears(AdminDown), Down, SIGNALED),
        (Up, Hears(Down), Down, SIGNALED),
        (Up, Hears(Init), Up, NONE),
        (Up, Hears(Up), Up, NONE),
        (Up, Silence, Down, EXPIRED),
        (Up, HoldDown, AdminDown, ADMIN),
        (Up, Release, Up, NONE),
    ];
    assert_eq!(table.len(), 4 * 7);
    for (before, event, after, diagnostic) in table {
        let (mut session, now) = in_state(before);
        match event {
            Hears(state) => session.received(&says(state), now),
            Silence => session.timers(now + Duration::from_secs(3600)),
            HoldDown => session.hold_down(),
            Release => session.release(),
        }
        let said = sent(&mut session, now + Duration::from_secs(3600));
        let last = said.last().unwrap();
        assert_eq!((session.state(), last.diagnostic), (after, diagnostic), "{before} {event:?}");
        assert_eq!(last.state, after, "{before} {event:?}: what is said is what is");
    }
}

#[test]
fn the_handshake_needs_no_timer_once_both_ends_speak() {
    let (mut session, now) = new(50, 3);
    let first = sent(&mut session, now);
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].state, first[0].your_discriminator), (State::Down, 0));
    assert_eq!(first[0].desired_min_tx, micros(1000), "slow start");
    assert_eq!(first[0].required_min_rx, micros(50));
    assert!(!first[0].independent && !first[0].demand && first[0].required_min_echo_rx == Micros(0));

    session.received(&Packet { your_discriminator: 0, ..says(State::Down) }, now);
    let second = sent(&mut session, now);
    assert_eq!(second.len(), 1);
    assert_eq!((second[0].state, second[0].your_discriminator), (State::Init, THEIRS));

    session.received(&says(State::Up), now);
    let third = sent(&mut session, now);
    assert_eq!(third.len(), 1);
    assert_eq!((third[0].state, third[0].desired_min_tx, third[0].poll), (State::Up, micros(50), true));
    let report = session.poll_report().unwrap();
    assert_eq!((report.state, report.diagnostic, report.remote_admin_down), (State::Up, 0, false));
    assert_eq!(session.poll_report(), None);
}

#[test]
fn who_is_not_up_is_spoken_to_slowly() {
    let (mut session, now) = new(50, 3);
    sent(&mut session, now);
    for _ in 0..1000 {
        let at = session.deadline().unwrap();
        assert!(at >= now + ms(750) && at <= now + ms(1000));
        let (again, _) = (session.poll_transmit(at), session.poll_transmit(at));
        assert!(again.is_some());
        session = Session::new(&settings(50, 3), OURS, u64::from(again.unwrap().my_discriminator), now);
        sent(&mut session, now);
    }
}

#[test]
fn periodic_packets_keep_to_the_interval_less_jitter() {
    for (multiplier, longest) in [(3, 50), (1, 45)] {
        let (mut session, mut now) = up(50, multiplier);
        for _ in 0..500 {
            let next = session.deadline().unwrap();
            assert!(sent(&mut session, next - Duration::from_nanos(1)).is_empty());
            assert_eq!(sent(&mut session, next).len(), 1);
            // The first one comes after the handshake's packet.
            assert!(next - now >= ms(37) && next - now <= ms(longest), "{:?}", next - now);
            now = next;
            session.received(&says(State::Up), now);
        }
    }
}

#[test]
fn the_slower_end_decides() {
    let (mut session, now) = up(50, 3);
    assert_eq!(session.transmit_interval(), Some(ms(50)));
    assert_eq!(session.detection_time(), Some(ms(150)));
    session.received(
        &Packet {
            required_min_rx: micros(300),
            desired_min_tx: micros(400),
            multiplier: 5,
            ..says(State::Up)
        },
        now,
    );
    assert_eq!(session.transmit_interval(), Some(ms(300)));
    assert_eq!(session.detection_time(), Some(ms(2000)), "the other end's multiplier");
}

#[test]
fn a_peer_that_can_take_more_is_served_at_once() {
    let (mut session, start) = up(50, 3);
    session.received(&Packet { required_min_rx: micros(1000), ..says(State::Up) }, start);
    assert!(session.deadline().unwrap() <= start + ms(150), "its silence is noticed as before");
    let late = start + ms(100);
    session.received(&says(State::Up), late);
    assert_eq!(sent(&mut session, late).len(), 1, "50 ms have passed since the last packet");
}

#[test]
fn silence_is_noticed_at_the_detection_time_and_not_before() {
    let (mut session, now) = up(50, 3);
    session.timers(now + ms(149));
    assert_eq!(session.state(), State::Up);
    session.timers(now + ms(150));
    let report = session.poll_report().unwrap();
    assert_eq!((report.state, report.diagnostic), (State::Down, diagnostic::DETECTION_TIME_EXPIRED));
    let said = sent(&mut session, now + ms(150));
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].your_discriminator, 0);
    assert_eq!(said[0].desired_min_tx, micros(1000));
    assert!(!said[0].poll);
}

#[test]
fn the_c_bit_is_remembered_over_the_silence() {
    let (mut session, now) = up(50, 3);
    session.received(&Packet { independent: true, ..says(State::Up) }, now);
    assert!(session.poll_report().unwrap().remote_independent);
    session.timers(now + ms(150));
    assert!(session.poll_report().unwrap().remote_independent);
}

#[test]
fn an_operator_at_the_other_end_is_no_failure() {
    let (mut session, now) = up(50, 3);
    session.received(&Packet { diagnostic: 7, ..says(State::AdminDown) }, now);
    let expected = Report {
        state: State::Down,
        diagnostic: diagnostic::NEIGHBOR_SIGNALED_DOWN,
        remote_independent: false,
        remote_admin_down: true,
    };
    assert_eq!(session.poll_report(), Some(expected));
    session.timers(now + Duration::from_secs(60));
    assert_eq!(session.poll_report(), None, "that it falls silent then is none, either");
    session.received(&says(State::Down), now + Duration::from_secs(61));
    assert!(!session.poll_report().unwrap().remote_admin_down);
}

#[test]
fn a_poll_is_answered_at_once_in_every_state_but_admin_down() {
    for (state, says_state) in
        [(State::Down, State::AdminDown), (State::Init, State::Down), (State::Up, State::Up)]
    {
        let (mut session, now) = in_state(state);
        session.received(&Packet { poll: true, ..says(says_state) }, now);
        let answer = session.poll_transmit(now).unwrap();
        assert!(answer.final_ && !answer.poll, "{state}");
    }
    let (mut session, now) = in_state(State::AdminDown);
    session.received(&Packet { poll: true, ..says(State::Down) }, now);
    assert!(sent(&mut session, now).iter().all(|packet| !packet.final_));
}

#[test]
fn slower_sending_waits_for_the_confirmation() {
    let (mut session, now) = up(50, 3);
    session.configure(&Bfd { transmit_interval: ms(500), ..settings(50, 3) });
    let news = sent(&mut session, now);
    assert_eq!(news.len(), 1);
    assert!(news[0].poll && news[0].desired_min_tx == micros(500));
    assert_eq!(session.transmit_interval(), Some(ms(50)), "§6.8.3: not before the Poll Sequence has ended");
    session.received(&Packet { final_: true, ..says(State::Up) }, now);
    assert_eq!(session.transmit_interval(), Some(ms(500)));
    assert!(sent(&mut session, now).is_empty());
}

#[test]
fn quicker_sending_begins_at_once() {
    let (mut session, now) = up(50, 3);
    session.configure(&settings(50, 3));
    assert!(sent(&mut session, now).is_empty(), "nothing new, nothing said");
    session.received(&Packet { required_min_rx: micros(10), ..says(State::Up) }, now);
    session.configure(&Bfd { transmit_interval: ms(20), ..settings(50, 3) });
    assert_eq!(session.transmit_interval(), Some(ms(20)));
    assert!(sent(&mut session, now)[0].poll);
}

#[test]
fn quicker_detection_waits_for_the_confirmation() {
    let (mut session, now) = up(200, 3);
    assert_eq!(session.detection_time(), Some(ms(600)));
    session.configure(&Bfd { receive_interval: ms(100), ..settings(200, 3) });
    assert_eq!(sent(&mut session, now)[0].required_min_rx, micros(100));
    assert_eq!(session.detection_time(), Some(ms(600)));
    session.received(&Packet { final_: true, ..says(State::Up) }, now);
    assert_eq!(session.detection_time(), Some(ms(300)));
    session.configure(&Bfd { receive_interval: ms(400), ..settings(200, 3) });
    assert_eq!(session.detection_time(), Some(ms(1200)), "more patience holds at once");
}

#[test]
fn an_answer_to_an_earlier_question_confirms_nothing() {
    let (mut session, now) = up(50, 3);
    session.configure(&Bfd { transmit_interval: ms(500), ..settings(50, 3) });
    sent(&mut session, now);
    session.configure(&Bfd { transmit_interval: ms(900), ..settings(50, 3) });
    session.received(&Packet { final_: true, ..says(State::Up) }, now);
    assert_eq!(session.transmit_interval(), Some(ms(50)));
    assert!(sent(&mut session, now)[0].poll);
    session.received(&Packet { final_: true, ..says(State::Up) }, now);
    assert_eq!(session.transmit_interval(), Some(ms(900)));
}

#[test]
fn a_lost_question_is_asked_again_with_the_next_packet() {
    let (mut session, now) = up(50, 3);
    session.configure(&Bfd { transmit_interval: ms(500), ..settings(50, 3) });
    let mut at = now;
    for _ in 0..3 {
        let said = sent(&mut session, at);
        assert!(said.len() == 1 && said[0].poll);
        session.received(&says(State::Up), at);
        at = session.deadline().unwrap();
    }
}

#[test]
fn a_peer_in_demand_mode_is_left_alone_but_for_questions() {
    let (mut session, now) = up(50, 3);
    session.received(&Packet { demand: true, ..says(State::Up) }, now);
    assert_eq!(session.transmit_interval(), None);
    assert_eq!(session.deadline(), Some(now + ms(150)), "it goes on sending, and is watched");
    assert!(sent(&mut session, now + ms(140)).is_empty());
    session.configure(&Bfd { receive_interval: ms(60), ..settings(50, 3) });
    assert!(sent(&mut session, now)[0].poll);
    assert!(session.transmit_interval().is_some(), "until it has answered");
    session.received(&Packet { final_: true, demand: true, ..says(State::Up) }, now);
    assert_eq!(session.transmit_interval(), None);
    session.received(&Packet { demand: true, poll: true, ..says(State::Up) }, now);
    assert!(sent(&mut session, now)[0].final_);
    session.received(&says(State::Up), now + ms(100));
    assert_eq!(sent(&mut session, now + ms(100)).len(), 1, "demand is over");
}

#[test]
fn a_peer_that_can_take_nothing_gets_nothing() {
    let (mut session, now) = new(50, 3);
    session.received(&Packet { required_min_rx: Micros(0), ..says(State::AdminDown) }, now);
    assert!(sent(&mut session, now + ms(5000)).is_empty());
    session.received(&says(State::Down), now + ms(5000));
    assert_eq!(sent(&mut session, now + ms(5000)).len(), 1);
}

#[test]
fn a_farewell_keeps_its_pace_until_it_is_heard() {
    let (mut session, now) = up(50, 3);
    session.hold_down();
    assert!(!session.is_settled());
    let mut at = now;
    let mut said = Vec::new();
    while !session.is_settled() {
        said.extend(sent(&mut session, at));
        at = session.deadline().unwrap();
        session.timers(at);
    }
    assert!(said.len() >= 3, "{} in a detection time", said.len());
    assert!(
        said.iter().all(|packet| packet.state == State::AdminDown && packet.diagnostic == 7 && packet.poll)
    );
    assert!(at <= now + ms(150));

    let (mut session, now) = up(50, 3);
    session.hold_down();
    sent(&mut session, now);
    session.received(&Packet { final_: true, ..says(State::Down) }, now);
    assert!(session.is_settled());
    assert_eq!(session.transmit_interval(), Some(ms(1000)));
}

#[test]
fn what_speaks_of_another_session_is_not_heard() {
    let (mut session, now) = new(50, 3);
    session.received(&Packet { your_discriminator: 99, ..says(State::Init) }, now);
    assert_eq!(session.state(), State::Down);
}

#[test]
fn absurd_settings_are_brought_into_range() {
    let now = Instant::now();
    for (interval, multiplier) in [(Duration::ZERO, 0), (Duration::MAX, 255)] {
        let bfd =
            Bfd { transmit_interval: interval, receive_interval: interval, multiplier, multihop: false };
        let mut session = Session::new(&bfd, OURS, 0, now);
        session.received(&says(State::Init), now);
        let packet = session.poll_transmit(now).unwrap();
        assert!(packet.multiplier > 0 && packet.desired_min_tx >= micros(10));
        assert!(session.deadline().is_some());
    }
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let states = prop_oneof![Just(State::AdminDown), Just(State::Down), Just(State::Init), Just(State::Up),];
    let times = prop_oneof![Just(0), Just(1), Just(50_000), any::<u32>()];
    (states, any::<[bool; 4]>(), 1_u8.., 1_u32.., prop_oneof![Just(0), Just(OURS)], times.clone(), times)
        .prop_map(|(state, [poll, final_, demand, independent], multiplier, mine, yours, tx, rx)| Packet {
            diagnostic: 0,
            state,
            poll,
            final_,
            independent,
            demand,
            multiplier,
            my_discriminator: mine,
            your_discriminator: yours,
            desired_min_tx: Micros(tx),
            required_min_rx: Micros(rx),
            required_min_echo_rx: Micros(0),
        })
}

#[derive(Debug, Clone)]
enum Step {
    Hear(Packet),
    Wait(u64),
    Configure(u64, u64, u8),
    HoldDown,
    Release,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any_packet().prop_map(Step::Hear),
        4 => (0_u64..2_000).prop_map(Step::Wait),
        1 => (0_u64..2_000, 0_u64..2_000, any::<u8>()).prop_map(|(tx, rx, m)| Step::Configure(tx, rx, m)),
        1 => Just(Step::HoldDown),
        1 => Just(Step::Release),
    ]
}

proptest! {
    /// Whatever is heard and done: each packet can be read, P and F never stand together, at most one F answers each P,
    /// nothing is sent in a loop, and time only has to pass for what is due.
    #[test]
    fn any_life_is_orderly(steps in proptest::collection::vec(any_step(), 0..60)) {
        let mut now = Instant::now();
        let mut session = Session::new(&settings(50, 3), OURS, 1, now);
        let mut asked = 0;
        let mut answered = 0;
        for step in steps {
            match step {
                Step::Hear(packet) => {
                    asked += u32::from(packet.poll);
                    session.received(&packet, now);
                }
                Step::Wait(millis) => now += ms(millis),
                Step::Configure(tx, rx, multiplier) => session.configure(&Bfd {
                    transmit_interval: ms(tx), receive_interval: ms(rx), multiplier, multihop: false,
                }),
                Step::HoldDown => session.hold_down(),
                Step::Release => session.release(),
            }
            session.timers(now);
            let said = sent(&mut session, now);
            prop_assert!(said.len() <= 2);
            for packet in said {
                prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
                prop_assert!(!(packet.poll && packet.final_));
                prop_assert!(packet.state == State::Up || packet.desired_min_tx >= micros(1000));
                answered += u32::from(packet.final_);
            }
            prop_assert!(answered <= asked);
            prop_assert!(session.deadline().is_none_or(|at| at > now));
            session.poll_report();
            prop_assert_eq!(session.poll_report(), None);
        }
    }
}
