//! Peers that say the wrong thing first: the NOTIFICATION in octets, what the agent shows, and that nobody else notices.

use std::net::{Ipv4Addr, TcpListener};

use crate::agent::{self, Neighbour};
use crate::segment::{RAW, RAW_ASN, Segment};
use crate::wire::{KEEPALIVE, NOTIFICATION, OPEN, Open, Wire, message};

/// Sends `octets` instead of a good OPEN; the last words must be this NOTIFICATION, the reason contain these words.
fn assert_refused(segment: &Segment, octets: &[u8], notification: &[u8], words: &str) {
    let mut wire = segment.dial();
    wire.send(octets);
    let expected = message(NOTIFICATION, notification);
    assert_eq!(wire.last_words(), expected, "{words}");
    segment.ensure_refused(words);
    assert_eq!(segment.peer().flaps, 0, "it was never up");
}

#[test]
fn a_peer_of_the_wrong_as() {
    let segment = Segment::start();
    let wrong = Open { asn: 65_999, ..Open::default() };
    assert_refused(&segment, &wrong.encode(), &[2, 2], "65999");
    // The one that it should be is welcome all the same.
    segment.establish(&Open::default());
    segment.ensure_untouched();
}

#[test]
fn a_peer_of_the_wrong_as_that_we_dialled() {
    // Kept: the listener has to be there before the agent dials.
    let segment =
        Segment::with(Neighbour { address: RAW.into(), asn: RAW_ASN, passive: false, hold_time_secs: 9 });
    let listener = segment.raw().run(|| TcpListener::bind((RAW, 179))).unwrap().unwrap();
    let mut wire = Wire::accept(&listener);
    wire.send(&Open { asn: 4_200_000_999, ..Open::default() }.encode());
    assert_eq!(wire.last_words(), message(NOTIFICATION, &[2, 2]));
    segment.ensure_refused("4200000999");
    // It is tried again after a rest; that nobody answers then does not hide why it was refused.
    drop(listener);
    segment.ensure_refused("4200000999");
}

#[test]
fn a_peer_without_a_bgp_identifier() {
    let segment = Segment::start();
    let zero = Open { router_id: Ipv4Addr::UNSPECIFIED, ..Open::default() };
    assert_refused(&segment, &zero.encode(), &[2, 3], "BGP identifier");
}

#[test]
fn an_internal_peer_with_our_bgp_identifier() {
    let neighbour = Neighbour { address: RAW.into(), asn: agent::ASN, passive: true, hold_time_secs: 9 };
    let segment = Segment::with(neighbour);
    let ours = Open { asn: agent::ASN, router_id: Ipv4Addr::new(10, 255, 0, 1), ..Open::default() };
    assert_refused(&segment, &ours.encode(), &[2, 3], "10.255.0.1");
}

#[test]
fn a_peer_of_another_version() {
    let segment = Segment::start();
    let three = Open { version: 3, ..Open::default() };
    // With the one that we speak (RFC 4271 §6.2).
    assert_refused(&segment, &three.encode(), &[2, 1, 0, 4], "Version");
}

#[test]
fn a_peer_with_a_hold_time_too_short() {
    let segment = Segment::start();
    let two = Open { hold_time_secs: 2, ..Open::default() };
    assert_refused(&segment, &two.encode(), &[2, 6], "hold time");
}

#[test]
fn a_peer_that_talks_http() {
    let segment = Segment::start();
    assert_refused(&segment, b"GET / HTTP/1.1\r\nHost: node1\r\n\r\n", &[1, 1], "Not Synchronized");
}

#[test]
fn a_peer_with_an_impossible_length() {
    let segment = Segment::start();
    // With the length (RFC 4271 §6.1). Shorter than a header, longer than allowed, too short for an OPEN.
    for length in [18_u16, 4_097, 20] {
        let [high, low] = length.to_be_bytes();
        let octets = [&[0xff; 16][..], &[high, low, OPEN], &[0; 10]].concat();
        assert_refused(&segment, &octets, &[1, 2, high, low], "Bad Message Length");
    }
}

#[test]
fn a_peer_with_an_unknown_message() {
    let segment = Segment::start();
    assert_refused(&segment, &message(9, &[]), &[1, 3, 9], "Bad Message Type");
}

#[test]
fn a_peer_that_skips_its_open() {
    let segment = Segment::start();
    // RFC 6608 §3: unexpected in OpenSent.
    assert_refused(&segment, &message(KEEPALIVE, &[]), &[5, 1], "KEEPALIVE");
}

#[test]
fn a_stranger() {
    let segment = Segment::start();
    let stranger = Ipv4Addr::new(192, 0, 2, 66);
    segment.raw().output("ip", &["address", "add", "192.0.2.66/24", "dev", "node1"]).unwrap();
    let mut wire = segment.connect_from(stranger).unwrap();
    // Hung up on, without a word.
    assert_eq!(wire.receive(), None);
    segment.ensure_untouched();
    assert!(agent::peer(segment.node(), stranger.into()).is_err(), "it is no peer");
}
