//! From `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy to [`Policy`].
//!
//! The checks are those of the API (types and CEL rules of v0.2), for objects that reached us past it, and for what newer
//! versions add. The API asks to fail closed, and so does everything here that cannot be read: it matches nothing in a
//! rule that accepts, and makes a rule that denies or passes deny more than it says. A policy of an unknown tier, or
//! with a subject of which nothing is known, is skipped, as the API asks.
//!
//! Names in the DNS (`domainNames`) are such a part: nobody here watches answers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::network_policy::parse_network;
use super::{
    ADMIN_TIER, BASELINE_TIER, Conditions, EndpointSelector, NamespaceScope, Order, Peer, Policy, PolicyId,
    PolicyKind, PolicyRule, Problem,
};
use crate::api::Rest;
use crate::api::cluster::{
    ClusterNetworkPolicy, EgressPeer, IngressPeer, NamespacedPods, Protocol as ApiProtocol, Subject,
};
use crate::program::Action;
use crate::selector::{Predicate, Selector};

mod protocol;

#[cfg(test)]
mod tests;

impl Policy {
    /// Validates a policy; never fails, see [`Policy::problems`].
    pub fn from_cluster(name: &str, object: &ClusterNetworkPolicy) -> Self {
        let spec = &object.spec;
        let mut reader = Reader { problems: Vec::new() };
        let tier = reader.tier(&spec.tier);
        let subject = reader.subject(&spec.subject);
        let order = reader.order(spec.priority);
        let is_whole =
            reader.is_known("spec", &spec.rest, "rules that accept are left out, those that pass deny");
        let ingress = reader.rules("spec.ingress", "from", &spec.ingress, |rule| Draft {
            name: &rule.name,
            action: &rule.action,
            peers: rule.from.iter().map(as_egress).collect(),
            protocols: &rule.protocols,
            rest: &rule.rest,
        });
        let egress = reader.rules("spec.egress", "to", &spec.egress, |rule| Draft {
            name: &rule.name,
            action: &rule.action,
            peers: rule.to.clone(),
            protocols: &rule.protocols,
            rest: &rule.rest,
        });
        let is_skipped = tier.is_none() || subject.is_none();
        let (subject, is_exact) = subject.unwrap_or((EndpointSelector::everything(), false));
        let kept = |rules: Vec<PolicyRule>| match (rules.is_empty() || is_skipped, is_whole && is_exact) {
            (true, _) => None,
            (false, true) => Some(rules),
            (false, false) => Some(rules.into_iter().map(only_denying).collect()),
        };
        Self {
            id: PolicyId::global(PolicyKind::ClusterNetworkPolicy, name),
            tier: tier.map_or(spec.tier.clone(), str::to_owned),
            order,
            subject,
            ingress: kept(ingress),
            egress: kept(egress),
            problems: reader.problems,
        }
    }
}

/// A rule of a policy that selects more than was meant. What it would pass on, later tiers might have denied.
fn only_denying(rule: PolicyRule) -> PolicyRule {
    match rule.action {
        Action::Allow | Action::Log => PolicyRule::nothing(rule.action),
        Action::Deny | Action::Pass => PolicyRule { action: Action::Deny, ..rule },
    }
}

fn as_egress(peer: &IngressPeer) -> EgressPeer {
    let IngressPeer { namespaces, pods, rest } = peer.clone();
    EgressPeer { namespaces, pods, rest, ..EgressPeer::default() }
}

/// A rule of either direction.
struct Draft<'a> {
    name: &'a str,
    action: &'a str,
    peers: Vec<EgressPeer>,
    protocols: &'a [ApiProtocol],
    rest: &'a Rest,
}

struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn complain<T>(&mut self, field: impl Into<String>, what: &str, treatment: &str) -> Option<T> {
        self.problems.push(Problem::new(field, format!("{what}; {treatment}")));
        None
    }

    /// Whether there is nothing that a newer version of the API may have added.
    fn is_known(&mut self, field: &str, rest: &Rest, treatment: &str) -> bool {
        for name in rest.keys() {
            self.complain::<()>(format!("{field}.{name}"), "no such field is known", treatment);
        }
        rest.is_empty()
    }

    fn tier(&mut self, name: &str) -> Option<&'static str> {
        match name {
            "Admin" => Some(ADMIN_TIER),
            "Baseline" => Some(BASELINE_TIER),
            other => {
                let what = format!("{other:?} is not one of Admin, Baseline");
                self.complain("spec.tier", &what, "the policy is skipped")
            }
        }
    }

    fn order(&mut self, priority: Option<i32>) -> Order {
        match priority {
            None => {
                self.complain::<()>("spec.priority", "is missing", "the policy is the last of its tier");
                Order::LAST
            }
            Some(number) => {
                if !(0..=1000).contains(&number) {
                    let what = format!("{number} is not one of 0 to 1000");
                    self.complain::<()>("spec.priority", &what, "it is used as it is");
                }
                Order::of(number.into())
            }
        }
    }

    /// The subject, and whether it is what the author wrote; `None` if nothing is known of it.
    fn subject(&mut self, subject: &Subject) -> Option<(EndpointSelector, bool)> {
        let field = "spec.subject";
        if !self.is_known(field, &subject.rest, "the policy is skipped") {
            return None;
        }
        let (namespaces, pods) = match (&subject.namespaces, &subject.pods) {
            (Some(namespaces), None) => (namespaces, None),
            (None, Some(pods)) => {
                if !self.is_known("spec.subject.pods", &pods.rest, "the policy is skipped") {
                    return None;
                }
                (&pods.namespace_selector, Some(&pods.pod_selector))
            }
            (Some(_), Some(_)) | (None, None) => {
                return self.complain(field, "needs one of namespaces, pods", "the policy is skipped");
            }
        };
        let before = self.problems.len();
        let field =
            if pods.is_some() { "spec.subject.pods.namespaceSelector" } else { "spec.subject.namespaces" };
        let selector = self.endpoints(namespaces, field, pods, "spec.subject.pods.podSelector");
        for problem in self.problems.iter_mut().skip(before) {
            problem.what.push_str(
                "; what the rest of the selector selects is denied what the policy denies or passes",
            );
        }
        Some((selector, self.problems.len() == before))
    }

    fn endpoints(
        &mut self,
        namespaces: &LabelSelector,
        namespaces_field: &str,
        pods: Option<&LabelSelector>,
        pods_field: &str,
    ) -> EndpointSelector {
        let namespaces = Selector::read(namespaces, namespaces_field, &mut self.problems);
        let pods = pods
            .map_or_else(Selector::everything, |pods| Selector::read(pods, pods_field, &mut self.problems));
        EndpointSelector::kubernetes(NamespaceScope::matching(Predicate::Kubernetes(namespaces)), pods)
    }

    fn rules<'a, R>(
        &mut self,
        section: &str,
        peers_field: &str,
        rules: &'a [R],
        draft: impl Fn(&'a R) -> Draft<'a>,
    ) -> Vec<PolicyRule> {
        let numbered = rules.iter().enumerate();
        numbered
            .map(|(index, rule)| self.rule(&format!("{section}[{index}]"), peers_field, &draft(rule)))
            .collect()
    }

    fn rule(&mut self, field: &str, peers_field: &str, draft: &Draft<'_>) -> PolicyRule {
        let action = match draft.action {
            "Accept" => Action::Allow,
            "Deny" => Action::Deny,
            "Pass" => Action::Pass,
            other => {
                let what = format!("{other:?} is not one of Accept, Deny, Pass");
                self.complain::<()>(format!("{field}.action"), &what, "the rule denies");
                Action::Deny
            }
        };
        let accepts = action == Action::Allow;
        let treatment = if accepts { "the rule matches nothing" } else { "the rule denies everything" };
        let peers_field = format!("{field}.{peers_field}");
        let (peers, mut peers_usable) = self.items(&draft.peers, &peers_field, treatment, Self::peer);
        if draft.peers.is_empty() {
            self.complain::<()>(peers_field, "needs at least one peer", treatment);
            peers_usable = false;
        }
        let is_whole = self.is_known(field, draft.rest, treatment);
        let name = Some(draft.name.to_owned()).filter(|name| !name.is_empty());
        if !is_whole || !peers_usable {
            let closed =
                if accepts { PolicyRule::nothing(action) } else { PolicyRule::everything(Action::Deny) };
            return PolicyRule { name, ..closed };
        }
        let treatment = if accepts { "it matches nothing" } else { "the rule denies every protocol" };
        let by_address = draft.peers.iter().any(|peer| peer.networks.is_some() || peer.nodes.is_some());
        let read = if by_address { Self::protocol_without_name } else { Self::protocol };
        let (services, usable) = self.items(draft.protocols, &format!("{field}.protocols"), treatment, read);
        let (action, services) = match (usable, accepts) {
            (false, false) => (Action::Deny, None),
            (true, _) | (false, true) => (action, (!draft.protocols.is_empty()).then_some(services)),
        };
        PolicyRule { name, action, peers: Some(peers), services, conditions: Conditions::default() }
    }

    /// What could be read of a list, and whether that is all of it.
    fn items<T, U>(
        &mut self,
        items: &[T],
        field: &str,
        treatment: &str,
        read: fn(&mut Self, &T, &str, &str) -> Option<Vec<U>>,
    ) -> (Vec<U>, bool) {
        let (mut all, mut usable) = (Vec::new(), true);
        for (index, item) in items.iter().enumerate() {
            match read(self, item, &format!("{field}[{index}]"), treatment) {
                Some(read) => all.extend(read),
                None => usable = false,
            }
        }
        (all, usable)
    }

    fn peer(&mut self, peer: &EgressPeer, field: &str, treatment: &str) -> Option<Vec<Peer>> {
        if !self.is_known(field, &peer.rest, treatment) {
            return None;
        }
        let before = self.problems.len();
        let read = match peer {
            EgressPeer {
                namespaces: Some(namespaces),
                pods: None,
                nodes: None,
                networks: None,
                domain_names: None,
                ..
            } => {
                let field = format!("{field}.namespaces");
                vec![Peer::Endpoints(self.endpoints(namespaces, &field, None, ""))]
            }
            EgressPeer {
                namespaces: None,
                pods: Some(pods),
                nodes: None,
                networks: None,
                domain_names: None,
                ..
            } => {
                vec![Peer::Endpoints(self.pods(pods, &format!("{field}.pods"), treatment)?)]
            }
            EgressPeer {
                namespaces: None,
                pods: None,
                nodes: Some(nodes),
                networks: None,
                domain_names: None,
                ..
            } => {
                let nodes = Selector::read(nodes, &format!("{field}.nodes"), &mut self.problems);
                vec![Peer::Endpoints(EndpointSelector::nodes(nodes))]
            }
            EgressPeer {
                namespaces: None,
                pods: None,
                nodes: None,
                networks: Some(texts),
                domain_names: None,
                ..
            } => {
                return self.networks(texts, &format!("{field}.networks"), treatment);
            }
            EgressPeer {
                namespaces: None,
                pods: None,
                nodes: None,
                networks: None,
                domain_names: Some(_),
                ..
            } => {
                let what = "names in the DNS are not supported";
                return self.complain(format!("{field}.domainNames"), what, treatment);
            }
            _ => {
                let what = "needs one of namespaces, pods, and for egress nodes, networks";
                return self.complain(field, what, treatment);
            }
        };
        for problem in self.problems.iter_mut().skip(before) {
            problem.what.push_str("; ");
            problem.what.push_str(treatment);
        }
        (self.problems.len() == before).then_some(read)
    }

    fn pods(&mut self, pods: &NamespacedPods, field: &str, treatment: &str) -> Option<EndpointSelector> {
        if !self.is_known(field, &pods.rest, treatment) {
            return None;
        }
        let (namespaces_field, pods_field) =
            (format!("{field}.namespaceSelector"), format!("{field}.podSelector"));
        let NamespacedPods { namespace_selector, pod_selector, .. } = pods;
        Some(self.endpoints(namespace_selector, &namespaces_field, Some(pod_selector), &pods_field))
    }

    fn networks(&mut self, texts: &[String], field: &str, treatment: &str) -> Option<Vec<Peer>> {
        if texts.is_empty() {
            return self.complain(field, "needs at least one network", treatment);
        }
        let read = |reader: &mut Self, text: &String, field: &str, treatment: &str| match parse_network(text)
        {
            Some(network) => Some(vec![Peer::Block { network, except: Vec::new() }]),
            None => {
                let what = format!("{text:?} is no network (like 10.0.0.0/8 or fd00::/64)");
                reader.complain(field, &what, treatment)
            }
        };
        let (networks, usable) = self.items(texts, field, treatment, read);
        usable.then_some(networks)
    }
}
