//! Tiers, the order of policies in them, and the other kinds of policies beside them.

use super::OUTSIDE;
use crate::scenario::{Scenario, town};

const ALLOW: &str = "ingress: [{action: Allow}]";
const DENY: &str = "ingress: [{action: Deny}]";
const PASS: &str = "ingress: [{action: Pass}]";

/// Whether the bank's web gets in to the shop's database.
fn gets_in(scenario: &Scenario) -> bool {
    scenario.allows("bank/web", "shop/db", "tcp/80")
}

#[test]
fn a_policy_isolates_what_it_selects_and_nothing_else() {
    let scenario =
        town().own("shop/p", "{selector: \"app == 'db'\", ingress: [{action: Allow, protocol: UDP}]}");
    scenario.check(&[
        ("bank/web", "shop/db", "udp/80", true),
        ("bank/web", "shop/db", "tcp/80", false),
        ("shop/db", "bank/web", "tcp/80", true),
        ("bank/web", "shop/web", "tcp/80", true),
        ("shop/web", "bank/vault", "tcp/80", true),
    ]);
    let everywhere =
        town().global("p", "{selector: \"app == 'web'\", ingress: [{action: Allow, protocol: UDP}]}");
    everywhere.check(&[
        (OUTSIDE, "shop/web", "tcp/80", false),
        (OUTSIDE, "bank/web", "tcp/80", false),
        (OUTSIDE, "bank/web", "udp/80", true),
        (OUTSIDE, "shop/db", "tcp/80", true),
    ]);
}

#[test]
fn a_global_policy_selects_namespaces_too() {
    town().global("p", "{namespaceSelector: \"team == 'red'\", types: [Ingress]}").check(&[
        (OUTSIDE, "shop/db", "tcp/80", false),
        (OUTSIDE, "shop/web", "tcp/80", false),
        (OUTSIDE, "bank/web", "tcp/80", true),
    ]);
    let all = "{namespaceSelector: 'all()', selector: \"app == 'db'\", types: [Ingress]}";
    town()
        .global("p", all)
        .check(&[(OUTSIDE, "shop/db", "tcp/80", false), (OUTSIDE, "shop/web", "tcp/80", true)]);
}

#[test]
fn types_default_by_the_rules_that_are_there() {
    let both_ways = |spec: &str| {
        let scenario = town().own("shop/p", spec);
        (scenario.allows(OUTSIDE, "shop/web", "tcp/80"), scenario.allows("shop/web", OUTSIDE, "tcp/80"))
    };
    let udp = |section: &str| format!("{section}: [{{action: Allow, protocol: UDP}}]");
    assert_eq!(both_ways("{}"), (false, true));
    assert_eq!(both_ways(&format!("{{{}}}", udp("ingress"))), (false, true));
    // Other than Kubernetes': only egress.
    assert_eq!(both_ways(&format!("{{{}}}", udp("egress"))), (true, false));
    assert_eq!(both_ways(&format!("{{{}, {}}}", udp("ingress"), udp("egress"))), (false, false));
    assert_eq!(both_ways(&format!("{{types: [Ingress], {}}}", udp("egress"))), (false, true));
    assert_eq!(both_ways("{types: [Egress]}"), (true, false));
    assert_eq!(both_ways("{types: [Ingress, Egress]}"), (false, false));
}

#[test]
fn tiers_go_by_order_then_by_name_and_without_order_last() {
    let ordered = |first: &str, second: &str| {
        town()
            .tier("a", first)
            .tier("b", second)
            .own("shop/a", &format!("{{tier: a, {ALLOW}}}"))
            .own("shop/b", &format!("{{tier: b, {DENY}}}"))
    };
    for (first, second, allowed) in [
        ("{order: 1}", "{order: 2}", true),
        ("{order: 2}", "{order: 1}", false),
        ("{order: 2}", "{order: 2}", true),
        ("{order: 1.5}", "{order: 1.25}", false),
        ("{order: -1}", "{order: 0}", true),
        ("{}", "{order: 1e9}", false),
        ("{order: 1e9}", "{}", true),
        ("{}", "{}", true),
    ] {
        assert_eq!(gets_in(&ordered(first, second)), allowed, "{first} {second}");
    }
}

#[test]
fn the_end_of_a_tier_is_deny_unless_it_says_pass() {
    let udp = "ingress: [{action: Allow, protocol: UDP}]";
    for (tier, allowed) in [
        ("{order: 1}", false),
        ("{order: 1, defaultAction: Deny}", false),
        ("{order: 1, defaultAction: Pass}", true),
    ] {
        let scenario = town().tier("a", tier).own("shop/a", &format!("{{tier: a, {udp}}}"));
        assert_eq!(gets_in(&scenario), allowed, "{tier}");
        // What the tier does not decide, the next one does.
        assert!(!gets_in(&scenario.own("shop/p", &format!("{{{DENY}}}"))));
    }
}

