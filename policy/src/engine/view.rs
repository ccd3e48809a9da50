//! What there is to ask: policies, who has which, and what becomes of a packet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Engine;
use crate::compile::compile_pending;
use crate::evaluate::Packet;
use crate::explain::{Explanation, explain};
use crate::model::member::MemberId;
use crate::model::{Model, Policy, PolicyId, ServiceAccountId, Staged};
use crate::program::{Direction, EndpointId};

/// One policy, for listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySummary {
    /// Kind and name.
    pub id: PolicyId,
    /// Whether it is in force.
    pub stage: Stage,
    /// Its tier.
    pub tier: String,
    /// The directions that it isolates in.
    pub directions: Vec<Direction>,
    /// How many endpoints it selects, over the whole fabric.
    pub endpoints: usize,
    /// What of it could not be used, and how that is treated.
    pub problems: Vec<String>,
}

/// Whether a policy is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It is.
    Enforced,
    /// It is not, and only shows what it would do.
    Staged,
}

impl Engine {
    /// The policies that are enforced on an endpoint, sorted; empty if it is not known.
    pub fn policies_of(&self, id: &EndpointId) -> BTreeSet<&PolicyId> {
        let id = MemberId::Endpoint(id.clone());
        let subjects = self.index.selectors_of(&id);
        subjects.filter_map(|selector| self.isolating.get(&selector)).flatten().collect()
    }

    /// The endpoints that an enforced policy selects, over the whole fabric.
    pub fn selected_by(&self, id: &PolicyId) -> impl Iterator<Item = &EndpointId> {
        let handle = self.subjects.get(id).copied();
        let members = handle.into_iter().flat_map(|handle| self.index.members(handle));
        members.filter_map(|member| if let MemberId::Endpoint(id) = member { Some(id) } else { None })
    }

    /// All policies, sorted; then all that are staged to be set.
    pub fn summaries(&self) -> Vec<PolicySummary> {
        let enforced = self.model.policies.values().map(|policy| {
            let endpoints = self.subjects.get(&policy.id).map_or(0, |handle| self.index.count(*handle));
            self.summary(policy, Stage::Enforced, endpoints)
        });
        let staged = self.model.staged.values().filter_map(|staged| match staged {
            Staged::Set(policy) => {
                let handle = self.staged_subjects.get(&policy.id);
                let endpoints = handle.map_or(0, |handle| self.index.count(*handle));
                Some(self.summary(policy, Stage::Staged, endpoints))
            }
            Staged::Delete => None,
        });
        enforced.chain(staged).collect()
    }

    fn summary(&self, policy: &Policy, stage: Stage, endpoints: usize) -> PolicySummary {
        let tierless = (!self.model.has_tier(&policy.tier)).then(|| {
            format!(
                "spec.tier: there is no tier {:?}; until there is, it goes after all others and ends in deny",
                policy.tier
            )
        });
        PolicySummary {
            id: policy.id.clone(),
            stage,
            tier: policy.tier.clone(),
            directions: policy.directions().collect(),
            endpoints,
            problems: tierless.into_iter().chain(policy.problems.iter().map(ToString::to_string)).collect(),
        }
    }

    /// What both ends decide about a packet, local or not, and why.
    ///
    /// Of a local end it is what the program of this node decides; of a remote one, what its own node's program
    /// decides once it knows the same.
    pub fn explain(&self, packet: &Packet) -> Explanation {
        self.explain_preview(&BTreeMap::new(), packet)
    }

    /// What both ends would decide about a packet if what is staged were enforced.
    pub fn explain_pending(&self, packet: &Packet) -> Explanation {
        self.explain_preview(&self.model.staged, packet)
    }

    /// What both ends would decide about a packet if these changes of policies were made.
    pub fn explain_preview(&self, changes: &BTreeMap<PolicyId, Staged>, packet: &Packet) -> Explanation {
        let ends = [packet.source, packet.destination];
        explain(&compile_pending(&self.model_around(&ends, changes), &self.owners_of(&ends)), packet)
    }

    /// The endpoint that has an address; the local one, if (for a moment) several have it.
    pub fn owner(&self, address: IpAddr) -> Option<&EndpointId> {
        let owners = self.owners.get(&address)?;
        owners.iter().find(|id| self.local.contains(*id)).or_else(|| owners.first())
    }

    fn owners_of(&self, addresses: &[IpAddr]) -> BTreeSet<EndpointId> {
        addresses.iter().filter_map(|address| self.owner(*address)).cloned().collect()
    }

    /// The part of the model that a packet between these addresses depends on: who else is in a set does not
    /// matter to it.
    fn model_around(&self, addresses: &[IpAddr], changes: &BTreeMap<PolicyId, Staged>) -> Model {
        let (tiers, staged) = (self.model.tiers.clone(), changes.clone());
        let mut part = Model { tiers, staged, ..Model::default() };
        for id in addresses.iter().filter_map(|address| self.owners.get(address)).flatten() {
            self.copy_endpoint(id, &mut part);
        }
        let is_meant = |address: &IpAddr| addresses.contains(address);
        for (id, set) in &self.model.network_sets {
            if set.networks.iter().any(|network| addresses.iter().any(|address| network.contains(*address))) {
                part.network_sets.insert(id.clone(), set.clone());
                self.copy_namespace(id.namespace.as_deref(), &mut part);
            }
        }
        let nodes = self.model.nodes.iter().filter(|(_, node)| node.addresses.iter().any(is_meant));
        part.nodes.extend(nodes.map(|(name, node)| (name.clone(), node.clone())));
        for (id, backends) in &self.model.services {
            let behind = backends.iter().filter(|(address, _, _)| is_meant(address)).copied();
            part.services.insert(id.clone(), behind.collect());
        }
        part
    }

    /// An endpoint and what policies need to know of it, and those policies.
    fn copy_endpoint(&self, id: &EndpointId, part: &mut Model) {
        let Some(endpoint) = self.model.endpoints.get(id) else { return };
        part.endpoints.insert(id.clone(), endpoint.clone());
        self.copy_namespace(Some(&id.namespace), part);
        if let Some(name) = endpoint.service_account.clone() {
            let account = ServiceAccountId { namespace: id.namespace.clone(), name };
            let labels = self.model.service_accounts.get(&account);
            part.service_accounts.extend(labels.map(|labels| (account, labels.clone())));
        }
        let policies = self.policies_of(id).into_iter().filter_map(|id| self.model.policies.get(id));
        part.policies.extend(policies.map(|policy| (policy.id.clone(), policy.clone())));
    }

    fn copy_namespace(&self, name: Option<&str>, part: &mut Model) {
        let known = name.and_then(|name| self.model.namespaces.get_key_value(name));
        part.namespaces.extend(known.map(|(name, namespace)| (name.clone(), namespace.clone())));
    }
}
