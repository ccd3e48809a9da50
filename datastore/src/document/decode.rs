//! A tree of nodes to a value of a type.
//!
//! Types know their fields by name and tell them to the deserializer, the generated Kubernetes types too. That is
//! how unknown fields are found here, and the nearest known one.
//!
//! Deserialization ends at the first value of a wrong type. To find the others, that value is taken out and
//! everything is deserialized again; where it was required, what required it follows.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer as _, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::node::{Entry, Node, Place, Step, Value};
use super::problem::{Fault, LIMIT};
use crate::spelling::{correction, nearest};

/// Reads a `T`, and everything that is wrong: values of wrong types, after which there is no `T`, and unknown
/// fields, which are passed over.
pub(super) fn decode<T: DeserializeOwned>(root: &Node) -> (Option<T>, Vec<Fault>) {
    let mut tree = Cow::Borrowed(root);
    let mut removed: Vec<Vec<Step>> = Vec::new();
    let mut faults = Vec::new();
    let unknown = RefCell::new(BTreeMap::new());
    let mut read = None;
    // Each pass finds at most one value of a wrong type.
    for _ in 0..LIMIT {
        let decoder = Decoder { node: &tree, path: &Path::Root, unknown: &unknown, as_text: false };
        let wrong = match T::deserialize(decoder) {
            Ok(value) => {
                read = removed.is_empty().then_some(value);
                break;
            }
            Err(wrong) => wrong,
        };
        // What was taken out is missing now; that is no news.
        if !removed.contains(&wrong.path) {
            let place = wrong.place.unwrap_or_else(|| root.place.clone());
            faults.push(Fault { place, field: show(&wrong.path), what: wrong.what });
        }
        if !remove(tree.to_mut(), wrong.path, &mut removed) {
            break;
        }
    }
    faults.extend(unknown.into_inner().into_values());
    (read, faults)
}

/// Takes out what a path leads to; where that is missing, what should have it. False if nothing would be left.
fn remove(tree: &mut Node, mut path: Vec<Step>, removed: &mut Vec<Vec<Step>>) -> bool {
    while !path.is_empty() {
        removed.push(path.clone());
        if tree.remove(&path) {
            return true;
        }
        path.pop();
    }
    false
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
    place: Option<Place>,
    path: Vec<Step>,
    missing: Option<&'static str>,
}

impl Wrong {
    fn at(mut self, path: &Path<'_>, place: &Place) -> Self {
        if self.place.is_none() {
            self.place = Some(place.clone());
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
        Self { what: reworded(message.to_string()), place: None, path: Vec::new(), missing: None }
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
        let right = correction(variant, expected, "write one of");
        Self::custom(format!("\"{variant}\" is unknown; {right}"))
    }
}

/// What types of the standard library say of text, as we say it.
fn reworded(message: String) -> String {
    match message.as_str() {
        "invalid IP address syntax" => "is no IP address; write one like 10.0.0.1 or fd00::1".to_owned(),
        "invalid IPv4 address syntax" => "is no IPv4 address; write one like 10.0.0.1".to_owned(),
        "invalid IPv6 address syntax" => "is no IPv6 address; write one like fd00::1".to_owned(),
        _ => message,
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
        "a string" | "path string" => "text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "i32" | "i64" | "u64" => "a whole number".to_owned(),
        "f64" => "a number".to_owned(),
        "IP address" => "an IP address".to_owned(),
        "IPv4 address" => "an IPv4 address".to_owned(),
        "IPv6 address" => "an IPv6 address".to_owned(),
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
    /// By path, as the passes find the same ones.
    unknown: &'a RefCell<BTreeMap<String, Fault>>,
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
        visited.map_err(|wrong: Wrong| wrong.at(self.path, &self.node.place))
    }
}

impl Decoder<'_> {
    fn note_unknown(self, entry: &Entry, fields: &[&str]) {
        let mut unknown = self.unknown.borrow_mut();
        if unknown.len() < LIMIT {
            let field = show(&Path::Key(self.path, &entry.key).steps());
            let what = unknown_field(&entry.key, fields);
            unknown.insert(field.clone(), Fault { place: entry.place.clone(), field, what });
        }
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
        visited.map_err(|wrong| wrong.at(self.path, &self.node.place))
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
        value.map(Some).map_err(|wrong| wrong.at(&path, &node.place))
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
                    self.decoder.note_unknown(entry, fields);
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
        value.map_err(|wrong| wrong.at(&path, &entry.node.place))
    }
}

/// So many fields are no more listed when none is near.
const LISTED: usize = 13;

pub(super) fn unknown_field(key: &str, fields: &[&str]) -> String {
    let right = match (nearest(key, fields.iter().copied()), fields.len()) {
        (None, 0 | LISTED..) => "remove it".to_owned(),
        (Some(_) | None, _) => correction(key, fields, "known are"),
    };
    format!("is unknown; {right}")
}