#[test]
fn a_tier_without_a_policy_for_the_pod_is_skipped() {
    let scenario = town()
        .tier("a", "{order: 1}")
        .own("shop/a", &format!("{{tier: a, selector: \"app == 'web'\", {DENY}}}"))
        .own("bank/a", &format!("{{tier: a, {DENY}}}"))
        .own("shop/b", "{tier: a, types: [Egress]}");
    scenario.check(&[("bank/web", "shop/db", "tcp/80", true), ("bank/web", "shop/web", "tcp/80", false)]);
}

#[test]
fn policies_go_by_order_then_by_kind_namespace_and_name() {
    let ordered = |first: &str, second: &str| {
        town().own("shop/a", &format!("{{{first} {ALLOW}}}")).own("shop/b", &format!("{{{second} {DENY}}}"))
    };
    for (first, second, allowed) in [
        ("order: 1,", "order: 2,", true),
        ("order: 2,", "order: 1,", false),
        ("order: 2,", "order: 2,", true),
        ("", "order: 1e9,", false),
        ("order: 1e9,", "", true),
        ("", "", true),
        ("order: -0.5,", "order: 0,", true),
    ] {
        assert_eq!(gets_in(&ordered(first, second)), allowed, "{first} {second}");
    }
    let kinds = |global: &str, own: &str| {
        town().global("a", &format!("{{{global}}}")).own("shop/z", &format!("{{{own}}}"))
    };
    assert!(gets_in(&kinds(DENY, ALLOW)), "of equal ones, a namespace's before a global one");
    assert!(!gets_in(&kinds(ALLOW, DENY)));
    assert!(gets_in(&kinds(&format!("order: 1, {ALLOW}"), &format!("order: 2, {DENY}"))));
}

#[test]
fn pass_skips_the_rest_of_the_tier() {
    let scenario = town()
        .tier("a", "{order: 1}")
        .own("shop/1", &format!("{{tier: a, order: 1, {PASS}}}"))
        .own("shop/2", &format!("{{tier: a, order: 2, {DENY}}}"));
    assert!(gets_in(&scenario));
    assert!(!gets_in(&scenario.clone().own("shop/3", &format!("{{{DENY}}}"))));
    let rules = "{tier: a, order: 0, ingress: [{action: Pass, protocol: UDP}, {action: Deny}]}";
    assert!(!gets_in(&scenario.clone().own("shop/0", rules)));
    assert!(scenario.own("shop/0", rules).allows("bank/web", "shop/db", "udp/80"));
}

#[test]
fn log_goes_on_with_the_next_rule() {
    let log = "{action: Log}";
    let scenario =
        town().own("shop/p", &format!("{{ingress: [{log}, {{action: Allow, protocol: TCP}}, {log}]}}"));
    scenario.check(&[("bank/web", "shop/db", "tcp/80", true), ("bank/web", "shop/db", "udp/80", false)]);
    // A policy that only logs is a policy: the tier ends.
    assert!(!gets_in(&town().own("shop/p", &format!("{{ingress: [{log}]}}"))));
}

#[test]
fn kubernetes_policies_are_in_the_default_tier_with_order_1000() {
    let open = town().policy("shop/k", "{ingress: [{ports: [{port: 80}]}]}");
    // Before it, after it, and no word of what it does not allow.
    assert!(!gets_in(&open.clone().own("shop/p", &format!("{{order: 999, {DENY}}}"))));
    assert!(gets_in(&open.clone().own("shop/p", &format!("{{order: 1001, {DENY}}}"))));
    assert!(gets_in(&open.clone().own("shop/p", &format!("{{order: 1000, {DENY}}}"))), "by kind");
    assert!(gets_in(&open.clone().own("shop/p", &format!("{{{DENY}}}"))));
    let closed = town().policy("shop/k", "{}");
    assert!(!gets_in(&closed));
    assert!(
        gets_in(&closed.clone().own("shop/p", &format!("{{order: 1001, {ALLOW}}}"))),
        "isolation is the tier's end"
    );
    assert!(gets_in(&closed.clone().own("shop/p", &format!("{{order: 1, {ALLOW}}}"))));
    // Pass leaves the tier, and its isolation.
    assert!(gets_in(&closed.own("shop/p", &format!("{{order: 1, {PASS}}}"))));
}

