//! Judging a route by a filter.

use super::{Filter, NextHopChange, Outcome, Subject};

pub(super) fn evaluate(filter: &Filter, _subject: &Subject<'_>) -> Outcome {
    Outcome { decision: filter.otherwise, rule: None, attributes: None, next_hop: NextHopChange::Untouched }
}
