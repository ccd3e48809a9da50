//! One endpoint through its life.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::program::{
    Action, Direction, EndpointId, EndpointProgram, Match, PolicyId, PolicyKind, Profile, ProfileId, Program,
    Rule, RuleOrigin, Set, SetId, Side, Tier, TierEnd, Verdict,
};

use super::super::lower::{Lowered, Options, lower};
use super::super::mark::{LAST, MarkLayout};
use super::super::render::rule_text;
use super::super::table::{Elements, Statement, Table};
use super::super::transact::Former;
use super::{Assembly, Refusals, assemble};

const INGRESS: &str = "ep_fab0_in";
const EGRESS: &str = "ep_fab0_eg";

/// The profile `name` lets in who is in its sets.
fn program(name: &str, sets: &[(&str, &[&str])]) -> Program {
    let policy = PolicyId::namespaced(PolicyKind::NetworkPolicy, "default", "web");
    let rules = sets.iter().zip(0..).map(|((set, _), rule)| Rule {
        origin: RuleOrigin { policy: policy.clone(), rule, name: None },
        matches: vec![Match::Address { side: Side::Source, set: SetId((*set).to_owned()), negated: false }],
        action: Action::Allow,
    });
    let tier = Tier {
        name: "default".to_owned(),
        policies: vec![policy.clone()],
        rules: rules.collect(),
        end: TierEnd::Deny,
    };
    let profile = Profile { direction: Direction::Ingress, tiers: vec![tier], fallback: Verdict::Allow };
    let members =
        |members: &[&str]| Set::Addresses(members.iter().map(|text| text.parse().unwrap()).collect());
    Program {
        sets: sets.iter().map(|(name, all)| (SetId((*name).to_owned()), members(all))).collect(),
        profiles: BTreeMap::from([(ProfileId(name.to_owned()), profile)]),
        endpoints: BTreeMap::from([(endpoint_id(), endpoint(Some(name)))]),
    }
}

fn endpoint_id() -> EndpointId {
    EndpointId { namespace: "default".to_owned(), name: "a".to_owned() }
}

fn endpoint(ingress: Option<&str>) -> EndpointProgram {
    EndpointProgram {
        addresses: ["10.0.0.1".parse().unwrap()].into(),
        ingress: ingress.map(|name| ProfileId(name.to_owned())),
        egress: None,
    }
}

fn open() -> Program {
    Program { endpoints: BTreeMap::from([(endpoint_id(), endpoint(None))]), ..Program::default() }
}

fn lowered(program: &Program) -> Lowered {
    lower(program, &BTreeMap::from([(endpoint_id(), "fab0".to_owned())]), &Options::default())
}

fn assembled(program: &Program, former: Former<'_>) -> Assembly {
    assemble(&lowered(program), former, &Refusals::default(), &|_| true)
}

