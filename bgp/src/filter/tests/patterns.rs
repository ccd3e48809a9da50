//! What patterns match, what their texts look like, and what is said of texts that are none.

use proptest::prelude::*;

use super::*;

#[test]
fn prefixes_match_within_their_bounds() {
    let table: [(&str, &[&str], &[&str]); 7] = [
        ("10.0.0.0/8", &["10.0.0.0/8"], &["10.0.0.0/9", "10.0.0.0/7", "11.0.0.0/8", "::/8"]),
        ("10.0.0.0/8 ge 16 le 24", &["10.1.0.0/16", "10.1.1.0/24"], &["10.0.0.0/8", "10.1.1.0/25"]),
        ("10.0.0.0/8 le 24", &["10.0.0.0/8", "10.1.1.0/24"], &["10.1.1.1/32", "0.0.0.0/0"]),
        ("10.0.0.0/8 ge 32", &["10.1.1.1/32"], &["10.1.1.0/31", "11.1.1.1/32"]),
        ("0.0.0.0/0", &["0.0.0.0/0"], &["10.0.0.0/8", "::/0"]),
        ("0.0.0.0/0 le 32", &["0.0.0.0/0", "255.255.255.255/32"], &["::/0"]),
        ("2001:db8::/32 le 48 ge 40", &["2001:db8:1::/48"], &["2001:db8::/32", "2001:db9::/48"]),
    ];
    for (text, inside, outside) in table {
        let pattern: PrefixPattern = text.parse().unwrap();
        let list = PrefixList::from(vec![pattern]);
        for (prefixes, expected) in [(inside, true), (outside, false)] {
            for one in prefixes {
                assert_eq!(pattern.matches(&prefix(one)), expected, "{one} in {text}");
                assert_eq!(list.matches(&prefix(one)), expected, "{one} in {text}");
            }
        }
    }
    assert_eq!(PrefixPattern::exactly(prefix("10.0.0.0/8")), "10.0.0.0/8".parse().unwrap());
    assert_eq!(PrefixPattern::within(prefix("::/0")), "::/0 le 128".parse().unwrap());
}

#[test]
fn what_is_no_prefix_pattern_is_told_what_would_be() {
    let table = [
        ("", "give an address and a length"),
        ("ten", "give an address and a length"),
        ("10.0.0.0/33", "give an address and a length"),
        ("10.0.0.1", "the length is missing: for this address alone give 10.0.0.1/32"),
        ("10.1.2.3/8", "bits beyond the length: give 10.0.0.0/8"),
        ("2001:db8::1/32", "give 2001:db8::/32"),
        ("10.0.0.0/8 ge", "ge needs a length after it"),
        ("10.0.0.0/8 ge x", "ge \"x\": give a length"),
        ("10.0.0.0/8 le 300", "le \"300\": give a length"),
        ("10.0.0.0/8 eq 9", "\"eq\" follows the prefix, where only ge and le can"),
        ("10.0.0.0/8 ge 9 ge 9", "ge is there twice"),
        ("10.0.0.0/8 ge 7", "ge 7 is shorter than the prefix itself: give 8 to 32"),
        ("10.0.0.0/8 ge 33", "ge 33 is longer than an address: give 8 to 32"),
        ("10.0.0.0/8 le 33", "le 33 is longer than an address: give 8 to 32"),
        ("10.0.0.0/8 le 7", "le 7 is shorter than the prefix itself: give 8 to 32"),
        ("10.0.0.0/8 ge 16 le 9", "le 9 is shorter than ge: give 16 to 32"),
        ("::/0 le 129", "le 129 is longer than an address: give 0 to 128"),
    ];
    for (text, expected) in table {
        let error = text.parse::<PrefixPattern>().unwrap_err();
        assert!(error.reason.contains(expected), "{text:?}: {}", error.reason);
        assert!(error.to_string().starts_with(&format!("{text:?}: ")));
    }
}

