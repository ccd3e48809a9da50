//! A cluster's objects as an engine and a model learn of them: one at a time, each there or gone.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Scenario;
use crate::engine::Engine;
use crate::model::{Endpoint, Model, Namespace, Node, Policy, PolicyId, PolicyKind, ServiceAccountId};
use crate::program::EndpointId;
use crate::selector::Labels;

/// One object, by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Namespace(String),
    Pod(EndpointId),
    Node(String),
    ServiceAccount(ServiceAccountId),
    Policy(PolicyId),
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
        keys.extend(self.policies().map(|(id, _)| Key::Policy(id)));
        keys
    }

    /// Tells an engine what there is under this name.
    pub(crate) fn deliver(&self, engine: &mut Engine, key: &Key) {
        match key {
            Key::Namespace(name) => engine.set_namespace(name, self.namespace_called(name)),
            Key::Pod(id) => engine.set_endpoint(id, self.endpoint_called(id)),
            Key::Node(name) => engine.set_node(name, self.node_called(name)),
            Key::ServiceAccount(id) => engine.set_service_account(id, self.account_called(id)),
            Key::Policy(id) => engine.set_policy(id, self.policy_called(id)),
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
            Key::Policy(gone) => {
                let is_other = |kind, metadata: &ObjectMeta| policy_id(kind, metadata) != *gone;
                cluster.policies.retain(|object| is_other(PolicyKind::NetworkPolicy, &object.metadata));
                cluster
                    .cluster_policies
                    .retain(|object| is_other(PolicyKind::ClusterNetworkPolicy, &object.metadata));
            }
        }
    }

    /// What everybody knows who knows everything.
    pub(crate) fn model(&self) -> Model {
        let mut model = Model::default();
        for key in self.keys() {
            match key {
                Key::Namespace(name) => {
                    let namespace = self.namespace_called(&name).unwrap();
                    model.namespaces.insert(name, namespace);
                }
                Key::Pod(id) => {
                    let endpoint = self.endpoint_called(&id).unwrap();
                    model.endpoints.insert(id, endpoint);
                }
                Key::Node(name) => {
                    let node = self.node_called(&name).unwrap();
                    model.nodes.insert(name, node);
                }
                Key::ServiceAccount(id) => {
                    let labels = self.account_called(&id).unwrap();
                    model.service_accounts.insert(id, labels);
                }
                Key::Policy(id) => {
                    let policy = self.policy_called(&id).unwrap();
                    model.policies.insert(id, policy);
                }
            }
        }
        model
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
        kubernetes.chain(cluster)
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
