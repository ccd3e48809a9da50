//! `get`: the objects as they are; `apply` and `delete`: `{results: [{resource, outcome}]}`.

use proto::v1;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::View;
use crate::output::table;

/// What became of each object of a manifest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcomes {
    results: Vec<Outcome>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    resource: String,
    outcome: String,
}

impl From<Vec<v1::AppliedResource>> for Outcomes {
    fn from(results: Vec<v1::AppliedResource>) -> Self {
        let outcome = |v1::AppliedResource { resource, outcome }| Outcome { resource, outcome };
        Self { results: results.into_iter().map(outcome).collect() }
    }
}

impl View for Outcomes {
    fn render(&self) -> String {
        self.results.iter().map(|Outcome { resource, outcome }| format!("{resource} {outcome}\n")).collect()
    }

    fn remark_if_empty(&self) -> &'static str {
        "The manifests hold no objects."
    }
}

/// Objects: one as it is, several as a `v1` List.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Objects {
    document: Value,
    #[serde(skip)]
    items: Vec<Value>,
}

impl Objects {
    /// From the agent's JSON texts; `single` where one object was asked for by name.
    pub(crate) fn decode(texts: &[String], single: bool) -> Result<Self, Failure> {
        let items: Vec<Value> = texts
            .iter()
            .map(|text| serde_json::from_str(text))
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::Failed(format!("the agent's answer is not JSON: {error}")))?;
        let document = match items.as_slice() {
            [item] if single => item.clone(),
            items => json!({"apiVersion": "v1", "kind": "List", "items": items}),
        };
        Ok(Self { document, items })
    }
}

/// A column that is a text or number somewhere in the object: header and JSON pointer (RFC 6901).
type Column = (&'static str, &'static str);

const NAMESPACE: Column = ("NAMESPACE", "/metadata/namespace");
const NAME: Column = ("NAME", "/metadata/name");
const LABELS: Column = ("LABELS", "/metadata/labels");

const TIER: Column = ("TIER", "/spec/tier");
const ORDER: Column = ("ORDER", "/spec/order");
const SELECTOR: Column = ("SELECTOR", "/spec/selector");
const TYPES: Column = ("TYPES", "/spec/types");
const ACTION: Column = ("ACTION", "/spec/stagedAction");

/// What tells objects of a kind apart at a glance.
fn columns(version: &str, kind: &str) -> &'static [Column] {
    match (version, kind) {
        ("networking.k8s.io/v1", "NetworkPolicy") => &[
            NAMESPACE,
            NAME,
            ("POD-SELECTOR", "/spec/podSelector/matchLabels"),
            ("TYPES", "/spec/policyTypes"),
        ],
        (_, "NetworkPolicy") => &[NAMESPACE, NAME, TIER, ORDER, SELECTOR, TYPES],
        (_, "GlobalNetworkPolicy") => &[NAME, TIER, ORDER, SELECTOR, TYPES],
        (_, "StagedNetworkPolicy") => &[NAMESPACE, NAME, ACTION, TIER, ORDER, SELECTOR, TYPES],
        (_, "StagedGlobalNetworkPolicy") => &[NAME, ACTION, TIER, ORDER, SELECTOR, TYPES],
        (_, "StagedKubernetesNetworkPolicy") => &[NAMESPACE, NAME, ACTION],
        (_, "ClusterNetworkPolicy") => &[NAME, TIER, ("PRIORITY", "/spec/priority")],
        (_, "Tier") => &[NAME, ORDER, ("DEFAULT-ACTION", "/spec/defaultAction")],
        (_, "HostEndpoint") => &[
            NAME,
            ("NODE", "/spec/node"),
            ("INTERFACE", "/spec/interfaceName"),
            ("ADDRESSES", "/spec/expectedIPs"),
            LABELS,
        ],
        (_, "IPPool") => {
            &[NAME, ("CIDR", "/spec/cidr"), ("BLOCK-SIZE", "/spec/blockSize"), ("DISABLED", "/spec/disabled")]
        }
        (_, "Namespace" | "GlobalNetworkSet") => &[NAME, LABELS],
        _ => &[NAMESPACE, NAME, LABELS],
    }
}

/// A value in one cell: `a=1,b=2` for maps, `a,b` for lists.
fn render_cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other @ (Value::Bool(_) | Value::Number(_))) => other.to_string(),
        Some(Value::Array(items)) => {
            table::join(&items.iter().map(|item| render_cell(Some(item))).collect::<Vec<_>>())
        }
        Some(Value::Object(map)) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}={}", render_cell(Some(value))));
            table::join(&pairs.collect::<Vec<_>>())
        }
    }
}

impl View for Objects {
    fn render(&self) -> String {
        let said = |field: &str| self.items.first().and_then(|item| item[field].as_str()).unwrap_or_default();
        let columns = columns(said("apiVersion"), said("kind"));
        let headers: Vec<&str> = columns.iter().map(|(header, _)| *header).collect();
        let row = |item: &Value| {
            columns.iter().map(|(_, pointer)| render_cell(item.pointer(pointer))).collect::<Vec<_>>()
        };
        table::render_rows(&headers, self.items.iter().map(row))
    }

    fn remark_if_empty(&self) -> &'static str {
        "No such objects."
    }
}
