use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::State;
use super::collision::{Direction, Keep, Rank, survivor};
use super::dialer::{self, Command, Dialer, Setback};
use super::jitter::Jitter;
use super::machine::{Action, Cause, Cease, Down, Event, Session};
use super::negotiation::Proposal;
use crate::wire::{Capability, DecodeError, Family, GracefulRestart, Message, Notification, Open, Update};

const OUR_ID: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const THEIR_ID: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn proposal() -> Proposal {
    Proposal {
        local_as: 65001,
        router_id: OUR_ID,
        remote_as: 65002,
        hold_time: Duration::from_secs(90),
        families: vec![Family::Ipv4Unicast, Family::Ipv6Unicast],
        graceful_restart: None,
    }
}

fn their_open() -> Open {
    Open { asn: 65002, hold_time_secs: 90, router_id: THEIR_ID, capabilities: vec![] }
}

fn jitter() -> Jitter {
    Jitter::new(OUR_ID, THEIR_ID.into())
}

/// A session in the given state.
fn session(state: State, now: Instant) -> Session {
    let (mut session, actions) = Session::start(proposal(), jitter(), now);
    assert_eq!(actions, [Action::Send(Message::Open(proposal().open()))]);
    if state >= State::OpenConfirm {
        let actions = session.on(Event::Received(Message::Open(their_open())), now);
        assert_eq!(actions, [Action::Send(Message::Keepalive), Action::Opened]);
    }
    if state >= State::Established {
        assert_eq!(session.on(Event::Received(Message::Keepalive), now), [Action::Established]);
    }
    assert_eq!(session.state(), state);
    session
}

fn notification(code: u8, subcode: u8) -> Notification {
    Notification { code, subcode, data: Bytes::new() }
}

