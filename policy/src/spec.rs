//! What policies mean, as slow and obvious as possible: the oracle that everything else is tested against.
//!
//! Written from the documentation of the APIs, over the APIs' own objects, one sentence after the other:
//!
//! - `kubernetes`: `networking.k8s.io/v1` NetworkPolicy (its types and the Network Policies concept page);
//! - `cluster`: `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy (its types, KEP-2091);
//! - `own`: tiers and policies of `fabric.rs/v1`, which mean what those of `projectcalico.org/v3` mean;
//! - `things`: pods and network sets, and the labels by which our own policies know them;
//! - `labels`, `expression` and `text`: selectors of both languages, networks and ports.
//!
//! It shares no code with the compiler, the evaluator, the validated model or the crate `selector`, has no sets and no
//! index, and decides each packet from nothing. Where the documentation leaves a choice, ours is named at the
//! function that makes it. Two of them are everywhere:
//!
//! - What cannot be used costs reachability, never protection. Of a NetworkPolicy, which only allows, the peer or the
//!   port matches nothing. Elsewhere a rule that allows matches nothing, and one that denies, passes or has an action of
//!   which nobody knows denies whatever it might mean.
//! - What is not known yet (a namespace's labels, a service account's) is selected only if any labels would do.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;

use crate::api;
use crate::evaluate::Packet;
use crate::program::Direction;

mod cluster;
mod expression;
mod kubernetes;
mod labels;
mod own;
mod text;
mod things;

#[cfg(test)]
mod tests;

/// All objects of a cluster that matter.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// Pods with their status.
    pub pods: Vec<Pod>,
    /// Nodes with their addresses.
    pub nodes: Vec<Node>,
    /// Service accounts.
    pub service_accounts: Vec<ServiceAccount>,
    /// What is behind services.
    pub endpoint_slices: Vec<EndpointSlice>,
    /// Policies of Kubernetes' own API.
    pub policies: Vec<NetworkPolicy>,
    /// Policies of administrators.
    pub cluster_policies: Vec<api::ClusterNetworkPolicy>,
    /// Tiers.
    pub tiers: Vec<api::Tier>,
    /// Our own policies of a namespace.
    pub own_policies: Vec<api::NetworkPolicy>,
    /// Our own policies of no namespace.
    pub global_policies: Vec<api::GlobalNetworkPolicy>,
    /// Networks of a namespace.
    pub network_sets: Vec<api::NetworkSet>,
    /// Networks of no namespace.
    pub global_network_sets: Vec<api::GlobalNetworkSet>,
}

/// What the ends say; `None` where no pod is at that end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the source may send.
    pub egress: Option<bool>,
    /// Whether the destination may receive.
    pub ingress: Option<bool>,
}

/// Whether each end allows the connection that begins with this packet.
pub fn judge(cluster: &Cluster, packet: &Packet) -> Judgement {
    let source = cluster.pod_at(packet.source);
    let destination = cluster.pod_at(packet.destination);
    // "A Pod cannot block access to itself."
    let itself = matches!((source, destination), (Some(from), Some(to)) if things::name_of(from) == things::name_of(to));
    Judgement {
        egress: source.map(|pod| itself || cluster.allows(pod, Direction::Egress, packet)),
        ingress: destination.map(|pod| itself || cluster.allows(pod, Direction::Ingress, packet)),
    }
}

/// What a rule does to a packet that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ruling {
    Allow,
    Deny,
    /// "Skips all further rules in the current tier, and passes evaluation to the next tier."
    Pass,
}

