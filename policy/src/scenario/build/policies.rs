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
}
