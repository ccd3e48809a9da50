//! From `networking.k8s.io/v1` NetworkPolicy to [`Policy`].
//!
//! The checks are those of the API server's validation, for objects that reached us past it (another datastore, an
//! older server). Their outcome is always the narrower reading.

use ipnetwork::IpNetwork;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{
    Conditions, DEFAULT_TIER, EndpointSelector, NETWORK_POLICY_ORDER, NamespaceScope, Peer, Policy, PolicyId,
    PolicyKind, PolicyRule, Problem, Service,
};
use crate::program::{Action, Protocol};
use crate::selector::{Predicate, Selector};

const UNUSABLE_PEER: &str = "this peer matches nothing";
const UNUSABLE_PORT: &str = "this port matches nothing";

impl Policy {
    /// Validates a policy; never fails, see [`Policy::problems`].
    pub fn from_kubernetes(namespace: &str, name: &str, object: &NetworkPolicy) -> Self {
        let id = PolicyId::namespaced(PolicyKind::NetworkPolicy, namespace, name);
        let mut problems = Vec::new();
        let empty = NetworkPolicySpec::default();
        let spec = object.spec.as_ref().unwrap_or(&empty);

        let (subject, subject_usable) = read_subject(spec, &mut problems);
        let (ingress, egress) = directions(spec, &mut problems);
        let mut reader = Reader { namespace, problems: &mut problems };
        let ingress = ingress.then(|| {
            let rules = spec.ingress.iter().flatten().map(|rule| (&rule.from, &rule.ports));
            reader.rules("spec.ingress", "from", rules)
        });
        let egress = egress.then(|| {
            let rules = spec.egress.iter().flatten().map(|rule| (&rule.to, &rule.ports));
            reader.rules("spec.egress", "to", rules)
        });

        let allowed = |rules: Vec<PolicyRule>| if subject_usable { rules } else { Vec::new() };
        Self {
            id,
            tier: DEFAULT_TIER.to_owned(),
            order: NETWORK_POLICY_ORDER,
            subject: EndpointSelector::kubernetes(NamespaceScope::Named(namespace.to_owned()), subject),
            ingress: ingress.map(allowed),
            egress: egress.map(allowed),
            problems,
        }
    }
}

/// The subject, and whether it is what the author wrote. If it is not, those endpoints that the usable part
/// selects are isolated, and nothing is allowed.
fn read_subject(spec: &NetworkPolicySpec, problems: &mut Vec<Problem>) -> (Selector, bool) {
    let Some(selector) = &spec.pod_selector else { return (Selector::everything(), true) };
    let before = problems.len();
    let subject = Selector::read(selector, "spec.podSelector", problems);
    for problem in &mut problems[before..] {
        problem
            .what
            .push_str("; the policy isolates what the rest of the selector selects, and allows nothing");
    }
    (subject, problems.len() == before)
}

/// Whether the policy isolates for ingress and for egress.
fn directions(spec: &NetworkPolicySpec, problems: &mut Vec<Problem>) -> (bool, bool) {
    let types = spec.policy_types.as_deref().unwrap_or_default();
    if types.is_empty() {
        return (true, spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()));
    }
    let (mut ingress, mut egress) = (false, false);
    for (index, name) in types.iter().enumerate() {
        match name.as_str() {
            "Ingress" => ingress = true,
            "Egress" => egress = true,
            other => {
                (ingress, egress) = (true, true);
                let what = format!(
                    "{other:?} is not one of Ingress, Egress; the policy isolates in both directions"
                );
                problems.push(Problem::new(format!("spec.policyTypes[{index}]"), what));
            }
        }
    }
    (ingress, egress)
}

/// Reads the rules of one policy.
struct Reader<'a> {
    namespace: &'a str,
    problems: &'a mut Vec<Problem>,
}

type ApiRule<'a> = (&'a Option<Vec<NetworkPolicyPeer>>, &'a Option<Vec<NetworkPolicyPort>>);

