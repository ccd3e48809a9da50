use proptest::prelude::*;

use super::*;

fn networks(texts: &[&str]) -> Vec<IpNetwork> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn cut(network: &str, except: &[&str]) -> Vec<String> {
    let except = networks(except);
    cover([Cut { network: network.parse().unwrap(), except: &except }])
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn adjacent_and_overlapping_ranges_become_one() {
    let merged =
        merge(vec![(80u16, 80), (443, 445), (81, 90), (85, 100), (65535, 65535), (9, 8), (65534, 65535)]);
    assert_eq!(merged, [(80, 100), (443, 445), (65534, 65535)]);
}

#[test]
fn an_exception_splits_its_network() {
    assert_eq!(cut("10.0.0.0/30", &["10.0.0.1/32"]), ["10.0.0.0/32", "10.0.0.2/31"]);
    assert_eq!(cut("10.0.0.0/8", &["10.128.0.0/9"]), ["10.0.0.0/9"]);
    assert_eq!(cut("10.0.0.0/8", &["10.0.0.0/9", "10.128.0.0/9"]), [""; 0]);
    assert_eq!(cut("fd00::/126", &["fd00::2/128"]), ["fd00::/127", "fd00::3/128"]);
}

#[test]
fn whole_families_survive_the_arithmetic() {
    assert_eq!(cut("0.0.0.0/0", &[]), ["0.0.0.0/0"]);
    assert_eq!(cut("::/0", &[]), ["::/0"]);
    assert_eq!(cut("::/0", &["8000::/1"]), ["::/1"]);
    assert_eq!(cut("::/0", &["::/1"]), ["8000::/1"]);
    assert_eq!(cut("0.0.0.0/0", &["255.255.255.255/32"]).len(), 32);
    // The other family's exception is no exception.
    assert_eq!(cut("0.0.0.0/0", &["::/0"]), ["0.0.0.0/0"]);
}

#[test]
fn an_exception_holds_for_its_own_network_only() {
    let except = networks(&["10.0.0.0/9"]);
    let covered = cover([
        Cut { network: "10.0.0.0/8".parse().unwrap(), except: &except },
        Cut { network: "10.1.0.0/16".parse().unwrap(), except: &[] },
    ]);
    assert_eq!(covered, networks(&["10.1.0.0/16", "10.128.0.0/9"]).into_iter().collect());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn subtraction_keeps_exactly_what_is_outside_the_holes(
        from in prop::collection::vec((0u16..40, 0u16..40), 0..5),
        holes in prop::collection::vec((0u16..40, 0u16..40), 0..5),
    ) {
        let left = subtract(from.clone(), holes.clone());
        prop_assert_eq!(&merge(left.clone()), &left, "normal form");
        let within = |ranges: &[(u16, u16)], value| ranges.iter().any(|(a, b)| (*a..=*b).contains(&value));
        for value in 0..42 {
            prop_assert_eq!(within(&left, value), within(&from, value) && !within(&holes, value));
        }
    }

    #[test]
    fn a_cover_has_exactly_the_addresses_of_the_networks(
        blocks in prop::collection::vec((any::<u8>(), 24u8..=32, prop::collection::vec((any::<u8>(), 24u8..=32), 0..3)), 1..4),
    ) {
        let network = |host: u8, prefix| {
            IpNetwork::new(IpAddr::from([10, 0, 0, host]), prefix).unwrap()
        };
        let blocks: Vec<(IpNetwork, Vec<IpNetwork>)> = blocks
            .into_iter()
            .map(|(host, prefix, holes)| (network(host, prefix), holes.into_iter().map(|(h, p)| network(h, p)).collect()))
            .collect();
        let covered = cover(blocks.iter().map(|(network, except)| Cut { network: *network, except }));
        for host in 0..=255u8 {
            let address = IpAddr::from([10, 0, 0, host]);
            let times = covered.iter().filter(|network| network.contains(address)).count();
            let wanted = blocks
                .iter()
                .any(|(network, holes)| network.contains(address) && !holes.iter().any(|hole| hole.contains(address)));
            prop_assert_eq!(times, usize::from(wanted), "each address once, or not at all");
        }
    }
}
