//! Policies of every kind, and what they refer to: the datastore's objects as the policy engine knows them.
//!
//! Keys are kept of everything that is here, whether the engine has a use for it or not, so that what is no longer
//! listed is known to be gone.
//!
//! The slices of a service come and go one by one; the engine knows the service, which is all of them together.

use std::collections::BTreeMap;

use datastore::{Key, Kind, Resource};
use policy::model::{
    Backends, Model, Namespace, NetworkSet, NetworkSetId, Node, Policy, PolicyId, PolicyKind,
    ServiceAccountId, ServiceId, Staged, Tier, backends,
};

use super::Cluster;

/// The slices of each service, and whose each is.
#[derive(Debug, Default)]
pub(super) struct Slices {
    of_service: BTreeMap<ServiceId, BTreeMap<Key, Backends>>,
    service_of: BTreeMap<Key, ServiceId>,
}

impl Slices {
    /// Adds, replaces or (`None`) removes a slice, and says which services that changes.
    fn set(&mut self, key: &Key, slice: Option<(ServiceId, Backends)>) -> Vec<ServiceId> {
        let mut changed = Vec::new();
        if let Some(former) = self.service_of.remove(key) {
            if let Some(slices) = self.of_service.get_mut(&former) {
                slices.remove(key);
                if slices.is_empty() {
                    self.of_service.remove(&former);
                }
            }
            changed.push(former);
        }
        if let Some((service, backends)) = slice {
            self.of_service.entry(service.clone()).or_default().insert(key.clone(), backends);
            self.service_of.insert(key.clone(), service.clone());
            if !changed.contains(&service) {
                changed.push(service);
            }
        }
        changed
    }

    /// All that is behind a service; `None` if it has no slice.
    fn backends(&self, service: &ServiceId) -> Option<Backends> {
        self.of_service.get(service).map(|slices| slices.values().flatten().copied().collect())
    }
}

impl Cluster {
    /// Adds, replaces or (`None`) removes an object that is a policy or that policies refer to; pods and endpoints aside.
    /// False if it is of another kind.
    pub fn set_object(&mut self, key: &Key, resource: Option<&Resource>) -> bool {
        let Key { kind, namespace, name } = key;
        match kind {
            Kind::Namespace => self.engine.set_namespace(name, resource.and_then(to_namespace)),
            Kind::Node => self.engine.set_node(name, resource.and_then(to_node)),
            Kind::ServiceAccount => {
                let id = ServiceAccountId { namespace: namespace.clone(), name: name.clone() };
                let labels = resource.map(|account| {
                    let labels = account.labels().into_iter();
                    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
                });
                self.engine.set_service_account(&id, labels);
            }
            Kind::EndpointSlice => {
                let slice = resource.and_then(|resource| {
                    if let Resource::EndpointSlice(slice) = resource { backends(slice) } else { None }
                });
                for service in self.slices.set(key, slice) {
                    self.engine.set_service(&service, self.slices.backends(&service));
                }
            }
            Kind::Tier => self.engine.set_tier(name, resource.and_then(to_tier)),
            Kind::NetworkSet | Kind::GlobalNetworkSet => {
                let namespace = Some(namespace.clone()).filter(|namespace| !namespace.is_empty());
                let id = NetworkSetId { namespace, name: name.clone() };
                self.engine.set_network_set(&id, resource.and_then(to_set));
            }
            Kind::NetworkPolicy => self.set_policy(PolicyKind::NetworkPolicy, key, resource),
            Kind::ClusterNetworkPolicy => self.set_policy(PolicyKind::ClusterNetworkPolicy, key, resource),
            Kind::FabricNetworkPolicy => self.set_policy(PolicyKind::FabricNetworkPolicy, key, resource),
            Kind::GlobalNetworkPolicy => self.set_policy(PolicyKind::GlobalNetworkPolicy, key, resource),
            Kind::StagedNetworkPolicy => self.set_staged(PolicyKind::FabricNetworkPolicy, key, resource),
            Kind::StagedGlobalNetworkPolicy => {
                self.set_staged(PolicyKind::GlobalNetworkPolicy, key, resource)
            }
            Kind::StagedKubernetesNetworkPolicy => self.set_staged(PolicyKind::NetworkPolicy, key, resource),
            Kind::Pod
            | Kind::Lease
            | Kind::HostEndpoint
            | Kind::IpPool
            | Kind::IpReservation
            | Kind::IpamConfiguration
            | Kind::IpamBlock
            | Kind::BlockAffinity
            | Kind::IpamHandle
            | Kind::WorkloadEndpoint
            | Kind::PolicyStatus => return false,
        }
        match resource {
            Some(_) => self.objects.insert(key.clone()),
            None => self.objects.remove(key),
        };
        true
    }

    fn set_policy(&mut self, kind: PolicyKind, key: &Key, resource: Option<&Resource>) {
        let id = policy_id(kind, key);
        let policy = resource.and_then(|resource| to_policy(&id, resource));
        self.engine.set_policy(&id, policy);
    }

