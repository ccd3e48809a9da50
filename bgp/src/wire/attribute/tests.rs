//! Each attribute beside a good UPDATE of one route, and what becomes of the route (RFC 7606 §7).

use crate::wire::tests::{nets, octets};
use crate::wire::{Codec, FamilySet, Treatment, Update};

/// What becomes of the route.
#[derive(Debug, PartialEq)]
enum Outcome {
    Kept,
    Discarded,
    Withdrawn,
    Reset(u8),
}
use Outcome::{Discarded, Kept, Reset, Withdrawn};

const GOOD: [(u8, &str); 3] = [(1, "40 01 01 00"), (2, "40 02 06 0201 0000fde9"), (3, "40 03 04 c0000201")];

/// One route with the good mandatory attributes but those of `code`, which `attribute` takes the place of.
fn update(code: u8, attribute: &str) -> Vec<u8> {
    let mut list = String::new();
    GOOD.iter().filter(|(good, _)| *good != code).for_each(|(_, good)| list.push_str(good));
    list.push_str(attribute);
    let list = octets(&list);
    let mut body = octets("0000");
    body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
    body.extend(list);
    body.extend(octets("18 c63364"));
    body
}

fn outcome(code: u8, attribute: &str, codec: &Codec) -> Outcome {
    let update = match Update::decode(&update(code, attribute), codec) {
        Ok(update) => update,
        Err(error) => {
            assert_eq!(error.notification.code, 3);
            return Reset(error.notification.subcode);
        }
    };
    let treatment = update.errors.iter().map(|error| error.treatment).max();
    let route = nets(&["198.51.100.0/24"]);
    match treatment {
        Some(Treatment::TreatAsWithdraw) => {
            assert!(update.reach.is_empty() && update.withdrawn.contains(&route[0]), "{update:?}");
            Withdrawn
        }
        Some(Treatment::AttributeDiscard) | None => {
            let classic = update.reach.iter().find(|reach| reach.prefixes == route);
            assert!(classic.is_some() && update.withdrawn.is_empty(), "{update:?}");
            if treatment.is_none() { Kept } else { Discarded }
        }
    }
}

fn check(codec: &Codec, table: &[(&str, Outcome)]) {
    for (attribute, expected) in table {
        let code = octets(attribute).get(1).copied().unwrap();
        assert_eq!(outcome(code, attribute, codec), *expected, "{attribute}");
    }
}

const EXTERNAL: Codec = Codec {
    four_octet_as: true,
    external: true,
    extended_messages: false,
    extended_next_hop: false,
    add_path_receive: FamilySet::NONE,
    add_path_send: FamilySet::NONE,
};
const INTERNAL: Codec = Codec { external: false, ..EXTERNAL };
const OLD: Codec = Codec { four_octet_as: false, ..EXTERNAL };

#[test]
fn well_known() {
    check(
        &EXTERNAL,
        &[
            ("40 01 01 02", Kept),
            ("50 01 0001 02", Kept),
            ("c0 01 01 00", Withdrawn),
            ("00 01 01 00", Withdrawn),
            ("40 01 00", Withdrawn),
            ("40 01 02 0000", Withdrawn),
            ("40 01 01 03", Withdrawn),
            ("40 01 01 ff", Withdrawn),
            ("40 02 00", Kept),
            ("c0 02 06 0201 0000fde9", Withdrawn),
            ("40 02 06 0001 0000fde9", Withdrawn),
            ("40 02 06 0501 0000fde9", Withdrawn),
            ("40 02 02 0200", Withdrawn),
            ("40 02 06 02ff 0000fde9", Withdrawn),
            ("40 02 07 0201 0000fde9 02", Withdrawn),
            ("40 02 06 0201 00000000", Withdrawn),
            ("40 02 06 0301 0000fde9", Withdrawn),
            ("40 03 04 00000000", Withdrawn),
            ("40 03 04 e0000001", Withdrawn),
            ("40 03 03 c00002", Withdrawn),
            ("40 03 00", Withdrawn),
            ("c0 03 04 c0000201", Withdrawn),
            ("40 06 00", Kept),
            ("40 06 01 00", Discarded),
            ("c0 06 00", Withdrawn),
            // RFC 4271 §6.3, which RFC 7606 leaves as it is.
            ("40 fe 00", Reset(2)),
        ],
    );
}

