//! Goldens, and the closed cases.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::program::{
    Action, Direction, EndpointId, EndpointProgram, Match, PolicyId, PolicyKind, Profile, ProfileId, Program,
    Protocol, Rule, RuleOrigin, Set, SetId, Side, Tier, TierEnd, Verdict,
};

use super::super::assemble::{Refusals, assemble};
use super::super::render::{render, rule_text};
use super::super::table::{COMMENT_MAX_BYTES, Elements, LOG_PREFIX_MAX_BYTES, Statement, Table};
use super::super::transact::Former;
use super::{INTERFACE_PREFIX, Lowered, Options, name};

fn lower(program: &Program, interfaces: &BTreeMap<EndpointId, String>) -> Lowered {
    super::lower(program, interfaces, &Options::default())
}

/// With the endpoints' own chains, as they are at first.
fn first_table(program: &Program, interfaces: &BTreeMap<EndpointId, String>) -> Table {
    assemble(&lower(program, interfaces), Former::None, &Refusals::default(), &|_| true).table
}

fn endpoint_id(name: &str) -> EndpointId {
    EndpointId { namespace: "default".to_owned(), name: name.to_owned() }
}

fn endpoint(addresses: &[&str], ingress: Option<&str>, egress: Option<&str>) -> EndpointProgram {
    let profile = |id: Option<&str>| id.map(|id| ProfileId(id.to_owned()));
    EndpointProgram {
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        ingress: profile(ingress),
        egress: profile(egress),
    }
}

fn policy_id() -> PolicyId {
    PolicyId::namespaced(PolicyKind::NetworkPolicy, "default", "web")
}

fn rule(index: u32, matches: &[Match]) -> Rule {
    let origin = RuleOrigin { policy: policy_id(), rule: index, name: None };
    Rule { origin, matches: matches.to_vec(), action: Action::Allow }
}

fn is_in(side: Side, set: &str) -> Match {
    Match::Address { side, set: set_id(set), negated: false }
}

fn protocol(protocol: Protocol) -> Match {
    Match::Protocol { number: protocol.number(), negated: false }
}

fn addresses(all: &[&str]) -> Set {
    Set::Addresses(all.iter().map(|address| address.parse().unwrap()).collect())
}

fn networks(all: &[&str]) -> Set {
    Set::Networks(all.iter().map(|network| network.parse().unwrap()).collect())
}

fn profile(direction: Direction, rules: Vec<Rule>) -> Profile {
    let tier = Tier { name: "default".to_owned(), policies: vec![policy_id()], rules, end: TierEnd::Deny };
    Profile { direction, tiers: vec![tier], fallback: Verdict::Allow }
}

fn set_id(name: &str) -> SetId {
    SetId(name.to_owned())
}

/// Every kind of set, peer and service once.
fn example() -> (Program, BTreeMap<EndpointId, String>) {
    let address = |text: &str| -> IpAddr { text.parse().unwrap() };
    let sets = BTreeMap::from([
        (set_id("s1"), addresses(&["10.0.0.7", "fd00::7"])),
        (set_id("s2"), networks(&["192.0.2.0/25", "192.0.2.128/26", "198.51.100.0/24"])),
        (
            set_id("s3"),
            Set::AddressPorts(BTreeSet::from([
                (address("10.0.0.7"), Protocol::Tcp, 8080),
                (address("fd00::7"), Protocol::Udp, 53),
            ])),
        ),
        (set_id("s4"), addresses(&[])),
    ]);
    let ranges = vec![(80, 80), (8000, 8999)];
    let ports = Match::Ports { side: Side::Destination, ranges, negated: false };
    let ingress = vec![
        rule(0, &[is_in(Side::Source, "s1")]),
        rule(1, &[protocol(Protocol::Tcp), is_in(Side::Source, "s2"), ports]),
        rule(2, &[protocol(Protocol::Udp)]),
    ];
    let named = Match::AddressPort { side: Side::Destination, set: set_id("s3"), negated: false };
    let egress = vec![
        rule(0, &[named]),
        rule(1, &[protocol(Protocol::Sctp), is_in(Side::Destination, "s4")]),
        rule(2, &[]),
    ];
    let program = Program {
        sets,
        profiles: BTreeMap::from([
            (ProfileId("p1".to_owned()), profile(Direction::Ingress, ingress)),
            (ProfileId("p2".to_owned()), profile(Direction::Egress, egress)),
        ]),
        endpoints: BTreeMap::from([
            (endpoint_id("a"), endpoint(&["10.0.0.1", "fd00::1"], Some("p1"), Some("p2"))),
            (endpoint_id("b"), endpoint(&["10.0.0.2"], None, None)),
        ]),
    };
    let interfaces = BTreeMap::from([
        (endpoint_id("a"), "fab0a".to_owned()),
        (endpoint_id("b"), "fab0b".to_owned()),
        (endpoint_id("not-in-the-program"), "fab0c".to_owned()),
    ]);
    (program, interfaces)
}

