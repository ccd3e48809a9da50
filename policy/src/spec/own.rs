//! NetworkPolicy and GlobalNetworkPolicy of `fabric.rs/v1`, which mean what those of `projectcalico.org/v3` mean.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::expression::{self, Thing as About};
use super::text::{Network, destination_of, is_port, protocol_number, source_of};
use super::things::{Thing, serves};
use super::{Cluster, Ruling};
use crate::api::own::{NetworkPolicy, PolicySpec};
use crate::api::rule::{EntityRule, Icmp, Rule, ServiceMatch};
use crate::evaluate::{Packet, Transport};
use crate::program::{Direction, Side};

/// "- Ingress, if there are no Egress rules (including the case where there are also no Ingress rules); Egress, if there
/// are Egress rules but no Ingress rules; both, if there are both." An unknown type (our choice) is both.
pub(super) fn has_type(policy: &NetworkPolicy, direction: Direction) -> bool {
    let PolicySpec { types, ingress, egress, .. } = &policy.spec;
    if types.iter().any(|name| name != "Ingress" && name != "Egress") {
        return true;
    }
    match direction {
        Direction::Ingress if types.is_empty() => !ingress.is_empty() || egress.is_empty(),
        Direction::Egress if types.is_empty() => !egress.is_empty(),
        Direction::Ingress => types.contains(&"Ingress".to_owned()),
        Direction::Egress => types.contains(&"Egress".to_owned()),
    }
}

fn is_global(policy: &NetworkPolicy) -> bool {
    policy.metadata.namespace.is_none()
}

/// "The selector is an expression used to pick out the endpoints that the policy should be applied to." Of its namespace,
/// if it has one. A selector that cannot be read (our choice) selects everything there.
pub(super) fn selects(cluster: &Cluster, policy: &NetworkPolicy, pod: &Pod) -> bool {
    let PolicySpec { selector, namespace_selector, service_account_selector, .. } = &policy.spec;
    // These are for host endpoints only.
    if is_global(policy) && (policy.spec.do_not_track || policy.spec.pre_dnat) {
        return false;
    }
    let thing = Thing::from_pod(pod);
    let in_scope = is_global(policy) || policy.metadata.namespace == thing.namespace;
    in_scope
        && is_selected(selector, &thing).unwrap_or(true)
        && (!is_global(policy) || is_namespace_selected(cluster, namespace_selector, &thing).unwrap_or(true))
        && is_account_selected(cluster, service_account_selector, &thing).unwrap_or(true)
}

/// The result of a selector; `None`: it cannot be read.
fn is_selected(selector: &str, thing: &Thing) -> Option<bool> {
    let global = thing.namespace.is_none();
    expression::holds(selector, &About { label: &|key| thing.label(key), all: true, global }).ok()
}

/// "Endpoints within the selected namespaces." What is in no namespace (our choice) is selected only by a condition that
/// speaks of `global()`. No text is no condition.
fn is_namespace_selected(cluster: &Cluster, selector: &str, thing: &Thing) -> Option<bool> {
    if selector.trim().is_empty() {
        return Some(true);
    }
    let global = thing.namespace.is_none();
    let about = About { label: &|key| thing.namespace_label(cluster, key), all: true, global };
    let selected = expression::holds(selector, &about).ok()?;
    Some(selected && (!global || selector.contains("global(")))
}

/// `all()`: any service account. No text is no condition.
fn is_account_selected(cluster: &Cluster, selector: &str, thing: &Thing) -> Option<bool> {
    let (all, global) = (thing.service_account.is_some(), thing.namespace.is_none());
    let about = About { label: &|key| thing.account_label(cluster, key), all, global };
    if selector.trim().is_empty() { Some(true) } else { expression::holds(selector, &about).ok() }
}

/// Rule after rule: "Log" goes on with the next.
pub(super) fn ruling(
    cluster: &Cluster,
    policy: &NetworkPolicy,
    direction: Direction,
    packet: &Packet,
) -> Option<Ruling> {
    let rules = match direction {
        Direction::Ingress => &policy.spec.ingress,
        Direction::Egress => &policy.spec.egress,
    };
    let sound = is_sound(policy);
    for rule in rules {
        if !sound || !is_valid(rule, is_global(policy)) {
            match rule.action.as_str() {
                "Allow" | "Log" => continue,
                _ => return Some(Ruling::Deny),
            }
        }
        if !matches(cluster, policy, rule, packet) {
            continue;
        }
        match rule.action.as_str() {
            "Allow" => return Some(Ruling::Allow),
            "Pass" => return Some(Ruling::Pass),
            "Log" => {}
            _ => return Some(Ruling::Deny),
        }
    }
    None
}

