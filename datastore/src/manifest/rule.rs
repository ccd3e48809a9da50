//! What can be told of a rule of our own policies by looking at it.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use policy::api::rule::{EntityRule, Icmp, Rule, ServiceAccountMatch, ServiceMatch};
use policy::api::word::{self, ICMP, ICMPV6, PROTOCOLS};

use super::{Report, names};
use crate::spelling::correction;

/// Most networks of one list of a rule; more make a network set.
const NETS: usize = 256;
/// Most ports of one list of a rule.
const PORTS: usize = 50;

impl Report<'_> {
    pub(super) fn own_rule(&mut self, field: &str, rule: &Rule) {
        self.unknown(field, &rule.rest, &[Rule::FIELDS]);
        self.word(&format!("{field}.action"), &rule.action, &["Allow", "Deny", "Pass", "Log"]);
        let version = rule.ip_version.filter(|version| matches!(version, 4 | 6));
        if let (Some(wrong), None) = (rule.ip_version, version) {
            self.add(&format!("{field}.ipVersion"), format!("{wrong} is no version of IP; write 4 or 6"));
        }
        let protocol = self.protocol(&format!("{field}.protocol"), rule.protocol.as_ref(), version);
        self.protocol(&format!("{field}.notProtocol"), rule.not_protocol.as_ref(), version);
        for (name, icmp) in [("icmp", &rule.icmp), ("notICMP", &rule.not_icmp)] {
            if let Some(icmp) = icmp {
                self.icmp(&format!("{field}.{name}"), icmp, protocol);
            }
        }
        for (name, entity) in [("source", &rule.source), ("destination", &rule.destination)] {
            self.entity(&format!("{field}.{name}"), entity, protocol, version);
        }
        if rule.http.is_some() {
            let what = "needs a proxy that reads requests, and there is none here; remove it, and let what serves the \
                        requests judge them";
            self.add(&format!("{field}.http"), what);
        }
    }

    /// The protocol, if it is one.
    fn protocol(&mut self, field: &str, given: Option<&IntOrString>, version: Option<i32>) -> Option<u8> {
        let given = given?;
        let Some(number) = word::protocol(given) else {
            let known = PROTOCOLS.map(|(name, _)| name);
            let what = match given {
                IntOrString::Int(number) => format!("{number} is no protocol; write a number from 1 to 255"),
                IntOrString::String(name) => {
                    let right = correction(name, &known, "write a number from 1 to 255, or one of");
                    format!("\"{name}\" is unknown; {right}")
                }
            };
            self.add(field, what);
            return None;
        };
        match (number, version) {
            (ICMP, Some(6)) => {
                self.add(field, "is of IPv4, and ipVersion is 6; write ICMPv6, or ipVersion 4")
            }
            (ICMPV6, Some(4)) => {
                self.add(field, "is of IPv6, and ipVersion is 4; write ICMP, or ipVersion 6")
            }
            _ => {}
        }
        Some(number)
    }

    fn icmp(&mut self, field: &str, icmp: &Icmp, protocol: Option<u8>) {
        self.unknown(field, &icmp.rest, &[Icmp::FIELDS]);
        if !matches!(protocol, Some(ICMP | ICMPV6)) {
            self.add(field, "is of no other protocol; write protocol: ICMP, or ICMPv6, beside it");
        }
        match (icmp.kind, icmp.code) {
            (None, None) => self.add(field, "says nothing; write a type, or remove it"),
            (None, Some(_)) => self.add(&format!("{field}.code"), "is there without a type; write that too"),
            (Some(_), _) => {}
        }
        for (name, number, most) in [("type", icmp.kind, 254), ("code", icmp.code, 255)] {
            if let Some(number) = number.filter(|number| !(0..=most).contains(number)) {
                let what = format!("{number} is none; write a number from 0 to {most}");
                self.add(&format!("{field}.{name}"), what);
            }
        }
    }

    fn entity(&mut self, field: &str, entity: &EntityRule, protocol: Option<u8>, version: Option<i32>) {
        self.unknown(field, &entity.rest, &[EntityRule::FIELDS]);
        for (name, nets) in [("nets", &entity.nets), ("notNets", &entity.not_nets)] {
            self.nets(&format!("{field}.{name}"), nets, version);
        }
        for (name, ports) in [("ports", &entity.ports), ("notPorts", &entity.not_ports)] {
            self.ports(&format!("{field}.{name}"), ports, protocol);
        }
        for (name, text, may_be_global) in [
            ("selector", &entity.selector, false),
            ("notSelector", &entity.not_selector, false),
            ("namespaceSelector", &entity.namespace_selector, true),
        ] {
            self.expression(&format!("{field}.{name}"), text, may_be_global);
        }
        if let Some(services) = &entity.services {
            self.services(field, entity, services);
        }
        if let Some(accounts) = &entity.service_accounts {
            self.service_accounts(&format!("{field}.serviceAccounts"), accounts);
        }
    }

    fn nets(&mut self, field: &str, nets: &[String], version: Option<i32>) {
        if nets.len() > NETS {
            let what = format!("has {} entries; write at most {NETS}, or select a network set", nets.len());
            self.add(field, what);
            return;
        }
        for (index, text) in nets.iter().enumerate() {
            let field = format!("{field}[{index}]");
            match (self.network(&field, text), version) {
                (Some(false), Some(4)) => self.add(&field, format!("{text} is of IPv6, and ipVersion is 4")),
                (Some(true), Some(6)) => self.add(&field, format!("{text} is of IPv4, and ipVersion is 6")),
                _ => {}
            }
        }
    }

    /// Whether it is of IPv4, if it is a network.
    pub(super) fn network(&mut self, field: &str, text: &str) -> Option<bool> {
        let network = word::network(text);
        if network.is_none() {
            let what = format!(
                "\"{text}\" is no prefix and no address; write one like 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1"
            );
            self.add(field, what);
        }
        network.map(|network| network.is_ipv4())
    }

    fn ports(&mut self, field: &str, ports: &[IntOrString], protocol: Option<u8>) {
        if ports.is_empty() {
            return;
        }
        if !protocol.is_some_and(word::has_ports) {
            self.add(field, "is of no other protocol; write protocol: TCP, UDP or SCTP beside it");
        }
        if ports.len() > PORTS {
            let what = format!("has {} entries; write at most {PORTS}, or ranges", ports.len());
            self.add(field, what);
            return;
        }
        for (index, given) in ports.iter().enumerate() {
            if word::ports(given).is_none() {
                let shown = match given {
                    IntOrString::Int(number) => number.to_string(),
                    IntOrString::String(text) => format!("\"{text}\""),
                };
                let what = format!(
                    "{shown} is no port; write a number from 1 to 65535, a range like \"1000:2000\", or a name"
                );
                self.add(&format!("{field}[{index}]"), what);
            }
        }
    }

    fn services(&mut self, field: &str, entity: &EntityRule, services: &ServiceMatch) {
        let own = format!("{field}.services");
        self.unknown(&own, &services.rest, &[ServiceMatch::FIELDS]);
        if services.name.is_empty() {
            self.add(&own, "has no name; write that of the Service");
        }
        for (name, value) in [("name", &services.name), ("namespace", &services.namespace)] {
            if !value.is_empty()
                && let Some(what) = names::subdomain_problem(value)
            {
                self.add(&format!("{own}.{name}"), what);
            }
        }
        for (other, is_there) in [
            ("nets", !entity.nets.is_empty()),
            ("notNets", !entity.not_nets.is_empty()),
            ("selector", !entity.selector.is_empty()),
            ("notSelector", !entity.not_selector.is_empty()),
            ("namespaceSelector", !entity.namespace_selector.is_empty()),
            ("serviceAccounts", entity.service_accounts.is_some()),
            ("ports", !entity.ports.is_empty()),
            ("notPorts", !entity.not_ports.is_empty()),
        ] {
            if is_there {
                let what = "cannot be beside services, which says it; make it a rule of its own";
                self.add(&format!("{field}.{other}"), what);
            }
        }
    }

    fn service_accounts(&mut self, field: &str, accounts: &ServiceAccountMatch) {
        self.unknown(field, &accounts.rest, &[ServiceAccountMatch::FIELDS]);
        self.expression(&format!("{field}.selector"), &accounts.selector, false);
        for (index, name) in accounts.names.iter().enumerate() {
            if let Some(what) = names::subdomain_problem(name) {
                self.add(&format!("{field}.names[{index}]"), what);
            }
        }
        if accounts.names.is_empty() && accounts.selector.is_empty() {
            self.add(field, "says nothing; write names or a selector, or remove it");
        }
    }
}
