//! Chains by a few letters, and the property behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::prelude::*;

use super::super::table::{
    Chain, Datatype, Elements, Family, Field, Rule, Set, Side, Statement, Table, Value, Verdict,
};
use super::{Comparer, Comparison, Target};

/// Sets `a` and `b` of addresses 0 to 3, and a chain for each text: capitals allow, small letters deny, digits pass on to the
/// next chain, `.` logs. A letter asks set `a` (A, B: the same set, C, D: set `b`), `!` before it asks who is not in it, and
/// `E` asks nothing.
fn table(chains: &[&str], a: &[u8], b: &[u8]) -> Table {
    let set = |members: &[u8]| {
        let keys = members.iter().map(|member| vec![Value::Address(address(*member))]).collect();
        Set { key: vec![Datatype::Ipv4Address], elements: Elements::Keys(keys) }
    };
    let chains = chains.iter().enumerate().map(|(at, text)| (format!("c{at}"), chain(text, at)));
    let sets = [("a".to_owned(), set(a)), ("b".to_owned(), set(b))].into();
    Table { sets, chains: chains.collect() }
}

fn address(member: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, member])
}

fn chain(text: &str, at: usize) -> Chain {
    let mut rules = Vec::new();
    let mut negated = false;
    for letter in text.chars() {
        if letter == '!' {
            negated = true;
            continue;
        }
        let verdict = match letter {
            '.' => None,
            letter if letter.is_ascii_uppercase() => Some(Verdict::Return),
            letter if letter.is_ascii_lowercase() => Some(Verdict::Goto("deny_x".to_owned())),
            _ => Some(Verdict::Goto(format!("c{}", at + 1))),
        };
        let fields = vec![Field::Address(Side::Source, Family::V4)];
        let set = match letter.to_ascii_uppercase() {
            'A' | 'B' | '1' => Some("a"),
            'C' | 'D' | '2' => Some("b"),
            _ => None,
        };
        let asked = set.map(|set| match negated {
            true => Statement::NotInSet(fields, set.to_owned()),
            false => Statement::InSet(fields, set.to_owned()),
        });
        let statements = asked.into_iter().chain([Statement::Counter]).chain(verdict.map(Statement::Verdict));
        rules.push(Rule { comment: rules.len().to_string(), statements: statements.collect() });
        negated = false;
    }
    Chain { hook: None, rules }
}

fn compare(before: &Table, after: &Table) -> Comparison {
    Comparer::new(before, after, &|_| true).compare(Target::Profile("c0"), Target::Profile("c0"))
}

#[test]
fn rules_that_allow_may_come_and_rules_that_deny_may_go() {
    let cases = [
        ("AcE", "AcE", Comparison::Same),
        ("A.cE", "AcE.", Comparison::Same),
        ("Ae", "ACe", Comparison::Wider),
        ("Ae", "CAe", Comparison::Wider),
        ("cAe", "Ae", Comparison::Wider),
        ("Ae", "A", Comparison::Wider),
        ("ACe", "Ae", Comparison::Narrower),
        ("ACe", "CAe", Comparison::Narrower),
        ("Ae", "cAe", Comparison::Narrower),
        ("A", "Ae", Comparison::Narrower),
        ("Ce", "Ae", Comparison::Narrower),
        ("A3", "A3", Comparison::Narrower),
    ];
    for (before, after, expected) in cases {
        let tables = [before, after].map(|text| table(&[text], &[1], &[2]));
        assert_eq!(compare(&tables[0], &tables[1]), expected, "{before} to {after}");
    }
}

#[test]
fn sets_count_by_what_their_rule_does() {
    let cases: [(&str, &[u8], &[u8], Comparison); 10] = [
        ("Ae", &[1], &[1, 2], Comparison::Wider),
        ("Ae", &[1, 2], &[1], Comparison::Narrower),
        ("!Ae", &[1], &[1, 2], Comparison::Narrower),
        ("!Ae", &[1, 2], &[1], Comparison::Wider),
        ("aE", &[1], &[1, 2], Comparison::Narrower),
        ("aE", &[1, 2], &[1], Comparison::Wider),
        ("!aE", &[1, 2], &[1], Comparison::Narrower),
        ("1e", &[1], &[1, 2], Comparison::Narrower),
        ("1e", &[1, 2], &[1], Comparison::Narrower),
        ("Ce", &[1], &[2], Comparison::Same),
    ];
    for (text, before, after, expected) in cases {
        let tables = [before, after].map(|members| table(&[text, "E"], members, &[9]));
        assert_eq!(compare(&tables[0], &tables[1]), expected, "{text}: {before:?} to {after:?}");
    }
}

