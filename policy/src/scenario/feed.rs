//! A cluster's objects as an engine and a model learn of them: one at a time, each there or gone.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Scenario;
use crate::engine::Engine;
use crate::model::{Endpoint, Model, Namespace, Policy};
use crate::program::{EndpointId, PolicyId, PolicyKind};

/// One object, by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Namespace(String),
    Pod(EndpointId),
    Policy(PolicyId),
}

impl Scenario {
    /// All that there is.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        let cluster = &self.cluster;
        let namespaces = cluster.namespaces.iter().map(|object| Key::Namespace(name(&object.metadata)));
        let pods = cluster.pods.iter().map(|object| Key::Pod(endpoint_id(&object.metadata)));
        let policies = cluster.policies.iter().map(|object| Key::Policy(kubernetes_id(object)));
        namespaces.chain(pods).chain(policies).collect()
    }

    /// Tells an engine what there is under this name.
    pub(crate) fn deliver(&self, engine: &mut Engine, key: &Key) {
        match key {
            Key::Namespace(name) => engine.set_namespace(name, self.namespace_called(name)),
            Key::Pod(id) => engine.set_endpoint(id, self.endpoint_called(id)),
            Key::Policy(id) => engine.set_policy(id, self.policy_called(id)),
        }
    }

    /// Takes an object away.
    pub(crate) fn remove(&mut self, key: &Key) {
        let cluster = &mut self.cluster;
        match key {
            Key::Namespace(gone) => cluster.namespaces.retain(|object| name(&object.metadata) != *gone),
            Key::Pod(gone) => cluster.pods.retain(|object| endpoint_id(&object.metadata) != *gone),
            Key::Policy(gone) => cluster.policies.retain(|object| kubernetes_id(object) != *gone),
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

    fn policy_called(&self, id: &PolicyId) -> Option<Policy> {
        let object = self.cluster.policies.iter().find(|object| kubernetes_id(object) == *id)?;
        let EndpointId { namespace, name } = endpoint_id(&object.metadata);
        Some(Policy::from_kubernetes(&namespace, &name, object))
    }
}

fn name(metadata: &ObjectMeta) -> String {
    metadata.name.clone().unwrap()
}

fn endpoint_id(metadata: &ObjectMeta) -> EndpointId {
    EndpointId { namespace: metadata.namespace.clone().unwrap(), name: name(metadata) }
}

fn kubernetes_id(object: &NetworkPolicy) -> PolicyId {
    let EndpointId { namespace, name } = endpoint_id(&object.metadata);
    PolicyId::namespaced(PolicyKind::NetworkPolicy, namespace, name)
}
