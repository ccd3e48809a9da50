//! What holds for every message: a round trip, a limit, and no panic whatever the octets; and the strategies and
//! helpers of all wire tests.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use bytes::BytesMut;
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use proptest::prelude::*;

use super::framer::{self, Kind};
use super::{
    AddPathFamily, AsPath, AsPathSegment, Attributes, Capability, Codec, Community, DecodeError,
    ExtendedCommunity, Family, FamilySet, GracefulRestart, GracefulRestartFamily, LargeCommunity,
    LongLivedFamily, Message, NextHop, Nlri, Notification, Open, Origin, Reach, RefreshKind, Role,
    RouteRefresh, UnknownAttribute, Update,
};

/// Octets from hexadecimal text; white space is for the reader.
pub(super) fn octets(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap()).collect();
    assert!(digits.len().is_multiple_of(2), "{text}");
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

pub(super) fn encoded(message: &Message, codec: &Codec) -> Vec<u8> {
    let mut out = BytesMut::new();
    message.encode(codec, &mut out).unwrap();
    out.to_vec()
}

pub(super) fn decode_one(wire: &[u8], codec: &Codec) -> Result<Option<Message>, DecodeError> {
    let frame = framer::decode(&mut BytesMut::from(wire), codec.max_octets())?.unwrap();
    Message::decode(frame.kind, &frame.body, codec)
}

/// Every UPDATE of a buffer that holds nothing else.
pub(super) fn decode_all(buffer: &mut BytesMut, codec: &Codec) -> Vec<Update> {
    let mut updates = Vec::new();
    while let Some(frame) = framer::decode(buffer, codec.max_octets()).unwrap() {
        assert_eq!(frame.kind, Kind::Update);
        updates.push(Update::decode(&frame.body, codec).unwrap());
    }
    assert!(buffer.is_empty());
    updates
}

pub(super) fn prefix(family: Family) -> BoxedStrategy<IpNetwork> {
    match family {
        Family::Ipv4Unicast => (any::<u32>(), 0u8..=32)
            .prop_map(|(address, bits)| {
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Ipv4Network::new(Ipv4Addr::from(address & mask), bits).unwrap().into()
            })
            .boxed(),
        Family::Ipv6Unicast => (any::<u128>(), 0u8..=128)
            .prop_map(|(address, bits)| {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Ipv6Network::new(Ipv6Addr::from(address & mask), bits).unwrap().into()
            })
            .boxed(),
    }
}

/// Prefixes by their texts, without path identifiers.
pub(super) fn nets(list: &[&str]) -> Vec<Nlri> {
    list.iter().map(|text| Nlri { prefix: text.parse().unwrap(), path_id: 0 }).collect()
}

/// Prefixes as the codec's sender numbers them.
pub(super) fn prefixes(codec: Codec, family: Family, count: Range<usize>) -> BoxedStrategy<Vec<Nlri>> {
    let numbered = codec.add_path_send.contains(family);
    let path_id = if numbered { any::<u32>().boxed() } else { Just(0).boxed() };
    let nlri = (prefix(family), path_id).prop_map(|(prefix, path_id)| Nlri { prefix, path_id });
    prop::collection::vec(nlri, count).boxed()
}

pub(super) fn next_hop(codec: Codec, family: Family) -> BoxedStrategy<NextHop> {
    let v4 = (0x0100_0000u32..0xe000_0000).prop_map(|it| NextHop::V4(it.into())).boxed();
    let v6 = (any::<u64>(), prop::option::of(any::<u64>())).prop_map(|(global, local)| NextHop::V6 {
        global: Ipv6Addr::from(0x2001_0db8u128 << 96 | u128::from(global)),
        link_local: local.map(|host| Ipv6Addr::from(0xfe80u128 << 112 | u128::from(host))),
    });
    match family {
        Family::Ipv4Unicast if codec.extended_next_hop => prop_oneof![v4, v6].boxed(),
        Family::Ipv4Unicast => v4,
        Family::Ipv6Unicast => v6.boxed(),
    }
}

/// One whose two directions are alike, so that what is written with it can be read with it.
pub(super) fn codec() -> impl Strategy<Value = Codec> {
    (any::<[bool; 4]>(), family_set()).prop_map(
        |([four_octet_as, external, extended_messages, extended_next_hop], add_path)| Codec {
            four_octet_as,
            external,
            extended_messages,
            extended_next_hop,
            add_path_receive: add_path,
            add_path_send: add_path,
        },
    )
}

pub(super) fn family() -> impl Strategy<Value = Family> {
    prop::sample::select(&Family::ALL[..])
}

fn family_set() -> impl Strategy<Value = FamilySet> {
    prop::collection::vec(family(), 0..3).prop_map(|families| families.into_iter().collect())
}

/// AS numbers, half of them of more than two octets. `AS_TRANS` says nothing to a two-octet speaker, so it is left out.
fn asn() -> impl Strategy<Value = u32> {
    prop_oneof![1u32..23456, 65536u32..=u32::MAX]
}

