//! Which rules of a chain stay where they are when it becomes another.
//!
//! A rule that stays keeps its handle and its counters. Of those that are in both, as many as possible stay: the longest
//! run whose order is the same before and after, found in O(n log n), for a chain may have ten thousand rules.

use std::collections::{BTreeMap, VecDeque};

use crate::dataplane::nftables::table::Rule;

/// For each rule of `new`, the index of the rule of `old` that takes its place. Indices ascend.
pub(super) fn kept(old: &[Rule], new: &[Rule]) -> Vec<Option<usize>> {
    let mut places: BTreeMap<&Rule, VecDeque<usize>> = BTreeMap::new();
    for (at, rule) in old.iter().enumerate() {
        places.entry(rule).or_default().push_back(at);
    }
    let candidates: Vec<Option<usize>> =
        new.iter().map(|rule| places.get_mut(rule).and_then(VecDeque::pop_front)).collect();
    ascending(&candidates)
}

/// The same, with `None` for all that are not part of a longest ascending run.
fn ascending(candidates: &[Option<usize>]) -> Vec<Option<usize>> {
    // The candidate that a run of each length ends with, as low as possible; and what precedes each in its run.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; candidates.len()];
    for (at, candidate) in candidates.iter().enumerate() {
        let Some(value) = candidate else { continue };
        let length = ends.partition_point(|(end, _)| end < value);
        let previous = length.checked_sub(1).and_then(|length| ends.get(length)).map(|(_, at)| *at);
        if let Some(slot) = before.get_mut(at) {
            *slot = previous;
        }
        match ends.get_mut(length) {
            Some(end) => *end = (*value, at),
            None => ends.push((*value, at)),
        }
    }
    let mut kept = vec![None; candidates.len()];
    let mut next = ends.last().map(|(_, at)| *at);
    while let Some(at) = next {
        if let (Some(slot), Some(candidate)) = (kept.get_mut(at), candidates.get(at)) {
            *slot = *candidate;
        }
        next = before.get(at).copied().flatten();
    }
    kept
}