#[test]
fn a_member_whose_pod_is_gone_narrows_nothing() {
    let tables = [&[1, 2][..], &[1][..]].map(|members| table(&["Ae"], members, &[]));
    let compare = |lives: &dyn Fn(&IpAddr) -> bool| {
        Comparer::new(&tables[0], &tables[1], lives).compare(Target::Profile("c0"), Target::Profile("c0"))
    };
    assert_eq!(compare(&|_| false), Comparison::Same);
    assert_eq!(compare(&|address| *address == self::address(2)), Comparison::Narrower);
}

#[test]
fn to_be_open_is_widest_and_to_be_closed_narrowest() {
    let table = table(&["E", "e"], &[], &[]);
    let targets = [Target::Closed, Target::Profile("c0"), Target::Open];
    for (at, before) in targets.iter().enumerate() {
        for (other, after) in targets.iter().enumerate() {
            let expected = match at.cmp(&other) {
                std::cmp::Ordering::Equal => Comparison::Same,
                std::cmp::Ordering::Less => Comparison::Wider,
                std::cmp::Ordering::Greater => Comparison::Narrower,
            };
            assert_eq!(Comparer::new(&table, &table, &|_| true).compare(*before, *after), expected);
        }
    }
    let missing = Target::Profile("none");
    assert_eq!(Comparer::new(&table, &table, &|_| true).compare(missing, missing), Comparison::Narrower);
}

#[test]
fn ranges_count_by_what_they_cover() {
    let table = |ranges: &[(u8, u8)]| {
        let ranges = ranges.iter().map(|(first, last)| (address(*first), address(*last))).collect();
        let mut table = table(&["Ae"], &[], &[]);
        let set = Set { key: vec![Datatype::Ipv4Address], elements: Elements::Ranges(ranges) };
        table.sets.insert("a".to_owned(), set);
        table
    };
    type Bounds = &'static [(u8, u8)];
    let cases: [(Bounds, Bounds, Comparison); 4] = [
        (&[(1, 3), (5, 9)], &[(1, 9)], Comparison::Wider),
        (&[(1, 9)], &[(1, 3), (5, 9)], Comparison::Narrower),
        (&[(1, 3)], &[(1, 3), (200, 255)], Comparison::Wider),
        (&[(1, 3)], &[(2, 4)], Comparison::Narrower),
    ];
    for (before, after, expected) in cases {
        assert_eq!(compare(&table(before), &table(after)), expected, "{before:?} to {after:?}");
    }
}

/// Whether the chain lets a packet from this address pass.
fn passes(table: &Table, chain: &str, source: u8) -> bool {
    let key = vec![Value::Address(address(source))];
    let holds = |statement: &Statement| {
        statement.asks().is_none_or(|(set, negated)| table.sets[set].elements.has(&key) != negated)
    };
    for rule in &table.chains[chain].rules {
        if !rule.statements.iter().all(holds) {
            continue;
        }
        match rule.statements.last() {
            Some(Statement::Verdict(Verdict::Return)) => return true,
            Some(Statement::Verdict(Verdict::Goto(next))) if next.starts_with("deny_") => return false,
            Some(Statement::Verdict(Verdict::Goto(next))) => return passes(table, next, source),
            _ => {}
        }
    }
    true
}

impl Elements {
    fn has(&self, key: &Vec<Value>) -> bool {
        matches!(self, Elements::Keys(keys) if keys.contains(key))
    }
}

/// What is called wider lets pass whatever passed, whoever was in the sets and is now.
#[test]
fn nothing_that_passed_is_stopped_by_what_is_no_narrower() {
    let text = || "(!?[ABCacD12E.]){0,4}[Ee]?";
    let members = || proptest::collection::btree_set(0..4_u8, 0..4);
    let tables = || (text(), text(), members(), members());
    let seen = std::cell::RefCell::new(BTreeMap::new());
    proptest!(ProptestConfig::with_cases(4000), |(before in tables(), after in tables(), keep in any::<[bool; 3]>())| {
        let made = |(first, second, a, b): &(String, String, BTreeSet<u8>, BTreeSet<u8>)| {
            let list = |set: &BTreeSet<u8>| set.iter().copied().collect::<Vec<_>>();
            table(&[first, second, "E"], &list(a), &list(b))
        };
        let mut after = after;
        if keep[0] { after.0.clone_from(&before.0); }
        if keep[1] { after.1.clone_from(&before.1); }
        if keep[2] { after.2.clone_from(&before.2); }
        let (before, after) = (made(&before), made(&after));
        let comparison = compare(&before, &after);
        *seen.borrow_mut().entry(format!("{comparison:?}")).or_insert(0) += 1;
        if comparison != Comparison::Narrower {
            for source in 0..5 {
                prop_assert!(!passes(&before, "c0", source) || passes(&after, "c0", source), "{source}");
            }
        }
    });
    assert_eq!(seen.into_inner().len(), 3, "each comparison is met");
}
