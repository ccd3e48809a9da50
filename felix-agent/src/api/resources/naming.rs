//! What requests name: manifests, kinds, objects.

use datastore::manifest::{self, APPLICABLE, DEFAULT_NAMESPACE, Object};
use datastore::{Key, Kind};
use tonic::Status;

use crate::api::failure;

pub(in crate::api) fn parse(file_name: &str, text: &str) -> Result<Vec<Object>, Status> {
    let file = if file_name.is_empty() { "manifest" } else { file_name };
    let objects = manifest::parse_objects(file, text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Status::invalid_argument(lines.join("\n"))
    })?;
    if objects.is_empty() {
        let what = "holds no resource; write one with apiVersion, kind, metadata and spec";
        return Err(Status::invalid_argument(format!("{file}:1:1: {what}")));
    }
    Ok(objects)
}

pub(super) fn named(kind: &str, namespace: &str, name: &str) -> Result<Key, Status> {
    let kind = parse_kind(kind)?;
    demand_namespaced(kind, namespace)?;
    if name.is_empty() {
        return Err(failure::field("name", format!("which {kind} is to be deleted? give its name")));
    }
    Ok(key(kind, namespace, name))
}

pub(super) fn parse_kind(text: &str) -> Result<Kind, Status> {
    Kind::parse(text).map_err(|unknown| failure::field("kind", unknown.to_string()))
}

pub(super) fn key(kind: Kind, namespace: &str, name: &str) -> Key {
    match (kind.is_namespaced(), namespace) {
        (false, _) => Key::global(kind, name),
        (true, "") => Key::namespaced(kind, DEFAULT_NAMESPACE, name),
        (true, namespace) => Key::namespaced(kind, namespace, name),
    }
}

pub(super) fn demand_namespaced(kind: Kind, namespace: &str) -> Result<(), Status> {
    if kind.is_namespaced() || namespace.is_empty() {
        return Ok(());
    }
    Err(failure::field("namespace", format!("{kind} belongs to no namespace; leave out \"{namespace}\"")))
}

pub(super) fn demand_applicable(kind: Kind) -> Result<(), Status> {
    if APPLICABLE.contains(&kind) {
        return Ok(());
    }
    let names = APPLICABLE.map(Kind::name).join(", ");
    Err(failure::field("kind", format!("{kind} is written by agents only; you can delete {names}")))
}

pub(super) fn not_found(key: &Key) -> Status {
    failure::not_found(key, format!("there is no {key}"))
}
