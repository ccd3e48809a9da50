use bytes::BytesMut;
use proptest::prelude::*;

use super::{decode, encode};
use crate::wire::tests::{attributes, codec, octets};
use crate::wire::update::{Writer, attribute_list};
use crate::wire::{AsPath, Attributes, Codec, Community, Family, LargeCommunity, UnknownAttribute, Update};

fn packed(attributes: &Attributes) -> Vec<u8> {
    let mut out = Vec::new();
    encode(attributes, &mut out);
    out
}

#[test]
fn octets_and_back() {
    let attributes = Attributes {
        as_path: AsPath::sequence([65001]),
        local_pref: Some(100),
        only_to_customer: Some(65001),
        ..Attributes::default()
    };
    let wire = octets("40 01 01 00 40 02 06 0201 0000fde9 40 05 04 00000064 c0 23 04 0000fde9");
    assert_eq!(packed(&attributes), wire);
    assert_eq!(decode(&wire), attributes);
    assert_eq!(packed(&Attributes::default()), octets("40 01 01 00 40 02 00"));
    assert_eq!(decode(&[]), Attributes::default());
}

#[test]
fn what_has_no_octets_of_its_own_is_left_out() {
    let large = LargeCommunity { global: 1, local_1: 2, local_2: 3 };
    let unknown = |code| UnknownAttribute { flags: 0xc0, code, value: octets("07").into() };
    let attributes = Attributes {
        large_communities: vec![large, large],
        unknown_transitive: vec![unknown(200), unknown(200), unknown(1)],
        ..Attributes::default()
    };
    let back = decode(&packed(&attributes));
    assert_eq!(back.large_communities, [large]);
    assert_eq!(back.unknown_transitive, [unknown(200)], "and the partial bit is not ours to set");
}

/// A filter may add to what nearly filled a message, and AS numbers of two octets become four.
#[test]
fn what_no_message_holds_comes_back_and_is_not_told() {
    let most = usize::from(u16::MAX);
    let communities = |count: usize| (0..count as u32).map(Community).collect::<Vec<_>>();
    let table = [
        Attributes { communities: communities(most / 4), ..Attributes::default() },
        Attributes { communities: communities(most / 4 + 1), ..Attributes::default() },
        Attributes {
            as_path: AsPath::sequence((0..40_000).map(|n| n % 65_000 + 1)),
            ..Attributes::default()
        },
    ];
    for (index, attributes) in table.into_iter().enumerate() {
        // What stands behind it is what would be misread.
        let attributes = Attributes { only_to_customer: Some(65001), ..attributes };
        let back = decode(&packed(&attributes));
        assert_eq!(back.as_path.hop_count(), attributes.as_path.hop_count(), "{index}");
        assert_eq!(back.communities, attributes.communities, "{index}");
        assert_eq!(back.only_to_customer, Some(65001), "{index}");
        let codec = Codec { extended_messages: true, four_octet_as: true, ..Codec::default() };
        let next_hop = "192.0.2.1".parse().unwrap();
        let mut list = Vec::new();
        attribute_list(&attributes, Some(next_hop), &codec, &mut list);
        assert!(Writer::new(Family::Ipv4Unicast, &codec).fits(&list, &next_hop).is_err(), "{index}");
    }
}

proptest! {
    #[test]
    fn all_attributes_come_back(attributes in attributes(Codec { external: false, ..Codec::default() })) {
        prop_assert_eq!(decode(&packed(&attributes)), attributes);
    }

    #[test]
    fn equal_attributes_have_equal_octets_whatever_brought_them(
        (codec, attributes) in codec().prop_flat_map(|codec| (Just(codec), attributes(codec)))
    ) {
        // Through an UPDATE of any peer and back.
        let reach = crate::wire::Reach {
            family: crate::wire::Family::Ipv4Unicast,
            next_hop: "192.0.2.1".parse().unwrap(),
            prefixes: crate::wire::tests::nets(&["10.0.0.0/8"]),
        };
        let mut out = BytesMut::new();
        crate::wire::update::encode_reach(&attributes, &reach, &codec, &mut out).unwrap();
        let update = Update::decode(&out[19..], &codec).unwrap();
        prop_assert_eq!(packed(&update.attributes), packed(&attributes));
    }

    #[test]
    fn no_octets_panic(octets in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = decode(&octets);
    }
}
