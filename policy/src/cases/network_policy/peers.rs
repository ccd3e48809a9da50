//! Rows 9, 14–23, 29, 37–39, 47, 50 and 51: who is the other end.

use super::{NODE, OUTSIDE};
use crate::scenario::{endpoint_id, town};

#[test]
fn row_9_missing_or_empty_peers_are_anyone() {
    for from in ["", "from: [], "] {
        town().policy("shop/p", &format!("{{ingress: [{{{from}ports: [{{port: 80}}]}}]}}")).check(&[
            (OUTSIDE, "shop/db", "tcp/80", true),
            ("bank/web", "shop/db", "tcp/80", true),
            (OUTSIDE, "shop/db", "tcp/81", false),
        ]);
    }
}

#[test]
fn row_14_a_pod_selector_alone_is_for_the_policys_namespace() {
    town().policy("shop/p", "{ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}").check(&[
        ("shop/web", "shop/db", "tcp/80", true),
        ("bank/web", "shop/db", "tcp/80", false),
        ("bank/vault", "shop/db", "tcp/80", false),
    ]);
}

#[test]
fn row_15_a_namespace_selector_alone_is_all_of_its_pods() {
    let blue = "{ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}]}]}";
    town().policy("shop/p", blue).check(&[
        ("bank/web", "shop/db", "tcp/80", true),
        ("bank/vault", "shop/db", "tcp/80", true),
        ("shop/web", "shop/db", "tcp/80", false),
        (OUTSIDE, "shop/db", "tcp/80", false),
    ]);
    town().policy("shop/p", "{ingress: [{from: [{namespaceSelector: {}}]}]}").check(&[
        ("bank/web", "shop/db", "tcp/80", true),
        ("shop/web", "shop/db", "tcp/80", true),
        (OUTSIDE, "shop/db", "tcp/80", false),
    ]);
}

#[test]
fn row_16_one_item_is_and_and_two_items_are_or() {
    let namespaces = "namespaceSelector: {matchLabels: {team: blue}}";
    let pods = "podSelector: {matchLabels: {app: web}}";
    town().policy("shop/p", &format!("{{ingress: [{{from: [{{{namespaces}, {pods}}}]}}]}}")).check(&[
        ("bank/web", "shop/db", "tcp/80", true),
        ("bank/vault", "shop/db", "tcp/80", false),
        ("shop/web", "shop/db", "tcp/80", false),
    ]);
    town().policy("shop/p", &format!("{{ingress: [{{from: [{{{namespaces}}}, {{{pods}}}]}}]}}")).check(&[
        ("bank/web", "shop/db", "tcp/80", true),
        ("bank/vault", "shop/db", "tcp/80", true),
        ("shop/web", "shop/db", "tcp/80", true),
        ("shop/db", "shop/web", "tcp/80", false),
    ]);
}

#[test]
fn row_17_both_empty_is_every_pod_and_nobody_else() {
    town().policy("shop/p", "{ingress: [{from: [{namespaceSelector: {}, podSelector: {}}]}]}").check(&[
        ("bank/web", "shop/db", "tcp/80", true),
        ("shop/web", "shop/db", "tcp/80", true),
        (OUTSIDE, "shop/db", "tcp/80", false),
        (NODE, "shop/db", "tcp/80", false),
    ]);
}

#[test]
fn row_18_a_block_with_a_selector_is_rejected_and_matches_nothing() {
    for selector in ["podSelector: {}", "namespaceSelector: {}"] {
        let peer = format!("{{ipBlock: {{cidr: 0.0.0.0/0}}, {selector}}}");
        let scenario = town().policy("shop/p", &format!("{{ingress: [{{from: [{peer}]}}]}}"));
        let what =
            "spec.ingress[0].from[0]: ipBlock cannot be combined with a selector; this peer matches nothing";
        assert_eq!(scenario.problems(), [what]);
        scenario.check(&[
            (OUTSIDE, "shop/db", "tcp/80", false),
            ("shop/web", "shop/db", "tcp/80", false),
            ("bank/web", "shop/db", "tcp/80", false),
        ]);
    }
}