#[test]
fn optional() {
    check(
        &EXTERNAL,
        &[
            ("80 04 04 0000000a", Kept),
            ("c0 04 04 0000000a", Withdrawn),
            ("80 04 03 000000", Withdrawn),
            ("80 04 05 000000000a", Withdrawn),
            ("80 04 00", Withdrawn),
            ("c0 07 08 0000fde9 0a000002", Kept),
            ("c0 07 06 fde9 0a000002", Discarded),
            ("c0 07 09 0000fde9 0a000002 00", Discarded),
            ("c0 07 08 00000000 0a000002", Discarded),
            ("80 07 08 0000fde9 0a000002", Withdrawn),
            ("e0 08 04 ffff0001", Kept),
            ("80 08 04 ffff0001", Withdrawn),
            ("c0 08 00", Withdrawn),
            ("c0 08 05 ffff000100", Withdrawn),
            ("c0 10 08 0002fde900000001", Kept),
            ("80 10 08 0002fde900000001", Withdrawn),
            ("c0 10 09 0002fde90000000100", Withdrawn),
            ("c0 10 00", Withdrawn),
            ("c0 19 15 000220010db8000000000000000000000001000100", Withdrawn),
            ("c0 20 0c 0000fde90000000100000002", Kept),
            ("80 20 0c 0000fde90000000100000002", Withdrawn),
            ("c0 20 0d 0000fde9000000010000000200", Withdrawn),
            ("c0 20 00", Withdrawn),
            ("c0 23 04 0000fde9", Kept),
            ("e0 23 04 0000fde9", Kept),
            ("80 23 04 0000fde9", Withdrawn),
            ("c0 23 03 0000fd", Withdrawn),
            ("c0 23 05 0000fde900", Withdrawn),
            ("c0 23 00", Withdrawn),
            ("c0 fe 04 deadbeef", Kept),
            ("c0 fe 00", Kept),
            ("80 fd 04 deadbeef", Kept),
        ],
    );
}

#[test]
fn what_only_internal_peers_send() {
    check(
        &EXTERNAL,
        &[
            ("40 05 04 00000064", Discarded),
            ("40 05 03 000000", Discarded),
            ("80 09 04 0a000002", Discarded),
            ("80 09 03 0a0000", Discarded),
            ("80 0a 00", Discarded),
            ("80 0a 05 0a00000200", Discarded),
        ],
    );
    check(
        &INTERNAL,
        &[
            ("40 05 04 00000064", Kept),
            ("40 05 03 000000", Withdrawn),
            ("40 05 00", Withdrawn),
            ("c0 05 04 00000064", Withdrawn),
            ("80 09 04 0a000002", Kept),
            ("80 09 03 0a0000", Withdrawn),
            ("c0 09 04 0a000002", Withdrawn),
            ("80 0a 08 0a000002 0a000003", Kept),
            ("80 0a 00", Withdrawn),
            ("80 0a 05 0a00000200", Withdrawn),
            ("40 02 06 0301 0000fde9", Kept),
        ],
    );
}

#[test]
fn four_octet_companions() {
    check(&EXTERNAL, &[("c0 11 06 0201 0000fde9", Discarded), ("c0 12 08 0000fde9 0a000002", Discarded)]);
    // GOOD's AS_PATH reads as AS 0 and more in two octets, hence its replacement beside AS4_PATH.
    check(&OLD, &[("40 02 04 0201 fde9", Kept), ("40 02 06 0201 0000fde9", Withdrawn)]);
    let path = "40 02 06 0202 fde9 5ba0";
    let table = [
        ("c0 11 06 0201 fa56ea00", Kept, "65001 4200000000"),
        ("c0 11 06 0201 00000000", Discarded, "65001 23456"),
        ("c0 11 06 0001 fa56ea00", Discarded, "65001 23456"),
        ("c0 11 0e 0203 00000001 00000002 00000003", Kept, "65001 23456"),
        // An aggregator that knows no four octets came after.
        ("c0 11 06 0201 fa56ea00 c0 07 06 fde9 0a000002 c0 12 08 fa56ea00 0a000001", Kept, "65001 23456"),
        (
            "c0 11 06 0201 fa56ea00 c0 07 06 5ba0 0a000002 c0 12 08 fa56ea00 0a000001",
            Kept,
            "65001 4200000000",
        ),
    ];
    for (attributes, expected, text) in table {
        let attributes = format!("{path} {attributes}");
        assert_eq!(outcome(2, &attributes, &OLD), expected, "{attributes}");
        let update = Update::decode(&update(2, &attributes), &OLD).unwrap();
        assert_eq!(update.attributes.as_path.to_string(), text, "{attributes}");
    }
}

