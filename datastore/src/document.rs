//! What people write in YAML or JSON, read into types without losing where each value stands.
//!
//! A [`Document`] is a tree of values with places. Reading it into a type reports *every* field that the type does
//! not have, each with the nearest name that it has, and the first value that does not fit; types need no attribute for
//! that, so the Kubernetes API's own types are read as strictly as ours.
//!
//! Deliberately absent: meaning. What a kind is, and what must hold between fields, is [`manifest`](crate::manifest)'s
//! (or the reader's).

mod node;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;

use saphyr::{LoadableYamlNode, MarkedYaml};
use serde::de::DeserializeOwned;
use serde_json::Value;

use node::{Node, Place};

/// One document of a file.
#[derive(Debug, Clone)]
pub struct Document {
    file: String,
    root: Node,
}

/// Something wrong with a document, at its place: `FILE:LINE:COLUMN: FIELD: what; what would be right`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// What the file is called, or what overruled it.
    origin: String,
    /// Line and column, both from 1; none for a value that did not come from the file.
    position: Option<(usize, usize)>,
    /// The field, as `spec.ingress[0].from`; empty for the whole document.
    field: String,
    /// What is wrong, and what would be right.
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.origin)?;
        if let Some((line, column)) = self.position {
            write!(f, "{line}:{column}:")?;
        }
        if !self.field.is_empty() {
            write!(f, " {}:", self.field)?;
        }
        write!(f, " {}", self.what)
    }
}

impl Document {
    /// Reads a file of any number of documents; `file` is what problems call it. Empty documents are left out.
    ///
    /// # Errors
    /// When it is not YAML, says where it ceases to be.
    pub fn parse(file: &str, text: &str) -> Result<Vec<Self>, Problem> {
        let documents = MarkedYaml::load_from_str(text).map_err(|error| Problem {
            origin: file.to_owned(),
            position: Some((error.marker().line(), error.marker().col() + 1)),
            field: String::new(),
            what: format!("not YAML: {}", error.info()),
        })?;
        documents
            .iter()
            .map(|yaml| Node::decode(yaml).map_err(|fault| fault.into_problem(file)))
            .filter(|root| !matches!(root, Ok(root) if root.is_null()))
            .map(|root| Ok(Self { file: file.to_owned(), root: root? }))
            .collect()
    }

    /// Sets the value at a path of mapping keys, as if the file had said so; `source` is named by problems with it.
    pub fn overrule(&mut self, path: &[&str], source: &str, value: &Value) {
        self.root.overrule(path, source, value);
    }

    /// Leaves out a top-level field.
    pub fn remove(&mut self, field: &str) {
        self.root.remove(field);
    }

    /// The text at a path of mapping keys, if there is text.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        self.root.descend(path)?.as_text()
    }

    /// Reads the document into a type.
    ///
    /// # Errors
    /// Everything that the type does not have, and the first thing that does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        let (result, faults) = read::read(&self.root);
        let mut problems: Vec<Problem> =
            faults.into_iter().map(|fault| fault.into_problem(&self.file)).collect();
        match result {
            Ok(value) if problems.is_empty() => Ok(value),
            Ok(_) => Err(problems),
            Err(fault) => {
                problems.push(fault.into_problem(&self.file));
                Err(problems)
            }
        }
    }

    /// A problem with a field, which need not be there: it is placed at the nearest one that is.
    #[must_use]
    pub fn problem(&self, field: &str, what: impl Into<String>) -> Problem {
        let place = self.root.nearest(field);
        Fault { place, field: field.to_owned(), what: what.into() }.into_problem(&self.file)
    }
}

/// A problem that does not know its file.
#[derive(Debug, Clone)]
struct Fault {
    place: Place,
    field: String,
    what: String,
}

impl Fault {
    fn into_problem(self, file: &str) -> Problem {
        let (origin, position) = match self.place {
            Place::At { line, column } => (file.to_owned(), Some((line, column))),
            Place::From(source) => (source, None),
        };
        Problem { origin, position, field: self.field, what: self.what }
    }
}
