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
//! Text becomes documents that know their places, which become typed resources ([`document`](crate::document)), which
//! are checked here (`names`, `network_policy`, `cluster`, `own`, `rule`, `set`). Checking goes on after a problem, to
//! report them all at once.
//!
//! Deliberately absent: problems that depend on what is stored, such as overlapping pools. Who knows that finds
//! the place with [`Object::problem`].

mod cluster;
mod names;
mod network_policy;
mod own;
mod rule;
mod set;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use policy::api;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::document::{Document, LIMIT, Node, Problem, Value};
use crate::key::Kind;
use crate::resource::Resource;
use crate::spelling::correction;

/// The namespace of resources that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// The kinds that people write; agents write the others.
pub const APPLICABLE: [Kind; 19] = [
    Kind::Node,
    Kind::Namespace,
    Kind::ServiceAccount,
    Kind::Pod,
    Kind::EndpointSlice,
    Kind::NetworkPolicy,
    Kind::ClusterNetworkPolicy,
    Kind::Tier,
    Kind::FabricNetworkPolicy,
    Kind::GlobalNetworkPolicy,
    Kind::StagedNetworkPolicy,
    Kind::StagedGlobalNetworkPolicy,
    Kind::StagedKubernetesNetworkPolicy,
    Kind::NetworkSet,
    Kind::GlobalNetworkSet,
    Kind::HostEndpoint,
    Kind::IpPool,
    Kind::IpReservation,
    Kind::IpamConfiguration,
];

/// How other groups begin whose objects `fabricctl convert` writes as ours.
const CONVERTIBLE: [&str; 2] = ["projectcalico.org/", "crd.projectcalico.org/"];

/// A resource and where its fields are in the text.
#[derive(Debug, Clone)]
pub struct Object {
    /// The resource.
    pub resource: Resource,
    document: Document,
}

impl Object {
    /// A problem with the field of this path, at its place, or at that of the nearest field around it.
    #[must_use]
    pub fn problem(&self, field: &str, what: impl Into<String>) -> Problem {
        self.document.problem(field, what)
    }
}

/// A document, and what checking it has found.
struct Report<'a> {
    document: &'a Document,
    problems: Vec<Problem>,
}

impl Report<'_> {
    fn add(&mut self, field: &str, what: impl Into<String>) {
        self.extend([self.document.problem(field, what)]);
    }

    fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        let room = LIMIT.saturating_sub(self.problems.len());
        self.problems.extend(problems.into_iter().take(room));
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
    let (documents, mut problems) = Document::salvage(file, text);
    let mut objects = Vec::new();
    for document in documents.into_iter().flat_map(items) {
        let mut report = Report { document: &document, problems: Vec::new() };
        let resource = read(&mut report);
        let found = report.problems;
        if let Some(resource) = resource
            && found.is_empty()
        {
            objects.push(Object { resource, document });
        }
        problems.extend(found);
    }
    if problems.is_empty() {
        Ok(objects)
    } else {
        problems.sort_by(|a, b| a.place().cmp(b.place()));
        Err(problems)
    }
}

/// The objects of a document: itself, or the items of a `List`.
fn items(document: Document) -> Vec<Document> {
    let is_list = document.root().get("kind").and_then(Node::as_str).is_some_and(|kind| kind == "List");
    let items = if is_list { document.elements("items") } else { None };
    items.unwrap_or_else(|| vec![document])
}