#[test]
fn row_19_an_exception_is_for_its_own_peer_only() {
    let block = "{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/31]}}";
    let first = town().policy("shop/p", &format!("{{ingress: [{{from: [{block}]}}]}}"));
    first.check(&[("192.0.2.1", "shop/db", "tcp/80", false), ("192.0.2.2", "shop/db", "tcp/80", true)]);
    // Another peer, another rule, another policy.
    let narrow = "{ipBlock: {cidr: 192.0.2.1/32}}";
    let others = [
        town().policy("shop/p", &format!("{{ingress: [{{from: [{block}, {narrow}]}}]}}")),
        town().policy("shop/p", &format!("{{ingress: [{{from: [{block}]}}, {{from: [{narrow}]}}]}}")),
        first.policy("shop/q", &format!("{{ingress: [{{from: [{narrow}]}}]}}")),
    ];
    for scenario in others {
        scenario
            .check(&[("192.0.2.1", "shop/db", "tcp/80", true), ("192.0.2.0", "shop/db", "tcp/80", false)]);
    }
}

#[test]
fn row_20_an_exception_outside_of_its_block_is_rejected_and_the_block_matches_nothing() {
    for hole in ["11.0.0.0/16", "192.0.2.0/24", "192.0.0.0/8", "fd00::/64", "none"] {
        let block = format!("{{ipBlock: {{cidr: 192.0.2.0/24, except: ['{hole}']}}}}");
        let scenario = town().policy("shop/p", &format!("{{ingress: [{{from: [{block}]}}]}}"));
        let problems = scenario.problems();
        assert!(problems[0].starts_with("spec.ingress[0].from[0].ipBlock.except[0]: "), "{problems:?}");
        scenario.check(&[("192.0.2.1", "shop/db", "tcp/80", false)]);
    }
}

#[test]
fn row_21_a_block_of_one_family_leaves_the_other_isolated() {
    town().policy("shop/p", "{ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}").check(&[
        (OUTSIDE, "10.0.0.2", "tcp/80", true),
        ("2001:db8::1", "fd00::2", "tcp/80", false),
        ("fd00::1", "fd00::2", "tcp/80", false),
    ]);
    town()
        .policy("shop/p", "{ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]}")
        .check(&[(OUTSIDE, "10.0.0.2", "tcp/80", false), ("2001:db8::1", "fd00::2", "tcp/80", true)]);
}

#[test]
fn row_22_a_block_matches_pods_too() {
    let block = "{ipBlock: {cidr: 10.0.1.0/24, except: [10.0.1.2/32]}}";
    town()
        .policy("shop/p", &format!("{{ingress: [{{from: [{block}]}}]}}"))
        .check(&[("bank/web", "shop/db", "tcp/80", true), ("bank/vault", "shop/db", "tcp/80", false)]);
    town()
        .policy("shop/p", &format!("{{policyTypes: [Egress], egress: [{{to: [{block}]}}]}}"))
        .check(&[("shop/web", "bank/web", "tcp/80", true), ("shop/web", "bank/vault", "tcp/80", false)]);
}

#[test]
fn row_23_a_block_is_held_against_the_addresses_of_the_packet_as_it_arrives() {
    // A client that its router has hidden: ingress sees the router.
    let client = "{ingress: [{from: [{ipBlock: {cidr: 192.0.2.1/32}}]}]}";
    town()
        .policy("shop/p", client)
        .check(&[("192.0.2.1", "shop/db", "tcp/80", true), ("198.51.100.1", "shop/db", "tcp/80", false)]);
    // A service whose backend is outside: egress sees the backend.
    let backend = "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 198.51.100.0/24}}]}]}";
    town()
        .policy("shop/p", backend)
        .check(&[("shop/web", "198.51.100.1", "tcp/80", true), ("shop/web", "10.96.0.10", "tcp/80", false)]);
}

#[test]
fn row_29_of_a_block_only_pods_serve_names() {
    let block = "{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.1.0/24]}}";
    let spec = format!("{{policyTypes: [Egress], egress: [{{to: [{block}], ports: [{{port: sql}}]}}]}}");
    town().policy("shop/p", &spec).check(&[
        ("shop/web", "shop/db", "tcp/5432", true),
        ("shop/web", "10.0.0.99", "tcp/5432", false),
        ("shop/web", "bank/vault", "tcp/6543", false),
        ("fd00::1", "fd00::2", "tcp/5432", false),
    ]);
}

#[test]
fn row_37_another_node_is_an_ordinary_peer() {
    let from_pods = "{ingress: [{from: [{namespaceSelector: {}}]}]}";
    town().policy("shop/p", from_pods).check(&[(NODE, "shop/web", "tcp/80", false)]);
    let from_block = "{ingress: [{from: [{ipBlock: {cidr: 172.16.0.0/24}}]}]}";
    town().policy("shop/p", from_block).check(&[(NODE, "shop/web", "tcp/80", true)]);
}

