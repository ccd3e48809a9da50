//! What there is in a store, and its form as a manifest, which is also its form in every backend.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use policy::program::EndpointId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::key::{Key, Kind};

/// Any resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    /// `v1` Node.
    Node(Box<Node>),
    /// `v1` Namespace.
    Namespace(Box<Namespace>),
    /// `v1` Pod.
    Pod(Box<Pod>),
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy(Box<NetworkPolicy>),
    /// `coordination.k8s.io/v1` Lease.
    Lease(Box<Lease>),
    /// `fabric.rs/v1` IPPool.
    IpPool(Box<ipam::Pool>),
    /// `fabric.rs/v1` IPReservation.
    IpReservation(Box<ipam::Reservation>),
    /// `fabric.rs/v1` IPAMConfiguration, of which there is one, named [`ipam::configuration::NAME`].
    IpamConfiguration(Box<ipam::Configuration>),
    /// `fabric.rs/v1` IPAMBlock.
    IpamBlock(Box<ipam::Block>),
    /// `fabric.rs/v1` BlockAffinity.
    BlockAffinity(Box<ipam::Affinity>),
    /// `fabric.rs/v1` IPAMHandle.
    IpamHandle(Box<ipam::Handle>),
    /// `fabric.rs/v1` WorkloadEndpoint.
    WorkloadEndpoint(Box<WorkloadEndpoint>),
}

/// A pod's attachment to the fabric, written by the agent of its node: `namespace/name` is the pod's (for a
/// container that is no pod: `default/<container id>`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadEndpoint {
    /// The pod's Kubernetes namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The node that it runs on.
    pub node: String,
    /// CNI_CONTAINERID.
    pub container_id: String,
    /// CNI_IFNAME.
    pub interface: String,
    /// Host end of its link.
    pub host_interface: String,
    /// MAC of its own end, `aa:bb:cc:dd:ee:ff`.
    pub mac: String,
    /// Its addresses, at most one per family.
    pub addresses: Vec<IpAddr>,
    /// Labels from the CNI call; those of a Pod object take precedence.
    pub labels: BTreeMap<String, String>,
    /// Path of its network namespace when it was attached.
    pub netns: String,
}

