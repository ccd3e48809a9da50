//! Rules of our own policies, and what they match.
//!
//! A rule matches what meets all of its conditions. Each list is a choice of any of its elements, `not…` negates the
//! list as a whole, and a rule may have both.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Rest;

/// What to do with some of the traffic.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rule {
    /// `Allow`, `Deny`, `Pass` (on to the next tier) or `Log` (and on to the next rule).
    pub action: String,
    /// 4 or 6: only that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_version: Option<i32>,
    /// `TCP`, `UDP`, `SCTP`, `ICMP`, `ICMPv6`, `UDPLite`, or a number from 1 to 255.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<IntOrString>,
    /// Any protocol but this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_protocol: Option<IntOrString>,
    /// Messages of a kind; with protocol `ICMP` or `ICMPv6`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp: Option<Icmp>,
    /// Any message but those of a kind; with protocol `ICMP` or `ICMPv6`.
    #[serde(rename = "notICMP", skip_serializing_if = "Option::is_none")]
    pub not_icmp: Option<Icmp>,
    /// Where it comes from.
    #[serde(skip_serializing_if = "EntityRule::is_empty")]
    pub source: EntityRule,
    /// Where it goes.
    #[serde(skip_serializing_if = "EntityRule::is_empty")]
    pub destination: EntityRule,
    /// HTTP requests of a kind. Only a proxy can judge those, and there is none: it is here to be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Value>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<RuleMetadata>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Rule {
    /// The fields of a rule, as they are written.
    pub const FIELDS: &[&str] = &[
        "action",
        "ipVersion",
        "protocol",
        "notProtocol",
        "icmp",
        "notICMP",
        "source",
        "destination",
        "http",
        "metadata",
    ];
}

/// Kinds of ICMP or ICMPv6 messages.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Icmp {
    /// The type, 0 to 254; `None`: all.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<i32>,
    /// The code, 0 to 255; `None`: all. Only with a type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Icmp {
    /// The fields, as they are written.
    pub const FIELDS: &[&str] = &["type", "code"];
}

/// One end of a connection: all conditions must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EntityRule {
    /// In one of these networks, like `10.0.0.0/8`, or one of these addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nets: Vec<String>,
    /// In none of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_nets: Vec<String>,
    /// A pod, host endpoint or network set that is selected. In a policy with a namespace, and without
    /// `namespaceSelector`: of that namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// Not one that is selected; what is none of ours is none that is selected. In a policy with a namespace, and without
    /// `namespaceSelector`: another of that namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub not_selector: String,
    /// In a namespace that is selected; `global()`: in none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace_selector: String,
    /// The pods and ports behind a service. Not beside networks, selectors and service accounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<ServiceMatch>,
    /// One of these ports: a number, a range `"1000:2000"`, or a name. Only with a protocol that has ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<IntOrString>,
    /// None of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_ports: Vec<IntOrString>,
    /// A pod that runs as one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_accounts: Option<ServiceAccountMatch>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl EntityRule {
    /// The fields, as they are written.
    pub const FIELDS: &[&str] = &[
        "nets",
        "notNets",
        "selector",
        "notSelector",
        "namespaceSelector",
        "services",
        "ports",
        "notPorts",
        "serviceAccounts",
    ];

    /// Whether it has no condition at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A Kubernetes Service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceMatch {
    /// Its name.
    pub name: String,
    /// Its namespace; empty: the policy's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl ServiceMatch {
    /// The fields, as they are written.
    pub const FIELDS: &[&str] = &["name", "namespace"];
}

/// Service accounts, by both conditions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceAccountMatch {
    /// Called one of these; none: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// With labels that are selected.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl ServiceAccountMatch {
    /// The fields, as they are written.
    pub const FIELDS: &[&str] = &["names", "selector"];
}

/// What people note about a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleMetadata {
    /// Anything.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}
