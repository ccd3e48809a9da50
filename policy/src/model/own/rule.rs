//! Rules of our own policies.

use std::collections::BTreeSet;

use ipnetwork::IpNetwork;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Reader;
use crate::api::rule::{EntityRule, Icmp as ApiIcmp, Rule, ServiceAccountMatch, ServiceMatch};
use crate::api::{Rest, word};
use crate::model::{
    Conditions, EndpointSelector, Entity, Icmp, NamespaceScope, PolicyRule, PortMatch, Service,
    ServiceAccounts, ServiceId,
};
use crate::program::{Action, Family};
use crate::selector::Predicate;

/// Reads one rule. A condition that cannot be read is left out, and noted.
pub(super) struct RuleReader<'a, 'b> {
    policy: &'a mut Reader<'b>,
    /// Where the rule is.
    field: String,
    /// What becomes of the rule where a condition cannot be read.
    treatment: &'static str,
    /// Whether all conditions could be read.
    is_whole: bool,
}

impl<'a, 'b> RuleReader<'a, 'b> {
    pub(super) fn new(policy: &'a mut Reader<'b>, field: String) -> Self {
        Self { policy, field, treatment: "", is_whole: true }
    }

    pub(super) fn read(mut self, rule: &Rule) -> PolicyRule {
        let action = match rule.action.as_str() {
            "Allow" => Action::Allow,
            "Deny" => Action::Deny,
            "Pass" => Action::Pass,
            "Log" => Action::Log,
            other => {
                let what = format!("{other:?} is not one of Allow, Deny, Pass, Log");
                let field = format!("{}.action", self.field);
                self.policy.complain(field, &what, "the rule denies");
                Action::Deny
            }
        };
        self.treatment = match action {
            Action::Allow | Action::Log => "the rule matches nothing",
            Action::Deny => "the rule denies whatever that is",
            Action::Pass => "the rule denies, whatever that is",
        };
        let (services, conditions) = self.conditions(rule);
        let read = PolicyRule { services, conditions, ..PolicyRule::everything(action) };
        match (self.is_whole, action) {
            (true, _) | (false, Action::Deny) => read,
            (false, Action::Pass) => PolicyRule { action: Action::Deny, ..read },
            (false, Action::Allow | Action::Log) => PolicyRule::nothing(action),
        }
    }

    /// Notes a condition that cannot be read.
    fn lose<T>(&mut self, field: &str, what: &str) -> Option<T> {
        self.is_whole = false;
        let field = format!("{}.{field}", self.field);
        self.policy.complain(field, what, self.treatment);
        None
    }

    fn note_unknown(&mut self, within: &str, rest: &Rest) {
        for name in rest.keys() {
            self.lose::<()>(&format!("{within}{name}"), "no such field is known");
        }
    }

    fn conditions(&mut self, rule: &Rule) -> (Option<Vec<Service>>, Conditions) {
        self.note_unknown("", &rule.rest);
        if rule.http.is_some() {
            self.lose::<()>("http", "requests cannot be judged: there is no proxy that reads them");
        }
        let family = match rule.ip_version {
            None => None,
            Some(4) => Some(Family::V4),
            Some(6) => Some(Family::V6),
            Some(other) => self.lose("ipVersion", &format!("{other} is not one of 4, 6")),
        };
        let protocol = self.protocol("protocol", rule.protocol.as_ref());
        let not_protocol = self.protocol("notProtocol", rule.not_protocol.as_ref());
        let icmp = rule.icmp.as_ref().and_then(|icmp| self.icmp("icmp", icmp, protocol));
        let not_icmp = rule.not_icmp.as_ref().and_then(|icmp| self.icmp("notICMP", icmp, protocol));
        let source = self.entity("source", &rule.source, protocol);
        let destination = self.entity("destination", &rule.destination, protocol);
        let services = protocol.map(|number| vec![Service::Protocol(number)]);
        (services, Conditions { family, not_protocol, icmp, not_icmp, source, destination })
    }

    fn protocol(&mut self, field: &str, given: Option<&IntOrString>) -> Option<u8> {
        let given = given?;
        word::protocol(given).or_else(|| {
            let known = word::PROTOCOLS.map(|(name, _)| name).join(", ");
            self.lose(field, &format!("{} is not one of {known}, or a number from 1 to 255", show(given)))
        })
    }

    fn icmp(&mut self, field: &str, icmp: &ApiIcmp, protocol: Option<u8>) -> Option<Icmp> {
        self.note_unknown(&format!("{field}."), &icmp.rest);
        let family = match protocol {
            Some(word::ICMP) => Family::V4,
            Some(word::ICMPV6) => Family::V6,
            Some(_) | None => return self.lose(field, "needs protocol ICMP or ICMPv6"),
        };
        let kind = match icmp.kind {
            Some(kind) => kind,
            None if icmp.code.is_none() && field == "icmp" => return None,
            None => return self.lose(field, "needs a type"),
        };
        let Ok(kind) = u8::try_from(kind) else {
            return self.lose(&format!("{field}.type"), &format!("{kind} is not one of 0 to 254"));
        };
        match icmp.code.map(u8::try_from) {
            None => Some(Icmp { family, kind, code: None }),
            Some(Ok(code)) => Some(Icmp { family, kind, code: Some(code) }),
            Some(Err(_)) => self.lose(&format!("{field}.code"), "is not one of 0 to 255"),
        }
    }

