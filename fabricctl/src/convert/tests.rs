use serde_json::json;

use super::*;

/// What comes of one object, and what it loses.
fn one(object: Value) -> (Option<Value>, Vec<String>) {
    let Conversion { mut objects, losses } = convert(vec![object]);
    assert!(objects.len() < 2);
    let losses = losses.into_iter().map(|Loss { object, field, what }| format!("{object}|{field}|{what}"));
    (objects.pop(), losses.collect())
}

fn object(kind: &str, metadata: Value, spec: Value) -> Value {
    json!({ "apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": metadata, "spec": spec })
}

/// Nothing is lost, and nothing but the group changes.
fn same(kind: &str, spec: Value) {
    let metadata = json!({ "name": "x", "labels": { "a": "b" } });
    let (converted, losses) = one(object(kind, metadata.clone(), spec.clone()));
    let expected = json!({ "apiVersion": "fabric.rs/v1", "kind": kind, "metadata": metadata, "spec": spec });
    assert_eq!((converted, losses), (Some(expected), Vec::new()));
}

#[test]
fn what_means_the_same_stays_the_same() {
    same("Tier", json!({ "order": 100, "defaultAction": "Pass" }));
    let rule = json!({
        "action": "Deny", "ipVersion": 4, "protocol": "TCP", "metadata": { "annotations": { "why": "so" } },
        "source": { "selector": "role == 'frontend'", "namespaceSelector": "global()", "notNets": ["10.0.0.0/8"] },
        "destination": { "ports": [80, "8000:9000", "http"], "serviceAccounts": { "names": ["web"] } },
    });
    let icmp = json!({ "action": "Pass", "protocol": "ICMPv6", "icmp": { "type": 128, "code": 0 } });
    let policy = json!({
        "tier": "security", "order": 10.5, "selector": "all()", "types": ["Ingress", "Egress"],
        "ingress": [rule, icmp], "egress": [{ "action": "Log" }, { "action": "Allow" }],
        "serviceAccountSelector": "has(x)",
    });
    same("NetworkPolicy", policy.clone());
    same("StagedNetworkPolicy", policy.clone());
    let mut global = policy;
    global["namespaceSelector"] = json!("env == 'prod'");
    global["applyOnForward"] = json!(true);
    global["preDNAT"] = json!(true);
    same("GlobalNetworkPolicy", global);
    same("NetworkSet", json!({ "nets": ["198.51.100.0/24", "2001:db8::1"] }));
    same("GlobalNetworkSet", json!({ "nets": [] }));
    same(
        "HostEndpoint",
        json!({ "node": "n1", "interfaceName": "eth0", "expectedIPs": ["192.0.2.1"],
        "ports": [{ "name": "ssh", "protocol": "TCP", "port": 22 }] }),
    );
    same(
        "StagedKubernetesNetworkPolicy",
        json!({ "stagedAction": "Delete", "podSelector": {}, "ingress": [{}] }),
    );
    same("IPReservation", json!({ "reservedCIDRs": ["10.0.0.0/30"] }));
}

#[test]
fn what_requests_do_cannot_be_judged() {
    let http = json!({ "action": "Allow", "protocol": "TCP", "http": { "methods": ["GET"] } });
    let spec = json!({ "selector": "all()", "egress": [http] });
    let (converted, losses) = one(object("GlobalNetworkPolicy", json!({ "name": "web" }), spec));
    // The rule goes, and what it was for stays closed: the policy goes on to be one of egress.
    assert_eq!(converted.unwrap()["spec"], json!({ "selector": "all()", "egress": [], "types": ["Egress"] }));
    assert_eq!(
        losses,
        [
            "GlobalNetworkPolicy web|spec.egress[0].http|needs a proxy that reads requests, and there is none",
            "GlobalNetworkPolicy web|spec.egress[0]|is left out, as without that it would match more",
        ]
    );
}

#[test]
fn conditions_that_are_not_known_never_let_more_pass() {
    let rules = json!([
        { "action": "Allow", "destination": { "domains": ["*.example.org"], "nets": ["10.0.0.0/8"] } },
        { "action": "Deny", "destination": { "domains": ["*.example.org"], "nets": ["10.0.0.0/8"] } },
        { "action": "Pass", "newer": 1 },
        { "action": "Allow", "source": { "selector": "pcns.env != 'prod'" } },
    ]);
    let (converted, losses) =
        one(object("NetworkPolicy", json!({ "name": "p", "namespace": "shop" }), json!({ "egress": rules })));
    let spec = &converted.unwrap()["spec"];
    assert_eq!(spec["egress"], json!([{ "action": "Deny", "destination": { "nets": ["10.0.0.0/8"] } }]));
    assert_eq!(spec["types"], json!(["Egress"]));
    let fields: Vec<&str> = losses.iter().filter_map(|loss| loss.split('|').nth(1)).collect();
    assert_eq!(
        fields,
        [
            "spec.egress[0].destination.domains",
            "spec.egress[0]",
            "spec.egress[1].destination.domains",
            "spec.egress[2].newer",
            "spec.egress[2]",
            "spec.egress[3].source.selector",
            "spec.egress[3]",
        ]
    );
    assert!(losses[0].starts_with("NetworkPolicy shop/p|"), "{losses:?}");
}

