//! The program of the local endpoints, kept up to date as things change.
//!
//! A change of something that selectors select (an endpoint, a namespace, a set of networks, a node, a service account)
//! or of a service touches the members of those sets that it joined or left, at once; it makes only those local
//! endpoints *stale* whose policies or port names changed. So does a change of a policy or a tier. Stale endpoints are
//! compiled again when the program is asked for, so a burst of changes costs each endpoint one compilation, and what a
//! policy comes to is shared by the endpoints that it selects. At any time the program equals [`compile`] of the same
//! model.
//!
//! Sets exist only while a profile of a local endpoint uses them: what a remote policy selects is counted, and its
//! peers are not looked up.
//!
//! What is staged is counted too, and otherwise only kept: [`Engine::pending_program`] compiles it when it is asked for.
//!
//! [`compile`]: crate::compile::compile

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::compile::profile::{Blocks, Parts};
use crate::delta::Delta;
use crate::index::{Change, Index, SelectorHandle};
use crate::model::member::MemberId;
use crate::model::{
    Backends, Endpoint, Model, Namespace, NetworkSet, NetworkSetId, Node, Policy, PolicyId, ServiceAccountId,
    ServiceId, Staged, Tier,
};
use crate::program::{Direction, EndpointId, EndpointProgram, Program};
use crate::selector::Labels;

mod live;
mod preview;
mod view;

#[cfg(test)]
mod tests;

use live::Live;
pub use view::{PolicySummary, Stage};

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
    /// The index entry of the subjects of what is staged.
    staged_subjects: BTreeMap<PolicyId, SelectorHandle>,
    /// Endpoints by address, for explanations.
    owners: BTreeMap<IpAddr, BTreeSet<EndpointId>>,
    /// What policies come to, as far as profiles in place have use for it.
    blocks: Blocks,
    /// Local endpoints to compile again.
    stale: BTreeSet<EndpointId>,
}

impl Engine {
    /// Knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds, replaces or (`None`) removes a policy. `policy.id` is taken to be `id`.
    pub fn set_policy(&mut self, id: &PolicyId, policy: Option<Policy>) {
        let policy = policy.map(|policy| Policy { id: id.clone(), ..policy });
        if self.model.policies.get(id) == policy.as_ref() {
            return;
        }
        // The new before the old is let go: if both have the same subjects, they are not looked up again.
        let subjects = policy.as_ref().map(|policy| self.index.acquire(&policy.subject));
        self.detach(id);
        self.blocks.forget(id);
        if let Some(handle) = subjects {
            self.make_members_stale(handle);
            self.isolating.entry(handle).or_default().insert(id.clone());
            self.subjects.insert(id.clone(), handle);
        }
        put(&mut self.model.policies, id, policy);
    }

    /// Stages a change of a policy, or (`None`) takes it back. A staged policy's id is taken to be `id`.
    pub fn set_staged(&mut self, id: &PolicyId, staged: Option<Staged>) {
        let staged = staged.map(|staged| match staged {
            Staged::Set(policy) => Staged::Set(Box::new(Policy { id: id.clone(), ..*policy })),
            Staged::Delete => Staged::Delete,
        });
        if let Some(handle) = self.staged_subjects.remove(id) {
            self.index.release(handle);
        }
        if let Some(Staged::Set(policy)) = &staged {
            self.staged_subjects.insert(id.clone(), self.index.acquire(&policy.subject));
        }
        put(&mut self.model.staged, id, staged);
    }

    /// Adds, replaces or (`None`) removes a tier. Those that are [built in](Tier::built_in) stay what they are.
    pub fn set_tier(&mut self, name: &str, tier: Option<Tier>) {
        let before = self.model.tier(name);
        put(&mut self.model.tiers, &name.to_owned(), tier);
        if self.model.tier(name) == before {
            return;
        }
        let policies = self.model.policies.values().filter(|policy| policy.tier == name);
        let handles: BTreeSet<SelectorHandle> =
            policies.filter_map(|policy| self.subjects.get(&policy.id)).copied().collect();
        for handle in handles {
            self.make_members_stale(handle);
        }
    }