fn read(report: &mut Report<'_>) -> Option<Resource> {
    let kind = read_kind(report)?;
    match kind {
        Kind::Node => read_kubernetes(kind, report).map(Resource::Node),
        Kind::Namespace => read_kubernetes(kind, report).map(Resource::Namespace),
        Kind::ServiceAccount => read_kubernetes(kind, report).map(Resource::ServiceAccount),
        Kind::Pod => read_kubernetes(kind, report).map(Resource::Pod),
        Kind::EndpointSlice => {
            let slice = read_kubernetes(kind, report)?;
            set::check_slice(&slice, report);
            Some(Resource::EndpointSlice(slice))
        }
        Kind::NetworkPolicy => {
            let document = report.document.without("status");
            let mut policy: Box<k8s_openapi::api::networking::v1::NetworkPolicy> =
                decode_as(&document, report)?;
            check_metadata(kind, &mut policy.metadata, report);
            network_policy::check(&policy, report);
            Some(Resource::NetworkPolicy(policy))
        }
        Kind::ClusterNetworkPolicy => {
            let policy: Box<api::ClusterNetworkPolicy> = read_object(kind, report)?;
            cluster::check(&policy.spec, report);
            Some(Resource::ClusterNetworkPolicy(policy))
        }
        Kind::Tier => {
            let tier: Box<api::Tier> = read_object(kind, report)?;
            own::check_tier(tier.metadata.name.as_deref().unwrap_or_default(), &tier.spec, report);
            Some(Resource::Tier(tier))
        }
        Kind::FabricNetworkPolicy => read_own(kind, report).map(Resource::FabricNetworkPolicy),
        Kind::GlobalNetworkPolicy => read_own(kind, report).map(Resource::GlobalNetworkPolicy),
        Kind::StagedNetworkPolicy => read_own(kind, report).map(Resource::StagedNetworkPolicy),
        Kind::StagedGlobalNetworkPolicy => read_own(kind, report).map(Resource::StagedGlobalNetworkPolicy),
        Kind::StagedKubernetesNetworkPolicy => {
            let policy: Box<api::StagedKubernetesNetworkPolicy> = read_object(kind, report)?;
            own::check_staged_kubernetes(&policy, report);
            Some(Resource::StagedKubernetesNetworkPolicy(policy))
        }
        Kind::NetworkSet => read_set(kind, report).map(Resource::NetworkSet),
        Kind::GlobalNetworkSet => read_set(kind, report).map(Resource::GlobalNetworkSet),
        Kind::HostEndpoint => {
            let endpoint: Box<api::HostEndpoint> = read_object(kind, report)?;
            set::check_host(&endpoint.spec, report);
            Some(Resource::HostEndpoint(endpoint))
        }
        Kind::IpPool | Kind::IpReservation | Kind::IpamConfiguration => read_ipam(kind, report),
        Kind::Lease
        | Kind::IpamBlock
        | Kind::BlockAffinity
        | Kind::IpamHandle
        | Kind::WorkloadEndpoint
        | Kind::PolicyStatus => {
            let names = APPLICABLE.map(Kind::name).join(", ");
            let what = format!("{kind} is written by agents only; write one of {names}");
            report.add("kind", what);
            None
        }
    }
}

/// An object of Kubernetes; what its API server sets is taken as it is.
fn read_kubernetes<T>(kind: Kind, report: &mut Report<'_>) -> Option<Box<T>>
where
    T: DeserializeOwned + k8s_openapi::Metadata<Ty = ObjectMeta>,
{
    let mut object: Box<T> = decode_as(report.document, report)?;
    check_metadata(kind, object.metadata_mut(), report);
    Some(object)
}

/// An object that has labels of its own and a specification; a `status` is somebody else's word, and left out.
fn read_object<S: DeserializeOwned>(kind: Kind, report: &mut Report<'_>) -> Option<Box<api::Object<S>>> {
    let mut manifest: Ours<S> = decode_as(&report.document.without("status"), report)?;
    check_metadata(kind, &mut manifest.metadata, report);
    Some(Box::new(api::Object { metadata: manifest.metadata, spec: manifest.spec }))
}

fn read_own(kind: Kind, report: &mut Report<'_>) -> Option<Box<api::NetworkPolicy>> {
    let policy: Box<api::NetworkPolicy> = read_object(kind, report)?;
    own::check_policy(kind, &policy.spec, report);
    Some(policy)
}

fn read_set(kind: Kind, report: &mut Report<'_>) -> Option<Box<api::NetworkSet>> {
    let found: Box<api::NetworkSet> = read_object(kind, report)?;
    set::check_set(&found.spec, report);
    Some(found)
}

fn read_ipam(kind: Kind, report: &mut Report<'_>) -> Option<Resource> {
    if kind == Kind::IpPool {
        let (name, spec) = decode_ours::<ipam::Pool>(kind, report)?;
        let pool = ipam::Pool { name, ..spec };
        for problem in ipam::pool::problems(&pool) {
            report.add(problem.field(), problem.to_string());
        }
        return Some(Resource::IpPool(Box::new(pool)));
    }
    if kind == Kind::IpReservation {
        let (name, spec) = decode_ours::<ipam::Reservation>(kind, report)?;
        return Some(Resource::IpReservation(Box::new(ipam::Reservation { name, ..spec })));
    }
    let (name, configuration) = decode_ours::<ipam::Configuration>(kind, report)?;
    if name != ipam::configuration::NAME {
        let right = format!("there is one {kind}, named \"{}\"", ipam::configuration::NAME);
        report.add("metadata.name", format!("is \"{name}\"; {right}"));
    }
    for problem in ipam::configuration::problems(&configuration) {
        report.add(problem.field(), problem.to_string());
    }
    Some(Resource::IpamConfiguration(Box::new(configuration)))
}

/// An object of our own kinds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ours<T> {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: ObjectMeta,
    spec: T,
}

