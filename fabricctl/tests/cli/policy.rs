//! `policy …` and `endpoints show`: what people and programs see, and with which exit status.

use serde_json::json;

use crate::fixture::Agent;
use crate::programs::check as check_programs;
use crate::tables::check;

const EXPLANATION: &str = "\
DENIED: shop/web-0 (10.65.0.2) -> 10.65.0.66, 5432/tcp

Egress of shop/web-0 on node-2: allowed by shop/web, egress rule 1

Ingress of shop/db-0 on node-1: denied: selected by shop/default-deny and no rule allows it
    tier default, shop/default-deny, shop/web: denied at its end
      shop/web rule 0 does not match: the destination port is 5432, not 80
      GlobalNetworkPolicy lock rule 2 \"watch\" logs it
    kernel, p0123456789abcdef \"tier default ingress: isolated by shop/default-deny\": 3 packets, 180 bytes
";

#[test]
fn policies() {
    check(
        "policy list",
        "
KIND                        NAMESPACE   NAME           TIER       ORDER   TYPES            ENDPOINTS   NODES    PROBLEMS
NetworkPolicy               shop        default-deny   default    1000    Ingress,Egress   12          1 of 2   -
GlobalNetworkPolicy         -           web            security   last    Ingress          1           1 of 1   no endpoint has a port named http
StagedGlobalNetworkPolicy   -           soon           default    last    Egress           0           staged   -
",
    );
}

#[test]
fn hits() {
    check(
        "policy list --hits",
        "
POLICY                    DIRECTION   RULE   NAME        ACTION   PACKETS   BYTES
GlobalNetworkPolicy web   Ingress     0      no-telnet   Deny     1         60
GlobalNetworkPolicy web   Ingress     1      -           Allow    12        720

TIER      DIRECTION   ISOLATED BY         DENIED PACKETS   BYTES
default   Ingress     shop/default-deny   3                180
",
    );
}

#[test]
fn a_policy_in_full() {
    check(
        "policy show web",
        "
Policy:       shop/default-deny
Tier:         default
Order:        1000
Types:        Ingress,Egress
Endpoints:    12
Enforced:     on 1 of 2 nodes that have endpoints which it selects
Not yet on:   node-2: its agent has not reported the newest version yet

Policy:         GlobalNetworkPolicy web
Tier:           security
Order:          last
Types:          Ingress
Endpoints:      1
Enforced:       on 1 of 1 nodes that have endpoints which it selects
Problem:        no endpoint has a port named http
Counted here:   ingress rule 0 \"no-telnet\" (Deny): 1 packet, 60 bytes
Counted here:   ingress rule 1 (Allow): 12 packets, 720 bytes

Policy:      GlobalNetworkPolicy soon
Tier:        default
Order:       last
Types:       Egress
Endpoints:   0
Enforced:    no: it is staged
",
    );
}

#[test]
fn explanation() {
    check("policy explain shop/web-0 10.65.0.66 5432", EXPLANATION);
}

#[test]
fn a_kernel_that_differs_is_a_failure() {
    let outcome = Agent::start().line("policy explain shop/web-0 10.65.0.66 5432 --trace");
    let trace = "
Traced in this node's kernel: every rule let the probe pass, and it was thrown away behind the last
THE KERNEL DIFFERS: the engine says that ingress of shop/db-0 denies it, and the kernel lets it pass
TABLE         CHAIN               RULE   VERDICT   COMMENT
inet fabric   p0123456789abcdef   7      return    shop/web ingress#0
";
    assert_eq!(outcome.stdout, format!("{EXPLANATION}{trace}"), "{}", outcome.stdout);
    let error = "error: the engine says that ingress of shop/db-0 denies it, and the kernel lets it pass\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (1, error));
}

