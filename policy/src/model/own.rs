//! From our own kinds (`fabric.rs/v1`) to [`Policy`], [`Staged`], [`Tier`] and [`NetworkSet`], and from the endpoint
//! slices of services to [`Backends`].
//!
//! What cannot be read narrows: a rule that allows or logs then matches nothing, a rule that denies matches without the
//! condition that cannot be read, and a rule that passes on denies so. A policy of which not all is understood denies
//! what it denies or passes on, and allows nothing; if its subject cannot be read, it is for all that its namespaces have. (`apply` refuses all of
//! that; what comes here has been written past it.)
//!
//! Policies that judge before connections are tracked or destinations translated are for host endpoints only, which
//! nobody enforces here: they say nothing about pods.

use std::collections::BTreeSet;

use ::selector::Selector as OwnSelector;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::{
    Backends, EndpointSelector, NamespaceScope, NetworkSet, Order, Policy, PolicyId, PolicyRule, Problem,
    ServiceAccounts, ServiceId, Staged, Tier,
};
use crate::api;
use crate::api::Rest;
use crate::api::own::PolicySpec;
use crate::api::word;
use crate::program::{Action, PolicyKind, Protocol, TierEnd};
use crate::selector::Predicate;

mod rule;

#[cfg(test)]
mod tests;

use rule::RuleReader;

/// The label by which slices tell whose they are.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

impl Policy {
    /// Validates a NetworkPolicy or a GlobalNetworkPolicy, also a staged one; never fails, see [`Policy::problems`].
    /// `id` says of which kind it would be if it were enforced.
    pub fn from_own(id: PolicyId, object: &api::NetworkPolicy, is_staged: bool) -> Self {
        let spec = &object.spec;
        let is_global = id.kind == PolicyKind::GlobalNetworkPolicy;
        let mut reader = Reader { namespace: id.namespace.as_deref(), problems: Vec::new() };
        let mut is_whole = reader.is_known("spec", &spec.rest, ONLY_DENYING);
        for field in spec.misplaced(is_global, is_staged) {
            reader.complain(format!("spec.{field}"), "has no place in an object of this kind", ONLY_DENYING);
            is_whole = false;
        }
        let order = reader.order(spec.order);
        let (subject, is_exact) = reader.subject(spec);
        let (ingress, egress) = reader.directions(spec);
        let mut rules = |is_said: bool, section: &str, rules: &[api::rule::Rule]| {
            let read = is_said.then(|| reader.rules(section, rules));
            read.map(|rules| if is_whole && is_exact { rules } else { only_denying(rules) })
        };
        let ingress = rules(ingress, "spec.ingress", &spec.ingress);
        let egress = rules(egress, "spec.egress", &spec.egress);
        let problems = reader.problems;
        Self { id, tier: spec.tier().to_owned(), order, subject, ingress, egress, problems }
    }
}

impl Staged {
    /// What a staged policy would change; `None`: nothing. An action that is not known changes nothing either.
    pub fn from_own(id: PolicyId, object: &api::StagedNetworkPolicy) -> Option<Self> {
        match object.spec.staged_action.as_str() {
            "" | "Set" => Some(Self::Set(Box::new(Policy::from_own(id, object, true)))),
            "Delete" => Some(Self::Delete),
            _ => None,
        }
    }

    /// The same of a staged Kubernetes NetworkPolicy.
    pub fn from_kubernetes(
        namespace: &str,
        name: &str,
        object: &api::StagedKubernetesNetworkPolicy,
    ) -> Option<Self> {
        match object.spec.staged_action.as_str() {
            "" | "Set" => {
                let policy = Policy::from_kubernetes(namespace, name, &object.enforced());
                Some(Self::Set(Box::new(policy)))
            }
            "Delete" => Some(Self::Delete),
            _ => None,
        }
    }
}

impl Tier {
    /// A tier as its object says. What it ends in is `Deny` unless it is said otherwise.
    pub fn from_own(object: &api::Tier) -> Self {
        let end = if object.spec.default_action == "Pass" { TierEnd::Pass } else { TierEnd::Deny };
        Self { order: object.spec.order.map_or(Order::LAST, Order::of), end }
    }
}

impl NetworkSet {
    /// Labels and networks of a set, and what of it could not be used. Such a network is in no set: who is denied by it
    /// is not denied, who is allowed by it is not allowed.
    pub fn from_own(object: &api::NetworkSet) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut networks = BTreeSet::new();
        for (index, text) in object.spec.nets.iter().enumerate() {
            match word::network(text) {
                Some(network) => drop(networks.insert(network)),
                None => {
                    let what = format!("{text:?} is no network and no address; it is left out");
                    problems.push(Problem::new(format!("spec.nets[{index}]"), what));
                }
            }
        }
        (Self { labels: object.metadata.labels.clone().unwrap_or_default(), networks }, problems)
    }
}

