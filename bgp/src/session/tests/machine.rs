//! Every event in every state of a session, and its timers.

use std::time::{Duration, Instant};

use super::super::State;
use super::super::machine::{Action, Cause, Cease, Event, Session, Stop};
use super::*;
use crate::wire::{DecodeError, NextHop, Nlri, Reach, Update};

const CEASES: [(Cease, u8); 9] = [
    (Cease::MaximumPrefixes, 1),
    (Cease::AdministrativeShutdown, 2),
    (Cease::PeerDeconfigured, 3),
    (Cease::AdministrativeReset, 4),
    (Cease::ConnectionRejected, 5),
    (Cease::OtherConfigurationChange, 6),
    (Cease::ConnectionCollisionResolution, 7),
    (Cease::OutOfResources, 8),
    (Cease::BfdDown, 10),
];

fn stop(cease: Cease, hard: bool) -> Event {
    Event::Stop(Stop { cease, communication: None, hard, why: "because".to_owned() })
}

/// A variant without a row here does not compile; one whose row is not in the table fails.
fn row(event: &Event) -> usize {
    match event {
        Event::Received(Message::Open(open)) if open.asn == 65002 => 0,
        Event::Received(Message::Open(_)) => 1,
        Event::Received(Message::Keepalive) => 2,
        Event::Received(Message::Update(_)) => 3,
        Event::Received(Message::RouteRefresh(refresh)) => match refresh.kind {
            RefreshKind::Request => 4,
            RefreshKind::Begin => 5,
            RefreshKind::End => 6,
        },
        Event::Received(Message::Notification(n)) => match (n.code, n.subcode) {
            (6, 7) => 8,
            (6, 9) => 9,
            _ => 7,
        },
        Event::Malformed(_) => 10,
        Event::Closed(_) => 11,
        Event::LinkDown => 12,
        Event::Replaced => 13,
        Event::Timers => 14,
        Event::Stop(stop) => match (stop.cease, stop.hard) {
            (Cease::ConnectionCollisionResolution, _) => 17,
            (
                Cease::MaximumPrefixes
                | Cease::AdministrativeShutdown
                | Cease::PeerDeconfigured
                | Cease::AdministrativeReset
                | Cease::ConnectionRejected
                | Cease::OtherConfigurationChange
                | Cease::OutOfResources
                | Cease::BfdDown,
                hard,
            ) => 15 + usize::from(hard),
        },
    }
}

type MakeEvent = fn() -> Event;

/// Event; then OpenSent, OpenConfirm, Established, and Established where both ends speak RFC 8538.
const TABLE: [(MakeEvent, [&str; 4]); 18] = [
    (
        || Event::Received(Message::Open(their_open())),
        ["keepalive, opened", "notify 5/2, notified", "notify 5/3, notified", "notify 5/3, kept"],
    ),
    (
        || Event::Received(Message::Open(Open { asn: 65009, ..their_open() })),
        ["notify 2/2, notified", "notify 5/2, notified", "notify 5/3, notified", "notify 5/3, kept"],
    ),
    (|| Event::Received(Message::Keepalive), ["notify 5/1, notified", "established", "alive", "alive"]),
    (
        || Event::Received(Message::Update(Update::default())),
        ["notify 5/1, notified", "notify 5/2, notified", "routes", "routes"],
    ),
    (
        || Event::Received(refresh(Family::Ipv4Unicast, RefreshKind::Request)),
        ["notify 5/1, notified", "notify 5/2, notified", "refresh", "refresh"],
    ),
    (
        || Event::Received(refresh(Family::Ipv4Unicast, RefreshKind::Begin)),
        ["notify 5/1, notified", "notify 5/2, notified", "", ""],
    ),
    (
        || Event::Received(refresh(Family::Ipv4Unicast, RefreshKind::End)),
        ["notify 5/1, notified", "notify 5/2, notified", "", ""],
    ),
    (
        || Event::Received(Message::Notification(notification(3, 1))),
        ["notified", "notified", "notified", "kept"],
    ),
    (|| Event::Received(Message::Notification(notification(6, 7))), ["collision"; 4]),
    (|| Event::Received(Message::Notification(notification(6, 9))), ["notified"; 4]),
    (
        || Event::Malformed(DecodeError { notification: notification(1, 2), reason: String::new() }),
        ["notify 1/2, notified", "notify 1/2, notified", "notify 1/2, notified", "notify 1/2, kept"],
    ),
    (|| Event::Closed("reset".to_owned()), ["lost"; 4]),
    (|| Event::LinkDown, ["link"; 4]),
    (|| Event::Replaced, ["lost"; 4]),
    (|| Event::Timers, [""; 4]),
    (
        || stop(Cease::AdministrativeReset, false),
        ["notify 6/4, notified", "notify 6/4, notified", "notify 6/4, notified", "notify 6/4, kept"],
    ),
    (
        || stop(Cease::AdministrativeReset, true),
        ["notify 6/4, notified", "notify 6/4, notified", "notify 6/4, notified", "notify 6/9, notified"],
    ),
    (|| stop(Cease::ConnectionCollisionResolution, false), ["notify 6/7, collision"; 4]),
];

