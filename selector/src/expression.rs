//! The tree of a selector: what it means for labels, and how it is written.
//!
//! The constructors [`conjunction`](Expression::conjunction), [`disjunction`](Expression::disjunction) and
//! [`negation`](Expression::negation) keep it canonical: no `And` directly in an `And`, no `Or` in an `Or`, none of
//! them with one operand, no `Not` of a `Not`. That, the bounds on size, and that what is written reads back hold for
//! the tree of a [`Selector`](crate::Selector), not for one put together by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::NAMESPACE_LABEL;

#[cfg(test)]
pub(crate) mod tests;

/// What must be true of labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Expression {
    /// Nothing.
    #[default]
    All,
    /// They are of something in no namespace: [`NAMESPACE_LABEL`] is absent.
    Global,
    /// The label exists.
    Has(String),
    /// The label exists and has this value.
    Equal {
        /// The label's key.
        key: String,
        /// The value.
        value: String,
    },
    /// The label does not exist or has another value.
    NotEqual {
        /// The label's key.
        key: String,
        /// The value.
        value: String,
    },
    /// The label exists and this is somewhere in its value.
    Contains {
        /// The label's key.
        key: String,
        /// The part.
        value: String,
    },
    /// The label exists and its value starts with this.
    StartsWith {
        /// The label's key.
        key: String,
        /// The start.
        value: String,
    },
    /// The label exists and its value ends with this.
    EndsWith {
        /// The label's key.
        key: String,
        /// The end.
        value: String,
    },
    /// The label exists and has one of these values.
    In {
        /// The label's key.
        key: String,
        /// The values.
        values: BTreeSet<String>,
    },
    /// The label does not exist or has none of these values.
    NotIn {
        /// The label's key.
        key: String,
        /// The values.
        values: BTreeSet<String>,
    },
    /// This is not true.
    Not(Box<Expression>),
    /// All of these are true.
    And(Vec<Expression>),
    /// At least one of these is true.
    Or(Vec<Expression>),
}

impl Expression {
    /// Whether it is true of these labels.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value_of = |key: &String| labels.get(key).map(String::as_str);
        match self {
            Self::All => true,
            Self::Global => !labels.contains_key(NAMESPACE_LABEL),
            Self::Has(key) => labels.contains_key(key),
            Self::Equal { key, value } => value_of(key) == Some(value),
            Self::NotEqual { key, value } => value_of(key) != Some(value),
            Self::Contains { key, value } => value_of(key).is_some_and(|whole| whole.contains(value)),
            Self::StartsWith { key, value } => value_of(key).is_some_and(|whole| whole.starts_with(value)),
            Self::EndsWith { key, value } => value_of(key).is_some_and(|whole| whole.ends_with(value)),
            Self::In { key, values } => value_of(key).is_some_and(|value| values.contains(value)),
            Self::NotIn { key, values } => value_of(key).is_none_or(|value| !values.contains(value)),
            Self::Not(operand) => !operand.matches(labels),
            Self::And(operands) => operands.iter().all(|operand| operand.matches(labels)),
            Self::Or(operands) => operands.iter().any(|operand| operand.matches(labels)),
        }
    }

    pub(crate) fn conjunction(operands: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for operand in operands {
            if let Self::And(inner) = operand { flat.extend(inner) } else { flat.push(operand) }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::And(flat) }
    }

    pub(crate) fn disjunction(operands: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for operand in operands {
            if let Self::Or(inner) = operand { flat.extend(inner) } else { flat.push(operand) }
        }
        if flat.len() == 1 { flat.remove(0) } else { Self::Or(flat) }
    }

    pub(crate) fn negation(operand: Self) -> Self {
        if let Self::Not(inner) = operand { *inner } else { Self::Not(Box::new(operand)) }
    }

    /// How tightly it holds together when written: what is looser than its surroundings needs brackets.
    fn binding(&self) -> Binding {
        match self {
            Self::Or(_) => Binding::Or,
            Self::And(_) => Binding::And,
            Self::All | Self::Global | Self::Has(_) | Self::Not(_) => Binding::Not,
            Self::Equal { .. } | Self::NotEqual { .. } | Self::In { .. } | Self::NotIn { .. } => Binding::Not,
            Self::Contains { .. } | Self::StartsWith { .. } | Self::EndsWith { .. } => Binding::Not,
        }
    }
}

/// From the loosest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Or,
    And,
    Not,
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all()"),
            Self::Global => f.write_str("global()"),
            Self::Has(key) => write!(f, "has({key})"),
            Self::Equal { key, value } => write!(f, "{key} == {}", Quoted(value)),
            Self::NotEqual { key, value } => write!(f, "{key} != {}", Quoted(value)),
            Self::Contains { key, value } => write!(f, "{key} contains {}", Quoted(value)),
            Self::StartsWith { key, value } => write!(f, "{key} starts with {}", Quoted(value)),
            Self::EndsWith { key, value } => write!(f, "{key} ends with {}", Quoted(value)),
            Self::In { key, values } => write!(f, "{key} in {}", Set(values)),
            Self::NotIn { key, values } => write!(f, "{key} not in {}", Set(values)),
            Self::Not(operand) => write!(f, "!{}", Within(Binding::Not, operand)),
            Self::And(operands) => {
                write_joined(f, " && ", operands.iter().map(|operand| Within(Binding::And, operand)))
            }
            Self::Or(operands) => {
                write_joined(f, " || ", operands.iter().map(|operand| Within(Binding::Or, operand)))
            }
        }
    }
}

/// An operand of something that binds as tightly as said.
struct Within<'a>(Binding, &'a Expression);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(outer, operand) = self;
        if operand.binding() < *outer { write!(f, "({operand})") } else { write!(f, "{operand}") }
    }
}

/// A value in the kind of quotes that it does not contain.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = if self.0.contains('\'') { '"' } else { '\'' };
        write!(f, "{quote}{}{quote}", self.0)
    }
}

struct Set<'a>(&'a BTreeSet<String>);

impl fmt::Display for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        write_joined(f, ", ", self.0.iter().map(|value| Quoted(value)))?;
        f.write_str("}")
    }
}

fn write_joined(
    f: &mut fmt::Formatter<'_>,
    separator: &str,
    parts: impl Iterator<Item = impl fmt::Display>,
) -> fmt::Result {
    for (index, part) in parts.enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}
