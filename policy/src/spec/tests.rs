use std::collections::BTreeMap;

use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::expression::{Label, Thing, holds, is_readable};
use super::judge;
use crate::scenario::random::own::{LABELS, expression};
use crate::scenario::random::{cases, packets, scenarios};

/// Whether it is true of something with the labels `a: x` and `b: ''`, and an unknown one `u`.
fn is_true(text: &str) -> bool {
    let label = |key: &str| match key {
        "a" => Label::Value("xyz".to_owned()),
        "b" => Label::Value(String::new()),
        "u" => Label::Unknown,
        _ => Label::Absent,
    };
    holds(text, &Thing { label: &label, all: true, global: false }).unwrap()
}

#[test]
fn conditions_hold_as_they_are_written() {
    for text in [
        "",
        " ",
        "all()",
        "all ( )",
        "!global()",
        "has(a)",
        "has( b )",
        "!has(c)",
        "! ! has(a)",
        "a == 'xyz'",
        "a==\"xyz\"",
        "a != 'x'",
        "c != 'x'",
        "a contains 'y'",
        "b contains ''",
        "a starts with 'xy'",
        "a startswith'x'",
        "a ends  with 'yz'",
        "a endswith 'z'",
        "a in {'x', 'xyz'}",
        "a in{'xyz',}",
        "b in {''}",
        "a not in {'x'}",
        "a notin {}",
        "c not in {'x'}",
        "has(c) || has(a)",
        "has(a) && has(b)",
        "has(a) || has(c) && has(c)",
        "(has(c) || has(a)) && has(b)",
        "!(has(c) && has(a))",
        "!a == 'x'",
        "((has(a)))",
        "a != ' && ' && a != \"it's ) {\"",
        "in == 'x' || has(a)",
        "has(u) || has(a)",
        "!(has(u) && has(c))",
    ] {
        assert!(is_true(text), "{text}");
    }
    for text in [
        "global()",
        "!all()",
        "has(c)",
        "c == ''",
        "c contains ''",
        "c starts with ''",
        "a in {}",
        "c in {'x'}",
        "has(a) && has(c)",
        "(has(a) || has(b)) && has(c)",
        "a == 'XYZ'",
        // What depends on what is not known is not certain.
        "has(u)",
        "!has(u)",
        "u != 'x'",
        "has(u) || !has(u)",
        "has(u) && has(a)",
    ] {
        assert!(!is_true(text), "{text}");
    }
}

#[test]
fn what_is_no_condition_is_noticed() {
    for text in [
        "a",
        "a ==",
        "a = 'x'",
        "a == x",
        "a == 'x",
        "== 'x'",
        "(a == 'x'",
        "a == 'x')",
        "()",
        "!",
        "has()",
        "has(a b)",
        "has(a",
        "a in 'x'",
        "a in {x}",
        "a in {'x' 'y'}",
        "a in {,}",
        "a == 'x' b == 'y'",
        "a == 'x' &&",
        "|| has(a)",
        "all",
        "some()",
        "a like 'x'",
        "has(a) & has(b)",
    ] {
        assert!(!is_readable(text), "{text}");
    }
}

#[test]
fn in_random_clusters_both_ends_allow_and_deny() {
    let mut runner = TestRunner::new(cases(1));
    let mut seen = BTreeMap::new();
    for _ in 0..100 {
        let scenario = scenarios().new_tree(&mut runner).unwrap().current();
        for _ in 0..20 {
            let judgement = judge(&scenario.cluster, &packets().new_tree(&mut runner).unwrap().current());
            *seen.entry((judgement.egress, judgement.ingress)).or_insert(0) += 1;
        }
    }
    assert_eq!(seen.len(), 9, "{seen:?}");
}

proptest! {
    #![proptest_config(cases(2000))]

    /// Two readers of the language that share nothing.
    #[test]
    fn the_crate_that_reads_selectors_agrees(
        text in expression(LABELS),
        labels in btree_map(select(LABELS.to_vec()), select(vec!["a", "b", "", "ab", "red"]), 0..4),
    ) {
        let labels: BTreeMap<String, String> =
            labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let label = |key: &str| labels.get(key).cloned().map_or(Label::Absent, Label::Value);
        let global = !labels.contains_key(selector::NAMESPACE_LABEL);
        let ours = holds(&text, &Thing { label: &label, all: true, global }).ok();
        let theirs = text.parse::<selector::Selector>().ok().map(|read| read.matches(&labels));
        prop_assert_eq!(ours, theirs, "{}", text);
    }
}
