//! Reads a tree into a type (a serde deserializer that knows places).

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::Fault;
use super::node::{Data, Entry, Node, Place};
use crate::key::nearest;

/// Reads `root`; beside the result, the fields that the type does not have.
pub(super) fn read<T: DeserializeOwned>(root: &Node) -> (Result<T, Fault>, Vec<Fault>) {
    let unknown = RefCell::new(Vec::new());
    let reader = Reader { node: root, path: String::new(), unknown: &unknown };
    let result = T::deserialize(reader).map_err(|error| error.into_fault(root));
    (result, unknown.into_inner())
}

/// A value being read, and the path to it.
struct Reader<'a> {
    node: &'a Node,
    path: String,
    unknown: &'a RefCell<Vec<Fault>>,
}

/// Why a value does not fit. The innermost reader that it passes gives it its place.
#[derive(Debug)]
struct ReadError {
    what: String,
    at: Option<(String, Place)>,
}

impl ReadError {
    fn at(mut self, path: &str, place: &Place) -> Self {
        self.at.get_or_insert_with(|| (path.to_owned(), place.clone()));
        self
    }

    fn into_fault(self, root: &Node) -> Fault {
        let (field, place) = self.at.unwrap_or_else(|| (String::new(), root.place.clone()));
        Fault { place, field, what: self.what }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(what: T) -> Self {
        // A type that names its fields would say so itself, but without the place.
        Self { what: what.to_string(), at: None }
    }
}

impl<'a> Reader<'a> {
    fn child(&self, step: &str, node: &'a Node) -> Self {
        let dot = if self.path.is_empty() || step.starts_with('[') { "" } else { "." };
        Self { node, path: format!("{}{dot}{step}", self.path), unknown: self.unknown }
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.data {
            Data::Null => visitor.visit_unit(),
            Data::Bool(value) => visitor.visit_bool(*value),
            Data::Integer(value) => visitor.visit_i64(*value),
            Data::Float(value) => visitor.visit_f64(*value),
            Data::Text(text) => visitor.visit_str(text),
            Data::Sequence(items) => {
                visitor.visit_seq(Items { reader: &self, items: items.iter().enumerate() })
            }
            Data::Mapping(entries) => {
                visitor.visit_map(Fields { reader: &self, entries: entries.iter(), known: None, value: None })
            }
        }
        .map_err(|error| error.at(&self.path, &self.node.place))
    }
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.visit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    /// The one place where a type says which fields it has.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let Data::Mapping(entries) = &self.node.data else { return self.visit(visitor) };
        visitor
            .visit_map(Fields { reader: &self, entries: entries.iter(), known: Some(known), value: None })
            .map_err(|error| error.at(&self.path, &self.node.place))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let text = self.node.as_text().ok_or_else(|| de::Error::custom("must be one of a few words"));
        let text = text.map_err(|error: ReadError| error.at(&self.path, &self.node.place))?;
        let word: StrDeserializer<'_, ReadError> = text.into_deserializer();
        visitor.visit_enum(word).map_err(|error| error.at(&self.path, &self.node.place))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The items of a sequence.
struct Items<'a, 'b> {
    reader: &'b Reader<'a>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some((index, item)) = self.items.next() else { return Ok(None) };
        seed.deserialize(self.reader.child(&format!("[{index}]"), item)).map(Some)
    }
}

/// The entries of a mapping; those that the type does not know are noted and passed over.
struct Fields<'a, 'b> {
    reader: &'b Reader<'a>,
    entries: std::slice::Iter<'a, Entry>,
    known: Option<&'static [&'static str]>,
    value: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Fields<'_, '_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        for entry in self.entries.by_ref() {
            match self.known {
                Some(known) if !known.contains(&entry.key.as_str()) => {
                    let field = self.reader.child(&entry.key, &entry.value).path;
                    let what = unknown_field(&entry.key, known);
                    self.reader.unknown.borrow_mut().push(Fault { place: entry.place.clone(), field, what });
                }
                Some(_) | None => {
                    self.value = Some(entry);
                    let key: StrDeserializer<'_, ReadError> = entry.key.as_str().into_deserializer();
                    return seed.deserialize(key).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(entry) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for without its key"));
        };
        seed.deserialize(self.reader.child(&entry.key, &entry.value))
    }
}

fn unknown_field(key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(nearest) => format!("unknown field; did you mean {nearest}?"),
        None if known.is_empty() => "unknown field; there are none here".to_owned(),
        None => format!("unknown field; known are {}", known.join(", ")),
    }
}
