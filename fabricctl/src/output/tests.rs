use serde::Serialize;

use super::progress;
use super::quantity::{Usage, render_age, render_count, render_time, render_usage};
use super::table::{render, render_fields};

#[test]
fn ages() {
    let table = [
        (0, "0s"),
        (999, "0s"),
        (119_999, "119s"),
        (120_000, "2m"),
        (192_000, "3m12s"),
        (599_000, "9m59s"),
        (600_000, "10m"),
        (10_799_000, "179m"),
        (10_800_000, "3h"),
        (12_000_000, "3h20m"),
        (28_800_000, "8h"),
        (172_799_000, "47h"),
        (172_800_000, "2d"),
        (187_200_000, "2d4h"),
        (691_200_000, "8d"),
        (63_072_000_000, "2y"),
        (70_000_000_000, "2y80d"),
        (u64::MAX, "584942417y129d"),
    ];
    for (milliseconds, expected) in table {
        assert_eq!(render_age(milliseconds), expected, "{milliseconds}");
    }
}

/// Against dates that everybody can look up.
#[test]
fn times() {
    let table = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999_000, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000_000, "2000-03-01T00:00:00.000Z"),
        (1_709_208_000_123_456, "2024-02-29T12:00:00.123Z"),
        (4_107_542_400_000_000, "2100-03-01T00:00:00.000Z"),
    ];
    for (microseconds, expected) in table {
        assert_eq!(render_time(microseconds), expected);
    }
}

#[test]
fn counts() {
    let table = [
        ("0", "0"),
        ("65536", "65536"),
        ("1000000", "1000000"),
        ("16777216", "2^24"),
        ("16777217", "16777217"),
        ("1208925819614629174706176", "2^80"),
        ("340282366920938463463374607431768211456", "2^128"),
        ("many", "many"),
    ];
    for (decimal, expected) in table {
        assert_eq!(render_count(decimal), expected);
    }
}

#[test]
fn usage_is_neither_empty_nor_full_before_it_is() {
    let table = [
        (0, "0", 0, "64", "[----------] 0%"),
        (1, "0", 0, "65536", "[#---------] <1%"),
        (1, "0", 0, "64", "[#---------] 1%"),
        (16, "0", 0, "64", "[###-------] 25%"),
        (32, "0", 0, "64", "[#####-----] 50%"),
        (63, "0", 0, "64", "[#########-] 98%"),
        (64, "0", 0, "64", "[##########] 100%"),
        (70, "0", 0, "64", "[##########] 100%"),
        (3, "0", 0, "340282366920938463463374607431768211456", "[#---------] <1%"),
        (3, "0", 0, "0", ""),
        (3, "0", 0, "many", ""),
        // What is withheld.
        (0, "1", 0, "64", "[=---------] 0%"),
        (0, "0", 1, "64", "[=---------] 0%"),
        (16, "16", 16, "64", "[###=====--] 25%"),
        (16, "47", 0, "64", "[###======-] 25%"),
        (16, "16", 32, "64", "[###=======] 25%"),
        (0, "64", 0, "64", "[==========] 0%"),
        (63, "1", 0, "64", "[#########=] 98%"),
        (62, "1", 0, "64", "[#########-] 96%"),
        (64, "64", 0, "64", "[##########] 100%"),
        (
            16,
            "170141183460469231731687303715884105728",
            0,
            "340282366920938463463374607431768211456",
            "[#=====----] <1%",
        ),
        (16, "", 0, "64", "[###-------] 25%"),
    ];
    for (used, reserved, cooling, total, expected) in table {
        let usage = Usage { used, reserved, cooling, total };
        assert_eq!(render_usage(usage), expected, "{usage:?}");
    }
}

#[test]
fn nothing_is_shown_too_fast_to_be_read() {
    let ms = |ms| Some(std::time::Duration::from_millis(ms));
    let table = [
        (None, false, true),
        (ms(0), false, false),
        (ms(99), false, false),
        (ms(100), false, true),
        (ms(0), true, true),
    ];
    for (age, is_last, expected) in table {
        assert_eq!(progress::is_due(age, is_last), expected, "{age:?} {is_last}");
    }
}

#[test]
fn how_far_something_is() {
    let table = [
        ("Checking handles", 0, 7, "Checking handles: 0 of 7 (0%)"),
        ("Checking handles", 6, 7, "Checking handles: 6 of 7 (85%)"),
        ("Checking handles", 8, 7, "Checking handles: 8 of 7 (100%)"),
        ("Waiting", 8, 0, "Waiting: 8"),
        (
            "Checking \x1b[2J",
            u64::MAX,
            u64::MAX,
            "Checking \\u{1b}[2J: 18446744073709551615 of 18446744073709551615 (100%)",
        ),
    ];
    for (what, done, total, expected) in table {
        assert_eq!(progress::render(what, done, total), expected);
    }
}

#[test]
fn tables_are_plain_and_safe() {
    let rows = [["a", ""], ["longer", "x\u{1b}[31m\ny"]].map(|row| row.map(str::to_owned));
    assert_eq!(render(["NAME", "VALUE"], rows), "NAME     VALUE\na        -\nlonger   x\\u{1b}[31m\\ny\n");
    assert_eq!(render(["NAME"], Vec::<[String; 1]>::new()), "");
    let fields = [("Node", "n1".to_owned()), ("Addresses", String::new())];
    assert_eq!(render_fields(&fields), "Node:        n1\nAddresses:   -\n");
}

/// Strings that YAML would read as something else, and odd ones.
#[test]
fn yaml_reads_back_as_what_was_written() {
    #[derive(Serialize)]
    struct Odd<'a> {
        values: Vec<&'a str>,
        none: Option<u32>,
        empty: Vec<u32>,
    }
    let values = vec![
        "",
        "yes",
        "no",
        "null",
        "~",
        "1",
        "1.0",
        "0x10",
        "1e3",
        "65001 65100",
        "- a",
        "a: b",
        "#",
        "{}",
        "a\nb",
        " a ",
        "fd65::/122",
        "'",
        "\"",
        "2026-01-01",
        "\t",
        "\u{1b}",
        "\u{85}",
        "ä",
        "10.0.0.1/32",
        "::",
        "|",
        "!x",
    ];
    let odd = Odd { values, none: None, empty: Vec::new() };
    let text = super::encode_yaml(&odd).expect("YAML");
    let read: serde_json::Value = serde_saphyr::from_str(&text).expect(&text);
    assert_eq!(read, serde_json::to_value(&odd).expect("JSON"), "{text}");
}
