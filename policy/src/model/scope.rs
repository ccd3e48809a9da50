//! Which endpoints (and sets of networks, and nodes) a policy speaks of.
//!
//! Two languages say so, the API's label selectors and our own expressions; they see different things. A label selector
//! sees the labels that an object has, and selects endpoints (or, where nodes are asked for, nodes). An expression
//! selects sets of networks as well, and sees two labels that everything of a namespace and every endpoint with a
//! service account is given: [`NAMESPACE_LABEL`] and [`SERVICE_ACCOUNT_LABEL`]. Nobody can give himself those.

use std::collections::BTreeSet;

use ::selector::{Expression, NAMESPACE_LABEL, Selector as OwnSelector};

use super::NAMESPACE_NAME_LABEL;
use crate::selector::{Anchor, Condition, Known, Labels, Predicate, Selector, truth};

/// The label by which endpoints tell the name of their service account to our own selectors.
pub const SERVICE_ACCOUNT_LABEL: &str = "projectcalico.org/serviceaccount";

/// The label by which namespaces and service accounts tell their own name to our own selectors.
pub const NAME_LABEL: &str = "projectcalico.org/name";

/// Endpoints by their namespaces, labels and service accounts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointSelector {
    /// In these namespaces,
    pub namespaces: NamespaceScope,
    /// those with matching labels,
    pub endpoints: Predicate,
    /// that run as one of these.
    pub service_accounts: Option<ServiceAccounts>,
}

/// Service accounts by name and labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ServiceAccounts {
    /// Called one of these; empty: any.
    pub names: BTreeSet<String>,
    /// With these labels. An account that is not known yet could have any, besides its name.
    pub selector: OwnSelector,
}

/// Namespaces by name or by labels, and what is in none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceScope {
    /// One namespace.
    Named(String),
    /// Those with matching labels. An expression that speaks of `global()` may add what is in no namespace.
    Matching(Predicate),
    /// No namespace: global sets of networks.
    Global,
    /// Every namespace and none.
    Everywhere,
    /// Not namespaces but nodes.
    Nodes,
}

/// Where a thing that can be selected is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Namespace(String),
    Global,
    Nodes,
}

/// What selectors see of a thing, besides its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) kind: MemberKind,
    /// `None` if it is in none.
    pub(crate) namespace: Option<&'a str>,
    pub(crate) labels: &'a Labels,
    pub(crate) service_account: Option<&'a str>,
    /// `None` if there is no account or it is not known.
    pub(crate) account_labels: Option<&'a Labels>,
}

/// What kinds of things are selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MemberKind {
    Endpoint,
    NetworkSet,
    Node,
}

impl EndpointSelector {
    /// Endpoints as the Kubernetes API selects them.
    pub fn kubernetes(namespaces: NamespaceScope, endpoints: Selector) -> Self {
        Self { namespaces, endpoints: Predicate::Kubernetes(endpoints), service_accounts: None }
    }

    /// Endpoints and sets of networks as our own selectors select them.
    pub fn own(namespaces: NamespaceScope, endpoints: OwnSelector) -> Self {
        Self { namespaces, endpoints: Predicate::Expression(endpoints), service_accounts: None }
    }

    /// Nodes by their labels.
    pub fn nodes(labels: Selector) -> Self {
        Self::kubernetes(NamespaceScope::Nodes, labels)
    }

    /// Every endpoint of the fabric.
    pub fn everything() -> Self {
        let namespaces = NamespaceScope::Matching(Predicate::Kubernetes(Selector::everything()));
        Self::kubernetes(namespaces, Selector::everything())
    }

    /// Whether it can select sets of networks.
    pub fn selects_networks(&self) -> bool {
        matches!(self.endpoints, Predicate::Expression(_))
            && self.service_accounts.is_none()
            && self.namespaces != NamespaceScope::Nodes
    }

    /// Whether a thing is selected, supposing that its place is one of ours.
    pub(crate) fn accepts(&self, facts: Facts<'_>) -> bool {
        let labels_fit = match &self.endpoints {
            Predicate::Kubernetes(selector) => {
                facts.kind != MemberKind::NetworkSet && selector.matches(facts.labels)
            }
            Predicate::Expression(selector) => {
                truth(selector.expression(), &|key| facts.label(key)) == Some(true)
            }
        };
        labels_fit && self.service_accounts.as_ref().is_none_or(|accounts| accounts.accept(facts))
    }

    /// A label that every selected thing must have, as an index files it (see [`Facts::cards`]).
    pub(crate) fn anchor(&self) -> Anchor<'_> {
        let names = self.service_accounts.as_ref().map(|accounts| &accounts.names);
        match (self.endpoints.anchor(), names) {
            (Anchor::Key(_) | Anchor::Nowhere, Some(names)) if !names.is_empty() => {
                Anchor::Values(SERVICE_ACCOUNT_LABEL, names.iter().map(String::as_str).collect())
            }
            // All things of a place have this one, or none has.
            (Anchor::Values(NAMESPACE_LABEL, _) | Anchor::Key(NAMESPACE_LABEL), _) => Anchor::Nowhere,
            (anchor, _) => anchor,
        }
    }
}

