use std::collections::BTreeSet;

use super::*;
use crate::engine::Engine;
use crate::model::{
    ADMIN_TIER, BASELINE_TIER, EndpointSelector, Order, Policy, PolicyKind, PolicyRule, Service, Tier,
};
use crate::program::{Action, TierEnd};
use crate::scenario::{Scenario, endpoint_id, policy_id, town};

fn reasons(scenario: &Scenario, from: &str, to: &str, service: &str) -> Vec<String> {
    let explanation = scenario.explain(from, to, service);
    explanation
        .directions
        .iter()
        .map(|end| format!("{} {}: {}", end.direction, end.endpoint, end.reason))
        .collect()
}

fn shop() -> Scenario {
    town()
        .policy("shop/backend", "{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 22}]}, {from: [{podSelector: {}}], ports: [{port: sql}]}]}")
        .policy("shop/default-deny", "{}")
}

#[test]
fn sentences_name_the_rule_or_the_policies() {
    let scenario = shop();
    assert_eq!(
        reasons(&scenario, "shop/web", "shop/db", "tcp/5432"),
        [
            "Egress shop/web: allowed: no policy selects it for egress",
            "Ingress shop/db: allowed by shop/backend, ingress rule 1",
        ]
    );
    assert_eq!(
        reasons(&scenario, "192.0.2.1", "shop/db", "tcp/5432"),
        ["Ingress shop/db: denied: selected by shop/backend and shop/default-deny and no rule allows it"]
    );
    assert_eq!(
        reasons(&scenario, "192.0.2.1", "shop/web", "icmp"),
        ["Ingress shop/web: denied: selected by shop/default-deny and no rule allows it"]
    );
    assert_eq!(
        reasons(&scenario, "shop/db", "shop/db", "tcp/1"),
        [
            "Egress shop/db: allowed: an endpoint always reaches itself",
            "Ingress shop/db: allowed: an endpoint always reaches itself",
        ]
    );
    assert_eq!(reasons(&scenario, "192.0.2.1", "192.0.2.2", "tcp/1"), [""; 0]);
}

#[test]
fn the_parts_are_there_for_programs_too() {
    let explanation = shop().explain("shop/web", "shop/db", "tcp/5432");
    assert_eq!(explanation.verdict, Verdict::Allow);
    let ingress = &explanation.directions[1];
    assert_eq!(ingress.direction, Direction::Ingress);
    assert_eq!(ingress.endpoint, endpoint_id("shop/db"));
    let origin = RuleOrigin { policy: policy_id("shop/backend"), rule: 1, name: None };
    assert_eq!(ingress.decided_by.as_ref(), Some(&origin));
    let policies = [policy_id("shop/backend"), policy_id("shop/default-deny")];
    assert!(ingress.considered().eq(&policies));
    let asked = AskedTier {
        name: "default".to_owned(),
        policies: policies.into(),
        logged: vec![],
        passed_over: vec![PassedOver {
            rule: RuleOrigin { policy: policy_id("shop/backend"), rule: 0, name: None },
            why: "the destination port is 5432, not 22".to_owned(),
        }],
        outcome: Outcome::Allowed,
        rule: Some(origin),
    };
    assert_eq!(ingress.tiers, [asked]);
    assert_eq!(explanation.directions[0].decided_by, None);
    assert_eq!(explanation.directions[0].tiers, []);
}

#[test]
fn ends_on_other_nodes_are_explained_as_well() {
    let mut engine = shop().engine();
    engine.set_local(BTreeSet::new());
    let explanation = engine.explain(&shop().packet("bank/web", "shop/db", "tcp/80"));
    assert_eq!(explanation.verdict, Verdict::Deny);
    assert_eq!(explanation.directions.len(), 2);
}

#[test]
fn lists_read_as_sentences() {
    let text = |items: &[&str]| and(items);
    assert_eq!(text(&[]), "");
    assert_eq!(text(&["a"]), "a");
    assert_eq!(text(&["a", "b"]), "a and b");
    assert_eq!(text(&["a", "b", "c"]), "a, b and c");
}

