//! Pods: a namespace each, attached to a node by `fabric-cni` exactly as a container runtime calls it.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use ipnetwork::IpNetwork;

use crate::lab::Lab;
use crate::namespace::Namespace;
use crate::node::Node;
use crate::process::{Invocation, Process};
use crate::programs::Program;

pub mod cni;

use cni::{Answer, Attachment};

/// A pod as wanted.
#[derive(Debug, Clone)]
pub struct PodSpec {
    /// Its Kubernetes namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Vec<(String, String)>,
    /// Its named TCP ports.
    pub ports: Vec<(String, u16)>,
}

impl PodSpec {
    /// A pod with neither labels nor ports.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned(), labels: Vec::new(), ports: Vec::new() }
    }

    /// With one more label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With one more named TCP port.
    #[must_use]
    pub fn port(mut self, name: &str, port: u16) -> Self {
        self.ports.push((name.to_owned(), port));
        self
    }

    /// The Pod object.
    #[must_use]
    pub fn manifest(&self, node: &str) -> String {
        let mut text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  namespace: {}\n  name: {}\n  uid: {}\n",
            self.namespace,
            self.name,
            self.uid()
        );
        if !self.labels.is_empty() {
            text.push_str("  labels:\n");
        }
        for (key, value) in &self.labels {
            let _ = writeln!(text, "    {key}: \"{value}\"");
        }
        let _ =
            write!(text, "spec:\n  nodeName: {node}\n  containers:\n    - name: main\n      image: none\n");
        if !self.ports.is_empty() {
            text.push_str("      ports:\n");
        }
        for (name, port) in &self.ports {
            let _ = writeln!(text, "        - {{ name: {name}, containerPort: {port}, protocol: TCP }}");
        }
        text
    }

    fn uid(&self) -> String {
        format!("uid-{}-{}", self.namespace, self.name)
    }
}

/// An attached pod.
#[derive(Debug)]
pub struct Pod {
    spec: PodSpec,
    node: String,
    namespace: Arc<Namespace>,
    attachment: Attachment,
    addresses: Vec<IpAddr>,
}

impl Pod {
    /// Makes the pod's object and its namespace, and attaches that to `node`, in the order in which it happens to a pod
    /// that was scheduled there.
    ///
    /// # Errors
    /// When the object is refused, or the plugin answers with an error.
    pub fn attach(lab: &Lab, node: &Node, spec: PodSpec) -> Result<Self> {
        let unique = format!("{}-{}", spec.namespace, spec.name);
        node.apply(&format!("pod-{unique}.yaml"), &spec.manifest(node.name()))?;
        let namespace = lab.namespace(&unique)?;
        let attachment = Attachment {
            container_id: format!("{}-{unique}", lab.id()),
            netns: namespace.path(),
            interface: "eth0".to_owned(),
            pod: Some(cni::PodIdentity {
                namespace: spec.namespace.clone(),
                name: spec.name.clone(),
                uid: spec.uid(),
            }),
        };
        let mut pod =
            Self { spec, node: node.name().to_owned(), namespace, attachment, addresses: Vec::new() };
        pod.addresses = pod.add(node)?.into_iter().map(|network| network.ip()).collect();
        Ok(pod)
    }

    /// Runs the plugin's ADD (again) and returns the addresses that it answered.
    ///
    /// # Errors
    /// When it answers with an error.
    pub fn add(&self, node: &Node) -> Result<Vec<IpNetwork>> {
        match cni::call(node, "ADD", &self.attachment, &cni::config(node))? {
            Answer::Success(result) => cni::decode_addresses(&result),
            Answer::Failure(failure) => bail!("attaching {}: {failure}", self.full_name()),
        }
    }

    /// Detaches it by the plugin's DEL and removes its namespace. Its object stays.
    ///
    /// # Errors
    /// When the plugin answers with an error, or the namespace cannot be removed.
    pub fn detach(self, lab: &Lab, node: &Node) -> Result<()> {
        match cni::call(node, "DEL", &self.attachment, &cni::config(node))? {
            Answer::Success(_) => lab.remove_namespace(&self.namespace),
            Answer::Failure(failure) => bail!("detaching {}: {failure}", self.full_name()),
        }
    }

    /// What it was made from.
    #[must_use]
    pub fn spec(&self) -> &PodSpec {
        &self.spec
    }

    /// `namespace/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.spec.namespace, self.spec.name)
    }

    /// The name of the node it is attached to.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Its network namespace.
    #[must_use]
    pub fn namespace(&self) -> &Arc<Namespace> {
        &self.namespace
    }

    /// How a runtime names its interface.
    #[must_use]
    pub fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// Its addresses.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// Its address of the family of `like`.
    ///
    /// # Errors
    /// When it has none.
    pub fn address_like(&self, like: IpAddr) -> Result<IpAddr> {
        let own = self.addresses.iter().find(|address| address.is_ipv4() == like.is_ipv4());
        own.copied().with_context(|| format!("{} has no address of the family of {like}", self.full_name()))
    }

    /// Starts the probe's server in it, for TCP and UDP over both families.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn serve(&self, logs: &Path, port: u16) -> Result<Process> {
        serve(&self.namespace, logs, port)
    }
}

/// Starts the probe's server in a namespace, for TCP and UDP over both families.
///
/// # Errors
/// When it cannot be started.
pub fn serve(namespace: &Arc<Namespace>, logs: &Path, port: u16) -> Result<Process> {
    let invocation = Invocation {
        program: Program::Probe.find()?,
        arguments: vec!["serve".into(), format!("[::]:{port}").into()],
        environment: Vec::new(),
        log: logs.join(format!("{}-serve-{port}.log", namespace.name())),
    };
    Process::start(namespace, invocation)
}