#[test]
fn every_event_in_every_state() {
    let now = Instant::now();
    let states = [
        (State::OpenSent, false),
        (State::OpenConfirm, false),
        (State::Established, false),
        (State::Established, true),
    ];
    for (index, (event, expected)) in TABLE.into_iter().enumerate() {
        assert_eq!(row(&event()), index);
        for ((state, keeping), expected) in states.into_iter().zip(expected) {
            let case = format!("{:?} in {state}, keeping: {keeping}", event());
            let mut session = session(state, keeping, now);
            assert_eq!(brief(&session.on(event(), now)), expected, "{case}");
            let ends = ["lost", "link", "notified", "kept", "collision"];
            let over = ends.iter().any(|end| expected.ends_with(end));
            assert_eq!(session.state() == State::Idle, over, "{case}");
            if over {
                session.handed_over(true, now);
                assert_eq!(session.deadline(), None);
                for (event, _) in TABLE {
                    assert_eq!(session.on(event(), now), [], "nothing comes out of a dead session");
                }
            }
        }
    }
}

#[test]
fn every_cease_is_said_and_a_hard_one_wrapped() {
    let now = Instant::now();
    for (cease, subcode) in CEASES {
        assert_eq!((cease.notification().code, cease.notification().subcode), (6, subcode));
        let mut soft = session(State::Established, true, now);
        let cause = if cease == Cease::ConnectionCollisionResolution { "collision" } else { "kept" };
        assert_eq!(brief(&soft.on(stop(cease, false), now)), format!("notify 6/{subcode}, {cause}"));
        let mut hard = session(State::Established, true, now);
        let actions = hard.on(stop(cease, true), now);
        let Some(Action::Send(Message::Notification(sent))) = actions.first() else { panic!("{actions:?}") };
        assert_eq!((sent.subcode, &sent.data[..]), (9, &[6, subcode][..]));
    }
}

#[test]
fn a_communication_goes_with_shutdown_and_reset_alone() {
    let now = Instant::now();
    for (cease, subcode) in CEASES {
        let stop = Stop {
            cease,
            communication: Some("maintenance, back at 5".to_owned()),
            hard: false,
            why: String::new(),
        };
        let actions = session(State::Established, false, now).on(Event::Stop(stop), now);
        let Some(Action::Send(Message::Notification(sent))) = actions.first() else { panic!("{actions:?}") };
        let expected = matches!(subcode, 2 | 4).then(|| "maintenance, back at 5".to_owned());
        assert_eq!(sent.shutdown_communication(), expected, "{cease:?}");
        assert_eq!(sent.data.is_empty(), expected.is_none());
    }
}

#[test]
fn the_hold_timer_runs_in_every_state() {
    for (state, seconds) in [(State::OpenSent, 240), (State::OpenConfirm, 90), (State::Established, 90)] {
        for keeping in [false, true] {
            let now = Instant::now();
            let mut session = session(state, keeping, now);
            let expiry = now + Duration::from_secs(seconds);
            let mut keepalives = 0;
            while let Some(deadline) = session.deadline().filter(|deadline| *deadline < expiry) {
                assert_eq!(brief(&session.on(Event::Timers, deadline)), "keepalive");
                keepalives += 1;
            }
            assert_eq!(session.deadline(), Some(expiry), "{state}");
            assert_eq!(session.hold_deadline(), Some(expiry), "{state}");
            let cause = if keeping && state != State::OpenSent { "kept" } else { "notified" };
            assert_eq!(brief(&session.on(Event::Timers, expiry)), format!("notify 4/0, {cause}"), "{state}");
            // Every 22.5 to 30 s, none before the peer's OPEN.
            let expected = if state == State::OpenSent { 0..=0 } else { 2..=4 };
            assert!(expected.contains(&keepalives), "{keepalives} in {state}");
        }
    }
}

