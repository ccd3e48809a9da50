use ::bgp::filter::AnyCommunity as Any;
use ::bgp::wire::{Community, ExtendedCommunity, LargeCommunity};

use super::AnyCommunity;

#[test]
fn each_kind_is_known_by_its_form() {
    let table = [
        ("65001:100", Some(Any::Standard(Community(65001 << 16 | 100)))),
        ("no-export", Some(Any::Standard(Community::NO_EXPORT))),
        ("65001:1:2", Some(Any::Large(LargeCommunity { global: 65001, local_1: 1, local_2: 2 }))),
        ("rt:65001:100", Some(Any::Extended(ExtendedCommunity(0x0002_fde9_0000_0064)))),
        ("soo:10.0.0.1:7", Some(Any::Extended(ExtendedCommunity(0x0103_0a00_0001_0007)))),
        ("rt:4200000001:7", Some(Any::Extended(ExtendedCommunity(0x0202_fa56_ea01_0007)))),
        ("generic:0x4003000000000001", Some(Any::Extended(ExtendedCommunity(0x4003_0000_0000_0001)))),
        ("65536:1", None),
        ("65001:1:2:3", None),
        ("rt:4200000001:65536", None),
        ("rt:65001", None),
        ("", None),
        ("no-exprt", None),
    ];
    for (text, expected) in table {
        assert_eq!(text.parse::<AnyCommunity>().ok().map(|AnyCommunity(any)| any), expected, "{text}");
    }
}
