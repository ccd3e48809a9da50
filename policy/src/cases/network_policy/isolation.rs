//! Rows 1–8 and 48: whom a policy isolates.

use super::OUTSIDE;
use crate::scenario::town;

/// Whether `shop/web` can be reached from outside, and can reach it, under a policy with this specification.
fn into_and_out_of_web(spec: &str) -> (bool, bool) {
    let scenario = town().policy("shop/p", spec);
    (scenario.allows(OUTSIDE, "shop/web", "tcp/80"), scenario.allows("shop/web", OUTSIDE, "tcp/80"))
}

#[test]
fn row_1_a_pod_that_no_policy_selects_is_open() {
    town().policy("shop/p", "{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress]}").check(
        &[
            ("shop/web", OUTSIDE, "tcp/80", true),
            (OUTSIDE, "shop/web", "tcp/80", true),
            ("bank/web", "shop/web", "icmp", true),
            ("bank/web", "shop/db", "tcp/80", false),
        ],
    );
}

#[test]
fn row_2_an_empty_or_missing_pod_selector_is_the_whole_namespace_and_no_other() {
    for spec in ["{podSelector: {}}", "{}"] {
        town().policy("shop/p", spec).check(&[
            (OUTSIDE, "shop/web", "tcp/80", false),
            (OUTSIDE, "shop/db", "tcp/80", false),
            (OUTSIDE, "bank/web", "tcp/80", true),
        ]);
    }
}

#[test]
fn row_3_without_types_and_egress_only_ingress_is_isolated() {
    for types in ["", "policyTypes: [], "] {
        assert_eq!(into_and_out_of_web(&format!("{{{types}podSelector: {{}}}}")), (false, true));
        assert_eq!(into_and_out_of_web(&format!("{{{types}ingress: [{{}}]}}")), (true, true));
    }
}

#[test]
fn row_4_without_types_an_egress_rule_isolates_egress_and_ingress_all_the_same() {
    for types in ["", "policyTypes: [], "] {
        assert_eq!(into_and_out_of_web(&format!("{{{types}egress: [{{}}]}}")), (false, true));
        let elsewhere = "egress: [{to: [{ipBlock: {cidr: 10.9.0.0/16}}]}]";
        assert_eq!(into_and_out_of_web(&format!("{{{types}{elsewhere}}}")), (false, false));
        assert_eq!(into_and_out_of_web(&format!("{{{types}ingress: [{{}}], {elsewhere}}}")), (true, false));
    }
}

#[test]
fn row_5_without_types_an_empty_egress_section_is_none() {
    for types in ["", "policyTypes: [], "] {
        assert_eq!(into_and_out_of_web(&format!("{{{types}egress: []}}")), (false, true));
    }
    // To close egress, it must be named.
    assert_eq!(into_and_out_of_web("{policyTypes: [Egress], egress: []}"), (true, false));
}

#[test]
fn row_6_rules_of_a_type_that_is_not_listed_are_ignored() {
    let from_anyone = "ingress: [{from: [{podSelector: {}}]}]";
    assert_eq!(into_and_out_of_web(&format!("{{policyTypes: [Egress], {from_anyone}}}")), (true, false));
    let to_anyone = "egress: [{to: [{podSelector: {}}]}]";
    assert_eq!(into_and_out_of_web(&format!("{{policyTypes: [Ingress], {to_anyone}}}")), (false, true));
}

#[test]
fn row_7_no_rules_deny_all() {
    for spec in ["{policyTypes: [Ingress]}", "{policyTypes: [Ingress], ingress: []}"] {
        town()
            .policy("shop/p", spec)
            .check(&[("shop/web", "shop/db", "tcp/80", false), ("shop/web", "shop/db", "icmp", false)]);
    }
}

#[test]
fn row_8_an_empty_rule_allows_everything() {
    town().policy("shop/p", "{ingress: [{}]}").check(&[
        (OUTSIDE, "shop/db", "tcp/80", true),
        (OUTSIDE, "shop/db", "udp/80", true),
        (OUTSIDE, "shop/db", "sctp/80", true),
        (OUTSIDE, "shop/db", "icmp", true),
        (OUTSIDE, "shop/db", "47", true),
    ]);
}

#[test]
fn row_48_isolation_ends_with_the_last_policy_of_its_direction() {
    let both = town().policy("shop/p", "{}").policy("shop/q", "{policyTypes: [Ingress, Egress]}");
    both.check(&[(OUTSIDE, "shop/db", "tcp/80", false), ("shop/db", OUTSIDE, "tcp/80", false)]);
    let one = both.without_policy("shop/q");
    one.check(&[(OUTSIDE, "shop/db", "tcp/80", false), ("shop/db", OUTSIDE, "tcp/80", true)]);
    one.without_policy("shop/p").check(&[(OUTSIDE, "shop/db", "tcp/80", true)]);
}

#[test]
fn policies_add_up() {
    let first = town().policy("shop/p", "{ingress: [{ports: [{port: 80}]}]}");
    first.check(&[(OUTSIDE, "shop/db", "tcp/80", true), (OUTSIDE, "shop/db", "tcp/81", false)]);
    let both = first.policy("shop/q", "{ingress: [{ports: [{port: 81}]}]}");
    both.check(&[(OUTSIDE, "shop/db", "tcp/80", true), (OUTSIDE, "shop/db", "tcp/81", true)]);
    both.policy("shop/r", "{}").check(&[(OUTSIDE, "shop/db", "tcp/80", true)]);
}

#[test]
fn both_ends_must_allow() {
    let egress = "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}";
    let ingress = "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]}";
    town().policy("shop/out", egress).policy("shop/in", ingress).check(&[
        ("shop/web", "shop/db", "tcp/80", true),
        ("shop/web", "bank/web", "tcp/80", false),
        ("bank/web", "shop/db", "tcp/80", false),
        ("bank/web", "shop/web", "tcp/80", true),
    ]);
}