#[test]
fn the_example_lowers_to_this_text() {
    let (program, interfaces) = example();
    assert_eq!(render(&first_table(&program, &interfaces)), include_str!("golden/example.nft"));
}

#[test]
fn an_empty_program_closes_all_interfaces_of_ours() {
    assert_eq!(render(&first_table(&Program::default(), &BTreeMap::new())), include_str!("golden/empty.nft"));
}

#[test]
fn what_is_the_operators_to_choose_is_left_out() {
    let options = Options { drop_invalid: false, require_syn: false, ..Options::default() };
    let table = super::lower(&Program::default(), &BTreeMap::new(), &options).table;
    let rules: Vec<String> = table.chains["endpoints"].rules.iter().map(rule_text).collect();
    assert_eq!(
        rules,
        [
            "ct direction reply goto answers",
            "ct state related goto answers",
            "iifname \"fab*\" jump from_endpoint",
            "oifname \"fab*\" jump to_endpoint",
        ]
    );
}

#[test]
fn interfaces_that_cannot_be_ours_stay_closed() {
    let (program, _) = example();
    for name in ["eth0", INTERFACE_PREFIX, "fab0123456789abc", "fab*", "fab a", "fab\0"] {
        let interfaces = BTreeMap::from([(endpoint_id("a"), name.to_owned())]);
        let Lowered { table, ends, .. } = lower(&program, &interfaces);
        assert!(table.sets["from_ep"].elements.is_empty() && ends.is_empty(), "{name:?}");
        assert!(table.sets["ep_source4"].elements.is_empty(), "{name:?}");
    }
}

#[test]
fn an_end_whose_profile_the_program_lacks_is_closed() {
    let (mut program, interfaces) = example();
    program.profiles.clear();
    let table = first_table(&program, &interfaces);
    let rules: Vec<String> = table.chains["ep_fab0a_in"].rules.iter().map(rule_text).collect();
    assert_eq!(rules[1], "counter drop comment \"closed: its policies were not compiled\"");
    assert!(!table.chains.contains_key("p1"));
}

fn profile_rules(tiers: Vec<Tier>, fallback: Verdict) -> BTreeMap<String, Vec<String>> {
    let (mut program, _) = example();
    let profile = Profile { direction: Direction::Ingress, tiers, fallback };
    program.profiles = BTreeMap::from([(ProfileId("p1".to_owned()), profile)]);
    let Lowered { table, refused, .. } = lower(&program, &BTreeMap::new());
    assert!(refused.is_empty(), "{refused:?}");
    let of_profile =
        table.chains.into_iter().filter(|(name, _)| name.starts_with("p1") || name.starts_with("deny_"));
    of_profile.map(|(name, chain)| (name, chain.rules.iter().map(rule_text).collect())).collect()
}

fn tier(name: &str, rules: Vec<Rule>, end: TierEnd) -> Tier {
    Tier { name: name.to_owned(), policies: vec![policy_id()], rules, end }
}