impl WorkloadEndpoint {
    /// The pod, as policy names it.
    #[must_use]
    pub fn id(&self) -> EndpointId {
        EndpointId { namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// Label of what belongs to a node: its blocks, its affinities, the endpoints on it.
pub const NODE_LABEL: &str = "fabric.rs/node";

impl Resource {
    /// What one can look for: the labels of its metadata; of our kinds, [`NODE_LABEL`], and of an endpoint also its
    /// pod's.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<&str, &str> {
        match self {
            Self::Node(node) => text_of(node.metadata.labels.as_ref()),
            Self::Namespace(namespace) => text_of(namespace.metadata.labels.as_ref()),
            Self::Pod(pod) => text_of(pod.metadata.labels.as_ref()),
            Self::NetworkPolicy(policy) => text_of(policy.metadata.labels.as_ref()),
            Self::Lease(lease) => text_of(lease.metadata.labels.as_ref()),
            Self::IpamBlock(block) => [(NODE_LABEL, block.node())].into(),
            Self::BlockAffinity(affinity) => [(NODE_LABEL, affinity.node.as_str())].into(),
            Self::WorkloadEndpoint(endpoint) => {
                let mut labels = text_of(Some(&endpoint.labels));
                labels.insert(NODE_LABEL, &endpoint.node);
                labels
            }
            Self::IpPool(_) | Self::IpReservation(_) | Self::IpamConfiguration(_) | Self::IpamHandle(_) => {
                BTreeMap::new()
            }
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Node(_) => Kind::Node,
            Self::Namespace(_) => Kind::Namespace,
            Self::Pod(_) => Kind::Pod,
            Self::NetworkPolicy(_) => Kind::NetworkPolicy,
            Self::Lease(_) => Kind::Lease,
            Self::IpPool(_) => Kind::IpPool,
            Self::IpReservation(_) => Kind::IpReservation,
            Self::IpamConfiguration(_) => Kind::IpamConfiguration,
            Self::IpamBlock(_) => Kind::IpamBlock,
            Self::BlockAffinity(_) => Kind::BlockAffinity,
            Self::IpamHandle(_) => Kind::IpamHandle,
            Self::WorkloadEndpoint(_) => Kind::WorkloadEndpoint,
        }
    }

    /// Its name. Kubernetes objects without a name have an empty one.
    #[must_use]
    pub fn key(&self) -> Key {
        let (namespace, name) = match self {
            Self::Node(node) => (None, node.metadata.name.clone()),
            Self::Namespace(namespace) => (None, namespace.metadata.name.clone()),
            Self::Pod(pod) => (pod.metadata.namespace.clone(), pod.metadata.name.clone()),
            Self::NetworkPolicy(policy) => (policy.metadata.namespace.clone(), policy.metadata.name.clone()),
            Self::Lease(lease) => (lease.metadata.namespace.clone(), lease.metadata.name.clone()),
            Self::IpPool(pool) => (None, Some(pool.name.clone())),
            Self::IpReservation(reservation) => (None, Some(reservation.name.clone())),
            Self::IpamConfiguration(_) => (None, Some(ipam::configuration::NAME.to_owned())),
            Self::IpamBlock(block) => (None, Some(ipam::Key::Block(block.cidr()).name())),
            Self::BlockAffinity(affinity) => {
                (None, Some(ipam::Key::Affinity(affinity.node.clone(), affinity.cidr).name()))
            }
            Self::IpamHandle(handle) => (None, Some(handle.id.clone())),
            Self::WorkloadEndpoint(endpoint) => {
                (Some(endpoint.namespace.clone()), Some(endpoint.name.clone()))
            }
        };
        Key { kind: self.kind(), namespace: namespace.unwrap_or_default(), name: name.unwrap_or_default() }
    }

    /// The whole object as a manifest: `apiVersion`, `kind`, `metadata`, `spec`.
    ///
    /// # Errors
    /// Never in practice: all of the types can be written as JSON.
    pub fn encode(&self) -> Result<Value, serde_json::Error> {
        let spec = match self {
            Self::Node(node) => return serde_json::to_value(node),
            Self::Namespace(namespace) => return serde_json::to_value(namespace),
            Self::Pod(pod) => return serde_json::to_value(pod),
            Self::NetworkPolicy(policy) => return serde_json::to_value(policy),
            Self::Lease(lease) => return serde_json::to_value(lease),
            Self::IpPool(pool) => serde_json::to_value(pool)?,
            Self::IpReservation(reservation) => serde_json::to_value(reservation)?,
            Self::IpamConfiguration(configuration) => serde_json::to_value(configuration)?,
            Self::IpamBlock(block) => serde_json::to_value(block)?,
            Self::BlockAffinity(affinity) => serde_json::to_value(affinity)?,
            Self::IpamHandle(handle) => serde_json::to_value(handle)?,
            Self::WorkloadEndpoint(endpoint) => serde_json::to_value(endpoint)?,
        };
        let Key { kind, namespace, name } = self.key();
        let metadata = if namespace.is_empty() {
            json!({ "name": name })
        } else {
            json!({ "name": name, "namespace": namespace })
        };
        Ok(
            json!({ "apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata, "spec": spec }),
        )
    }

    /// Reads back what [`Resource::encode`] wrote. For what people wrote, see [`crate::manifest`].
    ///
    /// # Errors
    /// If the value is not that.
    pub fn decode(kind: Kind, value: Value) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Node => Self::Node(serde_json::from_value(value)?),
            Kind::Namespace => Self::Namespace(serde_json::from_value(value)?),
            Kind::Pod => Self::Pod(serde_json::from_value(value)?),
            Kind::NetworkPolicy => Self::NetworkPolicy(serde_json::from_value(value)?),
            Kind::Lease => Self::Lease(serde_json::from_value(value)?),
            Kind::IpPool => {
                let Manifest { metadata, spec } = serde_json::from_value::<Manifest<Box<ipam::Pool>>>(value)?;
                Self::IpPool(Box::new(ipam::Pool { name: metadata.name, ..*spec }))
            }
            Kind::IpReservation => {
                let Manifest { metadata, spec } =
                    serde_json::from_value::<Manifest<Box<ipam::Reservation>>>(value)?;
                Self::IpReservation(Box::new(ipam::Reservation { name: metadata.name, ..*spec }))
            }
            Kind::IpamConfiguration => Self::IpamConfiguration(spec(value)?),
            Kind::IpamBlock => Self::IpamBlock(spec(value)?),
            Kind::BlockAffinity => Self::BlockAffinity(spec(value)?),
            Kind::IpamHandle => Self::IpamHandle(spec(value)?),
            Kind::WorkloadEndpoint => Self::WorkloadEndpoint(spec(value)?),
        })
    }
}

fn text_of(labels: Option<&BTreeMap<String, String>>) -> BTreeMap<&str, &str> {
    labels.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// The parts of a manifest of ours that matter when it is read back.
#[derive(Deserialize)]
struct Manifest<T> {
    metadata: Metadata,
    spec: T,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

fn spec<T: DeserializeOwned>(value: Value) -> Result<T, serde_json::Error> {
    serde_json::from_value::<Manifest<T>>(value).map(|manifest| manifest.spec)
}

impl From<ipam::Record> for Resource {
    fn from(record: ipam::Record) -> Self {
        match record {
            ipam::Record::Block(block) => Self::IpamBlock(Box::new(block)),
            ipam::Record::Affinity(affinity) => Self::BlockAffinity(Box::new(affinity)),
            ipam::Record::Handle(handle) => Self::IpamHandle(Box::new(handle)),
        }
    }
}

impl Resource {
    /// The record of IPAM that this is, if it is one.
    #[must_use]
    pub fn into_record(self) -> Option<ipam::Record> {
        match self {
            Self::IpamBlock(block) => Some(ipam::Record::Block(*block)),
            Self::BlockAffinity(affinity) => Some(ipam::Record::Affinity(*affinity)),
            Self::IpamHandle(handle) => Some(ipam::Record::Handle(*handle)),
            Self::Node(_)
            | Self::Namespace(_)
            | Self::Pod(_)
            | Self::NetworkPolicy(_)
            | Self::Lease(_)
            | Self::IpPool(_)
            | Self::IpReservation(_)
            | Self::IpamConfiguration(_)
            | Self::WorkloadEndpoint(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
