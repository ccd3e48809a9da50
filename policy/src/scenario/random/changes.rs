//! What may become of a cluster: one object comes, changes or goes.

use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{NAMESPACES, cluster, kubernetes, objects, own};
use crate::api;
use crate::api::{ClusterNetworkPolicy, GlobalNetworkPolicy, NetworkSet, Tier};
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
    EndpointSlice(Box<EndpointSlice>),
    NetworkSet(Box<NetworkSet>),
    GlobalNetworkSet(Box<NetworkSet>),
    Tier(Box<Tier>),
    OwnPolicy(Box<api::NetworkPolicy>),
    GlobalPolicy(Box<GlobalNetworkPolicy>),
    Staged(Box<api::NetworkPolicy>),
}

pub(crate) fn changes() -> impl Strategy<Value = Change> {
    let gone = any::<Index>().prop_map(Change::Gone);
    let namespace = select(NAMESPACES.to_vec()).prop_flat_map(objects::namespace);
    let policy =
        (0..6usize, kubernetes::policy_spec()).prop_map(|(index, spec)| kubernetes::policy(index, spec));
    let cluster_policy = (0..4usize, cluster::spec()).prop_map(|(index, spec)| cluster::policy(index, spec));
    let node = (0..2usize).prop_flat_map(objects::node);
    let slice = (0..4usize).prop_flat_map(objects::endpoint_slice);
    let set = |is_global| (0..3usize).prop_flat_map(move |index| objects::network_set(index, is_global));
    let tier = select(vec![0usize, 3, 4]).prop_flat_map(own::tier);
    let policy_of_ours = |is_global| {
        (0..4usize, own::spec(is_global)).prop_map(move |(index, spec)| own::policy(index, is_global, spec))
    };
    let account = (0..6usize).prop_flat_map(objects::service_account);
    prop_oneof![
        6 => gone,
        2 => namespace.prop_map(|object| Change::Namespace(Box::new(object))),
        10 => objects::pods().prop_map(|object| Change::Pod(Box::new(object))),
        1 => node.prop_map(|object| Change::Node(Box::new(object))),
        1 => account.prop_map(|object| Change::ServiceAccount(Box::new(object))),
        4 => policy.prop_map(|object| Change::Policy(Box::new(object))),
        3 => cluster_policy.prop_map(|object| Change::ClusterPolicy(Box::new(object))),
        1 => slice.prop_map(|object| Change::EndpointSlice(Box::new(object))),
        1 => set(false).prop_map(|object| Change::NetworkSet(Box::new(object))),
        1 => set(true).prop_map(|object| Change::GlobalNetworkSet(Box::new(object))),
        2 => tier.prop_map(|object| Change::Tier(Box::new(object))),
        4 => policy_of_ours(false).prop_map(|object| Change::OwnPolicy(Box::new(object))),
        2 => policy_of_ours(true).prop_map(|object| Change::GlobalPolicy(Box::new(object))),
        1 => policy_of_ours(false).prop_map(|object| Change::Staged(Box::new(object))),
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
            Self::EndpointSlice(object) => {
                put(&mut cluster.endpoint_slices, *object, |known| &known.metadata);
            }
            Self::NetworkSet(object) => put(&mut cluster.network_sets, *object, |known| &known.metadata),
            Self::GlobalNetworkSet(object) => {
                put(&mut cluster.global_network_sets, *object, |known| &known.metadata);
            }
            Self::Tier(object) => put(&mut cluster.tiers, *object, |known| &known.metadata),
            Self::OwnPolicy(object) => put(&mut cluster.own_policies, *object, |known| &known.metadata),
            Self::GlobalPolicy(object) => put(&mut cluster.global_policies, *object, |known| &known.metadata),
            Self::Staged(object) => put(&mut scenario.staged, *object, |known| &known.metadata),
            Self::ClusterPolicy(object) => {
                put(&mut cluster.cluster_policies, *object, |known| &known.metadata);
            }
            Self::Pod(object) => put(&mut cluster.pods, *object, |known| &known.metadata),
            Self::Policy(object) => put(&mut cluster.policies, *object, |known| &known.metadata),
        }
    }
}