#[test]
fn communities_match_part_by_part() {
    let any = |text: &str| -> AnyCommunity {
        let standard = text.parse().map(AnyCommunity::Standard).ok();
        let extended = || text.parse().map(AnyCommunity::Extended).ok();
        standard.or_else(extended).unwrap_or_else(|| AnyCommunity::Large(text.parse().unwrap()))
    };
    let table: [(&str, &[&str], &[&str]); 16] = [
        ("65001:100", &["65001:100"], &["65001:101", "65001:100:0", "rt:65001:100"]),
        ("65001:*", &["65001:0", "65001:65535"], &["65002:0"]),
        ("*:100", &["0:100", "65535:100"], &["65001:101"]),
        ("*:*", &["0:0", "no-export"], &["0:0:0", "rt:1:1"]),
        ("no-export", &["65535:65281"], &["65535:65282"]),
        ("65535:65281", &["no-export"], &["no-advertise"]),
        ("65001:1:*", &["65001:1:4294967295"], &["65001:2:1", "65001:1"]),
        ("4200000000:*:7", &["4200000000:1:7"], &["4200000000:1:8"]),
        ("*:*:*", &["0:0:0"], &["0:0"]),
        (
            "rt:65001:*",
            &["rt:65001:4294967295", "generic:0x02020000fde90001"],
            &["soo:65001:1", "rt:65002:1"],
        ),
        ("rt:65001:1", &["rt:65001:1", "generic:0x02020000fde90001"], &["rt:65001:2", "65001:1"]),
        ("rt:4200000000:*", &["rt:4200000000:5"], &["rt:65001:5"]),
        ("soo:10.0.0.1:7", &["soo:10.0.0.1:7"], &["soo:10.0.0.1:8", "soo:10.0.0.2:7", "rt:10.0.0.1:7"]),
        ("rt:*:5", &["rt:1:5", "rt:10.0.0.1:5"], &["rt:1:6", "soo:1:5", "generic:0x4002000100000005"]),
        ("generic:0x0002fde900000064", &["rt:65001:100"], &["rt:65001:101"]),
        ("generic:*", &["rt:65001:100", "generic:0x43aa000000000000"], &["65001:100"]),
    ];
    for (text, inside, outside) in table {
        let pattern: CommunityPattern = text.parse().unwrap();
        for (communities, expected) in [(inside, true), (outside, false)] {
            for community in communities {
                assert_eq!(pattern.matches(any(community)), expected, "{community} by {text}");
            }
        }
        let shown = pattern.to_string();
        assert_eq!(shown.parse(), Ok(pattern), "{text} is shown as {shown}");
    }
    let shown = "65535:65281".parse::<CommunityPattern>().unwrap().to_string();
    assert_eq!(shown, "no-export", "one community, one text");
}

#[test]
fn what_is_no_community_pattern_is_told_what_would_be() {
    let table = [
        ("", "give two parts as 65001:100 or 65001:*"),
        ("*", "give two parts"),
        ("no-such-thing", "a name such as no-export"),
        ("65536:1", "part \"65536\" is neither a number up to 65535 nor *"),
        ("1:+1", "part \"+1\" is neither"),
        ("1:", "part \"\" is neither"),
        ("1:2*", "part \"2*\" is neither"),
        ("1:2:4294967296", "part \"4294967296\" is neither a number up to 4294967295 nor *"),
        ("1:2:3:4", "a community has two parts (65001:*), three if it is large (65001:1:*)"),
        ("rt:1", "an extended community is rt:65001:100"),
        ("rt:1:2:3", "an extended community is rt:65001:100"),
        ("rt:x:1", "part \"x\" is neither an AS, nor an IPv4 address, nor *"),
        ("rt:70000:70000", "part \"70000\" is neither a number up to 65535 nor *"),
        ("rt:10.0.0.1:65536", "part \"65536\" is neither"),
        ("generic:1", "generic: takes all eight octets"),
        ("generic:0x+1", "generic: takes all eight octets"),
    ];
    for (text, expected) in table {
        let error = text.parse::<CommunityPattern>().unwrap_err();
        assert!(error.reason.contains(expected), "{text:?}: {}", error.reason);
    }
}

#[test]
fn as_paths_match_as_routers_have_it() {
    let table: [(&str, &[&str], &[&str]); 13] = [
        ("^$", &[""], &["1"]),
        ("", &["", "1 2"], &[]),
        ("_100_", &["100", "100 2", "1 100 2", "1 {100,200}", "(100) 1", "[100] 1"], &["1000", "2100 1", ""]),
        ("^100_", &["100", "100 200"], &["1000", "200 100", "(100) 200"]),
        ("_100$", &["100", "200 100"], &["100 200", "2100"]),
        ("^100_200$", &["100 200"], &["100 300 200", "100200"]),
        ("^(100_)+200$", &["100 200", "100 100 200"], &["200", "100 300 200"]),
        ("^[0-9]+$", &["1", "4200000000"], &["1 2", ""]),
        ("_[^0-2 ]0_", &["30 1"], &["10", "20"]),
        ("_(100|200)_300", &["100 300", "1 200 300"], &["300", "100 400 300"]),
        (r"\{(.*_)?100(_.*)?\}", &["1 {100}", "1 {2,100,3}"], &["100", "{2} 100"]),
        (r"^\(65001\)", &["(65001) 1"], &["65001 1"]),
        (r"\(?100\)?$", &["100", "(100)"], &["100 2"]),
    ];
    for (text, inside, outside) in table {
        let pattern: AsPathPattern = text.parse().unwrap();
        for (paths, expected) in [(inside, true), (outside, false)] {
            for path in paths {
                assert_eq!(pattern.matches_text(path), expected, "{path:?} by {text}");
                let path: AsPath = path.parse().unwrap();
                assert_eq!(pattern.matches(&path), expected, "{path} by {text}");
            }
        }
    }
}