/// Paths without adjacent sequences, as they come from speakers that know how to prepend.
pub(super) fn as_path(confederations: bool) -> impl Strategy<Value = AsPath> {
    let numbers = || prop::collection::vec(asn(), 1..6);
    let segment = if confederations {
        prop_oneof![
            3 => numbers().prop_map(AsPathSegment::Sequence),
            1 => numbers().prop_map(AsPathSegment::Set),
            1 => numbers().prop_map(AsPathSegment::ConfedSequence),
            1 => numbers().prop_map(AsPathSegment::ConfedSet),
        ]
        .boxed()
    } else {
        prop_oneof![numbers().prop_map(AsPathSegment::Sequence), numbers().prop_map(AsPathSegment::Set),]
            .boxed()
    };
    prop::collection::vec(segment, 0..4).prop_map(|mut segments| {
        segments.dedup_by(|after, before| {
            matches!((after, before), (AsPathSegment::Sequence(_), AsPathSegment::Sequence(_)))
        });
        AsPath { segments }
    })
}

/// Attributes that this codec carries as they are.
pub(super) fn attributes(codec: Codec) -> impl Strategy<Value = Attributes> {
    let id = || any::<u32>().prop_map(Ipv4Addr::from);
    let large =
        any::<[u32; 3]>().prop_map(|[global, local_1, local_2]| LargeCommunity { global, local_1, local_2 });
    let plain = (
        prop::sample::select(vec![Origin::Igp, Origin::Egp, Origin::Incomplete]),
        as_path(!codec.external && codec.four_octet_as),
        any::<Option<u32>>(),
        any::<Option<u32>>(),
        any::<bool>(),
        prop::option::of((asn(), id())),
    );
    let tags = (
        prop::collection::vec(any::<u32>().prop_map(Community), 0..80),
        prop::collection::vec(any::<u64>().prop_map(ExtendedCommunity), 0..40),
        prop::collection::hash_set(large, 0..25),
        any::<Option<u32>>(),
    );
    let rest = (prop::option::of(id()), prop::collection::vec(id(), 0..80), unknown());
    (plain, tags, rest).prop_map(move |(plain, tags, (originator_id, cluster_list, unknown_transitive))| {
        let (origin, as_path, med, local_pref, atomic_aggregate, aggregator) = plain;
        let (communities, extended_communities, large_communities, only_to_customer) = tags;
        let internal = !codec.external;
        Attributes {
            origin,
            as_path,
            med,
            local_pref: local_pref.filter(|_| internal),
            atomic_aggregate,
            aggregator,
            communities,
            extended_communities,
            large_communities: large_communities.into_iter().collect(),
            originator_id: originator_id.filter(|_| internal),
            cluster_list: if internal { cluster_list } else { Vec::new() },
            only_to_customer,
            unknown_transitive,
        }
    })
}

/// As they come from a speaker that passed them on.
fn unknown() -> impl Strategy<Value = Vec<UnknownAttribute>> {
    prop::collection::btree_map(128u8..=255, prop::collection::vec(any::<u8>(), 0..300), 0..3).prop_map(
        |unknown| {
            let attribute =
                |(code, value): (u8, Vec<u8>)| UnknownAttribute { flags: 0xe0, code, value: value.into() };
            unknown.into_iter().map(attribute).collect()
        },
    )
}

fn update(codec: Codec) -> impl Strategy<Value = Update> {
    let reach = family()
        .prop_flat_map(move |family| (Just(family), next_hop(codec, family), prefixes(codec, family, 1..20)))
        .prop_map(|(family, next_hop, prefixes)| Reach { family, next_hop, prefixes });
    prop_oneof![
        4 => (reach, attributes(codec))
            .prop_map(|(reach, attributes)| Update { reach: vec![reach], attributes, ..Update::default() }),
        2 => family()
            .prop_flat_map(move |family| prefixes(codec, family, 1..100))
            .prop_map(|withdrawn| Update { withdrawn, ..Update::default() }),
        1 => family().prop_map(|family| Update { end_of_rib: Some(family), ..Update::default() }),
    ]
}

