//! `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy, by the rows of its table.
//!
//! Of row 8, that replies and related errors are let through is the kernel's; of row 9, that nothing is answered; of row
//! 14, that a node gets in by where it comes from. Those are shown with the agent.

use crate::program::Verdict;
use crate::scenario::{Scenario, town};

const OUTSIDE: &str = "192.0.2.1";
const NODE: &str = "172.16.0.1";

/// The subject is everything in `shop`.
const SHOP: &str = "subject: {namespaces: {matchLabels: {team: red}}}";
const EVERYONE: &str = "subject: {namespaces: {}}";
const FROM_BANK: &str = "from: [{namespaces: {matchLabels: {team: blue}}}]";
const FROM_PODS: &str = "from: [{namespaces: {}}]";
/// A NetworkPolicy's rule.
const BANK_GETS_IN: &str = "{ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}";

fn admin(rest: &str) -> Scenario {
    town().cluster_policy("admin", &format!("{{tier: Admin, priority: 10, {rest}}}"))
}

fn baseline(rest: &str) -> Scenario {
    town().cluster_policy("baseline", &format!("{{tier: Baseline, priority: 10, {rest}}}"))
}

#[test]
fn row_1_what_no_rule_matches_goes_to_the_next_tier() {
    let ingress = format!("ingress: [{{action: Deny, {FROM_BANK}, protocols: [{{tcp: {{}}}}]}}]");
    for scenario in [admin(&format!("{SHOP}, {ingress}")), baseline(&format!("{SHOP}, {ingress}"))] {
        scenario.check(&[
            ("bank/web", "shop/db", "tcp/80", false),
            ("bank/web", "shop/db", "udp/80", true),
            ("shop/web", "shop/db", "tcp/80", true),
            (OUTSIDE, "shop/db", "tcp/80", true),
            ("shop/db", "bank/web", "tcp/80", true),
        ]);
        // The next one is NetworkPolicy; it isolates.
        let isolated = scenario.policy("shop/p", "{ingress: [{ports: [{port: 80, protocol: UDP}]}]}");
        isolated.check(&[("bank/web", "shop/db", "udp/80", true), ("shop/web", "shop/db", "tcp/80", false)]);
    }
}

