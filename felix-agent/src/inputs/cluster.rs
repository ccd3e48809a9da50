//! What the datastore says of everyone: pods and endpoints; policies, and what they refer to (`objects`).
//!
//! A pod is known twice: its endpoint says where it is and with which addresses, its Pod object (where there is one)
//! says its labels, named ports and phase. Both are kept, and joined into the policy engine when either changes. A pod
//! without an endpoint has no address in the fabric, so policy need not know it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use datastore::{Key, Kind, WorkloadEndpoint};
use k8s_openapi::api::core::v1::Pod;
use policy::Engine;
use policy::delta::Delta;
use policy::model::Endpoint;
use policy::program::{EndpointId, Program};

mod objects;

use objects::Slices;
pub use objects::imagine;

/// Endpoints of the whole fabric, and the policy engine that knows them.
#[derive(Debug, Default)]
pub struct Cluster {
    endpoints: BTreeMap<EndpointId, WorkloadEndpoint>,
    /// How many of them have each address: two do while it passes from one to the other.
    addresses: BTreeMap<IpAddr, usize>,
    /// What policy needs of the Pod objects.
    pods: BTreeMap<EndpointId, Endpoint>,
    /// Keys of all that is neither.
    objects: BTreeSet<Key>,
    slices: Slices,
    engine: Engine,
}

impl Cluster {
    /// Adds, replaces or (`None`) removes an endpoint of any node.
    pub fn set_endpoint(&mut self, id: &EndpointId, endpoint: Option<WorkloadEndpoint>) {
        for address in endpoint.iter().flat_map(|endpoint| &endpoint.addresses) {
            *self.addresses.entry(*address).or_default() += 1;
        }
        let old = match endpoint {
            Some(endpoint) => self.endpoints.insert(id.clone(), endpoint),
            None => self.endpoints.remove(id),
        };
        for address in old.into_iter().flat_map(|old| old.addresses) {
            if let Entry::Occupied(mut count) = self.addresses.entry(address) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
        self.join(id);
    }

    /// Adds, replaces or (`None`) removes a Pod object.
    pub fn set_pod(&mut self, id: &EndpointId, pod: Option<&Pod>) {
        // One without a name cannot come out of the datastore; it would be nobody's.
        match pod.and_then(|pod| Endpoint::from_kubernetes(pod).ok()) {
            // A named port that makes no sense names no port.
            Some((pod, _problems)) => self.pods.insert(id.clone(), pod),
            None => self.pods.remove(id),
        };
        self.join(id);
    }

    /// Says which endpoints are this node's.
    pub fn set_local(&mut self, local: BTreeSet<EndpointId>) {
        self.engine.set_local(local);
    }

    /// Brings the program up to date with all changes so far. What became different since the last time; `None` the first
    /// time, for all of it.
    pub fn settle(&mut self) -> Option<Delta> {
        self.engine.settle();
        self.engine.take_delta()
    }

    /// The program of the local endpoints as of the last [`settle`](Self::settle).
    #[must_use]
    pub fn program(&self) -> &Program {
        self.engine.program()
    }

    /// The policy engine, for explanations.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Endpoints of the whole fabric.
    pub fn endpoints(&self) -> impl Iterator<Item = (&EndpointId, &WorkloadEndpoint)> {
        self.endpoints.iter()
    }

    /// One endpoint.
    #[must_use]
    pub fn endpoint(&self, id: &EndpointId) -> Option<&WorkloadEndpoint> {
        self.endpoints.get(id)
    }

    /// Whether an endpoint of the fabric has this address.
    #[must_use]
    pub fn has_address(&self, address: &IpAddr) -> bool {
        self.addresses.contains_key(address)
    }

    /// Labels as policy sees them: the Pod object's, else those of the CNI call.
    #[must_use]
    pub fn labels_of(&self, id: &EndpointId) -> BTreeMap<String, String> {
        match (self.pods.get(id), self.endpoints.get(id)) {
            (Some(pod), _) => pod.labels.clone(),
            (None, Some(endpoint)) => endpoint.labels.clone(),
            (None, None) => BTreeMap::new(),
        }
    }

    /// Keys of everything here.
    pub(super) fn known_keys(&self) -> impl Iterator<Item = Key> {
        let of = |kind| move |id: &EndpointId| Key::namespaced(kind, &id.namespace, &id.name);
        self.endpoints
            .keys()
            .map(of(Kind::WorkloadEndpoint))
            .chain(self.pods.keys().map(of(Kind::Pod)))
            .chain(self.objects.iter().cloned())
    }

    /// The policies that select an endpoint: `namespace/name`, sorted.
    #[must_use]
    pub fn policies_of(&self, id: &EndpointId) -> Vec<String> {
        self.engine.policies_of(id).into_iter().map(ToString::to_string).collect()
    }

    /// What the engine should know of this pod, from both of its sides.
    fn join(&mut self, id: &EndpointId) {
        let joined = self.endpoints.get(id).map(|endpoint| {
            let mut joined = self
                .pods
                .get(id)
                .cloned()
                .unwrap_or_else(|| Endpoint { labels: endpoint.labels.clone(), ..Endpoint::new(id.clone()) });
            // Addresses are what was attached, whatever the object's status says.
            joined.addresses = endpoint.addresses.iter().copied().collect();
            joined
        });
        self.engine.set_endpoint(id, joined);
    }
}
