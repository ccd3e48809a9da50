//! Expressions of our own policies, where not every label is known, and where an index files them.
//!
//! Recursion is safe: the language bounds the depth of what it reads.

use std::collections::BTreeSet;

use ::selector::{Expression, NAMESPACE_LABEL};

use super::{Anchor, Labels};

#[cfg(test)]
mod tests;

/// What is known of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known<'a> {
    /// Its value.
    Value(&'a str),
    /// That it does not exist.
    Absent,
    /// Nothing: it may not exist, or have any value.
    Nothing,
}

impl<'a> Known<'a> {
    /// A label of something whose labels are all known.
    pub(crate) fn of(labels: &'a Labels, key: &str) -> Self {
        labels.get(key).map_or(Self::Absent, |value| Self::Value(value))
    }
}

/// Whether an expression is true; `None` if that depends on labels that are not known.
///
/// An expression that is true whatever they are may still be `None` (`has(a) || !has(a)`), never the other way round.
pub(crate) fn truth<'a>(expression: &Expression, label: &impl Fn(&str) -> Known<'a>) -> Option<bool> {
    let compare = |key: &str, holds: &dyn Fn(&str) -> bool| match label(key) {
        Known::Value(value) => Some(holds(value)),
        Known::Absent => Some(false),
        Known::Nothing => None,
    };
    let not = |truth: Option<bool>| truth.map(|holds| !holds);
    match expression {
        Expression::All => Some(true),
        Expression::Global => not(compare(NAMESPACE_LABEL, &|_| true)),
        Expression::Has(key) => compare(key, &|_| true),
        Expression::Equal { key, value } => compare(key, &|has| has == value),
        Expression::NotEqual { key, value } => not(compare(key, &|has| has == value)),
        Expression::Contains { key, value } => compare(key, &|has| has.contains(value)),
        Expression::StartsWith { key, value } => compare(key, &|has| has.starts_with(value)),
        Expression::EndsWith { key, value } => compare(key, &|has| has.ends_with(value)),
        Expression::In { key, values } => compare(key, &|has| values.contains(has)),
        Expression::NotIn { key, values } => not(compare(key, &|has| values.contains(has))),
        Expression::Not(operand) => not(truth(operand, label)),
        Expression::And(operands) => decided_by(operands, label, false),
        Expression::Or(operands) => decided_by(operands, label, true),
    }
}

/// One operand with the deciding truth decides, whatever the others are; without one, all must be known.
fn decided_by<'a>(
    operands: &[Expression],
    label: &impl Fn(&str) -> Known<'a>,
    deciding: bool,
) -> Option<bool> {
    let mut outcome = Some(!deciding);
    for operand in operands {
        match truth(operand, label) {
            Some(holds) if holds == deciding => return Some(deciding),
            Some(_) => {}
            None => outcome = None,
        }
    }
    outcome
}

/// A label that whatever the expression selects must have.
pub(super) fn anchor(expression: &Expression) -> Anchor<'_> {
    match expression {
        Expression::Equal { key, value } => Anchor::Values(key, BTreeSet::from([value.as_str()])),
        Expression::In { key, values } => Anchor::Values(key, values.iter().map(String::as_str).collect()),
        Expression::Has(key) => Anchor::Key(key),
        Expression::Contains { key, .. } | Expression::StartsWith { key, .. } => Anchor::Key(key),
        Expression::EndsWith { key, .. } => Anchor::Key(key),
        Expression::And(operands) => operands.iter().map(anchor).fold(Anchor::Nowhere, Anchor::or_narrower),
        Expression::Or(operands) => operands.iter().map(anchor).reduce(either).unwrap_or(Anchor::Nowhere),
        Expression::All | Expression::Global | Expression::Not(_) => Anchor::Nowhere,
        Expression::NotEqual { .. } | Expression::NotIn { .. } => Anchor::Nowhere,
    }
}

/// What must exist where one of two must hold.
fn either<'a>(one: Anchor<'a>, other: Anchor<'a>) -> Anchor<'a> {
    match (one, other) {
        (Anchor::Values(key, mut values), Anchor::Values(other, more)) if key == other => {
            values.extend(more);
            Anchor::Values(key, values)
        }
        (Anchor::Values(key, _) | Anchor::Key(key), Anchor::Values(other, _) | Anchor::Key(other))
            if key == other =>
        {
            Anchor::Key(key)
        }
        _ => Anchor::Nowhere,
    }
}