/// What came out, in a form that fits into a table.
fn brief(actions: &[Action]) -> String {
    let one = |action: &Action| match action {
        Action::Send(Message::Notification(n)) => format!("notify {}/{}", n.code, n.subcode),
        Action::Send(Message::Keepalive) => "keepalive".to_owned(),
        Action::Send(other) => format!("{other:?}"),
        Action::Opened => "opened".to_owned(),
        Action::Established => "established".to_owned(),
        Action::KeptAlive => "alive".to_owned(),
        Action::Routes(_) => "routes".to_owned(),
        Action::Refresh(_) => "refresh".to_owned(),
        Action::Down(Down { cause, .. }) => format!("{cause:?}").to_lowercase(),
    };
    actions.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_event_in_every_state_of_a_session() {
    type MakeEvent = fn() -> Event;
    let table: [(&str, MakeEvent, [&str; 3]); 14] = [
        (
            "OPEN",
            || Event::Received(Message::Open(their_open())),
            ["keepalive, opened", "notify 5/2, notified", "notify 5/3, notified"],
        ),
        (
            "KEEPALIVE",
            || Event::Received(Message::Keepalive),
            ["notify 5/1, notified", "established", "alive"],
        ),
        (
            "UPDATE",
            || Event::Received(Message::Update(Update::default())),
            ["notify 5/1, notified", "notify 5/2, notified", "routes"],
        ),
        (
            "ROUTE-REFRESH",
            || Event::Received(Message::RouteRefresh(Family::Ipv4Unicast)),
            ["notify 5/1, notified", "notify 5/2, notified", "refresh"],
        ),
        ("NOTIFICATION", || Event::Received(Message::Notification(notification(3, 1))), ["notified"; 3]),
        (
            "collision NOTIFICATION",
            || Event::Received(Message::Notification(notification(6, 7))),
            ["collision"; 3],
        ),
        (
            "wrong AS",
            || Event::Received(Message::Open(Open { asn: 65009, ..their_open() })),
            ["notify 2/2, notified", "notify 5/2, notified", "notify 5/3, notified"],
        ),
        (
            "malformed",
            || Event::Malformed(DecodeError { notification: notification(1, 2), reason: String::new() }),
            ["notify 1/2, notified"; 3],
        ),
        ("closed", || Event::Closed("reset".to_owned()), ["lost"; 3]),
        ("link down", || Event::LinkDown, ["link"; 3]),
        ("replaced", || Event::Replaced, ["lost"; 3]),
        ("reset", || Event::Stop(Cease::AdministrativeReset, "reset"), ["notify 6/4, notified"; 3]),
        (
            "collision",
            || Event::Stop(Cease::ConnectionCollisionResolution, "collision"),
            ["notify 6/7, collision"; 3],
        ),
        ("no timer is due", || Event::Timers, [""; 3]),
    ];
    let now = Instant::now();
    let states = [State::OpenSent, State::OpenConfirm, State::Established];
    for (name, event, expected) in table {
        for (state, expected) in states.into_iter().zip(expected) {
            let mut session = session(state, now);
            assert_eq!(brief(&session.on(event(), now)), expected, "{name} in {state}");
            let over = ["lost", "link", "notified", "collision"].iter().any(|end| expected.ends_with(end));
            assert_eq!(session.state() == State::Idle, over, "{name} in {state}");
            if over {
                assert_eq!(session.deadline(), None);
                assert_eq!(session.on(event(), now), [], "nothing comes out of a dead session");
            }
        }
    }
}

#[test]
fn the_hold_timer_runs_in_every_state() {
    for (state, seconds) in [(State::OpenSent, 240), (State::OpenConfirm, 90), (State::Established, 90)] {
        let now = Instant::now();
        let mut session = session(state, now);
        let expiry = now + Duration::from_secs(seconds);
        let mut keepalives = 0;
        while let Some(deadline) = session.deadline().filter(|deadline| *deadline < expiry) {
            assert_eq!(brief(&session.on(Event::Timers, deadline)), "keepalive");
            keepalives += 1;
        }
        assert_eq!(session.deadline(), Some(expiry), "{state}");
        assert_eq!(brief(&session.on(Event::Timers, expiry)), "notify 4/0, notified", "{state}");
        // Every 22.5 to 30 s, none before the peer's OPEN.
        let expected = if state == State::OpenSent { 0..=0 } else { 2..=4 };
        assert!(expected.contains(&keepalives), "{keepalives} in {state}");
    }
}

#[test]
fn keepalives_and_updates_from_the_peer_put_the_hold_timer_off() {
    for message in [Message::Keepalive, Message::Update(Update::default())] {
        let start = Instant::now();
        let mut session = session(State::Established, start);
        let later = start + Duration::from_secs(80);
        session.on(Event::Timers, later);
        session.on(Event::Received(message), later);
        assert!(!brief(&session.on(Event::Timers, start + Duration::from_secs(95))).contains("notify"));
        assert!(brief(&session.on(Event::Timers, later + Duration::from_secs(90))).contains("notify 4/0"));
    }
}

#[test]
fn an_update_of_ours_saves_a_keepalive() {
    let now = Instant::now();
    let mut session = session(State::Established, now);
    let before = session.deadline();
    session.sent_update(now + Duration::from_secs(20));
    assert!(session.deadline() > before);
}

#[test]
fn a_hold_time_of_zero_stops_both_timers() {
    let now = Instant::now();
    let (mut session, _) = Session::start(proposal(), jitter(), now);
    session.on(Event::Received(Message::Open(Open { hold_time_secs: 0, ..their_open() })), now);
    assert_eq!(session.deadline(), None);
}

#[test]
fn opens_are_checked() {
    let external = proposal();
    let internal = Proposal { remote_as: 65001, ..proposal() };
    let ours = Open { asn: 65001, router_id: OUR_ID, ..their_open() };
    let table = [
        (&external, their_open(), None),
        (&external, Open { asn: 65003, ..their_open() }, Some(2)),
        (&external, Open { router_id: Ipv4Addr::UNSPECIFIED, ..their_open() }, Some(3)),
        (&external, Open { router_id: OUR_ID, ..their_open() }, None), // RFC 6286
        (&internal, ours.clone(), Some(3)),
        (&internal, Open { router_id: THEIR_ID, ..ours }, None),
        (&external, Open { hold_time_secs: 2, ..their_open() }, Some(6)),
        (&external, Open { hold_time_secs: 3, ..their_open() }, None),
    ];
    for (proposal, open, expected) in table {
        let refusal = proposal.agree(&open).err();
        let subcode = refusal.map(|error| (error.notification.code, error.notification.subcode));
        assert_eq!(subcode, expected.map(|subcode| (2, subcode)), "{open:?}");
    }
}

#[test]
fn capabilities_are_intersected() {
    let restart = GracefulRestart { restarted: false, restart_time_secs: 90, families: vec![] };
    let unknown = |code| Capability::Unknown { code, value: Bytes::new() };
    let both = [Family::Ipv4Unicast, Family::Ipv6Unicast];
    let table = [
        (vec![], &both[..1]), // RFC 4760 §8
        (vec![unknown(70)], &both[..1]),
        (vec![unknown(1)], &[]), // some other family only
        (vec![Capability::MultiProtocol(Family::Ipv6Unicast)], &both[1..]),
        (both.map(Capability::MultiProtocol).to_vec(), &both[..]),
    ];
    for (capabilities, expected) in table {
        let agreed = proposal().agree(&Open { capabilities, ..their_open() }).unwrap();
        assert_eq!(agreed.families, expected.iter().copied().collect::<BTreeSet<_>>());
        assert!(!agreed.route_refresh && !agreed.four_octet_as);
    }
    let capabilities = vec![
        Capability::RouteRefresh,
        Capability::FourOctetAs(65002),
        Capability::GracefulRestart(restart.clone()),
    ];
    let open = Open { capabilities, hold_time_secs: 30, ..their_open() };
    let agreed = proposal().agree(&open).unwrap();
    assert!(agreed.route_refresh && agreed.codec.four_octet_as && agreed.codec.external);
    assert_eq!(agreed.graceful_restart, None, "we did not offer it");
    assert_eq!((agreed.hold_time.as_secs(), agreed.keepalive.as_secs()), (30, 10));
    let agreed = Proposal { graceful_restart: Some(restart.clone()), ..proposal() }.agree(&open).unwrap();
    assert_eq!(agreed.graceful_restart, Some(restart));
}

#[test]
fn reasons_say_who_ended_it_and_why() {
    let now = Instant::now();
    let reason = |event| match session(State::OpenSent, now).on(event, now).pop() {
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
        reason(Event::Received(Message::Notification(maintenance))),
        "peer sent NOTIFICATION: Cease / Administrative Shutdown: maintenance"
    );
    assert_eq!(reason(Event::Closed("reset".to_owned())), "connection lost: reset");
}

#[test]
fn both_ends_of_a_collision_keep_the_same_connection() {
    let rank = |last, asn| Rank { router_id: Ipv4Addr::new(10, 0, 0, last), asn };
    let pairs = [(rank(1, 65001), rank(2, 65000)), (rank(1, 65001), rank(1, 65002))];
    for (lower, higher) in pairs {
        for (first, second) in
            [(Direction::Dialled, Direction::Accepted), (Direction::Accepted, Direction::Dialled)]
        {
            let kept = |ours, theirs, existing, new| match survivor(ours, theirs, existing, new) {
                Keep::Existing => existing,
                Keep::New => new,
            };
            assert_eq!(kept(higher, lower, first, second), Direction::Dialled);
            assert_eq!(kept(lower, higher, first, second), Direction::Accepted);
        }
        assert_eq!(survivor(lower, higher, Direction::Accepted, Direction::Accepted), Keep::New);
    }
}

const RETRY: Duration = Duration::from_secs(100);

/// A dialer in the given state; Active with a retry timer.
fn dialer(state: State, passive: bool, now: Instant) -> Dialer {
    let mut dialer = Dialer::new(passive, RETRY, jitter(), now);
    if state > State::Idle {
        let command = dialer.on(dialer::Event::Timers, now);
        assert_eq!(command, (!passive).then_some(Command::Dial));
    }
    if state == State::Active && !passive {
        dialer.on(dialer::Event::ConnectFailed, now);
    }
    assert_eq!(dialer.state(), state);
    dialer
}

#[test]
fn every_event_in_every_state_of_a_dialer() {
    use dialer::Event::{Accepted, ConnectFailed, Connected, Down, Timers};
    let long = Duration::from_secs(100);
    let (idle, connect, active) = (State::Idle, State::Connect, State::Active);
    // In Idle (its pause over), Connect, Active (its retry not due).
    let table = [
        (Timers, [connect, connect, active]),
        (Connected, [idle, active, active]),
        (ConnectFailed, [idle, active, active]),
        (Accepted, [idle, connect, active]),
        (Down(Setback::Lost(long)), [idle, connect, connect]),
        (Down(Setback::Lost(Duration::ZERO)), [idle, connect, active]),
        (Down(Setback::Unreachable), [idle, connect, active]),
        (Down(Setback::Error(long)), [idle, connect, idle]),
    ];
    let now = Instant::now();
    for (event, expected) in table {
        for (state, expected) in [idle, connect, active].into_iter().zip(expected) {
            let mut dialer = dialer(state, false, now);
            let command = dialer.on(event, now);
            assert_eq!(dialer.state(), expected, "{event:?} in {state}");
            let dials = expected == connect && state != connect;
            assert_eq!(command, dials.then_some(Command::Dial), "{event:?} in {state}");
            assert_eq!(dialer.accepts(), expected != idle);
        }
    }
}

#[test]
fn a_dialer_tries_again_after_the_retry_time_with_jitter() {
    let now = Instant::now();
    let mut dialer = dialer(State::Active, false, now);
    let retry = dialer.deadline().unwrap();
    assert!((now + RETRY * 3 / 4..=now + RETRY).contains(&retry));
    assert_eq!(dialer.on(dialer::Event::Timers, retry - Duration::from_millis(1)), None);
    assert_eq!(dialer.on(dialer::Event::Timers, retry), Some(Command::Dial));
}

#[test]
fn a_passive_dialer_never_dials() {
    let now = Instant::now();
    let mut dialer = dialer(State::Active, true, now);
    for setback in [Setback::Lost(RETRY), Setback::Unreachable, Setback::Error(RETRY)] {
        assert_eq!(dialer.on(dialer::Event::Down(setback), now), None);
        assert_eq!(dialer.on(dialer::Event::Timers, now + RETRY), None);
        assert_eq!((dialer.state(), dialer.deadline()), (State::Active, None));
    }
}

#[test]
fn pauses_grow_with_errors_and_shrink_after_a_stable_session() {
    let mut now = Instant::now();
    let mut dialer = dialer(State::Active, true, now);
    let mut pause = |lasted| {
        dialer.on(dialer::Event::Down(Setback::Error(lasted)), now);
        let until = dialer.deadline().unwrap();
        let pause = until - now;
        now = until;
        dialer.on(dialer::Event::Timers, now);
        pause.as_secs_f32()
    };
    for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0, 32.0] {
        let pause = pause(Duration::ZERO);
        assert!((0.75 * expected..=expected).contains(&pause), "{pause} of {expected}");
    }
    assert!(pause(Duration::from_secs(600)) <= 1.0);
}

#[test]
fn jitter_is_the_same_for_the_same_seed_and_stays_in_its_range() {
    let (mut one, mut same) = (jitter(), jitter());
    let mut other = Jitter::new(THEIR_ID, OUR_ID.into());
    let base = Duration::from_secs(1000);
    let sequence = |jitter: &mut Jitter| (0..50).map(|_| jitter.shorten(base)).collect::<Vec<_>>();
    let values = sequence(&mut one);
    assert_eq!(values, sequence(&mut same));
    assert_ne!(values, sequence(&mut other));
    assert!(values.iter().all(|value| (base * 3 / 4..=base).contains(value)));
    assert!(values.iter().collect::<BTreeSet<_>>().len() > 10);
}

#[test]
fn causes_tell_restarts_from_faults() {
    let now = Instant::now();
    let cause = |event| match session(State::Established, now).on(event, now).pop() {
        Some(Action::Down(down)) => down.cause,
        other => panic!("{other:?}"),
    };
    assert_eq!(cause(Event::Closed(String::new())), Cause::Lost);
    assert_eq!(cause(Event::Replaced), Cause::Lost);
    assert_eq!(cause(Event::Received(Message::Notification(notification(6, 4)))), Cause::Notified);
}
