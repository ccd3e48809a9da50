use bytes::BytesMut;
use proptest::prelude::*;

use super::{Unencodable, Writer, attribute_list, encode_end_of_rib, encode_reach, encode_withdrawals};
use crate::wire::framer;
use crate::wire::tests::{attributes, codec, decode_all, encoded, family, nets, next_hop, octets, prefixes};
use crate::wire::{
    AsPath, Attributes, Codec, Community, Family, FamilySet, Message, NextHop, Nlri, Origin, Reach,
    RefreshKind, Treatment, UnknownAttribute, Update,
};

const CODEC: Codec = Codec {
    four_octet_as: true,
    external: true,
    extended_messages: false,
    extended_next_hop: false,
    add_path_receive: FamilySet::NONE,
    add_path_send: FamilySet::NONE,
};

fn decode(body: &str) -> Update {
    Update::decode(&octets(body), &CODEC).unwrap()
}

#[test]
fn one_route_of_each_family() {
    let attributes =
        Attributes { as_path: AsPath::sequence([65001]), origin: Origin::Incomplete, ..Default::default() };
    let v4 = Update {
        reach: vec![Reach {
            family: Family::Ipv4Unicast,
            next_hop: "192.0.2.1".parse().unwrap(),
            prefixes: nets(&["198.51.100.0/24", "10.0.0.0/8"]),
        }],
        attributes: attributes.clone(),
        ..Default::default()
    };
    let body = "0000 0014 40 01 01 02 40 02 06 0201 0000fde9 40 03 04 c0000201 18 c63364 08 0a";
    assert_eq!(encoded(&Message::Update(v4.clone()), &CODEC)[19..], octets(body));
    assert_eq!(decode(body), v4);

    let v6 = Update {
        reach: vec![Reach {
            family: Family::Ipv6Unicast,
            next_hop: "2001:db8::1".parse().unwrap(),
            prefixes: nets(&["2001:db8:1::/48"]),
        }],
        attributes,
        ..Default::default()
    };
    let body = "0000 002d 90 0e 001c 0002 01 10 20010db8000000000000000000000001 00 30 20010db80001
                40 01 01 02 40 02 06 0201 0000fde9";
    assert_eq!(encoded(&Message::Update(v6.clone()), &CODEC)[19..], octets(body));
    assert_eq!(decode(body), v6);
}

#[test]
fn withdrawals() {
    let mut out = BytesMut::new();
    encode_withdrawals(&nets(&["2001:db8::/32", "10.0.0.0/8"]), &CODEC, &mut out);
    let updates = decode_all(&mut out, &CODEC);
    assert_eq!(
        updates,
        [
            Update { withdrawn: nets(&["10.0.0.0/8"]), ..Default::default() },
            Update { withdrawn: nets(&["2001:db8::/32"]), ..Default::default() },
        ]
    );
    encode_withdrawals(&[], &CODEC, &mut out);
    assert!(out.is_empty(), "nothing to say is no End-of-RIB");
}

#[test]
fn end_of_rib() {
    for (family, body) in
        [(Family::Ipv4Unicast, "0000 0000"), (Family::Ipv6Unicast, "0000 0007 90 0f 0003 0002 01")]
    {
        let mut out = BytesMut::new();
        encode_end_of_rib(family, &CODEC, &mut out);
        assert_eq!(out[19..], octets(body));
        assert_eq!(decode(body), Update { end_of_rib: Some(family), ..Default::default() });
    }
    assert_eq!(decode("0000 0006 80 0f 03 0001 01").end_of_rib, Some(Family::Ipv4Unicast));
    assert_eq!(decode("0000 0006 80 0f 03 0019 46").end_of_rib, None, "a family that is not ours");
    assert_eq!(decode("0002 08 0a 0000").end_of_rib, None);
    assert_eq!(decode("0000 000a 80 0f 03 0002 01 40 01 01 00").end_of_rib, None);
}

#[test]
fn session_resets() {
    let table = [
        ("0000 0001", 1, "the lengths reach beyond the message"),
        ("0003 08 0a", 1, "the lengths reach beyond the message"),
        ("0000 ffff 40 01 01 00", 1, "the lengths reach beyond the message"),
        ("0001 21 0000", 10, "prefix length 33 is beyond the family's 32 bits"),
        ("0001 08 0000", 10, "the field ends within a prefix of 8 bits"),
        ("0000 0000 18 c633", 10, "the field ends within a prefix of 24 bits"),
        ("0000 0000 ff", 10, "prefix length 255 is beyond the family's 32 bits"),
        ("0000 0003 40 01 00", 1, "no routes beside ORIGIN has 0 octets instead of 1: treated as withdrawal"),
        (
            "0002 08 0a 0003 40 01 05",
            1,
            "no routes beside ORIGIN reaches beyond the attribute list: treated as withdrawal",
        ),
    ];
    for (body, subcode, reason) in table {
        let error = Update::decode(&octets(body), &CODEC).unwrap_err();
        assert_eq!(error.reason, reason);
        assert_eq!((error.notification.code, error.notification.subcode), (3, subcode), "{body}");
    }
}

