use super::*;
use crate::scenario::town;

#[test]
fn a_broken_program_denies() {
    let scenario = town().policy("shop/p", "{ingress: [{from: [{podSelector: {}}]}]}");
    let packet = scenario.packet("shop/web", "shop/db", "tcp/80");
    let whole = scenario.program();
    assert_eq!(evaluate(&whole, &packet).verdict(), Verdict::Allow);

    let without_sets = Program { sets: Default::default(), ..whole.clone() };
    assert_eq!(evaluate(&without_sets, &packet).verdict(), Verdict::Deny);
    let without_profiles = Program { profiles: Default::default(), ..whole };
    assert_eq!(evaluate(&without_profiles, &packet).verdict(), Verdict::Deny);
}

#[test]
fn ends_without_an_endpoint_are_not_judged() {
    let scenario = town().policy("shop/p", "{policyTypes: [Ingress, Egress]}");
    let between_strangers = scenario.packet("192.0.2.1", "192.0.2.2", "tcp/80");
    assert_eq!(evaluate(&scenario.program(), &between_strangers), Evaluation { egress: None, ingress: None });
    let from_outside = evaluate(&scenario.program(), &scenario.packet("192.0.2.1", "shop/web", "tcp/80"));
    assert_eq!(from_outside.egress, None);
    let reason = from_outside.ingress.map(|decision| decision.reason);
    assert_eq!(reason, Some(Reason::TierEnd { tier: "default".to_owned() }));
}