#[test]
fn stored_objects_are_called_as_their_authors_call_them() {
    let kept = json!({ "name": "allow", "labels": { "team": "a" }, "uid": "other" }).to_string();
    let stored = json!({
        "apiVersion": "crd.projectcalico.org/v1", "kind": "NetworkPolicy",
        "metadata": {
            "name": "default.allow", "namespace": "shop", "uid": "u", "resourceVersion": "7", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{}],
            "annotations": { "projectcalico.org/metadata": kept, "note": "n",
                "kubectl.kubernetes.io/last-applied-configuration": "{}" },
        },
        "spec": { "tier": "default", "performanceHints": ["AssumeNeededOnEveryNode"] },
    });
    let (converted, losses) = one(stored);
    let metadata = json!({ "name": "allow", "namespace": "shop", "labels": { "team": "a" }, "annotations": { "note": "n" } });
    let converted = converted.unwrap();
    assert_eq!((&converted["metadata"], &converted["spec"]), (&metadata, &json!({ "tier": "default" })));
    assert_eq!(losses.len(), 1, "{losses:?}");
    // Elsewhere that is a name like any other.
    let (converted, _) = one(object("NetworkPolicy", json!({ "name": "default.allow" }), json!({})));
    assert_eq!(converted.unwrap()["metadata"]["name"], "default.allow");
}

#[test]
fn what_is_there_already_is_not_written() {
    for tier in ["default", "kube-admin", "kube-baseline"] {
        let (converted, losses) = one(object("Tier", json!({ "name": tier }), json!({ "order": 1_000_000 })));
        assert_eq!((converted, losses), (None, Vec::new()));
    }
    let (converted, losses) = one(object("NetworkPolicy", json!({ "name": "knp.default.web" }), json!({})));
    assert_eq!(converted, None);
    assert!(losses[0].ends_with("export that one"), "{losses:?}");
}

#[test]
fn pools_lose_their_tunnels_and_translations() {
    let spec = json!({ "cidr": "10.244.0.0/16", "blockSize": 26, "ipipMode": "Always", "vxlanMode": "Never",
        "natOutgoing": true, "nodeSelector": "all()", "allowedUses": ["Workload", "Tunnel"], "disableBGPExport": false });
    let (converted, losses) = one(object("IPPool", json!({ "name": "pods" }), spec));
    let expected = json!({ "cidr": "10.244.0.0/16", "blockSize": 26, "nodeSelector": "all()", "allowedUses": ["Workload", "Tunnel"] });
    assert_eq!(converted.unwrap()["spec"], expected);
    let fields: Vec<&str> = losses.iter().filter_map(|loss| loss.split('|').nth(1)).collect();
    assert_eq!(fields, ["spec.ipipMode", "spec.natOutgoing"]);
    let spec = json!({ "strictAffinity": true, "maxBlocksPerHost": 4, "autoAllocateBlocks": true });
    let (converted, losses) = one(object("IPAMConfiguration", json!({ "name": "default" }), spec.clone()));
    assert_eq!((&converted.unwrap()["spec"], losses.len()), (&spec, 0));
}

#[test]
fn kinds_without_a_counterpart_are_said() {
    let spec = json!({ "peerIP": "192.0.2.1", "asNumber": 64512 });
    let (converted, losses) = one(object("BGPPeer", json!({ "name": "tor" }), spec));
    assert_eq!(converted, None);
    assert_eq!(
        losses,
        [
            "BGPPeer tor||is no object here: each agent's configuration file says its peers and filters (docs/bgp.md)"
        ]
    );
    let profiles = json!({ "node": "n1", "interfaceName": "*", "profiles": ["projectcalico-default-allow"] });
    let (converted, losses) = one(object("HostEndpoint", json!({ "name": "h" }), profiles));
    assert_eq!(converted.unwrap()["spec"], json!({ "node": "n1", "interfaceName": "*" }));
    assert!(
        losses[0].contains("|spec.profiles|there are no profiles (projectcalico-default-allow)"),
        "{losses:?}"
    );
    let other =
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "namespace": "shop" } });
    let (converted, losses) = one(other);
    assert_eq!(converted, None);
    assert!(
        losses[0].starts_with("Pod shop/web||is of \"v1\", and only projectcalico.org/v3 and"),
        "{losses:?}"
    );
}

#[test]
fn lists_are_of_one_kind_or_of_many() {
    let set = |name: &str| json!({ "metadata": { "name": name }, "spec": { "nets": [] } });
    let list = json!({ "apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkSetList", "items": [set("a"), set("b")] });
    let many = json!({ "apiVersion": "v1", "kind": "List", "items": [object("Tier", json!({ "name": "t" }), json!({}))] });
    let Conversion { objects, losses } = convert(vec![list, Value::Null, many]);
    let names: Vec<String> = objects
        .iter()
        .map(|object| format!("{} {}", text(object, "/kind"), text(object, "/metadata/name")))
        .collect();
    assert_eq!(names, ["GlobalNetworkSet a", "GlobalNetworkSet b", "Tier t"]);
    assert_eq!(losses, []);
}
