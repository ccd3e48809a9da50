use super::*;

#[test]
fn kinds_go_by_many_names() {
    for (text, kind) in [
        ("NetworkPolicy", Kind::NetworkPolicy),
        ("networkpolicies", Kind::NetworkPolicy),
        ("NETPOL", Kind::NetworkPolicy),
        ("ippools", Kind::IpPool),
        ("pods", Kind::Pod),
        ("ns", Kind::Namespace),
        ("wep", Kind::WorkloadEndpoint),
    ] {
        assert_eq!(Kind::parse(text), Ok(kind));
    }
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(
        Kind::parse("ippols").unwrap_err().to_string(),
        "there is no kind \"ippols\"; did you mean \"ippools\"? known are nodes, namespaces, pods, \
         networkpolicies, leases, ippools, ipreservations, ipamconfigurations, ipamblocks, blockaffinities, ipamhandles, workloadendpoints"
    );
    assert!(!Kind::parse("deployment").unwrap_err().to_string().contains("did you mean"));
}
