//! Text that people wrote, to resources, or to every problem with its line and column.
//!
//! Manifests are those of Kubernetes: YAML or JSON, several documents or a `List`, as written by hand or exported by
//! `kubectl`. What a Kubernetes API server would refuse is refused here too, so that a manifest means the same
//! with and without one. In addition unknown fields are errors, as a misspelt one changes what a policy allows.
//!
//! ```text
//! allow.yaml:9:7: spec.ingress[0].fron: is unknown; did you mean "from"?
//! ```
//!
//! Text becomes a tree of nodes with positions (`yaml`), which becomes typed resources (`decode`), which are
//! checked (`names`, `network_policy`). Each stage goes on after a problem, to report them all at once.
//!
//! Deliberately absent: problems that depend on what is stored, such as overlapping pools. Who knows that finds
//! the position with [`Object::problem`].

mod decode;
mod names;
mod network_policy;
mod problem;
mod yaml;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::key::{Kind, nearest};
use crate::resource::Resource;
pub use problem::Problem;
use problem::Report;
use yaml::{Node, Position, Value};

/// The namespace of resources that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// The kinds that people write; agents write the others.
pub const APPLICABLE: [Kind; 4] = [Kind::Namespace, Kind::Pod, Kind::NetworkPolicy, Kind::IpPool];

/// A resource and where its fields are in the text.
#[derive(Debug, Clone)]
pub struct Object {
    /// The resource.
    pub resource: Resource,
    file: String,
    prefix: String,
    node: Node,
}

impl Object {
    /// A problem with the field of this path, at its place, or at that of the nearest field around it.
    #[must_use]
    pub fn problem(&self, field: &str, what: impl Into<String>) -> Problem {
        let mut report = Report::new(&self.file, &self.prefix);
        report.add(field, self.node.locate(field), what);
        report.into_problems().remove(0)
    }
}

/// Reads text of any number of documents. `file` is what problems call it.
///
/// # Errors
/// Every problem, in the order of the text.
pub fn parse(file: &str, text: &str) -> Result<Vec<Resource>, Vec<Problem>> {
    parse_objects(file, text).map(|objects| objects.into_iter().map(|object| object.resource).collect())
}

/// Like [`parse`], and remembers where the fields are.
///
/// # Errors
/// Every problem, in the order of the text.
pub fn parse_objects(file: &str, text: &str) -> Result<Vec<Object>, Vec<Problem>> {
    let mut syntax = Report::new(file, "");
    let documents = yaml::parse(text, &mut syntax);
    let mut problems = syntax.into_problems();
    let mut objects = Vec::new();
    for (prefix, node) in documents.into_iter().flat_map(items) {
        let mut report = Report::new(file, &prefix);
        let resource = read(&node, &mut report);
        let found = report.into_problems();
        if let Some(resource) = resource
            && found.is_empty()
        {
            objects.push(Object { resource, file: file.to_owned(), prefix, node });
        }
        problems.extend(found);
    }
    if problems.is_empty() {
        Ok(objects)
    } else {
        problems.sort_by_key(Problem::position);
        Err(problems)
    }
}

/// The objects of a document, with the path that leads to each: itself, or the items of a `List`.
fn items(document: Node) -> Vec<(String, Node)> {
    let is_list = document.get("kind").and_then(Node::as_str).is_some_and(|kind| kind == "List");
    match document.get("items").map(|items| &items.value) {
        Some(Value::Sequence(items)) if is_list => {
            items.iter().map(|(index, item)| (format!("items[{index}]."), item.clone())).collect()
        }
        Some(_) | None => vec![(String::new(), document)],
    }
}

