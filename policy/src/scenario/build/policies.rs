//! Tiers and policies other than Kubernetes' own.

use super::{metadata, put, yaml};
use crate::api::Object;
use crate::scenario::Scenario;

/// An object of ours with this specification.
fn object<S: serde::de::DeserializeOwned>(id: &str, spec: &str) -> Object<S> {
    Object { metadata: metadata(id, "{}"), spec: yaml(spec) }
}

impl Scenario {
    pub(crate) fn cluster_policy(mut self, name: &str, spec: &str) -> Self {
        put(&mut self.cluster.cluster_policies, object(name, spec), |known| &known.metadata);
        self
    }

    pub(crate) fn tier(mut self, name: &str, spec: &str) -> Self {
        put(&mut self.cluster.tiers, object(name, spec), |known| &known.metadata);
        self
    }

    /// A NetworkPolicy of ours.
    pub(crate) fn own(mut self, id: &str, spec: &str) -> Self {
        put(&mut self.cluster.own_policies, object(id, spec), |known| &known.metadata);
        self
    }

    /// A StagedNetworkPolicy.
    pub(crate) fn staged(mut self, id: &str, spec: &str) -> Self {
        put(&mut self.staged, object(id, spec), |known| &known.metadata);
        self
    }

    /// A GlobalNetworkPolicy.
    pub(crate) fn global(mut self, name: &str, spec: &str) -> Self {
        put(&mut self.cluster.global_policies, object(name, spec), |known| &known.metadata);
        self
    }
}
