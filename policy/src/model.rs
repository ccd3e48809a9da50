//! What the engine knows: namespaces, endpoints, policies and what they speak of, validated.
//!
//! Values of this module cannot be half valid: what the API server would have rejected is reported as a
//! [`Problem`] and *narrowed* on the way in. An unusable peer or port matches nothing where the rule allows; an unusable
//! subject selector isolates and allows nothing. A broken object may cost reachability, never protection.
//!
//! All kinds of policies become one: a [`Policy`] has a tier and a place in it, selects endpoints, and has rules. What is
//! staged is kept beside them, by the id of the policy that it would change.
//!
//! Absent, and deliberately so: anything of the node (interfaces, routes) and anything of time. A pod's phase is
//! reduced to [`Endpoint::finished`]; a Terminating pod is an endpoint like any other until it is removed.

use std::collections::BTreeMap;
use std::fmt;

use crate::program::EndpointId;
use crate::selector::Labels;

mod cluster_network_policy;
mod endpoint;
pub(crate) mod member;
mod network_policy;
mod own;
mod rule;
mod scope;
mod tier;
mod workload;

#[cfg(test)]
mod tests;

pub use crate::program::{PolicyId, PolicyKind};
pub(crate) use endpoint::ports_named;
pub use endpoint::{
    Backends, Endpoint, NAMESPACE_NAME_LABEL, NamedPort, Namespace, NetworkSet, NetworkSetId, Node,
    ServiceAccountId, ServiceId,
};
pub use own::backends;
pub use rule::{Conditions, Entity, Icmp, Peer, Policy, PolicyRule, PortMatch, Service, Staged};
pub use scope::{EndpointSelector, NAME_LABEL, NamespaceScope, SERVICE_ACCOUNT_LABEL, ServiceAccounts};
pub(crate) use scope::{Facts, MemberKind, Place};
pub use tier::{ADMIN_TIER, BASELINE_TIER, DEFAULT_TIER, NETWORK_POLICY_ORDER, Order, Tier};
pub use workload::Unnamed;

/// Everything known at one time; input of [`compile`](crate::compile::compile).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// Namespaces by name. Endpoints may be of namespaces that are not (yet) known.
    pub namespaces: BTreeMap<String, Namespace>,
    /// Endpoints of the whole fabric.
    pub endpoints: BTreeMap<EndpointId, Endpoint>,
    /// Labels of service accounts. Endpoints may run as accounts that are not (yet) known.
    pub service_accounts: BTreeMap<ServiceAccountId, Labels>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Node>,
    /// Sets of networks.
    pub network_sets: BTreeMap<NetworkSetId, NetworkSet>,
    /// Services.
    pub services: BTreeMap<ServiceId, Backends>,
    /// Tiers by name, besides the [built-in](Tier::built_in) ones. Policies may be of tiers that are not (yet) known.
    pub tiers: BTreeMap<String, Tier>,
    /// Policies of the whole fabric.
    pub policies: BTreeMap<PolicyId, Policy>,
    /// What is staged.
    pub staged: BTreeMap<PolicyId, Staged>,
}

impl Model {
    /// Whether the peer or subject selector selects the endpoint.
    pub fn selects(&self, selector: &EndpointSelector, endpoint: &Endpoint) -> bool {
        endpoint.is_policed() && self.contains(selector, member::Member::Endpoint(endpoint))
    }

    /// A tier by its name: the built-in one, else that of the object, else [`Tier::unknown`].
    pub fn tier(&self, name: &str) -> Tier {
        Tier::built_in(name).or_else(|| self.tiers.get(name).cloned()).unwrap_or_else(Tier::unknown)
    }

    /// Whether there is a tier of this name.
    pub fn has_tier(&self, name: &str) -> bool {
        Tier::built_in(name).is_some() || self.tiers.contains_key(name)
    }

    /// The policies as they would be if what is staged were enforced.
    pub fn pending(&self) -> impl Iterator<Item = &Policy> {
        let kept = self.policies.iter().filter(|(id, _)| !self.staged.contains_key(id));
        let staged = self.staged.values().filter_map(|staged| match staged {
            Staged::Set(policy) => Some(&**policy),
            Staged::Delete => None,
        });
        kept.map(|(_, policy)| policy).chain(staged)
    }
}

/// Something in an object that could not be used, and how it is treated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where, as a path in the object: `spec.ingress[0].from[1].ipBlock.cidr`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Problem {
    /// A problem at a field.
    pub fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.what)
    }
}
