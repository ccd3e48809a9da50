//! NetworkPolicy and GlobalNetworkPolicy of `fabric.rs/v1`, which mean what those of `projectcalico.org/v3` mean.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::expression::{self, Thing as About};
use super::text::{Network, destination_of, is_port, protocol_number, source_of};
use super::things::{Thing, serves};
use super::{Cluster, Ruling};
use crate::api::Rest;
use crate::api::own::{NetworkPolicy, PolicySpec};
use crate::api::rule::{EntityRule, Icmp, Rule, ServiceAccountMatch, ServiceMatch};
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

/// Of what runs as a service account. No text is no condition.
fn is_account_selected(cluster: &Cluster, selector: &str, thing: &Thing) -> Option<bool> {
    if selector.trim().is_empty() {
        return Some(true);
    }
    let about = About { label: &|key| thing.account_label(cluster, key), all: true, global: false };
    let selected = expression::holds(selector, &about).ok()?;
    Some(selected && thing.service_account.is_some())
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
    rules.iter().find_map(|rule| {
        let conditions = conditions(cluster, policy, rule, packet);
        // What cannot be read may or may not hold.
        if conditions.contains(&Some(false)) {
            return None;
        }
        let certain = is_sound(policy) && !conditions.contains(&None);
        match rule.action.as_str() {
            "Allow" => certain.then_some(Ruling::Allow),
            "Log" => None,
            "Pass" if certain => Some(Ruling::Pass),
            // Deny, what is passed on to who knows whom, and what nobody knows (our choice).
            _ => Some(Ruling::Deny),
        }
    })
}

/// Whether it says only what its kind can say, and can be read.
fn is_sound(policy: &NetworkPolicy) -> bool {
    let spec = &policy.spec;
    let selectors = [&spec.selector, &spec.namespace_selector, &spec.service_account_selector];
    selectors.into_iter().all(|selector| expression::is_readable(selector))
        && spec.rest.is_empty()
        && spec.misplaced(is_global(policy), false).is_empty()
}

/// Whether a condition holds; `None`: it cannot be read, or the API would not take it.
type Condition = Option<bool>;

/// That there is nothing of which nobody knows.
fn nothing_more(rest: &Rest) -> Condition {
    rest.is_empty().then_some(true)
}

/// "All the match criteria within a rule must be satisfied for a packet to match."
fn conditions(cluster: &Cluster, policy: &NetworkPolicy, rule: &Rule, packet: &Packet) -> Vec<Condition> {
    let version = if packet.source.is_ipv4() { 4 } else { 6 };
    let is_protocol =
        |wanted: &IntOrString| protocol_number(wanted).map(|wanted| wanted == packet.protocol());
    let mut conditions = vec![
        nothing_more(&rule.rest),
        // Nobody reads requests (our choice).
        rule.http.is_none().then_some(true),
        rule.ip_version.map_or(Some(true), |wanted| [4, 6].contains(&wanted).then_some(wanted == version)),
        rule.protocol.as_ref().map_or(Some(true), is_protocol),
        rule.not_protocol.as_ref().map_or(Some(true), |other| is_protocol(other).map(|is| !is)),
    ];
    let protocol = rule.protocol.as_ref().and_then(protocol_number);
    for (icmp, negated) in [(&rule.icmp, false), (&rule.not_icmp, true)] {
        if let Some(icmp) = icmp {
            conditions.push(nothing_more(&icmp.rest));
            conditions.push(is_icmp(icmp, negated, protocol, packet));
        }
    }
    for (entity, side) in [(&rule.source, Side::Source), (&rule.destination, Side::Destination)] {
        conditions.extend(entity_conditions(cluster, policy, entity, side, protocol, packet));
    }
    conditions
}