impl ServiceAccounts {
    fn accept(&self, facts: Facts<'_>) -> bool {
        let Some(name) = facts.service_account else { return false };
        let label = |key: &str| match (key, facts.account_labels) {
            (NAME_LABEL, _) => Known::Value(name),
            (key, Some(labels)) => Known::of(labels, key),
            (_, None) => Known::Nothing,
        };
        (self.names.is_empty() || self.names.contains(name))
            && truth(self.selector.expression(), &label) == Some(true)
    }
}

impl NamespaceScope {
    /// Namespaces by their labels. A selector that asks only for one name is that namespace, and does not wait for its
    /// labels.
    pub fn matching(predicate: Predicate) -> Self {
        let name = match &predicate {
            Predicate::Kubernetes(selector) => only_name(selector),
            Predicate::Expression(selector) => {
                let expression = selector.expression();
                if *expression == Expression::Global {
                    return Self::Global;
                }
                only_name_of(expression)
            }
        };
        match name {
            Some(name) => Self::Named(name.clone()),
            None => Self::Matching(predicate),
        }
    }

    /// Whether the namespace is one of them.
    ///
    /// The labels of a namespace that is not known yet (`None`) could be any, except that one of them is its name:
    /// it belongs only if it would belong with any labels. So a pod that is seen before its namespace is not
    /// let in because a label is "missing".
    pub fn contains(&self, name: &str, labels: Option<&Labels>) -> bool {
        match (self, labels) {
            (Self::Named(own), _) => own == name,
            (Self::Everywhere, _) => true,
            (Self::Global | Self::Nodes, _) => false,
            (Self::Matching(Predicate::Kubernetes(selector)), Some(labels)) => selector.matches(labels),
            (Self::Matching(Predicate::Kubernetes(selector)), None) => {
                let certain = Labels::from([(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned())]);
                selector.matches(&certain)
                    && selector.requirements().all(|requirement| requirement.key == NAMESPACE_NAME_LABEL)
            }
            (Self::Matching(Predicate::Expression(selector)), labels) => {
                let label = |key: &str| match (key, labels) {
                    (NAMESPACE_LABEL | NAMESPACE_NAME_LABEL | NAME_LABEL, _) => Known::Value(name),
                    (key, Some(labels)) => Known::of(labels, key),
                    (_, None) => Known::Nothing,
                };
                truth(selector.expression(), &label) == Some(true)
            }
        }
    }

    /// Whether things of a place belong; `labels` are those of the namespace, if it is one and known.
    pub(crate) fn covers(&self, place: &Place, labels: Option<&Labels>) -> bool {
        match (self, place) {
            (_, Place::Namespace(name)) => self.contains(name, labels),
            (Self::Nodes, Place::Nodes) | (Self::Global | Self::Everywhere, Place::Global) => true,
            // "All namespaces" and "namespaces without a label" do not mean what is in none, unless it is asked for.
            (Self::Matching(Predicate::Expression(selector)), Place::Global) => {
                let expression = selector.expression();
                speaks_of_global(expression) && truth(expression, &|_| Known::Absent) == Some(true)
            }
            (Self::Named(_) | Self::Matching(_) | Self::Nodes, Place::Global) => false,
            (Self::Named(_) | Self::Matching(_) | Self::Global | Self::Everywhere, Place::Nodes) => false,
        }
    }
}

impl<'a> Facts<'a> {
    /// A label as our own expressions see it.
    fn label(&self, key: &str) -> Known<'a> {
        let given = |value: Option<&'a str>| value.map_or(Known::Absent, Known::Value);
        match key {
            NAMESPACE_LABEL => given(self.namespace),
            SERVICE_ACCOUNT_LABEL => given(self.service_account),
            _ => Known::of(self.labels, key),
        }
    }

    /// Under what an index files it: every label that it has in the eyes of either language.
    pub(crate) fn cards(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let labels = self.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        labels.chain(self.service_account.map(|name| (SERVICE_ACCOUNT_LABEL, name)))
    }
}

fn only_name_of(expression: &Expression) -> Option<&String> {
    let Expression::Equal { key, value } = expression else { return None };
    [NAMESPACE_NAME_LABEL, NAME_LABEL, NAMESPACE_LABEL].contains(&key.as_str()).then_some(value)
}

fn only_name(selector: &Selector) -> Option<&String> {
    let mut requirements = selector.requirements();
    match (requirements.next(), requirements.next()) {
        (Some(only), None) if only.key == NAMESPACE_NAME_LABEL => match &only.condition {
            Condition::In(names) if names.len() == 1 => names.first(),
            Condition::In(_) | Condition::NotIn(_) | Condition::Exists | Condition::DoesNotExist => None,
        },
        _ => None,
    }
}

/// The depth of a selector is bounded by its language.
fn speaks_of_global(expression: &Expression) -> bool {
    match expression {
        Expression::Global => true,
        Expression::Not(operand) => speaks_of_global(operand),
        Expression::And(operands) | Expression::Or(operands) => operands.iter().any(speaks_of_global),
        Expression::All | Expression::Has(_) | Expression::In { .. } | Expression::NotIn { .. } => false,
        Expression::Equal { .. } | Expression::NotEqual { .. } | Expression::Contains { .. } => false,
        Expression::StartsWith { .. } | Expression::EndsWith { .. } => false,
    }
}