/// `shop/agent` shares the network of [`NODE`], and says that it serves `sql`.
fn town_with_an_agent() -> crate::scenario::Scenario {
    let agent = "{hostNetwork: true, containers: [{name: a, ports: [{name: sql, containerPort: 5432}]}]}";
    town().pod("shop/agent", NODE, "{app: web}", agent)
}

#[test]
fn row_38_a_pod_on_the_hosts_network_is_no_subject() {
    let closed = town_with_an_agent().policy("shop/p", "{policyTypes: [Ingress, Egress]}");
    closed.check(&[
        (OUTSIDE, "shop/agent", "tcp/80", true),
        ("shop/agent", OUTSIDE, "tcp/80", true),
        (OUTSIDE, "shop/web", "tcp/80", false),
    ]);
    assert!(!closed.program().endpoints.contains_key(&endpoint_id("shop/agent")));
}

#[test]
fn row_39_a_pod_on_the_hosts_network_is_a_peer_by_a_block_only() {
    for selector in ["podSelector: {matchLabels: {app: web}}", "namespaceSelector: {}"] {
        let spec = format!("{{ingress: [{{from: [{{{selector}}}]}}]}}");
        town_with_an_agent()
            .policy("shop/p", &spec)
            .check(&[("shop/agent", "shop/db", "tcp/80", false), ("shop/web", "shop/db", "tcp/80", true)]);
    }
    // Its named ports are no service of a pod either.
    let named = "{policyTypes: [Egress], egress: [{ports: [{port: sql}]}]}";
    town_with_an_agent()
        .policy("shop/p", named)
        .check(&[("shop/web", NODE, "tcp/5432", false), ("shop/web", "shop/db", "tcp/5432", true)]);
    let block = "{ingress: [{from: [{ipBlock: {cidr: 172.16.0.1/32}}]}]}";
    town_with_an_agent().policy("shop/p", block).check(&[("shop/agent", "shop/db", "tcp/80", true)]);
}

#[test]
fn row_47_a_namespace_has_its_name_as_a_label() {
    let by_name =
        "{ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bank}}}]}]}";
    let packets = [("bank/web", "shop/db", "tcp/80", true), ("shop/web", "shop/db", "tcp/80", false)];
    town().policy("shop/p", by_name).check(&packets);
    let not_other = "{ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}]}}]}]}";
    town().policy("shop/p", not_other).check(&packets);
}

#[test]
fn row_50_a_services_own_address_is_no_pods() {
    let to_pods = "{policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}";
    town()
        .policy("shop/p", to_pods)
        .check(&[("shop/web", "10.96.0.10", "tcp/80", false), ("shop/web", "shop/db", "tcp/80", true)]);
    // A block of the service's address does not open its backends.
    let to_service = "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.10/32}}]}]}";
    town().policy("shop/p", to_service).check(&[("shop/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_51_through_a_node_port_a_remote_node_is_the_source_and_on_the_arrival_node_the_client() {
    let from_client = "{ingress: [{from: [{ipBlock: {cidr: 192.0.2.1/32}}]}]}";
    // The pod's node is where the client arrived: judged before its address is masqueraded; or another one is.
    town()
        .policy("shop/p", from_client)
        .check(&[(OUTSIDE, "shop/db", "tcp/80", true), (NODE, "shop/db", "tcp/80", false)]);
}

#[test]
fn a_namespace_that_is_not_known_is_selected_only_if_any_labels_would_do() {
    let mut scenario = town();
    scenario.cluster.namespaces.clear();
    let cases = [
        ("{}", true),
        ("{matchLabels: {kubernetes.io/metadata.name: bank}}", true),
        ("{matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop]}]}", true),
        ("{matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [bank]}]}", false),
        ("{matchLabels: {team: blue}}", false),
        ("{matchExpressions: [{key: team, operator: NotIn, values: [red]}]}", false),
        ("{matchExpressions: [{key: team, operator: DoesNotExist}]}", false),
    ];
    for (selector, allowed) in cases {
        let spec = format!("{{ingress: [{{from: [{{namespaceSelector: {selector}}}]}}]}}");
        scenario.clone().policy("shop/p", &spec).check(&[("bank/web", "shop/db", "tcp/80", allowed)]);
    }
}