fn capability() -> impl Strategy<Value = Capability> {
    let preserved = || prop::collection::vec((family(), any::<bool>()), 0..3);
    let restart = (any::<[bool; 2]>(), 0u16..4096, preserved()).prop_map(
        |([restarted, notification], restart_time_secs, families)| GracefulRestart {
            restarted,
            notification,
            restart_time_secs,
            families: families
                .into_iter()
                .map(|(family, forwarding_preserved)| GracefulRestartFamily { family, forwarding_preserved })
                .collect(),
        },
    );
    let add_path = (family(), 1u8..4).prop_map(|(family, direction)| AddPathFamily {
        family,
        receive: direction & 1 != 0,
        send: direction & 2 != 0,
    });
    let long_lived = (family(), any::<bool>(), 0u32..1 << 24).prop_map(
        |(family, forwarding_preserved, stale_time_secs)| LongLivedFamily {
            family,
            forwarding_preserved,
            stale_time_secs,
        },
    );
    let role = (0u8..5).prop_map(|code| Role::from_code(code).unwrap());
    prop_oneof![
        family().prop_map(Capability::MultiProtocol),
        Just(Capability::RouteRefresh),
        any::<bool>().prop_map(|v4| Capability::ExtendedNextHop(
            v4.then_some(Family::Ipv4Unicast).into_iter().collect()
        )),
        Just(Capability::ExtendedMessage),
        role.prop_map(Capability::Role),
        restart.prop_map(Capability::GracefulRestart),
        prop::collection::vec(add_path, 0..3).prop_map(Capability::AddPath),
        Just(Capability::EnhancedRouteRefresh),
        prop::collection::vec(long_lived, 0..3).prop_map(Capability::LongLivedGracefulRestart),
        (72u8..=255, prop::collection::vec(any::<u8>(), 0..200))
            .prop_map(|(code, value)| Capability::Unknown { code, value: value.into() }),
    ]
}

fn open() -> impl Strategy<Value = Open> {
    let hold_time = prop_oneof![Just(0u16), 3u16..=u16::MAX];
    (asn(), hold_time, 1u32.., prop::collection::vec(capability(), 0..10)).prop_map(
        |(asn, hold_time_secs, router_id, mut capabilities)| {
            capabilities.push(Capability::FourOctetAs(asn));
            Open { asn, hold_time_secs, router_id: router_id.into(), capabilities }
        },
    )
}

fn message(codec: Codec) -> impl Strategy<Value = Message> {
    let refresh = prop::sample::select(&[RefreshKind::Request, RefreshKind::Begin, RefreshKind::End][..]);
    prop_oneof![
        3 => update(codec).prop_map(Message::Update),
        1 => open().prop_map(Message::Open),
        1 => (any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(code, subcode, data)| Message::Notification(Notification::new(code, subcode, data))),
        1 => Just(Message::Keepalive),
        1 => (family(), refresh)
            .prop_map(|(family, kind)| Message::RouteRefresh(RouteRefresh { family, kind })),
    ]
}

fn with_message() -> impl Strategy<Value = (Codec, Message)> {
    codec().prop_flat_map(|codec| (Just(codec), message(codec)))
}

#[test]
fn keepalive() {
    let wire = encoded(&Message::Keepalive, &Codec::default());
    assert_eq!(wire, octets("ffffffffffffffffffffffffffffffff 0013 04"));
    assert_eq!(decode_one(&wire, &Codec::default()), Ok(Some(Message::Keepalive)));
}

#[test]
fn an_update_with_everything_comes_back_in_three_messages() {
    let whole = Update {
        reach: vec![Reach {
            family: Family::Ipv4Unicast,
            next_hop: "192.0.2.1".parse().unwrap(),
            prefixes: nets(&["10.0.0.0/8"]),
        }],
        withdrawn: nets(&["2001:db8::/32"]),
        end_of_rib: Some(Family::Ipv6Unicast),
        ..Update::default()
    };
    let mut wire = BytesMut::from(encoded(&Message::Update(whole.clone()), &Codec::default()).as_slice());
    let mut back = decode_all(&mut wire, &Codec::default());
    assert_eq!(back.len(), 3);
    let (end, reach, withdrawn) = (back.pop().unwrap(), back.pop().unwrap(), back.pop().unwrap());
    let joined = Update { withdrawn: withdrawn.withdrawn, end_of_rib: end.end_of_rib, ..reach };
    assert_eq!(joined, whole);
}

proptest! {
    #[test]
    fn every_message_comes_back((codec, message) in with_message()) {
        let wire = encoded(&message, &codec);
        prop_assert!(wire.len() <= codec.max_octets());
        prop_assert_eq!(decode_one(&wire, &codec), Ok(Some(message)));
    }

    #[test]
    fn no_body_panics(code in 1u8..=5, body in prop::collection::vec(any::<u8>(), 0..200), codec in codec()) {
        let kind = Kind::from_code(code).unwrap();
        let _ = Message::decode(kind, &body, &codec);
    }

    #[test]
    fn no_mutation_panics_and_what_is_understood_can_be_said_again(
        (codec, message) in with_message(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut wire = encoded(&message, &codec);
        for (index, octet) in mutations {
            let at = 19 + index.index(wire.len() - 18);
            if let Some(octet_there) = wire.get_mut(at) { *octet_there = octet; }
        }
        let kind = Kind::from_code(wire[18]).unwrap();
        let _ = Message::decode(kind, &wire[19..19 + cut.index(wire.len() - 18)], &codec);
        if let Ok(Some(understood)) = Message::decode(kind, &wire[19..], &codec) {
            let mut again = BytesMut::new();
            let _ = understood.encode(&codec, &mut again);
            while let Some(frame) = framer::decode(&mut again, codec.max_octets()).unwrap() {
                prop_assert!(Message::decode(frame.kind, &frame.body, &codec).is_ok(), "{:?}", frame);
            }
            prop_assert!(again.is_empty());
        }
    }
}