/// One policy of whatever kind.
#[derive(Debug, Clone, Copy)]
enum Policy<'a> {
    Kubernetes(&'a NetworkPolicy),
    Cluster(&'a api::ClusterNetworkPolicy),
    Namespaced(&'a api::NetworkPolicy),
    Global(&'a api::GlobalNetworkPolicy),
}

/// One tier.
#[derive(Debug, Clone)]
struct Tier {
    name: String,
    order: Option<f64>,
    /// What becomes of a packet that no rule of its policies decides, if it has any for the pod.
    denies: bool,
}

impl Cluster {
    /// Tier after tier. "If a given connection wasn't allowed or denied by any of the tiers, the default Kubernetes
    /// policy is applied, which says that all pods can communicate with each other."
    fn allows(&self, pod: &Pod, direction: Direction, packet: &Packet) -> bool {
        for tier in self.tiers_in_order() {
            let mut policies = self.policies();
            policies.retain(|policy| {
                policy.tier() == Some(&tier.name)
                    && policy.has_direction(direction)
                    && policy.selects(self, pod)
            });
            // Nothing of it is for this pod in this direction: as if it were not there.
            if policies.is_empty() {
                continue;
            }
            policies.sort_by(|a, b| is_before(a.order(), b.order()).then(a.rank().cmp(&b.rank())));
            let mut rulings = policies.iter().map(|policy| policy.ruling(self, direction, packet));
            match rulings.find_map(|ruling| ruling) {
                Some(Ruling::Allow) => return true,
                Some(Ruling::Deny) => return false,
                None if tier.denies => return false,
                Some(Ruling::Pass) | None => {}
            }
        }
        true
    }

    fn policies(&self) -> Vec<Policy<'_>> {
        let kubernetes = self.policies.iter().map(Policy::Kubernetes);
        let cluster = self.cluster_policies.iter().map(Policy::Cluster);
        let namespaced = self.own_policies.iter().map(Policy::Namespaced);
        let global = self.global_policies.iter().map(Policy::Global);
        kubernetes.chain(cluster).chain(namespaced).chain(global).collect()
    }

    /// "Tiers are ordered by their order, the least first; without an order last; equal ones by name." Three are always
    /// there, and no object changes them (our choice, and Calico's). A tier that policies name and that is not there is
    /// the last, and denies (our choice: what the policy allows then opens nothing, and what it denies is closed).
    fn tiers_in_order(&self) -> Vec<Tier> {
        let built_in = [("kube-admin", 1e3, false), ("default", 1e6, true), ("kube-baseline", 1e7, false)];
        let mut tiers: Vec<Tier> = built_in
            .into_iter()
            .map(|(name, order, denies)| Tier { name: name.to_owned(), order: Some(order), denies })
            .collect();
        for object in &self.tiers {
            let name = object.metadata.name.clone().unwrap_or_default();
            if !tiers.iter().any(|tier| tier.name == name) {
                let denies = object.spec.default_action != "Pass";
                tiers.push(Tier { name, order: object.spec.order, denies });
            }
        }
        for policy in self.policies() {
            let Some(name) = policy.tier() else { continue };
            if !tiers.iter().any(|tier| tier.name == name) {
                tiers.push(Tier { name: name.to_owned(), order: None, denies: true });
            }
        }
        tiers.sort_by(|a, b| is_before(a.order, b.order).then(a.name.cmp(&b.name)));
        tiers
    }

    fn pod_at(&self, address: IpAddr) -> Option<&Pod> {
        self.pods().find(|pod| things::has_address(pod, address))
    }
}

impl Policy<'_> {
    /// `None`: in none, hence without effect.
    fn tier(&self) -> Option<&str> {
        match self {
            Self::Kubernetes(_) => Some("default"),
            Self::Cluster(policy) => cluster::tier(policy),
            Self::Namespaced(policy) | Self::Global(policy) => Some(policy.spec.tier()),
        }
    }

    fn order(&self) -> Option<f64> {
        match self {
            Self::Kubernetes(_) => Some(1000.0),
            Self::Cluster(policy) => policy.spec.priority.map(f64::from),
            Self::Namespaced(policy) | Self::Global(policy) => policy.spec.order,
        }
    }

    /// Which of two policies with equal orders is first: by kind, namespace and name (our choice).
    fn rank(&self) -> (u8, Option<&String>, Option<&String>) {
        let (kind, metadata) = match self {
            Self::Kubernetes(policy) => (0, &policy.metadata),
            Self::Cluster(policy) => (1, &policy.metadata),
            Self::Namespaced(policy) => (2, &policy.metadata),
            Self::Global(policy) => (3, &policy.metadata),
        };
        (kind, metadata.namespace.as_ref(), metadata.name.as_ref())
    }

    fn has_direction(&self, direction: Direction) -> bool {
        match self {
            Self::Kubernetes(policy) => kubernetes::has_type(policy, direction),
            Self::Cluster(policy) => cluster::has_rules(policy, direction),
            Self::Namespaced(policy) | Self::Global(policy) => own::has_type(policy, direction),
        }
    }

    fn selects(&self, cluster: &Cluster, pod: &Pod) -> bool {
        match self {
            Self::Kubernetes(policy) => kubernetes::selects(policy, pod),
            Self::Cluster(policy) => cluster::selects(cluster, policy, pod),
            Self::Namespaced(policy) | Self::Global(policy) => own::selects(cluster, policy, pod),
        }
    }

    /// `None`: none of its rules decides.
    fn ruling(&self, cluster: &Cluster, direction: Direction, packet: &Packet) -> Option<Ruling> {
        match self {
            Self::Kubernetes(policy) => kubernetes::ruling(cluster, policy, direction, packet),
            Self::Cluster(policy) => cluster::ruling(cluster, policy, direction, packet),
            Self::Namespaced(policy) | Self::Global(policy) => {
                own::ruling(cluster, policy, direction, packet)
            }
        }
    }
}

/// The least is first, none is last.
fn is_before(a: Option<f64>, b: Option<f64>) -> std::cmp::Ordering {
    let number = |order: Option<f64>| order.unwrap_or(f64::INFINITY);
    number(a).total_cmp(&number(b))
}
