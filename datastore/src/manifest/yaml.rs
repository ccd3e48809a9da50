//! YAML (and so JSON) text to a tree that knows its positions.
//!
//! Built from the parser's events rather than by its own loader, which keeps neither repeated keys nor the positions
//! of keys, and lets aliases multiply without bound.

use std::collections::HashMap;

use saphyr::Scalar;
use saphyr_parser::{Event, Parser, Span};

use super::problem::Report;

/// A place in the text, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value and where it begins.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) position: Position,
    pub(super) value: Value,
}

/// A value. Elements of a sequence keep their index, and so their path, when others are taken out.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    String(String),
    Sequence(Vec<(usize, Node)>),
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) position: Position,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            Value::Null
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Sequence(_) => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }

    /// What it is, in words.
    pub(super) fn describe(&self) -> String {
        match &self.value {
            Value::Null => "empty".to_owned(),
            Value::Boolean(value) => value.to_string(),
            Value::Integer(number) => format!("the number {number}"),
            Value::Float(number) => format!("the number {number}"),
            Value::String(text) => format!("the text \"{text}\""),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
        }
    }

    /// This mapping without one of its keys.
    pub(super) fn without(&self, key: &str) -> Self {
        let mut copy = self.clone();
        copy.remove(&[Step::Key(key.to_owned())]);
        copy
    }

    /// Takes out what a path leads to; false if it leads nowhere.
    pub(super) fn remove(&mut self, path: &[Step]) -> bool {
        let Some((step, rest)) = path.split_first() else { return false };
        match (step, &mut self.value) {
            (Step::Key(key), Value::Mapping(entries)) => {
                let Some(place) = entries.iter().position(|entry| entry.key == *key) else { return false };
                if rest.is_empty() {
                    entries.remove(place);
                    return true;
                }
                entries.get_mut(place).is_some_and(|entry| entry.node.remove(rest))
            }
            (Step::Index(index), Value::Sequence(elements)) => {
                let Some(place) = elements.iter().position(|(own, _)| own == index) else { return false };
                if rest.is_empty() {
                    elements.remove(place);
                    return true;
                }
                elements.get_mut(place).is_some_and(|(_, element)| element.remove(rest))
            }
            (Step::Key(_) | Step::Index(_), _) => false,
        }
    }

    /// Position of what the path `a.b[0].c` leads to, or as far as it leads. (No key on such a path has a dot.)
    pub(super) fn locate(&self, path: &str) -> Position {
        let mut node = self;
        for part in path.split('.') {
            let (key, indices) = part.split_once('[').unwrap_or((part, ""));
            let Some(next) = node.get(key) else { return node.position };
            node = next;
            for index in
                indices.split('[').filter_map(|index| index.trim_end_matches(']').parse::<usize>().ok())
            {
                let element = match &node.value {
                    Value::Sequence(elements) => elements.iter().find(|(own, _)| *own == index),
                    Value::Null
                    | Value::Boolean(_)
                    | Value::Integer(_)
                    | Value::Float(_)
                    | Value::String(_)
                    | Value::Mapping(_) => None,
                };
                let Some((_, next)) = element else { return node.position };
                node = next;
            }
        }
        node.position
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// Deepest nesting.
const DEPTH: usize = 64;

/// Most nodes, aliases counted as often as they are used.
const NODES: usize = 500_000;

/// The documents of `text` up to the first syntax error. Empty documents are left out.
pub(super) fn parse(text: &str, report: &mut Report) -> Vec<Node> {
    let mut builder =
        Builder { report, open: Vec::new(), anchors: HashMap::new(), nodes: 0, documents: Vec::new() };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => {
                if builder.on_event(event, span).is_none() {
                    break;
                }
            }
            Err(error) => {
                let position = position(error.marker());
                builder.report.add(
                    "",
                    position,
                    format!("is not YAML: {}; correct the syntax here", error.info()),
                );
                break;
            }
        }
    }
    builder.documents
}

fn position(marker: &saphyr_parser::Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// A collection that is not complete.
struct Open {
    node: Node,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<(String, Position)>,
}

struct Builder<'a> {
    report: &'a mut Report,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: Vec<Node>,
}

impl Builder<'_> {
    /// `None` if it makes no sense to go on.
    fn on_event(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let position = position(&span.start);
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Some(()),
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return self.fail(
                        position,
                        "this alias refers to what is not complete yet; write the value out",
                    );
                };
                self.count(size, position)?;
                self.close(Node { position, ..node }, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, position)?;
                let shown = text.to_string();
                let scalar = Scalar::parse_from_cow_and_metadata(text, style, tag.as_ref());
                let value = match scalar {
                    Some(Scalar::Null) => Value::Null,
                    Some(Scalar::Boolean(value)) => Value::Boolean(value),
                    Some(Scalar::Integer(number)) => Value::Integer(number),
                    Some(Scalar::FloatingPoint(number)) => Value::Float(number.into_inner()),
                    Some(Scalar::String(text)) => Value::String(text.into_owned()),
                    None => {
                        return self.fail(
                            position,
                            &format!("\"{shown}\" is not what its tag says; remove the tag"),
                        );
                    }
                };
                self.close(Node { position, value }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(Value::Sequence(Vec::new()), anchor, position),
            Event::MappingStart(anchor, _) => self.begin(Value::Mapping(Vec::new()), anchor, position),
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop()?;
                self.close(open.node, open.anchor)
            }
        }
    }

    fn begin(&mut self, value: Value, anchor: usize, position: Position) -> Option<()> {
        self.count(1, position)?;
        if self.open.len() >= DEPTH {
            return self.fail(position, &format!("is nested more than {DEPTH} levels deep; flatten it"));
        }
        self.open.push(Open { node: Node { position, value }, anchor, key: None });
        Some(())
    }

    /// A node is complete: put it where it belongs.
    fn close(&mut self, node: Node, anchor: usize) -> Option<()> {
        if anchor != 0 {
            let size = size(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(parent) = self.open.last_mut() else {
            if !matches!(node.value, Value::Null) {
                self.documents.push(node);
            }
            return Some(());
        };
        match (&mut parent.node.value, parent.key.take()) {
            (Value::Sequence(elements), _) => elements.push((elements.len(), node)),
            (Value::Mapping(entries), Some((key, position))) => {
                if entries.iter().any(|entry| entry.key == key) {
                    self.report.add(&key, position, "is here twice; remove one of them");
                } else {
                    entries.push(Entry { key, position, node });
                }
            }
            (Value::Mapping(_), None) => {
                let key = match node.value {
                    Value::String(text) => text,
                    Value::Integer(number) => number.to_string(),
                    Value::Boolean(value) => value.to_string(),
                    Value::Null | Value::Float(_) | Value::Sequence(_) | Value::Mapping(_) => {
                        return self.fail(node.position, "cannot be a key; write text");
                    }
                };
                parent.key = Some((key, node.position));
            }
            // Only collections are ever open.
            (Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::String(_), _) => {
                return None;
            }
        }
        Some(())
    }

    fn count(&mut self, nodes: usize, position: Position) -> Option<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES {
            return self
                .fail(position, &format!("there are more than {NODES} values up to here; split the file"));
        }
        Some(())
    }

    fn fail(&mut self, position: Position, what: &str) -> Option<()> {
        self.report.add("", position, what);
        None
    }
}

/// Nodes of a tree. Its depth is bounded.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Sequence(elements) => elements.iter().map(|(_, element)| size(element)).sum(),
        Value::Mapping(entries) => entries.iter().map(|entry| 1 + size(&entry.node)).sum(),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) => 0,
    }
}
