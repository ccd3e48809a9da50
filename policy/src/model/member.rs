//! All things that selectors select, under one name.

use super::{
    Endpoint, EndpointSelector, Facts, MemberKind, Model, NetworkSet, NetworkSetId, Node, Place,
    ServiceAccountId,
};
use crate::program::EndpointId;
use crate::selector::Labels;

/// The name of a thing that can be selected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MemberId {
    Endpoint(EndpointId),
    NetworkSet(NetworkSetId),
    Node(String),
}

/// A thing that can be selected.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Member<'a> {
    Endpoint(&'a Endpoint),
    NetworkSet(&'a NetworkSetId, &'a NetworkSet),
    Node(&'a Node),
}

impl MemberId {
    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Endpoint(id) => Place::Namespace(id.namespace.clone()),
            Self::NetworkSet(id) => id.namespace.clone().map_or(Place::Global, Place::Namespace),
            Self::Node(_) => Place::Nodes,
        }
    }
}

impl<'a> Member<'a> {
    /// What selectors see of it; `account_labels` are those of its service account, if that is known.
    pub(crate) fn facts(self, account_labels: Option<&'a Labels>) -> Facts<'a> {
        match self {
            Self::Endpoint(endpoint) => Facts {
                kind: MemberKind::Endpoint,
                namespace: Some(&endpoint.id.namespace),
                labels: &endpoint.labels,
                service_account: endpoint.service_account.as_deref(),
                account_labels,
            },
            Self::NetworkSet(id, set) => Facts {
                kind: MemberKind::NetworkSet,
                namespace: id.namespace.as_deref(),
                labels: &set.labels,
                service_account: None,
                account_labels: None,
            },
            Self::Node(node) => Facts {
                kind: MemberKind::Node,
                namespace: None,
                labels: &node.labels,
                service_account: None,
                account_labels: None,
            },
        }
    }

    fn place(self) -> Place {
        match self {
            Self::Endpoint(endpoint) => Place::Namespace(endpoint.id.namespace.clone()),
            Self::NetworkSet(id, _) => id.namespace.clone().map_or(Place::Global, Place::Namespace),
            Self::Node(_) => Place::Nodes,
        }
    }
}

impl Model {
    /// Everything that can be selected.
    pub(crate) fn members(&self) -> impl Iterator<Item = Member<'_>> {
        let endpoints = self.endpoints.values().filter(|endpoint| endpoint.is_policed());
        let sets = self.network_sets.iter().map(|(id, set)| Member::NetworkSet(id, set));
        endpoints.map(Member::Endpoint).chain(sets).chain(self.nodes.values().map(Member::Node))
    }

    /// The thing with a name, if it is known and can be selected.
    pub(crate) fn member(&self, id: &MemberId) -> Option<Member<'_>> {
        match id {
            MemberId::Endpoint(id) => {
                self.endpoints.get(id).filter(|endpoint| endpoint.is_policed()).map(Member::Endpoint)
            }
            MemberId::NetworkSet(id) => {
                self.network_sets.get_key_value(id).map(|(id, set)| Member::NetworkSet(id, set))
            }
            MemberId::Node(name) => self.nodes.get(name).map(Member::Node),
        }
    }

    /// Whether a thing is selected.
    pub(crate) fn contains(&self, selector: &EndpointSelector, member: Member<'_>) -> bool {
        let place = member.place();
        let labels = match &place {
            Place::Namespace(name) => self.namespaces.get(name).map(|namespace| &namespace.labels),
            Place::Global | Place::Nodes => None,
        };
        selector.namespaces.covers(&place, labels) && selector.accepts(member.facts(self.account_of(member)))
    }

    /// The labels of the service account of a thing, if it has one and it is known.
    fn account_of(&self, member: Member<'_>) -> Option<&Labels> {
        let Member::Endpoint(endpoint) = member else { return None };
        let namespace = endpoint.id.namespace.clone();
        let name = endpoint.service_account.clone()?;
        self.service_accounts.get(&ServiceAccountId { namespace, name })
    }
}
