//! Policy objects as people and API servers write them: `policy.networking.k8s.io/v1alpha2` and `fabric.rs/v1`.
//!
//! - [`cluster`], of ClusterNetworkPolicy of the Kubernetes network policy API;
//! - [`rule`], of rules of our own policies, and what they match;
//! - [`own`], of Tier, NetworkPolicy, GlobalNetworkPolicy, and their staged forms;
//! - [`set`], of NetworkSet and GlobalNetworkSet;
//! - [`host`], of HostEndpoint;
//! - [`word`], of what single words in them stand for.
//!
//! Our own kinds have the fields of `projectcalico.org/v3` where those mean the same, so that its users find their way
//! and manifests convert. A Kubernetes NetworkPolicy has its type in `k8s_openapi`.
//!
//! Invariants:
//! - **Whatever is stored can be read.** Words, selectors, networks and ports are text here, whether they make sense or
//!   not; what does not is reported, and narrowed, by the conversion to the [`model`](crate::model). One object that a
//!   newer or a careless writer left must not keep a node from reading the others.
//! - **Nothing is passed over in silence.** Fields that these types do not know are in `rest`. A rule with an unknown
//!   condition is not the same rule without it, so that whoever converts it can fail closed.
//! - What is not said and what is empty are the same, as everywhere in these APIs, and neither is written.
//!
//! Deliberately absent: `status`, which is somebody else's word and not the author's, and what an object means as a whole.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

pub mod cluster;
pub mod host;
pub mod own;
pub mod rule;
pub mod set;
pub mod word;

#[cfg(test)]
mod tests;

pub use cluster::ClusterNetworkPolicy;
pub use host::HostEndpoint;
pub use own::{
    GlobalNetworkPolicy, NetworkPolicy, StagedGlobalNetworkPolicy, StagedKubernetesNetworkPolicy,
    StagedNetworkPolicy, Tier,
};
pub use set::{GlobalNetworkSet, NetworkSet};

/// Fields that a type does not know, by name.
pub type Rest = BTreeMap<String, Value>;

/// An object: what it is called, and what its author says. (`apiVersion` and `kind` are those of `S`.)
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Object<S> {
    /// Name, namespace, labels and the rest of what all objects have.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What the author says.
    pub spec: S,
}

/// Orders are numbers with a fraction, but people write whole ones.
fn order<S: Serializer>(order: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match order {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within what an f64 says exactly")]
        Some(whole) if whole.fract() == 0.0 && whole.abs() < EXACT => serializer.serialize_i64(*whole as i64),
        other => other.serialize(serializer),
    }
}
