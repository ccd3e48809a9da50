//! What people write in YAML or JSON, read into types without losing where each value stands.
//!
//! Text becomes a tree of values with places (`yaml`, `scalar`, `node`), which becomes values of any type that serde
//! reads (`decode`). Each stage goes on after a problem, to report them all at once:
//!
//! ```text
//! agent.yaml:9:7: bgp.peers[0].remotAS: is unknown; did you mean "remoteAS"?
//! ```
//!
//! Types need no attribute for that, so the Kubernetes API's own are read as strictly as ours.
//!
//! Deliberately absent: meaning. What a kind is, and what must hold between fields, is [`manifest`](crate::manifest)'s
//! (or the reader's), which finds places with [`Document::problem`].

mod decode;
mod node;
mod problem;
mod scalar;
#[cfg(test)]
mod tests;
mod yaml;

use serde::de::DeserializeOwned;

pub(crate) use node::{Node, Value};
pub(crate) use problem::LIMIT;
pub use problem::Problem;
use problem::{Fault, Origin};

/// One document of a file, or a part of one.
#[derive(Debug, Clone)]
pub struct Document {
    origin: Origin,
    root: Node,
}

impl Document {
    /// Reads a file of any number of documents; `file` is what problems call it. Empty documents are left out.
    ///
    /// # Errors
    /// Everything that is not YAML, or not unambiguous.
    pub fn parse(file: &str, text: &str) -> Result<Vec<Self>, Vec<Problem>> {
        let (documents, problems) = Self::salvage(file, text);
        if problems.is_empty() { Ok(documents) } else { Err(problems) }
    }

    /// The documents of a file as far as it is YAML, and what is not.
    pub(crate) fn salvage(file: &str, text: &str) -> (Vec<Self>, Vec<Problem>) {
        let origin = Origin { file: file.to_owned(), prefix: String::new() };
        let (roots, faults) = yaml::parse(text);
        let problems = origin.problems(faults);
        (roots.into_iter().map(|root| Self { origin: origin.clone(), root }).collect(), problems)
    }

    /// Sets the value at a path of keys, as if the file had said so; problems with it name `source`.
    pub fn overrule(&mut self, path: &[&str], source: &str, value: &serde_json::Value) {
        self.root.overrule(path, &source.into(), value);
    }

    /// Reads the document into a type.
    ///
    /// # Errors
    /// Everything that the type does not have or that does not fit, in the order of the text.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Vec<Problem>> {
        match self.decode() {
            (Some(value), problems) if problems.is_empty() => Ok(value),
            (_, problems) => Err(problems),
        }
    }

    /// As [`read`](Self::read); beside unknown fields, which are passed over, there is a value.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> (Option<T>, Vec<Problem>) {
        let (value, mut faults) = decode::decode(&self.root);
        faults.sort_by(|a, b| a.place.cmp(&b.place));
        (value, self.origin.problems(faults))
    }

    /// A problem with a field (`a.b[2].c`), at its place or at that of the nearest field around it.
    #[must_use]
    pub fn problem(&self, field: &str, what: impl Into<String>) -> Problem {
        let place = self.root.locate(field);
        self.origin.problem(Fault { place, field: field.to_owned(), what: what.into() })
    }

    /// A problem with a field that nobody knows, within the mapping of a field; `known` are those that it may have.
    pub(crate) fn unknown(&self, within: &str, key: &str, known: &[&str]) -> Problem {
        let field = if within.is_empty() { key.to_owned() } else { format!("{within}.{key}") };
        let place = self.root.locate_key(within, key);
        self.origin.problem(Fault { place, field, what: decode::unknown_field(key, known) })
    }

    /// The whole value.
    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// The document without one of its fields.
    pub(crate) fn without(&self, field: &str) -> Self {
        Self { origin: self.origin.clone(), root: self.root.without(field) }
    }

    /// The elements of the list in a field, each as a document of its own; `None` if there is no list.
    pub(crate) fn elements(&self, field: &str) -> Option<Vec<Self>> {
        let Some(Value::Sequence(elements)) = self.root.get(field).map(|node| &node.value) else {
            return None;
        };
        let part = |(index, root): &(usize, Node)| {
            let prefix = format!("{}{field}[{index}].", self.origin.prefix);
            Self { origin: Origin { file: self.origin.file.clone(), prefix }, root: root.clone() }
        };
        Some(elements.iter().map(part).collect())
    }
}
