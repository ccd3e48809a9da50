//! What an object is called, and its labels and annotations. The rest of its metadata is about where it was.

use serde_json::Value;

use super::{Fields, take};

/// Where an object that is stored by a definition keeps the metadata that it has in `projectcalico.org/v3`, as JSON.
const KEPT: &str = "projectcalico.org/metadata";
/// What `kubectl apply` notes for itself.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Stored policies of the default tier have it before their names.
const DEFAULT_TIER: &str = "default.";

/// The metadata of ours.
pub(super) fn convert(kind: &str, mut metadata: Fields, is_stored: bool) -> Fields {
    let mut converted = take(&mut metadata, &["name", "namespace"]);
    if is_stored
        && kind.ends_with("NetworkPolicy")
        && let Some(Value::String(name)) = converted.get_mut("name")
        && let Some(own) = name.strip_prefix(DEFAULT_TIER)
    {
        *name = own.to_owned();
    }
    let kept = metadata.get("annotations").and_then(|annotations| annotations.get(KEPT));
    let kept = kept.and_then(Value::as_str).and_then(|text| serde_json::from_str::<Value>(text).ok());
    for name in ["labels", "annotations"] {
        let mut values = object(metadata.remove(name));
        values.extend(object(kept.as_ref().and_then(|kept| kept.get(name)).cloned()));
        values.remove(KEPT);
        values.remove(APPLIED);
        if !values.is_empty() {
            converted.insert(name.to_owned(), values.into());
        }
    }
    converted
}

fn object(value: Option<Value>) -> Fields {
    if let Some(Value::Object(fields)) = value { fields } else { Fields::new() }
}
