//! `fabric.rs/v1` HostEndpoint: interfaces of a node that policies select.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};

use super::{Object, Rest};

/// `fabric.rs/v1` HostEndpoint; it has no namespace.
pub type HostEndpoint = Object<HostEndpointSpec>;

/// What a HostEndpoint says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HostEndpointSpec {
    /// The node.
    pub node: String,
    /// Its interface; `*`: all that are no pod's; empty: the one that has one of the expected addresses.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub interface_name: String,
    /// Its addresses, as which rules that select it match it.
    #[serde(rename = "expectedIPs", skip_serializing_if = "Vec::is_empty")]
    pub expected_ips: Vec<String>,
    /// Ports that have names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<EndpointPort>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl HostEndpointSpec {
    /// The fields, as they are written.
    pub const FIELDS: &[&str] = &["node", "interfaceName", "expectedIPs", "ports"];
}

/// A port with a name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointPort {
    /// The name.
    pub name: String,
    /// `TCP`, `UDP` or `SCTP`, or its number.
    pub protocol: IntOrString,
    /// 1 to 65535.
    pub port: i32,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl EndpointPort {
    /// The fields, as they are written.
    pub const FIELDS: &[&str] = &["name", "protocol", "port"];
}