/// The town with an admin policy that logs and passes, a NetworkPolicy, and a baseline.
fn tiered() -> Engine {
    let mut engine = town().policy("bank/p", "{podSelector: {matchLabels: {app: vault}}}").engine();
    let rule =
        |action, services: Option<Vec<Service>>| PolicyRule { services, ..PolicyRule::everything(action) };
    let udp = || Some(vec![Service::Protocol(17)]);
    let named = |rule: PolicyRule| PolicyRule { name: Some("no udp".to_owned()), ..rule };
    let policies = [
        ("watch", ADMIN_TIER, 1.0, vec![rule(Action::Log, None)]),
        ("skip", ADMIN_TIER, 2.0, vec![rule(Action::Pass, None)]),
        ("base", BASELINE_TIER, 1.0, vec![named(rule(Action::Deny, udp()))]),
    ];
    for (name, tier, order, rules) in policies {
        let id = PolicyId::global(PolicyKind::ClusterNetworkPolicy, name);
        let policy = Policy {
            id: id.clone(),
            tier: tier.to_owned(),
            order: Order::of(order),
            subject: EndpointSelector::everything(),
            ingress: Some(rules),
            egress: None,
            problems: vec![],
        };
        engine.set_policy(&id, Some(policy));
    }
    engine
}

fn ingress(engine: &Engine, to: &str, service: &str) -> DirectionVerdict {
    engine.explain(&town().packet("192.0.2.1", to, service)).directions.remove(0)
}

#[test]
fn a_tier_that_decides_is_named_unless_it_is_the_default() {
    let reasons = [("shop/db", "udp/1"), ("shop/db", "tcp/1"), ("bank/vault", "udp/1")]
        .map(|(to, service)| ingress(&tiered(), to, service).reason);
    assert_eq!(
        reasons,
        [
            "denied by ClusterNetworkPolicy base, ingress rule 0 \"no udp\" (tier kube-baseline)",
            "allowed: passed on by ClusterNetworkPolicy watch, ClusterNetworkPolicy skip and ClusterNetworkPolicy base, and nothing after that decides",
            "denied: selected by bank/p and no rule allows it",
        ]
    );
    let mut engine = tiered();
    let id = PolicyId::global(PolicyKind::GlobalNetworkPolicy, "g");
    let rules = Some(vec![PolicyRule::nothing(Action::Allow)]);
    let base = engine.model().policies.values().find(|policy| policy.id.name == "base").unwrap().clone();
    engine.set_policy(&id, Some(Policy { tier: "security".to_owned(), ingress: rules, ..base }));
    let first = Tier { order: Order::of(1.0), end: TierEnd::Deny };
    engine.set_tier("security", Some(first));
    assert_eq!(
        ingress(&engine, "shop/db", "tcp/1").reason,
        "denied: selected by GlobalNetworkPolicy g and no rule of tier security allows it"
    );
}

#[test]
fn every_tier_that_was_asked_says_what_it_did() {
    let asked = |to, service| {
        let verdict = ingress(&tiered(), to, service);
        let tier = |tier: &AskedTier| {
            let rule = tier.rule.as_ref().map_or("its end".to_owned(), ToString::to_string);
            let logged: Vec<String> = tier.logged.iter().map(ToString::to_string).collect();
            format!("{} {:?} by {rule}, logged {logged:?}", tier.name, tier.outcome)
        };
        verdict.tiers.iter().map(tier).collect::<Vec<_>>()
    };
    let admin = "kube-admin Passed by ClusterNetworkPolicy skip rule 0, logged [\"ClusterNetworkPolicy watch rule 0\"]";
    assert_eq!(asked("bank/vault", "udp/1"), [admin, "default Denied by its end, logged []"]);
    assert_eq!(
        asked("shop/db", "udp/1"),
        [admin, "kube-baseline Denied by ClusterNetworkPolicy base rule 0 \"no udp\", logged []"]
    );
    assert_eq!(asked("shop/db", "tcp/1"), [admin, "kube-baseline Passed by its end, logged []"]);
}
