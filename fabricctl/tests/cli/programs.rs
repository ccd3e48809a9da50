//! What programs see: the shapes are a promise.

use serde_json::{Value, json};

use crate::fixture::Agent;

#[track_caller]
pub fn check(line: &str, expected: &Value) {
    let agent = Agent::start();
    let text = agent.show(&format!("{line} -o json"));
    let shown: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(&shown, expected, "{line}\n{text}");
    assert!(text.ends_with("}\n"), "{line}: closed by a newline");
    let text = agent.show(&format!("{line} -o yaml"));
    let shown: Value = serde_saphyr::from_str(&text).expect("YAML");
    assert_eq!(&shown, expected, "{line}\n{text}");
    assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{line}: closed by one newline");
}

/// An object with some fields changed or added.
pub fn with(base: &Value, changes: &Value) -> Value {
    let mut object = base.clone();
    for (key, value) in changes.as_object().expect("an object") {
        object[key] = value.clone();
    }
    object
}

#[test]
fn peers() {
    let family = json!({
        "family": "", "negotiated": true, "received": 0, "accepted": 0, "rejected": 0, "stale": 0, "advertised": 0,
        "limit": null, "endOfRibReceived": true, "noNextHop": false, "noImportPolicy": false, "noExportPolicy": false,
    });
    let peer = json!({
        "name": "", "address": "", "interface": "", "dynamic": false, "description": "", "remoteAs": 0,
        "localAs": 65001, "routeReflectorClient": false, "role": "", "peerRouterId": "", "state": "", "stateAgeMs": 0,
        "shutdown": false, "shutdownMessage": "", "stale": false, "lastDownReason": "", "lastDownAgeMs": null,
        "flaps": 0, "holdTimeSecs": 0, "keepaliveSecs": 0, "holdRemainingMs": null, "retryInMs": null,
        "capabilities": [], "families": [], "messagesReceived": 0, "messagesSent": 0, "updatesReceived": 0,
        "updatesSent": 0, "notificationsReceived": 0, "notificationsSent": 0, "refreshesReceived": 0, "octetsSent": 0,
        "updateErrors": 0, "bfd": "",
    });
    let up = with(
        &peer,
        &json!({
            "name": "10.0.1.254", "address": "10.0.1.254", "description": "tor-a", "remoteAs": 65100,
            "peerRouterId": "10.0.0.254", "state": "Established", "stateAgeMs": 192_000, "flaps": 1, "holdTimeSecs": 90,
            "keepaliveSecs": 30, "capabilities": ["route-refresh", "4-octet-as"], "lastDownAgeMs": 200_000,
            "holdRemainingMs": 80_000, "role": "customer", "bfd": "Up",
            "families": [
                with(&family, &json!({
                    "family": "ipv4-unicast", "received": 5, "accepted": 4, "rejected": 1, "advertised": 2,
                })),
                with(&family, &json!({"family": "ipv6-unicast", "received": 3, "accepted": 3, "advertised": 1})),
            ],
            "messagesReceived": 20, "messagesSent": 21, "updatesReceived": 6, "updatesSent": 3, "refreshesReceived": 2,
            "octetsSent": 4096, "updateErrors": 3,
        }),
    );
    let down = with(
        &peer,
        &json!({
            "name": "fd00:2::fe", "address": "fd00:2::fe", "remoteAs": 65200, "state": "Active", "stateAgeMs": 4000,
            "stale": true, "lastDownReason": "hold timer expired", "retryInMs": 3000,
            "families": [with(&family, &json!({
                "family": "ipv6-unicast", "received": 7, "accepted": 7, "noExportPolicy": true,
            }))],
        }),
    );
    let off = with(
        &peer,
        &json!({
            "name": "eth1", "interface": "eth1", "state": "Idle", "shutdown": true, "shutdownMessage": "new disks",
            "bfd": "Down",
        }),
    );
    let speaker = json!({
        "localAs": 65001, "routerId": "10.0.1.1", "clusterId": "10.0.1.1", "synchronised": true,
        "peers": [up, down, off],
    });
    check("peers", &speaker);
    // One alone has the same shape.
    check("peers tor-a", &speaker);
}