#[test]
fn missing_mandatory_attributes() {
    let table = [
        ("0000 0010 40 02 06 0201 0000fde9 40 03 04 c0000201 08 0a", "ORIGIN"),
        ("0000 000b 40 01 01 00 40 03 04 c0000201 08 0a", "AS_PATH"),
        ("0000 000d 40 01 01 00 40 02 06 0201 0000fde9 08 0a", "NEXT_HOP"),
    ];
    for (body, name) in table {
        let update = decode(body);
        assert_eq!((update.withdrawn, update.reach), (nets(&["10.0.0.0/8"]), vec![]));
        let texts: Vec<_> = update.errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [format!("{name} is missing: treated as withdrawal")]);
    }
    assert_eq!(decode("0000 0000 08 0a").errors.len(), 3);
}

#[test]
fn both_families_in_one_message_share_their_fate() {
    let mp = "80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8";
    let good = format!("0000 0031 {mp} 40 01 01 00 40 02 06 0201 0000fde9 40 03 04 c0000201 08 0a");
    assert_eq!(decode(&good).reach.len(), 2);
    let bad = format!("0000 0031 {mp} 40 01 01 03 40 02 06 0201 0000fde9 40 03 04 c0000201 08 0a");
    let update = decode(&bad);
    assert_eq!(update.withdrawn, nets(&["10.0.0.0/8", "2001:db8::/32"]));
    assert_eq!(update.errors.iter().map(|error| error.treatment).max(), Some(Treatment::TreatAsWithdraw));
}

#[test]
fn what_does_not_fit_is_withdrawn() {
    let reach = Reach {
        family: Family::Ipv4Unicast,
        next_hop: "192.0.2.1".parse().unwrap(),
        prefixes: nets(&["10.0.0.0/8"]),
    };
    let fat = Attributes { communities: (0..1100).map(Community).collect(), ..Default::default() };
    let mut out = BytesMut::new();
    let error = encode_reach(&fat, &reach, &CODEC, &mut out).unwrap_err();
    assert!(matches!(error, Unencodable::TooLarge { octets, limit: 4096 } if octets > 4400), "{error}");
    let withdrawal = Update { withdrawn: nets(&["10.0.0.0/8"]), ..Default::default() };
    assert_eq!(decode_all(&mut out, &CODEC), std::slice::from_ref(&withdrawal));

    let mixed = Reach { next_hop: "2001:db8::1".parse().unwrap(), ..reach };
    let error = encode_reach(&Attributes::default(), &mixed, &CODEC, &mut out).unwrap_err();
    assert_eq!(error.to_string(), "2001:db8::1 is no next hop for ipv4-unicast");
    assert_eq!(decode_all(&mut out, &CODEC), [withdrawal]);
}

#[test]
fn unknown_attributes_are_passed_on_as_partial_and_once() {
    let unknown = |code, value: &'static [u8]| UnknownAttribute { flags: 0xc0, code, value: value.into() };
    let attributes = Attributes {
        // The last two have no business there: a second one, and one with a field of its own.
        unknown_transitive: vec![unknown(200, b"a"), unknown(200, b"b"), unknown(1, b"\x02")],
        ..Default::default()
    };
    let reach = Reach {
        family: Family::Ipv4Unicast,
        next_hop: "192.0.2.1".parse().unwrap(),
        prefixes: nets(&["10.0.0.0/8"]),
    };
    let mut out = BytesMut::new();
    encode_reach(&attributes, &reach, &CODEC, &mut out).unwrap();
    let updates = decode_all(&mut out, &CODEC);
    let passed = UnknownAttribute { flags: 0xe0, ..unknown(200, b"a") };
    assert_eq!(updates[0].attributes.unknown_transitive, [passed]);
    assert_eq!((updates[0].attributes.origin, updates[0].errors.len()), (Origin::Igp, 0));
}

#[test]
fn internal_attributes_stay_internal() {
    let attributes = Attributes {
        local_pref: Some(200),
        originator_id: Some([10, 0, 0, 1].into()),
        cluster_list: vec![[10, 0, 0, 2].into()],
        ..Default::default()
    };
    let reach = Reach {
        family: Family::Ipv4Unicast,
        next_hop: "192.0.2.1".parse().unwrap(),
        prefixes: nets(&["10.0.0.0/8"]),
    };
    for (external, expected) in [(true, Attributes::default()), (false, attributes.clone())] {
        let mut out = BytesMut::new();
        let codec = Codec { external, ..CODEC };
        encode_reach(&attributes, &reach, &codec, &mut out).unwrap();
        assert_eq!(decode_all(&mut out, &codec)[0].attributes, expected);
    }
}

