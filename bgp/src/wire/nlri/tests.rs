use bytes::BytesMut;
use proptest::prelude::*;

use super::{NlriError, decode, encode, octets as octets_of};
use crate::wire::tests::{codec, family, nets, octets, prefix, prefixes};
use crate::wire::{Codec, Family, Nlri};

fn decoded(family: Family, field: &str) -> Result<Vec<String>, NlriError> {
    let mut out = Vec::new();
    decode(family, false, &octets(field), &mut out)?;
    Ok(out.iter().map(|nlri| nlri.prefix.to_string()).collect())
}

#[test]
fn prefixes_of_every_shape() {
    let v4 = [
        ("", vec![]),
        ("00", vec!["0.0.0.0/0"]),
        ("08 0a", vec!["10.0.0.0/8"]),
        ("18 c00002 20 c0000201", vec!["192.0.2.0/24", "192.0.2.1/32"]),
        ("09 0aff", vec!["10.128.0.0/9"]),
        ("1e c00002ff", vec!["192.0.2.252/30"]),
    ];
    for (field, expected) in v4 {
        assert_eq!(decoded(Family::Ipv4Unicast, field).unwrap(), expected, "{field}");
    }
    let v6 = [
        ("00", vec!["::/0"]),
        ("20 20010db8", vec!["2001:db8::/32"]),
        ("31 20010db80001ff", vec!["2001:db8:1:8000::/49"]),
        ("80 20010db8000000000000000000000001 00", vec!["2001:db8::1/128", "::/0"]),
    ];
    for (field, expected) in v6 {
        assert_eq!(decoded(Family::Ipv6Unicast, field).unwrap(), expected, "{field}");
    }
}

#[test]
fn refuses_what_is_none() {
    let table = [
        (Family::Ipv4Unicast, "21 0a00000100", NlriError::TooLong(33, 32)),
        (Family::Ipv4Unicast, "ff", NlriError::TooLong(255, 32)),
        (Family::Ipv4Unicast, "18 c000", NlriError::Truncated(24)),
        (Family::Ipv4Unicast, "08 0a 01", NlriError::Truncated(1)),
        (Family::Ipv6Unicast, "81 20010db8000000000000000000000001ff", NlriError::TooLong(129, 128)),
        (Family::Ipv6Unicast, "40 20010db8", NlriError::Truncated(64)),
    ];
    for (family, field, error) in table {
        assert_eq!(decoded(family, field), Err(error), "{field}");
    }
}

#[test]
fn path_identifiers() {
    let mut out = Vec::new();
    decode(Family::Ipv4Unicast, true, &octets("00000001 08 0a ffffffff 00"), &mut out).unwrap();
    assert_eq!(
        out.iter().map(|nlri| (nlri.path_id, nlri.prefix)).collect::<Vec<_>>(),
        [(1, "10.0.0.0/8".parse().unwrap()), (u32::MAX, "0.0.0.0/0".parse().unwrap()),]
    );
    let mut wire = BytesMut::new();
    out.iter().for_each(|nlri| encode(nlri, true, &mut wire));
    assert_eq!(wire, octets("00000001 08 0a ffffffff 00"));
    wire.clear();
    out.iter().for_each(|nlri| encode(nlri, false, &mut wire));
    assert_eq!(wire, octets("08 0a 00"), "said only where it is spoken of");
    for (field, error) in [
        ("000000", NlriError::NoLength),
        ("00000001", NlriError::NoLength),
        ("00000001 08", NlriError::Truncated(8)),
        ("00000001 21 0a000000", NlriError::TooLong(33, 32)),
        ("08 0a", NlriError::NoLength),
    ] {
        assert_eq!(decode(Family::Ipv4Unicast, true, &octets(field), &mut out), Err(error), "{field}");
    }
}

#[test]
fn host_bits_are_not_sent() {
    let mut out = BytesMut::new();
    encode(&nets(&["192.0.2.255/25"])[0], false, &mut out);
    assert_eq!(out, octets("19 c0000280"));
}

proptest! {
    #[test]
    fn octets_and_back(
        (codec, family, list) in (codec(), family()).prop_flat_map(|(codec, family)| {
            (Just(codec), Just(family), prefixes(codec, family, 0..40))
        })
    ) {
        let Codec { add_path_send, .. } = codec;
        let add_path = add_path_send.contains(family);
        let mut out = BytesMut::new();
        list.iter().for_each(|nlri| encode(nlri, add_path, &mut out));
        let octets: usize = list.iter().map(|nlri| octets_of(&nlri.prefix, add_path)).sum();
        prop_assert_eq!(out.len(), octets);
        let mut back: Vec<Nlri> = Vec::new();
        prop_assert_eq!(decode(family, add_path, &out, &mut back), Ok(()));
        prop_assert_eq!(back, list);
    }

    #[test]
    fn no_octets_panic_and_no_host_bits_come_out(
        field in prop::collection::vec(any::<u8>(), 0..80),
        add_path in any::<bool>(),
    ) {
        for family in Family::ALL {
            let mut out = Vec::new();
            let _ = decode(family, add_path, &field, &mut out);
            let sound = |it: &Nlri| it.prefix.ip() == it.prefix.network() && Family::of(&it.prefix) == family;
            prop_assert!(out.iter().all(sound));
        }
    }

    #[test]
    fn a_prefix_of_our_own_strategy_has_no_host_bits(prefix in prefix(Family::Ipv4Unicast)) {
        prop_assert_eq!(prefix.ip(), prefix.network());
    }
}
