//! Small clusters for tests, written in the APIs' own YAML, and judged by everyone who can judge.
//!
//! - `build`: how a test writes its cluster;
//! - `feed`: how an engine and a model learn of it;
//! - `judge`: what the specification, the compiler's program, and the engine's program and explanation say of a packet;
//! - `random`: clusters that nobody wrote.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::api::StagedNetworkPolicy;
use crate::program::EndpointId;
use crate::spec::Cluster;

mod build;
pub(crate) mod feed;
mod judge;
pub(crate) mod random;

pub(crate) use build::{endpoint_id, policy_id, yaml};

/// A cluster.
#[derive(Clone, Default)]
pub(crate) struct Scenario {
    pub(crate) cluster: Cluster,
    /// What changes nothing.
    pub(crate) staged: Vec<StagedNetworkPolicy>,
}

/// Two namespaces with two pods each; `shop/db` and `bank/vault` serve named ports.
///
/// | pod | labels | addresses |
/// |---|---|---|
/// | `shop/web` | `app: web` | `10.0.0.1` `fd00::1` |
/// | `shop/db` | `app: db` | `10.0.0.2` `fd00::2` |
/// | `bank/web` | `app: web` | `10.0.1.1` `fd00::1:1` |
/// | `bank/vault` | `app: vault` | `10.0.1.2` `fd00::1:2` |
pub(crate) fn town() -> Scenario {
    Scenario::default()
        .namespace("shop", "{team: red}")
        .namespace("bank", "{team: blue}")
        .pod("shop/web", "10.0.0.1 fd00::1", "{app: web}", "{containers: []}")
        .pod(
            "shop/db",
            "10.0.0.2 fd00::2",
            "{app: db}",
            "{containers: [{name: db, ports: [{name: sql, containerPort: 5432}, {name: dns, containerPort: 53, protocol: UDP}]}]}",
        )
        .pod("bank/web", "10.0.1.1 fd00::1:1", "{app: web}", "{containers: []}")
        .pod(
            "bank/vault",
            "10.0.1.2 fd00::1:2",
            "{app: vault}",
            "{containers: [{name: vault, ports: [{name: sql, containerPort: 6543}]}]}",
        )
}

pub(crate) fn ids(texts: &[&str]) -> BTreeSet<EndpointId> {
    texts.iter().map(|text| endpoint_id(text)).collect()
}

/// Object by object, in a form that can be read when a property fails.
impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: Serialize>(f: &mut fmt::Formatter<'_>, kind: &str, objects: &[T]) -> fmt::Result {
            for object in objects {
                writeln!(f, "  {kind} {}", serde_json::to_string(object).unwrap())?;
            }
            Ok(())
        }
        let Cluster { namespaces, pods, nodes, service_accounts, endpoint_slices, .. } = &self.cluster;
        let Cluster { policies, cluster_policies, tiers, own_policies, global_policies, .. } = &self.cluster;
        let Cluster { network_sets, global_network_sets, .. } = &self.cluster;
        writeln!(f, "Scenario {{")?;
        list(f, "Namespace", namespaces)?;
        list(f, "Pod", pods)?;
        list(f, "Node", nodes)?;
        list(f, "ServiceAccount", service_accounts)?;
        list(f, "EndpointSlice", endpoint_slices)?;
        list(f, "NetworkSet", network_sets)?;
        list(f, "GlobalNetworkSet", global_network_sets)?;
        list(f, "NetworkPolicy", policies)?;
        list(f, "ClusterNetworkPolicy", cluster_policies)?;
        list(f, "Tier", tiers)?;
        list(f, "fabric NetworkPolicy", own_policies)?;
        list(f, "GlobalNetworkPolicy", global_policies)?;
        list(f, "StagedNetworkPolicy", &self.staged)?;
        write!(f, "}}")
    }
}
