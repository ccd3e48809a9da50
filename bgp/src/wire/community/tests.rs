use super::Community;

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
