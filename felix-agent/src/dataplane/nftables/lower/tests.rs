//! Goldens, and the closed cases.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::program::{
    Action, Direction, EndpointId, EndpointProgram, Match, PolicyId, PolicyKind, Profile, ProfileId, Program,
    Protocol, Rule, RuleOrigin, Set, SetId, Side, Tier, TierEnd, Verdict,
};

use super::super::render::render;
use super::super::table::{Elements, Table, Verdict as Lowered};
use super::{INTERFACE_PREFIX, lower};

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
    assert_eq!(render(&lower(&program, &interfaces)), include_str!("golden/example.nft"));
}

#[test]
fn an_empty_program_closes_all_interfaces_of_ours() {
    assert_eq!(render(&lower(&Program::default(), &BTreeMap::new())), include_str!("golden/empty.nft"));
}

fn verdicts<'a>(table: &'a Table, map: &str) -> &'a BTreeMap<Vec<super::Value>, Lowered> {
    match &table.sets[map].elements {
        Elements::Verdicts(verdicts) => verdicts,
        Elements::Keys(_) | Elements::Ranges(_) => panic!("{map} is no map"),
    }
}

#[test]
fn interfaces_that_cannot_be_ours_stay_closed() {
    let (program, _) = example();
    for name in ["eth0", INTERFACE_PREFIX, "fab0123456789abc", "fab*", "fab a", "fab\0"] {
        let interfaces = BTreeMap::from([(endpoint_id("a"), name.to_owned())]);
        let table = lower(&program, &interfaces);
        assert!(verdicts(&table, "from_ep").is_empty(), "{name:?}");
        assert!(table.sets["ep_source4"].elements.is_empty(), "{name:?}");
    }
}

#[test]
fn a_profile_that_the_program_lacks_drops() {
    let (mut program, interfaces) = example();
    program.profiles.clear();
    let table = lower(&program, &interfaces);
    assert!(verdicts(&table, "to_ep").values().any(|verdict| verdict.target() == Some("p1")));
    let last = table.chains["p1"].rules.last().unwrap();
    assert_eq!((table.chains["p1"].rules.len(), super::super::render::rule_text(last)), {
        (1, "counter drop comment \"profile not defined\"".to_owned())
    });
}

#[test]
fn a_missing_set_allows_nobody_and_denies_everybody() {
    let lowered = |action| {
        let rule = Rule { action, ..rule(0, &[is_in(Side::Source, "gone")]) };
        let profiles =
            BTreeMap::from([(ProfileId("p1".to_owned()), profile(Direction::Ingress, vec![rule]))]);
        let table = lower(&Program { profiles, ..Program::default() }, &BTreeMap::new());
        table.chains["p1"].rules.iter().map(super::super::render::rule_text).collect::<Vec<_>>()
    };
    assert_eq!(lowered(Action::Allow), ["counter drop comment \"isolated by default/web\""]);
    assert_eq!(lowered(Action::Deny)[0], "counter drop comment \"default/web ingress#0\"");
}

#[test]
fn members_change_neither_chains_nor_other_sets() {
    let (program, interfaces) = example();
    let mut grown = program.clone();
    grown.sets.insert(set_id("s4"), addresses(&["10.9.9.9", "fd00::9"]));
    let (before, mut after) = (lower(&program, &interfaces), lower(&grown, &interfaces));
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
    let table = lower(&program, &BTreeMap::new());
    assert_eq!(table.sets["s14"].elements, Elements::Ranges(expected));
    assert!(!table.sets.contains_key("s16"));
}

#[test]
fn long_names_are_cut_but_the_rule_stays() {
    let mut rule = rule(12, &[]);
    rule.origin.policy.name = "x".repeat(253);
    let profiles = BTreeMap::from([(ProfileId("p1".to_owned()), profile(Direction::Egress, vec![rule]))]);
    let table = lower(&Program { profiles, ..Program::default() }, &BTreeMap::new());
    let comment = &table.chains["p1"].rules[0].comment;
    assert_eq!(comment.len(), super::super::table::COMMENT_MAX_BYTES);
    assert!(comment.starts_with("default/xxx") && comment.ends_with("x... egress#12"), "{comment}");
}
