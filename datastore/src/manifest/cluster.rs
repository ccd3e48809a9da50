//! What an API server checks of a ClusterNetworkPolicy (the definition of v1alpha2 in the network policy API v0.2).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use policy::api::cluster::{
    ClusterNetworkPolicySpec, Destination, EgressPeer, IngressPeer, NamespacedPods, Port, Protocol,
};

use super::{Report, names};

/// Most rules of a direction, peers and protocols of a rule, networks and names of a peer.
const MOST: usize = 25;
/// Most characters of a rule's name.
const NAME: usize = 100;
/// What priorities there are.
const PRIORITIES: std::ops::RangeInclusive<i32> = 0..=1000;

/// Fields of each part, as they are written.
const SPEC: &[&str] = &["tier", "priority", "subject", "ingress", "egress"];
const PEER: &[&str] = &["namespaces", "pods"];
const EGRESS_PEER: &[&str] = &["nodes", "networks", "domainNames"];
const PODS: &[&str] = &["namespaceSelector", "podSelector"];
const RULE: &[&str] = &["name", "action", "protocols"];
const PROTOCOL: &[&str] = &["tcp", "udp", "sctp", "destinationNamedPort"];
const PORT: &[&str] = &["number", "range"];

/// Reports everything that is wrong with the policy's specification.
pub(super) fn check(spec: &ClusterNetworkPolicySpec, report: &mut Report<'_>) {
    report.unknown("spec", &spec.rest, &[SPEC]);
    report.word("spec.tier", &spec.tier, &["Admin", "Baseline"]);
    match spec.priority {
        None => report.add("spec.priority", "is missing; write a number from 0, which goes first, to 1000"),
        Some(priority) if !PRIORITIES.contains(&priority) => {
            report.add("spec.priority", format!("{priority} is none; write a number from 0 to 1000"));
        }
        Some(_) => {}
    }
    let subject = &spec.subject;
    report.unknown("spec.subject", &subject.rest, &[PEER]);
    report.choice(
        "spec.subject",
        &[("namespaces", subject.namespaces.is_some()), ("pods", subject.pods.is_some())],
    );
    report.pods("spec.subject", subject.namespaces.as_ref(), subject.pods.as_ref());
    report.at_most("spec.ingress", spec.ingress.len(), "rules");
    for (index, rule) in spec.ingress.iter().enumerate() {
        let field = format!("spec.ingress[{index}]");
        report.unknown(&field, &rule.rest, &[RULE, &["from"]]);
        report.head(&field, &rule.name, &rule.action);
        report.some(&format!("{field}.from"), rule.from.len());
        for (index, peer) in rule.from.iter().enumerate() {
            report.ingress_peer(&format!("{field}.from[{index}]"), peer);
        }
        report.protocols(&field, &rule.protocols);
    }
    report.at_most("spec.egress", spec.egress.len(), "rules");
    for (index, rule) in spec.egress.iter().enumerate() {
        let field = format!("spec.egress[{index}]");
        report.unknown(&field, &rule.rest, &[RULE, &["to"]]);
        report.head(&field, &rule.name, &rule.action);
        report.some(&format!("{field}.to"), rule.to.len());
        for (index, peer) in rule.to.iter().enumerate() {
            report.egress_peer(&format!("{field}.to[{index}]"), peer, &rule.action);
        }
        report.protocols(&field, &rule.protocols);
        let is_named = rule.protocols.iter().any(|protocol| protocol.destination_named_port.is_some());
        let is_no_pod = |peer: &EgressPeer| {
            peer.networks.is_some() || peer.nodes.is_some() || peer.domain_names.is_some()
        };
        if is_named && rule.to.iter().any(is_no_pod) {
            let what =
                "names a port, which networks, nodes and domainNames do not; make them rules of their own";
            report.add(&format!("{field}.protocols"), what);
        }
    }
}

