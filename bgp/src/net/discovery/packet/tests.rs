use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::{Heard, advertisement, decode, filter, solicitation};

const NEIGHBOUR: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7);

#[test]
fn hears_what_it_says() {
    assert_eq!(decode(&advertisement(), NEIGHBOUR, 255), Some(Heard::Advertisement(NEIGHBOUR)));
    assert_eq!(decode(&solicitation(), NEIGHBOUR, 255), Some(Heard::Solicitation));
    assert_eq!(decode(&solicitation(), Ipv6Addr::UNSPECIFIED, 255), Some(Heard::Solicitation));
    // Another router's: hop limit 64, lifetime 1,800 s, with its link-layer address and an MTU.
    let mut other = vec![134, 0, 0xab, 0xcd, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    other.extend([1, 1, 2, 0, 0, 0, 0, 1, 5, 1, 0, 0, 0, 0, 5, 0xdc]);
    assert_eq!(decode(&other, NEIGHBOUR, 255), Some(Heard::Advertisement(NEIGHBOUR)));
}

#[test]
fn hears_nothing_that_rfc_4861_forbids() {
    let good = advertisement();
    let with = |index: usize, value| {
        let mut octets = good;
        octets[index] = value;
        octets.to_vec()
    };
    let global = "2001:db8::1".parse().unwrap();
    let table = [
        ("from another link", good.to_vec(), NEIGHBOUR, 254),
        ("from a global address", good.to_vec(), global, 255),
        ("from nobody", good.to_vec(), Ipv6Addr::UNSPECIFIED, 255),
        ("of another type", with(0, 135), NEIGHBOUR, 255),
        ("with a code", with(1, 1), NEIGHBOUR, 255),
        ("too short", good[..15].to_vec(), NEIGHBOUR, 255),
        ("empty", vec![], NEIGHBOUR, 255),
        ("with an option of no length", [&good[..], &[1, 0, 0, 0, 0, 0, 0, 0]].concat(), NEIGHBOUR, 255),
        ("with a part of an option", [&good[..], &[1, 2, 0, 0, 0, 0, 0, 0]].concat(), NEIGHBOUR, 255),
        ("with an octet too much", [&good[..], &[1]].concat(), NEIGHBOUR, 255),
    ];
    for (name, octets, source, hop_limit) in table {
        assert_eq!(decode(&octets, source, hop_limit), None, "{name}");
    }
}

#[test]
fn the_filter_lets_two_types_pass() {
    let octets = filter();
    let passes = |kind: usize| {
        let word: [u8; 4] = octets[kind / 32 * 4..][..4].try_into().unwrap();
        u32::from_ne_bytes(word) & (1 << (kind % 32)) == 0
    };
    assert_eq!((0..256).filter(|kind| passes(*kind)).collect::<Vec<_>>(), [133, 134]);
}

proptest! {
    #[test]
    fn any_octets_are_heard_or_not(
        octets in proptest::collection::vec(any::<u8>(), 0..64),
        kind in 133_u8..=134,
        hop_limit in 254..=255,
    ) {
        let octets = [&[kind, 0][..], &octets].concat();
        match decode(&octets, NEIGHBOUR, hop_limit) {
            Some(Heard::Solicitation) => prop_assert!(kind == 133 && octets.len() % 8 == 0),
            Some(Heard::Advertisement(source)) => {
                prop_assert!(kind == 134 && octets.len() % 8 == 0 && source == NEIGHBOUR);
            }
            None => {}
        }
    }
}
