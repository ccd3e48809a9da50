//! What cannot be used costs reachability, never protection.

use super::OUTSIDE;
use crate::scenario::{Scenario, town};

/// Conditions that no version of the API has, or that make no sense.
const BROKEN: [&str; 18] = [
    "protocol: FTP",
    "protocol: 0",
    "protocol: 256",
    "notProtocol: Nothing",
    "ipVersion: 5",
    "icmp: {type: 8}",
    "notICMP: {type: 8}",
    "source: {nets: [10.0.0.0/33]}",
    "source: {nets: [198.51.100.0/24, ten]}",
    "source: {notNets: [ten]}",
    "source: {selector: 'has('}",
    "source: {selector: \"app == 'none'\", namespaceSelector: '!'}",
    "destination: {ports: [80]}",
    "source: {serviceAccounts: {selector: 'x =='}}",
    "source: {services: {namespace: shop}}",
    "http: {methods: [GET]}",
    "since: yesterday",
    "source: {asn: 64512}",
];

fn shop_with(rules: &str) -> Scenario {
    town().own("shop/p", &format!("{{ingress: [{rules}]}}"))
}

#[test]
fn with_a_condition_that_cannot_be_read_a_rule_allows_nothing_and_denies_whatever_it_may_mean() {
    for broken in BROKEN {
        let allow = shop_with(&format!("{{action: Allow, {broken}}}, {{action: Allow, protocol: UDP}}"));
        assert_eq!(allow.problems().len(), 1, "{broken}: {:?}", allow.problems());
        allow.check(&[
            (OUTSIDE, "shop/db", "tcp/80", false),
            (OUTSIDE, "shop/db", "icmp", false),
            (OUTSIDE, "shop/db", "udp/80", true),
        ]);
        for action in ["Deny", "Pass"] {
            let deny = shop_with(&format!("{{action: {action}, {broken}}}, {{action: Allow}}"));
            deny.check(&[
                (OUTSIDE, "shop/db", "tcp/80", false),
                ("shop/web", "shop/db", "icmp", false),
                ("2001:db8::1", "fd00::2", "udp/53", false),
            ]);
        }
        let log = shop_with(&format!("{{action: Log, {broken}}}, {{action: Allow}}"));
        log.check(&[(OUTSIDE, "shop/db", "tcp/80", true)]);
    }
}

#[test]
fn conditions_that_can_be_read_still_count() {
    for (broken, denied) in [
        ("protocol: TCP, icmp: {type: 8}", [true, true, false, false]),
        ("protocol: TCP, destination: {ports: ['90:80']}", [true, true, false, false]),
        ("protocol: TCP, destination: {ports: [80, 70000]}", [true, true, false, false]),
        ("protocol: TCP, destination: {ports: [80], notPorts: [0]}", [true, false, false, false]),
        ("protocol: ICMP, icmp: {code: 1}", [false, false, false, true]),
        ("protocol: ICMP, icmp: {type: 300}", [false, false, false, true]),
        ("protocol: ICMP, notICMP: {}", [false, false, false, true]),
        ("protocol: ICMP, destination: {ports: [80]}", [false, false, false, true]),
        ("protocol: UDP, since: yesterday", [false, false, true, false]),
        ("source: {nets: [198.51.100.0/24], notNets: [ten]}", [false; 4]),
        ("source: {notNets: [192.0.2.0/24, ten]}", [false; 4]),
    ] {
        let services = ["tcp/80", "tcp/81", "udp/80", "icmp"];
        for action in ["Deny", "Pass"] {
            let scenario = shop_with(&format!("{{action: {action}, {broken}}}, {{action: Allow}}"));
            let allowed = services.map(|service| scenario.allows(OUTSIDE, "shop/db", service));
            assert_eq!(allowed, denied.map(|denied| !denied), "{action} {broken}");
        }
        let allow = shop_with(&format!("{{action: Allow, {broken}}}"));
        assert_eq!(services.map(|service| allow.allows(OUTSIDE, "shop/db", service)), [false; 4], "{broken}");
    }
}

#[test]
fn a_selector_that_takes_out_and_cannot_be_read_takes_out_nobody() {
    let spec = |action: &str| {
        format!(
            "{{ingress: [{{action: {action}, source: {{notSelector: 'a = b'}}}}, {{action: Allow, protocol: UDP}}]}}"
        )
    };
    for action in ["Allow", "Deny", "Pass"] {
        let scenario = town().global("p", &spec(action));
        scenario.check(&[(OUTSIDE, "shop/db", "tcp/80", false), ("shop/web", "shop/db", "tcp/80", false)]);
        assert_eq!(scenario.allows(OUTSIDE, "shop/db", "udp/80"), action == "Allow");
        assert_eq!(scenario.problems().len(), 1);
    }
}