    fn set_staged(&mut self, kind: PolicyKind, key: &Key, resource: Option<&Resource>) {
        let id = policy_id(kind, key);
        let staged = resource.and_then(|resource| to_staged(&id, resource));
        self.engine.set_staged(&id, staged);
    }
}

/// What a model would be with an object, or (`None`) without it; false if it is neither a policy, staged or not, nor a
/// tier or a set of networks.
pub fn imagine(model: &mut Model, key: &Key, resource: Option<&Resource>) -> bool {
    let mut policy = |kind| {
        let id = policy_id(kind, key);
        let policy = resource.and_then(|resource| to_policy(&id, resource));
        put(&mut model.policies, id, policy);
    };
    match key.kind {
        Kind::NetworkPolicy => policy(PolicyKind::NetworkPolicy),
        Kind::ClusterNetworkPolicy => policy(PolicyKind::ClusterNetworkPolicy),
        Kind::FabricNetworkPolicy => policy(PolicyKind::FabricNetworkPolicy),
        Kind::GlobalNetworkPolicy => policy(PolicyKind::GlobalNetworkPolicy),
        Kind::StagedNetworkPolicy => imagine_staged(model, PolicyKind::FabricNetworkPolicy, key, resource),
        Kind::StagedGlobalNetworkPolicy => {
            imagine_staged(model, PolicyKind::GlobalNetworkPolicy, key, resource)
        }
        Kind::StagedKubernetesNetworkPolicy => {
            imagine_staged(model, PolicyKind::NetworkPolicy, key, resource)
        }
        Kind::Tier => put(&mut model.tiers, key.name.clone(), resource.and_then(to_tier)),
        Kind::NetworkSet | Kind::GlobalNetworkSet => {
            let namespace = Some(key.namespace.clone()).filter(|namespace| !namespace.is_empty());
            let id = NetworkSetId { namespace, name: key.name.clone() };
            put(&mut model.network_sets, id, resource.and_then(to_set));
        }
        Kind::Namespace
        | Kind::Node
        | Kind::ServiceAccount
        | Kind::EndpointSlice
        | Kind::Pod
        | Kind::Lease
        | Kind::HostEndpoint
        | Kind::IpPool
        | Kind::IpReservation
        | Kind::IpamConfiguration
        | Kind::IpamBlock
        | Kind::BlockAffinity
        | Kind::IpamHandle
        | Kind::WorkloadEndpoint
        | Kind::PolicyStatus => return false,
    }
    true
}

fn imagine_staged(model: &mut Model, kind: PolicyKind, key: &Key, resource: Option<&Resource>) {
    let id = policy_id(kind, key);
    let staged = resource.and_then(|resource| to_staged(&id, resource));
    put(&mut model.staged, id, staged);
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

fn to_namespace(resource: &Resource) -> Option<Namespace> {
    let Resource::Namespace(object) = resource else { return None };
    Namespace::from_kubernetes(object).ok().map(|(_, namespace)| namespace)
}

fn to_node(resource: &Resource) -> Option<Node> {
    let Resource::Node(object) = resource else { return None };
    Node::from_kubernetes(object).ok().map(|(_, node)| node)
}

fn to_tier(resource: &Resource) -> Option<Tier> {
    if let Resource::Tier(object) = resource { Some(Tier::from_own(object)) } else { None }
}

fn to_set(resource: &Resource) -> Option<NetworkSet> {
    if let Resource::NetworkSet(object) | Resource::GlobalNetworkSet(object) = resource {
        // A network that makes no sense is in no set.
        Some(NetworkSet::from_own(object).0)
    } else {
        None
    }
}

/// The id of a policy of this kind, or of the policy that a staged one would change.
fn policy_id(kind: PolicyKind, Key { namespace, name, .. }: &Key) -> PolicyId {
    let namespace = Some(namespace.clone()).filter(|namespace| !namespace.is_empty());
    PolicyId { kind, namespace, name: name.clone() }
}

fn to_policy(id: &PolicyId, resource: &Resource) -> Option<Policy> {
    let namespace = id.namespace.as_deref().unwrap_or_default();
    if let Resource::NetworkPolicy(object) = resource {
        Some(Policy::from_kubernetes(namespace, &id.name, object))
    } else if let Resource::ClusterNetworkPolicy(object) = resource {
        Some(Policy::from_cluster(&id.name, object))
    } else if let Resource::FabricNetworkPolicy(object) | Resource::GlobalNetworkPolicy(object) = resource {
        Some(Policy::from_own(id.clone(), object, false))
    } else {
        None
    }
}

fn to_staged(id: &PolicyId, resource: &Resource) -> Option<Staged> {
    let namespace = id.namespace.as_deref().unwrap_or_default();
    if let Resource::StagedNetworkPolicy(object) | Resource::StagedGlobalNetworkPolicy(object) = resource {
        Staged::from_own(id.clone(), object)
    } else if let Resource::StagedKubernetesNetworkPolicy(object) = resource {
        Staged::from_kubernetes(namespace, &id.name, object)
    } else {
        None
    }
}
