use std::collections::BTreeSet;

use super::{fnv1a, host_interface_name};

#[test]
fn a_name_never_changes() {
    // A pod attached by an older agent must be found by this one.
    assert_eq!(host_interface_name("0f3c9d", "eth0"), "fab7k2yfv4wjtkf");
}

#[test]
fn names_fit_the_kernel_and_differ() {
    let mut seen = BTreeSet::new();
    for container in 0..5_000_u32 {
        for interface in ["eth0", "net1"] {
            let name = host_interface_name(&format!("{container:064x}"), interface);
            assert_eq!(name.len(), 15);
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{name}");
            assert!(seen.insert(name));
        }
    }
}

#[test]
fn container_and_interface_are_told_apart() {
    assert_ne!(host_interface_name("ab", "c"), host_interface_name("a", "bc"));
    assert_ne!(fnv1a([].into_iter()), fnv1a([0].into_iter()));
}
