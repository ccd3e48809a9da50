//! What is read, what is refused and how it is then treated. Who may reach whom is decided by packets, so that the
//! treatment is seen and not only said. Rows are those of the table of cases for this API.

use super::*;
use crate::compile::compile;
use crate::evaluate::evaluate;
use crate::model::{Model, Node};
use crate::program::Verdict;
use crate::scenario::{Scenario, town, yaml};

fn policy(name: &str, spec: &str) -> Policy {
    Policy::from_cluster(name, &yaml(&format!("{{metadata: {{}}, spec: {spec}}}")))
}

fn problems(spec: &str) -> Vec<String> {
    policy("p", spec).problems.iter().map(ToString::to_string).collect()
}

/// A policy of the tier Admin for all pods with these rules.
fn admin(rules: &str) -> String {
    format!("{{tier: Admin, priority: 1, subject: {{namespaces: {{}}}}, {rules}}}")
}

fn model(scenario: &Scenario, specs: &[&str]) -> Model {
    let mut model = scenario.model();
    for (index, spec) in specs.iter().enumerate() {
        let policy = policy(&format!("p{index}"), spec);
        model.policies.insert(policy.id.clone(), policy);
    }
    model
}

fn allows(model: &Model, from: &str, to: &str, service: &str) -> bool {
    let local = model.endpoints.keys().cloned().collect();
    let packet = town().packet(from, to, service);
    evaluate(&compile(model, &local), &packet).verdict() == Verdict::Allow
}

#[track_caller]
fn check(scenario: &Scenario, specs: &[&str], packets: &[(&str, &str, &str, bool)]) {
    let model = model(scenario, specs);
    for (from, to, service, allowed) in packets {
        assert_eq!(allows(&model, from, to, service), *allowed, "{from} -> {to} {service}");
    }
}

const ANY: &str = "[{namespaces: {}}]";

#[test]
fn rows_1_to_4_tiers_go_before_and_after_network_policies() {
    let open = town();
    let isolated = town().policy("shop/p", "{}");
    let allowing = town().policy("shop/p", "{ingress: [{}]}");
    let rule = |action: &str| admin(&format!("ingress: [{{action: {action}, from: {ANY}}}]"));
    let baseline = |action: &str| rule(action).replace("Admin", "Baseline");
    let to_db = |allowed| [("bank/web", "shop/db", "tcp/80", allowed)];
    // Row 1: what no rule matches goes on, and is not isolated.
    let none = admin("ingress: [{action: Accept, from: [{namespaces: {matchLabels: {team: none}}}]}]");
    check(&open, &[&none], &to_db(true));
    check(&isolated, &[&none], &to_db(false));
    // Row 2: Pass skips the rest of its tier.
    let pass = admin(&format!("ingress: [{{action: Pass, from: {ANY}}}, {{action: Deny, from: {ANY}}}]"));
    check(&open, &[&pass], &to_db(true));
    check(&isolated, &[&pass], &to_db(false));
    check(&open, &[&pass.replace("Admin", "Baseline")], &to_db(true));
    // Rows 3 and 4.
    check(&isolated, &[&rule("Accept")], &to_db(true));
    check(&allowing, &[&rule("Deny")], &to_db(false));
    // Rows 5 and 6: a NetworkPolicy that selects the pod in the direction has the last word before the baseline.
    check(&open, &[&baseline("Deny")], &to_db(false));
    check(&allowing, &[&baseline("Deny")], &to_db(true));
    check(&isolated, &[&baseline("Accept")], &to_db(false));
    let egress = baseline("Deny").replace("ingress", "egress").replace("from", "to");
    check(&allowing, &[&egress], &[("shop/db", "bank/web", "tcp/80", false)]);
}

#[test]
fn rows_7_and_10_both_ends_and_the_first_rule_decide() {
    let egress = admin(&format!("egress: [{{action: Accept, to: {ANY}}}]"));
    check(&town().policy("shop/p", "{}"), &[&egress], &[("bank/web", "shop/db", "tcp/80", false)]);
    let two = "protocols: [{tcp: {destinationPort: {number: 80}}}]";
    let rules = format!("ingress: [{{action: Accept, from: {ANY}, {two}}}, {{action: Deny, from: {ANY}}}]");
    check(
        &town(),
        &[&admin(&rules)],
        &[("bank/web", "shop/db", "tcp/80", true), ("bank/web", "shop/db", "tcp/81", false)],
    );
}

