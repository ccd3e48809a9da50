//! A tree of nodes to a typed resource.
//!
//! Types know their fields by name and tell them to the deserializer, the generated Kubernetes types too. That is
//! how unknown fields are found here, and the nearest known one.
//!
//! Deserialization ends at the first value of a wrong type. To find the others, that value is taken out and
//! everything is deserialized again.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer as _, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::problem::Report;
use super::yaml::{Entry, Node, Position, Step, Value};
use crate::key::nearest;

/// Reads a `T`, and reports everything that is wrong: values of wrong types, after which there is no `T`, and unknown
/// fields, which are passed over.
pub(super) fn decode<T: DeserializeOwned>(root: &Node, report: &mut Report) -> Option<T> {
    let mut tree = root.clone();
    let mut removed: Vec<Vec<Step>> = Vec::new();
    loop {
        let unknown = RefCell::new(Vec::new());
        let path = Path::Root;
        let result = T::deserialize(Decoder { node: &tree, path: &path, unknown: &unknown, as_text: false });
        let wrong = match result {
            Ok(value) => {
                report_unknown(unknown.into_inner(), report);
                return removed.is_empty().then_some(value);
            }
            Err(wrong) => wrong,
        };
        // What was taken out is missing now; that is no news.
        let is_news = !removed.contains(&wrong.path);
        if is_news {
            report.add(&show(&wrong.path), wrong.position.unwrap_or(root.position), wrong.what);
        }
        if !is_news || report.is_full() || !tree.remove(&wrong.path) {
            report_unknown(unknown.into_inner(), report);
            return None;
        }
        removed.push(wrong.path);
    }
}

/// A field that nobody knows.
struct Unknown {
    path: Vec<Step>,
    position: Position,
    what: String,
}

fn report_unknown(unknown: Vec<Unknown>, report: &mut Report) {
    for Unknown { path, position, what } in unknown {
        report.add(&show(&path), position, what);
    }
}

/// Where the decoder is.
enum Path<'a> {
    Root,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl Path<'_> {
    fn steps(&self) -> Vec<Step> {
        let (parent, step) = match self {
            Self::Root => return Vec::new(),
            Self::Key(parent, key) => (parent, Step::Key((*key).to_owned())),
            Self::Index(parent, index) => (parent, Step::Index(*index)),
        };
        let mut steps = parent.steps();
        steps.push(step);
        steps
    }
}

fn show(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// What is wrong with a value.
#[derive(Debug)]
struct Wrong {
    what: String,
    /// Known as soon as the error has come out of the value.
    position: Option<Position>,
    path: Vec<Step>,
    missing: Option<&'static str>,
}

impl Wrong {
    fn at(mut self, path: &Path<'_>, position: Position) -> Self {
        if self.position.is_none() {
            self.position = Some(position);
            self.path = path.steps();
            self.path.extend(self.missing.take().map(|field| Step::Key(field.to_owned())));
        }
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { what: message.to_string(), position: None, path: Vec::new(), missing: None }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let wanted = wanted(&expected.to_string());
        let hint = match (found, wanted.as_str()) {
            (Unexpected::Signed(number), "text") => format!(" (\"{number}\" in quotes)"),
            (Unexpected::Float(number), "text") => format!(" (\"{number}\" in quotes)"),
            (Unexpected::Bool(value), "text") => format!(" (\"{value}\" in quotes)"),
            _ => String::new(),
        };
        Self::custom(format!("is {}; write {wanted}{hint}", describe(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("is {}; write {}", describe(found), wanted(&expected.to_string())))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::custom("is missing; it is required") }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let right = match nearest(variant, expected.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write one of {}", expected.join(", ")),
        };
        Self::custom(format!("\"{variant}\" is unknown; {right}"))
    }
}

fn describe(found: Unexpected<'_>) -> String {
    if let Unexpected::Str(text) = found {
        return format!("the text \"{text}\"");
    }
    match found {
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number}"),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        Unexpected::Unit | Unexpected::Option => "empty".to_owned(),
        Unexpected::Char(_)
        | Unexpected::Str(_)
        | Unexpected::Bytes(_)
        | Unexpected::NewtypeStruct
        | Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant
        | Unexpected::Other(_) => found.to_string(),
    }
}

/// What types say that they expect, in words for people.
fn wanted(expected: &str) -> String {
    match expected {
        "a string" => "text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "i32" | "i64" | "u32" | "u64" => "a whole number".to_owned(),
        "a map" => "a mapping".to_owned(),
        "IntOrString" | "enum IntOrString" => "a number or text".to_owned(),
        other if other.starts_with("struct ") || other.starts_with(char::is_uppercase) => {
            "a mapping".to_owned()
        }
        other => other.to_owned(),
    }
}

#[derive(Clone, Copy)]
struct Decoder<'a> {
    node: &'a Node,
    path: &'a Path<'a>,
    unknown: &'a RefCell<Vec<Unknown>>,
    /// Quantities are text, but `cpu: 1` is how people write them.
    as_text: bool,
}

