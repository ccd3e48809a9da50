//! What the tests of sessions share: both ends' OPENs, and sessions brought into a state.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::State;
use super::collision::{Direction, Keep, Rank, survivor};
use super::jitter::Jitter;
use super::machine::{Action, Cause, Down, Event, Session};
use super::negotiation::Proposal;
use crate::config::{RemoteAs, Timers};
use crate::wire::{
    Capability, Family, FamilySet, GracefulRestart, Message, Notification, Open, RefreshKind, RouteRefresh,
};

mod dialer;
mod machine;
mod negotiation;
mod random;

const OUR_ID: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const THEIR_ID: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn proposal() -> Proposal {
    Proposal {
        local_as: 65001,
        router_id: OUR_ID,
        remote_as: RemoteAs::Is(65002),
        timers: Timers::default(),
        families: both_families(),
        graceful_restart: None,
        long_lived: vec![],
        add_path: vec![],
        role: None,
        extended_messages: true,
        extended_next_hop: false,
    }
}

fn both_families() -> FamilySet {
    Family::ALL.into_iter().collect()
}

fn their_open() -> Open {
    Open { asn: 65002, hold_time_secs: 90, router_id: THEIR_ID, capabilities: vec![] }
}

/// RFC 4724, with RFC 8538 or without.
fn restart(notification: bool) -> GracefulRestart {
    GracefulRestart { restarted: false, notification, restart_time_secs: 90, families: vec![] }
}

fn jitter() -> Jitter {
    Jitter::new(OUR_ID, THEIR_ID.into())
}

/// A session in the given state, whose ends keep routes over NOTIFICATIONs, or not.
fn session(state: State, keeping: bool, now: Instant) -> Session {
    let proposal = Proposal { graceful_restart: Some(restart(keeping)), ..proposal() };
    let capabilities = vec![Capability::GracefulRestart(restart(true))];
    established(proposal, Open { capabilities, ..their_open() }, state, now)
}

/// A session of these two in the given state.
fn established(proposal: Proposal, open: Open, state: State, now: Instant) -> Session {
    let ours = proposal.open();
    let (mut session, actions) = Session::start(proposal, jitter(), now);
    assert_eq!(actions, [Action::Send(Message::Open(ours))]);
    if state >= State::OpenConfirm {
        let actions = session.on(Event::Received(Message::Open(open)), now);
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

fn refresh(family: Family, kind: RefreshKind) -> Message {
    Message::RouteRefresh(RouteRefresh { family, kind })
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
        Action::Down(Down { cause, .. }) => match cause {
            Cause::Lost => "lost",
            Cause::Kept => "kept",
            Cause::Notified => "notified",
            Cause::Collision => "collision",
            Cause::Link => "link",
        }
        .to_owned(),
    };
    actions.iter().map(one).collect::<Vec<_>>().join(", ")
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