#[test]
fn tiers_lie_between_those_that_are_always_there() {
    let rule = |action: &str| format!("ingress: [{{action: {action}, from: [{{namespaces: {{}}}}]}}]");
    let admin =
        |action| format!("{{tier: Admin, priority: 5, subject: {{namespaces: {{}}}}, {}}}", rule(action));
    let baseline =
        |action| format!("{{tier: Baseline, priority: 5, subject: {{namespaces: {{}}}}, {}}}", rule(action));
    let own = |order: &str, rules: &str| {
        town().tier("a", &format!("{{order: {order}}}")).own("shop/p", &format!("{{tier: a, {rules}}}"))
    };
    assert!(!gets_in(&own("999", DENY).cluster_policy("c", &admin("Accept"))));
    assert!(gets_in(&own("1001", DENY).cluster_policy("c", &admin("Accept"))));
    assert!(!gets_in(&own("999999", DENY).policy("shop/k", "{ingress: [{}]}")));
    assert!(gets_in(&own("1000001", DENY).policy("shop/k", "{ingress: [{}]}")));
    assert!(!gets_in(&own("9999999", DENY).cluster_policy("c", &baseline("Accept"))));
    assert!(gets_in(&own("10000001", DENY).cluster_policy("c", &baseline("Accept"))));
    // Equal ones by name.
    assert!(!gets_in(&own("1000", DENY).cluster_policy("c", &admin("Accept"))));
    let last = town().tier("z", "{order: 1000}").own("shop/p", &format!("{{tier: z, {DENY}}}"));
    assert!(gets_in(&last.cluster_policy("c", &admin("Accept"))));
}

#[test]
fn our_own_policies_may_be_in_the_tiers_of_kubernetes() {
    let first = town().own("shop/p", &format!("{{tier: kube-admin, order: 5, {ALLOW}}}"));
    let deny = |priority: u32| {
        format!(
            "{{tier: Admin, priority: {priority}, subject: {{namespaces: {{}}}}, ingress: [{{action: Deny, from: [{{namespaces: {{}}}}]}}]}}"
        )
    };
    assert!(!gets_in(&first.clone().cluster_policy("c", &deny(4))));
    assert!(!gets_in(&first.clone().cluster_policy("c", &deny(5))), "by kind");
    assert!(gets_in(&first.clone().cluster_policy("c", &deny(6))));
    assert!(gets_in(&first.policy("shop/k", "{}")));
    // Their end is to pass.
    assert!(gets_in(&town().own("shop/p", "{tier: kube-admin, types: [Ingress]}")));
    assert!(gets_in(&town().own("shop/p", "{tier: kube-baseline, types: [Ingress]}")));
}

#[test]
fn no_object_changes_the_tiers_that_are_always_there() {
    let scenario =
        town().tier("default", "{order: 1, defaultAction: Pass}").own("shop/p", "{types: [Ingress]}");
    assert!(!gets_in(&scenario));
    let admin = town()
        .tier("kube-admin", "{order: 2000000, defaultAction: Deny}")
        .own("shop/p", "{tier: kube-admin, types: [Ingress]}");
    assert!(gets_in(&admin));
}

#[test]
fn egress_is_judged_like_ingress() {
    let scenario = town()
        .tier("a", "{order: 1, defaultAction: Pass}")
        .global("g", "{tier: a, egress: [{action: Deny, destination: {nets: [192.0.2.0/24]}}]}")
        .own("shop/p", "{egress: [{action: Allow, protocol: TCP}]}");
    scenario.check(&[
        ("shop/web", OUTSIDE, "tcp/80", false),
        ("shop/web", "198.51.100.1", "tcp/80", true),
        ("shop/web", "198.51.100.1", "udp/80", false),
        ("bank/web", OUTSIDE, "tcp/80", false),
        ("bank/web", "198.51.100.1", "udp/80", true),
    ]);
}

#[test]
fn staged_policies_change_nothing() {
    let scenario = town().staged("shop/p", &format!("{{{DENY}}}"));
    assert!(gets_in(&scenario));
    assert!(!gets_in(&scenario.policy("shop/k", "{}")));
}

#[test]
fn policies_for_host_endpoints_alone_are_not_for_pods() {
    assert!(gets_in(&town().global("g", &format!("{{doNotTrack: true, {DENY}}}"))));
    assert!(gets_in(&town().global("g", &format!("{{preDNAT: true, applyOnForward: true, {DENY}}}"))));
    assert!(!gets_in(&town().global("g", &format!("{{applyOnForward: true, {DENY}}}"))));
}
