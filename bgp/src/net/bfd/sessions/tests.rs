use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Arrival, Entry, Path, Sessions, is_between};
use crate::bfd::machine::Session;
use crate::bfd::packet::{Micros, Packet};
use crate::bfd::{State, Watch};
use crate::config::{Bfd, PeerKey};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn watch(remote: &str, multihop: bool) -> Watch {
    let interval = Duration::from_millis(50);
    let settings = Bfd { transmit_interval: interval, receive_interval: interval, multiplier: 3, multihop };
    Watch { remote: ip(remote), local: None, interface: None, settings }
}

fn entry(watch: &Watch, discriminator: u32, now: Instant) -> Entry {
    let session = Session::new(&watch.settings, discriminator, 0, now);
    Entry::new(PeerKey::Address(watch.remote), watch.clone(), session, 0)
}

fn arrival(source: &str, path: Path) -> Arrival {
    Arrival {
        path,
        source: ip(source),
        destination: ip("10.0.0.1"),
        interface: 7,
        hops: 255,
        datagram: Vec::new(),
    }
}

fn packet(your_discriminator: u32) -> Packet {
    Packet {
        diagnostic: 0,
        state: State::Down,
        poll: false,
        final_: false,
        independent: false,
        demand: false,
        multiplier: 3,
        my_discriminator: 1,
        your_discriminator,
        desired_min_tx: Micros(0),
        required_min_rx: Micros(0),
        required_min_echo_rx: Micros(0),
    }
}

#[test]
fn packets_find_their_session() {
    let now = Instant::now();
    let mut sessions = Sessions::default();
    sessions.insert(entry(&watch("10.0.0.2", false), 2, now));
    sessions.insert(entry(&watch("10.0.0.3", true), 3, now));
    let table = [
        ("by address", "10.0.0.2", Path::SingleHop, 0, Some(2)),
        ("by address over several hops", "10.0.0.3", Path::Multihop, 0, Some(3)),
        ("the other port", "10.0.0.2", Path::Multihop, 0, None),
        ("a stranger", "10.0.0.9", Path::SingleHop, 0, None),
        ("by discriminator", "10.0.0.2", Path::SingleHop, 2, Some(2)),
        ("a discriminator that nobody has", "10.0.0.2", Path::SingleHop, 9, None),
        ("another peer's discriminator", "10.0.0.2", Path::SingleHop, 3, None),
        ("our discriminator on the other port", "10.0.0.2", Path::Multihop, 2, None),
    ];
    for (what, source, path, yours, expected) in table {
        assert_eq!(sessions.select(&arrival(source, path), &packet(yours)), expected, "{what}");
    }
}

#[test]
fn address_and_interface_have_to_be_those_that_are_watched() {
    let arrival = arrival("fe80::1", Path::SingleHop);
    let mut wanted = watch("fe80::1", false);
    assert!(is_between(&wanted, None, &arrival));
    assert!(is_between(&wanted, std::num::NonZeroU32::new(7), &arrival));
    assert!(!is_between(&wanted, std::num::NonZeroU32::new(8), &arrival), "the same address on another link");
    wanted.local = Some(ip("10.0.0.1"));
    assert!(is_between(&wanted, None, &arrival));
    wanted.local = Some(ip("10.0.0.4"));
    assert!(!is_between(&wanted, None, &arrival));
}

#[test]
fn a_farewell_hears_its_discriminator_and_nothing_else() {
    let now = Instant::now();
    let mut sessions = Sessions::default();
    let peer = PeerKey::Address(ip("10.0.0.2"));
    sessions.insert(entry(&watch("10.0.0.2", false), 2, now));
    assert_eq!(sessions.release(&peer), Some(2));
    let from_peer = arrival("10.0.0.2", Path::SingleHop);
    assert_eq!(sessions.select(&from_peer, &packet(0)), None);
    assert_eq!(sessions.select(&from_peer, &packet(2)), Some(2));
    sessions.insert(entry(&watch("10.0.0.2", false), 5, now));
    assert_eq!(sessions.select(&from_peer, &packet(0)), Some(5));
    sessions.remove(2);
    assert_eq!(sessions.of_peer(&peer), Some(5));
    assert!(!sessions.is_empty());
}

#[test]
fn the_schedule_follows_the_sessions() {
    let now = Instant::now();
    let mut sessions = Sessions::default();
    for (discriminator, remote) in [(1, "10.0.0.1"), (2, "10.0.0.2"), (3, "10.0.0.3")] {
        sessions.insert(entry(&watch(remote, false), discriminator, now));
        sessions.reschedule(discriminator);
    }
    assert_eq!(sessions.due(now), [1, 2, 3], "first packets are due at once");
    sessions.get_mut(2).unwrap().session.poll_transmit(now);
    sessions.reschedule(2);
    sessions.remove(1);
    assert_eq!(sessions.due(now), [3]);
    sessions.remove(3);
    let next = sessions.deadline().unwrap();
    assert!(next >= now + Duration::from_millis(750));
    assert_eq!(sessions.due(next), [2]);
    sessions.get_mut(2).unwrap().until = Some(now);
    sessions.reschedule(2);
    assert_eq!(sessions.deadline(), Some(now));
}