#[test]
fn the_least_priority_goes_first_and_then_the_name() {
    let rule = |action: &str, priority: u32| {
        admin(&format!("ingress: [{{action: {action}, from: {ANY}}}]"))
            .replace("priority: 1", &format!("priority: {priority}"))
    };
    let to_db = |allowed| [("bank/web", "shop/db", "tcp/80", allowed)];
    check(&town(), &[&rule("Deny", 7), &rule("Accept", 3)], &to_db(true));
    check(&town(), &[&rule("Deny", 3), &rule("Accept", 3)], &to_db(false));
    check(&town(), &[&rule("Accept", 3), &rule("Deny", 3)], &to_db(true));
}

#[test]
fn subjects_and_peers_are_pods_by_both_selectors() {
    let pods =
        "{pods: {namespaceSelector: {matchLabels: {team: red}}, podSelector: {matchLabels: {app: db}}}}";
    let spec = format!(
        "{{tier: Admin, priority: 1, subject: {pods}, ingress: [{{action: Deny, from: [{{pods: {{namespaceSelector: {{}}, podSelector: {{matchLabels: {{app: web}}}}}}}}]}}]}}"
    );
    check(
        &town(),
        &[&spec],
        &[
            ("bank/web", "shop/db", "tcp/80", false),
            ("shop/web", "shop/db", "udp/80", false),
            ("bank/vault", "shop/db", "tcp/80", true),
            ("bank/web", "shop/web", "tcp/80", true),
            ("192.0.2.1", "shop/db", "tcp/80", true),
        ],
    );
}

#[test]
fn row_15_networks_are_pods_too_and_an_earlier_accept_saves_them() {
    let deny = "{action: Deny, to: [{networks: ['0.0.0.0/0']}]}";
    check(
        &town(),
        &[&admin(&format!("egress: [{deny}]"))],
        &[
            ("shop/web", "shop/db", "tcp/80", false),
            ("shop/web", "192.0.2.1", "tcp/80", false),
            ("fd00::1", "fd00::2", "tcp/80", true),
        ],
    );
    let dns = "{action: Accept, to: [{namespaces: {}}], protocols: [{destinationNamedPort: dns}]}";
    check(
        &town(),
        &[&admin(&format!("egress: [{dns}, {deny}]"))],
        &[
            ("shop/web", "shop/db", "udp/53", true),
            ("shop/web", "shop/db", "tcp/53", false),
            ("shop/web", "192.0.2.1", "udp/53", false),
        ],
    );
}

#[test]
fn nodes_are_their_addresses() {
    let spec = admin("egress: [{action: Deny, to: [{nodes: {matchLabels: {zone: a}}}]}]");
    let mut model = model(&town(), &[&spec]);
    for (name, zone) in [("n1", "a"), ("n2", "b")] {
        let labels = [("zone".to_owned(), zone.to_owned())].into();
        let addresses = [format!("172.16.0.{}", &name[1..]).parse().unwrap()].into();
        model.nodes.insert(name.to_owned(), Node { labels, addresses });
    }
    assert!(!allows(&model, "shop/web", "172.16.0.1", "tcp/10250"));
    assert!(allows(&model, "shop/web", "172.16.0.2", "tcp/10250"));
}