/// "ICMP fields require protocol to be ICMP or ICMPv6." "ICMP code specified without an ICMP type."
fn is_icmp(icmp: &Icmp, negated: bool, protocol: Option<u8>, packet: &Packet) -> Condition {
    if !matches!(protocol, Some(1 | 58)) {
        return None;
    }
    let (wanted_kind, wanted_code) = match (icmp.kind, icmp.code) {
        // Any, and that is no condition; that it is none of any makes no sense.
        (None, None) => return (!negated).then_some(true),
        (None, Some(_)) => return None,
        (Some(kind), code) => (kind, code),
    };
    if !(0..=255).contains(&wanted_kind) || !wanted_code.is_none_or(|code| (0..=255).contains(&code)) {
        return None;
    }
    let Transport::Icmp { kind, code } = packet.transport else { return Some(false) };
    let is = i32::from(kind) == wanted_kind && wanted_code.is_none_or(|wanted| wanted == i32::from(code));
    Some(is != negated)
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

/// Those of one end.
fn entity_conditions(
    cluster: &Cluster,
    policy: &NetworkPolicy,
    entity: &EntityRule,
    side: Side,
    protocol: Option<u8>,
    packet: &Packet,
) -> Vec<Condition> {
    let (address, port) = match side {
        Side::Source => (packet.source, source_of(packet.transport)),
        Side::Destination => (packet.destination, destination_of(packet.transport)),
    };
    let things = Thing::at(cluster, address);
    let mut conditions = vec![nothing_more(&entity.rest)];
    let contains = |text: &String| Network::read_or_address(text).map(|network| network.contains(address));
    if !entity.nets.is_empty() {
        let all: Option<Vec<bool>> = entity.nets.iter().map(contains).collect();
        conditions.push(all.map(|all| all.contains(&true)));
    }
    conditions.extend(entity.not_nets.iter().map(|text| contains(text).map(|is_in| !is_in)));
    // "If any ports are specified it requires the Protocol match in the Rule to be set to TCP, UDP, or SCTP."
    let has_ports = matches!(protocol, Some(6 | 17 | 132));
    let is_port = |listed: &IntOrString| match (read_port(listed)?, port) {
        _ if !has_ports => None,
        (_, None) => Some(false),
        (Ports::Range(first, last), Some((_, number))) => Some((first..=last).contains(&number)),
        (Ports::Named(name), Some((protocol, number))) => {
            Some(serves(cluster, address, &name, protocol, number))
        }
    };
    for (ports, negated) in [(&entity.ports, false), (&entity.not_ports, true)] {
        if !ports.is_empty() {
            let all: Option<Vec<bool>> = ports.iter().map(is_port).collect();
            conditions.push(all.map(|all| all.contains(&true) != negated));
        }
    }
    conditions.push(is_selected_entity(cluster, policy, entity, &things));
    if !entity.not_selector.trim().is_empty() {
        let all: Option<Vec<bool>> =
            things.iter().map(|thing| is_selected(&entity.not_selector, thing)).collect();
        let readable = expression::is_readable(&entity.not_selector);
        conditions.push(all.filter(|_| readable).map(|all| !all.contains(&true)));
    }
    if let Some(service) = &entity.services {
        conditions.push(nothing_more(&service.rest));
        conditions.push(is_behind(cluster, policy, service, side, address, port));
    }
    if let Some(accounts) = &entity.service_accounts {
        conditions.push(nothing_more(&accounts.rest));
    }
    conditions
}

/// "Only traffic that originates from (terminates at) endpoints matching the selector will be matched." Endpoints (and
/// network sets) of the policy's namespace, if it has one and no namespace selector, as soon as anything of them is asked.
fn is_selected_entity(
    cluster: &Cluster,
    policy: &NetworkPolicy,
    entity: &EntityRule,
    things: &[Thing],
) -> Condition {
    let EntityRule { selector, not_selector, namespace_selector, service_accounts, .. } = entity;
    let accounts = service_accounts.as_ref();
    let in_own_namespace = !is_global(policy) && namespace_selector.trim().is_empty();
    let asked = [selector, namespace_selector].into_iter().any(|text| !text.trim().is_empty())
        || accounts.is_some()
        || (in_own_namespace && !not_selector.trim().is_empty());
    if !asked {
        return Some(true);
    }
    let texts = [Some(selector), Some(namespace_selector), accounts.map(|accounts| &accounts.selector)];
    if !texts.into_iter().flatten().all(|text| expression::is_readable(text)) {
        return None;
    }
    let is_account = |thing: &Thing, accounts: &ServiceAccountMatch| {
        thing.service_account.as_ref().is_some_and(|name| {
            (accounts.names.is_empty() || accounts.names.contains(name))
                && is_account_selected(cluster, &accounts.selector, thing) == Some(true)
        })
    };
    Some(things.iter().any(|thing| {
        (!in_own_namespace || thing.namespace == policy.metadata.namespace)
            && is_namespace_selected(cluster, namespace_selector, thing) == Some(true)
            && is_selected(selector, thing) == Some(true)
            && accounts.is_none_or(|accounts| is_account(thing, accounts))
    }))
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
) -> Condition {
    let own = policy.metadata.namespace.as_ref();
    let namespace = Some(&service.namespace).filter(|namespace| !namespace.is_empty()).or(own)?;
    if service.name.is_empty() {
        return None;
    }
    Some(cluster.endpoint_slices.iter().any(|slice| {
        let labels = slice.metadata.labels.as_ref();
        let of = labels.and_then(|labels| labels.get("kubernetes.io/service-name"));
        let mut addresses = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
        let mut ports = slice.ports.iter().flatten();
        slice.metadata.namespace.as_ref() == Some(namespace)
            && of == Some(&service.name)
            && addresses.any(|listed| listed.parse() == Ok(address))
            && (side == Side::Source
                || port.is_some_and(|(protocol, number)| {
                    ports.any(|listed| {
                        listed.protocol.as_deref().unwrap_or("TCP") == protocol && listed.port == Some(number)
                    })
                }))
    }))
}
