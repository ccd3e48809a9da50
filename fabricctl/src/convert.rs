//! Objects of `projectcalico.org/v3`, also as their definitions store them (`crd.projectcalico.org/v1`), written as ours.
//!
//! Our kinds have the same fields where those mean the same, so most of the work is to notice what does not: each field
//! that is not carried over is a [`Loss`], with what it means for whoever moves. Nothing is guessed. Where the rest
//! would let more pass than the whole did, the rest is left out too (`rule`).
//!
//! Invariants: what is not a loss means here what it meant there; an object that is not converted at all is one loss.
//!
//! Deliberately absent: checking what is converted, which `apply` does, and asking anyone: it works without an agent.

mod metadata;
mod policy;
mod pool;
mod rule;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

/// Fields of an object.
type Fields = Map<String, Value>;

/// The groups that are converted.
const GROUPS: [&str; 2] = ["projectcalico.org/v3", STORED];
/// The group in which definitions of Kubernetes store them.
const STORED: &str = "crd.projectcalico.org/v1";
/// Ours.
const OURS: &str = "fabric.rs/v1";

/// What was not carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Of which object: `GlobalNetworkPolicy deny-all`.
    pub(crate) object: String,
    /// Which field: `spec.ingress[0].http`; empty: all of it.
    pub(crate) field: String,
    /// What that means, and what to do.
    pub(crate) what: String,
}

/// What came of the objects.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Conversion {
    /// Ours, in the order of the others.
    pub(crate) objects: Vec<Value>,
    /// What was not carried over.
    pub(crate) losses: Vec<Loss>,
}

/// Notes what one object loses.
struct Notes<'a> {
    object: String,
    losses: &'a mut Vec<Loss>,
}

impl Notes<'_> {
    fn lose(&mut self, field: impl Into<String>, what: impl Into<String>) {
        self.losses.push(Loss { object: self.object.clone(), field: field.into(), what: what.into() });
    }

    /// What is left of the fields at a place, none of which is known.
    fn lose_rest(&mut self, place: &str, rest: &Fields) {
        for field in rest.keys() {
            self.lose(format!("{place}.{field}"), "has no counterpart");
        }
    }
}

/// Converts documents, or the items of lists among them.
pub(crate) fn convert(documents: Vec<Value>) -> Conversion {
    let mut conversion = Conversion::default();
    for document in documents.into_iter().flat_map(items) {
        let kind = text(&document, "/kind");
        let name = [text(&document, "/metadata/namespace"), text(&document, "/metadata/name")];
        let name = name.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("/");
        let object_name = format!("{kind} {name}");
        let mut notes = Notes { object: object_name, losses: &mut conversion.losses };
        let converted = object(document, &mut notes);
        conversion.objects.extend(converted);
    }
    conversion
}

/// The objects of a document. What is in a list of one kind need not say it.
fn items(mut document: Value) -> Vec<Value> {
    let version = document.get("apiVersion").cloned();
    let Some(kind) = text(&document, "/kind").strip_suffix("List").map(ToOwned::to_owned) else {
        return if document.is_null() { Vec::new() } else { vec![document] };
    };
    let Some(Value::Array(mut items)) = document.get_mut("items").map(Value::take) else { return Vec::new() };
    for item in items.iter_mut().filter_map(Value::as_object_mut).filter(|_| !kind.is_empty()) {
        item.entry("kind").or_insert_with(|| kind.clone().into());
        if let Some(version) = &version {
            item.entry("apiVersion").or_insert_with(|| version.clone());
        }
    }
    items
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// One object; `None` if it is none of ours, which is noted.
fn object(mut document: Value, notes: &mut Notes<'_>) -> Option<Value> {
    let (version, kind) = (text(&document, "/apiVersion").to_owned(), text(&document, "/kind").to_owned());
    if !GROUPS.contains(&version.as_str()) {
        let what =
            format!("is of {version:?}, and only {} are converted; apply it as it is", GROUPS.join(" and "));
        notes.lose("", what);
        return None;
    }
    let is_stored = version == STORED;
    let metadata = fields(document.get_mut("metadata"));
    let spec = fields(document.get_mut("spec"));
    let metadata = metadata::convert(&kind, metadata, is_stored);
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let spec = match kind.as_str() {
        "Tier" => policy::tier(&name, spec, notes)?,
        "NetworkPolicy" | "GlobalNetworkPolicy" | "StagedNetworkPolicy" | "StagedGlobalNetworkPolicy" => {
            policy::policy(&name, spec, notes)?
        }
        "StagedKubernetesNetworkPolicy" => known(spec, &policy::STAGED_KUBERNETES, notes),
        "NetworkSet" | "GlobalNetworkSet" => known(spec, &["nets"], notes),
        "HostEndpoint" => policy::host(spec, notes),
        "IPPool" => pool::pool(spec, notes),
        "IPReservation" => known(spec, &["reservedCIDRs"], notes),
        "IPAMConfiguration" | "IPAMConfig" => pool::configuration(spec, notes),
        other => {
            notes.lose("", no_counterpart(other));
            return None;
        }
    };
    let kind = if kind == "IPAMConfig" { "IPAMConfiguration" } else { kind.as_str() };
    Some(json!({ "apiVersion": OURS, "kind": kind, "metadata": metadata, "spec": spec }))
}

/// A mapping's fields; of anything else none.
fn fields(value: Option<&mut Value>) -> Fields {
    match value.map(Value::take) {
        Some(Value::Object(fields)) => fields,
        _ => Fields::new(),
    }
}

/// These fields as they are; others are lost.
fn known(mut spec: Fields, names: &[&str], notes: &mut Notes<'_>) -> Fields {
    let kept = take(&mut spec, names);
    notes.lose_rest("spec", &spec);
    kept
}

/// Takes these fields out.
fn take(from: &mut Fields, names: &[&str]) -> Fields {
    names.iter().filter_map(|name| from.remove(*name).map(|value| ((*name).to_owned(), value))).collect()
}

/// What to do about kinds that are not ours.
fn no_counterpart(kind: &str) -> String {
    match kind {
        "BGPPeer" | "BGPConfiguration" | "BGPFilter" => {
            "is no object here: each agent's configuration file says its peers and filters (docs/bgp.md)"
                .to_owned()
        }
        "FelixConfiguration" | "KubeControllersConfiguration" | "ClusterInformation" => {
            "is no object here: each agent has a configuration file".to_owned()
        }
        "Profile" => {
            "is no object here: what profiles allow, policies of the tier default or of one after it say"
                .to_owned()
        }
        "IPAMBlock" | "IPAMHandle" | "BlockAffinity" | "WorkloadEndpoint" | "Node" => {
            "is written by the agents here".to_owned()
        }
        _ => "has no counterpart".to_owned(),
    }
}