#[test]
fn keepalives_and_updates_from_the_peer_put_the_hold_timer_off() {
    for message in [Message::Keepalive, Message::Update(Update::default())] {
        let start = Instant::now();
        let mut session = session(State::Established, false, start);
        let later = start + Duration::from_secs(80);
        session.on(Event::Timers, later);
        session.on(Event::Received(message), later);
        assert!(!brief(&session.on(Event::Timers, start + Duration::from_secs(95))).contains("notify"));
        assert!(brief(&session.on(Event::Timers, later + Duration::from_secs(90))).contains("notify 4/0"));
    }
}

#[test]
fn an_update_of_ours_saves_a_keepalive_and_nothing_else_does() {
    for update in [false, true] {
        let now = Instant::now();
        let mut session = session(State::Established, false, now);
        let before = session.deadline();
        session.handed_over(update, now + Duration::from_secs(20));
        assert_eq!(session.deadline() > before, update);
    }
}

#[test]
fn without_a_hold_time_nothing_runs_once_the_session_stands() {
    let now = Instant::now();
    let open = Open { hold_time_secs: 0, ..their_open() };
    let mut session = established(proposal(), open, State::OpenConfirm, now);
    let given_up = now + Duration::from_secs(240);
    assert_eq!(session.deadline(), Some(given_up), "a peer that goes silent here would stay for ever");
    assert_eq!(brief(&session.on(Event::Received(Message::Keepalive), now)), "established");
    assert_eq!(session.deadline(), None);
}

/// A session that stands, of a peer that never takes more than `seconds` and whose hold time is far away.
fn patient(seconds: u64, keeping: bool, now: Instant) -> Session {
    let timers = Timers {
        hold: Duration::from_secs(60_000),
        send_hold: Some(Duration::from_secs(seconds)),
        ..Timers::default()
    };
    let proposal = Proposal { timers, graceful_restart: Some(restart(keeping)), ..proposal() };
    let capabilities = vec![Capability::GracefulRestart(restart(true))];
    let open = Open { hold_time_secs: 60_000, capabilities, ..their_open() };
    established(proposal, open, State::Established, now)
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    for (keeping, cause) in [(false, "lost"), (true, "kept")] {
        let now = Instant::now();
        let mut session = patient(30, keeping, now);
        let second = now + Duration::from_secs(10);
        session.handed_over(true, now);
        session.handed_over(false, second);
        let due = second + Duration::from_secs(30);
        assert_eq!(session.deadline(), Some(due), "the first were taken, or there would be no second ones");
        assert_eq!(brief(&session.on(Event::Timers, due - Duration::from_millis(1))), "");
        assert_eq!(brief(&session.on(Event::Timers, due)), cause, "without a NOTIFICATION");
    }
}

#[test]
fn a_peer_that_takes_everything_is_kept() {
    let now = Instant::now();
    let mut session = patient(30, false, now);
    session.handed_over(false, now);
    session.all_taken();
    assert!(session.deadline() > Some(now + Duration::from_secs(1000)));
    assert_eq!(brief(&session.on(Event::Timers, now + Duration::from_secs(1000))), "");
    let mut session = patient(0, false, now);
    session.handed_over(false, now);
    assert_eq!(brief(&session.on(Event::Timers, now + Duration::from_secs(10_000))), "", "switched off");
}

#[test]
fn what_was_handed_over_before_the_opens_were_exchanged_counts_too() {
    let now = Instant::now();
    let timers = Timers { send_hold: Some(Duration::from_secs(5)), ..Timers::default() };
    let (mut session, _) = Session::start(Proposal { timers, ..proposal() }, jitter(), now);
    session.handed_over(false, now);
    assert_eq!(session.deadline(), Some(now + Duration::from_secs(240)));
    session.on(Event::Received(Message::Open(their_open())), now);
    assert_eq!(session.deadline(), Some(now + Duration::from_secs(5)));
}

