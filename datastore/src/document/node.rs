//! The tree of values with places.

use std::sync::Arc;

use serde_json::Value as Json;

/// Where a value comes from. Ordered as people read: the file from its beginning, then what overrules it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In the file; both from 1, columns in characters.
    At { line: usize, column: usize },
    /// Something that overrules the file, by its name.
    From(Arc<str>),
}

/// A value and where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(super) place: Place,
    pub(crate) value: Value,
}

/// A value. Elements of a sequence keep their index, and so their path, when others are taken out.
#[derive(Debug, Clone)]
pub(crate) enum Value {
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
pub(crate) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Mapping(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    fn element(&self, index: usize) -> Option<&Self> {
        let Value::Sequence(elements) = &self.value else { return None };
        elements.iter().find(|(own, _)| *own == index).map(|(_, element)| element)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }

    /// What it is, in words.
    pub(crate) fn describe(&self) -> String {
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
                let Some(index) = entries.iter().position(|entry| entry.key == *key) else { return false };
                if rest.is_empty() {
                    entries.remove(index);
                    return true;
                }
                entries.get_mut(index).is_some_and(|entry| entry.node.remove(rest))
            }
            (Step::Index(index), Value::Sequence(elements)) => {
                let Some(index) = elements.iter().position(|(own, _)| own == index) else { return false };
                if rest.is_empty() {
                    elements.remove(index);
                    return true;
                }
                elements.get_mut(index).is_some_and(|(_, element)| element.remove(rest))
            }
            (Step::Key(_) | Step::Index(_), _) => false,
        }
    }

    /// Sets what a path of keys leads to, and makes the mappings on the way where there is something else.
    pub(super) fn overrule(&mut self, path: &[&str], source: &Arc<str>, value: &Json) {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::from_json(value, source);
            return;
        };
        if !matches!(self.value, Value::Mapping(_)) {
            self.value = Value::Mapping(Vec::new());
        }
        let Value::Mapping(entries) = &mut self.value else { return };
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *first) {
            entry.node.overrule(rest, source, value);
            return;
        }
        let mut node = Self::from_json(&Json::Null, source);
        node.overrule(rest, source, value);
        entries.push(Entry { key: (*first).to_owned(), place: node.place.clone(), node });
    }

    fn from_json(value: &Json, source: &Arc<str>) -> Self {
        let place = Place::From(source.clone());
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Boolean(*value),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::Integer(number),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(text.clone()),
            Json::Array(elements) => {
                let node = |(index, element)| (index, Self::from_json(element, source));
                Value::Sequence(elements.iter().enumerate().map(node).collect())
            }
            Json::Object(fields) => {
                let entry = |(key, value): (&String, &Json)| Entry {
                    key: key.clone(),
                    place: place.clone(),
                    node: Self::from_json(value, source),
                };
                Value::Mapping(fields.iter().map(entry).collect())
            }
        };
        Self { place, value }
    }

    /// Place of what the path `a.b[0].c` leads to, or as far as it leads. (No key on such a path has a dot.)
    pub(super) fn locate(&self, path: &str) -> Place {
        self.follow(path).place.clone()
    }

    /// Place of a key in the mapping that the path leads to.
    pub(super) fn locate_key(&self, path: &str, key: &str) -> Place {
        let node = self.follow(path);
        let Value::Mapping(entries) = &node.value else { return node.place.clone() };
        let entry = entries.iter().find(|entry| entry.key == key);
        entry.map_or(&node.place, |entry| &entry.place).clone()
    }

    fn follow(&self, path: &str) -> &Self {
        let mut node = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match step.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|index| node.element(index)),
                None => node.get(step),
            };
            let Some(next) = next else { break };
            node = next;
        }
        node
    }

    /// Nodes of the tree. Its depth is bounded.
    pub(super) fn size(&self) -> usize {
        1 + match &self.value {
            Value::Sequence(elements) => elements.iter().map(|(_, element)| element.size()).sum(),
            Value::Mapping(entries) => entries.iter().map(|entry| 1 + entry.node.size()).sum(),
            Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) => 0,
        }
    }
}
