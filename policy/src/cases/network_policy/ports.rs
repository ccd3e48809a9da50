//! Rows 10–13, 24–28 and 30–32: protocols, ports and their names.

use super::OUTSIDE;
use crate::scenario::{Scenario, town};

#[test]
fn row_10_missing_or_empty_ports_are_every_protocol() {
    for ports in ["", ", ports: []"] {
        let rule = format!("{{ingress: [{{from: [{{podSelector: {{}}}}]{ports}}}]}}");
        town().policy("shop/p", &rule).check(&[
            ("shop/web", "shop/db", "tcp/1", true),
            ("shop/web", "shop/db", "udp/65535", true),
            ("shop/web", "shop/db", "icmp", true),
            ("shop/web", "shop/db", "47", true),
            ("bank/web", "shop/db", "icmp", false),
        ]);
    }
}

#[test]
fn row_11_the_default_protocol_is_tcp() {
    town().policy("shop/p", "{ingress: [{ports: [{port: 80}]}]}").check(&[
        (OUTSIDE, "shop/db", "tcp/80", true),
        (OUTSIDE, "shop/db", "udp/80", false),
        (OUTSIDE, "shop/db", "sctp/80", false),
    ]);
}

#[test]
fn row_12_a_protocol_without_a_port_is_all_of_its_ports() {
    town().policy("shop/p", "{ingress: [{ports: [{protocol: UDP}]}]}").check(&[
        (OUTSIDE, "shop/db", "udp/1", true),
        (OUTSIDE, "shop/db", "udp/65535", true),
        (OUTSIDE, "shop/db", "tcp/1", false),
        (OUTSIDE, "shop/db", "icmp", false),
    ]);
}

#[test]
fn row_13_a_range_includes_both_ends() {
    town()
        .policy("shop/p", "{ingress: [{ports: [{port: 80, endPort: 82}, {port: 65535, endPort: 65535}]}]}")
        .check(&[
            (OUTSIDE, "shop/db", "tcp/79", false),
            (OUTSIDE, "shop/db", "tcp/80", true),
            (OUTSIDE, "shop/db", "tcp/81", true),
            (OUTSIDE, "shop/db", "tcp/82", true),
            (OUTSIDE, "shop/db", "tcp/83", false),
            (OUTSIDE, "shop/db", "tcp/65535", true),
            (OUTSIDE, "shop/db", "udp/81", false),
        ]);
}

#[test]
fn row_13_a_range_that_is_rejected_matches_nothing() {
    for port in ["{port: 80, endPort: 79}", "{port: sql, endPort: 5432}", "{endPort: 80}"] {
        let scenario = town().policy("shop/p", &format!("{{ingress: [{{ports: [{port}]}}]}}"));
        let problems = scenario.problems();
        assert!(problems[0].starts_with("spec.ingress[0].ports[0].endPort: "), "{problems:?}");
        for service in ["tcp/79", "tcp/80", "tcp/5432", "tcp/1"] {
            scenario.check(&[(OUTSIDE, "shop/db", service, false)]);
        }
    }
}

#[test]
fn row_24_a_name_on_ingress_is_the_subjects() {
    let named = "{ingress: [{ports: [{port: sql}]}]}";
    town().policy("shop/p", named).policy("bank/p", named).check(&[
        (OUTSIDE, "shop/db", "tcp/5432", true),
        (OUTSIDE, "shop/db", "tcp/6543", false),
        (OUTSIDE, "bank/vault", "tcp/6543", true),
        (OUTSIDE, "bank/vault", "tcp/5432", false),
        (OUTSIDE, "shop/db", "udp/5432", false),
    ]);
}

#[test]
fn row_25_a_name_on_egress_is_each_destinations() {
    let named = "{policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: sql}]}]}";
    town().policy("shop/p", named).check(&[
        ("shop/web", "shop/db", "tcp/5432", true),
        ("shop/web", "shop/db", "tcp/6543", false),
        ("shop/web", "bank/vault", "tcp/6543", true),
        ("shop/web", "bank/vault", "tcp/5432", false),
        ("shop/web", OUTSIDE, "tcp/5432", false),
        ("fd00::1", "fd00::2", "tcp/5432", true),
    ]);
    // A selector that leaves the vault out.
    let own = "{policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: sql}]}]}";
    town()
        .policy("shop/p", own)
        .check(&[("shop/web", "shop/db", "tcp/5432", true), ("shop/web", "bank/vault", "tcp/6543", false)]);
}

