//! What is wrong, and where.

use std::fmt;

use super::yaml::Position;

/// One thing that is wrong with a manifest: `file:line:column: field: what is wrong; what would be right`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the caller called it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Path of the field; empty if no field is to blame.
    pub field: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Problem {
    pub(super) fn position(&self) -> (usize, usize) {
        (self.line, self.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, field, what } = self;
        write!(formatter, "{file}:{line}:{column}: ")?;
        if !field.is_empty() {
            write!(formatter, "{field}: ")?;
        }
        formatter.write_str(what)
    }
}

impl std::error::Error for Problem {}

/// Most problems reported of one document: nobody reads more.
const LIMIT: usize = 100;

/// The problems of one document.
#[derive(Debug)]
pub(super) struct Report {
    file: String,
    prefix: String,
    problems: Vec<Problem>,
}

impl Report {
    /// For an object of `file` to which the path `prefix` leads.
    pub(super) fn new(file: &str, prefix: &str) -> Self {
        Self { file: file.to_owned(), prefix: prefix.to_owned(), problems: Vec::new() }
    }

    pub(super) fn add(&mut self, field: &str, position: Position, what: impl Into<String>) {
        if self.problems.len() < LIMIT {
            let Self { file, prefix, .. } = self;
            let field = if field.is_empty() { String::new() } else { format!("{prefix}{field}") };
            let Position { line, column } = position;
            self.problems.push(Problem { file: file.clone(), line, column, field, what: what.into() });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.problems.len() >= LIMIT
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