/// Whether it says only what its kind can say, and can be read.
fn is_sound(policy: &NetworkPolicy) -> bool {
    let spec = &policy.spec;
    let selectors = [&spec.selector, &spec.namespace_selector, &spec.service_account_selector];
    selectors.into_iter().all(|selector| expression::is_readable(selector))
        && spec.rest.is_empty()
        && spec.misplaced(is_global(policy), false).is_empty()
}

/// Whether the API would take it, and nothing is said which is not known here. HTTP is not (our choice).
fn is_valid(rule: &Rule, is_global: bool) -> bool {
    let protocols = [&rule.protocol, &rule.not_protocol];
    let number = rule.protocol.as_ref().and_then(protocol_number);
    let has_ports = matches!(number, Some(6 | 17 | 132));
    let icmp = [&rule.icmp, &rule.not_icmp];
    // "Protocol ICMP requires ipVersion 4", and ICMPv6 6.
    let families_fit = protocols.into_iter().flatten().all(|protocol| {
        let version = match protocol_number(protocol) {
            Some(1) => Some(4),
            Some(58) => Some(6),
            Some(_) | None => None,
        };
        rule.ip_version.is_none() || version.is_none() || rule.ip_version == version
    });
    matches!(rule.action.as_str(), "Allow" | "Deny" | "Pass" | "Log")
        && rule.rest.is_empty()
        && rule.http.is_none()
        && matches!(rule.ip_version, None | Some(4 | 6))
        && protocols.into_iter().flatten().all(|protocol| protocol_number(protocol).is_some())
        && families_fit
        && icmp.into_iter().flatten().all(is_icmp_valid)
        // "ICMP fields require protocol to be ICMP or ICMPv6."
        && (icmp.into_iter().flatten().next().is_none() || matches!(number, Some(1 | 58)))
        && is_entity_valid(&rule.source, has_ports, true, is_global)
        && is_entity_valid(&rule.destination, has_ports, false, is_global)
}

/// "ICMP code specified without an ICMP type."
fn is_icmp_valid(icmp: &Icmp) -> bool {
    icmp.kind.is_none_or(|kind| (0..=254).contains(&kind))
        && icmp.code.is_none_or(|code| (0..=255).contains(&code))
        && (icmp.code.is_none() || icmp.kind.is_some())
        && icmp.rest.is_empty()
}

fn is_entity_valid(entity: &EntityRule, has_ports: bool, is_source: bool, is_global: bool) -> bool {
    let EntityRule { nets, not_nets, selector, not_selector, namespace_selector, .. } = entity;
    let accounts = entity.service_accounts.as_ref();
    let selectors = [selector, not_selector, namespace_selector];
    let mut ports = entity.ports.iter().chain(&entity.not_ports);
    let no_ports = entity.ports.is_empty() && entity.not_ports.is_empty();
    let only_services = nets.is_empty()
        && not_nets.is_empty()
        && selectors.into_iter().all(String::is_empty)
        && accounts.is_none()
        && (no_ports || is_source);
    entity.rest.is_empty()
        && nets.iter().chain(not_nets).all(|text| Network::read_or_address(text).is_some())
        && selectors.into_iter().all(|text| expression::is_readable(text))
        && accounts.is_none_or(|accounts| {
            accounts.rest.is_empty() && expression::is_readable(&accounts.selector)
        })
        // "If any ports are specified it requires the Protocol match in the Rule to be set to TCP, UDP, or SCTP."
        && (no_ports || has_ports)
        && ports.all(|port| read_port(port).is_some())
        && entity.services.as_ref().is_none_or(|services| {
            only_services
                && services.rest.is_empty()
                && !services.name.is_empty()
                && !(is_global && services.namespace.is_empty())
        })
}

enum Ports {
    Range(i32, i32),
    Named(String),
}

/// A number, a range `first:last` or a name.
fn read_port(port: &IntOrString) -> Option<Ports> {
    match port {
        IntOrString::Int(number) => is_port(*number).then_some(Ports::Range(*number, *number)),
        IntOrString::String(text) => match text.split_once(':') {
            Some((first, last)) => {
                let (first, last) = (first.parse().ok()?, last.parse().ok()?);
                (is_port(first) && is_port(last) && first <= last).then_some(Ports::Range(first, last))
            }
            None => (!text.is_empty()).then(|| Ports::Named(text.clone())),
        },
    }
}

/// "All the match criteria within a rule must be satisfied for a packet to match."
fn matches(cluster: &Cluster, policy: &NetworkPolicy, rule: &Rule, packet: &Packet) -> bool {
    let version = if packet.source.is_ipv4() { 4 } else { 6 };
    let protocol = i32::from(packet.protocol());
    let is_protocol = |wanted: &IntOrString| protocol_number(wanted).map(i32::from) == Some(protocol);
    rule.ip_version.is_none_or(|wanted| wanted == version)
        && rule.protocol.as_ref().is_none_or(is_protocol)
        && !rule.not_protocol.as_ref().is_some_and(is_protocol)
        && rule.icmp.as_ref().is_none_or(|icmp| is_icmp(icmp, packet))
        && !rule.not_icmp.as_ref().is_some_and(|icmp| is_icmp(icmp, packet))
        && is_entity(cluster, policy, &rule.source, Side::Source, packet)
        && is_entity(cluster, policy, &rule.destination, Side::Destination, packet)
}

