use std::time::Duration;

use super::*;

fn samples() -> Vec<Resource> {
    let cidr = "10.0.0.64/26".parse().unwrap();
    let block = ipam::Block::new(cidr, "n1", ipam::Timestamp(5)).unwrap();
    let block = block
        .taking(
            "10.0.0.70".parse().unwrap(),
            "c1.eth0",
            &ipam::Attributes::default(),
            ipam::Timestamp(5),
            Duration::ZERO,
        )
        .unwrap();
    let pool: ipam::Pool = serde_json::from_value(json!({ "cidr": "10.0.0.0/16" })).unwrap();
    let pool = ipam::Pool { name: "default".into(), ..pool };
    let endpoint = WorkloadEndpoint {
        namespace: "shop".into(),
        name: "web".into(),
        node: "n1".into(),
        container_id: "c1".into(),
        interface: "eth0".into(),
        host_interface: "fab123".into(),
        mac: "aa:bb:cc:dd:ee:ff".into(),
        addresses: vec!["10.0.0.70".parse().unwrap()],
        labels: [("app".to_owned(), "web".to_owned())].into(),
        netns: "/run/netns/c1".into(),
    };
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": { "name": "deny", "namespace": "shop" }, "spec": { "podSelector": {} },
    });
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n1" } });
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "ipam", "namespace": "fabric-system" }, "spec": { "holderIdentity": "n1" },
    });
    let policy_of = |kind: Kind, spec: Value| {
        let namespace = if kind.is_namespaced() { json!("shop") } else { Value::Null };
        let metadata = json!({ "name": "p", "namespace": namespace, "labels": { "a": "b" } });
        Resource::decode(kind, json!({ "metadata": metadata, "spec": spec })).unwrap()
    };
    let reserved_cidrs = vec!["10.0.0.0/30".parse().unwrap()];
    let reservation = ipam::Reservation { name: "routers".into(), reserved_cidrs };
    let state = ipam::AffinityState::Confirmed;
    vec![
        Resource::Node(serde_json::from_value(node).unwrap()),
        Resource::Lease(serde_json::from_value(lease).unwrap()),
        Resource::IpReservation(Box::new(reservation)),
        Resource::IpamConfiguration(Box::default()),
        Resource::IpPool(Box::new(pool)),
        Resource::IpamBlock(Box::new(block)),
        Resource::BlockAffinity(Box::new(ipam::Affinity { node: "n1".into(), cidr, state })),
        Resource::IpamHandle(Box::new(ipam::Handle { id: "c1.eth0".into(), blocks: [(cidr, 1)].into() })),
        Resource::WorkloadEndpoint(Box::new(endpoint)),
        Resource::PolicyStatus(Box::new(PolicyStatus {
            node: "n1".into(),
            seen: [("NetworkPolicy".into(), 7)].into(),
            failed: [("shop/deny".into(), "too deep".into())].into(),
        })),
        Resource::NetworkPolicy(serde_json::from_value(policy).unwrap()),
        policy_of(Kind::ClusterNetworkPolicy, json!({ "tier": "Admin", "newer": 1 })),
        policy_of(Kind::Tier, json!({ "order": 1.5 })),
        policy_of(Kind::FabricNetworkPolicy, json!({ "ingress": [{ "action": "Allow" }] })),
        policy_of(Kind::GlobalNetworkPolicy, json!({ "order": 7 })),
        policy_of(Kind::StagedNetworkPolicy, json!({})),
        policy_of(Kind::StagedGlobalNetworkPolicy, json!({ "stagedAction": "Delete" })),
        policy_of(Kind::StagedKubernetesNetworkPolicy, json!({ "podSelector": {} })),
        policy_of(Kind::NetworkSet, json!({ "nets": ["10.0.0.0/8"] })),
        policy_of(Kind::GlobalNetworkSet, json!({})),
        policy_of(Kind::HostEndpoint, json!({ "node": "n1" })),
    ]
}

#[test]
fn manifests_survive_the_way_there_and_back() {
    for resource in samples() {
        let value = resource.encode().unwrap();
        assert_eq!(value["kind"], resource.kind().manifest_name());
        assert_eq!(value["apiVersion"], resource.kind().api_version());
        assert_eq!(value["metadata"]["name"], resource.key().name);
        assert_eq!(Resource::decode(resource.kind(), value).unwrap(), resource);
    }
}

#[test]
fn keys_read_like_names() {
    let keys: Vec<String> = samples().iter().map(|resource| resource.key().to_string()).collect();
    assert_eq!(
        keys,
        [
            "Node n1",
            "Lease fabric-system/ipam",
            "IPReservation routers",
            "IPAMConfiguration default",
            "IPPool default",
            "IPAMBlock 10-0-0-64-26",
            "BlockAffinity n1.10-0-0-64-26",
            "IPAMHandle c1.eth0",
            "WorkloadEndpoint shop/web",
            "PolicyStatus n1",
            "NetworkPolicy shop/deny",
            "ClusterNetworkPolicy p",
            "Tier p",
            "FabricNetworkPolicy shop/p",
            "GlobalNetworkPolicy p",
            "StagedNetworkPolicy shop/p",
            "StagedGlobalNetworkPolicy p",
            "StagedKubernetesNetworkPolicy shop/p",
            "NetworkSet shop/p",
            "GlobalNetworkSet p",
            "HostEndpoint p",
        ]
    );
}

#[test]
fn what_belongs_to_a_node_is_found_by_it() {
    let labels: Vec<(Kind, String)> = samples()
        .iter()
        .filter(|resource| resource.labels().contains_key(NODE_LABEL))
        .map(|resource| {
            let labels = resource.labels().into_iter().map(|(key, value)| format!("{key}={value}"));
            (resource.kind(), labels.collect::<Vec<_>>().join(","))
        })
        .collect();
    assert_eq!(
        labels,
        [
            (Kind::IpamBlock, "fabric.rs/node=n1".to_owned()),
            (Kind::BlockAffinity, "fabric.rs/node=n1".to_owned()),
            (Kind::WorkloadEndpoint, "app=web,fabric.rs/node=n1".to_owned()),
            (Kind::PolicyStatus, "fabric.rs/node=n1".to_owned()),
        ]
    );
}