#[test]
fn row_26_a_name_that_is_not_served_matches_nothing() {
    for port in ["{port: http}", "{port: sql, protocol: UDP}", "{port: dns}"] {
        town().policy("shop/p", &format!("{{ingress: [{{ports: [{port}]}}]}}")).check(&[
            (OUTSIDE, "shop/db", "tcp/5432", false),
            (OUTSIDE, "shop/db", "tcp/53", false),
            (OUTSIDE, "shop/db", "udp/5432", false),
            (OUTSIDE, "shop/db", "udp/53", false),
            (OUTSIDE, "shop/web", "tcp/80", false),
        ]);
        let egress = format!("{{policyTypes: [Egress], egress: [{{ports: [{port}]}}]}}");
        town().policy("shop/p", &egress).check(&[
            ("shop/web", "shop/db", "tcp/5432", false),
            ("shop/web", "shop/db", "udp/5432", false),
            ("shop/web", OUTSIDE, "tcp/5432", false),
        ]);
    }
    let protocol = "{ingress: [{ports: [{port: dns, protocol: UDP}, {port: sql}]}]}";
    town().policy("shop/p", protocol).check(&[
        (OUTSIDE, "shop/db", "udp/53", true),
        (OUTSIDE, "shop/db", "tcp/5432", true),
        (OUTSIDE, "shop/db", "tcp/53", false),
    ]);
}

/// `shop/db` with this specification, and a policy that lets in what it serves as `api`.
fn pod_with(spec: &str) -> Scenario {
    town()
        .pod("shop/db", "10.0.0.2", "{app: db}", spec)
        .policy("shop/p", "{ingress: [{ports: [{port: api}]}]}")
}

#[test]
fn row_27_sidecars_serve_names_and_ordinary_init_containers_do_not() {
    let init = |restart| {
        format!(
            "{{containers: [], initContainers: [{{name: i, {restart}ports: [{{name: api, containerPort: 8000}}]}}]}}"
        )
    };
    pod_with(&init("restartPolicy: Always, ")).check(&[(OUTSIDE, "shop/db", "tcp/8000", true)]);
    pod_with(&init("")).check(&[(OUTSIDE, "shop/db", "tcp/8000", false)]);
}

#[test]
fn row_28_a_name_with_two_numbers_is_both() {
    let spec = "{containers: [{name: a, ports: [{name: api, containerPort: 8000}, {name: api, containerPort: 9000, protocol: UDP}]}, {name: b, ports: [{name: api, containerPort: 8001}]}]}";
    pod_with(spec).check(&[
        (OUTSIDE, "shop/db", "tcp/8000", true),
        (OUTSIDE, "shop/db", "tcp/8001", true),
        (OUTSIDE, "shop/db", "tcp/9000", false),
        (OUTSIDE, "shop/db", "udp/9000", false),
    ]);
}

/// Only this protocol's port 80 is allowed; whether each protocol's port 80 gets in, in the order TCP, UDP, SCTP.
fn opened_by(protocol: &str) -> [bool; 3] {
    let rule = format!("{{ingress: [{{ports: [{{port: 80, protocol: {protocol}}}]}}]}}");
    let scenario = town().policy("shop/p", &rule);
    ["tcp/80", "udp/80", "sctp/80"].map(|service| scenario.allows(OUTSIDE, "shop/db", service))
}

#[test]
fn row_30_a_rule_for_sctp_opens_no_tcp_and_isolates() {
    assert_eq!(opened_by("SCTP"), [false, false, true]);
}

#[test]
fn row_31_a_rule_for_udp_opens_no_tcp() {
    assert_eq!(opened_by("UDP"), [false, true, false]);
    assert_eq!(opened_by("TCP"), [true, false, false]);
}

#[test]
fn row_32_icmp_passes_rules_without_ports_only() {
    let ports = "{ingress: [{ports: [{port: 80}, {protocol: UDP}, {protocol: SCTP}]}]}";
    town()
        .policy("shop/p", ports)
        .check(&[("shop/web", "shop/db", "icmp", false), ("fd00::1", "fd00::2", "icmp", false)]);
    let all = "{ingress: [{from: [{podSelector: {}}]}]}";
    town()
        .policy("shop/p", all)
        .check(&[("shop/web", "shop/db", "icmp", true), ("fd00::1", "fd00::2", "icmp", true)]);
}
