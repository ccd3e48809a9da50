//! Rows 33–36, 40–46 and 49: pods, nodes and objects as they come, change and go.

use super::{NODE, OUTSIDE};
use crate::evaluate::evaluate;
use crate::program::Verdict;
use crate::scenario::{Scenario, endpoint_id, policy_id, town, yaml};

const CLOSED: &str = "{policyTypes: [Ingress, Egress]}";

#[test]
fn row_33_a_pod_reaches_itself() {
    town().policy("shop/p", CLOSED).check(&[
        ("shop/web", "shop/web", "tcp/80", true),
        ("fd00::1", "fd00::1", "icmp", true),
        // Whatever address of its own it takes.
        ("10.0.0.1", "10.0.0.1", "udp/53", true),
        ("shop/web", "shop/db", "tcp/80", false),
    ]);
}

#[test]
fn row_34_a_pod_reaches_itself_through_a_service() {
    // Its service's address has been translated to its own: what is judged has it at both ends.
    town().policy("shop/p", CLOSED).check(&[("shop/db", "shop/db", "tcp/5432", true)]);
}

#[test]
fn row_35_by_its_address_the_own_node_is_an_ordinary_peer() {
    // The kernel lets it in by where the packet comes from, so that nobody else who has its address gets in.
    town().policy("shop/p", CLOSED).check(&[(NODE, "shop/web", "tcp/80", false)]);
    town().check(&[(NODE, "shop/web", "tcp/80", true)]);
}

#[test]
fn row_36_to_its_own_node_a_pods_egress_applies() {
    town().policy("shop/p", CLOSED).check(&[("shop/web", NODE, "tcp/80", false)]);
    let to_node = "{policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 172.16.0.0/24}}], ports: [{port: 53, protocol: UDP}]}]}";
    town()
        .policy("shop/p", to_node)
        .check(&[("shop/web", NODE, "udp/53", true), ("shop/web", NODE, "tcp/80", false)]);
}

#[test]
fn row_40_a_connection_is_judged_by_the_policies_that_are() {
    let allowing = town().policy("shop/p", "{ingress: [{ports: [{port: 80}]}]}");
    allowing.check(&[("shop/web", "shop/db", "tcp/80", true)]);
    allowing.policy("shop/p", "{}").check(&[("shop/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_41_a_change_elsewhere_leaves_what_decides_a_connection_as_it_is() {
    let before = town().policy("shop/p", "{ingress: [{ports: [{port: 80}]}]}");
    let after = before.clone().policy("bank/q", CLOSED).pod("shop/new", "10.0.0.3", "{}", "{containers: []}");
    let db = endpoint_id("shop/db");
    assert_eq!(before.program().endpoints[&db], after.program().endpoints[&db]);
    after.check(&[("shop/web", "shop/db", "tcp/80", true)]);
}

#[test]
fn row_42_a_pod_is_isolated_before_it_has_an_address() {
    let policy = "{ingress: [{from: [{podSelector: {}}]}]}";
    let scenario = town().policy("shop/p", policy).pod("shop/new", "", "{}", "{containers: []}");
    let program = scenario.program();
    assert!(program.endpoints[&endpoint_id("shop/new")].ingress.is_some());
    assert_eq!(scenario.engine_program(), program);
}

#[test]
fn row_43_a_policy_that_comes_after_the_pod_isolates_it_from_then_on() {
    let scenario = town();
    let mut engine = scenario.engine();
    engine.settle();
    let packet = scenario.packet(OUTSIDE, "shop/db", "tcp/80");
    assert_eq!(evaluate(engine.program(), &packet).verdict(), Verdict::Allow);
    let id = policy_id("shop/p");
    let policy = scenario.policy("shop/p", "{}").model().policies.remove(&id);
    engine.set_policy(&id, policy);
    engine.settle();
    assert_eq!(evaluate(engine.program(), &packet).verdict(), Verdict::Deny);
}

#[test]
fn row_44_a_terminating_pod_stays() {
    let scenario = town().policy("shop/p", "{ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}");
    let scenario = ["shop/web", "shop/db"].into_iter().fold(scenario, |scenario, id| {
        scenario.change_pod(id, |pod| {
            pod.metadata.deletion_timestamp = Some(yaml("2026-08-01T00:00:00Z"));
        })
    });
    scenario.check(&[("shop/web", "shop/db", "tcp/80", true), ("bank/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_45_a_pod_that_has_finished_leaves_all_sets() {
    for phase in ["Succeeded", "Failed"] {
        let scenario = town()
            .policy("shop/p", "{ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}")
            .phase("shop/web", phase);
        scenario.check(&[("10.0.0.1", "shop/db", "tcp/80", false), (OUTSIDE, "10.0.0.1", "tcp/80", true)]);
        assert!(!scenario.program().endpoints.contains_key(&endpoint_id("shop/web")));
        // The address goes to another pod, which has its own labels.
        let reused = scenario.pod("bank/new", "10.0.0.1", "{app: new}", "{containers: []}");
        reused.check(&[("bank/new", "shop/db", "tcp/80", false), (OUTSIDE, "bank/new", "tcp/80", true)]);
    }
}

#[test]
fn row_46_labels_count_as_they_are_now() {
    let scenario = town().policy(
        "shop/p",
        "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}, podSelector: {matchLabels: {app: web}}}]}]}",
    );
    scenario.check(&[("bank/web", "shop/db", "tcp/80", true)]);
    let relabelled = |id| {
        let labels = Some(yaml("{app: other}"));
        scenario.clone().change_pod(id, |pod| pod.metadata.labels.clone_from(&labels))
    };
    relabelled("bank/web").check(&[("bank/web", "shop/db", "tcp/80", false)]);
    relabelled("shop/db").check(&[(OUTSIDE, "shop/db", "tcp/80", true)]);
    scenario.namespace("bank", "{team: green}").check(&[("bank/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_49_a_selector_that_cannot_be_used_matches_nothing_and_isolation_holds() {
    let good = "{podSelector: {matchLabels: {app: web}}}";
    let bad = "{podSelector: {matchExpressions: [{key: app, operator: Like, values: [w]}]}}";
    let with_peers =
        |peers: &str| town().policy("shop/p", &format!("{{ingress: [{{from: [{peers}]}}]}}")) as Scenario;
    let alone = with_peers(bad);
    assert_eq!(alone.problems().len(), 1);
    alone.check(&[("shop/web", "shop/db", "tcp/80", false)]);
    with_peers(&format!("{bad}, {good}"))
        .check(&[("shop/web", "shop/db", "tcp/80", true), ("bank/web", "shop/db", "tcp/80", false)]);
}

#[test]
fn row_49_a_network_that_cannot_be_used_matches_nothing_and_isolation_holds() {
    for cidr in ["10.0.0.0", "10.0.0.0/33", "ten/8", "10.0.0.0/255.0.0.0", "010.0.0.0/8", "10.0.0.0/+8"] {
        let rule = format!("{{ingress: [{{from: [{{ipBlock: {{cidr: '{cidr}'}}}}]}}]}}");
        let scenario = town().policy("shop/p", &rule);
        assert_eq!(scenario.problems().len(), 1, "{cidr}");
        scenario.check(&[("shop/web", "shop/db", "tcp/80", false)]);
    }
}
