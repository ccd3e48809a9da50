use proptest::prelude::*;

use super::{Community, ExtendedCommunity, LargeCommunity};

#[test]
fn text_and_back() {
    let table = [
        (0xfde9_0064, "65001:100"),
        (0, "0:0"),
        (0xffff_0000, "graceful-shutdown"),
        (0xffff_ff01, "no-export"),
        (0xffff_029a, "blackhole"),
        (0xffff_0063, "65535:99"),
    ];
    for (value, text) in table {
        assert_eq!(Community(value).to_string(), text);
        assert_eq!(text.parse(), Ok(Community(value)));
    }
    for (community, name) in Community::NAMED {
        assert_eq!(name.parse(), Ok(community));
    }
    assert_eq!("65535:65281".parse(), Ok(Community::NO_EXPORT), "numbers for a named one");
}

#[test]
fn refuses_what_is_none() {
    for text in ["", "1", "1:", "65536:0", "1:2:3", "no export", "-1:0"] {
        assert!(text.parse::<Community>().is_err(), "{text:?}");
    }
}

#[test]
fn extended_text_and_back() {
    let table = [
        (0x0002_fde9_0000_0064, "rt:65001:100"),
        (0x0003_fde9_ffff_ffff, "soo:65001:4294967295"),
        (0x0102_0a00_0001_0064, "rt:10.0.0.1:100"),
        (0x0202_fa56_ea00_0064, "rt:4200000000:100"),
        // A four-octet type with a small number, a non-transitive type, an unknown one.
        (0x0202_0000_fde9_0064, "generic:0x02020000fde90064"),
        (0x4002_fde9_0000_0064, "generic:0x4002fde900000064"),
        (0, "generic:0x0000000000000000"),
    ];
    for (value, text) in table {
        assert_eq!(ExtendedCommunity(value).to_string(), text);
        assert_eq!(text.parse(), Ok(ExtendedCommunity(value)));
    }
    assert_eq!("generic:0x2fde900000064".parse(), Ok(ExtendedCommunity(0x0002_fde9_0000_0064)));
}

#[test]
fn refuses_what_is_no_extended_one() {
    for text in [
        "",
        "rt",
        "rt:1",
        "rt:65001:4294967296",
        "rt:65536:65536",
        "rt:10.0.0.1:65536",
        "rt:1:2:3",
        "xx:1:2",
        "generic:1",
        "generic:0x",
        "generic:0x+1",
        "generic:0x10000000000000000",
        "RT:1:2",
    ] {
        let error = text.parse::<ExtendedCommunity>().unwrap_err().to_string();
        assert!(error.contains("rt:65001:100") && error.contains("generic:0x"), "{error}");
    }
}

#[test]
fn large_text_and_back() {
    let large = LargeCommunity { global: 4_200_000_000, local_1: 1, local_2: 0 };
    assert_eq!(large.to_string(), "4200000000:1:0");
    assert_eq!("4200000000:1:0".parse(), Ok(large));
    for text in ["", "1", "1:2", "1:2:3:4", "1:2:x", "1:2:4294967296", ":::"] {
        assert!(text.parse::<LargeCommunity>().is_err(), "{text:?}");
    }
}

#[test]
fn repeated_large_ones_go() {
    let large = |local_2| LargeCommunity { global: 1, local_1: 2, local_2 };
    let mut list: Vec<_> = [3, 1, 3, 2, 1].map(large).to_vec();
    LargeCommunity::remove_repeated(&mut list);
    assert_eq!(list, [3, 1, 2].map(large));
}

proptest! {
    #[test]
    fn every_value_has_a_text(value in any::<u64>(), kind in 0u64..4, subtype in 0u64..4, large in any::<[u32; 3]>()) {
        for value in [value, value & 0xffff_ffff_ffff | kind << 56 | subtype << 48] {
            let community = ExtendedCommunity(value);
            prop_assert_eq!(community.to_string().parse(), Ok(community));
        }
        let [global, local_1, local_2] = large;
        let community = LargeCommunity { global, local_1, local_2 };
        prop_assert_eq!(community.to_string().parse(), Ok(community));
    }

    #[test]
    fn no_text_panics(text in "(rt|soo|generic)?:?[0-9x.:+-]{0,20}") {
        let _ = text.parse::<ExtendedCommunity>();
        let _ = text.parse::<LargeCommunity>();
        let _ = text.parse::<Community>();
    }
}