    /// Adds, replaces or (`None`) removes a namespace.
    pub fn set_namespace(&mut self, name: &str, namespace: Option<Namespace>) {
        if self.model.namespaces.get(name) == namespace.as_ref() {
            return;
        }
        let changes = self.index.set_namespace(name, namespace.as_ref().map(|namespace| &namespace.labels));
        self.follow(&changes);
        put(&mut self.model.namespaces, &name.to_owned(), namespace);
    }

    /// Learns the labels of a service account, or (`None`) that there is no such account any more.
    pub fn set_service_account(&mut self, id: &ServiceAccountId, labels: Option<Labels>) {
        if self.model.service_accounts.get(id) == labels.as_ref() {
            return;
        }
        let changes = self.index.set_service_account(id, labels.as_ref());
        self.follow(&changes);
        put(&mut self.model.service_accounts, id, labels);
    }

    /// Adds, replaces or (`None`) removes an endpoint, local or not. `endpoint.id` is taken to be `id`.
    pub fn set_endpoint(&mut self, id: &EndpointId, endpoint: Option<Endpoint>) {
        let endpoint = endpoint.map(|endpoint| Endpoint { id: id.clone(), ..endpoint });
        let old = self.model.endpoints.get(id);
        if old == endpoint.as_ref() {
            return;
        }
        if self.local.contains(id) {
            self.stale.insert(id.clone());
        }
        let contents_change = match (old, &endpoint) {
            (Some(old), Some(new)) => {
                (&old.addresses, &old.named_ports) != (&new.addresses, &new.named_ports)
                    || old.is_policed() != new.is_policed()
            }
            (None, _) | (_, None) => true,
        };
        if contents_change {
            self.own(id, old.cloned().as_ref(), endpoint.as_ref());
        }
        let put_endpoint = |model: &mut Model| put(&mut model.endpoints, id, endpoint);
        self.set_member(&MemberId::Endpoint(id.clone()), contents_change, put_endpoint);
    }

    /// Adds, replaces or (`None`) removes a set of networks.
    pub fn set_network_set(&mut self, id: &NetworkSetId, set: Option<NetworkSet>) {
        let networks = |set: Option<&NetworkSet>| set.map(|set| set.networks.clone());
        let contents_change = networks(self.model.network_sets.get(id)) != networks(set.as_ref());
        let put_set = |model: &mut Model| put(&mut model.network_sets, id, set);
        self.set_member(&MemberId::NetworkSet(id.clone()), contents_change, put_set);
    }

    /// Adds, replaces or (`None`) removes a node.
    pub fn set_node(&mut self, name: &str, node: Option<Node>) {
        let addresses = |node: Option<&Node>| node.map(|node| node.addresses.clone());
        let contents_change = addresses(self.model.nodes.get(name)) != addresses(node.as_ref());
        let put_node = |model: &mut Model| put(&mut model.nodes, &name.to_owned(), node);
        self.set_member(&MemberId::Node(name.to_owned()), contents_change, put_node);
    }

    /// Adds, replaces or (`None`) removes a service.
    pub fn set_service(&mut self, id: &ServiceId, backends: Option<Backends>) {
        if self.model.services.get(id) == backends.as_ref() {
            return;
        }
        self.live.service_changed(id, &self.model, false);
        put(&mut self.model.services, id, backends);
        self.live.service_changed(id, &self.model, true);
    }

    /// Says which endpoints are local. They need not be known yet.
    pub fn set_local(&mut self, local: BTreeSet<EndpointId>) {
        self.stale.extend(self.local.symmetric_difference(&local).cloned());
        self.local = local;
    }

