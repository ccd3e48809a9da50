//! Everything that this node knows: what the datastore says, what BGP learned, what is attached.
//!
//! Updates are cheap and do no IO; planning and applying come later, once for many updates. Inputs depend on the
//! current state only, never on the order or number of the changes that led to it. Existence is decided by value:
//! a key has a value or it has none.

mod cluster;
mod fib;
mod noted;
pub mod statuses;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use datastore::{Change, Key, Kind, Resource, Revision, Unreadable, Versioned, WorkloadEndpoint};
use ipnetwork::IpNetwork;
use policy::program::EndpointId;

use crate::dataplane::nftables::Options;
use crate::plan::desired::InterfaceName;

pub use cluster::{Cluster, imagine};
pub use fib::Fib;
use noted::Noted;
pub use statuses::Statuses;

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
    /// What this node knows of its endpoints and the datastore not yet.
    noted: Noted,
    /// Endpoints attached to this node.
    pub workloads: BTreeMap<EndpointId, WorkloadEndpoint>,
    /// What the datastore says of everyone.
    pub cluster: Cluster,
    /// What BGP learned.
    pub fib: Fib,
    /// Where policies are in force.
    pub statuses: Statuses,
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
            noted: Noted::default(),
            workloads: BTreeMap::new(),
            cluster: Cluster::default(),
            fib: Fib::default(),
            statuses: Statuses::default(),
        }
    }

    /// Takes the datastore's whole content in: what is not in it is gone. What is in it and cannot be understood is as it was.
    pub fn reset(&mut self, revision: Revision, items: BTreeMap<Key, Versioned>, unreadable: &Unreadable) {
        for key in self.known_keys() {
            if !items.contains_key(&key)
                && !unreadable.contains_key(&key)
                && !self.is_older_than_known(&key, revision)
            {
                self.statuses.take(&key, revision, None);
                self.set(&key, None, revision);
            }
        }
        for (key, versioned) in items {
            if !self.is_older_than_known(&key, versioned.revision) {
                self.statuses.take(&key, versioned.revision, Some(&versioned.resource));
                self.set(&key, Some(versioned.resource), versioned.revision);
            }
        }
    }

    /// Takes one key's value in; true if that may change the plan.
    pub fn change(&mut self, change: Change) -> bool {
        if self.is_older_than_known(&change.key, change.revision) {
            return false;
        }
        self.floors.remove(&change.key);
        let value = change.value.as_ref().map(|versioned| &versioned.resource);
        self.statuses.take(&change.key, change.revision, value);
        self.set(&change.key, change.value.map(|versioned| versioned.resource), change.revision)
    }

    /// Whether this node itself wrote, and took in, something newer.
    fn is_older_than_known(&self, key: &Key, revision: Revision) -> bool {
        self.floors.get(key).is_some_and(|floor| revision < *floor)
    }

    /// A pod was attached here, by the write of this revision; without one the datastore does not know it yet, and what it says
    /// of the name does not count until [`Inputs::written`].
    pub fn attach(&mut self, workload: WorkloadEndpoint, written: Option<Revision>) {
        let id = workload.id();
        let key = endpoint_key(&id);
        self.noted.returned(&workload.host_interface);
        match written {
            Some(written) => {
                self.noted.lift(&id);
                self.floors.insert(key, written);
            }
            None => {
                self.floors.remove(&key);
                self.noted.pin(&id);
            }
        }
        self.set_endpoint(&id, Some(workload));
    }

    /// What was attached here without the datastore is written there, by this write; unless the name is another container's by
    /// now.
    pub fn written(&mut self, id: &EndpointId, container_id: &str, written: Revision) {
        let is_it = self.workloads.get(id).is_some_and(|workload| workload.container_id == container_id);
        if !is_it || !self.noted.is_pinned(id) {
            return;
        }
        self.floors.insert(endpoint_key(id), written);
        // Told meanwhile, and newer than the write.
        if let Some((revision, told)) = self.noted.lift(id).filter(|(revision, _)| *revision > written) {
            self.floors.insert(endpoint_key(id), revision);
            self.set_endpoint(id, told);
        }
    }

    /// A pod of this node goes; false if the name belongs to another container (or to none). Until [`Inputs::forgotten`],
    /// the datastore's word does not bring it back.
    pub fn detach(&mut self, id: &EndpointId, container_id: &str) -> bool {
        let is_it = self.workloads.get(id).filter(|workload| workload.container_id == container_id).cloned();
        let Some(workload) = is_it else { return false };
        self.noted.departed(&workload.host_interface);
        // The write that attached it may still be on its way here, and must not bring it back.
        if let Some(floor) = self.floors.get_mut(&endpoint_key(id)) {
            floor.0 += 1;
        }
        let told = self.noted.lift(id).and_then(|(_, told)| told);
        let other = told.filter(|told| !self.noted.is_departed(told, &self.node.name));
        self.set_endpoint(id, other);
        true
    }

    /// What was behind this host end is gone, whatever the datastore says until [`Inputs::forgotten`].
    pub fn depart(&mut self, host_interface: &str) {
        self.noted.departed(host_interface);
    }

    /// The datastore does not know any more of what was behind this host end.
    pub fn forgotten(&mut self, host_interface: &str) {
        self.noted.returned(host_interface);
    }

    fn set(&mut self, key: &Key, resource: Option<Resource>, revision: Revision) -> bool {
        let id = || EndpointId { namespace: key.namespace.clone(), name: key.name.clone() };
        match (key.kind, resource) {
            (Kind::Pod, Some(Resource::Pod(object))) => self.cluster.set_pod(&id(), Some(&object)),
            (Kind::Pod, _) => self.cluster.set_pod(&id(), None),
            (Kind::WorkloadEndpoint, Some(Resource::WorkloadEndpoint(object))) => {
                return self.told_of_endpoint(&id(), Some(*object), revision);
            }
            (Kind::WorkloadEndpoint, _) => return self.told_of_endpoint(&id(), None, revision),
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
        affinities.chain(self.cluster.known_keys()).chain(self.statuses.known_keys()).collect()
    }

    /// What the datastore says of an endpoint; false if that is not to count now.
    fn told_of_endpoint(
        &mut self,
        id: &EndpointId,
        told: Option<WorkloadEndpoint>,
        revision: Revision,
    ) -> bool {
        let told = told.filter(|told| !self.noted.is_departed(told, &self.node.name));
        if self.noted.is_pinned(id) {
            self.noted.tell(id, revision, told);
            return false;
        }
        self.set_endpoint(id, told);
        true
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

fn endpoint_key(id: &EndpointId) -> Key {
    Key::namespaced(Kind::WorkloadEndpoint, &id.namespace, &id.name)
}
