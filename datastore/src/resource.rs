//! What there is in a store, and its form as a manifest, which is also its form in every backend.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use policy::api;
use policy::program::EndpointId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::key::{Key, Kind};
use identity::Identity;

mod identity;

/// Any resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    /// `v1` Node.
    Node(Box<Node>),
    /// `v1` Namespace.
    Namespace(Box<Namespace>),
    /// `v1` ServiceAccount.
    ServiceAccount(Box<ServiceAccount>),
    /// `v1` Pod.
    Pod(Box<Pod>),
    /// `discovery.k8s.io/v1` EndpointSlice.
    EndpointSlice(Box<EndpointSlice>),
    /// `networking.k8s.io/v1` NetworkPolicy.
    NetworkPolicy(Box<NetworkPolicy>),
    /// `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy.
    ClusterNetworkPolicy(Box<api::ClusterNetworkPolicy>),
    /// `coordination.k8s.io/v1` Lease.
    Lease(Box<Lease>),
    /// `fabric.rs/v1` Tier.
    Tier(Box<api::Tier>),
    /// `fabric.rs/v1` NetworkPolicy.
    FabricNetworkPolicy(Box<api::NetworkPolicy>),
    /// `fabric.rs/v1` GlobalNetworkPolicy.
    GlobalNetworkPolicy(Box<api::GlobalNetworkPolicy>),
    /// `fabric.rs/v1` StagedNetworkPolicy.
    StagedNetworkPolicy(Box<api::StagedNetworkPolicy>),
    /// `fabric.rs/v1` StagedGlobalNetworkPolicy.
    StagedGlobalNetworkPolicy(Box<api::StagedGlobalNetworkPolicy>),
    /// `fabric.rs/v1` StagedKubernetesNetworkPolicy.
    StagedKubernetesNetworkPolicy(Box<api::StagedKubernetesNetworkPolicy>),
    /// `fabric.rs/v1` NetworkSet.
    NetworkSet(Box<api::NetworkSet>),
    /// `fabric.rs/v1` GlobalNetworkSet.
    GlobalNetworkSet(Box<api::GlobalNetworkSet>),
    /// `fabric.rs/v1` HostEndpoint.
    HostEndpoint(Box<api::HostEndpoint>),
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
    /// `fabric.rs/v1` PolicyStatus.
    PolicyStatus(Box<PolicyStatus>),
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

/// Which policies are in force on a node, written by its agent under the node's name.
///
/// A policy that selects endpoints of the node is in force there as it was at some revision, unless `failed` names it, if
/// its own last write is no newer than what `seen` says of its kind: of one kind, changes are told in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyStatus {
    /// The node.
    pub node: String,
    /// Of each kind of policy, by [`Kind::name`]: the revision up to which the node's kernel follows it.
    pub seen: BTreeMap<String, u64>,
    /// Policies, as [`policy::program::PolicyId`] shows them, that some endpoint of the node does not have as they are
    /// now, and why.
    pub failed: BTreeMap<String, String>,
}

/// Label of what belongs to a node: its blocks, its affinities, the endpoints on it.
pub const NODE_LABEL: &str = "fabric.rs/node";

