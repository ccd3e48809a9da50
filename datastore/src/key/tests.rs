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
        ("fnp", Kind::FabricNetworkPolicy),
        ("networkpolicies.fabric.rs", Kind::FabricNetworkPolicy),
        ("gnp", Kind::GlobalNetworkPolicy),
        ("cnp", Kind::ClusterNetworkPolicy),
    ] {
        assert_eq!(Kind::parse(text), Ok(kind));
    }
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
        assert_eq!(Kind::from_manifest(Some(kind.api_version()), kind.manifest_name()), Some(kind));
        for alias in kind.aliases() {
            assert_eq!(Kind::parse(alias), Ok(kind), "one word, one kind");
        }
    }
    assert_eq!(
        Kind::parse("ippols").unwrap_err().to_string(),
        "there is no kind \"ippols\"; did you mean \"ippools\"? known are nodes, namespaces, \
         serviceaccounts, pods, endpointslices, networkpolicies, clusternetworkpolicies, leases, tiers, \
         networkpolicies.fabric.rs, globalnetworkpolicies, stagednetworkpolicies, stagedglobalnetworkpolicies, \
         stagedkubernetesnetworkpolicies, networksets, globalnetworksets, hostendpoints, ippools, ipreservations, ipamconfigurations, ipamblocks, blockaffinities, ipamhandles, workloadendpoints, policystatuses"
    );
    assert_eq!(Kind::from_manifest(None, "NetworkPolicy"), Some(Kind::NetworkPolicy));
    assert_eq!(Kind::from_manifest(None, "FabricNetworkPolicy"), None);
    assert!(!Kind::parse("deployment").unwrap_err().to_string().contains("did you mean"));
}