/// The part of a service that a slice has; `None` if it is no service's. Endpoints count whether they are ready or not:
/// those that are not may have connections still.
pub fn backends(slice: &EndpointSlice) -> Option<(ServiceId, Backends)> {
    let namespace = slice.metadata.namespace.clone()?;
    let name = slice.metadata.labels.as_ref()?.get(SERVICE_LABEL)?.clone();
    let ports = slice.ports.iter().flatten().filter_map(|port| {
        let protocol = match port.protocol.as_deref() {
            None | Some("TCP") => Protocol::Tcp,
            Some("UDP") => Protocol::Udp,
            Some("SCTP") => Protocol::Sctp,
            Some(_) => return None,
        };
        Some((protocol, u16::try_from(port.port?).ok().filter(|port| *port > 0)?))
    });
    let ports: Vec<(Protocol, u16)> = ports.collect();
    let addresses = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
    let addresses = addresses.filter_map(|address| address.parse().ok());
    let of = |address| ports.iter().map(move |(protocol, port)| (address, *protocol, *port));
    Some((ServiceId { namespace, name }, addresses.flat_map(of).collect()))
}

const ONLY_DENYING: &str =
    "only what the policy denies or passes is used, to deny it, and the end of its tier";

/// Rules of a policy that is more than what is known of it, or is for more than was meant.
fn only_denying(rules: Vec<PolicyRule>) -> Vec<PolicyRule> {
    // What it would pass on, later tiers might have denied.
    let kept = |rule: PolicyRule| match rule.action {
        Action::Deny | Action::Pass => PolicyRule { action: Action::Deny, ..rule },
        action @ (Action::Allow | Action::Log) => PolicyRule::nothing(action),
    };
    rules.into_iter().map(kept).collect()
}

/// Reads one policy.
struct Reader<'a> {
    /// The policy's own; `None` for a global one.
    namespace: Option<&'a str>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn complain(&mut self, field: impl Into<String>, what: &str, treatment: &str) {
        self.problems.push(Problem::new(field, format!("{what}; {treatment}")));
    }

    /// Whether there is nothing that a newer version may have added.
    fn is_known(&mut self, field: &str, rest: &Rest, treatment: &str) -> bool {
        for name in rest.keys() {
            self.complain(format!("{field}.{name}"), "no such field is known", treatment);
        }
        rest.is_empty()
    }

    fn order(&mut self, order: Option<f64>) -> Order {
        if order.is_some_and(|order| !order.is_finite()) {
            self.complain("spec.order", "is no finite number", "the policy is the last of its tier");
            return Order::LAST;
        }
        order.map_or(Order::LAST, Order::of)
    }

    /// An expression; `None` if it is none.
    fn expression(&mut self, field: &str, text: &str, treatment: &str) -> Option<OwnSelector> {
        match text.parse() {
            Ok(selector) => Some(selector),
            Err(problem) => {
                self.complain(field, &format!("{text:?} is no selector: {problem}"), treatment);
                None
            }
        }
    }

    /// The subject, and whether it is what the author wrote.
    fn subject(&mut self, spec: &PolicySpec) -> (EndpointSelector, bool) {
        let treatment = "the policy is for everything in its namespaces, and allows nothing";
        let endpoints = self.expression("spec.selector", &spec.selector, treatment);
        let mut is_exact = endpoints.is_some();
        let namespaces = match self.namespace {
            Some(namespace) => NamespaceScope::Named(namespace.to_owned()),
            None if spec.namespace_selector.is_empty() => NamespaceScope::Everywhere,
            None => {
                let read = self.expression("spec.namespaceSelector", &spec.namespace_selector, treatment);
                is_exact &= read.is_some();
                let matching = |selector| NamespaceScope::matching(Predicate::Expression(selector));
                read.map_or(NamespaceScope::Everywhere, matching)
            }
        };
        let mut subject = EndpointSelector::own(namespaces, endpoints.unwrap_or_default());
        if !spec.service_account_selector.is_empty() {
            let field = "spec.serviceAccountSelector";
            let read = self.expression(field, &spec.service_account_selector, treatment);
            is_exact &= read.is_some();
            subject.service_accounts =
                read.map(|selector| ServiceAccounts { selector, ..ServiceAccounts::default() });
        }
        (subject, is_exact)
    }

    /// Whether it is about ingress and about egress of pods.
    fn directions(&mut self, spec: &PolicySpec) -> (bool, bool) {
        let flags = [("doNotTrack", spec.do_not_track), ("preDNAT", spec.pre_dnat)];
        // In a policy of a namespace they have no place, and do not take its protection away.
        let mut of_hosts = flags.into_iter().filter(|(_, is_set)| *is_set && self.namespace.is_none());
        if let Some((field, _)) = of_hosts.next() {
            let what = "is for host endpoints, whose policies are not enforced";
            self.complain(format!("spec.{field}"), what, "the policy says nothing about pods");
            return (false, false);
        }
        if spec.types.is_empty() {
            let has_egress = !spec.egress.is_empty();
            return (!has_egress || !spec.ingress.is_empty(), has_egress);
        }
        let says = |direction: &str| spec.types.iter().any(|known| known == direction);
        let unknown = spec.types.iter().position(|word| !matches!(word.as_str(), "Ingress" | "Egress"));
        if let Some(index) = unknown {
            let treatment = "the policy is about both directions";
            self.complain(format!("spec.types[{index}]"), "is not one of Ingress, Egress", treatment);
            return (true, true);
        }
        (says("Ingress"), says("Egress"))
    }

    fn rules(&mut self, section: &str, rules: &[api::rule::Rule]) -> Vec<PolicyRule> {
        let numbered = rules.iter().enumerate();
        let read = |(index, rule)| RuleReader::new(self, format!("{section}[{index}]")).read(rule);
        numbered.map(read).collect()
    }
}