#[test]
fn routes() {
    let plain = plain_path();
    let path = |changes: Value| with(&plain, &changes);
    let routes = json!({"routes": [
        {
            "prefix": "10.65.0.0/26",
            "installed": false,
            "paths": [path(json!({"nextHop": "10.0.1.1", "localPref": 100, "best": true}))],
        },
        {
            "prefix": "10.65.0.64/26",
            "installed": true,
            "paths": [
                path(json!({
                    "peer": "10.0.1.254", "nextHop": "10.0.1.254", "asPath": "65100 65002", "med": 0, "best": true,
                    "communities": ["65100:1"], "largeCommunities": ["65100:1:2"], "originatorId": "10.0.0.9",
                    "clusterList": ["10.0.0.8"], "pathId": 3, "unknownAttributes": [99],
                })),
                path(json!({
                    "peer": "10.0.2.254", "nextHop": "10.0.2.254", "asPath": "65200 65002", "multipath": true,
                    "stale": true,
                })),
                path(json!({
                    "peer": "10.0.3.254", "nextHop": "10.0.3.254", "asPath": "65300 65100 65002",
                    "reason": "longer AS path than 10.0.1.254",
                })),
            ],
        },
    ], "truncated": false});
    check("routes", &routes);
}

fn plain_path() -> Value {
    json!({
        "peer": "", "nextHop": "", "asPath": "", "origin": "IGP", "localPref": null, "med": null,
        "communities": [], "best": false, "multipath": false, "stale": false, "reason": "", "ageMs": 60_000,
        "largeCommunities": [], "extendedCommunities": [], "originatorId": "", "clusterList": [], "pathId": 0,
        "aggregator": "", "atomicAggregate": false, "onlyToCustomer": null, "unusable": false,
        "unknownAttributes": [],
    })
}

#[test]
fn why() {
    let best = with(
        &plain_path(),
        &json!({
            "peer": "10.0.1.254", "nextHop": "10.0.1.254", "asPath": "65100 65002", "med": 0, "best": true,
            "communities": ["65100:1"], "largeCommunities": ["65100:1:2"], "originatorId": "10.0.0.9",
            "clusterList": ["10.0.0.8"], "pathId": 3, "unknownAttributes": [99],
        }),
    );
    let lost = with(
        &plain_path(),
        &json!({
            "peer": "10.0.3.254", "nextHop": "10.0.3.254", "asPath": "65300 65100 65002",
            "reason": "longer AS path than 10.0.1.254",
        }),
    );
    let why = json!({
        "asked": "10.65.0.70/32",
        "prefix": "10.65.0.64/26",
        "paths": [
            {
                "path": best,
                "steps": ["received from 10.0.1.254 60 s ago", "accepted by filter tor-in, rule 2", "chosen"],
            },
            {"path": lost, "steps": ["lost: longer AS path than 10.0.1.254"]},
        ],
        "told": [
            {"peer": "10.0.1.254", "told": false, "reason": "it announced the best path itself"},
            {"peer": "fd00:2::fe", "told": true, "reason": "best path"},
        ],
        "kernel": {
            "planned": "via 10.0.1.254", "installed": true, "problem": "", "prefix": "10.65.0.64/26",
            "route": "via 10.0.1.254 dev eth0", "protocol": 201,
        },
    });
    check("why 10.65.0.70", &why);
}

#[test]
fn a_reset() {
    check("reset tor-a --soft out", &json!({"peer": "tor-a", "reset": "soft-out"}));
}

