use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::scenario::random::{kubernetes_scenarios, packets};
use crate::scenario::town;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_decide_as_the_specification(
        scenario in kubernetes_scenarios(),
        packets in prop::collection::vec(packets(), 100),
    ) {
        let program = scenario.program();
        check_contract(&program);
        for packet in packets {
            scenario.agreed(&program, &packet);
        }
    }
}

/// What the documentation of [`Program`] promises to whoever lowers it.
fn check_contract(program: &Program) {
    let mut profiles = BTreeSet::new();
    for endpoint in program.endpoints.values() {
        for (profile, direction) in
            [(&endpoint.ingress, Direction::Ingress), (&endpoint.egress, Direction::Egress)]
        {
            let Some(id) = profile else { continue };
            assert_eq!(program.profiles[id].direction, direction);
            profiles.insert(id);
        }
    }
    assert!(profiles.into_iter().eq(program.profiles.keys()), "just the profiles that are used\n{program}");

    let mut sets = BTreeSet::new();
    for profile in program.profiles.values() {
        assert!(!profile.tiers.is_empty(), "{program}");
        for tier in &profile.tiers {
            assert!(!tier.policies.is_empty(), "{program}");
            for rule in &tier.rules {
                assert!(tier.policies.contains(&rule.origin.policy), "{program}");
                check_rule(program, rule);
                sets.extend(rule.matches.iter().filter_map(Match::set));
            }
        }
    }
    assert!(sets.into_iter().eq(program.sets.keys()), "just the sets that are used\n{program}");

    for (id, set) in &program.sets {
        let Set::Networks(networks) = set else { continue };
        assert!(!networks.is_empty());
        for network in networks {
            let others = networks.iter().filter(|other| *other != network);
            assert_eq!(others.filter(|other| other.contains(network.ip())).count(), 0, "{id:?}: disjoint");
        }
    }
}

fn check_rule(program: &Program, rule: &Rule) {
    assert!(rule.matches.is_sorted(), "{program}");
    for condition in &rule.matches {
        match condition {
            Match::Address { set, .. } => {
                assert!(matches!(program.sets[set], Set::Addresses(_) | Set::Networks(_)));
            }
            Match::AddressPort { set, .. } => assert!(matches!(program.sets[set], Set::AddressPorts(_))),
            Match::Ports { ranges, .. } => {
                assert!(!ranges.is_empty() && ranges.iter().all(|(first, last)| first <= last));
                assert!(ranges.windows(2).all(|pair| u32::from(pair[0].1) + 1 < u32::from(pair[1].0)));
                let has_ports = |number| Protocol::from_number(number).is_some();
                assert!(rule.matches.iter().any(
                    |other| matches!(other, Match::Protocol { number, negated: false } if has_ports(*number))
                ));
            }
            Match::Family(_) | Match::Protocol { .. } | Match::Icmp { .. } => {}
        }
    }
}

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