#[test]
fn refreshes_of_other_families_and_of_rfc_7313_unspoken_are_ignored() {
    let now = Instant::now();
    let open = |capabilities| Open { capabilities, ..their_open() };
    let v4 = Capability::MultiProtocol(Family::Ipv4Unicast);
    let table = [
        (vec![v4.clone()], Family::Ipv4Unicast, ["refresh", "", ""]),
        (vec![v4.clone()], Family::Ipv6Unicast, ["", "", ""]),
        (vec![v4, Capability::EnhancedRouteRefresh], Family::Ipv4Unicast, ["refresh"; 3]),
    ];
    let kinds = [RefreshKind::Request, RefreshKind::Begin, RefreshKind::End];
    for (capabilities, family, expected) in table {
        for (kind, expected) in kinds.into_iter().zip(expected) {
            let mut session = established(proposal(), open(capabilities.clone()), State::Established, now);
            let actions = session.on(Event::Received(refresh(family, kind)), now);
            assert_eq!(brief(&actions), expected, "{kind:?} of {family}");
        }
    }
}

#[test]
fn routes_of_a_family_that_was_not_agreed_on_are_left_out() {
    let now = Instant::now();
    let mut session = established(proposal(), their_open(), State::Established, now);
    let reach = |family, prefix: &str| Reach {
        family,
        next_hop: NextHop::V4(THEIR_ID),
        prefixes: vec![Nlri { prefix: prefix.parse().unwrap(), path_id: 0 }],
    };
    let (v4, v6) = (reach(Family::Ipv4Unicast, "10.0.0.0/8"), reach(Family::Ipv6Unicast, "2001:db8::/32"));
    let update = Update { reach: vec![v4.clone(), v6], ..Update::default() };
    let only_v4 = Update { reach: vec![v4], ..Update::default() };
    assert_eq!(session.on(Event::Received(Message::Update(update)), now), [Action::Routes(only_v4)]);
    for (family, expected) in [(Family::Ipv4Unicast, Some(Family::Ipv4Unicast)), (Family::Ipv6Unicast, None)]
    {
        let marker = |end_of_rib| Update { end_of_rib, ..Update::default() };
        let actions = session.on(Event::Received(Message::Update(marker(Some(family)))), now);
        assert_eq!(actions, [Action::Routes(marker(expected))]);
    }
}

#[test]
fn reasons_say_who_ended_it_and_why() {
    let now = Instant::now();
    let reason = |event| match session(State::OpenSent, false, now).on(event, now).pop() {
        Some(Action::Down(down)) => down.reason,
        other => panic!("{other:?}"),
    };
    let wrong = Event::Received(Message::Open(Open { asn: 65009, ..their_open() }));
    assert!(reason(wrong).ends_with("peer is AS 65009, configured 65002"));
    assert!(reason(Event::Received(Message::Keepalive)).ends_with("KEEPALIVE in state OpenSent"));
    assert!(
        reason(Event::Received(Message::Notification(notification(2, 2))))
            .starts_with("peer sent NOTIFICATION: ")
    );
    let maintenance = Notification::new(6, 2, &b"\x0bmaintenance"[..]);
    assert_eq!(
        reason(Event::Received(Message::Notification(maintenance.clone()))),
        "peer sent NOTIFICATION: Cease / Administrative Shutdown: maintenance"
    );
    assert_eq!(
        reason(Event::Received(Message::Notification(Notification::hard_reset(&maintenance)))),
        "peer sent NOTIFICATION: Cease / Hard Reset: Cease / Administrative Shutdown: maintenance"
    );
    assert_eq!(reason(Event::Closed("reset".to_owned())), "connection lost: reset");
    assert_eq!(reason(stop(Cease::BfdDown, false)), "because");
}

#[test]
fn causes_tell_restarts_from_faults() {
    let now = Instant::now();
    let cause = |event| match session(State::Established, false, now).on(event, now).pop() {
        Some(Action::Down(down)) => down.cause,
        other => panic!("{other:?}"),
    };
    assert_eq!(cause(Event::Closed(String::new())), Cause::Lost);
    assert_eq!(cause(Event::Replaced), Cause::Lost);
    assert_eq!(cause(Event::Received(Message::Notification(notification(6, 4)))), Cause::Notified);
}