/// A line each in JSON, a document each in YAML, so that they can be read as they come.
#[test]
fn events() {
    let event = json!({
        "at": "", "kind": "", "peer": "", "state": "", "text": "", "prefix": "", "nextHops": [], "missed": 0,
    });
    let of_peer = |second: u64, kind: &str, state: &str, text: &str| {
        with(
            &event,
            &json!({
                "at": format!("2024-02-29T12:00:0{second}.123Z"), "peer": "10.0.1.254", "kind": kind, "state": state,
                "text": text,
            }),
        )
    };
    let first = of_peer(1, "state", "Idle", "hold timer expired");
    let agent = Agent::start();
    let text = agent.show("events -o json");
    let shown: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(shown.len(), 9);
    assert_eq!(shown[0], first);
    assert_eq!(shown[4], of_peer(5, "bfd", "Up", ""));
    let route = json!({
        "at": "2024-02-29T12:00:06.123Z", "kind": "route", "prefix": "10.65.0.64/26",
        "nextHops": ["10.0.1.254", "fe80::1 dev eth1"],
    });
    assert_eq!(shown[5], with(&event, &route));
    assert_eq!((&shown[8]["kind"], &shown[8]["missed"]), (&json!("missed"), &json!(9)));

    let text = agent.show("events -o yaml");
    let documents: Vec<&str> = text.split("---\n").filter(|document| !document.is_empty()).collect();
    assert_eq!(documents.len(), 9);
    assert_eq!(serde_saphyr::from_str::<Value>(documents[0]).expect("YAML"), first);
}

#[test]
fn endpoints() {
    let endpoints = json!({"endpoints": [
        {
            "namespace": "shop", "name": "web-0", "node": "node-1", "addresses": ["10.65.0.2", "fd65::2"],
            "hostInterface": "fab0123456789", "containerId": "c1", "labels": {"app": "web", "tier": "front"},
            "policies": ["shop/default-deny", "shop/web"], "state": "ready",
        },
        {
            "namespace": "shop", "name": "db-0", "node": "node-2", "addresses": ["10.65.0.66"],
            "hostInterface": "", "containerId": "", "labels": {}, "policies": [], "state": "",
        },
    ]});
    check("endpoints", &endpoints);
}

#[test]
fn node() {
    let status = json!({
        "node": "node-1", "version": "0.1.0", "uptimeMs": 12_000_000, "ready": true,
        "problems": ["peer fd00:2::fe is down: hold timer expired", "pool default-v6 is disabled"],
        "endpoints": 2, "routesInstalled": 4, "peersEstablished": 1, "peersConfigured": 2,
        "addresses": ["10.0.1.1", "fd00:1::1"],
        "standby": {
            "ipv4Ready": 5, "ipv4Total": 8, "ipv6Ready": 8, "ipv6Total": 8, "unsettled": 3, "awayMs": 12_000,
        },
    });
    check("node status", &status);
    check("version", &json!({"client": env!("CARGO_PKG_VERSION"), "agent": "0.1.0"}));
}

#[test]
fn resources() {
    let objects: Vec<Value> =
        crate::data::objects().iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
    check("get netpol", &json!({"apiVersion": "v1", "kind": "List", "items": objects}));
    check("get netpol default-deny", &objects[1]);
    let deleted = json!({"results": [{"resource": "NetworkPolicy shop/web", "outcome": "deleted"}]});
    check("delete netpol web", &deleted);
}

#[test]
fn an_empty_listing_is_an_empty_list() {
    let agent = Agent::start();
    agent.clear();
    assert_eq!(agent.show("routes -o json"), "{\n  \"routes\": [],\n  \"truncated\": false\n}\n");
    assert_eq!(agent.show("routes -o yaml"), "routes: []\ntruncated: false\n");
}

#[test]
fn yaml_is_readable() {
    assert_eq!(
        Agent::start().show("get netpol web -o yaml"),
        "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: web
      tier: front
  policyTypes:
  - Ingress
  - Egress
"
    );
}

#[test]
fn completions_name_the_commands() {
    let agent = Agent::start();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = agent.show(&format!("completions {shell}"));
        for word in
            ["peers", "endpoints", "explain", "socket", "from-report", "unreserve", "datastore", "export"]
        {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert!(agent.asked().is_empty(), "no agent is needed");
}
