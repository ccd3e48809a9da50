use super::{decode, encode, is_host, octets as octets_of};
use crate::wire::tests::octets;
use crate::wire::{Family, NextHop};
use bytes::BytesMut;

#[test]
fn text_and_back() {
    for text in ["192.0.2.1", "2001:db8::1", "2001:db8::1 fe80::1"] {
        assert_eq!(text.parse::<NextHop>().unwrap().to_string(), text);
    }
    for text in ["", "192.0.2.1 fe80::1", "2001:db8::1 2001:db8::2", "fe80::1  fe80::1"] {
        assert!(text.parse::<NextHop>().is_err(), "{text:?}");
    }
}

#[test]
fn octets_and_back() {
    let table = [
        (Family::Ipv4Unicast, "04 c0000201", "192.0.2.1"),
        (Family::Ipv6Unicast, "10 20010db8000000000000000000000001", "2001:db8::1"),
        (
            Family::Ipv6Unicast,
            "20 20010db8000000000000000000000001 fe800000000000000000000000000001",
            "2001:db8::1 fe80::1",
        ),
    ];
    for (family, wire, text) in table {
        let next_hop = text.parse().unwrap();
        let mut out = BytesMut::new();
        encode(&next_hop, &mut out);
        assert_eq!(out, octets(wire));
        assert_eq!(out.len(), octets_of(&next_hop));
        assert_eq!(decode(family, false, &out[1..]), Some(next_hop));
    }
}

#[test]
fn what_others_send_on_unnumbered_links() {
    let (global, local) = ("20010db8000000000000000000000001", "fe800000000000000000000000000001");
    let zero = "00000000000000000000000000000000";
    let table = [
        (format!("{local}{local}"), "fe80::1"),
        (format!("{zero}{local}"), "fe80::1"),
        (local.to_owned(), "fe80::1"),
        (format!("{global}{zero}"), "2001:db8::1"),
        (format!("{global}{global}"), "2001:db8::1"),
    ];
    for (field, text) in table {
        assert_eq!(decode(Family::Ipv6Unicast, false, &octets(&field)), Some(text.parse().unwrap()));
    }
}

#[test]
fn a_length_of_the_wrong_family_is_none() {
    for octets in [0, 1, 3, 5, 8, 12, 15, 16, 24, 32, 33, 48] {
        assert_eq!(decode(Family::Ipv4Unicast, false, &vec![1; octets]), None, "{octets}");
    }
    for octets in [0, 1, 3, 5, 8, 12, 15, 17, 24, 31, 33, 48] {
        assert_eq!(decode(Family::Ipv4Unicast, true, &vec![1; octets]), None, "{octets}");
    }
    for octets in [4, 16, 32] {
        assert!(decode(Family::Ipv4Unicast, true, &vec![1; octets]).is_some(), "{octets}");
    }
    for octets in [0, 4, 12, 15, 17, 24, 31, 33, 48] {
        assert_eq!(decode(Family::Ipv6Unicast, false, &vec![1; octets]), None, "{octets}");
    }
}

#[test]
fn hosts() {
    for text in ["0.0.0.0", "0.1.2.3", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "ff02::1"] {
        assert!(!is_host(&text.parse().unwrap()), "{text}");
    }
    for text in ["1.0.0.1", "127.0.0.2", "223.255.255.255", "::1", "fe80::1", "2001:db8::1"] {
        assert!(is_host(&text.parse().unwrap()), "{text}");
    }
}