impl Resource {
    /// What one can look for: the labels of its metadata; of what agents write, [`NODE_LABEL`], and of an endpoint also
    /// its pod's.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<&str, &str> {
        if let Some(metadata) = self.metadata() {
            return text_of(metadata.labels.as_ref());
        }
        if let Self::WorkloadEndpoint(endpoint) = self {
            let mut labels = text_of(Some(&endpoint.labels));
            labels.insert(NODE_LABEL, &endpoint.node);
            return labels;
        }
        let node = if let Self::IpamBlock(block) = self {
            Some(block.node())
        } else if let Self::BlockAffinity(affinity) = self {
            Some(affinity.node.as_str())
        } else if let Self::PolicyStatus(status) = self {
            Some(status.node.as_str())
        } else {
            None
        };
        node.map(|node| (NODE_LABEL, node)).into_iter().collect()
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Node(_) => Kind::Node,
            Self::Namespace(_) => Kind::Namespace,
            Self::ServiceAccount(_) => Kind::ServiceAccount,
            Self::Pod(_) => Kind::Pod,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::NetworkPolicy(_) => Kind::NetworkPolicy,
            Self::ClusterNetworkPolicy(_) => Kind::ClusterNetworkPolicy,
            Self::Lease(_) => Kind::Lease,
            Self::Tier(_) => Kind::Tier,
            Self::FabricNetworkPolicy(_) => Kind::FabricNetworkPolicy,
            Self::GlobalNetworkPolicy(_) => Kind::GlobalNetworkPolicy,
            Self::StagedNetworkPolicy(_) => Kind::StagedNetworkPolicy,
            Self::StagedGlobalNetworkPolicy(_) => Kind::StagedGlobalNetworkPolicy,
            Self::StagedKubernetesNetworkPolicy(_) => Kind::StagedKubernetesNetworkPolicy,
            Self::NetworkSet(_) => Kind::NetworkSet,
            Self::GlobalNetworkSet(_) => Kind::GlobalNetworkSet,
            Self::HostEndpoint(_) => Kind::HostEndpoint,
            Self::IpPool(_) => Kind::IpPool,
            Self::IpReservation(_) => Kind::IpReservation,
            Self::IpamConfiguration(_) => Kind::IpamConfiguration,
            Self::IpamBlock(_) => Kind::IpamBlock,
            Self::BlockAffinity(_) => Kind::BlockAffinity,
            Self::IpamHandle(_) => Kind::IpamHandle,
            Self::WorkloadEndpoint(_) => Kind::WorkloadEndpoint,
            Self::PolicyStatus(_) => Kind::PolicyStatus,
        }
    }

    /// Its name. Kubernetes objects without a name have an empty one.
    #[must_use]
    pub fn key(&self) -> Key {
        let (namespace, name) = match self.identity() {
            Identity::Metadata(ObjectMeta { namespace, name, .. }) => {
                (namespace.clone().unwrap_or_default(), name.clone().unwrap_or_default())
            }
            Identity::Global(name) => (String::new(), name),
            Identity::Namespaced(namespace, name) => (namespace.to_owned(), name.to_owned()),
        };
        Key { kind: self.kind(), namespace, name }
    }

    /// The whole object as a manifest: `apiVersion`, `kind`, `metadata`, `spec`.
    ///
    /// # Errors
    /// Never in practice: all of the types can be written as JSON.
    pub fn encode(&self) -> Result<Value, serde_json::Error> {
        let mut object = match self {
            Self::Node(node) => return serde_json::to_value(node),
            Self::Namespace(namespace) => return serde_json::to_value(namespace),
            Self::ServiceAccount(account) => return serde_json::to_value(account),
            Self::Pod(pod) => return serde_json::to_value(pod),
            Self::EndpointSlice(slice) => return serde_json::to_value(slice),
            Self::NetworkPolicy(policy) => return serde_json::to_value(policy),
            Self::Lease(lease) => return serde_json::to_value(lease),
            Self::ClusterNetworkPolicy(policy) => serde_json::to_value(policy)?,
            Self::Tier(tier) => serde_json::to_value(tier)?,
            Self::FabricNetworkPolicy(policy)
            | Self::GlobalNetworkPolicy(policy)
            | Self::StagedNetworkPolicy(policy)
            | Self::StagedGlobalNetworkPolicy(policy) => serde_json::to_value(policy)?,
            Self::StagedKubernetesNetworkPolicy(policy) => serde_json::to_value(policy)?,
            Self::NetworkSet(set) | Self::GlobalNetworkSet(set) => serde_json::to_value(set)?,
            Self::HostEndpoint(endpoint) => serde_json::to_value(endpoint)?,
            Self::IpPool(pool) => self.with_spec(pool)?,
            Self::IpReservation(reservation) => self.with_spec(reservation)?,
            Self::IpamConfiguration(configuration) => self.with_spec(configuration)?,
            Self::IpamBlock(block) => self.with_spec(block)?,
            Self::BlockAffinity(affinity) => self.with_spec(affinity)?,
            Self::IpamHandle(handle) => self.with_spec(handle)?,
            Self::WorkloadEndpoint(endpoint) => self.with_spec(endpoint)?,
            Self::PolicyStatus(status) => self.with_spec(status)?,
        };
        if let Some(fields) = object.as_object_mut() {
            let kind = self.kind();
            fields.insert("apiVersion".to_owned(), kind.api_version().into());
            fields.insert("kind".to_owned(), kind.manifest_name().into());
        }
        Ok(object)
    }

    /// An object of which only the name is not in its specification.
    fn with_spec(&self, spec: &impl Serialize) -> Result<Value, serde_json::Error> {
        let Key { namespace, name, .. } = self.key();
        let metadata = if namespace.is_empty() {
            json!({ "name": name })
        } else {
            json!({ "name": name, "namespace": namespace })
        };
        Ok(json!({ "metadata": metadata, "spec": serde_json::to_value(spec)? }))
    }

    /// Reads back what [`Resource::encode`] wrote. For what people wrote, see [`crate::manifest`].
    ///
    /// # Errors
    /// If the value is not that.
    pub fn decode(kind: Kind, value: Value) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Node => Self::Node(serde_json::from_value(value)?),
            Kind::Namespace => Self::Namespace(serde_json::from_value(value)?),
            Kind::ServiceAccount => Self::ServiceAccount(serde_json::from_value(value)?),
            Kind::Pod => Self::Pod(serde_json::from_value(value)?),
            Kind::EndpointSlice => Self::EndpointSlice(serde_json::from_value(value)?),
            Kind::NetworkPolicy => Self::NetworkPolicy(serde_json::from_value(value)?),
            Kind::ClusterNetworkPolicy => Self::ClusterNetworkPolicy(serde_json::from_value(value)?),
            Kind::Lease => Self::Lease(serde_json::from_value(value)?),
            Kind::Tier => Self::Tier(serde_json::from_value(value)?),
            Kind::FabricNetworkPolicy => Self::FabricNetworkPolicy(serde_json::from_value(value)?),
            Kind::GlobalNetworkPolicy => Self::GlobalNetworkPolicy(serde_json::from_value(value)?),
            Kind::StagedNetworkPolicy => Self::StagedNetworkPolicy(serde_json::from_value(value)?),
            Kind::StagedGlobalNetworkPolicy => {
                Self::StagedGlobalNetworkPolicy(serde_json::from_value(value)?)
            }
            Kind::StagedKubernetesNetworkPolicy => {
                Self::StagedKubernetesNetworkPolicy(serde_json::from_value(value)?)
            }
            Kind::NetworkSet => Self::NetworkSet(serde_json::from_value(value)?),
            Kind::GlobalNetworkSet => Self::GlobalNetworkSet(serde_json::from_value(value)?),
            Kind::HostEndpoint => Self::HostEndpoint(serde_json::from_value(value)?),
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
            Kind::PolicyStatus => Self::PolicyStatus(spec(value)?),
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
        if let Self::IpamBlock(block) = self {
            Some(ipam::Record::Block(*block))
        } else if let Self::BlockAffinity(affinity) = self {
            Some(ipam::Record::Affinity(*affinity))
        } else if let Self::IpamHandle(handle) = self {
            Some(ipam::Record::Handle(*handle))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
