//! Objects of the API server ↔ resources.
//!
//! Objects are JSON values here, never only types: the API server may be newer than our types, and people and
//! other controllers put labels, annotations, owners and finalizers on any object. So an object is replaced
//! by itself ([`overlaid`]) with what a resource can say of it taken from the resource: what a resource
//! cannot say stays, and so does what only the API server may set. (Server-side apply would be one request
//! less, but it creates what it does not find, whatever revision it is told; and it leaves what a value lacks
//! to whoever wrote it: a rule that a policy no longer has would go on allowing.)

use serde_json::{Map, Value};

use super::names;
use crate::error::Error;
use crate::key::{FABRIC_V1, Key, Kind};
use crate::resource::Resource;
use crate::store::{Revision, Versioned};

/// What only the API server sets.
const SET_BY_SERVER: [&str; 8] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Whether objects of this kind are custom resources of ours.
pub(super) fn is_ours(kind: Kind) -> bool {
    kind.api_version() == FABRIC_V1
}

/// The object as a resource. `Err`: what is wrong with it, and where.
pub(super) fn decode(kind: Kind, mut object: Value) -> Result<(Key, Versioned), Error> {
    let revision = revision(&object)?;
    let name = name(&object);
    let known_as = key(kind, &object);
    let broken = |why: String| Error::Unreadable { key: known_as.clone(), revision, why };
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        // The one is said by `revision`. The other is bulky, and about who wrote, not about what is.
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
    }
    let resource = Resource::decode(kind, object).map_err(|error| broken(error.to_string()))?;
    let key = resource.key();
    match names::object_name(kind, &key.name) {
        Ok(expected) if qualified(&key.namespace, &expected) == name => {}
        Ok(expected) => {
            let expected = qualified(&key.namespace, &expected);
            return Err(broken(format!("its spec is that of {expected}")));
        }
        Err(what) => return Err(broken(what)),
    }
    Ok((key, Versioned { revision, resource }))
}

/// What to call an object that cannot be understood: as its metadata do.
fn key(kind: Kind, object: &Value) -> Key {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    Key::namespaced(kind, text("/metadata/namespace"), text("/metadata/name"))
}

/// When the object was last written.
pub(super) fn revision(object: &Value) -> Result<Revision, Error> {
    let text = object.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    parse_revision(text.unwrap_or_default())
}

/// A `resourceVersion` as a number, which one may compare since Kubernetes 1.35.
pub(super) fn parse_revision(text: &str) -> Result<Revision, Error> {
    text.parse().map(Revision).map_err(|_| {
        Error::Refused(format!(
            "the API server numbers its writes as \"{text}\"; Fabric needs whole numbers that grow, as every API \
             server on etcd gives them"
        ))
    })
}

/// What a new object shall be: all that a resource can say of it.
pub(super) fn encode(resource: &Resource) -> Result<Value, Error> {
    let key = resource.key();
    let mut object = resource
        .encode()
        .map_err(|error| Error::Refused(format!("{key} cannot be written as JSON: {error}")))?;
    let name = names::object_name(key.kind, &key.name).map_err(Error::Refused)?;
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Err(Error::Refused(format!("{key} has no metadata; give it a name")));
    };
    for field in SET_BY_SERVER {
        metadata.remove(field);
    }
    metadata.insert("name".to_owned(), name.into());
    if resource.metadata().is_none() {
        let labels = resource.labels().into_iter().filter(|(key, _)| names::is_label_key(key));
        let labels: Map<String, Value> =
            labels.map(|(key, value)| (key.to_owned(), names::label_value(value).into())).collect();
        metadata.insert("labels".to_owned(), labels.into());
    }
    Ok(object)
}

/// What an object shall be that is `current` now.
///
/// A resource of Kubernetes that was read from here has a uid, and says all: what it lacks shall go. One
/// without is somebody's manifest: labels, annotations, owners, finalizers and whole sections that it does
/// not name may be others', and stay.
pub(super) fn overlaid(current: Value, resource: &Resource) -> Result<Value, Error> {
    let (_, known) = decode(resource.kind(), current.clone())?;
    let mut known = encode(&known.resource)?;
    let mut wanted = encode(resource)?;
    if !was_read_from(resource, &current) {
        spare_others(&mut known, &mut wanted);
    }
    Ok(overlay(current, &known, wanted))
}

/// Takes out of what is `known` what others may have put there, so that it stays.
fn spare_others(known: &mut Value, wanted: &mut Value) {
    let (Some(known), Some(wanted)) = (known.as_object_mut(), wanted.as_object_mut()) else { return };
    known.retain(|section, _| wanted.contains_key(section));
    let known = known.get_mut("metadata").and_then(Value::as_object_mut);
    let wanted = wanted.get_mut("metadata").and_then(Value::as_object_mut);
    let (Some(known), Some(wanted)) = (known, wanted) else { return };
    known.retain(|field, _| wanted.contains_key(field));
    for (field, known) in known {
        match (known, wanted.get_mut(field)) {
            (Value::Object(known), Some(Value::Object(wanted))) => {
                known.retain(|entry, _| wanted.contains_key(entry));
            }
            (Value::Array(known), Some(Value::Array(wanted))) => {
                let others =
                    known.iter().filter(|entry| !wanted.contains(entry)).cloned().collect::<Vec<_>>();
                wanted.extend(others);
            }
            (_, _) => {}
        }
    }
}

/// `current` with its `known` part replaced by `wanted`. An element of a list keeps what is not known of it
/// if `wanted` has it unchanged.
fn overlay(current: Value, known: &Value, wanted: Value) -> Value {
    match (current, known, wanted) {
        (current, known, wanted) if *known == wanted => current,
        (Value::Object(mut current), Value::Object(known), Value::Object(wanted)) => {
            current.retain(|field, _| !known.contains_key(field) || wanted.contains_key(field));
            for (field, wanted) in wanted {
                let merged = match (current.remove(&field), known.get(&field)) {
                    (Some(current), Some(known)) => overlay(current, known, wanted),
                    (Some(_), None) | (None, _) => wanted,
                };
                current.insert(field, merged);
            }
            Value::Object(current)
        }
        (Value::Array(current), Value::Array(known), Value::Array(wanted))
            if current.len() == known.len() =>
        {
            let keep = |wanted: Value| {
                let unchanged = known.iter().zip(&current).find(|(known, _)| **known == wanted);
                unchanged.map_or(wanted.clone(), |(_, current)| current.clone())
            };
            Value::Array(wanted.into_iter().map(keep).collect())
        }
        (_, _, wanted) => wanted,
    }
}

/// Whether the resource came from this very object, or says all that is ours in any case, as what agents write does.
fn was_read_from(resource: &Resource, object: &Value) -> bool {
    let Some(metadata) = resource.metadata() else { return true };
    metadata.uid.as_deref() == object.pointer("/metadata/uid").and_then(Value::as_str)
}

/// `namespace/name`, as the object says.
fn name(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    qualified(text("/metadata/namespace"), text("/metadata/name"))
}

fn qualified(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

#[cfg(test)]
mod tests;