#[test]
fn what_is_no_as_path_pattern_is_told_why() {
    let long = "1".repeat(1001);
    let table = [
        (long.as_str(), "it is longer than 1000 octets"),
        ("abc", "'a' is in no AS path"),
        (r"\d", r"a backslash goes before one of \^$.*+?|()[]{}-,"),
        (r"1\", "a backslash goes before one of"),
        ("[1_]", "_ is no separator inside [ ]"),
        ("[1[:digit:]]", "'[' inside [ ]"),
        ("[]", "[] matches nothing"),
        ("[1", "[ has no ] after it"),
        ("(?i)1", "(? is no group"),
        ("(1", "unclosed group"),
        ("1)", "unopened group"),
        ("*", "repetition operator missing expression"),
        ("{65001}", "repetition operator missing expression"),
        ("[9-1]", "invalid character class range"),
        ("[1--2]", "'-' inside [ ]"),
        ("((1{100}){100}){100}", "exceeds size limit"),
        ("_１_", "is in no AS path"),
    ];
    for (text, expected) in table {
        let error = text.parse::<AsPathPattern>().unwrap_err();
        assert!(error.reason.contains(expected), "{text:?}: {}", error.reason);
        assert!(!error.to_string().contains('\n'));
    }
}

#[test]
fn as_path_patterns_are_equal_by_their_text() {
    use std::collections::HashSet;
    let pattern = |text: &str| text.parse::<AsPathPattern>().unwrap();
    let set: HashSet<_> = [pattern("^1_"), pattern("^1_"), pattern("^2_")].into_iter().collect();
    assert_eq!(set.len(), 2);
    assert_eq!(pattern("^1_").to_string(), "^1_");
}

fn any_prefix() -> impl Strategy<Value = IpNetwork> {
    let of = |address: IpAddr, length: u8| {
        let network = IpNetwork::new(address, length).unwrap();
        IpNetwork::new(network.network(), length).unwrap()
    };
    // Few addresses, so that networks lie in each other.
    let octet = || prop::sample::select(vec![0_u8, 1, 128, 255]);
    prop_oneof![
        ([octet(), octet(), octet(), octet()], 0..=32_u8)
            .prop_map(move |(octets, length)| of(IpAddr::from(octets), length)),
        ([octet(), octet(), octet()], 0..=128_u8).prop_map(move |([a, b, c], length)| {
            of(IpAddr::from([a, b, 0, 0, 0, 0, 0, 0, c, 0, 0, 0, 0, 0, 0, c]), length)
        }),
    ]
}

/// Also with bounds that no text gives.
pub(super) fn any_prefix_pattern() -> impl Strategy<Value = PrefixPattern> {
    (any_prefix(), any::<(u8, u8)>(), any::<bool>()).prop_map(|(network, (least, most), sound)| {
        let (length, longest) = (network.prefix(), if network.is_ipv4() { 32 } else { 128 });
        if !sound {
            return PrefixPattern { network, at_least: least, at_most: most };
        }
        let at_least = length + least % (longest - length + 1);
        PrefixPattern { network, at_least, at_most: at_least + most % (longest - at_least + 1) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_matches_what_one_of_its_patterns_does(
        patterns in prop::collection::vec(any_prefix_pattern(), 0..40),
        prefixes in prop::collection::vec(any_prefix(), 1..40),
    ) {
        let list = PrefixList::from(patterns.clone());
        prop_assert_eq!(list.patterns(), &patterns[..]);
        for one in prefixes.iter().chain(patterns.iter().map(|pattern| &pattern.network)) {
            let expected = patterns.iter().any(|pattern| pattern.matches(one));
            prop_assert_eq!(list.matches(one), expected, "{}", one);
        }
    }

    #[test]
    fn prefix_patterns_are_read_as_they_are_written(pattern in any_prefix_pattern()) {
        let length = pattern.network.prefix();
        let longest = if pattern.network.is_ipv4() { 32 } else { 128 };
        let sound = length <= pattern.at_least && pattern.at_least <= pattern.at_most && pattern.at_most <= longest;
        prop_assert_eq!(pattern.to_string().parse().ok(), sound.then_some(pattern));
    }

    #[test]
    fn no_text_panics_and_what_is_read_is_written_alike(text in "([0-9a-z:*./ _^$()\\[\\]{}|+?,\\\\-]|\\PC){0,24}") {
        if let Ok(pattern) = text.parse::<PrefixPattern>() {
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
        if let Ok(pattern) = text.parse::<CommunityPattern>() {
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
        if let Ok(pattern) = text.parse::<AsPathPattern>() {
            prop_assert_eq!(pattern.text(), text);
            let path = "65001 {65002,65003}";
            prop_assert_eq!(pattern.matches_text(path), pattern.matches(&path.parse().unwrap()));
        }
    }

    #[test]
    fn near_misses_do_not_panic_either(
        text in "(rt|soo|generic|0x[0-9a-f]{0,17}|[0-9]{0,11}|\\*|[0-9]{1,3}\\.[0-9]\\.[0-9]\\.[0-9]|:|/| ge | le ){0,7}",
    ) {
        if let Ok(pattern) = text.parse::<CommunityPattern>() {
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
        if let Ok(pattern) = text.parse::<PrefixPattern>() {
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
    }
}
