//! Who a resource is: by the metadata that objects of Kubernetes have, and those of ours that people write and label;
//! or, of ours that agents write and of pools, by what the specification says.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Resource;

/// Who a resource is.
pub(super) enum Identity<'a> {
    /// What its metadata says.
    Metadata(&'a ObjectMeta),
    /// Of no namespace, with this name.
    Global(String),
    /// Of a namespace, with a name.
    Namespaced(&'a str, &'a str),
}

impl Resource {
    pub(super) fn identity(&self) -> Identity<'_> {
        match self {
            Self::Node(node) => Identity::Metadata(&node.metadata),
            Self::Namespace(namespace) => Identity::Metadata(&namespace.metadata),
            Self::ServiceAccount(account) => Identity::Metadata(&account.metadata),
            Self::Pod(pod) => Identity::Metadata(&pod.metadata),
            Self::EndpointSlice(slice) => Identity::Metadata(&slice.metadata),
            Self::NetworkPolicy(policy) => Identity::Metadata(&policy.metadata),
            Self::ClusterNetworkPolicy(policy) => Identity::Metadata(&policy.metadata),
            Self::Lease(lease) => Identity::Metadata(&lease.metadata),
            Self::Tier(tier) => Identity::Metadata(&tier.metadata),
            Self::FabricNetworkPolicy(policy)
            | Self::GlobalNetworkPolicy(policy)
            | Self::StagedNetworkPolicy(policy)
            | Self::StagedGlobalNetworkPolicy(policy) => Identity::Metadata(&policy.metadata),
            Self::StagedKubernetesNetworkPolicy(policy) => Identity::Metadata(&policy.metadata),
            Self::NetworkSet(set) | Self::GlobalNetworkSet(set) => Identity::Metadata(&set.metadata),
            Self::HostEndpoint(endpoint) => Identity::Metadata(&endpoint.metadata),
            Self::IpPool(pool) => Identity::Global(pool.name.clone()),
            Self::IpReservation(reservation) => Identity::Global(reservation.name.clone()),
            Self::IpamConfiguration(_) => Identity::Global(ipam::configuration::NAME.to_owned()),
            Self::IpamBlock(block) => Identity::Global(ipam::Key::Block(block.cidr()).name()),
            Self::BlockAffinity(affinity) => {
                Identity::Global(ipam::Key::Affinity(affinity.node.clone(), affinity.cidr).name())
            }
            Self::IpamHandle(handle) => Identity::Global(handle.id.clone()),
            Self::WorkloadEndpoint(endpoint) => Identity::Namespaced(&endpoint.namespace, &endpoint.name),
            Self::PolicyStatus(status) => Identity::Global(status.node.clone()),
        }
    }

    /// The metadata of an object that has any but a name.
    pub(crate) fn metadata(&self) -> Option<&ObjectMeta> {
        match self.identity() {
            Identity::Metadata(metadata) => Some(metadata),
            Identity::Global(_) | Identity::Namespaced(..) => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn metadata_mut(&mut self) -> Option<&mut ObjectMeta> {
        match self {
            Self::Node(node) => Some(&mut node.metadata),
            Self::Namespace(namespace) => Some(&mut namespace.metadata),
            Self::ServiceAccount(account) => Some(&mut account.metadata),
            Self::Pod(pod) => Some(&mut pod.metadata),
            Self::EndpointSlice(slice) => Some(&mut slice.metadata),
            Self::NetworkPolicy(policy) => Some(&mut policy.metadata),
            Self::ClusterNetworkPolicy(policy) => Some(&mut policy.metadata),
            Self::Lease(lease) => Some(&mut lease.metadata),
            Self::Tier(tier) => Some(&mut tier.metadata),
            Self::FabricNetworkPolicy(policy)
            | Self::GlobalNetworkPolicy(policy)
            | Self::StagedNetworkPolicy(policy)
            | Self::StagedGlobalNetworkPolicy(policy) => Some(&mut policy.metadata),
            Self::StagedKubernetesNetworkPolicy(policy) => Some(&mut policy.metadata),
            Self::NetworkSet(set) | Self::GlobalNetworkSet(set) => Some(&mut set.metadata),
            Self::HostEndpoint(endpoint) => Some(&mut endpoint.metadata),
            Self::IpPool(_)
            | Self::IpReservation(_)
            | Self::IpamConfiguration(_)
            | Self::IpamBlock(_)
            | Self::BlockAffinity(_)
            | Self::IpamHandle(_)
            | Self::WorkloadEndpoint(_)
            | Self::PolicyStatus(_) => None,
        }
    }
}
