use std::collections::BTreeSet;

use super::*;
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
