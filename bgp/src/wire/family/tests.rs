use super::Family;

#[test]
fn text_and_code_points_and_back() {
    for family in Family::ALL {
        assert_eq!(family.to_string().parse(), Ok(family));
        assert_eq!(Family::from_codes(family.afi(), family.safi()), Some(family));
    }
    assert_eq!(Family::Ipv6Unicast.to_string(), "ipv6-unicast");
    assert_eq!(
        "ipv5".parse::<Family>().unwrap_err().to_string(),
        r#"unknown address family "ipv5": give ipv4-unicast or ipv6-unicast"#
    );
    assert_eq!(Family::from_codes(1, 2), None);
}

#[test]
fn of_a_prefix() {
    assert_eq!(Family::of(&"10.0.0.0/8".parse().unwrap()), Family::Ipv4Unicast);
    assert_eq!(Family::of(&"2001:db8::/32".parse().unwrap()), Family::Ipv6Unicast);
}