/// The generation that the end's last rule writes.
fn generation(table: &Table, end: &str) -> u16 {
    let direction = if end == INGRESS { Direction::Ingress } else { Direction::Egress };
    let rule = table.chains[end].rules.last().unwrap();
    let [Statement::SetMark(bits)] = rule.statements[..] else { panic!("{rule:?}") };
    MarkLayout::default().generation(direction, bits).unwrap()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn generations_begin_at_one_and_go_on_when_something_narrows() {
    let none = assembled(&open(), Former::None);
    assert!(none.afresh);
    assert_eq!(none.narrowed, names(&[EGRESS, INGRESS]));
    let wide = program("p1", &[("s1", &["10.0.0.7", "10.0.0.8"])]);
    let narrow = program("p1", &[("s1", &["10.0.0.7"])]);
    let steps = [
        (&open(), 1, names(&[]), names(&[])),
        (&wide, 2, names(&[INGRESS]), names(&[])),
        (&wide, 2, names(&[]), names(&[])),
        (&narrow, 3, names(&[INGRESS]), names(&[])),
        (&wide, 3, names(&[]), names(&[INGRESS])),
        (&open(), 3, names(&[]), names(&[INGRESS])),
        (&wide, 4, names(&[INGRESS]), names(&[])),
    ];
    let mut table = none.table;
    for (step, (program, expected, narrowed, widened)) in steps.into_iter().enumerate() {
        let next = assembled(program, Former::Held(&table));
        assert!(!next.afresh);
        assert_eq!(generation(&next.table, INGRESS), expected, "step {step}");
        assert_eq!(generation(&next.table, EGRESS), 1, "step {step}");
        assert_eq!((next.narrowed, next.widened), (narrowed, widened), "step {step}");
        table = next.table;
    }
}

#[test]
fn after_the_last_generation_comes_the_first() {
    let wide = program("p1", &[("s1", &["10.0.0.7", "10.0.0.8"])]);
    let narrow = program("p1", &[("s1", &["10.0.0.7"])]);
    let mut table = assembled(&wide, Former::None).table;
    for expected in 2..=LAST {
        table = assembled(&open(), Former::Held(&table)).table;
        let next = assembled(&wide, Former::Held(&table));
        assert!(next.wrapped.is_empty());
        table = next.table;
        assert_eq!(generation(&table, INGRESS), expected);
    }
    let next = assembled(&narrow, Former::Held(&table));
    assert_eq!(generation(&next.table, INGRESS), 1);
    assert_eq!((next.wrapped, next.narrowed), (names(&[INGRESS]), names(&[INGRESS])));
}

#[test]
fn a_table_that_was_lost_is_followed_by_other_generations() {
    let program = program("p1", &[("s1", &["10.0.0.7"])]);
    let table = assembled(&program, Former::None).table;
    let next = assembled(&program, Former::Lost(&table));
    assert_eq!((generation(&next.table, INGRESS), generation(&next.table, EGRESS)), (2, 2));
    assert_eq!(next.narrowed, names(&[EGRESS, INGRESS]));
}

#[test]
fn marks_of_another_layout_say_nothing() {
    let program = program("p1", &[("s1", &["10.0.0.7"])]);
    let table = assembled(&program, Former::None).table;
    let options = Options { mark: MarkLayout::new(8).unwrap(), ..Options::default() };
    let interfaces = BTreeMap::from([(endpoint_id(), "fab0".to_owned())]);
    let moved = lower(&program, &interfaces, &options);
    assert!(assemble(&moved, Former::Held(&table), &Refusals::default(), &|_| true).afresh);
}

fn gone(members: &[&str]) -> BTreeSet<IpAddr> {
    members.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn who_is_gone_is_forgotten_and_who_only_left_a_set_is_not() {
    let all = program("p1", &[("s1", &["10.0.0.7", "10.0.0.8"])]);
    let fewer = program("p1", &[("s1", &[])]);
    let table = assembled(&all, Former::None).table;
    let lives = |address: &IpAddr| *address == "10.0.0.7".parse::<IpAddr>().unwrap();
    let next = assemble(&lowered(&fewer), Former::Held(&table), &Refusals::default(), &lives);
    assert_eq!(next.departed, gone(&["10.0.0.8"]));
    assert_eq!(next.narrowed, names(&[INGRESS]));
    let next = assemble(&lowered(&Program::default()), Former::Held(&table), &Refusals::default(), &|_| true);
    assert_eq!(next.departed, gone(&["10.0.0.1"]));
}

fn refusing(profile: &str) -> Refusals {
    let profiles = [(ProfileId(profile.to_owned()), "too much".to_owned())];
    Refusals { profiles: profiles.into(), sets: BTreeSet::new() }
}

/// Where the end's packets go: its chain of rules, or nowhere.
fn target(table: &Table, end: &str) -> String {
    let rules: Vec<String> = table.chains[end].rules.iter().map(rule_text).collect();
    rules.iter().find(|rule| rule.contains("jump") || rule.contains("drop")).cloned().unwrap_or_default()
}

#[test]
fn a_refused_profile_leaves_what_was_there_if_that_is_no_wider() {
    let narrow = program("p1", &[("s1", &["10.0.0.7"])]);
    let wide = program("p2", &[("s1", &["10.0.0.7"]), ("s2", &["10.0.0.8"])]);
    let table = assembled(&narrow, Former::None).table;
    let next = assemble(&lowered(&wide), Former::Held(&table), &refusing("p2"), &|_| true);
    assert_eq!(target(&next.table, INGRESS), "jump p1");
    assert_eq!(next.unfulfilled, BTreeMap::from([(INGRESS.to_owned(), "too much".to_owned())]));
    assert!(next.table.chains.contains_key("p1") && !next.table.chains.contains_key("p2"));
    assert!(!next.table.sets.contains_key("s24"));
    assert_eq!(generation(&next.table, INGRESS), 1);

    // What is kept follows the members of its sets.
    let moved = program("p2", &[("s1", &["10.0.0.9"]), ("s2", &["10.0.0.8"])]);
    let moved = assemble(&lowered(&moved), Former::Held(&next.table), &refusing("p2"), &|_| true);
    assert_eq!(target(&moved.table, INGRESS), "counter drop comment \"closed: too much\"");
    let grown = program("p2", &[("s1", &["10.0.0.7", "10.0.0.9"]), ("s2", &["10.0.0.8"])]);
    let grown = assemble(&lowered(&grown), Former::Held(&next.table), &refusing("p2"), &|_| true);
    assert_eq!(target(&grown.table, INGRESS), "jump p1");
    let Elements::Keys(keys) = &grown.table.sets["s14"].elements else { panic!("s14") };
    assert_eq!(keys.len(), 2);
}

#[test]
fn a_refused_profile_closes_where_what_was_there_is_wider() {
    let narrow = program("p1", &[("s1", &["10.0.0.7"])]);
    let wide = program("p2", &[("s1", &["10.0.0.7"]), ("s2", &["10.0.0.8"])]);
    let table = assembled(&wide, Former::None).table;
    let closed = assemble(&lowered(&narrow), Former::Held(&table), &refusing("p1"), &|_| true);
    assert_eq!(target(&closed.table, INGRESS), "counter drop comment \"closed: too much\"");
    assert_eq!((generation(&closed.table, INGRESS), closed.narrowed), (2, names(&[INGRESS])));
    // When it can be had, what was judged before the end was closed is judged again.
    let next = assembled(&narrow, Former::Held(&closed.table));
    assert_eq!((target(&next.table, INGRESS).as_str(), generation(&next.table, INGRESS)), ("jump p1", 2));
    assert_eq!(next.widened, names(&[INGRESS]));
}

#[test]
fn a_refused_set_keeps_its_members_and_costs_only_those_who_ask_it() {
    let before = program("p1", &[("s1", &["10.0.0.7"])]);
    let table = assembled(&before, Former::None).table;
    let refusals = Refusals { profiles: BTreeMap::new(), sets: names(&["s14"]) };
    let after = |members: &[&str]| {
        let program = program("p1", &[("s1", members)]);
        assemble(&lowered(&program), Former::Held(&table), &refusals, &|_| true)
    };
    let grown = after(&["10.0.0.7", "10.0.0.8"]);
    assert_eq!(target(&grown.table, INGRESS), "jump p1");
    assert_eq!(grown.table.sets["s14"], table.sets["s14"]);
    assert!(grown.unfulfilled.contains_key(INGRESS));
    let shrunk = after(&[]);
    assert!(target(&shrunk.table, INGRESS).contains("drop"));
    let other = program("p2", &[("s2", &["10.0.0.8"])]);
    let other = assemble(&lowered(&other), Former::Held(&table), &refusals, &|_| true);
    assert!(other.unfulfilled.is_empty());
}