#[test]
fn row_11_what_is_not_known_accepts_nothing_and_denies_everything() {
    let unknown =
        ["{clusters: {}}", "{}", "{namespaces: {}, clusters: {}}", "{domainNames: ['*.example.org']}"];
    let outside =
        |allowed| [("shop/web", "192.0.2.1", "tcp/80", allowed), ("shop/web", "shop/db", "icmp", allowed)];
    let town = || town().policy("shop/p", "{policyTypes: [Egress]}");
    for peer in unknown {
        let rule = |action: &str| admin(&format!("egress: [{{action: {action}, to: [{peer}]}}]"));
        check(&town(), &[&rule("Accept")], &outside(false));
        for action in ["Deny", "Pass"] {
            let open = [("bank/web", "192.0.2.1", "tcp/80", false), ("bank/web", "shop/db", "icmp", false)];
            check(&town(), &[&rule(action)], &open);
        }
        // Also beside one that is known: it is the rule that fails closed.
        let both =
            admin(&format!("egress: [{{action: Accept, to: [{peer}, {{networks: [192.0.2.1/32]}}]}}]"));
        check(&town(), &[&both], &outside(false));
        assert_eq!(problems(&both).len(), 1);
    }
}

#[test]
fn row_12_an_unknown_tier_or_subject_skips_the_policy() {
    let deny = format!("ingress: [{{action: Deny, from: {ANY}}}]");
    let cases = [
        (
            format!("{{tier: Platform, priority: 1, subject: {{namespaces: {{}}}}, {deny}}}"),
            "spec.tier: \"Platform\" is not one of Admin, Baseline; the policy is skipped",
        ),
        (
            format!("{{tier: Admin, priority: 1, subject: {{}}, {deny}}}"),
            "spec.subject: needs one of namespaces, pods; the policy is skipped",
        ),
        (
            format!("{{tier: Admin, priority: 1, subject: {{services: {{}}}}, {deny}}}"),
            "spec.subject.services: no such field is known; the policy is skipped",
        ),
        (
            format!("{{tier: Admin, priority: 1, subject: {{namespaces: {{}}, pods: {{}}}}, {deny}}}"),
            "spec.subject: needs one of namespaces, pods; the policy is skipped",
        ),
    ];
    for (spec, problem) in cases {
        assert_eq!(problems(&spec), [problem]);
        assert_eq!(policy("p", &spec).directions().count(), 0);
        check(&town(), &[&spec], &[("bank/web", "shop/db", "tcp/80", true)]);
    }
}

#[test]
fn what_selects_more_than_was_meant_only_denies() {
    let rules = format!(
        "ingress: [{{action: Accept, from: {ANY}, protocols: [{{tcp: {{}}}}]}}, {{action: Deny, from: {ANY}, protocols: [{{udp: {{}}}}]}}]"
    );
    let spec = format!(
        "{{tier: Admin, priority: 1, subject: {{namespaces: {{matchLabels: {{'a b': c}}}}}}, {rules}}}"
    );
    assert_eq!(
        problems(&spec),
        [
            "spec.subject.namespaces.matchLabels: \"a b\" is no label key (like app or example.com/app); what the rest of the selector selects is denied what the policy denies or passes"
        ]
    );
    let isolated = town().policy("shop/p", "{}").policy("bank/p", "{ingress: [{}]}");
    let packets = [
        ("bank/web", "shop/db", "tcp/80", false),
        ("shop/db", "bank/web", "udp/80", false),
        ("shop/db", "bank/web", "tcp/80", true),
    ];
    check(&isolated, &[&spec], &packets);
    let newer = admin(&format!("since: now, {rules}"));
    assert_eq!(
        problems(&newer),
        ["spec.since: no such field is known; rules that accept are left out, those that pass deny"]
    );
    check(&isolated, &[&newer], &packets);
}