fn is_icmp(icmp: &Icmp, packet: &Packet) -> bool {
    let Transport::Icmp { kind, code } = packet.transport else { return false };
    icmp.kind.is_none_or(|wanted| wanted == i32::from(kind))
        && icmp.code.is_none_or(|wanted| wanted == i32::from(code))
}

fn is_entity(
    cluster: &Cluster,
    policy: &NetworkPolicy,
    entity: &EntityRule,
    side: Side,
    packet: &Packet,
) -> bool {
    let (address, port) = match side {
        Side::Source => (packet.source, source_of(packet.transport)),
        Side::Destination => (packet.destination, destination_of(packet.transport)),
    };
    let in_any = |texts: &[String]| {
        texts
            .iter()
            .filter_map(|text| Network::read_or_address(text))
            .any(|network| network.contains(address))
    };
    let is_one_of = |ports: &[IntOrString]| {
        let Some((protocol, number)) = port else { return false };
        ports.iter().filter_map(read_port).any(|port| match port {
            Ports::Range(first, last) => (first..=last).contains(&number),
            Ports::Named(name) => serves(cluster, address, &name, protocol, number),
        })
    };
    let things = Thing::at(cluster, address);
    let not_selected = entity.not_selector.trim().is_empty()
        || !things.iter().any(|thing| is_selected(&entity.not_selector, thing) == Some(true));
    (entity.nets.is_empty() || in_any(&entity.nets))
        && !in_any(&entity.not_nets)
        && (entity.ports.is_empty() || is_one_of(&entity.ports))
        && (entity.not_ports.is_empty() || !is_one_of(&entity.not_ports))
        && is_selected_entity(cluster, policy, entity, &things)
        && not_selected
        && entity
            .services
            .as_ref()
            .is_none_or(|services| is_behind(cluster, policy, services, side, address, port))
}

/// "Only traffic that originates from (terminates at) endpoints matching the selector will be matched." Endpoints (and
/// network sets) of the policy's namespace, if it has one and no namespace selector, as soon as anything of them is asked.
fn is_selected_entity(
    cluster: &Cluster,
    policy: &NetworkPolicy,
    entity: &EntityRule,
    things: &[Thing],
) -> bool {
    let accounts = entity.service_accounts.as_ref();
    let accounts_asked =
        accounts.is_some_and(|accounts| !accounts.names.is_empty() || !accounts.selector.trim().is_empty());
    let namespaces_asked = !entity.namespace_selector.trim().is_empty();
    let in_own_namespace = !is_global(policy) && !namespaces_asked;
    let selector_asked = !entity.selector.trim().is_empty();
    let negation_asked = in_own_namespace && !entity.not_selector.trim().is_empty();
    if !(accounts_asked || namespaces_asked || selector_asked || negation_asked) {
        return true;
    }
    things.iter().any(|thing| {
        let is_account = accounts.is_none_or(|accounts| {
            let named = |name: &String| accounts.names.contains(name);
            (accounts.names.is_empty() || thing.service_account.as_ref().is_some_and(named))
                && is_account_selected(cluster, &accounts.selector, thing) == Some(true)
        });
        (!in_own_namespace || thing.namespace == policy.metadata.namespace)
            && is_namespace_selected(cluster, &entity.namespace_selector, thing) == Some(true)
            && is_selected(&entity.selector, thing) == Some(true)
            && is_account
    })
}

/// "Only traffic that originates from or terminates at endpoints within the selected service will be matched, and only
/// to each endpoint's port."
fn is_behind(
    cluster: &Cluster,
    policy: &NetworkPolicy,
    service: &ServiceMatch,
    side: Side,
    address: IpAddr,
    port: Option<(&str, i32)>,
) -> bool {
    let namespace = if service.namespace.is_empty() {
        policy.metadata.namespace.as_ref()
    } else {
        Some(&service.namespace)
    };
    cluster.endpoint_slices.iter().any(|slice| {
        let labels = slice.metadata.labels.as_ref();
        let of = labels.and_then(|labels| labels.get("kubernetes.io/service-name"));
        let mut addresses = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
        let mut ports = slice.ports.iter().flatten();
        slice.metadata.namespace.as_ref() == namespace
            && of == Some(&service.name)
            && addresses.any(|listed| listed.parse() == Ok(address))
            && (side == Side::Source
                || port.is_some_and(|(protocol, number)| {
                    ports.any(|listed| {
                        listed.protocol.as_deref().unwrap_or("TCP") == protocol && listed.port == Some(number)
                    })
                }))
    })
}
