use bytes::BytesMut;
use proptest::prelude::*;

use super::{AsPathError, Width, decode, encode, merge, octets as octets_of};
use crate::wire::tests::{as_path, octets};
use crate::wire::{AsPath, AsPathSegment};

fn path(text: &str) -> AsPath {
    text.parse().unwrap()
}

#[test]
fn text_and_back() {
    for text in [
        "",
        "65001",
        "65001 65100 {65200,65201}",
        "{1,2} 3 {4}",
        "(64512 64513) 65001",
        "[64512,64513] 4200000000",
    ] {
        assert_eq!(path(text).to_string(), text);
    }
    for text in ["65001,65002", "{1 2}", "{}", "{1", "1}", "0", "4294967296", "-1", "a", "(1"] {
        assert!(text.parse::<AsPath>().is_err(), "{text:?}");
    }
}

#[test]
fn what_a_path_says() {
    let long = path("65001 65100 {65200,65201} (64512)");
    assert_eq!(long.hop_count(), 3);
    assert_eq!(long.neighbour(), Some(65001));
    assert!(long.contains(65201) && long.contains(64512) && !long.contains(1));
    assert_eq!(path("65001 65002").origin(), Some(65002));
    assert_eq!(path("{65001}").neighbour(), None);
    assert_eq!(path("(64512) 65001 {65002}").neighbour(), Some(65001));
    assert_eq!(AsPath::default().neighbour(), None);
    assert_eq!(AsPath::sequence([]), AsPath::default());
}

#[test]
fn prepending() {
    assert_eq!(path("").prepended(1), path("1"));
    assert_eq!(path("2 3").prepended(1), path("1 2 3"));
    assert_eq!(path("{2,3}").prepended(1), path("1 {2,3}"));
    let full = AsPath::sequence(1..=255).prepended(9);
    assert_eq!(full.segments.len(), 2, "a segment counts to 255");
    assert_eq!(full.hop_count(), 256);
}

#[test]
fn prepending_many_never_overflows_a_segment() {
    let many = |times| {
        let mut path = AsPath::sequence(1..=250);
        path.prepend(9, times);
        path
    };
    assert_eq!(many(0), AsPath::sequence(1..=250));
    for times in [1, 5, 6, 255, 260, 261, 1000] {
        let path = many(times);
        assert_eq!(path.hop_count(), 250 + times);
        assert_eq!(path.count(9), times + 1, "9 itself is in the path");
        assert!(path.segments.iter().all(|segment| (1..=255).contains(&segment.asns().len())));
        let mut out = BytesMut::new();
        encode(&path, Width::Four, &mut out);
        assert_eq!(decode(&out, Width::Four), Ok(path));
    }
    let mut behind_a_set = path("{1,2}");
    behind_a_set.prepend(9, 2);
    assert_eq!(behind_a_set, path("9 9 {1,2}"));
}

#[test]
fn replacing_counting_leftmost() {
    let mut seen = path("1 2 1 {1,3} (1)");
    assert_eq!((seen.count(1), seen.count(4)), (4, 0));
    assert!(seen.replace(1, 9) && !seen.replace(1, 9));
    assert_eq!(seen, path("9 2 9 {9,3} (9)"));
    assert_eq!(seen.leftmost(), Some(9));
    assert_eq!(path("(64512) 1").leftmost(), Some(64512));
    assert_eq!(path("{1} 2").leftmost(), None);
    assert_eq!(path("").leftmost(), None);
}

#[test]
fn octets_of_both_widths() {
    let table = [
        (Width::Four, "", ""),
        (Width::Four, "0202 0000fde9 fa56ea00", "65001 4200000000"),
        (Width::Two, "0202 fde9 fe4c 0101 0001", "65001 65100 {1}"),
        (Width::Two, "0301 fc00 0401 fc01", "(64512) [64513]"),
    ];
    for (width, wire, text) in table {
        assert_eq!(decode(&octets(wire), width), Ok(path(text)));
        let mut out = BytesMut::new();
        encode(&path(text), width, &mut out);
        assert_eq!(out.len(), octets_of(&path(text), width));
        assert_eq!(out, octets(wire));
    }
}

#[test]
fn refuses_malformed_paths() {
    let table = [
        ("02", AsPathError::Underrun),
        ("0201 0000fde9 02", AsPathError::Underrun),
        ("0200", AsPathError::EmptySegment),
        ("0001 0000fde9", AsPathError::SegmentType(0)),
        ("0501 0000fde9", AsPathError::SegmentType(5)),
        ("02ff 0000fde9", AsPathError::Overrun),
        ("0202 0000fde9 0000fd", AsPathError::Overrun),
        ("0202 0000fde9 00000000", AsPathError::AsZero),
    ];
    for (wire, error) in table {
        assert_eq!(decode(&octets(wire), Width::Four), Err(error), "{wire}");
    }
}

#[test]
fn merges_as4_path() {
    let table = [
        // two-octet path, AS4_PATH, result
        ("23456 65002", "4200000000 65002", "4200000000 65002"),
        ("65009 23456 65002", "4200000000 65002", "65009 4200000000 65002"),
        ("65009 {1,2} 23456", "4200000000", "65009 {1,2} 4200000000"),
        ("23456", "4200000000 65002", "23456"),
        ("(64512) 65009 23456", "4200000000", "(64512) 65009 4200000000"),
        ("65009 23456", "(64512) 4200000000", "65009 4200000000"),
        ("1 2 3", "", "1 2 3"),
    ];
    for (two, four, merged) in table {
        assert_eq!(merge(path(two), &path(four)), path(merged), "{two} + {four}");
    }
}

#[test]
fn long_segments_are_split() {
    let long = AsPath::sequence(1..=300);
    let mut out = BytesMut::new();
    encode(&long, Width::Four, &mut out);
    let back = decode(&out, Width::Four).unwrap();
    assert_eq!(back.segments.iter().map(|segment| segment.asns().len()).collect::<Vec<_>>(), [255, 45]);
    assert_eq!(back.hop_count(), 300);
}

proptest! {
    #[test]
    fn octets_and_back(path in as_path(true)) {
        let mut out = BytesMut::new();
        encode(&path, Width::Four, &mut out);
        prop_assert_eq!(decode(&out, Width::Four), Ok(path));
    }

    #[test]
    fn text_and_back_for_all(path in as_path(true)) {
        let adjacent = path.segments.windows(2).any(|pair| matches!(pair, [AsPathSegment::Sequence(_), AsPathSegment::Sequence(_)]));
        prop_assume!(!adjacent);
        prop_assert_eq!(path.to_string().parse(), Ok(path));
    }

    #[test]
    fn a_two_octet_speaker_on_the_way_loses_nothing(path in as_path(false), before in 1u32..65536) {
        let mut two = BytesMut::new();
        encode(&path, Width::Two, &mut two);
        let seen = decode(&two, Width::Two).unwrap().prepended(before);
        prop_assert_eq!(merge(seen, &path).to_string(), path.prepended(before).to_string());
    }

    #[test]
    fn no_octets_panic(value in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode(&value, Width::Two);
        let _ = decode(&value, Width::Four);
    }

    #[test]
    fn no_text_panics(text in "[0-9 ,{}()\\[\\]x]{0,30}") {
        let _ = text.parse::<AsPath>();
    }
}
