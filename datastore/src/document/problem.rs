//! What is wrong, and where.

use std::fmt;

use super::node::Place;

/// Most problems reported of one document: nobody reads more.
pub(crate) const LIMIT: usize = 100;

/// One thing that is wrong with a document: `file:line:column: field: what is wrong; what would be right`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The file, as the caller called it.
    file: String,
    place: Place,
    /// Path of the field; empty if no field is to blame.
    field: String,
    /// What is wrong, and what would be right.
    what: String,
}

impl Problem {
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, field, what } = self;
        match place {
            Place::At { line, column } => write!(formatter, "{file}:{line}:{column}: ")?,
            Place::From(source) => write!(formatter, "{source}: ")?,
        }
        if !field.is_empty() {
            write!(formatter, "{field}: ")?;
        }
        formatter.write_str(what)
    }
}

/// A problem that does not know its file.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) field: String,
    pub(super) what: String,
}

/// Where a document comes from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The file, as the caller called it.
    pub(super) file: String,
    /// The path within the file's document that leads to this one: empty, or ending with a dot.
    pub(super) prefix: String,
}

impl Origin {
    pub(super) fn problem(&self, Fault { place, field, what }: Fault) -> Problem {
        let field = if field.is_empty() { field } else { format!("{}{field}", self.prefix) };
        Problem { file: self.file.clone(), place, field, what }
    }

    pub(super) fn problems(&self, faults: Vec<Fault>) -> Vec<Problem> {
        faults.into_iter().take(LIMIT).map(|fault| self.problem(fault)).collect()
    }
}