fn thousand() -> Vec<Nlri> {
    let prefix = |n: u32| ipnetwork::Ipv4Network::new((0x0a00_0000 + (n << 8)).into(), 24).unwrap();
    (0..1000).map(|n| Nlri { prefix: prefix(n).into(), path_id: n }).collect()
}

#[test]
fn packs_a_thousand_prefixes_into_one_message() {
    let prefixes = thousand();
    let reach = Reach { family: Family::Ipv4Unicast, next_hop: "192.0.2.1".parse().unwrap(), prefixes };
    let mut out = BytesMut::new();
    encode_reach(&Attributes::default(), &reach, &CODEC, &mut out).unwrap();
    assert_eq!(decode_all(&mut out, &CODEC).len(), 1);
}

const ENHANCED: Codec = Codec {
    extended_messages: true,
    extended_next_hop: true,
    add_path_receive: FamilySet::ALL,
    add_path_send: FamilySet::ALL,
    ..CODEC
};

#[test]
fn path_identifiers_in_every_field() {
    // Withdrawn, MP_UNREACH_NLRI, MP_REACH_NLRI, NLRI.
    let body = "0006 00000007 08 0a
                003e 80 0f 0c 0002 01 00000008 20 20010db8
                     80 0e 1e 0002 01 10 20010db8000000000000000000000001 00 00000009 20 20010db9
                     40 01 01 00 40 02 00 40 03 04 c0000201
                0000000a 08 0b";
    let update = Update::decode(&octets(body), &ENHANCED).unwrap();
    assert!(update.errors.is_empty(), "{:?}", update.errors);
    let told =
        |list: &[Nlri]| list.iter().map(|it| format!("{} {}", it.path_id, it.prefix)).collect::<Vec<_>>();
    assert_eq!(told(&update.withdrawn), ["7 10.0.0.0/8", "8 2001:db8::/32"]);
    assert_eq!(told(&update.reach[0].prefixes), ["10 11.0.0.0/8"]);
    assert_eq!(told(&update.reach[1].prefixes), ["9 2001:db9::/32"]);
    let mut out = BytesMut::new();
    encode_withdrawals(&update.withdrawn, &ENHANCED, &mut out);
    assert_eq!(out[19..29], octets("0006 00000007 08 0a 0000"));
    // Of one family only.
    let one = Codec { add_path_receive: [Family::Ipv6Unicast].into_iter().collect(), ..CODEC };
    assert_eq!(told(&Update::decode(&octets("0002 08 0a 0000"), &one).unwrap().withdrawn), ["0 10.0.0.0/8"]);
}

#[test]
fn ipv4_over_ipv6() {
    let reach = Reach {
        family: Family::Ipv4Unicast,
        next_hop: "2001:db8::1 fe80::1".parse().unwrap(),
        prefixes: nets(&["10.0.0.0/8"]),
    };
    let codec = Codec { extended_next_hop: true, ..CODEC };
    let mut out = BytesMut::new();
    encode_reach(&Attributes::default(), &reach, &codec, &mut out).unwrap();
    let body = "0000 0032 90 0e 0027 0001 01 20
                20010db8000000000000000000000001 fe800000000000000000000000000001 00 08 0a
                40 01 01 00 40 02 00";
    assert_eq!(out[19..], octets(body));
    assert_eq!(decode_all(&mut out, &codec)[0].reach, [reach]);
    // Not agreed on: the prefixes cannot be told.
    assert_eq!(Update::decode(&octets(body), &CODEC).unwrap_err().notification.subcode, 9);
    // An IPv4 next hop in MP_REACH_NLRI says what NEXT_HOP says, with or without.
    let body = "0000 0015 80 0e 0b 0001 01 04 c0000201 00 08 0a 40 01 01 00 40 02 00";
    for codec in [codec, CODEC] {
        let update = Update::decode(&octets(body), &codec).unwrap();
        let next_hop = "192.0.2.1".parse().unwrap();
        let prefixes = nets(&["10.0.0.0/8"]);
        assert_eq!(update.reach, [Reach { family: Family::Ipv4Unicast, next_hop, prefixes }]);
    }
}

