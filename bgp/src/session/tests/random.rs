//! Whatever happens in whatever order: what always holds of a session and of a dialer.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::State;
use super::super::dialer::{self, Command, Dialer, Setback};
use super::super::machine::{Action, Cease, Event, Stop};
use super::*;
use crate::wire::{DecodeError, Update};

/// Something that happens to a session, or is done to it.
#[derive(Debug, Clone)]
enum Step {
    Open(u16),
    Keepalive,
    Update,
    Refresh,
    HandOver(bool),
    AllTaken,
    /// The next timer, when it is due.
    Deadline,
    /// Rare: what ends it.
    End(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::sample::select(vec![0, 2, 3, 9, 90]).prop_map(Step::Open),
        6 => Just(Step::Keepalive),
        3 => Just(Step::Update),
        2 => Just(Step::Refresh),
        4 => any::<bool>().prop_map(Step::HandOver),
        2 => Just(Step::AllTaken),
        6 => Just(Step::Deadline),
        1 => (0..6_u8).prop_map(Step::End),
    ]
}

fn end(which: u8) -> Event {
    match which {
        0 => Event::Malformed(DecodeError { notification: notification(3, 1), reason: String::new() }),
        1 => Event::Closed(String::new()),
        2 => Event::LinkDown,
        3 => Event::Replaced,
        4 => Event::Received(Message::Notification(notification(6, 2))),
        _ => {
            let (cease, communication) = (Cease::AdministrativeReset, Some("ä".repeat(400)));
            Event::Stop(Stop { cease, communication, hard: which == 5, why: String::new() })
        }
    }
}

/// Checks what came out against the state before, and says whether it was the end.
fn check(before: State, after: State, actions: &[Action]) -> bool {
    let mut down = false;
    for (index, action) in actions.iter().enumerate() {
        assert!(!down, "nothing comes after Down");
        match action {
            Action::Send(Message::Notification(_)) => {
                assert!(matches!(actions.get(index + 1), Some(Action::Down(_))), "the last message of all");
            }
            Action::Send(Message::Keepalive) => {
                assert_ne!((before, after), (State::OpenSent, State::OpenSent))
            }
            Action::Send(other) => panic!("{other:?}"),
            Action::Opened => assert_eq!((before, after), (State::OpenSent, State::OpenConfirm)),
            Action::Established => assert_eq!((before, after), (State::OpenConfirm, State::Established)),
            Action::KeptAlive | Action::Routes(_) | Action::Refresh(_) => {
                assert_eq!((before, after), (State::Established, State::Established));
            }
            Action::Down(_) => {
                assert_eq!(after, State::Idle);
                down = true;
            }
        }
    }
    assert!(down == (before != after && after == State::Idle));
    down
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_lives_once(
        steps in prop::collection::vec((step(), 0..20_000_u64), 0..60),
        keeping: bool,
        polite in 0..4_u8,
    ) {
        let mut now = Instant::now();
        let proposal = Proposal { graceful_restart: Some(restart(keeping)), ..proposal() };
        let state = if polite > 0 { State::Established } else { State::OpenSent };
        let open = Open { capabilities: vec![Capability::GracefulRestart(restart(true))], ..their_open() };
        let mut session = established(proposal, open, state, now);
        let mut over = false;
        for (step, milliseconds) in steps {
            now += Duration::from_millis(milliseconds);
            let before = session.state();
            let event = match step {
                Step::Open(hold_time_secs) => {
                    Event::Received(Message::Open(Open { hold_time_secs, ..their_open() }))
                }
                Step::Keepalive => Event::Received(Message::Keepalive),
                Step::Update => Event::Received(Message::Update(Update::default())),
                Step::Refresh => Event::Received(refresh(Family::Ipv4Unicast, RefreshKind::Request)),
                Step::HandOver(update) => {
                    session.handed_over(update, now);
                    continue;
                }
                Step::AllTaken => {
                    session.all_taken();
                    continue;
                }
                Step::Deadline => {
                    now = now.max(session.deadline().unwrap_or(now));
                    Event::Timers
                }
                Step::End(which) => end(which),
            };
            let timer = matches!(event, Event::Timers).then(|| session.deadline()).flatten();
            let actions = session.on(event, now);
            prop_assert!(!over || actions.is_empty());
            over |= check(before, session.state(), &actions);
            prop_assert!(!over || session.deadline().is_none());
            if let Some(due) = timer {
                prop_assert!(session.deadline().is_none_or(|next| next > due), "a timer that does not move on");
            }
        }
    }

    #[test]
    fn a_dialer_dials_only_when_it_should(
        events in prop::collection::vec((dialer_event(), any::<bool>(), 0..20_000_u64), 0..80),
        passive: bool,
    ) {
        let mut now = Instant::now();
        let mut dialer = Dialer::new(passive, Duration::from_secs(5), jitter(), now);
        let (mut shut, mut missing) = (false, false);
        for (event, at_deadline, milliseconds) in events {
            now += Duration::from_millis(milliseconds);
            if at_deadline {
                now = now.max(dialer.deadline().unwrap_or(now));
            }
            match event {
                dialer::Event::Shutdown => shut = true,
                dialer::Event::Start => shut = false,
                dialer::Event::Missing => missing = true,
                dialer::Event::Found => missing = false,
                dialer::Event::Timers
                | dialer::Event::Connected
                | dialer::Event::ConnectFailed
                | dialer::Event::Accepted
                | dialer::Event::Down(_)
                | dialer::Event::Reset => {}
            }
            let (before, due) = (dialer.state(), dialer.deadline());
            let command = dialer.on(event, now);
            prop_assert_eq!(dialer.accepts(), dialer.state() != State::Idle);
            if let Some(Command::Dial) = command {
                prop_assert!(!passive && !shut && !missing);
                prop_assert_ne!(before, State::Connect, "one dial at a time");
                prop_assert_eq!(dialer.state(), State::Connect);
            }
            prop_assert!(!shut || (dialer.state() == State::Idle && dialer.deadline().is_none()));
            if event == dialer::Event::Timers && due.is_some_and(|due| due <= now) {
                prop_assert!(dialer.deadline().is_none_or(|next| next > now), "a timer that does not move on");
            }
        }
    }
}

fn dialer_event() -> impl Strategy<Value = dialer::Event> {
    use dialer::Event::{
        Accepted, ConnectFailed, Connected, Down, Found, Missing, Reset, Shutdown, Start, Timers,
    };
    let lasted = || (0..200_u64).prop_map(Duration::from_secs);
    prop_oneof![
        6 => Just(Timers),
        3 => prop::sample::select(vec![Connected, ConnectFailed, Accepted]),
        2 => lasted().prop_map(|lasted| Down(Setback::Lost(lasted))),
        2 => lasted().prop_map(|lasted| Down(Setback::Error(lasted))),
        1 => prop::option::of(lasted()).prop_map(|length| Down(Setback::Rest(length))),
        1 => prop::sample::select(vec![
            Down(Setback::Unreachable), Reset, Shutdown, Start, Found, Missing
        ]),
    ]
}
