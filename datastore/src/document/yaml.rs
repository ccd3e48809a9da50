//! YAML (and so JSON) text to a tree that knows its positions.
//!
//! Built from the parser's events rather than by its own loader, which keeps neither repeated keys nor the positions
//! of keys, and lets aliases multiply without bound.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, Span};

use super::node::{Entry, Node, Place, Value};
use super::problem::{Fault, LIMIT};
use super::scalar;

/// Deepest nesting.
const DEPTH: usize = 64;

/// Most nodes, aliases counted as often as they are used.
const NODES: usize = 500_000;

/// The documents of `text` up to the first syntax error, and what is wrong. Empty documents are left out.
pub(super) fn parse(text: &str) -> (Vec<Node>, Vec<Fault>) {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let goes_on = match event {
            Ok((event, span)) => builder.on_event(event, span),
            Err(error) => {
                let what = format!("is not YAML: {}; correct the syntax here", error.info());
                builder.fail(place(error.marker()), &what)
            }
        };
        if goes_on.is_none() {
            break;
        }
    }
    (builder.documents, builder.faults)
}

fn place(marker: &Marker) -> Place {
    Place::At { line: marker.line(), column: marker.col() + 1 }
}

/// A collection that is not complete.
struct Open {
    node: Node,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<(String, Place)>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    /// By anchor: what it stands for, and how many nodes that is.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: Vec<Node>,
    faults: Vec<Fault>,
}

impl Builder {
    /// `None` if it makes no sense to go on.
    fn on_event(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let place = place(&span.start);
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Some(()),
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return self
                        .fail(place, "this alias refers to what is not complete yet; write the value out");
                };
                self.count(size, &place)?;
                self.close(Node { place, ..node }, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, &place)?;
                let Some(value) = scalar::resolve(&text, style, tag.as_deref()) else {
                    return self.fail(place, &format!("\"{text}\" is not what its tag says; remove the tag"));
                };
                self.close(Node { place, value }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(Value::Sequence(Vec::new()), anchor, place),
            Event::MappingStart(anchor, _) => self.begin(Value::Mapping(Vec::new()), anchor, place),
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop()?;
                self.close(open.node, open.anchor)
            }
        }
    }

    fn begin(&mut self, value: Value, anchor: usize, place: Place) -> Option<()> {
        self.count(1, &place)?;
        if self.open.len() >= DEPTH {
            return self.fail(place, &format!("is nested more than {DEPTH} levels deep; flatten it"));
        }
        self.open.push(Open { node: Node { place, value }, anchor, key: None });
        Some(())
    }

    /// A node is complete: put it where it belongs.
    fn close(&mut self, node: Node, anchor: usize) -> Option<()> {
        if anchor != 0 {
            let size = node.size();
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
            (Value::Mapping(entries), Some((key, place))) => {
                if entries.iter().any(|entry| entry.key == key) {
                    self.add(&key, place, "is here twice; remove one of them");
                } else {
                    entries.push(Entry { key, place, node });
                }
            }
            (Value::Mapping(_), None) => {
                let key = match node.value {
                    Value::String(text) => text,
                    Value::Integer(number) => number.to_string(),
                    Value::Boolean(value) => value.to_string(),
                    Value::Null | Value::Float(_) | Value::Sequence(_) | Value::Mapping(_) => {
                        return self.fail(node.place, "cannot be a key; write text");
                    }
                };
                parent.key = Some((key, node.place));
            }
            // Only collections are ever open.
            (Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::String(_), _) => {
                return None;
            }
        }
        Some(())
    }

    fn count(&mut self, nodes: usize, place: &Place) -> Option<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES {
            return self.fail(
                place.clone(),
                &format!("there are more than {NODES} values up to here; split the file"),
            );
        }
        Some(())
    }

    fn fail(&mut self, place: Place, what: &str) -> Option<()> {
        self.add("", place, what);
        None
    }

    fn add(&mut self, field: &str, place: Place, what: &str) {
        if self.faults.len() < LIMIT {
            self.faults.push(Fault { place, field: field.to_owned(), what: what.to_owned() });
        }
    }
}