#[test]
fn an_endpoint_in_words() {
    check(
        "endpoints show shop/db-0",
        "
Endpoint:    shop/db-0
Node:        node-1
Addresses:   10.65.0.66
Interface:   fab0
Labels:      app=db
State:       ready

Ingress (kernel chain p0123456789abcdef, generation 4):
  tier default: shop/default-deny, shop/web
    allow tcp, source among 3 addresses, to 80 [shop/web rule 0]
    everything else is denied

Egress: open, for no policy selects it
",
    );
    let outcome = Agent::start().line("endpoints show web");
    assert_eq!(outcome.status, 2);
    assert!(
        outcome.stderr.starts_with("error: \"web\" is not a pod: give namespace/pod"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn differences() {
    let agent = Agent::start();
    let file = agent.write("deny.yaml", "kind: NetworkPolicy\n");
    let shown = agent.show(&format!("policy diff -f {file}"));
    let expected = "\
FROM                                  TO          TRAFFIC            NOW       THEN     BECAUSE
shop/a,shop/b,shop/c,shop/d and 1 more   shop/db-0   tcp 80,443         allowed   denied   denied: selected by shop/deny and no rule allows it
outside 0.0.0.0/0                     shop/db-0   IPv4: everything   allowed   denied   denied: selected by shop/deny and no rule allows it

1 endpoint(s) would have other rules.
";
    let squeezed = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    assert_eq!(squeezed(&shown), squeezed(expected), "{shown}");
    assert_eq!(agent.line(&format!("policy diff -f {file} --delete")).status, 0);
    assert_eq!(agent.line(&format!("policy diff -f {file} --exit-code")).status, 1);
    let asked = agent.asked();
    assert!(asked[1].contains("delete: true") && asked[1].contains("kind: NetworkPolicy"), "{asked:?}");
}

#[test]
fn what_programs_see_of_policies() {
    let status = json!({"nodes": 1, "programmed": 1, "pending": []});
    let hits = json!([
        {"direction": "Ingress", "rule": 0, "name": "no-telnet", "action": "Deny", "packets": 1, "bytes": 60},
        {"direction": "Ingress", "rule": 1, "name": "", "action": "Allow", "packets": 12, "bytes": 720},
    ]);
    let pending = json!([{"node": "node-2", "reason": "its agent has not reported the newest version yet"}]);
    let policies = |with_hits: bool| {
        let hits = if with_hits { hits.clone() } else { json!(null) };
        let none = if with_hits { json!([]) } else { json!(null) };
        json!([
            {
                "kind": "NetworkPolicy", "namespace": "shop", "name": "default-deny", "policy": "shop/default-deny",
                "tier": "default", "order": 1000.0, "staged": false, "types": ["Ingress", "Egress"], "endpoints": 12,
                "problems": [], "status": {"nodes": 2, "programmed": 1, "pending": pending}, "hits": none,
            },
            {
                "kind": "GlobalNetworkPolicy", "namespace": "", "name": "web", "policy": "GlobalNetworkPolicy web",
                "tier": "security", "order": null, "staged": false, "types": ["Ingress"], "endpoints": 1,
                "problems": ["no endpoint has a port named http"], "status": status, "hits": hits,
            },
            {
                "kind": "StagedGlobalNetworkPolicy", "namespace": "", "name": "soon",
                "policy": "GlobalNetworkPolicy soon", "tier": "default", "order": null, "staged": true,
                "types": ["Egress"], "endpoints": 0, "problems": [], "status": null, "hits": none,
            },
        ])
    };
    check_programs("policy list", &json!({"policies": policies(false), "tiers": null}));
    let tiers = json!([{
        "tier": "default", "direction": "Ingress", "policies": ["shop/default-deny"], "packets": 3, "bytes": 180,
    }]);
    check_programs("policy list --hits", &json!({"policies": policies(true), "tiers": tiers}));
}

#[test]
fn what_programs_see_of_explanations() {
    let rule = |kind: &str, namespace: &str, policy: &str, direction: &str, rule: u32, name: &str| {
        json!({
            "kind": kind, "namespace": namespace, "policy": policy, "direction": direction, "rule": rule,
            "name": name,
        })
    };
    let of_web = |direction, number| rule("NetworkPolicy", "shop", "web", direction, number, "");
    let explanation = json!({
        "source": "shop/web-0", "destination": "shop/db-0", "protocol": "tcp", "port": 5432, "allowed": false,
        "sourceAddress": "10.65.0.2", "destinationAddress": "10.65.0.66",
        "directions": [
            {
                "direction": "Egress", "endpoint": "shop/web-0", "node": "node-2", "allowed": true,
                "reason": "allowed by shop/web, egress rule 1", "decidedBy": of_web("Egress", 1),
                "considered": ["shop/default-deny", "shop/web"], "tiers": [], "kernel": null,
            },
            {
                "direction": "Ingress", "endpoint": "shop/db-0", "node": "node-1", "allowed": false,
                "reason": "denied: selected by shop/default-deny and no rule allows it",
                "decidedBy": null, "considered": ["shop/default-deny"],
                "tiers": [{
                    "name": "default", "outcome": "denied", "rule": null,
                    "policies": ["shop/default-deny", "shop/web"],
                    "passedOver": [
                        {"rule": of_web("Ingress", 0), "why": "the destination port is 5432, not 80"},
                    ],
                    "logged": [rule("GlobalNetworkPolicy", "", "lock", "Ingress", 2, "watch")],
                }],
                "kernel": {
                    "chains": ["p0123456789abcdef"], "packets": 3, "bytes": 180,
                    "comment": "tier default ingress: isolated by shop/default-deny",
                },
            },
        ],
        "trace": null,
    });
    check_programs("policy explain shop/web-0 shop/db-0 5432/tcp", &explanation);
}

#[test]
fn what_programs_see_of_differences() {
    let end = |endpoints: &[&str], networks: &[&str]| json!({"endpoints": endpoints, "networks": networks});
    let change = |sources, families: &[&str], traffic: &str| {
        json!({
            "sources": sources, "destinations": end(&["shop/db-0"], &[]), "families": families,
            "traffic": [traffic], "allowedBefore": true, "allowedAfter": false,
            "becauseBefore": ["allowed: no policy selects it for ingress"],
            "becauseAfter": ["denied: selected by shop/deny and no rule allows it"],
        })
    };
    let all = ["shop/a", "shop/b", "shop/c", "shop/d", "shop/e"];
    let difference = json!({
        "changes": [
            change(end(&all, &[]), &["IPv4", "IPv6"], "tcp 80,443"),
            change(end(&[], &["0.0.0.0/0"]), &["IPv4"], "everything"),
        ],
        "endpoints": ["shop/db-0"], "packets": 21, "stopped": "", "problems": [],
    });
    check_programs("policy diff --staged", &difference);
}