#[test]
fn multi_protocol() {
    let (global, local) = ("20010db8000000000000000000000001", "fe800000000000000000000000000001");
    check(
        &EXTERNAL,
        &[
            (&format!("80 0e 1a 0002 01 10 {global} 00 20 20010db8"), Kept),
            (&format!("90 0e 002a 0002 01 20 {global} {local} 00 20 20010db8"), Kept),
            // Flags and next hops that cannot be, but prefixes that can be told.
            (&format!("c0 0e 1a 0002 01 10 {global} 00 20 20010db8"), Withdrawn),
            ("80 0e 1a 0002 01 10 00000000000000000000000000000000 00 20 20010db8", Withdrawn),
            ("80 0e 1a 0002 01 10 ff020000000000000000000000000001 00 20 20010db8", Withdrawn),
            ("c0 0f 08 0002 01 20 20010db8", Withdrawn),
            // Families that were not negotiated.
            ("80 0e 09 0019 46 04 c0000201 00", Discarded),
            ("80 0f 03 0019 46", Discarded),
            // Prefixes that cannot be told.
            ("80 0e 0d 0002 01 09 20010db80000000000 00 4020010db800000001", Reset(9)),
            (&format!("80 0e 15 0002 01 40 {global} 00"), Reset(9)),
            ("80 0e 0c 0002 01 10 20010db800000000", Reset(9)),
            (&format!("80 0e 1a 0002 01 10 {global} 00 40 20010db8"), Reset(9)),
            (&format!("80 0e 1a 0002 01 10 {global} 00 81 20010db8"), Reset(9)),
            ("80 0e 02 0002", Reset(9)),
            ("80 0e 00", Reset(9)),
            ("80 0f 02 0002", Reset(9)),
            ("80 0f 08 0002 01 40 20010db8", Reset(9)),
            ("80 0f 08 0002 01 81 20010db8", Reset(9)),
            // Twice.
            ("80 0f 03 0002 01 80 0f 03 0002 01", Reset(1)),
        ],
    );
}

#[test]
fn repeated_and_overrunning() {
    check(
        &EXTERNAL,
        &[
            ("40 01 01 00 40 01 01 02", Discarded),
            ("c0 fe 01 00 c0 fe 01 01", Discarded),
            ("c0 08 ff ffff0001", Withdrawn),
            ("d0 08 0400 ffff0001", Withdrawn),
            ("c0 08", Withdrawn),
            ("d0 08 00", Withdrawn),
        ],
    );
    let update = Update::decode(&update(1, "40 01 01 02 40 01 01 00"), &EXTERNAL).unwrap();
    assert_eq!(update.attributes.origin.to_string(), "INCOMPLETE", "the first one counts");
}

#[test]
fn a_reset_carries_the_attribute() {
    let error = Update::decode(&update(254, "40 fe 01 07"), &EXTERNAL).unwrap_err();
    assert_eq!(error.notification.data, octets("40 fe 01 07"));
    let error = Update::decode(&update(15, "80 0f 02 0002"), &EXTERNAL).unwrap_err();
    assert_eq!(error.notification.data, octets("80 0f 02 0002"));
    assert_eq!(error.to_string(), "MP_UNREACH_NLRI ends before its prefixes");
}

#[test]
fn unknown_attributes_are_kept_or_dropped() {
    let update = Update::decode(&update(254, "d0 fe 0002 beef 80 fd 01 07 ef e0 00"), &EXTERNAL).unwrap();
    let kept: Vec<_> = update.attributes.unknown_transitive.iter().map(|it| (it.flags, it.code)).collect();
    assert_eq!(kept, [(0xe0, 0xe0), (0xc0, 0xfe)], "by code, with the flags that say something");
    assert!(update.errors.is_empty(), "{:?}", update.errors);
}

#[test]
fn typed_communities() {
    let list = "c0 10 10 0002fde900000064 030b000000000007
                c0 20 24 0000fde90000000100000002 0000fde90000000100000003 0000fde90000000100000002
                c0 23 04 0000fde9";
    let attributes = Update::decode(&update(254, list), &EXTERNAL).unwrap().attributes;
    let texts: Vec<_> = attributes.extended_communities.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["rt:65001:100", "generic:0x030b000000000007"]);
    let texts: Vec<_> = attributes.large_communities.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["65001:1:2", "65001:1:3"], "each once");
    assert_eq!(attributes.only_to_customer, Some(65001));
    assert!(attributes.unknown_transitive.is_empty());
}