#[test]
fn protocols_that_cannot_be_read_accept_nothing_and_deny_every_protocol() {
    let cases = [
        ("{}", "needs one of tcp, udp, sctp, destinationNamedPort"),
        ("{tcp: {}, udp: {}}", "needs one of tcp, udp, sctp, destinationNamedPort"),
        ("{icmp: {}}", "icmp: no such field is known"),
        ("{tcp: {sourcePort: 1}}", "tcp.sourcePort: no such field is known"),
        ("{tcp: {destinationPort: {}}}", "tcp.destinationPort: needs one of number, range"),
        ("{tcp: {destinationPort: {number: 0}}}", "tcp.destinationPort: 0 is no port (1 to 65535)"),
        (
            "{udp: {destinationPort: {range: {start: 9, end: 9}}}}",
            "udp.destinationPort.range.end: 9 is not greater than the start 9",
        ),
        (
            "{udp: {destinationPort: {range: {start: 9, end: 65536}}}}",
            "udp.destinationPort: 65536 is no port (1 to 65535)",
        ),
        (
            "{destinationNamedPort: '80'}",
            "destinationNamedPort: \"80\" is no port name (up to 15 of a-z, 0-9 and '-', with a letter)",
        ),
    ];
    for (item, what) in cases {
        let spec = |action: &str| {
            admin(&format!(
                "ingress: [{{action: {action}, from: {ANY}, protocols: [{item}, {{sctp: {{}}}}]}}]"
            ))
        };
        let separator = if what.starts_with("needs") { ": " } else { "." };
        let said = |treatment: &str| [format!("spec.ingress[0].protocols[0]{separator}{what}; {treatment}")];
        assert_eq!(problems(&spec("Accept")), said("it matches nothing"));
        assert_eq!(problems(&spec("Deny")), said("the rule denies every protocol"));
        let isolated = town().policy("shop/p", "{}");
        let packets = [("bank/web", "shop/db", "sctp/1", true), ("bank/web", "shop/db", "tcp/80", false)];
        check(&isolated, &[&spec("Accept")], &packets);
        for action in ["Deny", "Pass"] {
            let packets = [("bank/web", "shop/db", "icmp", false), ("192.0.2.1", "shop/db", "tcp/80", true)];
            check(&town(), &[&spec(action)], &packets);
        }
    }
}

#[test]
fn other_parts_that_cannot_be_read_are_named() {
    let rule = |rule: &str| problems(&admin(&format!("egress: [{rule}]")));
    assert_eq!(
        rule("{action: Allow, to: [{namespaces: {}}]}"),
        ["spec.egress[0].action: \"Allow\" is not one of Accept, Deny, Pass; the rule denies"]
    );
    assert_eq!(
        rule("{action: Pass, to: []}"),
        ["spec.egress[0].to: needs at least one peer; the rule denies everything"]
    );
    assert_eq!(
        rule("{action: Accept, to: [{networks: [10.0.0.0]}]}"),
        [
            "spec.egress[0].to[0].networks[0]: \"10.0.0.0\" is no network (like 10.0.0.0/8 or fd00::/64); the rule matches nothing"
        ]
    );
    assert_eq!(
        rule("{action: Accept, to: [{networks: []}]}"),
        ["spec.egress[0].to[0].networks: needs at least one network; the rule matches nothing"]
    );
    assert_eq!(
        rule("{action: Deny, since: 1, to: [{namespaces: {}}]}"),
        ["spec.egress[0].since: no such field is known; the rule denies everything"]
    );
    assert_eq!(
        rule("{action: Accept, to: [{nodes: {}}], protocols: [{destinationNamedPort: dns}]}"),
        [
            "spec.egress[0].protocols[0].destinationNamedPort: a named port cannot be combined with networks or nodes; it matches nothing"
        ]
    );
    assert_eq!(
        rule("{action: Accept, to: [{pods: {since: 1}}]}"),
        ["spec.egress[0].to[0].pods.since: no such field is known; the rule matches nothing"]
    );
    let spec = |priority: &str| problems(&admin("").replace("priority: 1, ", priority));
    assert_eq!(spec(""), ["spec.priority: is missing; the policy is the last of its tier"]);
    assert_eq!(
        spec("priority: 1001, "),
        ["spec.priority: 1001 is not one of 0 to 1000; it is used as it is"]
    );
}

#[test]
fn rules_keep_their_names_and_numbers() {
    let spec = admin(
        "egress: [{name: first, action: Accept, to: [{}]}, {name: second, action: Deny, to: [{networks: [192.0.2.0/24]}]}]",
    );
    let model = model(&town(), &[&spec]);
    let local = model.endpoints.keys().cloned().collect();
    let packet = town().packet("shop/web", "192.0.2.1", "tcp/80");
    let explanation = crate::explain::explain(&compile(&model, &local), &packet);
    assert_eq!(
        explanation.directions[0].reason,
        "denied by ClusterNetworkPolicy p0, egress rule 1 \"second\" (tier kube-admin)"
    );
}