    fn entity(&mut self, end: &str, entity: &EntityRule, protocol: Option<u8>) -> Entity {
        self.note_unknown(&format!("{end}."), &entity.rest);
        let nets =
            some(&entity.nets).and_then(|texts| self.all(&format!("{end}.nets"), texts, Self::network));
        let ports =
            some(&entity.ports).and_then(|ports| self.ports(&format!("{end}.ports"), ports, protocol));
        let not_nets = self.each(&format!("{end}.notNets"), &entity.not_nets, Self::network);
        let not_ports =
            some(&entity.not_ports).and_then(|ports| self.ports(&format!("{end}.notPorts"), ports, protocol));
        Entity {
            nets,
            not_nets,
            selector: self.selector(end, entity),
            not_selector: self.not_selector(&format!("{end}.notSelector"), &entity.not_selector),
            service: entity.services.as_ref().and_then(|service| self.service(end, service)),
            ports,
            not_ports: not_ports.unwrap_or_default(),
        }
    }

    /// All of a list, or nothing of it.
    fn all<T, U>(
        &mut self,
        field: &str,
        items: &[T],
        read: fn(&mut Self, &str, &T) -> Option<U>,
    ) -> Option<Vec<U>> {
        let read = self.each(field, items, read);
        (read.len() == items.len()).then_some(read)
    }

    /// What can be read of a list.
    fn each<T, U>(&mut self, field: &str, items: &[T], read: fn(&mut Self, &str, &T) -> Option<U>) -> Vec<U> {
        let numbered = items.iter().enumerate();
        numbered.filter_map(|(index, item)| read(self, &format!("{field}[{index}]"), item)).collect()
    }

    fn network(&mut self, field: &str, text: &String) -> Option<IpNetwork> {
        word::network(text)
            .or_else(|| self.lose(field, &format!("{text:?} is no network (like 10.0.0.0/8) and no address")))
    }

    fn ports(&mut self, field: &str, ports: &[IntOrString], protocol: Option<u8>) -> Option<Vec<PortMatch>> {
        if !protocol.is_some_and(word::has_ports) {
            return self.lose(field, "needs protocol TCP, UDP or SCTP");
        }
        self.all(field, ports, Self::port)
    }

    fn port(&mut self, field: &str, given: &IntOrString) -> Option<PortMatch> {
        match word::ports(given) {
            Some(word::Ports::Range(first, last)) => Some(PortMatch::Range(first, last)),
            Some(word::Ports::Named(name)) => Some(PortMatch::Named(name)),
            None => self.lose(field, &format!("{} is no port, range (\"1000:2000\") or name", show(given))),
        }
    }

    fn expression(&mut self, field: &str, text: &str) -> Option<::selector::Selector> {
        match text.parse() {
            Ok(selector) => Some(selector),
            Err(problem) => self.lose(field, &format!("{text:?} is no selector: {problem}")),
        }
    }

    /// Whom the selector, that of the namespaces and the service accounts select together; `None` if there is none.
    ///
    /// A policy of a namespace is about its namespace as soon as it selects, or takes out, anything by labels.
    fn selector(&mut self, end: &str, entity: &EntityRule) -> Option<EndpointSelector> {
        let EntityRule { selector, not_selector, namespace_selector, service_accounts, .. } = entity;
        let takes_out = !not_selector.is_empty() && self.policy.namespace.is_some();
        let selects = !selector.is_empty() || !namespace_selector.is_empty() || service_accounts.is_some();
        if !selects && !takes_out {
            return None;
        }
        let namespaces = match (namespace_selector.as_str(), self.policy.namespace) {
            ("", Some(namespace)) => NamespaceScope::Named(namespace.to_owned()),
            ("", None) => NamespaceScope::Everywhere,
            (text, _) => {
                let field = format!("{end}.namespaceSelector");
                NamespaceScope::matching(Predicate::Expression(self.expression(&field, text)?))
            }
        };
        let endpoints = self.expression(&format!("{end}.selector"), selector)?;
        let mut selected = EndpointSelector::own(namespaces, endpoints);
        if let Some(accounts) = service_accounts {
            selected.service_accounts = Some(self.service_accounts(end, accounts)?);
        }
        Some(selected)
    }

    /// It is of every namespace and none, whatever the policy's: what it negates must not depend on that.
    fn not_selector(&mut self, field: &str, text: &str) -> Option<EndpointSelector> {
        if text.is_empty() {
            return None;
        }
        let selector = self.expression(field, text)?;
        Some(EndpointSelector::own(NamespaceScope::Everywhere, selector))
    }

    fn service_accounts(&mut self, end: &str, accounts: &ServiceAccountMatch) -> Option<ServiceAccounts> {
        self.note_unknown(&format!("{end}.serviceAccounts."), &accounts.rest);
        let selector = self.expression(&format!("{end}.serviceAccounts.selector"), &accounts.selector)?;
        let names: BTreeSet<String> = accounts.names.iter().cloned().collect();
        Some(ServiceAccounts { names, selector })
    }

    fn service(&mut self, end: &str, service: &ServiceMatch) -> Option<ServiceId> {
        self.note_unknown(&format!("{end}.services."), &service.rest);
        let given = Some(service.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let Some(namespace) = given.or(self.policy.namespace) else {
            return self.lose(&format!("{end}.services.namespace"), "is missing, and the policy has none");
        };
        if service.name.is_empty() {
            return self.lose(&format!("{end}.services.name"), "is missing");
        }
        Some(ServiceId { namespace: namespace.to_owned(), name: service.name.clone() })
    }
}

/// In this API a missing list and an empty list mean the same: no restriction.
fn some<T>(list: &[T]) -> Option<&[T]> {
    Some(list).filter(|items| !items.is_empty())
}

fn show(word: &IntOrString) -> String {
    match word {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => format!("{text:?}"),
    }
}
