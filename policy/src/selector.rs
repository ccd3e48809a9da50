//! Label selectors (`metav1.LabelSelector`): a conjunction of requirements on labels. And what they share with the
//! expressions of our own policies (crate `selector`): a [`Predicate`] is either.
//!
//! A selector is kept in canonical form (`matchLabels: {a: b}` and `a In [b]` are the same requirement; order
//! and repetition do not count), so selectors that are written differently and mean the same by form are equal,
//! share one index entry and one set.
//!
//! The empty selector selects everything. `NotIn` and `DoesNotExist` hold for labels that lack the key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::model::Problem;

mod expression;

#[cfg(test)]
mod tests;

pub(crate) use expression::{Known, truth};

/// Labels of an endpoint or a namespace.
pub type Labels = BTreeMap<String, String>;

/// All of its requirements must hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Selector {
    requirements: BTreeSet<Requirement>,
}

/// One condition on the label with a certain key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What must be true of its value.
    pub condition: Condition,
}

/// What must be true of a label's value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// It exists and is one of these.
    In(BTreeSet<String>),
    /// It does not exist or is none of these.
    NotIn(BTreeSet<String>),
    /// It exists.
    Exists,
    /// It does not exist.
    DoesNotExist,
}

/// A condition on labels, in either language.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Predicate {
    /// A selector of the Kubernetes API.
    Kubernetes(Selector),
    /// An expression of our own policies.
    Expression(::selector::Selector),
}

impl Predicate {
    pub(crate) fn anchor(&self) -> Anchor<'_> {
        match self {
            Self::Kubernetes(selector) => selector.anchor(),
            Self::Expression(selector) => expression::anchor(selector.expression()),
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubernetes(selector) => selector.fmt(f),
            Self::Expression(selector) => selector.fmt(f),
        }
    }
}

/// Labels that every selected thing must have: where an index files a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Anchor<'a> {
    /// The label with this key has one of these values; there may be none.
    Values(&'a str, BTreeSet<&'a str>),
    /// There is a label with this key.
    Key(&'a str),
    /// Nothing is required to exist.
    Nowhere,
}

impl<'a> Anchor<'a> {
    /// The narrower of two that both must hold.
    pub(crate) fn or_narrower(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Values(_, few), Self::Values(_, more)) if few.len() <= more.len() => self,
            (Self::Values(..), Self::Key(_) | Self::Nowhere)
            | (Self::Key(_), Self::Key(_) | Self::Nowhere) => self,
            (Self::Values(..) | Self::Key(_), Self::Values(..)) | (Self::Nowhere, _) => other,
        }
    }
}

impl Selector {
    /// Selects everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Those that have exactly this label.
    pub fn label(key: impl Into<String>, value: impl Into<String>) -> Self {
        let condition = Condition::In(BTreeSet::from([value.into()]));
        Self::all([Requirement { key: key.into(), condition }])
    }

    /// Those for which all requirements hold.
    pub fn all(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        Self { requirements: requirements.into_iter().collect() }
    }

    /// Reads a selector of the API, found at `field`.
    ///
    /// Requirements that the API would reject are left out and reported; the caller decides whether a selector
    /// without them is safe to use.
    pub fn read(selector: &LabelSelector, field: &str, problems: &mut Vec<Problem>) -> Self {
        let mut requirements = BTreeSet::new();
        for (key, value) in selector.match_labels.iter().flatten() {
            let field = format!("{field}.matchLabels");
            let values = BTreeSet::from([value.clone()]);
            if check_key(key, &field, problems) & check_values(&values, &field, problems) {
                requirements.insert(Requirement { key: key.clone(), condition: Condition::In(values) });
            }
        }
        for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
            let field = format!("{field}.matchExpressions[{index}]");
            requirements.extend(read_expression(expression, &field, problems));
        }
        Self { requirements }
    }

    /// Whether everything is selected, whatever its labels.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The requirements, sorted, each once.
    pub fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        self.requirements.iter()
    }

    /// Whether all requirements hold for these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(labels))
    }

    pub(crate) fn anchor(&self) -> Anchor<'_> {
        self.requirements.iter().fold(Anchor::Nowhere, |anchor, Requirement { key, condition }| {
            anchor.or_narrower(match condition {
                Condition::In(values) => Anchor::Values(key, values.iter().map(String::as_str).collect()),
                Condition::Exists => Anchor::Key(key),
                Condition::NotIn(_) | Condition::DoesNotExist => Anchor::Nowhere,
            })
        })
    }
}

