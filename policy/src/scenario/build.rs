//! How a test writes its cluster: each method adds an object or puts another in its place.

use k8s_openapi::api::core::v1::{Namespace, Pod, PodIP, PodSpec, PodStatus};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Scenario;
use crate::model::{PolicyId, PolicyKind};
use crate::program::EndpointId;

mod objects;
mod policies;

pub(crate) fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// `namespace/name`.
pub(crate) fn endpoint_id(text: &str) -> EndpointId {
    let (namespace, name) = text.split_once('/').unwrap();
    EndpointId { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// Of a Kubernetes NetworkPolicy.
pub(crate) fn policy_id(text: &str) -> PolicyId {
    let EndpointId { namespace, name } = endpoint_id(text);
    PolicyId::namespaced(PolicyKind::NetworkPolicy, namespace, name)
}

/// Of `namespace/name`, or of a name alone.
fn metadata(id: &str, labels: &str) -> ObjectMeta {
    let (namespace, name) = match id.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
        None => (None, id),
    };
    ObjectMeta { namespace, name: Some(name.to_owned()), labels: Some(yaml(labels)), ..ObjectMeta::default() }
}

pub(super) fn is_same(a: &ObjectMeta, b: &ObjectMeta) -> bool {
    (&a.namespace, &a.name) == (&b.namespace, &b.name)
}

/// Adds an object or puts it in the place of the one with its name.
pub(super) fn put<T>(objects: &mut Vec<T>, object: T, metadata: fn(&T) -> &ObjectMeta) {
    objects.retain(|known| !is_same(metadata(known), metadata(&object)));
    objects.push(object);
}

impl Scenario {
    pub(crate) fn namespace(mut self, name: &str, labels: &str) -> Self {
        let namespace = Namespace { metadata: metadata(name, labels), ..Namespace::default() };
        put(&mut self.cluster.namespaces, namespace, |known| &known.metadata);
        self
    }

    /// A running pod. `addresses`: separated by spaces.
    pub(crate) fn pod(mut self, id: &str, addresses: &str, labels: &str, spec: &str) -> Self {
        let pod_ips = addresses.split_whitespace().map(|ip| PodIP { ip: ip.to_owned() }).collect();
        let pod = Pod {
            metadata: metadata(id, labels),
            spec: Some(yaml::<PodSpec>(spec)),
            status: Some(PodStatus {
                phase: Some("Running".to_owned()),
                pod_ips: Some(pod_ips),
                ..PodStatus::default()
            }),
        };
        put(&mut self.cluster.pods, pod, |known| &known.metadata);
        self
    }

    pub(crate) fn change_pod(mut self, id: &str, change: impl Fn(&mut Pod)) -> Self {
        let meant = metadata(id, "{}");
        change(self.cluster.pods.iter_mut().find(|pod| is_same(&pod.metadata, &meant)).unwrap());
        self
    }

    pub(crate) fn phase(self, id: &str, phase: &str) -> Self {
        self.change_pod(id, |pod| pod.status.as_mut().unwrap().phase = Some(phase.to_owned()))
    }

    /// A NetworkPolicy; `spec` as in the object.
    pub(crate) fn policy(mut self, id: &str, spec: &str) -> Self {
        let policy =
            NetworkPolicy { metadata: metadata(id, "{}"), spec: Some(yaml::<NetworkPolicySpec>(spec)) };
        put(&mut self.cluster.policies, policy, |known| &known.metadata);
        self
    }

    pub(crate) fn without_policy(mut self, id: &str) -> Self {
        let meant = metadata(id, "{}");
        self.cluster.policies.retain(|known| !is_same(&known.metadata, &meant));
        self
    }
}
