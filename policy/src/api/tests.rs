use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cluster::{ClusterNetworkPolicySpec, EgressPeer};
use super::host::{EndpointPort, HostEndpointSpec};
use super::own::{PolicySpec, StagedKubernetesNetworkPolicySpec, TierSpec};
use super::rule::{EntityRule, Icmp, Rule, ServiceAccountMatch, ServiceMatch};
use super::set::NetworkSetSpec;
use super::*;

/// Reads and writes; what comes out must be what went in.
fn survives<T: DeserializeOwned + Serialize>(value: &Value) -> T {
    let read: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), *value);
    read
}

/// A rule with every field that there is.
fn rule() -> Value {
    json!({
        "action": "Deny", "ipVersion": 4, "protocol": "ICMP", "notProtocol": 17,
        "icmp": { "type": 8, "code": 0 }, "notICMP": { "type": 3 },
        "source": {
            "nets": ["10.0.0.0/8"], "notNets": ["10.1.0.0/16"], "selector": "a == 'b'", "notSelector": "has(c)",
            "namespaceSelector": "global()", "ports": [80, "1000:2000", "http"], "notPorts": [443],
            "services": { "name": "web", "namespace": "shop" },
            "serviceAccounts": { "names": ["bot"], "selector": "x == 'y'" },
        },
        "destination": { "nets": ["::/0"] },
        "http": { "methods": ["GET"] }, "metadata": { "annotations": { "why": "because" } },
    })
}

/// A specification with every field that any kind has.
fn policy() -> Value {
    json!({
        "stagedAction": "Set", "tier": "security", "order": 10, "selector": "all()", "namespaceSelector": "a == 'b'",
        "serviceAccountSelector": "has(c)", "types": ["Ingress", "Egress"], "ingress": [rule()], "egress": [rule()],
        "doNotTrack": true, "preDNAT": true, "applyOnForward": true,
    })
}

fn host_endpoint() -> Value {
    let ports = json!([{ "name": "ssh", "protocol": "TCP", "port": 22 }]);
    json!({ "node": "n1", "interfaceName": "eth0", "expectedIPs": ["192.0.2.1"], "ports": ports })
}

#[test]
fn what_is_written_survives() {
    let metadata = json!({ "name": "p", "namespace": "shop", "labels": { "a": "b" } });
    let policy: NetworkPolicy = survives(&json!({ "metadata": metadata, "spec": policy() }));
    assert_eq!(policy.spec.order, Some(10.0));
    assert_eq!(policy.spec.ingress[0].rest, Rest::new());
    assert_eq!(policy.spec.ingress[0].source.rest, Rest::new());
    let _: Tier = survives(&json!({ "metadata": {}, "spec": { "order": 0.5, "defaultAction": "Pass" } }));
    let _: GlobalNetworkSet = survives(&json!({ "metadata": metadata, "spec": { "nets": ["10.0.0.1"] } }));
    let _: HostEndpoint = survives(&json!({ "metadata": metadata, "spec": host_endpoint() }));
    let staged: StagedKubernetesNetworkPolicy = survives(&json!({ "metadata": metadata, "spec": {
        "stagedAction": "Delete", "podSelector": { "matchLabels": { "a": "b" } }, "ingress": [{}],
        "egress": [{ "to": [{ "podSelector": {} }] }], "policyTypes": ["Ingress"],
    }}));
    let enforced = serde_json::to_value(staged.enforced()).unwrap();
    assert_eq!(enforced["metadata"], metadata);
    assert_eq!(enforced["spec"]["podSelector"], json!({ "matchLabels": { "a": "b" } }));
    assert_eq!(enforced["spec"]["policyTypes"], json!(["Ingress"]));
}

#[test]
fn cluster_network_policies_survive() {
    let pods = json!({ "namespaceSelector": {}, "podSelector": { "matchLabels": { "a": "b" } } });
    let policy: ClusterNetworkPolicy = survives(&json!({ "metadata": { "name": "p" }, "spec": {
        "tier": "Admin", "priority": 10, "subject": { "pods": pods },
        "ingress": [{ "name": "one", "action": "Accept", "from": [{ "namespaces": {} }, { "pods": pods }],
            "protocols": [
                { "tcp": { "destinationPort": { "number": 80 } } },
                { "udp": { "destinationPort": { "range": { "start": 1, "end": 9 } } } },
                { "sctp": {} }, { "destinationNamedPort": "http" },
            ] }],
        "egress": [{ "action": "Deny", "to": [
            { "networks": ["10.0.0.0/8"] }, { "nodes": {} }, { "domainNames": ["*.example.org"] },
        ] }],
    }}));
    assert_eq!(policy.spec.priority, Some(10));
    assert_eq!(policy.spec.egress[0].to[0].networks.as_deref(), Some(&["10.0.0.0/8".to_owned()][..]));
}

