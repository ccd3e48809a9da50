//! Where the API server serves each kind and each object.

use super::names;
use crate::error::Error;
use crate::key::{Key, Kind};

/// The place of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Its kind.
    pub kind: Kind,
    /// Its name there.
    pub name: String,
    collection: String,
}

impl Place {
    /// Where the object of this key is, or would be.
    ///
    /// # Errors
    /// [`Error::Refused`] if there can be no such object.
    pub(super) fn of(key: &Key) -> Result<Self, Error> {
        let Key { kind, namespace, name } = key;
        if kind.is_namespaced() == namespace.is_empty() {
            let wrong = if kind.is_namespaced() { "needs a namespace" } else { "has no namespace" };
            return Err(Error::Refused(format!("{key}: a {kind} {wrong}")));
        }
        if kind.is_namespaced() && !names::is_dns_label(namespace) {
            return Err(Error::Refused(format!(
                "{key}: no namespace can be named \"{namespace}\"; use at most 63 lower-case letters, digits and \
                 '-'"
            )));
        }
        let name = names::object_name(*kind, name).map_err(Error::Refused)?;
        let namespace = kind.is_namespaced().then_some(namespace.as_str());
        Ok(Self { kind: *kind, name, collection: collection(*kind, namespace) })
    }

    /// Requests about the objects beside it.
    pub(super) fn collection(&self) -> kube::core::Request {
        kube::core::Request::new(self.collection.as_str())
    }
}

/// The path of a kind's objects, of one namespace or of all.
pub(super) fn collection(kind: Kind, namespace: Option<&str>) -> String {
    let version = kind.api_version();
    let root = if version.contains('/') { "apis" } else { "api" };
    let plural = plural(kind);
    match namespace {
        Some(namespace) => format!("/{root}/{version}/namespaces/{namespace}/{plural}"),
        None => format!("/{root}/{version}/{plural}"),
    }
}

/// As RBAC rules and error messages name a kind: `pods`, `ippools.fabric.rs`.
pub(super) fn qualified_plural(kind: Kind) -> String {
    match kind.api_version().split_once('/') {
        Some((group, _)) => format!("{}.{group}", plural(kind)),
        None => plural(kind).to_owned(),
    }
}

/// Kinds whose definition is neither Kubernetes' own nor ours: an API server without it has none of them.
pub(super) const fn is_optional(kind: Kind) -> bool {
    matches!(kind, Kind::ClusterNetworkPolicy)
}

const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Node => "nodes",
        Kind::Namespace => "namespaces",
        Kind::ServiceAccount => "serviceaccounts",
        Kind::Pod => "pods",
        Kind::EndpointSlice => "endpointslices",
        Kind::NetworkPolicy | Kind::FabricNetworkPolicy => "networkpolicies",
        Kind::ClusterNetworkPolicy => "clusternetworkpolicies",
        Kind::Lease => "leases",
        Kind::Tier => "tiers",
        Kind::GlobalNetworkPolicy => "globalnetworkpolicies",
        Kind::StagedNetworkPolicy => "stagednetworkpolicies",
        Kind::StagedGlobalNetworkPolicy => "stagedglobalnetworkpolicies",
        Kind::StagedKubernetesNetworkPolicy => "stagedkubernetesnetworkpolicies",
        Kind::NetworkSet => "networksets",
        Kind::GlobalNetworkSet => "globalnetworksets",
        Kind::HostEndpoint => "hostendpoints",
        Kind::IpPool => "ippools",
        Kind::IpReservation => "ipreservations",
        Kind::IpamConfiguration => "ipamconfigurations",
        Kind::IpamBlock => "ipamblocks",
        Kind::BlockAffinity => "blockaffinities",
        Kind::IpamHandle => "ipamhandles",
        Kind::WorkloadEndpoint => "workloadendpoints",
        Kind::PolicyStatus => "policystatuses",
    }
}

#[cfg(test)]
mod tests;