    /// Brings the program up to date with all changes so far. Cheap if few were made.
    pub fn settle(&mut self) {
        let stale = std::mem::take(&mut self.stale);
        for id in &stale {
            let endpoint = self.model.endpoints.get(id);
            let endpoint = endpoint.filter(|endpoint| endpoint.is_policed() && self.local.contains(id));
            let ids = self.policies_of(id).into_iter();
            let policies: Vec<&Policy> = ids.filter_map(|id| self.model.policies.get(id)).collect();
            let compiled =
                endpoint.map(|endpoint| compile_endpoint(&self.model, endpoint, &policies, &mut self.blocks));
            self.live.replace(id, compiled, &mut self.index, &self.model);
        }
        if !stale.is_empty() {
            self.blocks.sweep();
        }
    }

    /// The program of the local endpoints, as of the last [`settle`](Self::settle).
    pub fn program(&self) -> &Program {
        self.live.program()
    }

    /// What became different in the program since this was last asked; `None` the first time, for all of it. From then
    /// on it is noted, and kept until it is asked for.
    ///
    /// To be asked after [`settle`](Self::settle): members of sets change at once, everything else only then.
    pub fn take_delta(&mut self) -> Option<Delta> {
        self.live.take_delta()
    }

    /// Everything known.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The endpoints that were named local.
    pub fn local(&self) -> &BTreeSet<EndpointId> {
        &self.local
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

    /// Changes the model by `change`, which is about one thing that selectors select.
    ///
    /// Where it stays selected, what it adds to sets may still change (`contents_change`): out with the old, in with
    /// the new.
    fn set_member(&mut self, id: &MemberId, contents_change: bool, change: impl FnOnce(&mut Model)) {
        if contents_change {
            let changes = self.index.remove_member(id);
            self.follow(&changes);
        }
        change(&mut self.model);
        if let Some(member) = self.model.member(id) {
            let changes = self.index.set_member(id, member);
            self.follow(&changes);
        }
    }

    /// Notes whose addresses they are.
    fn own(&mut self, id: &EndpointId, old: Option<&Endpoint>, new: Option<&Endpoint>) {
        for address in old.into_iter().flat_map(|old| &old.addresses) {
            if let Some(owners) = self.owners.get_mut(address) {
                owners.remove(id);
                if owners.is_empty() {
                    self.owners.remove(address);
                }
            }
        }
        for address in new.filter(|new| new.is_policed()).into_iter().flat_map(|new| &new.addresses) {
            self.owners.entry(*address).or_default().insert(id.clone());
        }
    }

    /// Applies who joined and left what, while the model still has (or already has) the members concerned.
    fn follow(&mut self, changes: &[Change]) {
        for change in changes {
            if let MemberId::Endpoint(id) = &change.member
                && self.isolating.contains_key(&change.selector)
                && self.local.contains(id)
            {
                self.stale.insert(id.clone());
            }
            if let Some(member) = self.model.member(&change.member) {
                self.live.member_changed(change.selector, member, change.joined);
            }
        }
    }

    fn make_members_stale(&mut self, handle: SelectorHandle) {
        let endpoints = self.index.members(handle).filter_map(|id| match id {
            MemberId::Endpoint(id) => Some(id),
            MemberId::NetworkSet(_) | MemberId::Node(_) => None,
        });
        self.stale.extend(endpoints.filter(|id| self.local.contains(*id)).cloned());
    }
}

/// An endpoint that these policies select, and the parts of its profiles for ingress and egress.
fn compile_endpoint<'a>(
    model: &'a Model,
    endpoint: &Endpoint,
    policies: &[&'a Policy],
    blocks: &mut Blocks,
) -> (EndpointProgram, [Option<Parts<'a>>; 2]) {
    let parts = [Direction::Ingress, Direction::Egress].map(|direction| {
        Parts::of(model, direction, policies.iter().copied(), &endpoint.named_ports, blocks)
    });
    let name = |parts: &Option<Parts<'_>>| parts.as_ref().map(|parts| parts.id.clone());
    let [ingress, egress] = [&parts[0], &parts[1]].map(name);
    (EndpointProgram { addresses: endpoint.addresses.clone(), ingress, egress }, parts)
}

fn put<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, key: &K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key.clone(), value)),
        None => drop(map.remove(key)),
    }
}