fn read(document: &Node, report: &mut Report) -> Option<Resource> {
    let kind = read_kind(document, report)?;
    match kind {
        Kind::Namespace => {
            let mut namespace: Box<k8s_openapi::api::core::v1::Namespace> = decode_as(document, report)?;
            check_metadata(kind, document, &mut namespace.metadata, report);
            Some(Resource::Namespace(namespace))
        }
        Kind::Pod => {
            let mut pod: Box<k8s_openapi::api::core::v1::Pod> = decode_as(document, report)?;
            check_metadata(kind, document, &mut pod.metadata, report);
            Some(Resource::Pod(pod))
        }
        Kind::NetworkPolicy => {
            let mut policy: Box<k8s_openapi::api::networking::v1::NetworkPolicy> =
                decode_as(&document.without("status"), report)?;
            check_metadata(kind, document, &mut policy.metadata, report);
            network_policy::check(&policy, document, report);
            Some(Resource::NetworkPolicy(policy))
        }
        Kind::IpPool => {
            let mut manifest: PoolManifest = decode_as(&document.without("status"), report)?;
            check_metadata(kind, document, &mut manifest.metadata, report);
            let name = manifest.metadata.name.unwrap_or_default();
            let pool = ipam::Pool { name, ..manifest.spec };
            for problem in ipam::pool::problems(&pool) {
                report.add(problem.field(), document.locate(problem.field()), problem.to_string());
            }
            Some(Resource::IpPool(Box::new(pool)))
        }
        Kind::IpamBlock | Kind::BlockAffinity | Kind::IpamHandle | Kind::WorkloadEndpoint => {
            let names = APPLICABLE.map(Kind::name).join(", ");
            let what = format!("{kind} is written by agents only; write one of {names}");
            report.add("kind", document.locate("kind"), what);
            None
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PoolManifest {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: ObjectMeta,
    spec: ipam::Pool,
}

fn decode_as<T: DeserializeOwned>(document: &Node, report: &mut Report) -> Option<T> {
    decode::decode(document, report)
}

/// What kind of resource the document says it is.
fn read_kind(document: &Node, report: &mut Report) -> Option<Kind> {
    if !matches!(document.value, Value::Mapping(_)) {
        let what = format!(
            "the document is {}; write a mapping with apiVersion, kind, metadata and spec",
            document.describe()
        );
        report.add("", document.position, what);
        return None;
    }
    let name = read_text("kind", "NetworkPolicy", document, report);
    let version = read_text("apiVersion", "networking.k8s.io/v1", document, report);
    let (name, position) = name?;
    let Some(kind) = Kind::from_name(name) else {
        let names = APPLICABLE.map(Kind::name);
        let right = match nearest(name, names) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known are {}", names.join(", ")),
        };
        report.add("kind", position, format!("there is no kind \"{name}\"; {right}"));
        return None;
    };
    let (version, position) = version?;
    if version != kind.api_version() {
        let what = format!("is \"{version}\"; {kind} is of \"{}\"", kind.api_version());
        report.add("apiVersion", position, what);
        return None;
    }
    Some(kind)
}

fn read_text<'a>(
    field: &str,
    example: &str,
    document: &'a Node,
    report: &mut Report,
) -> Option<(&'a str, Position)> {
    let node = document.get(field);
    let text = node.and_then(|node| node.as_str().map(|text| (text, node.position)));
    if text.is_none() {
        let what = match node {
            Some(node) => format!("is {}; write text like \"{example}\"", node.describe()),
            None => format!("is missing; write it like \"{example}\""),
        };
        report.add(field, document.locate(field), what);
    }
    text
}

/// Checks what all kinds have, and fills in the default namespace.
fn check_metadata(kind: Kind, document: &Node, metadata: &mut ObjectMeta, report: &mut Report) {
    let mut complain = |field: &str, what: String| report.add(field, document.locate(field), what);
    match metadata.name.as_deref() {
        None | Some("") => complain("metadata.name", format!("is missing; give the {kind} a name")),
        Some(name) => {
            let wrong = if kind == Kind::Namespace {
                names::label_problem(name)
            } else {
                names::subdomain_problem(name)
            };
            if let Some(what) = wrong {
                complain("metadata.name", what);
            }
        }
    }
    match metadata.namespace.as_deref() {
        None | Some("") if kind.is_namespaced() => metadata.namespace = Some(DEFAULT_NAMESPACE.to_owned()),
        None | Some("") => metadata.namespace = None,
        Some(_) if !kind.is_namespaced() => {
            complain("metadata.namespace", format!("{kind} belongs to no namespace; remove this"));
        }
        Some(namespace) => {
            if let Some(what) = names::label_problem(namespace) {
                complain("metadata.namespace", what);
            }
        }
    }
    for (key, value) in metadata.labels.iter().flatten() {
        names::check_label("metadata.labels", key, value, document, report);
    }
}

#[cfg(test)]
mod tests;
