//! The program of the local endpoints, kept up to date as things change.
//!
//! A change of an endpoint or a namespace touches the members of those sets whose selector it joined or left, at
//! once; it makes only those local endpoints *stale* whose policies or port names changed. Stale endpoints are compiled
//! again when the program is asked for, so a burst of changes costs each endpoint one compilation. At any time the
//! program equals [`compile`] of the same model.
//!
//! Sets exist only while a profile of a local endpoint uses them: what a remote policy selects is counted, and its
//! peers are not looked up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::compile::compile;
use crate::compile::lower::{Lowered, lower};
use crate::evaluate::Packet;
use crate::explain::{Explanation, explain};
use crate::index::{Change, Index, SelectorHandle};
use crate::model::{Endpoint, Model, Namespace, Policy, PolicyId};
use crate::program::{Direction, EndpointId, EndpointProgram, ProfileId, Program};

mod live;

#[cfg(test)]
mod tests;

use live::Live;

/// Model, index and program in step.
#[derive(Debug, Default)]
pub struct Engine {
    model: Model,
    local: BTreeSet<EndpointId>,
    index: Index,
    live: Live,
    /// The index entry of each policy's subjects.
    subjects: BTreeMap<PolicyId, SelectorHandle>,
    /// The policies with these subjects.
    isolating: BTreeMap<SelectorHandle, BTreeSet<PolicyId>>,
    /// Endpoints by address, for explanations.
    owners: BTreeMap<IpAddr, BTreeSet<EndpointId>>,
    /// Local endpoints to compile again.
    stale: BTreeSet<EndpointId>,
}

/// One policy, for listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySummary {
    /// Kind and name.
    pub id: PolicyId,
    /// The directions that it isolates in.
    pub directions: Vec<Direction>,
    /// How many endpoints it selects, over the whole fabric.
    pub endpoints: usize,
    /// What of it could not be used, and how that is treated.
    pub problems: Vec<String>,
}

impl Engine {
    /// Knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds, replaces or (`None`) removes a policy.
    ///
    /// `policy.id` is taken to be `id`.
    pub fn set_policy(&mut self, id: &PolicyId, policy: Option<Policy>) {
        let policy = policy.map(|policy| Policy { id: id.clone(), ..policy });
        if self.model.policies.get(id) == policy.as_ref() {
            return;
        }
        // The new before the old is let go: if both have the same subjects, they are not looked up again.
        let subjects = policy.as_ref().map(|policy| self.index.acquire(&policy.subjects()));
        self.detach(id);
        match (policy, subjects) {
            (Some(policy), Some(handle)) => {
                self.make_members_stale(handle);
                self.isolating.entry(handle).or_default().insert(id.clone());
                self.subjects.insert(id.clone(), handle);
                self.model.policies.insert(id.clone(), policy);
            }
            (None, _) | (_, None) => drop(self.model.policies.remove(id)),
        }
    }

    /// Adds, replaces or (`None`) removes a namespace.
    pub fn set_namespace(&mut self, name: &str, namespace: Option<Namespace>) {
        if self.model.namespaces.get(name) == namespace.as_ref() {
            return;
        }
        let changes = self.index.set_namespace(name, namespace.as_ref().map(|namespace| &namespace.labels));
        self.follow(&changes);
        match namespace {
            Some(namespace) => drop(self.model.namespaces.insert(name.to_owned(), namespace)),
            None => drop(self.model.namespaces.remove(name)),
        }
    }

    /// Adds, replaces or (`None`) removes an endpoint, local or not. `endpoint.id` is taken to be `id`.
    pub fn set_endpoint(&mut self, id: &EndpointId, endpoint: Option<Endpoint>) {
        let endpoint = endpoint.map(|endpoint| Endpoint { id: id.clone(), ..endpoint });
        if self.model.endpoints.get(id) == endpoint.as_ref() {
            return;
        }
        if self.local.contains(id) {
            self.stale.insert(id.clone());
        }
        // Where it stays selected, what it adds to sets may still change: out with the old, in with the new.
        let contents_change = match (self.model.endpoints.get(id), &endpoint) {
            (Some(old), Some(new)) => {
                (&old.addresses, &old.named_ports) != (&new.addresses, &new.named_ports)
                    || old.is_policed() != new.is_policed()
            }
            (None, _) | (_, None) => true,
        };
        if contents_change {
            self.remove_endpoint(id);
        }
        let Some(endpoint) = endpoint else { return };
        let changes = endpoint.is_policed().then(|| self.index.set_endpoint(id, &endpoint.labels));
        if endpoint.is_policed() {
            for address in &endpoint.addresses {
                self.owners.entry(*address).or_default().insert(id.clone());
            }
        }
        self.model.endpoints.insert(id.clone(), endpoint);
        self.follow(&changes.unwrap_or_default());
    }

    /// Says which endpoints are local. They need not be known yet.
    pub fn set_local(&mut self, local: BTreeSet<EndpointId>) {
        self.stale.extend(self.local.symmetric_difference(&local).cloned());
        self.local = local;
    }

