//! `fabric.rs/v1`: Tier, NetworkPolicy, GlobalNetworkPolicy, and their staged forms.
//!
//! The four kinds of policies share one type. A field that a kind does not have (`namespaceSelector` in a NetworkPolicy,
//! `stagedAction` in what is not staged) is as wrong there as one that nobody knows; [`PolicySpec::misplaced`] names it.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy as KubernetesNetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule,
    NetworkPolicySpec as KubernetesNetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};

use super::rule::Rule;
use super::{Object, Rest, order};

/// The API group and version of our own kinds.
pub const API_VERSION: &str = "fabric.rs/v1";

/// The tier of policies that name none.
pub const DEFAULT_TIER: &str = "default";

/// `fabric.rs/v1` Tier; it has no namespace.
pub type Tier = Object<TierSpec>;
/// `fabric.rs/v1` NetworkPolicy; it is for the pods of its namespace.
pub type NetworkPolicy = Object<PolicySpec>;
/// `fabric.rs/v1` GlobalNetworkPolicy; it has no namespace, and is for pods and host endpoints.
pub type GlobalNetworkPolicy = Object<PolicySpec>;
/// `fabric.rs/v1` StagedNetworkPolicy: a NetworkPolicy that is not enforced.
pub type StagedNetworkPolicy = Object<PolicySpec>;
/// `fabric.rs/v1` StagedGlobalNetworkPolicy: a GlobalNetworkPolicy that is not enforced.
pub type StagedGlobalNetworkPolicy = Object<PolicySpec>;
/// `fabric.rs/v1` StagedKubernetesNetworkPolicy: a Kubernetes NetworkPolicy that is not enforced.
pub type StagedKubernetesNetworkPolicy = Object<StagedKubernetesNetworkPolicySpec>;

/// What a Tier says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TierSpec {
    /// The least goes first; `None`: last. Equal ones go by name.
    #[serde(serialize_with = "order", skip_serializing_if = "Option::is_none")]
    pub order: Option<f64>,
    /// What becomes of traffic of an endpoint that policies of the tier select and no rule decides: `Deny` (also if it
    /// is empty) or `Pass`, on to the next tier.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub default_action: String,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl TierSpec {
    /// The fields, as they are written.
    pub const FIELDS: &[&str] = &["order", "defaultAction"];
}

/// What a NetworkPolicy, a GlobalNetworkPolicy or a staged one says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PolicySpec {
    /// What shall become of the policy that this is the staged form of: `Set` it (also if it is empty), `Delete` it,
    /// `Learn` one, or `Ignore` this. Staged kinds only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub staged_action: String,
    /// Its tier; empty: [`DEFAULT_TIER`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tier: String,
    /// The least goes first in its tier; `None`: last. Equal ones go by kind, namespace and name.
    #[serde(serialize_with = "order", skip_serializing_if = "Option::is_none")]
    pub order: Option<f64>,
    /// The endpoints that it is for, by labels; empty: all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// Of those, the ones in namespaces with such labels; empty: everywhere. Global kinds only.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace_selector: String,
    /// Of those, the ones that run as a service account with such labels; empty: whatever theirs is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_account_selector: String,
    /// `Ingress`, `Egress` or both. Empty: Egress if there are rules for egress, Ingress if there are rules for
    /// ingress or none at all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Rules for what comes to the endpoints, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<Rule>,
    /// Rules for what they send, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<Rule>,
    /// Judges before connections are tracked, and what it allows is not tracked. Of host endpoints; global kinds only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub do_not_track: bool,
    /// Judges before destinations are translated. Of host endpoints; global kinds only.
    #[serde(rename = "preDNAT", skip_serializing_if = "std::ops::Not::not")]
    pub pre_dnat: bool,
    /// Judges also what a host only forwards. Of host endpoints; global kinds only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub apply_on_forward: bool,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl PolicySpec {
    /// The fields of all four kinds, as they are written.
    pub const FIELDS: &[&str] =
        &["tier", "order", "selector", "serviceAccountSelector", "types", "ingress", "egress"];
    /// Those that global kinds have beside [`Self::FIELDS`].
    pub const GLOBAL_FIELDS: &[&str] = &["namespaceSelector", "doNotTrack", "preDNAT", "applyOnForward"];
    /// Those that staged kinds have beside.
    pub const STAGED_FIELDS: &[&str] = &["stagedAction"];

    /// Fields that are set and that a kind which is global or not, and staged or not, does not have.
    pub fn misplaced(&self, is_global: bool, is_staged: bool) -> Vec<&'static str> {
        let global = [
            ("namespaceSelector", !self.namespace_selector.is_empty()),
            ("doNotTrack", self.do_not_track),
            ("preDNAT", self.pre_dnat),
            ("applyOnForward", self.apply_on_forward),
        ];
        let staged = [("stagedAction", !self.staged_action.is_empty())];
        let global = global.into_iter().filter(|_| !is_global);
        let staged = staged.into_iter().filter(|_| !is_staged);
        global.chain(staged).filter(|(_, is_set)| *is_set).map(|(field, _)| field).collect()
    }

    /// The tier that it is in.
    pub fn tier(&self) -> &str {
        if self.tier.is_empty() { DEFAULT_TIER } else { &self.tier }
    }
}

/// What a StagedKubernetesNetworkPolicy says: what a Kubernetes NetworkPolicy does, and what shall become of that.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct StagedKubernetesNetworkPolicySpec {
    /// As in [`PolicySpec`].
    #[serde(skip_serializing_if = "String::is_empty")]
    pub staged_action: String,
    /// The pods of its namespace that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// What may come to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Vec<NetworkPolicyIngressRule>>,
    /// What they may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<NetworkPolicyEgressRule>>,
    /// `Ingress`, `Egress` or both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_types: Option<Vec<String>>,
    /// What else is there.
    #[serde(flatten)]
    pub rest: Rest,
}

impl StagedKubernetesNetworkPolicySpec {
    /// The fields, as they are written.
    pub const FIELDS: &[&str] = &["stagedAction", "podSelector", "ingress", "egress", "policyTypes"];
}

impl StagedKubernetesNetworkPolicy {
    /// The policy that would be enforced.
    pub fn enforced(&self) -> KubernetesNetworkPolicy {
        let StagedKubernetesNetworkPolicySpec { pod_selector, ingress, egress, policy_types, .. } =
            &self.spec;
        let spec = KubernetesNetworkPolicySpec {
            pod_selector: pod_selector.clone(),
            ingress: ingress.clone(),
            egress: egress.clone(),
            policy_types: policy_types.clone(),
        };
        KubernetesNetworkPolicy { metadata: self.metadata.clone(), spec: Some(spec) }
    }
}