impl<'a> Decoder<'a> {
    fn visit<'de, V: Visitor<'de>>(
        self,
        visitor: V,
        fields: Option<&'static [&'static str]>,
    ) -> Result<V::Value, Wrong> {
        let visited = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Integer(number) if self.as_text => visitor.visit_string(number.to_string()),
            Value::Float(number) if self.as_text => visitor.visit_string(number.to_string()),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::String(text) => visitor.visit_str(text),
            Value::Sequence(elements) => visitor.visit_seq(Elements { decoder: self, rest: elements.iter() }),
            Value::Mapping(entries) => {
                visitor.visit_map(Entries { decoder: self, rest: entries.iter(), fields, current: None })
            }
        };
        visited.map_err(|wrong: Wrong| wrong.at(self.path, self.node.position))
    }
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.visit(visitor, None)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.visit(visitor, Some(fields))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if matches!(self.node.value, Value::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(Decoder { as_text: name == "Quantity", ..self })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let visited = match &self.node.value {
            Value::String(text) => {
                let text: StrDeserializer<'_, Wrong> = text.as_str().into_deserializer();
                visitor.visit_enum(text)
            }
            Value::Null
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Sequence(_)
            | Value::Mapping(_) => Err(Wrong::custom(format!("is {}; write text", self.node.describe()))),
        };
        visited.map_err(|wrong| wrong.at(self.path, self.node.position))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier
    }
}

/// The elements of a list.
struct Elements<'a> {
    decoder: Decoder<'a>,
    rest: std::slice::Iter<'a, (usize, Node)>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some((index, node)) = self.rest.next() else { return Ok(None) };
        let path = Path::Index(self.decoder.path, *index);
        let value = seed.deserialize(Decoder { node, path: &path, ..self.decoder });
        value.map(Some).map_err(|wrong| wrong.at(&path, node.position))
    }
}

/// The entries of a mapping; those of unknown keys are noted and passed over.
struct Entries<'a> {
    decoder: Decoder<'a>,
    rest: std::slice::Iter<'a, Entry>,
    fields: Option<&'static [&'static str]>,
    current: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        for entry in self.rest.by_ref() {
            match self.fields {
                Some(fields) if !fields.contains(&entry.key.as_str()) => {
                    let path = Path::Key(self.decoder.path, &entry.key).steps();
                    let what = unknown_field(&entry.key, fields);
                    self.decoder.unknown.borrow_mut().push(Unknown { path, position: entry.position, what });
                }
                Some(_) | None => {
                    self.current = Some(entry);
                    let key: StrDeserializer<'_, Wrong> = entry.key.as_str().into_deserializer();
                    return seed.deserialize(key).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let entry = self.current.take().ok_or_else(|| Wrong::custom("a value without key"))?;
        let path = Path::Key(self.decoder.path, &entry.key);
        let value = seed.deserialize(Decoder { node: &entry.node, path: &path, ..self.decoder });
        // Once more: a type may refuse what its parts accepted.
        value.map_err(|wrong| wrong.at(&path, entry.node.position))
    }
}

/// Fields listed when none is near.
const LISTED: usize = 12;

fn unknown_field(key: &str, fields: &[&str]) -> String {
    match nearest(key, fields.iter().copied()) {
        Some(near) => format!("is unknown; did you mean \"{near}\"?"),
        None if fields.len() <= LISTED => format!("is unknown; known are {}", fields.join(", ")),
        None => "is unknown; remove it".to_owned(),
    }
}
