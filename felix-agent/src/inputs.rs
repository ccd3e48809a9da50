//! Everything that this node knows: what the datastore says, what BGP learned, what is attached.
//!
//! Updates are cheap and do no IO; planning and applying come later, once for many updates. Inputs depend on the
//! current state only, never on the order or number of the changes that led to it. Existence is decided by value:
//! a key has a value or it has none.

mod cluster;
mod fib;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use datastore::{Change, Key, Kind, Resource, Revision, Versioned, WorkloadEndpoint};
use ipnetwork::IpNetwork;
use policy::program::EndpointId;

use crate::dataplane::nftables::Options;
use crate::plan::desired::InterfaceName;

pub use cluster::Cluster;
pub use fib::Fib;

/// What this node knows.
#[derive(Debug)]
pub struct Inputs {
    /// Itself.
    pub node: Node,
    /// How it enforces policy.
    pub enforcement: Options,
    /// Links that lead out of the node, by name.
    pub uplinks: BTreeMap<InterfaceName, Uplink>,
    /// Own blocks whose affinity is confirmed.
    pub blocks: BTreeSet<IpNetwork>,
    /// The same, by the name of the affinity.
    affinities: BTreeMap<Key, IpNetwork>,
    /// The oldest revision from which the datastore's word on a key counts again: what this node wrote and took in
    /// itself, it may be told of late, after what came before it.
    floors: BTreeMap<Key, Revision>,
    /// Endpoints attached to this node.
    pub workloads: BTreeMap<EndpointId, WorkloadEndpoint>,
    /// What the datastore says of everyone.
    pub cluster: Cluster,
    /// What BGP learned.
    pub fib: Fib,
}

/// This node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its own addresses, at most one per family.
    pub addresses: Vec<IpAddr>,
}

/// A link that leads out of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// What is on-link there.
    pub subnets: Vec<IpNetwork>,
    /// Bytes of IP packet that fit one frame.
    pub mtu: u32,
    /// The host takes router advertisements there: its own way out, not ours to change.
    pub accepts_router_advertisements: bool,
}

impl Node {
    /// The node's own address of the same family: what it sends from.
    #[must_use]
    pub fn source_for(&self, destination: IpAddr) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| address.is_ipv4() == destination.is_ipv4())
    }
}

impl Inputs {
    /// Nothing known yet but the node itself.
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self {
            node,
            enforcement: Options::default(),
            uplinks: BTreeMap::new(),
            blocks: BTreeSet::new(),
            affinities: BTreeMap::new(),
            floors: BTreeMap::new(),
            workloads: BTreeMap::new(),
            cluster: Cluster::default(),
            fib: Fib::default(),
        }
    }

    /// Takes the datastore's whole content in: what is not in it is gone.
    pub fn reset(&mut self, revision: Revision, items: BTreeMap<Key, Versioned>) {
        for key in self.known_keys() {
            if !items.contains_key(&key) && !self.is_older_than_known(&key, revision) {
                self.set(&key, None);
            }
        }
        for (key, versioned) in items {
            if !self.is_older_than_known(&key, versioned.revision) {
                self.set(&key, Some(versioned.resource));
            }
        }
    }

    /// Takes one key's value in; true if that may change the plan.
    pub fn change(&mut self, change: Change) -> bool {
        if self.is_older_than_known(&change.key, change.revision) {
            return false;
        }
        self.floors.remove(&change.key);
        self.set(&change.key, change.value.map(|versioned| versioned.resource))
    }

    /// Whether this node itself wrote, and took in, something newer.
    fn is_older_than_known(&self, key: &Key, revision: Revision) -> bool {
        self.floors.get(key).is_some_and(|floor| revision < *floor)
    }

    /// A pod was attached here, by the write of this revision.
    pub fn attach(&mut self, workload: WorkloadEndpoint, written: Revision) {
        let id = workload.id();
        let key = Key::namespaced(Kind::WorkloadEndpoint, &id.namespace, &id.name);
        self.floors.insert(key, written);
        self.set_endpoint(&id, Some(workload));
    }

    /// A pod of this node goes; false if the name belongs to another container (or to none).
    pub fn detach(&mut self, id: &EndpointId, container_id: &str) -> bool {
        let is_it = self.workloads.get(id).is_some_and(|workload| workload.container_id == container_id);
        if is_it {
            // The write that attached it may still be on its way here, and must not bring it back.
            let key = Key::namespaced(Kind::WorkloadEndpoint, &id.namespace, &id.name);
            if let Some(floor) = self.floors.get_mut(&key) {
                floor.0 += 1;
            }
            self.set_endpoint(id, None);
        }
        is_it
    }

    fn set(&mut self, key: &Key, resource: Option<Resource>) -> bool {
        let id = || EndpointId { namespace: key.namespace.clone(), name: key.name.clone() };
        match (key.kind, resource) {
            (Kind::Pod, Some(Resource::Pod(object))) => self.cluster.set_pod(&id(), Some(&object)),
            (Kind::Pod, _) => self.cluster.set_pod(&id(), None),
            (Kind::WorkloadEndpoint, Some(Resource::WorkloadEndpoint(object))) => {
                self.set_endpoint(&id(), Some(*object))
            }
            (Kind::WorkloadEndpoint, _) => self.set_endpoint(&id(), None),
            (Kind::BlockAffinity, Some(Resource::BlockAffinity(affinity))) => {
                self.set_affinity(key, Some(&affinity))
            }
            (Kind::BlockAffinity, _) => self.set_affinity(key, None),
            // What else concerns the plan are policies; the rest matters to whoever assigns addresses.
            (_, resource) => return self.cluster.set_object(key, resource.as_ref()),
        }
        true
    }

    /// A block is this node's once its affinity is confirmed; a pending one may yet turn out to be another's.
    fn set_affinity(&mut self, key: &Key, affinity: Option<&ipam::Affinity>) {
        self.affinities.remove(key);
        let is_ours = |affinity: &&ipam::Affinity| {
            affinity.node == self.node.name && affinity.state == ipam::AffinityState::Confirmed
        };
        if let Some(affinity) = affinity.filter(is_ours) {
            self.affinities.insert(key.clone(), affinity.cidr);
        }
        self.blocks = self.affinities.values().copied().collect();
    }

    /// What the datastore was last known to hold, of the kinds that matter here.
    fn known_keys(&self) -> Vec<Key> {
        let affinities = self.affinities.keys().cloned();
        affinities.chain(self.cluster.known_keys()).collect()
    }

    fn set_endpoint(&mut self, id: &EndpointId, endpoint: Option<WorkloadEndpoint>) {
        let is_local = endpoint.as_ref().is_some_and(|endpoint| endpoint.node == self.node.name);
        let was_local = self.workloads.contains_key(id);
        match endpoint.as_ref().filter(|_| is_local) {
            Some(workload) => drop(self.workloads.insert(id.clone(), workload.clone())),
            None => drop(self.workloads.remove(id)),
        }
        if is_local != was_local {
            self.cluster.set_local(self.workloads.keys().cloned().collect());
        }
        self.cluster.set_endpoint(id, endpoint);
    }
}
