//! Calling the CNI plugin as a container runtime does (CNI specification 1.1.0, section 3): verb and names in the
//! environment, configuration on standard input, result or error on standard output.

use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::node::Node;
use crate::programs::Program;

/// Spoken by the lab's runtime.
pub const VERSION: &str = "1.1.0";

/// A container's interface, as its runtime names it.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_NETNS`.
    pub netns: PathBuf,
    /// `CNI_IFNAME`.
    pub interface: String,
    /// The pod, for `CNI_ARGS`; none for a container that is no pod.
    pub pod: Option<PodIdentity>,
}

/// Which pod a container is of.
#[derive(Debug, Clone)]
pub struct PodIdentity {
    /// `K8S_POD_NAMESPACE`.
    pub namespace: String,
    /// `K8S_POD_NAME`.
    pub name: String,
    /// `K8S_POD_UID`.
    pub uid: String,
}

/// What the plugin said.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Its exit status was 0. For ADD the result (section 5.1), else null.
    Success(Value),
    /// It was not.
    Failure(Failure),
}

/// The specification's error object (section 5.5).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Failure {
    /// 1 to 99 are the specification's.
    pub code: u32,
    /// What is wrong.
    pub msg: String,
    /// More about it.
    #[serde(default)]
    pub details: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CNI error {}: {}; {}", self.code, self.msg, self.details)
    }
}

/// The network configuration of a node, as its administrator would have written it.
#[must_use]
pub fn config(node: &Node) -> Value {
    json!({ "cniVersion": VERSION, "name": "fabric", "type": "fabric-cni", "socket": node.socket() })
}

/// Runs the plugin on a node.
///
/// # Errors
/// When it cannot be run, or answers with something that the specification does not know.
pub fn call(node: &Node, verb: &str, attachment: &Attachment, config: &Value) -> Result<Answer> {
    let plugin = Program::Cni.find()?;
    let mut command = Command::new(&plugin);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("CNI_COMMAND", verb)
        .env("CNI_CONTAINERID", &attachment.container_id)
        .env("CNI_NETNS", &attachment.netns)
        .env("CNI_IFNAME", &attachment.interface)
        .env("CNI_PATH", plugin.parent().unwrap_or(&plugin))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(pod) = &attachment.pod {
        let arguments = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_UID={};K8S_POD_INFRA_CONTAINER_ID={}",
            pod.namespace, pod.name, pod.uid, attachment.container_id
        );
        command.env("CNI_ARGS", arguments);
    }
    let mut child = node.namespace().spawn(&mut command)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its configuration has another answer to give.
        let _ = stdin.write_all(config.to_string().as_bytes());
    }
    let output = child.wait_with_output().context("waiting for the plugin")?;
    let answer = if output.stdout.trim_ascii().is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("{verb} answered {:?}", String::from_utf8_lossy(&output.stdout)))?
    };
    if output.status.success() {
        return Ok(Answer::Success(answer));
    }
    match serde_json::from_value(answer) {
        Ok(failure) => Ok(Answer::Failure(failure)),
        Err(error) => bail!(
            "{verb} failed ({}) without an error object ({error}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    }
}

/// The addresses of a result.
///
/// # Errors
/// When it is not of the version that was asked for, or has no readable addresses.
pub fn decode_addresses(result: &Value) -> Result<Vec<IpNetwork>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Success {
        cni_version: String,
        ips: Vec<Ip>,
    }
    #[derive(Deserialize)]
    struct Ip {
        address: IpNetwork,
    }
    let success: Success =
        serde_json::from_value(result.clone()).with_context(|| format!("the result {result}"))?;
    if success.cni_version != VERSION {
        bail!("asked in version {VERSION}, the plugin answered in {}", success.cni_version);
    }
    Ok(success.ips.into_iter().map(|ip| ip.address).collect())
}
