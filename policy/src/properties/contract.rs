//! What the documentation of [`Program`] promises to whoever lowers it.

use std::collections::BTreeSet;

use crate::program::{Direction, Match, Program, Protocol, Rule, Set};

/// Fails if a promise is broken.
pub(super) fn check(program: &Program) {
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
