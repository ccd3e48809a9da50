//! From a listing of the datastore to what checks and the garbage collection go by: everything about addresses, and who
//! exists. Pure.
//!
//! - A node exists as long as it has a Node object, which need not be understood. What cannot be understood is told, and is
//!   never taken for absent.
//! - An endpoint's addresses are held by a handle that ends with its container and interface. What stands before that is
//!   the network that it was attached by, which an endpoint does not know: the holder of its addresses tells.

use std::collections::BTreeMap;

use datastore::{Key, Kind, Resource, Revision, Unreadable, Versioned, WorkloadEndpoint};
use ipam::Index;
use ipam::audit::{Corrupt, Endpoint, Facts};

#[cfg(test)]
mod tests;

/// What has to be listed.
///
/// In this order, if not of one moment: whoever uses an address is read after the address, so that none looks unused
/// only because its user came in between; and nodes come after all that is on them.
pub const KINDS: [Kind; 8] = [
    Kind::IpamHandle,
    Kind::BlockAffinity,
    Kind::IpamBlock,
    Kind::IpPool,
    Kind::IpReservation,
    Kind::IpamConfiguration,
    Kind::WorkloadEndpoint,
    Kind::Node,
];

/// What a listing says.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// Everything about addresses.
    pub index: Index,
    /// Who exists.
    pub facts: Facts,
    /// Endpoints of nodes that do not exist, and when they were last written.
    pub stranded: BTreeMap<Key, Revision>,
    /// An endpoint cannot be understood: whatever looks unused may be its.
    pub is_blind: bool,
}

/// Sorts a listing of [`KINDS`].
#[must_use]
pub fn gather(items: BTreeMap<Key, Versioned>, unreadable: &Unreadable) -> Gathered {
    let mut gathered = Gathered::default();
    for (key, why) in unreadable {
        let record = if key.kind == Kind::IpamBlock { key.name.clone() } else { key.to_string() };
        gathered.facts.corrupt.push(Corrupt { record, why: why.clone() });
        if key.kind == Kind::Node {
            gathered.facts.nodes.insert(key.name.clone());
        }
        if key.kind == Kind::IpamHandle {
            gathered.facts.holders.insert(key.name.clone());
        }
        gathered.is_blind |= key.kind == Kind::WorkloadEndpoint;
    }
    let mut endpoints: Vec<(Key, Revision, Box<WorkloadEndpoint>)> = Vec::new();
    for (key, Versioned { revision, resource }) in items {
        match resource {
            Resource::Node(_) => drop(gathered.facts.nodes.insert(key.name)),
            Resource::WorkloadEndpoint(endpoint) => endpoints.push((key, revision, endpoint)),
            Resource::IpPool(pool) => gathered.index.put_pool(*pool),
            Resource::IpReservation(reservation) => gathered.index.put_reservation(*reservation),
            Resource::IpamConfiguration(configuration) => gathered.index.set_configuration(*configuration),
            record @ (Resource::IpamHandle(_) | Resource::BlockAffinity(_) | Resource::IpamBlock(_)) => {
                if let Some(record) = record.into_record() {
                    gathered.index.put(record, revision.into());
                }
            }
            // Not listed.
            Resource::Namespace(_)
            | Resource::ServiceAccount(_)
            | Resource::Pod(_)
            | Resource::EndpointSlice(_)
            | Resource::NetworkPolicy(_)
            | Resource::ClusterNetworkPolicy(_)
            | Resource::Lease(_)
            | Resource::Tier(_)
            | Resource::FabricNetworkPolicy(_)
            | Resource::GlobalNetworkPolicy(_)
            | Resource::StagedNetworkPolicy(_)
            | Resource::StagedGlobalNetworkPolicy(_)
            | Resource::StagedKubernetesNetworkPolicy(_)
            | Resource::NetworkSet(_)
            | Resource::GlobalNetworkSet(_)
            | Resource::HostEndpoint(_)
            | Resource::PolicyStatus(_) => {}
        }
    }
    for (key, revision, endpoint) in endpoints {
        if !gathered.facts.nodes.contains(&endpoint.node) {
            gathered.stranded.insert(key, revision);
        }
        let name = format!("{}/{}", endpoint.namespace, endpoint.name);
        let handle = handle(&gathered.index, &endpoint);
        let WorkloadEndpoint { node, addresses, .. } = *endpoint;
        gathered.facts.endpoints.insert(handle, Endpoint { name, node, addresses });
    }
    gathered
}

/// The part of a handle by which an endpoint's addresses are held that the endpoint itself knows.
#[must_use]
pub fn own_handle(endpoint: &WorkloadEndpoint) -> String {
    format!("{}.{}", endpoint.container_id, endpoint.interface)
}

/// Who holds an endpoint's addresses.
fn handle(index: &Index, endpoint: &WorkloadEndpoint) -> String {
    let own = own_handle(endpoint);
    let is_own = |handle: &str| {
        handle.strip_suffix(own.as_str()).is_some_and(|network| network.is_empty() || network.ends_with('.'))
    };
    let holders = endpoint.addresses.iter().filter_map(|address| index.who_has(*address));
    let mut handles = holders.map(|holding| holding.allocation.handle.as_str());
    handles.find(|handle| is_own(handle)).map_or(own.clone(), str::to_owned)
}
