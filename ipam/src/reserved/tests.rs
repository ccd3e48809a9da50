use super::*;

fn reserved(cidrs: &[&str]) -> Reserved {
    Reserved::new(cidrs.iter().enumerate().map(|(index, cidr)| Reservation {
        name: format!("r{index}"),
        reserved_cidrs: vec![cidr.parse().unwrap()],
    }))
}

#[test]
fn overlapping_and_touching_prefixes_are_one() {
    let reserved = reserved(&["10.0.0.128/25", "10.0.0.0/25", "10.0.0.7", "10.0.2.0/31", "fd00::/127"]);
    for (address, is) in [
        ("9.255.255.255", false),
        ("10.0.0.0", true),
        ("10.0.0.255", true),
        ("10.0.1.0", false),
        ("10.0.2.1", true),
        ("10.0.2.2", false),
        ("fd00::1", true),
        ("fd00::2", false),
    ] {
        assert_eq!(reserved.covers(address.parse().unwrap()), is, "{address}");
        assert_eq!(reserved.by(address.parse().unwrap()).is_some(), is, "{address}");
    }
    for (cidr, whole, count) in [
        ("10.0.0.0/24", true, 256),
        ("10.0.0.64/26", true, 64),
        ("10.0.0.0/23", false, 256),
        ("10.0.0.0/22", false, 258),
        ("10.0.2.1/32", true, 1),
        ("11.0.0.0/8", false, 0),
        ("::/0", false, 2),
    ] {
        let cidr: IpNetwork = cidr.parse().unwrap();
        assert_eq!((reserved.covers_all(&cidr), reserved.count_in(&cidr)), (whole, count), "{cidr}");
    }
}

#[test]
fn the_ends_of_the_address_space() {
    let all = reserved(&["::/0", "0.0.0.0/0"]);
    assert!(all.covers_all(&"::/0".parse().unwrap()) && all.covers_all(&"0.0.0.0/0".parse().unwrap()));
    assert_eq!(all.count_in(&"::/0".parse().unwrap()), u128::MAX);
    assert_eq!(all.count_in(&"0.0.0.0/0".parse().unwrap()), 1 << 32);
    assert_eq!(all.by("10.0.0.1".parse().unwrap()).unwrap().name, "r1");
}