/// Its name and what it says; a `status` is somebody else's word, and left out.
fn decode_ours<T: DeserializeOwned>(kind: Kind, report: &mut Report<'_>) -> Option<(String, T)> {
    let mut manifest: Ours<T> = decode_as(&report.document.without("status"), report)?;
    check_metadata(kind, &mut manifest.metadata, report);
    Some((manifest.metadata.name.unwrap_or_default(), manifest.spec))
}

fn decode_as<T: DeserializeOwned>(document: &Document, report: &mut Report<'_>) -> Option<T> {
    let (value, problems) = document.decode();
    report.extend(problems);
    value
}

/// What kind of resource the document says it is.
fn read_kind(report: &mut Report<'_>) -> Option<Kind> {
    let root = report.document.root();
    if !matches!(root.value, Value::Mapping(_)) {
        let right = "write a mapping with apiVersion, kind, metadata and spec";
        report.add("", format!("the document is {}; {right}", root.describe()));
        return None;
    }
    let name = read_text("kind", "NetworkPolicy", report);
    let version = read_text("apiVersion", "networking.k8s.io/v1", report);
    let name = name?;
    let Some(kind) = Kind::from_manifest(version, name) else {
        let names = APPLICABLE.map(Kind::name);
        let right = correction(name, &names, "known are");
        report.add("kind", format!("there is no kind \"{name}\"; {right}"));
        return None;
    };
    let version = version?;
    if version != kind.api_version() {
        let named = Kind::ALL.into_iter().filter(|other| other.manifest_name() == name);
        let versions: Vec<String> = named.map(|other| format!("\"{}\"", other.api_version())).collect();
        let right = format!("{name} is of {}", versions.join(" or "));
        let is_convertible = CONVERTIBLE.iter().any(|group| version.starts_with(group));
        let way = if is_convertible { "; `fabricctl convert` writes it so" } else { "" };
        report.add("apiVersion", format!("is \"{version}\"; {right}{way}"));
        return None;
    }
    Some(kind)
}

fn read_text<'a>(field: &str, example: &str, report: &mut Report<'a>) -> Option<&'a str> {
    let node = report.document.root().get(field);
    let text = node.and_then(Node::as_str);
    if text.is_none() {
        let what = match node {
            Some(node) => format!("is {}; write text like \"{example}\"", node.describe()),
            None => format!("is missing; write it like \"{example}\""),
        };
        report.add(field, what);
    }
    text
}

/// Checks what all kinds have, and fills in the default namespace.
fn check_metadata(kind: Kind, metadata: &mut ObjectMeta, report: &mut Report<'_>) {
    match metadata.name.as_deref() {
        None | Some("") => report.add("metadata.name", format!("is missing; give the {kind} a name")),
        Some(name) => {
            let wrong = if kind == Kind::Namespace {
                names::label_problem(name)
            } else {
                names::subdomain_problem(name)
            };
            if let Some(what) = wrong {
                report.add("metadata.name", what);
            }
        }
    }
    match metadata.namespace.as_deref() {
        None | Some("") if kind.is_namespaced() => metadata.namespace = Some(DEFAULT_NAMESPACE.to_owned()),
        None | Some("") => metadata.namespace = None,
        Some(_) if !kind.is_namespaced() => {
            report.add("metadata.namespace", format!("{kind} belongs to no namespace; remove this"));
        }
        Some(namespace) => {
            if let Some(what) = names::label_problem(namespace) {
                report.add("metadata.namespace", what);
            }
        }
    }
    for (key, value) in metadata.labels.iter().flatten() {
        names::check_label("metadata.labels", key, value, report);
    }
}

#[cfg(test)]
mod tests;
