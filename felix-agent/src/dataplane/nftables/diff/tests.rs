//! Random tables, judged by a strict model of the kernel.

use proptest::prelude::*;

use super::super::table::{self, Table};
use super::{Change, Transaction, diff, replace};

mod kernel;
#[path = "../../../../tests/nftables/tables.rs"]
pub mod tables;

use kernel::Kernel;

#[test]
fn nothing_to_do_is_no_transaction() {
    proptest!(|(table in tables::table())| {
        prop_assert_eq!(diff(&table, &table), Transaction::default());
    });
}

#[test]
fn a_difference_turns_one_table_into_the_other() {
    proptest!(|(actual in tables::table(), desired in tables::table())| {
        let mut kernel = Kernel::holding(actual.clone());
        kernel.perform(&diff(&actual, &desired)).map_err(TestCaseError::fail)?;
        prop_assert_eq!(kernel.table, Some(desired));
    });
}

#[test]
fn a_replacement_needs_to_know_nothing() {
    proptest!(|(actual in proptest::option::of(tables::table()), desired in tables::table())| {
        let mut kernel = Kernel::that_may_hold(actual);
        kernel.perform(&replace(&desired)).map_err(TestCaseError::fail)?;
        prop_assert_eq!(kernel.table, Some(desired));
    });
}

/// The model must be able to object, or the properties above say nothing.
#[test]
fn the_model_refuses_what_the_kernel_refuses() {
    proptest!(|(actual in tables::table(), desired in tables::table())| {
        let mut changes = replace(&desired).changes;
        changes.retain(|change| !matches!(change, Change::DeleteTable));
        let result = Kernel::holding(actual.clone()).perform(&Transaction { changes });
        let overlap = actual.sets.keys().any(|name| desired.sets.contains_key(name))
            || actual.chains.keys().any(|name| desired.chains.contains_key(name));
        prop_assert_eq!(result.is_err(), overlap);
    });
    let missing = Change::DeleteSet("none".to_owned());
    assert!(Kernel::holding(Table::default()).perform(&Transaction { changes: vec![missing] }).is_err());
}

fn chain(comments: &str) -> Table {
    let rule = |comment: char| table::Rule { comment: comment.to_string(), statements: Vec::new() };
    let chain = table::Chain { hook: None, rules: comments.chars().map(rule).collect() };
    Table { chains: [("c".to_owned(), chain)].into(), ..Table::default() }
}

/// Each letter is a rule.
#[test]
fn rules_that_are_in_both_stay() {
    let cases = [
        ("abc", "abxc", 1),
        ("abc", "xabc", 1),
        ("abc", "abcx", 1),
        ("abc", "ac", 1),
        ("abcd", "bcda", 2),
        ("aab", "ab", 1),
        ("ab", "aab", 1),
        ("abcdef", "xbydze", 6),
        ("abc", "xyz", 4),
    ];
    for (before, after, changes) in cases {
        let transaction = diff(&chain(before), &chain(after));
        assert_eq!(transaction.changes.len(), changes, "{before} to {after}: {transaction:?}");
        let mut kernel = Kernel::holding(chain(before));
        kernel.perform(&transaction).unwrap();
        assert_eq!(kernel.table, Some(chain(after)), "{before} to {after}");
    }
}