#[test]
fn an_action_of_which_nobody_knows_denies() {
    let unknown = shop_with("{action: Explode, protocol: TCP}, {action: Allow}");
    unknown.check(&[(OUTSIDE, "shop/db", "tcp/80", false), (OUTSIDE, "shop/db", "udp/80", true)]);
    assert_eq!(unknown.problems().len(), 1);
}

#[test]
fn what_a_policy_says_that_is_not_understood_passes_nothing_on() {
    let rules = "ingress: [{action: Pass, protocol: TCP}, {action: Deny, protocol: UDP}, {action: Log}]";
    for broken in ["selector: 'app =='", "since: yesterday"] {
        let scenario = town()
            .own("shop/p", &format!("{{tier: kube-admin, {broken}, {rules}}}"))
            .own("shop/q", "{ingress: [{action: Allow}]}");
        scenario.check(&[
            (OUTSIDE, "shop/db", "tcp/80", false),
            (OUTSIDE, "shop/db", "udp/80", false),
            (OUTSIDE, "shop/db", "icmp", true),
        ]);
    }
}

#[test]
fn a_policy_whose_subject_cannot_be_read_closes_its_scope() {
    for selector in ["selector: 'app =='", "serviceAccountSelector: 'app =='"] {
        let spec = format!("{{{selector}, ingress: [{{action: Allow}}]}}");
        let scenario = town().own("shop/p", &spec);
        scenario.check(&[
            (OUTSIDE, "shop/db", "tcp/80", false),
            (OUTSIDE, "shop/web", "tcp/80", false),
            (OUTSIDE, "bank/web", "tcp/80", true),
            ("shop/web", OUTSIDE, "tcp/80", true),
        ]);
        assert!(!scenario.problems().is_empty());
    }
    let spec = "{namespaceSelector: \"team == 'blue'\", selector: 'app ==', ingress: [{action: Allow}]}";
    town()
        .global("p", spec)
        .check(&[(OUTSIDE, "bank/web", "tcp/80", false), (OUTSIDE, "shop/web", "tcp/80", true)]);
}

#[test]
fn a_policy_that_says_what_its_kind_cannot_say_allows_nothing() {
    for field in ["namespaceSelector: 'all()'", "preDNAT: true", "since: yesterday", "stagedAction: Set"] {
        let scenario = town().own("shop/p", &format!("{{{field}, ingress: [{{action: Allow}}]}}"));
        scenario.check(&[(OUTSIDE, "shop/db", "tcp/80", false), (OUTSIDE, "bank/web", "tcp/80", true)]);
        assert_eq!(scenario.problems().len(), 1, "{field}");
    }
}

#[test]
fn an_unknown_type_isolates_in_both_directions() {
    let scenario = town().own("shop/p", "{types: [ingress], ingress: [{action: Allow}]}");
    scenario.check(&[(OUTSIDE, "shop/db", "tcp/80", true), ("shop/db", OUTSIDE, "tcp/80", false)]);
    assert_eq!(scenario.problems().len(), 1);
}

#[test]
fn a_tier_that_does_not_exist_is_the_last_and_denies() {
    let scenario = town().own("shop/p", "{tier: none, ingress: [{action: Allow, protocol: UDP}]}");
    scenario.check(&[(OUTSIDE, "shop/db", "udp/80", true), (OUTSIDE, "shop/db", "tcp/80", false)]);
    assert_eq!(scenario.problems().len(), 1);
    let isolated = scenario.clone().policy("shop/k", "{}");
    isolated.check(&[(OUTSIDE, "shop/db", "udp/80", false)]);
    let with_tier = scenario.tier("none", "{order: 1, defaultAction: Pass}");
    with_tier.check(&[(OUTSIDE, "shop/db", "tcp/80", true)]);
    assert_eq!(with_tier.problems(), [""; 0]);
}

#[test]
fn a_networks_set_leaves_out_what_is_no_network() {
    let scenario = town().global_network_set("some", "{role: some}", "192.0.2.0/33 ten 192.0.2.0/24").own(
        "shop/p",
        "{ingress: [{action: Allow, source: {namespaceSelector: global(), selector: has(role)}}]}",
    );
    scenario.check(&[(OUTSIDE, "shop/db", "tcp/80", true), ("198.51.100.1", "shop/db", "tcp/80", false)]);
}