#[test]
fn a_writer_fills_messages_and_counts_them() {
    let next_hop: NextHop = "192.0.2.1".parse().unwrap();
    // Octets of prefix: 4, and 8 with path identifier; 23 beside the list.
    for (codec, announcements, withdrawals) in [
        (CODEC, 1, 1),
        (Codec { add_path_send: FamilySet::ALL, ..CODEC }, 2, 2),
        (Codec { add_path_send: FamilySet::ALL, extended_messages: true, ..CODEC }, 1, 1),
    ] {
        let (mut list, mut out) = (BytesMut::new(), BytesMut::new());
        attribute_list(&Attributes::default(), Some(next_hop), &codec, &mut list);
        let writer = Writer::new(Family::Ipv4Unicast, &codec);
        assert_eq!(writer.announce(&list, &next_hop, thousand(), &mut out), announcements);
        assert_eq!(writer.withdraw(thousand(), &mut out), withdrawals);
        assert_eq!(writer.announce(&list, &next_hop, [], &mut out), 0);
        let reader = Codec { add_path_receive: codec.add_path_send, ..codec };
        let updates = decode_all(&mut out, &reader);
        assert_eq!(updates.len(), announcements as usize + withdrawals as usize);
        let told = updates.iter().flat_map(|update| &update.reach).map(|reach| reach.prefixes.len());
        assert_eq!(told.sum::<usize>(), 1000);
        assert_eq!(updates.iter().map(|update| update.withdrawn.len()).sum::<usize>(), 1000);
    }
}

#[test]
fn a_writer_withdraws_what_does_not_fit() {
    let next_hop: NextHop = "192.0.2.1".parse().unwrap();
    let writer = Writer::new(Family::Ipv4Unicast, &CODEC);
    // 4096 - 23 - 21 octets of attributes leave room for the longest prefix with its path identifier.
    for (octets, fits) in [(4052, true), (4053, false)] {
        let list = vec![0; octets];
        let mut out = BytesMut::new();
        assert_eq!(writer.fits(&list, &next_hop).is_ok(), fits);
        assert_eq!(writer.announce(&list, &next_hop, nets(&["10.0.0.0/8"]), &mut out), 1);
        assert_eq!(out[19..21] == [0, 2], !fits);
    }
    let error = writer.fits(&[0; 5000], &next_hop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "path attributes of 5000 octets leave no room for a prefix in a message of 4096"
    );
}

#[test]
fn refreshes() {
    let mut out = BytesMut::new();
    Writer::new(Family::Ipv6Unicast, &CODEC).refresh(RefreshKind::End, &mut out);
    assert_eq!(out[16..], octets("0017 05 0002 02 01"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn many_prefixes_survive_in_messages_of_the_right_size(
        (codec, attributes, family, next_hop, prefixes) in (codec(), family()).prop_flat_map(|(codec, family)| {
            (
                Just(codec),
                attributes(codec),
                Just(family),
                next_hop(codec, family),
                prefixes(codec, family, 1..3000),
            )
        })
    ) {
        let mut out = BytesMut::new();
        let reach = Reach { family, next_hop, prefixes: prefixes.clone() };
        prop_assert_eq!(encode_reach(&attributes, &reach, &codec, &mut out), Ok(()));
        let octets = out.len();
        let mut lengths = out.clone();
        while let Some(frame) = framer::decode(&mut lengths, codec.max_octets()).unwrap() {
            prop_assert!(framer::HEADER_OCTETS + frame.body.len() <= codec.max_octets());
        }
        let updates = decode_all(&mut out, &codec);
        // All messages but the last are full, but for less than a prefix.
        prop_assert!(octets >= (updates.len() - 1) * (codec.max_octets() - 21), "{} messages", updates.len());
        let mut back = Vec::new();
        for update in updates {
            prop_assert_eq!(&update.errors, &[]);
            prop_assert_eq!(&update.withdrawn, &[]);
            prop_assert_eq!(&update.attributes, &attributes);
            prop_assert_eq!(update.reach.len(), 1);
            prop_assert_eq!(update.reach[0].next_hop, next_hop);
            back.extend(update.reach[0].prefixes.iter().copied());
        }
        prop_assert_eq!(back, prefixes.clone());
        encode_withdrawals(&prefixes, &codec, &mut out);
        let back: Vec<_> = decode_all(&mut out, &codec).into_iter().flat_map(|update| update.withdrawn).collect();
        prop_assert_eq!(back, prefixes);
    }
}

#[test]
fn an_unreach_with_wrong_flags_and_nothing_else_is_survived() {
    // RFC 7606 §5.2 resets where other attributes are wrong; flags are no more than a withdrawal (§3 c).
    let body = [0, 0, 0, 11, 0xc0, 0x0f, 8, 0, 2, 1, 32, 0x20, 0x01, 0x0d, 0xb8];
    let update = Update::decode(&body, &Codec::default()).expect("survived");
    let prefixes: Vec<_> = update.withdrawn.iter().map(|nlri| nlri.prefix.to_string()).collect();
    assert_eq!(prefixes, ["2001:db8::/32"]);
    assert_eq!(update.errors.len(), 1);
}