impl Report<'_> {
    /// Exactly one of the fields must be set.
    fn choice(&mut self, field: &str, fields: &[(&str, bool)]) {
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        let set: Vec<&str> = fields.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
        match set.as_slice() {
            [] => self.add(field, format!("selects nothing; write one of {}", names.join(", "))),
            [_] => {}
            several => {
                let what = format!(
                    "has {}; write one of them, and an entry of its own for the other",
                    several.join(" and ")
                );
                self.add(field, what);
            }
        }
    }

    fn at_most(&mut self, field: &str, count: usize, what: &str) {
        if count > MOST {
            self.add(field, format!("has {count} {what}; write at most {MOST}, and the rest into another"));
        }
    }

    fn some(&mut self, field: &str, count: usize) {
        if count == 0 {
            self.add(field, "is empty; write at least one entry (everybody is namespaces: {})");
        }
        self.at_most(field, count, "entries");
    }

    fn head(&mut self, field: &str, name: &str, action: &str) {
        if name.chars().count() > NAME {
            self.add(&format!("{field}.name"), format!("is longer than {NAME} characters; shorten it"));
        }
        self.word(&format!("{field}.action"), action, &["Accept", "Deny", "Pass"]);
    }

    fn pods(&mut self, field: &str, namespaces: Option<&LabelSelector>, pods: Option<&NamespacedPods>) {
        if let Some(selector) = namespaces {
            self.selector(&format!("{field}.namespaces"), selector);
        }
        if let Some(pods) = pods {
            let field = format!("{field}.pods");
            self.unknown(&field, &pods.rest, &[PODS]);
            self.selector(&format!("{field}.namespaceSelector"), &pods.namespace_selector);
            self.selector(&format!("{field}.podSelector"), &pods.pod_selector);
        }
    }

    fn ingress_peer(&mut self, field: &str, peer: &IngressPeer) {
        self.unknown(field, &peer.rest, &[PEER]);
        self.choice(field, &[("namespaces", peer.namespaces.is_some()), ("pods", peer.pods.is_some())]);
        self.pods(field, peer.namespaces.as_ref(), peer.pods.as_ref());
    }

    fn egress_peer(&mut self, field: &str, peer: &EgressPeer, action: &str) {
        self.unknown(field, &peer.rest, &[PEER, EGRESS_PEER]);
        let fields = [
            ("namespaces", peer.namespaces.is_some()),
            ("pods", peer.pods.is_some()),
            ("nodes", peer.nodes.is_some()),
            ("networks", peer.networks.is_some()),
            ("domainNames", peer.domain_names.is_some()),
        ];
        self.choice(field, &fields);
        self.pods(field, peer.namespaces.as_ref(), peer.pods.as_ref());
        if let Some(selector) = &peer.nodes {
            self.selector(&format!("{field}.nodes"), selector);
        }
        if let Some(networks) = &peer.networks {
            let field = format!("{field}.networks");
            self.some(&field, networks.len());
            for (index, text) in networks.iter().enumerate() {
                self.cidr(&format!("{field}[{index}]"), text);
            }
        }
        if let Some(names) = &peer.domain_names {
            let field = format!("{field}.domainNames");
            self.some(&field, names.len());
            if action != "Accept" {
                self.add(&field, format!("can only be accepted; write action: Accept instead of {action}"));
            }
        }
    }

    fn protocols(&mut self, field: &str, protocols: &[Protocol]) {
        let field = format!("{field}.protocols");
        self.at_most(&field, protocols.len(), "entries");
        for (index, protocol) in protocols.iter().enumerate() {
            let field = format!("{field}[{index}]");
            self.unknown(&field, &protocol.rest, &[PROTOCOL]);
            let with_ports = [("tcp", &protocol.tcp), ("udp", &protocol.udp), ("sctp", &protocol.sctp)];
            let mut fields = with_ports.map(|(name, destination)| (name, destination.is_some())).to_vec();
            fields.push(("destinationNamedPort", protocol.destination_named_port.is_some()));
            self.choice(&field, &fields);
            for (name, destination) in with_ports {
                if let Some(destination) = destination {
                    self.destination(&format!("{field}.{name}"), destination);
                }
            }
            if let Some(name) = &protocol.destination_named_port
                && let Some(what) = names::port_name_problem(name)
            {
                self.add(&format!("{field}.destinationNamedPort"), what);
            }
        }
    }

    fn destination(&mut self, field: &str, destination: &Destination) {
        self.unknown(field, &destination.rest, &[&["destinationPort"]]);
        let Some(Port { number, range, rest }) = &destination.destination_port else { return };
        let field = format!("{field}.destinationPort");
        self.unknown(&field, rest, &[PORT]);
        self.choice(&field, &[("number", number.is_some()), ("range", range.is_some())]);
        if let Some(number) = number {
            self.port_number(&format!("{field}.number"), *number);
        }
        if let Some(range) = range {
            self.port_number(&format!("{field}.range.start"), range.start);
            self.port_number(&format!("{field}.range.end"), range.end);
            if range.end <= range.start {
                let what = format!("{} is not after start {}; write a greater one", range.end, range.start);
                self.add(&format!("{field}.range.end"), what);
            }
        }
    }
}
