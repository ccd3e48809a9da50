//! What people do to a peer: shutdown, reset, refresh.

use super::lab::{Lab, key, prefix};
use crate::session::State;
use crate::speaker::{NoticeKind, Reset};
use crate::wire::{Message, RefreshKind};

#[test]
fn a_shutdown_is_told_in_words_and_lasts_until_it_is_lifted() {
    let mut lab = Lab::external(2);
    lab.originate(1, &["10.101.0.0/24"]);
    lab.originate(0, &["10.100.0.0/24"]);
    lab.configure_peer(0, 1, |peer| peer.shutdown = Some("new cables until noon".to_owned()));
    assert!(lab.peer(1, 0).last_down_reason.contains("new cables until noon"));
    assert_eq!(lab.peer(0, 1).last_down_reason, "administratively down");
    assert!(!lab.knows(0, "10.101.0.0/24") && !lab.knows(1, "10.100.0.0/24"), "a hard reset");
    lab.reset(0, 1, Reset::Hard(None));
    lab.seconds(600);
    assert_eq!(lab.state(0, 1), State::Idle);
    assert!(!lab.is_up(1, 0));
    lab.configure_peer(0, 1, |peer| peer.shutdown = Some("other words".to_owned()));
    assert_eq!(lab.peer(0, 1).counters.flaps, 1);
    lab.configure_peer(0, 1, |peer| peer.shutdown = None);
    lab.seconds(60);
    assert!(lab.is_up(0, 1) && lab.knows(0, "10.101.0.0/24"));
}

#[test]
fn who_begins_shut_down_neither_dials_nor_accepts() {
    let mut lab = Lab::external(2);
    lab.configure(0, |config| _ = config.peers.remove(&key(1)));
    let mut shut = super::lab::peer(65001);
    shut.shutdown = Some(String::new());
    lab.configure(0, |config| _ = config.peers.insert(key(1), shut));
    lab.seconds(100);
    assert_eq!(lab.state(0, 1), State::Idle);
    assert!(lab.peer(1, 0).last_down_reason.contains("Connection Rejected"));
}

#[test]
fn a_hard_reset_starts_anew() {
    let mut lab = Lab::external(2);
    lab.reset(0, 1, Reset::Hard(Some("again".to_owned())));
    assert!(lab.peer(1, 0).last_down_reason.ends_with("Administrative Reset: again"));
    lab.seconds(60);
    assert!(lab.is_up(0, 1));
    let states = lab.nodes[0]
        .notices
        .iter()
        .filter_map(|(_, kind)| if let NoticeKind::State { state, .. } = kind { Some(*state) } else { None });
    let states: Vec<_> = states.collect();
    assert!(states.contains(&State::Idle) && states.last() == Some(&State::Established), "{states:?}");
}

fn refreshes(messages: &[Message]) -> Vec<RefreshKind> {
    let kinds = messages.iter().filter_map(|message| {
        if let Message::RouteRefresh(refresh) = message { Some(refresh.kind) } else { None }
    });
    kinds.collect()
}

#[test]
fn a_soft_reset_in_asks_for_everything_between_marks_and_drops_what_does_not_come() {
    let mut lab = Lab::external(2);
    lab.originate(1, &["10.101.0.0/24"]);
    // Something that the peer never said.
    let Some(Message::Update(mut update)) = lab
        .take_received(0, 1)
        .into_iter()
        .rev()
        .find(|message| matches!(message, Message::Update(update) if !update.reach.is_empty()))
    else {
        panic!("no announcement");
    };
    update.reach[0].prefixes[0].prefix = prefix("10.66.0.0/24");
    lab.inject(0, 1, Message::Update(update));
    assert!(lab.knows(0, "10.66.0.0/24"));
    lab.take_received(1, 0);
    lab.reset(0, 1, Reset::SoftIn(Some(crate::wire::Family::Ipv4Unicast)));
    assert_eq!(refreshes(&lab.take_received(1, 0)), [RefreshKind::Request]);
    assert_eq!(refreshes(&lab.take_received(0, 1)), [RefreshKind::Begin, RefreshKind::End]);
    assert!(!lab.knows(0, "10.66.0.0/24") && lab.knows(0, "10.101.0.0/24"));
    assert_eq!(lab.nodes[0].lost, [prefix("10.66.0.0/24")], "no flap of the others");
    assert_eq!(lab.stale(0, "10.101.0.0/24"), Some(false));
}

#[test]
fn a_soft_reset_out_tells_everything_again() {
    let mut lab = Lab::external(2);
    lab.originate(0, &["10.100.0.0/24"]);
    lab.take_received(1, 0);
    lab.reset(0, 1, Reset::SoftOut(None));
    let told = lab.take_received(1, 0);
    assert!(
        told.iter().any(|message| matches!(message, Message::Update(update) if !update.reach.is_empty()))
    );
    assert_eq!(refreshes(&told).len(), 4, "both families between their marks");
    assert_eq!(lab.peer(1, 0).counters.flaps, 0);
}
