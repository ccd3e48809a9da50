//! Archives as lines of JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Archive, KINDS};
use crate::document::LIMIT;
use crate::error::Error;
use crate::key::{Key, Kind};
use crate::resource::Resource;
use crate::store::Revision;

/// The version of the format.
const FORMAT: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    fabric_export: u32,
    revision: u64,
    counts: BTreeMap<String, usize>,
}

/// What is wrong with an archive, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// `line 3: is no JSON: …`
impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Problem {}

fn counts<'a>(keys: impl Iterator<Item = &'a Kind>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for kind in keys {
        *counts.entry(kind.name().to_owned()).or_insert(0) += 1;
    }
    counts
}

pub(super) fn encode(archive: &Archive) -> impl Iterator<Item = Result<String, Error>> {
    let refused = |error: serde_json::Error| Error::Refused(format!("cannot be exported: {error}"));
    let kinds: Vec<Kind> = archive.resources.iter().map(Resource::kind).collect();
    let header = Header { fabric_export: FORMAT, revision: archive.revision.0, counts: counts(kinds.iter()) };
    let header = serde_json::to_string(&header).map_err(refused);
    let line = move |resource: &Resource| resource.encode().map(|value| value.to_string()).map_err(refused);
    std::iter::once(header).chain(archive.resources.iter().map(line))
}

pub(super) fn decode<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Archive, Vec<Problem>> {
    let mut lines = (1..).zip(lines).map(|(number, line)| (number, line.trim()));
    let mut lines = lines.by_ref().filter(|(_, line)| !line.is_empty());
    let header = match lines.next() {
        Some((line, text)) => read_header(text).map_err(|what| vec![Problem { line, what }])?,
        None => return Err(vec![Problem { line: 1, what: "is missing: the archive is empty".to_owned() }]),
    };
    let mut problems = Vec::new();
    let mut found: BTreeMap<Key, (usize, Resource)> = BTreeMap::new();
    let mut last = 1;
    for (line, text) in lines {
        last = line;
        let what = match read_resource(text) {
            Ok(resource) => match found.get(&resource.key()) {
                None => {
                    found.insert(resource.key(), (line, resource));
                    continue;
                }
                Some((first, _)) => format!("{} is in line {first} already", resource.key()),
            },
            Err(what) => what,
        };
        problems.push(Problem { line, what });
        if problems.len() == LIMIT {
            return Err(problems);
        }
    }
    let counted = counts(found.keys().map(|key| &key.kind));
    if problems.is_empty() && counted != header.counts {
        problems.push(Problem { line: last, what: miscount(&header.counts, &counted) });
    }
    if problems.is_empty() {
        let resources = found.into_values().map(|(_, resource)| resource);
        Ok(Archive::new(Revision(header.revision), resources))
    } else {
        Err(problems)
    }
}

fn miscount(said: &BTreeMap<String, usize>, counted: &BTreeMap<String, usize>) -> String {
    let of = |counts: &BTreeMap<String, usize>, kind: &String| counts.get(kind).copied().unwrap_or(0);
    let differs = said.keys().chain(counted.keys()).find(|kind| of(said, kind) != of(counted, kind));
    let differs = differs.map_or_else(String::new, |kind| {
        format!(": {} of kind {kind} instead of {}", of(counted, kind), of(said, kind))
    });
    format!(
        "after it the archive is not what its header says{differs}; it was cut off or changed, export again"
    )
}

fn read_header(text: &str) -> Result<Header, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    let format = value.get("fabricExport").and_then(Value::as_u64);
    match format {
        None => Err("is no header of an export of Fabric, {\"fabricExport\":1,…}".to_owned()),
        Some(format) if format != u64::from(FORMAT) => Err(format!(
            "is of an export in format {format}, and this program knows {FORMAT}; use the version that wrote it"
        )),
        Some(_) => serde_json::from_value(value).map_err(|error| format!("is a damaged header: {error}")),
    }
}

fn read_resource(text: &str) -> Result<Resource, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    let name = field("kind").ok_or("has no kind; write a manifest with apiVersion, kind and metadata")?;
    let kind = Kind::from_manifest(field("apiVersion"), name)
        .ok_or_else(|| format!("has the unknown kind {name}"))?;
    if !KINDS.contains(&kind) {
        return Err(format!("is a {kind}, which holds only where it was written; remove this line"));
    }
    if field("apiVersion") != Some(kind.api_version()) {
        return Err(format!("has not apiVersion {}, as a {kind} must have", kind.api_version()));
    }
    let metadata = value.get("metadata").cloned().unwrap_or_default();
    let of_metadata = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
    let (name, namespace) = (of_metadata("name").to_owned(), of_metadata("namespace").to_owned());
    if name.is_empty() {
        return Err(format!("is a {kind} without metadata.name"));
    }
    if namespace.is_empty() == kind.is_namespaced() {
        let wrong = if kind.is_namespaced() { "must" } else { "cannot" };
        return Err(format!("is a {kind}, which {wrong} have metadata.namespace"));
    }
    let given = value.clone();
    let resource = Resource::decode(kind, value).map_err(|error| format!("{kind} {name}: {error}"))?;
    let key = Key { kind, namespace, name };
    if resource.key() != key {
        return Err(format!("is called {key}, but holds {}", resource.key()));
    }
    let kept = resource.encode().map_err(|error| format!("{key}: {error}"))?;
    match lost(&given, &kept) {
        Some(field) => Err(format!("{key} has {field}, which this version does not know")),
        None => Ok(resource),
    }
}

/// The first field that has a value in `given` and none in `kept`.
fn lost(given: &Value, kept: &Value) -> Option<String> {
    match (given, kept) {
        (Value::Object(given), kept) => given.iter().find_map(|(name, given)| {
            let inner = match kept.get(name) {
                Some(kept) => lost(given, kept)?,
                None if is_nothing(given) => return None,
                None => String::new(),
            };
            Some(if inner.is_empty() { name.clone() } else { format!("{name}.{inner}") })
        }),
        (Value::Array(given), Value::Array(kept)) if given.len() == kept.len() => {
            given.iter().zip(kept).find_map(|(given, kept)| lost(given, kept))
        }
        (Value::Array(given), Value::Array(_)) if !given.is_empty() => Some(String::new()),
        _ => None,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
