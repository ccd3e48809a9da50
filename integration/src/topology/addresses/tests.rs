use std::collections::BTreeSet;

use super::*;

#[test]
fn addresses_are_as_documented() {
    let ends = link(1, 1);
    assert_eq!(ends.tor.map(|a| a.to_string()), ["10.1.1.0/31", "fd00:1:1::/127"]);
    assert_eq!(ends.node.map(|a| a.to_string()), ["10.1.1.1/31", "fd00:1:1::1/127"]);
    assert_eq!(node_loopbacks(3).map(|a| a.to_string()), ["10.255.0.3/32", "fd00:ff::3/128"]);
    assert_eq!(tor_loopbacks(2).map(|a| a.to_string()), ["10.255.1.2/32", "fd00:ff:1::2/128"]);
    assert_eq!(pod_pools().map(|a| a.to_string()), ["10.42.0.0/16", "fd00:42::/48"]);
}

#[test]
fn no_two_interfaces_share_an_address_and_ends_of_a_link_share_its_prefix() {
    let mut seen = BTreeSet::new();
    for t in 1..=4 {
        for n in 1..=127 {
            let ends = link(t, n);
            for (one, other) in ends.tor.into_iter().zip(ends.node) {
                assert_eq!(one.network(), other.network());
                assert!(seen.insert(one.ip()) && seen.insert(other.ip()));
            }
        }
    }
    for own in (1..=127).map(node_loopbacks).chain((1..=4).map(tor_loopbacks)).flatten() {
        assert!(seen.insert(own.ip()));
        assert!(fabric().iter().any(|network| network.contains(own.ip())));
    }
}
