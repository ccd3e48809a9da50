use bytes::BytesMut;
use ipnetwork::IpNetwork;
use proptest::prelude::*;

use super::{Unencodable, encode_end_of_rib, encode_reach, encode_withdrawals};
use crate::wire::framer::{self, MAX_OCTETS};
use crate::wire::tests::{attributes, codec, decode_all, encoded, next_hop, octets, prefixes};
use crate::wire::{
    AsPath, Attributes, Codec, Family, Message, Origin, Reach, Treatment, UnknownAttribute, Update,
};

const CODEC: Codec = Codec { four_octet_as: true, external: true };

fn nets(list: &[&str]) -> Vec<IpNetwork> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

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
    encode_withdrawals(&nets(&["2001:db8::/32", "10.0.0.0/8"]), &mut out);
    let updates = decode_all(&mut out, &CODEC);
    assert_eq!(
        updates,
        [
            Update { withdrawn: nets(&["10.0.0.0/8"]), ..Default::default() },
            Update { withdrawn: nets(&["2001:db8::/32"]), ..Default::default() },
        ]
    );
    encode_withdrawals(&[], &mut out);
    assert!(out.is_empty(), "nothing to say is no End-of-RIB");
}

#[test]
fn end_of_rib() {
    for (family, body) in
        [(Family::Ipv4Unicast, "0000 0000"), (Family::Ipv6Unicast, "0000 0007 90 0f 0003 0002 01")]
    {
        let mut out = BytesMut::new();
        encode_end_of_rib(family, &mut out);
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
    let fat = Attributes { communities: (0..1100).collect(), ..Default::default() };
    let mut out = BytesMut::new();
    let error = encode_reach(&fat, &reach, &CODEC, &mut out).unwrap_err();
    assert!(matches!(error, Unencodable::TooLarge { octets } if octets > 4400), "{error}");
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

#[test]
fn packs_a_thousand_prefixes_into_one_message() {
    let prefixes: Vec<IpNetwork> = (0..1000u32)
        .map(|n| IpNetwork::new(std::net::Ipv4Addr::from(0x0a00_0000 + (n << 8)).into(), 24).unwrap())
        .collect();
    let reach = Reach { family: Family::Ipv4Unicast, next_hop: "192.0.2.1".parse().unwrap(), prefixes };
    let mut out = BytesMut::new();
    encode_reach(&Attributes::default(), &reach, &CODEC, &mut out).unwrap();
    assert_eq!(decode_all(&mut out, &CODEC).len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn many_prefixes_survive_in_messages_of_the_right_size(
        (codec, attributes, family, next_hop, prefixes) in (codec(), prop::sample::select(&Family::ALL[..])).prop_flat_map(|(codec, family)| {
            (Just(codec), attributes(codec), Just(family), next_hop(family), prefixes(family, 1..3000))
        })
    ) {
        let mut out = BytesMut::new();
        let reach = Reach { family, next_hop, prefixes: prefixes.clone() };
        prop_assert_eq!(encode_reach(&attributes, &reach, &codec, &mut out), Ok(()));
        let mut lengths = out.clone();
        while let Some(frame) = framer::decode(&mut lengths).unwrap() {
            prop_assert!(framer::HEADER_OCTETS + frame.body.len() <= MAX_OCTETS);
        }
        let updates = decode_all(&mut out, &codec);
        prop_assert!(updates.len() <= prefixes.len() / 100 + 1, "{} messages", updates.len());
        let mut back = Vec::new();
        for update in updates {
            prop_assert_eq!(&update.errors, &[]);
            prop_assert_eq!(&update.withdrawn, &[]);
            prop_assert_eq!(&update.attributes, &attributes);
            prop_assert_eq!(update.reach.len(), 1);
            prop_assert_eq!(update.reach[0].next_hop, next_hop);
            back.extend(update.reach[0].prefixes.iter().copied());
        }
        prop_assert_eq!(back, prefixes);
    }
}