    /// Brings the program up to date with all changes so far. Cheap if few were made.
    pub fn settle(&mut self) {
        for id in std::mem::take(&mut self.stale) {
            let compiled = self.compile_endpoint(&id);
            self.live.replace(&id, compiled, &mut self.index, &self.model);
        }
    }

    /// The program of the local endpoints, as of the last [`settle`](Self::settle).
    pub fn program(&self) -> &Program {
        self.live.program()
    }

    /// The policies that select an endpoint, sorted; empty if it is not known.
    pub fn policies_of(&self, id: &EndpointId) -> BTreeSet<&PolicyId> {
        let subjects = self.index.selectors_of(id);
        subjects.filter_map(|selector| self.isolating.get(&selector)).flatten().collect()
    }

    /// All policies, sorted.
    pub fn summaries(&self) -> Vec<PolicySummary> {
        let policies = self.model.policies.values();
        policies
            .map(|policy| PolicySummary {
                id: policy.id.clone(),
                directions: policy.directions().collect(),
                endpoints: self.subjects.get(&policy.id).map_or(0, |handle| self.index.count(*handle)),
                problems: policy.problems.iter().map(ToString::to_string).collect(),
            })
            .collect()
    }

    /// What both ends decide about a packet, local or not, and why.
    ///
    /// Of a local end it is what the program of this node decides; of a remote one, what its own node's program
    /// decides once it knows the same.
    pub fn explain(&self, packet: &Packet) -> Explanation {
        let ends = [packet.source, packet.destination];
        let owners = ends.iter().filter_map(|address| self.owner(*address)).cloned().collect();
        explain(&compile(&self.model_around(&ends), &owners), packet)
    }

    /// The part of the model that a packet between these addresses depends on: who else is in a set does not
    /// matter to it.
    fn model_around(&self, addresses: &[IpAddr]) -> Model {
        let mut part = Model::default();
        for id in addresses.iter().filter_map(|address| self.owners.get(address)).flatten() {
            let Some(endpoint) = self.model.endpoints.get(id) else { continue };
            part.endpoints.insert(id.clone(), endpoint.clone());
            if let Some(namespace) = self.model.namespaces.get(&id.namespace) {
                part.namespaces.insert(id.namespace.clone(), namespace.clone());
            }
            let policies = self.policies_of(id).into_iter().filter_map(|id| self.model.policies.get(id));
            part.policies.extend(policies.map(|policy| (policy.id.clone(), policy.clone())));
        }
        part
    }

    /// The endpoint that has an address; the local one, if (for a moment) several have it.
    pub fn owner(&self, address: IpAddr) -> Option<&EndpointId> {
        let owners = self.owners.get(&address)?;
        owners.iter().find(|id| self.local.contains(*id)).or_else(|| owners.first())
    }

    /// Everything known.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The endpoints that were named local.
    pub fn local(&self) -> &BTreeSet<EndpointId> {
        &self.local
    }

    fn compile_endpoint(&self, id: &EndpointId) -> Option<(EndpointProgram, Vec<Lowered>)> {
        let endpoint = self.model.endpoints.get(id).filter(|endpoint| endpoint.is_policed())?;
        if !self.local.contains(id) {
            return None;
        }
        let policies: Vec<&Policy> =
            self.policies_of(id).into_iter().filter_map(|id| self.model.policies.get(id)).collect();
        let mut lowered = Vec::new();
        let mut profile = |direction| -> Option<ProfileId> {
            let profile = lower(direction, endpoint, &policies)?;
            let id = profile.id.clone();
            lowered.push(profile);
            Some(id)
        };
        let ingress = profile(Direction::Ingress);
        let egress = profile(Direction::Egress);
        Some((EndpointProgram { addresses: endpoint.addresses.clone(), ingress, egress }, lowered))
    }

    /// Takes a policy's subjects out of the index.
    fn detach(&mut self, id: &PolicyId) {
        let Some(handle) = self.subjects.remove(id) else { return };
        self.make_members_stale(handle);
        if let Some(policies) = self.isolating.get_mut(&handle) {
            policies.remove(id);
            if policies.is_empty() {
                self.isolating.remove(&handle);
            }
        }
        self.index.release(handle);
    }

    fn remove_endpoint(&mut self, id: &EndpointId) {
        let changes = self.index.remove_endpoint(id);
        self.follow(&changes);
        let Some(endpoint) = self.model.endpoints.remove(id) else { return };
        for address in &endpoint.addresses {
            if let Some(owners) = self.owners.get_mut(address) {
                owners.remove(id);
                if owners.is_empty() {
                    self.owners.remove(address);
                }
            }
        }
    }

    /// Applies who joined and left what, while the model still has (or already has) the endpoints concerned.
    fn follow(&mut self, changes: &[Change]) {
        for change in changes {
            if self.isolating.contains_key(&change.selector) && self.local.contains(&change.endpoint) {
                self.stale.insert(change.endpoint.clone());
            }
            if let Some(endpoint) = self.model.endpoints.get(&change.endpoint) {
                self.live.member_changed(change.selector, endpoint, change.joined);
            }
        }
    }

    fn make_members_stale(&mut self, handle: SelectorHandle) {
        let members = self.index.members(handle);
        self.stale.extend(members.filter(|id| self.local.contains(*id)).cloned());
    }
}