impl Reader<'_> {
    fn rules<'a>(
        &mut self,
        section: &str,
        peers_field: &str,
        rules: impl Iterator<Item = ApiRule<'a>>,
    ) -> Vec<PolicyRule> {
        let mut read = Vec::new();
        for (index, (peers, ports)) in rules.enumerate() {
            let field = format!("{section}[{index}].{peers_field}");
            let peers = nonempty(peers).map(|peers| self.items(peers, &field, Self::peer));
            let field = format!("{section}[{index}].ports");
            let services = nonempty(ports).map(|ports| self.items(ports, &field, Self::service));
            let (action, conditions) = (Action::Allow, Conditions::default());
            read.push(PolicyRule { name: None, action, peers, services, conditions });
        }
        read
    }

    fn items<T, U>(
        &mut self,
        items: &[T],
        field: &str,
        read: fn(&mut Self, &T, &str) -> Option<U>,
    ) -> Vec<U> {
        let numbered = items.iter().enumerate();
        numbered.filter_map(|(index, item)| read(self, item, &format!("{field}[{index}]"))).collect()
    }

    fn complain<T>(&mut self, field: impl Into<String>, what: &str, treatment: &str) -> Option<T> {
        self.problems.push(Problem::new(field, format!("{what}; {treatment}")));
        None
    }

    fn peer(&mut self, peer: &NetworkPolicyPeer, field: &str) -> Option<Peer> {
        let NetworkPolicyPeer { ip_block, namespace_selector, pod_selector } = peer;
        match (ip_block, namespace_selector, pod_selector) {
            (Some(block), None, None) => self.block(block, &format!("{field}.ipBlock")),
            (Some(_), _, _) => {
                self.complain(field, "ipBlock cannot be combined with a selector", UNUSABLE_PEER)
            }
            (None, None, None) => {
                let what = "needs one of ipBlock, namespaceSelector, podSelector";
                self.complain(field, what, UNUSABLE_PEER)
            }
            (None, namespaces, pods) => self.selector(namespaces.as_ref(), pods.as_ref(), field),
        }
    }

    fn selector(
        &mut self,
        namespaces: Option<&LabelSelector>,
        pods: Option<&LabelSelector>,
        field: &str,
    ) -> Option<Peer> {
        let before = self.problems.len();
        let endpoints = pods.map_or_else(Selector::everything, |selector| {
            Selector::read(selector, &format!("{field}.podSelector"), self.problems)
        });
        let namespaces = match namespaces {
            None => NamespaceScope::Named(self.namespace.to_owned()),
            Some(selector) => {
                let field = format!("{field}.namespaceSelector");
                let labels = Selector::read(selector, &field, self.problems);
                NamespaceScope::matching(Predicate::Kubernetes(labels))
            }
        };
        for problem in &mut self.problems[before..] {
            problem.what.push_str("; ");
            problem.what.push_str(UNUSABLE_PEER);
        }
        let usable = self.problems.len() == before;
        usable.then_some(Peer::Endpoints(EndpointSelector::kubernetes(namespaces, endpoints)))
    }

    fn block(&mut self, block: &IPBlock, field: &str) -> Option<Peer> {
        let network = self.network(&block.cidr, &format!("{field}.cidr"))?;
        let mut except = Vec::new();
        for (index, hole) in block.except.iter().flatten().enumerate() {
            let field = format!("{field}.except[{index}]");
            let hole = self.network(hole, &field)?;
            if !network.contains(hole.network()) || hole.prefix() <= network.prefix() {
                let what = format!("{hole} is not a smaller network inside of {network}");
                return self.complain(field, &what, UNUSABLE_PEER);
            }
            except.push(hole);
        }
        Some(Peer::Block { network, except })
    }

    fn network(&mut self, text: &str, field: &str) -> Option<IpNetwork> {
        parse_network(text).or_else(|| {
            let what = format!("{text:?} is no network (like 10.0.0.0/8 or fd00::/64)");
            self.complain(field, &what, UNUSABLE_PEER)
        })
    }

    fn service(&mut self, port: &NetworkPolicyPort, field: &str) -> Option<Service> {
        let protocol = match port.protocol.as_deref() {
            None | Some("TCP") => Protocol::Tcp,
            Some("UDP") => Protocol::Udp,
            Some("SCTP") => Protocol::Sctp,
            Some(other) => {
                let what = format!("{other:?} is not one of TCP, UDP, SCTP");
                return self.complain(format!("{field}.protocol"), &what, UNUSABLE_PORT);
            }
        };
        match (&port.port, port.end_port) {
            (None, None) => Some(Service::Protocol(protocol.number())),
            (Some(IntOrString::Int(number)), None) => {
                let number = self.number(*number, &format!("{field}.port"))?;
                Some(Service::Range(protocol, number, number))
            }
            (Some(IntOrString::Int(first)), Some(last)) => {
                let first = self.number(*first, &format!("{field}.port"))?;
                let end_field = format!("{field}.endPort");
                let last = self.number(last, &end_field)?;
                if last < first {
                    let what = format!("{last} is less than port {first}");
                    return self.complain(end_field, &what, UNUSABLE_PORT);
                }
                Some(Service::Range(protocol, first, last))
            }
            (Some(IntOrString::String(name)), None) if is_port_name(name) => {
                Some(Service::Named(protocol, name.clone()))
            }
            (Some(IntOrString::String(name)), None) => {
                let what = format!(
                    "{name:?} is no port name (up to 15 of a-z, 0-9 and '-', with a letter; a number is not quoted)"
                );
                self.complain(format!("{field}.port"), &what, UNUSABLE_PORT)
            }
            (Some(IntOrString::String(_)) | None, Some(_)) => {
                let what = "needs a number in port";
                self.complain(format!("{field}.endPort"), what, UNUSABLE_PORT)
            }
        }
    }

    fn number(&mut self, number: i32, field: &str) -> Option<u16> {
        u16::try_from(number).ok().filter(|number| *number > 0).or_else(|| {
            let what = format!("{number} is no port (1 to 65535)");
            self.complain(field, &what, UNUSABLE_PORT)
        })
    }
}

/// In this API a missing list and an empty list mean the same: no restriction.
fn nonempty<T>(list: &Option<Vec<T>>) -> Option<&[T]> {
    list.as_deref().filter(|items| !items.is_empty())
}

/// Strictly `address/length`. Host bits are allowed, as the API allows them, and cleared.
pub(super) fn parse_network(text: &str) -> Option<IpNetwork> {
    let (address, length) = text.split_once('/')?;
    if length.is_empty() || !length.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let network = IpNetwork::new(address.parse().ok()?, length.parse().ok()?).ok()?;
    IpNetwork::new(network.network(), network.prefix()).ok()
}

/// An IANA service name (RFC 6335 section 5.1): 1 to 15 lower-case letters, digits and hyphens, with a
/// letter; no hyphen at the ends and none doubled.
pub(super) fn is_port_name(name: &str) -> bool {
    let known = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=15).contains(&name.len())
        && name.bytes().all(known)
        && name.bytes().any(|c| c.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}
