//! What a Kubernetes API server checks of a NetworkPolicy (`pkg/apis/networking/validation` of Kubernetes).

use ipnetwork::IpNetwork;
use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Report, names};
use crate::spelling::correction;

/// Reports everything that is wrong with the policy's specification.
pub(super) fn check(policy: &NetworkPolicy, report: &mut Report<'_>) {
    let Some(spec) = &policy.spec else { return };
    if let Some(selector) = &spec.pod_selector {
        report.selector("spec.podSelector", selector);
    }
    for (index, direction) in spec.policy_types.iter().flatten().enumerate() {
        report.one_of(&format!("spec.policyTypes[{index}]"), direction, &["Ingress", "Egress"]);
    }
    if spec.policy_types.as_ref().is_some_and(|types| types.len() > 2) {
        report.add("spec.policyTypes", "has more than two entries; write Ingress, Egress or both");
    }
    for (index, rule) in spec.ingress.iter().flatten().enumerate() {
        let field = format!("spec.ingress[{index}]");
        report.rule(&field, "from", rule.from.as_deref(), rule.ports.as_deref());
    }
    for (index, rule) in spec.egress.iter().flatten().enumerate() {
        let field = format!("spec.egress[{index}]");
        report.rule(&field, "to", rule.to.as_deref(), rule.ports.as_deref());
    }
}

impl Report<'_> {
    pub(super) fn one_of(&mut self, field: &str, value: &str, allowed: &[&str]) {
        if !allowed.contains(&value) {
            let right = correction(value, allowed, "write one of");
            self.add(field, format!("\"{value}\" is unknown; {right}"));
        }
    }

    fn rule(
        &mut self,
        field: &str,
        side: &str,
        peers: Option<&[NetworkPolicyPeer]>,
        ports: Option<&[NetworkPolicyPort]>,
    ) {
        for (index, port) in ports.into_iter().flatten().enumerate() {
            self.port(&format!("{field}.ports[{index}]"), port);
        }
        for (index, peer) in peers.into_iter().flatten().enumerate() {
            self.peer(&format!("{field}.{side}[{index}]"), peer);
        }
    }

    fn port(&mut self, field: &str, port: &NetworkPolicyPort) {
        if let Some(protocol) = &port.protocol {
            self.one_of(&format!("{field}.protocol"), protocol, &["TCP", "UDP", "SCTP"]);
        }
        let port_field = format!("{field}.port");
        match &port.port {
            Some(IntOrString::Int(number)) => self.port_number(&port_field, *number),
            Some(IntOrString::String(name)) => {
                if let Some(what) = names::port_name_problem(name) {
                    self.add(&port_field, what);
                }
            }
            None => {}
        }
        let Some(end) = port.end_port else { return };
        let field = format!("{field}.endPort");
        match &port.port {
            None => self.add(&field, "is there without port; write the first port of the range as port"),
            Some(IntOrString::String(name)) => {
                let what = format!(
                    "cannot follow the named port \"{name}\"; write port as a number, or remove endPort"
                );
                self.add(&field, what);
            }
            Some(IntOrString::Int(first)) if end < *first => {
                self.add(&field, format!("{end} is less than port {first}; write {first} or more"));
            }
            Some(IntOrString::Int(_)) => self.port_number(&field, end),
        }
    }

    pub(super) fn port_number(&mut self, field: &str, number: i32) {
        if !(1..=65535).contains(&number) {
            self.add(field, format!("{number} is no port; write a number from 1 to 65535"));
        }
    }

    fn peer(&mut self, field: &str, peer: &NetworkPolicyPeer) {
        let NetworkPolicyPeer { ip_block, namespace_selector, pod_selector } = peer;
        for (name, selector) in [("podSelector", pod_selector), ("namespaceSelector", namespace_selector)] {
            if let Some(selector) = selector {
                self.selector(&format!("{field}.{name}"), selector);
            }
        }
        let selects = namespace_selector.is_some() || pod_selector.is_some();
        match ip_block {
            None if !selects => {
                self.add(field, "selects nothing; write podSelector, namespaceSelector or ipBlock");
            }
            Some(_) if selects => {
                let what =
                    "cannot be together with podSelector or namespaceSelector; make it an entry of its own";
                self.add(&format!("{field}.ipBlock"), what);
            }
            Some(_) | None => {}
        }
        if let Some(block) = ip_block {
            self.ip_block(&format!("{field}.ipBlock"), block);
        }
    }

    fn ip_block(&mut self, field: &str, block: &IPBlock) {
        let cidr = self.cidr(&format!("{field}.cidr"), &block.cidr);
        for (index, text) in block.except.iter().flatten().enumerate() {
            let field = format!("{field}.except[{index}]");
            let Some(except) = self.cidr(&field, text) else { continue };
            let Some(cidr) = cidr else { continue };
            let within = cidr.is_ipv4() == except.is_ipv4()
                && cidr.contains(except.ip())
                && cidr.prefix() < except.prefix();
            if !within {
                let what = format!("{text} is not a part of {}; write a longer prefix within it", block.cidr);
                self.add(&field, what);
            }
        }
    }

    pub(super) fn cidr(&mut self, field: &str, text: &str) -> Option<IpNetwork> {
        let cidr = text.parse().ok().filter(|_| text.contains('/'));
        if cidr.is_none() {
            let example = "write a prefix like 10.0.0.0/8 or 2001:db8::/32";
            let what = if text.is_empty() {
                format!("is missing; {example}")
            } else {
                format!("\"{text}\" is no prefix; {example}")
            };
            self.add(field, what);
        }
        cidr
    }

    pub(super) fn selector(&mut self, field: &str, selector: &LabelSelector) {
        for (key, value) in selector.match_labels.iter().flatten() {
            names::check_label(&format!("{field}.matchLabels"), key, value, self);
        }
        for (index, requirement) in selector.match_expressions.iter().flatten().enumerate() {
            self.requirement(&format!("{field}.matchExpressions[{index}]"), requirement);
        }
    }

    fn requirement(&mut self, field: &str, requirement: &LabelSelectorRequirement) {
        let LabelSelectorRequirement { key, operator, values } = requirement;
        if key.is_empty() {
            self.add(&format!("{field}.key"), "is missing; write the label's key");
        } else {
            names::check_label_key(&format!("{field}.key"), key, self);
        }
        let values_field = format!("{field}.values");
        let values = values.as_deref().unwrap_or_default();
        match operator.as_str() {
            "In" | "NotIn" if values.is_empty() => {
                self.add(&values_field, format!("is missing; write at least one value for {operator}"));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                self.add(&values_field, format!("has no place beside {operator}; remove the values"));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            "" => {
                self.add(&format!("{field}.operator"), "is missing; write In, NotIn, Exists or DoesNotExist")
            }
            other => {
                self.one_of(&format!("{field}.operator"), other, &["In", "NotIn", "Exists", "DoesNotExist"])
            }
        }
        for (index, value) in values.iter().enumerate() {
            names::check_label_value(&format!("{values_field}[{index}]"), value, self);
        }
    }
}