#[test]
fn what_is_not_known_is_noticed_where_it_stands() {
    let spec: ClusterNetworkPolicySpec = serde_json::from_value(json!({
        "tier": "Admin", "subject": { "services": {} },
        "egress": [{ "action": "Accept", "to": [{ "networks": ["::/0"], "since": 1 }], "protocols": [{ "icmp": {} }] }],
    }))
    .unwrap();
    assert!(spec.subject.rest.contains_key("services"));
    assert_eq!(spec.egress[0].to[0].rest["since"], 1);
    assert!(spec.egress[0].protocols[0].rest.contains_key("icmp"));
    let peer: EgressPeer = serde_json::from_value(json!({ "clusters": {} })).unwrap();
    assert_eq!(
        peer,
        EgressPeer { rest: [("clusters".to_owned(), json!({}))].into(), ..EgressPeer::default() }
    );
    // And survives, so that storing an object does not change what it means.
    let _: EgressPeer = survives(&json!({ "clusters": {} }));
    let rule: Rule = survives(&json!({ "action": "Allow", "source": { "asn": 64512 } }));
    assert!(!rule.source.is_empty());
}

#[test]
fn what_makes_no_sense_can_be_read() {
    for spec in [
        json!({}),
        json!({ "types": ["Sideways"], "selector": "((", "order": -1e300, "tier": "no such tier" }),
        json!({ "ingress": [{}, { "action": "Explode", "protocol": "", "ipVersion": 7, "icmp": { "code": 900 } }] }),
        json!({ "egress": [{ "action": "Deny", "destination": { "nets": ["x"], "ports": ["9:1", -3] } }] }),
    ] {
        let read: PolicySpec = serde_json::from_value(spec.clone()).unwrap();
        let again: PolicySpec = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
        assert_eq!(again, read, "{spec}");
    }
}

#[test]
fn fields_that_a_kind_does_not_have_are_named() {
    let spec: PolicySpec = serde_json::from_value(policy()).unwrap();
    assert_eq!(spec.misplaced(true, true), [""; 0]);
    assert_eq!(spec.misplaced(true, false), ["stagedAction"]);
    assert_eq!(spec.misplaced(false, true), ["namespaceSelector", "doNotTrack", "preDNAT", "applyOnForward"]);
    assert_eq!(PolicySpec::default().misplaced(false, false), [""; 0]);
    assert_eq!((PolicySpec::default().tier(), spec.tier()), ("default", "security"));
}

/// Exactly these fields are known: a sample that has all of them has them.
#[test]
fn the_lists_of_fields_are_those_of_the_types() {
    fn same(sample: &Value, lists: &[&[&str]]) {
        let mut written: Vec<&str> = sample.as_object().unwrap().keys().map(String::as_str).collect();
        let mut listed = lists.concat();
        written.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, written);
    }
    fn known<T: DeserializeOwned>(sample: &Value, rest: fn(&T) -> &Rest) {
        assert_eq!(*rest(&serde_json::from_value(sample.clone()).unwrap()), Rest::new());
    }
    let (policy, rule, host) = (policy(), rule(), host_endpoint());
    let fields = [PolicySpec::FIELDS, PolicySpec::GLOBAL_FIELDS, PolicySpec::STAGED_FIELDS];
    same(&policy, &fields);
    known::<PolicySpec>(&policy, |read| &read.rest);
    same(&rule, &[Rule::FIELDS]);
    known::<Rule>(&rule, |read| &read.rest);
    same(&rule["source"], &[EntityRule::FIELDS]);
    known::<EntityRule>(&rule["source"], |read| &read.rest);
    same(&rule["icmp"], &[Icmp::FIELDS]);
    known::<Icmp>(&rule["icmp"], |read| &read.rest);
    same(&rule["source"]["services"], &[ServiceMatch::FIELDS]);
    known::<ServiceMatch>(&rule["source"]["services"], |read| &read.rest);
    same(&rule["source"]["serviceAccounts"], &[ServiceAccountMatch::FIELDS]);
    known::<ServiceAccountMatch>(&rule["source"]["serviceAccounts"], |read| &read.rest);
    same(&host, &[HostEndpointSpec::FIELDS]);
    known::<HostEndpointSpec>(&host, |read| &read.rest);
    same(&host["ports"][0], &[EndpointPort::FIELDS]);
    known::<EndpointPort>(&host["ports"][0], |read| &read.rest);
    let tier = json!({ "order": 1, "defaultAction": "Deny" });
    same(&tier, &[TierSpec::FIELDS]);
    known::<TierSpec>(&tier, |read| &read.rest);
    let set = json!({ "nets": ["::/0"] });
    same(&set, &[NetworkSetSpec::FIELDS]);
    known::<NetworkSetSpec>(&set, |read| &read.rest);
    let staged =
        json!({ "stagedAction": "Set", "podSelector": {}, "ingress": [], "egress": [], "policyTypes": [] });
    same(&staged, &[StagedKubernetesNetworkPolicySpec::FIELDS]);
    known::<StagedKubernetesNetworkPolicySpec>(&staged, |read| &read.rest);
}