/// A rule that does this with UDP.
fn doing(action: Action, index: u32) -> Rule {
    Rule { action, ..rule(index, &[protocol(Protocol::Udp)]) }
}

#[test]
fn a_missing_set_allows_nobody_and_denies_everybody() {
    let lowered = |action, set: &str| {
        let rule = Rule { action, ..rule(0, &[protocol(Protocol::Udp), is_in(Side::Source, set)]) };
        let chains = profile_rules(vec![tier("default", vec![rule], TierEnd::Deny)], Verdict::Allow);
        chains["p1"].iter().map(|rule| rule.split(" comment").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The second is there, but says more than addresses.
    for set in ["gone", "s3"] {
        for action in [Action::Allow, Action::Log] {
            assert_eq!(lowered(action, set).len(), 1);
        }
        for action in [Action::Deny, Action::Pass] {
            let rules = lowered(action, set);
            assert!(rules[0].starts_with("meta l4proto udp counter goto deny_"), "{rules:?}");
        }
    }
}

#[test]
fn tiers_share_a_chain_unless_something_passes_between_their_rules() {
    let tiers = vec![
        tier("a", vec![doing(Action::Deny, 0)], TierEnd::Pass),
        tier("b", vec![doing(Action::Pass, 1), doing(Action::Allow, 2)], TierEnd::Deny),
        tier("c", vec![doing(Action::Log, 3)], TierEnd::Pass),
        tier("d", vec![doing(Action::Pass, 4)], TierEnd::Pass),
    ];
    let chains = profile_rules(tiers, Verdict::Allow);
    let ends = |chain: &str| -> Vec<String> {
        let end = |rule: &String| {
            let words = rule.split(" comment").next().unwrap();
            words.split("counter ").last().unwrap().split("deny_").next().unwrap().to_owned()
        };
        chains[chain].iter().map(end).collect()
    };
    assert_eq!(ends("p1"), ["goto ", "goto p1_2", "return", "goto "]);
    assert_eq!(
        ends("p1_2"),
        ["log prefix \"log|default/web ingress#3\" group 64 snaplen 96", "return", "return"]
    );
    let chains = chains.keys().filter(|name| name.starts_with('p')).count();
    assert_eq!(chains, 2);
}

#[test]
fn what_comes_after_a_tier_that_denies_is_not_there() {
    let tiers = vec![
        tier("a", vec![doing(Action::Allow, 0)], TierEnd::Deny),
        tier("b", vec![doing(Action::Allow, 1)], TierEnd::Pass),
    ];
    let chains = profile_rules(tiers, Verdict::Allow);
    assert_eq!(chains["p1"].len(), 2);
    assert!(chains["p1"][1].ends_with("comment \"tier a ingress: isolated by default/web\""), "{chains:?}");
}

#[test]
fn what_every_tier_passes_on_the_fallback_decides() {
    let tiers = || vec![tier("a", vec![doing(Action::Pass, 0)], TierEnd::Pass)];
    assert_eq!(
        profile_rules(tiers(), Verdict::Allow)["p1"][1],
        "counter return comment \"ingress: no tier decides\""
    );
    let denied = profile_rules(tiers(), Verdict::Deny);
    assert!(denied["p1"].iter().all(|rule| rule.contains("goto deny_")), "{denied:?}");
}

#[test]
fn more_steps_than_the_kernel_goes_are_refused_by_name() {
    let tiers = |count: usize| {
        let all = (0..count).map(|n| tier(&n.to_string(), vec![doing(Action::Pass, 0)], TierEnd::Pass));
        let profile =
            Profile { direction: Direction::Egress, tiers: all.collect(), fallback: Verdict::Allow };
        let profiles = BTreeMap::from([(ProfileId("p1".to_owned()), profile)]);
        lower(&Program { profiles, ..Program::default() }, &BTreeMap::new())
    };
    assert!(tiers(11).refused.is_empty());
    let Lowered { refused, table, .. } = tiers(12);
    assert_eq!(
        refused.values().collect::<Vec<_>>(),
        ["its policies pass from tier to tier 11 times; the kernel's rules go at most 10 deep"]
    );
    assert!(!table.chains.keys().any(|name| name.starts_with("p1")));
}

#[test]
fn members_change_neither_chains_nor_other_sets() {
    let (program, interfaces) = example();
    let mut grown = program.clone();
    grown.sets.insert(set_id("s4"), addresses(&["10.9.9.9", "fd00::9"]));
    let (before, mut after) = (lower(&program, &interfaces).table, lower(&grown, &interfaces).table);
    assert_eq!(before.chains, after.chains);
    for family in ["s44", "s46"] {
        assert_eq!(after.sets.remove(family).unwrap().elements.len(), 1);
    }
    assert!(after.sets.iter().all(|(name, set)| before.sets[name] == *set));
}

#[test]
fn touching_networks_become_one_range() {
    let all = ["10.0.0.0/25", "10.0.0.128/25", "255.255.255.255/32", "255.255.255.254/32", "0.0.0.0/32"];
    let program = Program { sets: BTreeMap::from([(set_id("s1"), networks(&all))]), ..Program::default() };
    let range = |first: &str, last: &str| (first.parse::<IpAddr>().unwrap(), last.parse::<IpAddr>().unwrap());
    let expected = BTreeSet::from([
        range("0.0.0.0", "0.0.0.0"),
        range("10.0.0.0", "10.0.0.255"),
        range("255.255.255.254", "255.255.255.255"),
    ]);
    let table = lower(&program, &BTreeMap::new()).table;
    assert_eq!(table.sets["s14"].elements, Elements::Ranges(expected));
    assert!(table.sets["s16"].elements.is_empty());
}

#[test]
fn long_names_are_cut_and_stay_apart() {
    let named = |policy: String| {
        let mut rule = rule(12, &[]);
        rule.origin.policy.name = policy;
        rule.origin.name = Some("the rule\"s own name".to_owned());
        rule.action = Action::Deny;
        let origin = rule.origin.clone();
        (profile_rules(vec![tier("t", vec![rule], TierEnd::Pass)], Verdict::Allow), origin)
    };
    let (short, _) = named("web".to_owned());
    let told = short.values().flatten().find(|rule| rule.contains("log prefix")).unwrap();
    assert!(told.contains("\"deny|default/web ingress#12|the rule's own name\""), "{told}");

    let (first, origin) = named("x".repeat(253));
    let (second, other) = named(format!("{}y", "x".repeat(252)));
    assert_ne!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    let [first, second] = [origin, other].map(|origin| name::rule(&origin, Direction::Ingress));
    assert_ne!(first, second);
    assert_eq!(first.len(), COMMENT_MAX_BYTES);
    assert!(first.starts_with("default/xxx") && first.ends_with(" ingress#12"), "{first}");
}

#[test]
fn no_prefix_is_longer_than_the_kernel_takes() {
    let rules = (0..3).map(|index| {
        let mut rule = doing(if index == 0 { Action::Log } else { Action::Deny }, index);
        rule.origin.policy.name = "é".repeat(100 + usize::try_from(index).unwrap());
        rule.origin.name = Some("n".repeat(100));
        rule
    });
    let profile = Profile {
        direction: Direction::Ingress,
        tiers: vec![tier("t", rules.collect(), TierEnd::Deny)],
        fallback: Verdict::Allow,
    };
    let profiles = BTreeMap::from([(ProfileId("p1".to_owned()), profile)]);
    let table = lower(&Program { profiles, ..Program::default() }, &BTreeMap::new()).table;
    let rules = table.chains.values().flat_map(|chain| &chain.rules);
    let prefixes: Vec<&String> = rules
        .flat_map(|rule| &rule.statements)
        .filter_map(|statement| if let Statement::Log(log) = statement { Some(&log.prefix) } else { None })
        .collect();
    assert_eq!(prefixes.len(), 4);
    assert!(prefixes.iter().all(|prefix| prefix.len() <= LOG_PREFIX_MAX_BYTES), "{prefixes:?}");
}