impl Requirement {
    /// Whether it holds for these labels.
    pub fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.condition {
            Condition::In(values) => value.is_some_and(|value| values.contains(value)),
            Condition::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Condition::Exists => value.is_some(),
            Condition::DoesNotExist => value.is_none(),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str("all()");
        }
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{requirement}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let list = |values: &BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(",");
        match &self.condition {
            Condition::In(values) if values.len() == 1 => write!(f, "{key}={}", list(values)),
            Condition::In(values) => write!(f, "{key} in ({})", list(values)),
            Condition::NotIn(values) => write!(f, "{key} notin ({})", list(values)),
            Condition::Exists => f.write_str(key),
            Condition::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

fn read_expression(
    expression: &LabelSelectorRequirement,
    field: &str,
    problems: &mut Vec<Problem>,
) -> Option<Requirement> {
    let values: BTreeSet<String> = expression.values.iter().flatten().cloned().collect();
    let mut complain = |what: String| problems.push(Problem::new(format!("{field}.values"), what));
    let condition = match expression.operator.as_str() {
        "In" | "NotIn" if values.is_empty() => {
            complain(format!("{} needs at least one value", expression.operator));
            return None;
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            complain(format!("{} takes no values", expression.operator));
            return None;
        }
        "In" => Condition::In(values.clone()),
        "NotIn" => Condition::NotIn(values.clone()),
        "Exists" => Condition::Exists,
        "DoesNotExist" => Condition::DoesNotExist,
        other => {
            let what = format!("{other:?} is not one of In, NotIn, Exists, DoesNotExist");
            problems.push(Problem::new(format!("{field}.operator"), what));
            return None;
        }
    };
    let valid = check_key(&expression.key, &format!("{field}.key"), problems)
        & check_values(&values, &format!("{field}.values"), problems);
    valid.then(|| Requirement { key: expression.key.clone(), condition })
}

/// A qualified name: an optional DNS subdomain and a slash, then up to 63 characters.
fn check_key(key: &str, field: &str, problems: &mut Vec<Problem>) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let prefix_valid = prefix.is_none_or(|prefix| {
        let lower = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let inside = |c: u8| lower(c) || c == b'-';
        prefix.len() <= 253 && prefix.split('.').all(|label| is_bracketed(label, lower, inside))
    });
    let valid = prefix_valid && is_label_name(name);
    if !valid {
        let what = format!("{key:?} is no label key (like app or example.com/app)");
        problems.push(Problem::new(field.to_owned(), what));
    }
    valid
}

fn check_values(values: &BTreeSet<String>, field: &str, problems: &mut Vec<Problem>) -> bool {
    let mut valid = true;
    for value in values.iter().filter(|value| !value.is_empty() && !is_label_name(value)) {
        valid = false;
        let what = format!(
            "{value:?} is no label value (up to 63 letters, digits, '-', '_' and '.', a letter or digit at both ends)"
        );
        problems.push(Problem::new(field.to_owned(), what));
    }
    valid
}

fn is_label_name(name: &str) -> bool {
    let alphanumeric = |c: u8| c.is_ascii_alphanumeric();
    let inside = |c: u8| alphanumeric(c) || matches!(c, b'-' | b'_' | b'.');
    name.len() <= 63 && is_bracketed(name, alphanumeric, inside)
}

/// Not empty, `ends` at both ends and `inside` everywhere.
fn is_bracketed(text: &str, ends: impl Fn(u8) -> bool, inside: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let ends_fit = [bytes.first(), bytes.last()].iter().all(|end| end.is_some_and(|end| ends(*end)));
    ends_fit && bytes.iter().all(|byte| inside(*byte))
}
