//! Where policies are in force: what each node's agent reports, and what it must report.
//!
//! A node says of each kind of policy up to which revision its kernel follows it ([`PolicyStatus`]). Changes of one kind are told
//! in order, so that is all it takes: a policy is in force on a node if its own last write is no newer, and the node does
//! not name it among those that failed. A report is written only when a policy that concerns the node asks for it: one object
//! for each node, however many policies there are.

use std::collections::{BTreeMap, BTreeSet};

use datastore::{Key, Kind, PolicyStatus, Resource, Revision};
use policy::program::{EndpointId, PolicyId, PolicyKind};

use super::Inputs;

#[cfg(test)]
mod tests;

/// Up to which revision each kind of policy is known, or in the kernel.
pub type Seen = BTreeMap<Kind, Revision>;

/// Revisions of policies, and what nodes report.
#[derive(Debug, Default)]
pub struct Statuses {
    /// The last write of each policy.
    revisions: BTreeMap<Key, Revision>,
    seen: Seen,
    reported: BTreeMap<String, PolicyStatus>,
}

/// What a pass has made of policies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enforcement {
    /// The kernel holds what was planned, but for `unfulfilled`.
    pub stands: bool,
    /// What was planned.
    pub seen: Seen,
    /// Endpoints that do not have the policy that they should, and why.
    pub unfulfilled: BTreeMap<EndpointId, String>,
}

/// Where a policy is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Nodes with endpoints that it selects: `None` if it is in force there, else why not.
    pub nodes: BTreeMap<String, Option<String>>,
}

/// What the object of an enforced policy of this kind is.
#[must_use]
pub fn object_kind(kind: PolicyKind) -> Kind {
    match kind {
        PolicyKind::NetworkPolicy => Kind::NetworkPolicy,
        PolicyKind::ClusterNetworkPolicy => Kind::ClusterNetworkPolicy,
        PolicyKind::FabricNetworkPolicy => Kind::FabricNetworkPolicy,
        PolicyKind::GlobalNetworkPolicy => Kind::GlobalNetworkPolicy,
    }
}

fn key_of(id: &PolicyId) -> Key {
    let kind = object_kind(id.kind);
    match &id.namespace {
        Some(namespace) => Key::namespaced(kind, namespace, &id.name),
        None => Key::global(kind, &id.name),
    }
}

fn is_policy(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::NetworkPolicy
            | Kind::ClusterNetworkPolicy
            | Kind::FabricNetworkPolicy
            | Kind::GlobalNetworkPolicy
    )
}

impl Statuses {
    /// Takes a key's value in, as of a revision.
    pub(super) fn take(&mut self, key: &Key, revision: Revision, resource: Option<&Resource>) {
        if is_policy(key.kind) {
            let seen = self.seen.entry(key.kind).or_default();
            *seen = revision.max(*seen);
            match resource {
                Some(_) => drop(self.revisions.insert(key.clone(), revision)),
                None => drop(self.revisions.remove(key)),
            }
        }
        if let Some(Resource::PolicyStatus(status)) = resource {
            self.reported.insert(key.name.clone(), PolicyStatus::clone(status));
        } else if key.kind == Kind::PolicyStatus {
            self.reported.remove(&key.name);
        }
    }

    /// The keys of the reports.
    pub(super) fn known_keys(&self) -> impl Iterator<Item = Key> {
        self.reported.keys().map(|node| Key::global(Kind::PolicyStatus, node))
    }

    /// Up to which revision each kind of policy is known.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Why a policy is not in force on a node; `None` if it is.
    fn missing(&self, id: &PolicyId, node: &str) -> Option<String> {
        let Some(report) = self.reported.get(node) else {
            return Some("its agent has not reported yet".to_owned());
        };
        if let Some(reason) = report.failed.get(&id.to_string()) {
            return Some(reason.clone());
        }
        let key = key_of(id);
        let seen = report.seen.get(key.kind.name()).copied().unwrap_or_default();
        let is_newer = self.revisions.get(&key).is_some_and(|revision| revision.0 > seen);
        is_newer.then(|| "its agent has not reported the newest version yet".to_owned())
    }
}

impl Inputs {
    /// Where a policy is in force.
    #[must_use]
    pub fn reach(&self, id: &PolicyId) -> Reach {
        let selected = self.cluster.engine().selected_by(id);
        let nodes: BTreeSet<&String> =
            selected.filter_map(|id| self.cluster.endpoint(id)).map(|endpoint| &endpoint.node).collect();
        let missing = |node: &String| (node.clone(), self.statuses.missing(id, node));
        Reach { nodes: nodes.into_iter().map(missing).collect() }
    }

    /// What this node should report after a pass, where that is not what it has reported.
    #[must_use]
    pub fn report(&self, enforcement: &Enforcement) -> Option<PolicyStatus> {
        if !enforcement.stands {
            return None;
        }
        let mut failed: BTreeMap<String, String> = BTreeMap::new();
        for (endpoint, reason) in &enforcement.unfulfilled {
            for policy in self.cluster.policies_of(endpoint) {
                failed.entry(policy).or_insert_with(|| format!("{endpoint}: {reason}"));
            }
        }
        let seen = |(kind, revision): (&Kind, &Revision)| (kind.name().to_owned(), revision.0);
        let wanted = PolicyStatus {
            node: self.node.name.clone(),
            seen: enforcement.seen.iter().map(seen).collect(),
            failed,
        };
        let reported = self.statuses.reported.get(&self.node.name);
        self.must_report(&wanted, reported).then_some(wanted)
    }

    /// Whether somebody would be told something else.
    fn must_report(&self, wanted: &PolicyStatus, reported: Option<&PolicyStatus>) -> bool {
        let nothing = PolicyStatus::default();
        let known = reported.unwrap_or(&nothing);
        if known.failed != wanted.failed {
            return true;
        }
        let of = |status: &PolicyStatus, kind: Kind| status.seen.get(kind.name()).copied();
        let policies = self.workloads.keys().flat_map(|id| self.cluster.engine().policies_of(id));
        let concerning: BTreeSet<&PolicyId> = policies.collect();
        concerning.into_iter().any(|id| {
            let key = key_of(id);
            let (known, wanted) = (of(known, key.kind), of(wanted, key.kind));
            // What was reported to another store says nothing here.
            known > wanted
                || self.statuses.revisions.get(&key).is_some_and(|revision| {
                    known.is_none_or(|known| known < revision.0)
                        && wanted.is_some_and(|wanted| wanted >= revision.0)
                })
        })
    }
}
