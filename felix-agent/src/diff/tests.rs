use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::btree_map;
use proptest::prelude::*;

use super::{Diff, Outcome};

fn maps() -> impl Strategy<Value = (BTreeMap<u8, u8>, BTreeMap<u8, u8>)> {
    // Few keys and values, so that every relation between the two maps comes up.
    (btree_map(0_u8..12, 0_u8..3, 0..10), btree_map(0_u8..12, 0_u8..3, 0..10))
}

fn apply(actual: &BTreeMap<u8, u8>, diff: &Diff<u8, u8>) -> BTreeMap<u8, u8> {
    let mut outcome = Outcome::<u8, u8, ()>::starting_from(actual.clone());
    for (key, value) in diff.add.iter().chain(&diff.change) {
        outcome.set(*key, *value, Ok(()));
    }
    for key in &diff.remove {
        outcome.removed(*key, Ok(()));
    }
    assert!(outcome.is_complete());
    outcome.holds
}

proptest! {
    #[test]
    fn applying_a_diff_makes_the_desired_true((actual, desired) in maps()) {
        prop_assert_eq!(apply(&actual, &Diff::between(&actual, &desired)), desired);
    }

    #[test]
    fn a_diff_touches_only_what_differs((actual, desired) in maps()) {
        let diff = Diff::between(&actual, &desired);
        prop_assert!(diff.add.keys().all(|key| !actual.contains_key(key)));
        prop_assert!(diff.change.iter().all(|(key, value)| actual.get(key).is_some_and(|old| old != value)));
        prop_assert!(diff.remove.iter().all(|key| actual.contains_key(key) && !desired.contains_key(key)));
        let differing = (0_u8..12).filter(|key| actual.get(key) != desired.get(key)).count();
        prop_assert_eq!(diff.len(), differing);
    }

    #[test]
    fn equal_maps_have_no_diff((actual, desired) in maps()) {
        prop_assert_eq!(Diff::between(&actual, &desired).is_empty(), actual == desired);
    }

    #[test]
    fn without_removals_nothing_goes((actual, desired) in maps()) {
        let after = apply(&actual, &Diff::between(&actual, &desired).without_removals());
        let mut union = actual.clone();
        union.extend(desired);
        prop_assert_eq!(after, union);
    }
}

#[test]
fn a_failed_attempt_leaves_what_was_there() {
    let mut outcome = Outcome::starting_from(BTreeMap::from([("kept", 1), ("stuck", 2)]));
    outcome.set("kept", 9, Err("no"));
    outcome.removed("stuck", Err("busy"));
    outcome.set("new", 3, Ok(()));
    assert_eq!(outcome.holds, BTreeMap::from([("kept", 1), ("stuck", 2), ("new", 3)]));
    assert_eq!(outcome.failed.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from(["kept", "stuck"]));
    assert!(!outcome.is_complete());
}
