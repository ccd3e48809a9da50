//! The label-selector language of `projectcalico.org/v3`: reads it, writes it, matches labels by it.
//!
//! ```text
//! or      := and ('||' and)*
//! and     := not ('&&' not)*
//! not     := '!'* primary
//! primary := '(' or ')' | 'all()' | 'global()' | 'has(' L ')'
//!          | L '==' S | L '!=' S | L 'contains' S | L 'starts with' S | L 'ends with' S
//!          | L 'in' '{' S, … '}' | L 'not in' '{' S, … '}'
//! ```
//!
//! A label `L` is 1 to 512 of the characters `A-Z a-z 0-9 _ . / -`; no word is reserved. A value `S` stands in
//! single or double quotes, without escapes, so it lacks at least one of the two kinds. White space counts only
//! inside a value; `startswith`, `endswith` and `notin` mean what they mean with the space. A set may be empty and
//! may end with a comma. Empty text is `all()`.
//!
//! What it means:
//! - `!=` and `not in` hold where the label is absent, every other comparison does not;
//! - `!` takes the whole comparison after it: `!a == 'x'` is `!(a == 'x')`;
//! - `global()` is "in no namespace", which shows in labels as the absence of [`NAMESPACE_LABEL`]. Whoever matches
//!   things of a namespace therefore gives them that label; no other context is needed.
//!
//! Invariants:
//! - A [`Selector`] is only made by reading text, and that bounds it ([`MAX_DEPTH`], [`MAX_BYTES`]): nothing that
//!   walks the tree by recursion, dropping it included, can exhaust the stack.
//! - The form is canonical as far as brackets, spelling and repeated negation go, so those do not tell selectors
//!   apart. The order of operands does: it is the author's.
//! - What [`Display`](fmt::Display) writes reads back as an equal selector. It has no bracket and, white space
//!   aside, no byte that any text of the same selector could do without, hence what was within the bounds stays so.
//!
//! Deliberately absent: simplification by meaning (`has(a) || !has(a)` is not `all()`), and knowledge of where labels
//! come from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod error;
mod expression;
mod parse;
mod token;

#[cfg(test)]
mod tests;

pub use error::{Problem, SelectorError};
pub use expression::Expression;

/// The label by which things in a namespace tell it, and whose absence is `global()`.
pub const NAMESPACE_LABEL: &str = "projectcalico.org/namespace";

/// How long a label may be.
pub const MAX_LABEL: usize = 512;

/// How deep brackets may nest.
pub const MAX_DEPTH: usize = 64;

/// How long a selector may be, the white space between its parts aside: as much as Kubernetes grants to all
/// annotations of an object.
pub const MAX_BYTES: usize = 256 << 10;

/// A condition on labels, read from text. The default is `all()`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Selector {
    expression: Expression,
}

impl Selector {
    /// Whether something with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.expression.matches(labels)
    }

    /// Whether it is `all()`. Others may select everything too; only this one says so.
    pub fn selects_all(&self) -> bool {
        self.expression == Expression::All
    }

    /// The condition as a tree, for whoever builds an index.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Ok(Self { expression: parse::parse(text)? })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expression.fmt(f)
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
