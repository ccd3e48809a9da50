//! The tree of values with places.

use saphyr::{MarkedYaml, Scalar, YamlData};
use serde_json::Value;

use super::Fault;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) data: Data,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file; both from 1.
    At { line: usize, column: usize },
    /// Something that overrules the file.
    From(String),
}

#[derive(Debug, Clone)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) value: Node,
}

impl Node {
    /// From what the YAML library read.
    pub(super) fn decode(yaml: &MarkedYaml<'_>) -> Result<Self, Fault> {
        let place = place(yaml);
        let data = match &yaml.data {
            YamlData::Value(Scalar::Null) => Data::Null,
            YamlData::Value(Scalar::Boolean(value)) => Data::Bool(*value),
            YamlData::Value(Scalar::Integer(value)) => Data::Integer(*value),
            YamlData::Value(Scalar::FloatingPoint(value)) => Data::Float(value.into_inner()),
            YamlData::Value(Scalar::String(text)) => Data::Text(text.to_string()),
            YamlData::Sequence(items) => {
                Data::Sequence(items.iter().map(Self::decode).collect::<Result<_, _>>()?)
            }
            YamlData::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    Ok(Entry { place: self::place(key), key: key_text(key)?, value: Self::decode(value)? })
                });
                Data::Mapping(entries.collect::<Result<_, _>>()?)
            }
            YamlData::Representation(..) | YamlData::Tagged(..) | YamlData::Alias(_) | YamlData::BadValue => {
                return Err(fault(place, "tags and aliases are not understood; write the value itself"));
            }
        };
        Ok(Self { place, data })
    }

    fn from_json(value: &Value, source: &str) -> Self {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(value) => Data::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(value) => Data::Integer(value),
                None => Data::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Data::Text(text.clone()),
            Value::Array(items) => {
                Data::Sequence(items.iter().map(|item| Self::from_json(item, source)).collect())
            }
            Value::Object(fields) => Data::Mapping(
                fields
                    .iter()
                    .map(|(key, value)| Entry {
                        place: Place::From(source.to_owned()),
                        key: key.clone(),
                        value: Self::from_json(value, source),
                    })
                    .collect(),
            ),
        };
        Self { place: Place::From(source.to_owned()), data }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            Data::Null
            | Data::Bool(_)
            | Data::Integer(_)
            | Data::Float(_)
            | Data::Sequence(_)
            | Data::Mapping(_) => None,
        }
    }

    fn entries(&self) -> &[Entry] {
        match &self.data {
            Data::Mapping(entries) => entries,
            Data::Null
            | Data::Bool(_)
            | Data::Integer(_)
            | Data::Float(_)
            | Data::Text(_)
            | Data::Sequence(_) => &[],
        }
    }

    fn items(&self) -> &[Node] {
        match &self.data {
            Data::Sequence(items) => items,
            Data::Null
            | Data::Bool(_)
            | Data::Integer(_)
            | Data::Float(_)
            | Data::Text(_)
            | Data::Mapping(_) => &[],
        }
    }

    pub(super) fn descend(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.child(key))
    }

    fn child(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Data::Mapping(entries) = &mut self.data {
            entries.retain(|entry| entry.key != key);
        }
    }

    pub(super) fn overrule(&mut self, path: &[&str], source: &str, value: &Value) {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::from_json(value, source);
            return;
        };
        if !matches!(self.data, Data::Mapping(_)) {
            self.data = Data::Mapping(Vec::new());
        }
        let Data::Mapping(entries) = &mut self.data else { return };
        let index = entries.iter().position(|entry| entry.key == *first).unwrap_or_else(|| {
            let place = Place::From(source.to_owned());
            let value = Self { place: place.clone(), data: Data::Null };
            entries.push(Entry { place, key: (*first).to_owned(), value });
            entries.len() - 1
        });
        if let Some(entry) = entries.get_mut(index) {
            entry.value.overrule(rest, source, value);
        }
    }

    /// The place of `field` (`a.b[2].c`), or of the nearest node above it.
    pub(super) fn nearest(&self, field: &str) -> Place {
        let mut node = self;
        for step in field.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match step.strip_suffix(']') {
                Some(index) => index.parse::<usize>().ok().and_then(|index| node.items().get(index)),
                None => node.child(step),
            };
            let Some(next) = next else { break };
            node = next;
        }
        node.place.clone()
    }
}

fn place(yaml: &MarkedYaml<'_>) -> Place {
    Place::At { line: yaml.span.start.line(), column: yaml.span.start.col() + 1 }
}

/// Keys are text; numbers and booleans are taken as written by people who forgot the quotes.
fn key_text(key: &MarkedYaml<'_>) -> Result<String, Fault> {
    let YamlData::Value(scalar) = &key.data else {
        return Err(fault(place(key), "a key must be text"));
    };
    Ok(match scalar {
        Scalar::String(text) => text.to_string(),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Boolean(value) => value.to_string(),
        Scalar::Null | Scalar::FloatingPoint(_) => return Err(fault(place(key), "a key must be text")),
    })
}

fn fault(place: Place, what: &str) -> Fault {
    Fault { place, field: String::new(), what: what.to_owned() }
}
