use std::collections::BTreeMap;

use super::{SysctlError, apply, decode, for_node, for_pod_interface, for_uplink, inside_pod, locate, read};
use crate::diff::Diff;

#[test]
fn paths_stay_below_the_settings() {
    for path in ["", "/etc/passwd", "../etc/passwd", "net/../../etc/passwd", "net//ipv4", "./net", "net/"] {
        assert!(matches!(locate(path), Err(SysctlError::Malformed { .. })), "{path}");
    }
    let dotted = locate("net/ipv4/conf/eth0.100/forwarding").unwrap();
    assert_eq!(dotted.to_str(), Some("/proc/sys/net/ipv4/conf/eth0.100/forwarding"));
}

#[test]
fn values_read_as_they_are_written() {
    assert_eq!(decode("1\n"), "1");
    assert_eq!(decode("32768\t60999\n"), "32768 60999");
}

#[test]
fn parts_of_the_plan_do_not_contradict_each_other() {
    let parts = [for_node(), for_uplink("eth0", true), for_pod_interface("fabx"), inside_pod("eth7")];
    let together: BTreeMap<_, _> = parts.iter().flatten().collect();
    assert_eq!(together.len(), parts.iter().map(BTreeMap::len).sum::<usize>());
}

#[test]
fn what_is_missing_fails_alone() {
    // Reading only: the values are those that already stand.
    let known = "net/ipv4/ip_forward".to_owned();
    let missing = "net/ipv4/conf/no-such-link/forwarding".to_owned();
    let actual = read([&known, &missing]);
    assert_eq!(actual.keys().collect::<Vec<_>>(), [&known]);

    let desired = BTreeMap::from([(known.clone(), actual[&known].clone()), (missing.clone(), "1".into())]);
    let diff = Diff::between(&actual, &desired);
    let outcome = apply(actual.clone(), diff);
    assert_eq!(outcome.holds, actual);
    assert!(matches!(outcome.failed[&missing], SysctlError::Missing { .. }));
}
