use std::collections::BTreeSet;

use super::*;
use crate::program::{PolicyId, PolicyKind, Tier};
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

/// A program of one endpoint, `10.0.0.2` and `fd00::2`, with an ingress profile of these tiers, and sets to ask.
fn program_of(tiers: Vec<Tier>, fallback: Verdict) -> Program {
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let endpoint = EndpointProgram {
        addresses: addresses(&["10.0.0.2", "fd00::2"]),
        ingress: Some(ProfileId("p".to_owned())),
        egress: None,
    };
    let sets = [
        ("clients", Set::Addresses(addresses(&["10.0.0.1", "fd00::1"]))),
        ("nets", Set::Networks(["10.0.0.0/24", "fd00::/64"].map(|text| text.parse().unwrap()).into())),
        ("web", Set::AddressPorts([("10.0.0.2".parse().unwrap(), Protocol::Tcp, 80)].into())),
        ("empty", Set::Networks(BTreeSet::new())),
    ];
    Program {
        sets: sets.into_iter().map(|(name, set)| (SetId(name.to_owned()), set)).collect(),
        profiles: [(ProfileId("p".to_owned()), Profile { direction: Direction::Ingress, tiers, fallback })]
            .into(),
        endpoints: [(crate::scenario::endpoint_id("shop/db"), endpoint)].into(),
    }
}

fn origin(rule: u32) -> RuleOrigin {
    RuleOrigin { policy: PolicyId::global(PolicyKind::GlobalNetworkPolicy, "g"), rule, name: None }
}

/// A tier with these rules, numbered.
fn tier(name: &str, rules: &[(Action, &[Match])], end: TierEnd) -> Tier {
    let rules = (0..).zip(rules).map(|(number, (action, matches))| Rule {
        origin: origin(number),
        matches: matches.to_vec(),
        action: *action,
    });
    Tier { name: name.to_owned(), policies: vec![origin(0).policy], rules: rules.collect(), end }
}

fn packet(source: &str, destination: &str, transport: Transport) -> Packet {
    Packet { source: source.parse().unwrap(), destination: destination.parse().unwrap(), transport }
}

fn http() -> Packet {
    packet("10.0.0.1", "10.0.0.2", Transport::to_port(Protocol::Tcp, 80))
}

fn decide(program: &Program, packet: &Packet) -> Decision {
    evaluate(program, packet).ingress.unwrap()
}

#[test]
fn the_first_rule_that_acts_decides_and_passing_leads_on() {
    use Action::{Allow, Deny, Log, Pass};
    let never: &[Match] = &[Match::Family(Family::V6)];
    let first = |rules: &[(Action, &[Match])], end| tier("first", rules, end);
    let last = || tier("last", &[(Deny, &[])], TierEnd::Pass);
    let rule =
        |name: &str, number, verdict| Reason::Rule { tier: name.to_owned(), rule: origin(number), verdict };
    let cases = [
        (first(&[(Deny, never), (Allow, &[]), (Deny, &[])], TierEnd::Deny), rule("first", 1, Verdict::Allow)),
        (first(&[(Deny, &[]), (Allow, &[])], TierEnd::Pass), rule("first", 0, Verdict::Deny)),
        (first(&[(Pass, &[]), (Allow, &[])], TierEnd::Deny), rule("last", 0, Verdict::Deny)),
        (first(&[(Log, &[]), (Allow, never)], TierEnd::Pass), rule("last", 0, Verdict::Deny)),
        (first(&[(Allow, never)], TierEnd::Deny), Reason::TierEnd { tier: "first".to_owned() }),
        (first(&[], TierEnd::Deny), Reason::TierEnd { tier: "first".to_owned() }),
    ];
    for (first, reason) in cases {
        let program = program_of(vec![first, last()], Verdict::Allow);
        assert_eq!(decide(&program, &http()).reason, reason, "{program}");
    }
    for fallback in [Verdict::Allow, Verdict::Deny] {
        let program = program_of(vec![first(&[(Pass, &[])], TierEnd::Deny)], fallback);
        assert_eq!(decide(&program, &http()).reason, Reason::Fallback(fallback));
        assert_eq!(decide(&program, &http()).verdict(), fallback);
    }
}

#[test]
fn the_path_tells_what_was_logged_and_who_passed_it_on() {
    use Action::{Log, Pass};
    let mut twice = tier("first", &[(Log, &[]), (Log, &[]), (Pass, &[])], TierEnd::Deny);
    // Two alternatives of one rule log once.
    twice.rules[1].origin = origin(0);
    let program = program_of(vec![twice, tier("second", &[], TierEnd::Pass)], Verdict::Allow);
    let logged = Step::Logged { tier: "first".to_owned(), rule: origin(0) };
    let passed = |tier: &str, rule| Step::Passed { tier: tier.to_owned(), rule };
    let path = decide(&program, &http()).path;
    assert_eq!(path, [logged, passed("first", Some(origin(2))), passed("second", None)]);
}