#[test]
fn row_2_pass_skips_the_rest_of_its_tier() {
    let rules = format!("ingress: [{{action: Pass, {FROM_BANK}}}, {{action: Deny, {FROM_PODS}}}]");
    let admin = admin(&format!("{EVERYONE}, {rules}"));
    admin.check(&[("bank/web", "shop/db", "tcp/80", true), ("shop/web", "shop/db", "tcp/80", false)]);
    // On to NetworkPolicy, and to no other policy of the tier.
    admin.clone().policy("shop/p", "{}").check(&[("bank/web", "shop/db", "tcp/80", false)]);
    let later =
        format!("{{tier: Admin, priority: 11, {EVERYONE}, ingress: [{{action: Deny, {FROM_BANK}}}]}}");
    admin.clone().cluster_policy("later", &later).check(&[("bank/web", "shop/db", "tcp/80", true)]);
    // And on to Baseline, if no NetworkPolicy is there.
    let denies =
        format!("{{tier: Baseline, priority: 0, {EVERYONE}, ingress: [{{action: Deny, {FROM_BANK}}}]}}");
    admin.cluster_policy("base", &denies).check(&[("bank/web", "shop/db", "tcp/80", false)]);
    // In Baseline, nothing comes after.
    baseline(&format!("{EVERYONE}, {rules}"))
        .check(&[("bank/web", "shop/db", "tcp/80", true), ("shop/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_3_what_admin_accepts_no_network_policy_denies() {
    admin(&format!("{SHOP}, ingress: [{{action: Accept, {FROM_BANK}}}]"))
        .policy("shop/p", "{}")
        .check(&[("bank/web", "shop/db", "tcp/80", true), ("shop/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_4_what_admin_denies_no_network_policy_allows() {
    admin(&format!("{SHOP}, ingress: [{{action: Deny, {FROM_BANK}}}]"))
        .policy("shop/p", "{ingress: [{}]}")
        .check(&[("bank/web", "shop/db", "tcp/80", false), ("shop/web", "shop/db", "tcp/80", true)]);
}

#[test]
fn row_5_each_direction_has_its_own_network_policies() {
    let egress = "egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]";
    let scenario = baseline(&format!("{SHOP}, {egress}"));
    scenario
        .clone()
        .policy("shop/p", "{ingress: [{}]}")
        .check(&[("shop/web", OUTSIDE, "tcp/80", false), (OUTSIDE, "shop/web", "tcp/80", true)]);
    // One for egress takes the place of Baseline.
    scenario
        .policy("shop/p", "{policyTypes: [Egress], egress: [{}]}")
        .check(&[("shop/web", OUTSIDE, "tcp/80", true)]);
}

#[test]
fn row_6_baseline_is_not_asked_about_whom_a_network_policy_selects() {
    baseline(&format!("{SHOP}, ingress: [{{action: Accept, {FROM_PODS}}}]"))
        .policy("shop/p", BANK_GETS_IN)
        .check(&[("shop/web", "shop/db", "tcp/80", false), ("bank/web", "shop/db", "tcp/80", true)]);
}

#[test]
fn row_7_what_may_leave_may_still_not_come_in() {
    admin(&format!("{SHOP}, egress: [{{action: Accept, to: [{{namespaces: {{}}}}]}}]"))
        .policy("bank/p", "{}")
        .check(&[("shop/web", "bank/web", "tcp/80", false), ("shop/web", "shop/db", "tcp/80", true)]);
}

#[test]
fn row_8_accept_is_for_the_connection_and_says_nothing_of_the_other_way() {
    let deny = "{action: Deny, to: [{namespaces: {}}]}";
    admin(&format!("{SHOP}, ingress: [{{action: Accept, {FROM_BANK}}}], egress: [{deny}]"))
        .check(&[("bank/web", "shop/db", "tcp/80", true), ("shop/db", "bank/web", "tcp/80", false)]);
}

#[test]
fn row_9_deny_is_a_drop() {
    let scenario = admin(&format!("{SHOP}, ingress: [{{action: Deny, {FROM_BANK}}}]"));
    for service in ["tcp/80", "udp/53", "sctp/1", "icmp", "47"] {
        assert_eq!(scenario.explain("bank/web", "shop/db", service).verdict, Verdict::Deny, "{service}");
        scenario.check(&[("bank/web", "shop/db", service, false)]);
    }
}

#[test]
fn row_10_of_rules_that_overlap_the_first_wins() {
    let one =
        format!("{{action: Deny, {FROM_BANK}, protocols: [{{tcp: {{destinationPort: {{number: 80}}}}}}]}}");
    let other = format!("{{action: Accept, {FROM_PODS}}}");
    let last = "{action: Deny, from: [{namespaces: {}}]}";
    admin(&format!("{SHOP}, ingress: [{one}, {other}, {last}]"))
        .check(&[("bank/web", "shop/db", "tcp/80", false), ("bank/web", "shop/db", "tcp/81", true)]);
    admin(&format!("{SHOP}, ingress: [{other}, {one}, {last}]"))
        .check(&[("bank/web", "shop/db", "tcp/80", true), ("bank/web", "shop/db", "tcp/81", true)]);
    // Of policies, the one with the lower priority; of equal ones, the first by name.
    let policy = |priority: i32, action: &str| {
        format!("{{tier: Admin, priority: {priority}, {SHOP}, ingress: [{{action: {action}, {FROM_BANK}}}]}}")
    };
    for (first, second, allowed) in [(9, 10, true), (10, 9, false), (10, 10, true), (0, 1000, true)] {
        town()
            .cluster_policy("a", &policy(first, "Accept"))
            .cluster_policy("b", &policy(second, "Deny"))
            .check(&[("bank/web", "shop/db", "tcp/80", allowed)]);
    }
}

#[test]
fn row_11_a_rule_with_a_peer_that_is_not_known_fails_closed() {
    let broken = [
        "from: [{services: {}}]",
        "from: [{}]",
        "from: []",
        "from: [{namespaces: {}}, {clusters: {}}]",
        "from: [{namespaces: {}, pods: {podSelector: {}, namespaceSelector: {}}}]",
        "from: [{namespaces: {matchExpressions: [{key: team, operator: Like, values: [red]}]}}]",
        "from: [{namespaces: {}}], sourcePort: 1",
    ];
    for rule in broken {
        let accepting = format!("ingress: [{{action: Accept, {rule}}}, {{action: Deny, {FROM_PODS}}}]");
        let scenario = admin(&format!("{SHOP}, {accepting}"));
        scenario.check(&[("bank/web", "shop/db", "tcp/80", false), (OUTSIDE, "shop/db", "tcp/80", true)]);
        assert!(!scenario.problems().is_empty(), "{rule}");
        for action in ["Deny", "Pass", "Explode"] {
            let rules = format!("ingress: [{{action: {action}, {rule}}}, {{action: Accept, {FROM_PODS}}}]");
            let scenario = admin(&format!("{SHOP}, {rules}"));
            for service in ["tcp/80", "icmp"] {
                scenario.check(&[
                    ("bank/web", "shop/db", service, false),
                    (OUTSIDE, "shop/db", service, false),
                    ("shop/web", "bank/web", service, true),
                ]);
            }
            assert!(!scenario.problems().is_empty(), "{action} {rule}");
        }
    }
}

#[test]
fn row_11_a_protocol_that_is_not_known_is_none_to_accept_and_any_to_deny() {
    let broken = [
        "{}",
        "{icmp: {}}",
        "{tcp: {}, udp: {}}",
        "{tcp: {destinationPort: {}}}",
        "{tcp: {destinationPort: {number: 0}}}",
        "{tcp: {destinationPort: {range: {start: 9, end: 9}}}}",
        "{destinationNamedPort: 'no name'}",
    ];
    for protocol in broken {
        let rule = format!("{FROM_PODS}, protocols: [{protocol}, {{udp: {{}}}}]");
        let accepting = format!("ingress: [{{action: Accept, {rule}}}, {{action: Deny, {FROM_PODS}}}]");
        let scenario = admin(&format!("{SHOP}, {accepting}"));
        scenario.check(&[("bank/web", "shop/db", "tcp/80", false), ("bank/web", "shop/db", "udp/80", true)]);
        assert_eq!(scenario.problems().len(), 1, "{protocol}");
        for action in ["Deny", "Pass", "Explode"] {
            let rules = format!("ingress: [{{action: {action}, {rule}}}, {{action: Accept, {FROM_PODS}}}]");
            let scenario = admin(&format!("{SHOP}, {rules}"));
            for service in ["tcp/80", "udp/80", "icmp"] {
                scenario.check(&[
                    ("bank/web", "shop/db", service, false),
                    (OUTSIDE, "shop/db", service, true),
                    ("shop/web", "bank/web", service, true),
                ]);
            }
        }
    }
}

#[test]
fn a_subject_that_cannot_be_read_is_closed_to_what_its_policy_speaks_of() {
    let subject =
        "subject: {namespaces: {matchLabels: {team: red}, matchExpressions: [{key: env, operator: Like}]}}";
    let rule = |action: &str| format!("ingress: [{{action: {action}, {FROM_BANK}}}]");
    let after =
        format!("{{tier: Admin, priority: 11, {EVERYONE}, ingress: [{{action: Accept, {FROM_PODS}}}]}}");
    for (action, gets_in) in [("Accept", true), ("Deny", false), ("Pass", false)] {
        let scenario = admin(&format!("{subject}, {}", rule(action))).cluster_policy("after", &after);
        scenario.check(&[
            ("bank/web", "shop/db", "tcp/80", gets_in),
            ("shop/web", "shop/db", "tcp/80", true),
            ("bank/web", "bank/vault", "tcp/80", true),
        ]);
        assert_eq!(scenario.problems().len(), 1, "{action}");
    }
    admin(&format!("{subject}, {}", rule("Accept")))
        .policy("shop/p", "{}")
        .check(&[("bank/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_12_a_policy_of_an_unknown_tier_or_subject_is_skipped() {
    let rules = format!("ingress: [{{action: Deny, {FROM_PODS}}}]");
    for spec in [
        format!("{{tier: Middle, priority: 1, {EVERYONE}, {rules}}}"),
        format!("{{tier: Admin, priority: 1, subject: {{}}, {rules}}}"),
        format!("{{tier: Admin, priority: 1, subject: {{nodes: {{}}}}, {rules}}}"),
        format!(
            "{{tier: Admin, priority: 1, subject: {{namespaces: {{}}, pods: {{podSelector: {{}}}}}}, {rules}}}"
        ),
    ] {
        let scenario = town().cluster_policy("odd", &spec);
        scenario.check(&[("bank/web", "shop/db", "tcp/80", true)]);
        assert!(!scenario.problems().is_empty(), "{spec}");
        // Nothing else is disturbed.
        scenario.policy("shop/p", "{}").check(&[("bank/web", "shop/db", "tcp/80", false)]);
    }
}

#[test]
fn row_13_a_pod_reaches_itself() {
    let all = "{action: Deny, PEERS: [{namespaces: {}}]}";
    let (from, to) = (all.replace("PEERS", "from"), all.replace("PEERS", "to"));
    admin(&format!("{EVERYONE}, ingress: [{from}], egress: [{to}]")).check(&[
        ("shop/web", "shop/web", "tcp/80", true),
        ("fd00::1", "fd00::1", "icmp", true),
        ("shop/web", "shop/db", "tcp/80", false),
    ]);
}

#[test]
fn row_14_an_ingress_rule_cannot_name_a_node() {
    // A kubelet's probe comes from no pod; and it is the own node, which the kernel lets in.
    admin(&format!("{EVERYONE}, ingress: [{{action: Deny, {FROM_PODS}}}]"))
        .check(&[(NODE, "shop/db", "tcp/80", true), ("shop/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_15_networks_hit_pods_nodes_and_everything() {
    let deny = "{action: Deny, to: [{networks: [0.0.0.0/0]}]}";
    admin(&format!("{SHOP}, egress: [{deny}]")).check(&[
        ("shop/web", "shop/db", "tcp/80", false),
        ("shop/web", NODE, "tcp/80", false),
        ("shop/web", OUTSIDE, "icmp", false),
        ("fd00::1", "fd00::2", "tcp/80", true),
    ]);
    let dns = "{action: Accept, to: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}], protocols: [{udp: {destinationPort: {number: 53}}}]}";
    admin(&format!("{SHOP}, egress: [{dns}, {deny}]"))
        .check(&[("shop/web", "shop/db", "udp/53", true), ("shop/web", "shop/db", "tcp/53", false)]);
    let several = "{action: Deny, to: [{networks: [192.0.2.0/24, 'fd00::/16']}]}";
    admin(&format!("{SHOP}, egress: [{several}]")).check(&[
        ("shop/web", OUTSIDE, "tcp/80", false),
        ("fd00::1", "fd00::2", "tcp/80", false),
        ("shop/web", "shop/db", "tcp/80", true),
    ]);
}

#[test]
fn row_16_names_of_the_dns_are_refused_until_they_are_known() {
    let names = "{action: Accept, to: [{domainNames: ['*.example.org']}]}";
    let deny = "{action: Deny, to: [{networks: [0.0.0.0/0]}]}";
    let scenario = admin(&format!("{SHOP}, egress: [{names}, {deny}]"));
    scenario.check(&[("shop/web", OUTSIDE, "tcp/443", false)]);
    assert!(scenario.problems()[0].contains("domainNames"), "{:?}", scenario.problems());
}

#[test]
fn subjects_are_chosen_by_namespaces_or_by_pods() {
    let deny = format!("ingress: [{{action: Deny, {FROM_PODS}}}]");
    let pods = "subject: {pods: {namespaceSelector: {matchLabels: {team: red}}, podSelector: {matchLabels: {app: web}}}}";
    admin(&format!("{pods}, {deny}")).check(&[
        ("bank/vault", "shop/web", "tcp/80", false),
        ("bank/vault", "shop/db", "tcp/80", true),
        ("bank/vault", "bank/web", "tcp/80", true),
    ]);
    let everywhere = "subject: {pods: {podSelector: {matchLabels: {app: web}}}}";
    admin(&format!("{everywhere}, {deny}")).check(&[
        ("bank/vault", "shop/web", "tcp/80", false),
        ("bank/vault", "bank/web", "tcp/80", false),
        ("bank/vault", "shop/db", "tcp/80", true),
    ]);
    let host = "{hostNetwork: true, containers: []}";
    admin(&format!("{EVERYONE}, {deny}"))
        .pod("shop/agent", NODE, "{app: web}", host)
        .check(&[("shop/web", "shop/agent", "tcp/80", true), ("shop/agent", "shop/web", "tcp/80", true)]);
}

#[test]
fn named_ports_are_by_name_alone_and_the_destinations() {
    let deny_rest = format!("{{action: Deny, {FROM_PODS}}}");
    let named = format!(
        "{{action: Accept, {FROM_PODS}, protocols: [{{destinationNamedPort: dns}}, {{destinationNamedPort: sql}}]}}"
    );
    admin(&format!("{EVERYONE}, ingress: [{named}, {deny_rest}]")).check(&[
        ("bank/web", "shop/db", "udp/53", true),
        ("bank/web", "shop/db", "tcp/53", false),
        ("bank/web", "shop/db", "tcp/5432", true),
        ("shop/web", "bank/vault", "tcp/6543", true),
        ("shop/web", "bank/vault", "tcp/5432", false),
    ]);
    let out = "{action: Accept, to: [{namespaces: {}}], protocols: [{destinationNamedPort: sql}]}";
    admin(&format!("{SHOP}, egress: [{out}, {{action: Deny, to: [{{networks: [0.0.0.0/0]}}]}}]")).check(&[
        ("shop/web", "shop/db", "tcp/5432", true),
        ("shop/web", "bank/vault", "tcp/6543", true),
        ("shop/web", "bank/vault", "tcp/5432", false),
        ("shop/web", OUTSIDE, "tcp/5432", false),
    ]);
    // Networks have no named ports.
    let networks =
        "{action: Accept, to: [{networks: [10.0.0.0/8]}], protocols: [{destinationNamedPort: sql}]}";
    let scenario =
        admin(&format!("{SHOP}, egress: [{networks}, {{action: Deny, to: [{{networks: [0.0.0.0/0]}}]}}]"));
    scenario.check(&[("shop/web", "shop/db", "tcp/5432", false)]);
    assert_eq!(scenario.problems().len(), 1);
}

#[test]
fn protocols_are_a_choice_and_none_is_all() {
    let rule = |protocols: &str| {
        let accept = format!("{{action: Accept, {FROM_PODS}{protocols}}}");
        admin(&format!("{SHOP}, ingress: [{accept}, {{action: Deny, {FROM_PODS}}}]"))
    };
    let cases = [
        ("", [true; 6]),
        (", protocols: []", [true; 6]),
        (", protocols: [{tcp: {}}]", [true, true, false, false, false, false]),
        (
            ", protocols: [{tcp: {destinationPort: {number: 80}}}, {sctp: {}}]",
            [true, false, false, true, false, false],
        ),
        (
            ", protocols: [{tcp: {destinationPort: {range: {start: 80, end: 90}}}}]",
            [true, true, false, false, false, false],
        ),
        (
            ", protocols: [{udp: {destinationPort: {range: {start: 1, end: 65535}}}}]",
            [false, false, true, false, false, false],
        ),
    ];
    for (protocols, expected) in cases {
        let scenario = rule(protocols);
        let services = ["tcp/80", "tcp/90", "udp/80", "sctp/80", "icmp", "47"];
        let allowed = services.map(|service| scenario.allows("bank/web", "shop/db", service));
        assert_eq!(allowed, expected, "{protocols}");
    }
}

#[test]
fn nodes_are_their_addresses() {
    let accept = "{action: Accept, to: [{nodes: {matchLabels: {role: control-plane}}}]}";
    let deny = "{action: Deny, to: [{networks: [0.0.0.0/0, '::/0']}]}";
    let scenario = admin(&format!("{SHOP}, egress: [{accept}, {deny}]"))
        .node("one", "{role: control-plane}", "172.16.0.1 fd16::1 one.example.org")
        .node("two", "{role: worker}", "172.16.0.2");
    scenario.check(&[
        ("shop/web", "172.16.0.1", "tcp/6443", true),
        ("fd00::1", "fd16::1", "tcp/6443", true),
        ("shop/web", "172.16.0.2", "tcp/6443", false),
        ("shop/web", OUTSIDE, "tcp/6443", false),
    ]);
    scenario.node("two", "{role: control-plane}", "172.16.0.2").check(&[(
        "shop/web",
        "172.16.0.2",
        "tcp/6443",
        true,
    )]);
}

#[test]
fn without_rules_a_direction_is_not_affected() {
    for rules in ["ingress: []", "egress: [{action: Accept, to: [{namespaces: {}}]}]"] {
        let scenario = admin(&format!("{SHOP}, {rules}"));
        scenario.check(&[("bank/web", "shop/db", "tcp/80", true)]);
        let program = scenario.program();
        assert!(program.endpoints.values().all(|endpoint| endpoint.ingress.is_none()));
    }
}
