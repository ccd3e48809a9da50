//! A cluster's objects as an engine and a model learn of them: one at a time, each there or gone.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Scenario;
use crate::engine::Engine;
use crate::model::{
    Backends, Endpoint, Model, Namespace, NetworkSet, NetworkSetId, Node, Policy, PolicyId, PolicyKind,
    ServiceAccountId, ServiceId, Staged, Tier, backends,
};
use crate::program::EndpointId;
use crate::selector::Labels;

/// One object, by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Namespace(String),
    Pod(EndpointId),
    Node(String),
    ServiceAccount(ServiceAccountId),
    Service(ServiceId),
    NetworkSet(NetworkSetId),
    Tier(String),
    Policy(PolicyId),
    Staged(PolicyId),
}

impl Scenario {
    /// All that there is.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        let cluster = &self.cluster;
        let mut keys = BTreeSet::new();
        keys.extend(cluster.namespaces.iter().map(|object| Key::Namespace(name(&object.metadata))));
        keys.extend(cluster.pods.iter().map(|object| Key::Pod(endpoint_id(&object.metadata))));
        keys.extend(cluster.nodes.iter().map(|object| Key::Node(name(&object.metadata))));
        let accounts = cluster.service_accounts.iter();
        keys.extend(accounts.map(|object| Key::ServiceAccount(account_id(&object.metadata))));
        keys.extend(cluster.endpoint_slices.iter().map(|slice| Key::Service(backends(slice).unwrap().0)));
        let sets = cluster.network_sets.iter().chain(&cluster.global_network_sets);
        keys.extend(sets.map(|object| Key::NetworkSet(set_id(&object.metadata))));
        keys.extend(cluster.tiers.iter().map(|object| Key::Tier(name(&object.metadata))));
        keys.extend(self.policies().map(|(id, _)| Key::Policy(id)));
        keys.extend(self.staged.iter().map(|object| Key::Staged(own_id(&object.metadata))));
        keys
    }

    /// Tells an engine what there is under this name.
    pub(crate) fn deliver(&self, engine: &mut Engine, key: &Key) {
        match key {
            Key::Namespace(name) => engine.set_namespace(name, self.namespace_called(name)),
            Key::Pod(id) => engine.set_endpoint(id, self.endpoint_called(id)),
            Key::Node(name) => engine.set_node(name, self.node_called(name)),
            Key::ServiceAccount(id) => engine.set_service_account(id, self.account_called(id)),
            Key::Service(id) => engine.set_service(id, self.service_called(id)),
            Key::NetworkSet(id) => engine.set_network_set(id, self.set_called(id)),
            Key::Tier(name) => engine.set_tier(name, self.tier_called(name)),
            Key::Policy(id) => engine.set_policy(id, self.policy_called(id)),
            Key::Staged(id) => engine.set_staged(id, self.staged_called(id)),
        }
    }

    /// Takes an object away.
    pub(crate) fn remove(&mut self, key: &Key) {
        let cluster = &mut self.cluster;
        match key {
            Key::Namespace(gone) => cluster.namespaces.retain(|object| name(&object.metadata) != *gone),
            Key::Pod(gone) => cluster.pods.retain(|object| endpoint_id(&object.metadata) != *gone),
            Key::Node(gone) => cluster.nodes.retain(|object| name(&object.metadata) != *gone),
            Key::ServiceAccount(gone) => {
                cluster.service_accounts.retain(|object| account_id(&object.metadata) != *gone);
            }
            Key::Service(gone) => cluster.endpoint_slices.retain(|slice| backends(slice).unwrap().0 != *gone),
            Key::NetworkSet(gone) => {
                cluster.network_sets.retain(|object| set_id(&object.metadata) != *gone);
                cluster.global_network_sets.retain(|object| set_id(&object.metadata) != *gone);
            }
            Key::Tier(gone) => cluster.tiers.retain(|object| name(&object.metadata) != *gone),
            Key::Staged(gone) => self.staged.retain(|object| own_id(&object.metadata) != *gone),
            Key::Policy(gone) => {
                let is_other = |kind, metadata: &ObjectMeta| policy_id(kind, metadata) != *gone;
                let is_other_own = |metadata: &ObjectMeta| own_id(metadata) != *gone;
                cluster.policies.retain(|object| is_other(PolicyKind::NetworkPolicy, &object.metadata));
                let kind = PolicyKind::ClusterNetworkPolicy;
                cluster.cluster_policies.retain(|object| is_other(kind, &object.metadata));
                cluster.own_policies.retain(|object| is_other_own(&object.metadata));
                cluster.global_policies.retain(|object| is_other_own(&object.metadata));
            }
        }
    }

    /// What everybody knows who knows everything.
    pub(crate) fn model(&self) -> Model {
        let mut model = Model::default();
        for key in self.keys() {
            self.tell(&mut model, key).unwrap();
        }
        model
    }

    fn tell(&self, model: &mut Model, key: Key) -> Option<()> {
        match key {
            Key::Namespace(name) => {
                drop(model.namespaces.insert(name.clone(), self.namespace_called(&name)?))
            }
            Key::Pod(id) => drop(model.endpoints.insert(id.clone(), self.endpoint_called(&id)?)),
            Key::Node(name) => drop(model.nodes.insert(name.clone(), self.node_called(&name)?)),
            Key::ServiceAccount(id) => {
                drop(model.service_accounts.insert(id.clone(), self.account_called(&id)?));
            }
            Key::Service(id) => drop(model.services.insert(id.clone(), self.service_called(&id)?)),
            Key::NetworkSet(id) => drop(model.network_sets.insert(id.clone(), self.set_called(&id)?)),
            Key::Tier(name) => drop(model.tiers.insert(name.clone(), self.tier_called(&name)?)),
            Key::Policy(id) => drop(model.policies.insert(id.clone(), self.policy_called(&id)?)),
            // One that would change nothing is none.
            Key::Staged(id) => {
                model.staged.extend(self.staged_called(&id).map(|staged| (id, staged)));
            }
        }
        Some(())
    }

    /// Of a node that has all pods.
    pub(crate) fn engine(&self) -> Engine {
        let mut engine = Engine::new();
        engine.set_local(self.pods());
        for key in self.keys() {
            self.deliver(&mut engine, &key);
        }
        engine
    }

    pub(crate) fn pods(&self) -> BTreeSet<EndpointId> {
        self.cluster.pods.iter().map(|object| endpoint_id(&object.metadata)).collect()
    }

    fn namespace_called(&self, wanted: &str) -> Option<Namespace> {
        let mut objects = self.cluster.namespaces.iter();
        let object = objects.find(|object| name(&object.metadata) == wanted)?;
        Some(Namespace::from_kubernetes(object).unwrap().1)
    }

    fn endpoint_called(&self, id: &EndpointId) -> Option<Endpoint> {
        let object = self.cluster.pods.iter().find(|object| endpoint_id(&object.metadata) == *id)?;
        let (endpoint, problems) = Endpoint::from_kubernetes(object).unwrap();
        assert_eq!(problems, []);
        Some(endpoint)
    }

    fn node_called(&self, wanted: &str) -> Option<Node> {
        let object = self.cluster.nodes.iter().find(|object| name(&object.metadata) == wanted)?;
        Some(Node::from_kubernetes(object).unwrap().1)
    }

    fn account_called(&self, id: &ServiceAccountId) -> Option<Labels> {
        let mut objects = self.cluster.service_accounts.iter();
        let object = objects.find(|object| account_id(&object.metadata) == *id)?;
        Some(object.metadata.labels.clone().unwrap_or_default())
    }

    /// All slices of a service together.
    fn service_called(&self, id: &ServiceId) -> Option<Backends> {
        let slices = self.cluster.endpoint_slices.iter().filter_map(backends);
        let parts: Vec<Backends> = slices.filter(|(of, _)| of == id).map(|(_, part)| part).collect();
        (!parts.is_empty()).then(|| parts.into_iter().flatten().collect())
    }

    fn set_called(&self, id: &NetworkSetId) -> Option<NetworkSet> {
        let mut objects = self.cluster.network_sets.iter().chain(&self.cluster.global_network_sets);
        let object = objects.find(|object| set_id(&object.metadata) == *id)?;
        Some(NetworkSet::from_own(object).0)
    }

    fn tier_called(&self, wanted: &str) -> Option<Tier> {
        let object = self.cluster.tiers.iter().find(|object| name(&object.metadata) == wanted)?;
        Some(Tier::from_own(object))
    }

    fn staged_called(&self, id: &PolicyId) -> Option<Staged> {
        let object = self.staged.iter().find(|object| own_id(&object.metadata) == *id)?;
        Staged::from_own(id.clone(), object)
    }

    fn policy_called(&self, id: &PolicyId) -> Option<Policy> {
        self.policies().find(|(known, _)| known == id).map(|(_, policy)| policy())
    }

    /// Policies of every kind, and what they are to the model.
    fn policies(&self) -> impl Iterator<Item = (PolicyId, Box<dyn Fn() -> Policy + '_>)> {
        let kubernetes = self.cluster.policies.iter().map(|object| {
            let id = policy_id(PolicyKind::NetworkPolicy, &object.metadata);
            let EndpointId { namespace, name } = endpoint_id(&object.metadata);
            let read = move || Policy::from_kubernetes(&namespace, &name, object);
            (id, Box::new(read) as Box<dyn Fn() -> Policy>)
        });
        let cluster = self.cluster.cluster_policies.iter().map(|object| {
            let id = policy_id(PolicyKind::ClusterNetworkPolicy, &object.metadata);
            let read = || Policy::from_cluster(&name(&object.metadata), object);
            (id, Box::new(read) as Box<dyn Fn() -> Policy>)
        });
        let own = self.cluster.own_policies.iter().chain(&self.cluster.global_policies).map(|object| {
            let id = own_id(&object.metadata);
            let read = {
                let id = id.clone();
                move || Policy::from_own(id.clone(), object, false)
            };
            (id, Box::new(read) as Box<dyn Fn() -> Policy>)
        });
        kubernetes.chain(cluster).chain(own)
    }
}

fn name(metadata: &ObjectMeta) -> String {
    metadata.name.clone().unwrap()
}

fn endpoint_id(metadata: &ObjectMeta) -> EndpointId {
    EndpointId { namespace: metadata.namespace.clone().unwrap(), name: name(metadata) }
}

fn account_id(metadata: &ObjectMeta) -> ServiceAccountId {
    ServiceAccountId { namespace: metadata.namespace.clone().unwrap(), name: name(metadata) }
}

fn policy_id(kind: PolicyKind, metadata: &ObjectMeta) -> PolicyId {
    PolicyId { kind, namespace: metadata.namespace.clone(), name: name(metadata) }
}

fn set_id(metadata: &ObjectMeta) -> NetworkSetId {
    NetworkSetId { namespace: metadata.namespace.clone(), name: name(metadata) }
}

/// Of a policy of ours.
fn own_id(metadata: &ObjectMeta) -> PolicyId {
    let is_global = metadata.namespace.is_none();
    let kind = if is_global { PolicyKind::GlobalNetworkPolicy } else { PolicyKind::FabricNetworkPolicy };
    policy_id(kind, metadata)
}
