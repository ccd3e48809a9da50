//! What may become of a cluster: one object comes, changes or goes.

use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{NAMESPACES, cluster, kubernetes, objects};
use crate::api::ClusterNetworkPolicy;
use crate::scenario::Scenario;
use crate::scenario::build::put;
use crate::scenario::feed::Key;

/// One of them.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// An object that there is goes.
    Gone(Index),
    Namespace(Box<Namespace>),
    Pod(Box<Pod>),
    Node(Box<Node>),
    ServiceAccount(Box<ServiceAccount>),
    Policy(Box<NetworkPolicy>),
    ClusterPolicy(Box<ClusterNetworkPolicy>),
}

pub(crate) fn changes() -> impl Strategy<Value = Change> {
    let gone = any::<Index>().prop_map(Change::Gone);
    let namespace = select(NAMESPACES.to_vec()).prop_flat_map(objects::namespace);
    let policy =
        (0..6usize, kubernetes::policy_spec()).prop_map(|(index, spec)| kubernetes::policy(index, spec));
    let cluster_policy = (0..4usize, cluster::spec()).prop_map(|(index, spec)| cluster::policy(index, spec));
    let node = (0..2usize).prop_flat_map(objects::node);
    let account = (0..6usize).prop_flat_map(objects::service_account);
    prop_oneof![
        6 => gone,
        2 => namespace.prop_map(|object| Change::Namespace(Box::new(object))),
        10 => objects::pods().prop_map(|object| Change::Pod(Box::new(object))),
        1 => node.prop_map(|object| Change::Node(Box::new(object))),
        1 => account.prop_map(|object| Change::ServiceAccount(Box::new(object))),
        4 => policy.prop_map(|object| Change::Policy(Box::new(object))),
        3 => cluster_policy.prop_map(|object| Change::ClusterPolicy(Box::new(object))),
    ]
}

impl Change {
    /// Makes it.
    pub(crate) fn make(self, scenario: &mut Scenario) {
        let keys: Vec<Key> = scenario.keys().into_iter().collect();
        let cluster = &mut scenario.cluster;
        match self {
            Self::Gone(_) if keys.is_empty() => {}
            Self::Gone(index) => scenario.remove(index.get(&keys)),
            Self::Namespace(object) => put(&mut cluster.namespaces, *object, |known| &known.metadata),
            Self::Node(object) => put(&mut cluster.nodes, *object, |known| &known.metadata),
            Self::ServiceAccount(object) => {
                put(&mut cluster.service_accounts, *object, |known| &known.metadata);
            }
            Self::ClusterPolicy(object) => {
                put(&mut cluster.cluster_policies, *object, |known| &known.metadata);
            }
            Self::Pod(object) => put(&mut cluster.pods, *object, |known| &known.metadata),
            Self::Policy(object) => put(&mut cluster.policies, *object, |known| &known.metadata),
        }
    }
}
