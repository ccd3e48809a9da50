//! `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy (KEP-2091, and the standard and experimental channels of
//! v0.2 of the network policy API).
//!
//! Exactly one field of a subject, a peer, a protocol and a port shall be set; the types can hold any number, and what
//! a newer version of the API adds ([`Rest`]). The API asks implementations to fail closed on a peer of which they know
//! no field: an Accept rule then matches nothing, a Deny or Pass rule denies everything.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use super::{Object, Rest};

/// `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy; it has no namespace.
pub type ClusterNetworkPolicy = Object<ClusterNetworkPolicySpec>;

/// The API group and version.
pub const API_VERSION: &str = "policy.networking.k8s.io/v1alpha2";

/// What a ClusterNetworkPolicy says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterNetworkPolicySpec {
    /// `Admin`, before all NetworkPolicies, or `Baseline`, after them.
    pub tier: String,
    /// From 0, which goes first in its tier, to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// The pods that it is for.
    pub subject: Subject,
    /// Rules for what comes to them, in order; at most 25.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<IngressRule>,
    /// Rules for what they send, in order; at most 25.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<EgressRule>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

/// The pods that a policy is for: one of the fields. Pods on the host network are never among them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Subject {
    /// All pods of the namespaces with these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// Pods by their own labels and their namespace's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<NamespacedPods>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Pods by their own labels and their namespace's; an empty selector selects all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NamespacedPods {
    /// Which namespaces.
    pub namespace_selector: LabelSelector,
    /// Which pods in them.
    pub pod_selector: LabelSelector,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What to do with some of the traffic to the subject.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressRule {
    /// For people; at most 100 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `Accept`, `Deny` or `Pass`.
    pub action: String,
    /// From one of these; 1 to 25.
    pub from: Vec<IngressPeer>,
    /// With one of these; none: any protocol. At most 25.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<Protocol>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What to do with some of the traffic from the subject.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EgressRule {
    /// For people; at most 100 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `Accept`, `Deny` or `Pass`.
    pub action: String,
    /// To one of these; 1 to 25.
    pub to: Vec<EgressPeer>,
    /// With one of these; none: any protocol. At most 25.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<Protocol>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Who sends: one of the fields.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IngressPeer {
    /// All pods of the namespaces with these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// Pods by their own labels and their namespace's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<NamespacedPods>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Who is sent to: one of the fields.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EgressPeer {
    /// All pods of the namespaces with these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<LabelSelector>,
    /// Pods by their own labels and their namespace's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<NamespacedPods>,
    /// The addresses (`status.addresses`) of the nodes with these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<LabelSelector>,
    /// Networks, like `10.0.0.0/8`, pods in them included; `None` or 1 to 25.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
    /// Names in the DNS, like `kubernetes.io` and `*.kubernetes.io`; `None` or 1 to 25. In Accept rules only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_names: Option<Vec<String>>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A protocol, and which ports of it: one of the fields.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Protocol {
    /// TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Destination>,
    /// UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp: Option<Destination>,
    /// SCTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp: Option<Destination>,
    /// What the destination pod serves under this name, whatever its protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_named_port: Option<String>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Which ports of a protocol.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Destination {
    /// These; `None`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<Port>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A port, or several in a row: one of the fields.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Port {
    /// 1 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<i32>,
    /// From one to another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<PortRange>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Ports in a row, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PortRange {
    /// The first.
    pub start: i32,
    /// The last, greater than the first.
    pub end: i32,
}