#[test]
fn every_condition_holds_for_what_it_says() {
    let set = |name: &str| SetId(name.to_owned());
    let (source, destination) = (Side::Source, Side::Destination);
    let tcp = |source, destination| Transport::Port { protocol: Protocol::Tcp, source, destination };
    let v4 = |transport| packet("10.0.0.1", "10.0.0.2", transport);
    let v6 = |transport| packet("2001:db8::1", "fd00::2", transport);
    let icmp = |kind, code| Transport::Icmp { kind, code };
    let ping = |family, code, negated| Match::Icmp { family, kind: 8, code, negated };
    let ports = |side, negated| Match::Ports { side, ranges: vec![(80, 90), (443, 443)], negated };
    let address = |side, name, negated| Match::Address { side, set: set(name), negated };
    let service = |side, negated| Match::AddressPort { side, set: set("web"), negated };
    let protocol = |number, negated| Match::Protocol { number, negated };
    let cases = [
        (Match::Family(Family::V4), v4(tcp(1, 80)), true),
        (Match::Family(Family::V4), v6(tcp(1, 80)), false),
        (protocol(6, false), v4(tcp(1, 80)), true),
        (protocol(6, true), v4(tcp(1, 80)), false),
        (protocol(1, false), v4(icmp(8, 0)), true),
        (protocol(1, false), v6(icmp(8, 0)), false),
        (protocol(58, false), v6(icmp(8, 0)), true),
        (protocol(47, true), v4(Transport::Other(47)), false),
        (protocol(47, true), v4(icmp(8, 0)), true),
        (ping(Family::V4, None, false), v4(icmp(8, 7)), true),
        (ping(Family::V4, Some(0), false), v4(icmp(8, 7)), false),
        (ping(Family::V4, Some(0), true), v4(icmp(8, 7)), true),
        (ping(Family::V4, None, true), v4(icmp(8, 7)), false),
        (ping(Family::V4, None, true), v4(icmp(3, 1)), true),
        // Negated, it is still ICMP of that family.
        (ping(Family::V4, None, true), v6(icmp(3, 1)), false),
        (ping(Family::V4, None, true), v4(tcp(1, 80)), false),
        (ping(Family::V4, None, true), v4(Transport::Other(1)), false),
        (address(source, "clients", false), v4(tcp(1, 80)), true),
        (address(source, "clients", true), v4(tcp(1, 80)), false),
        (address(destination, "clients", false), v4(tcp(1, 80)), false),
        (address(source, "nets", false), v4(tcp(1, 80)), true),
        (address(source, "nets", true), v6(tcp(1, 80)), true),
        (address(destination, "nets", false), v6(tcp(1, 80)), true),
        (address(source, "empty", false), v4(tcp(1, 80)), false),
        (address(source, "empty", true), v4(tcp(1, 80)), true),
        (ports(destination, false), v4(tcp(1, 90)), true),
        (ports(destination, false), v4(tcp(90, 1)), false),
        (ports(source, false), v4(tcp(443, 1)), true),
        (ports(source, true), v4(tcp(444, 80)), true),
        (ports(destination, true), v4(tcp(1, 85)), false),
        (service(destination, false), v4(tcp(1, 80)), true),
        (service(destination, false), v4(tcp(1, 81)), false),
        (service(destination, true), v4(tcp(1, 81)), true),
        (service(source, false), v4(tcp(80, 80)), false),
        (service(destination, false), v4(icmp(8, 0)), false),
        (service(destination, true), v4(icmp(8, 0)), true),
    ];
    for (condition, packet, wanted) in cases {
        let only = tier("t", &[(Action::Allow, std::slice::from_ref(&condition))], TierEnd::Deny);
        let program = program_of(vec![only], Verdict::Allow);
        let allowed = decide(&program, &packet).verdict() == Verdict::Allow;
        assert_eq!(allowed, wanted, "{condition:?} {packet:?}");
    }
}

#[test]
fn a_set_that_is_missing_or_of_another_kind_opens_nothing() {
    let broken = ["gone", "web"].into_iter().flat_map(|name| {
        [false, true].map(|negated| Match::Address {
            side: Side::Source,
            set: SetId(name.to_owned()),
            negated,
        })
    });
    let others = ["gone", "nets"].into_iter().flat_map(|name| {
        let side = Side::Destination;
        [false, true].map(|negated| Match::AddressPort { side, set: SetId(name.to_owned()), negated })
    });
    for condition in broken.chain(others) {
        let decided = |action, matches: &[Match]| {
            let program = program_of(vec![tier("t", &[(action, matches)], TierEnd::Pass)], Verdict::Allow);
            decide(&program, &http()).reason
        };
        let alone = std::slice::from_ref(&condition);
        let denied = Reason::Rule { tier: "t".to_owned(), rule: origin(0), verdict: Verdict::Deny };
        for action in [Action::Deny, Action::Pass] {
            assert_eq!(decided(action, alone), denied, "{condition:?}");
            // Only what the rest of the rule matches.
            let with_other = [Match::Family(Family::V6), condition.clone()];
            assert_eq!(decided(action, &with_other), Reason::Fallback(Verdict::Allow), "{condition:?}");
        }
        for action in [Action::Allow, Action::Log] {
            assert_eq!(decided(action, alone), Reason::Fallback(Verdict::Allow), "{condition:?}");
        }
    }
}
