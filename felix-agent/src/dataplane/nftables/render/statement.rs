//! Rules as text. What a following condition implies is left out, as `nft` leaves it out.

use crate::dataplane::nftables::table::{Bits, ConntrackState, Family, Field, Limit, Log, Rule, Statement};

use super::{
    field_text, fields_text, interface_key, network_text, number_range, protocol_name, verdict_text,
};

/// One rule on one line.
pub fn rule_text(rule: &Rule) -> String {
    let mut words: Vec<String> = Vec::new();
    for (at, statement) in rule.statements.iter().enumerate() {
        let before = rule.statements.get(..at).unwrap_or_default();
        let after = rule.statements.get(at + 1..).unwrap_or_default();
        if !is_implied(statement, after) {
            words.push(statement_text(statement, before));
        }
    }
    if !rule.comment.is_empty() {
        words.push(format!("comment \"{}\"", rule.comment));
    }
    words.join(" ")
}

fn is_implied(statement: &Statement, after: &[Statement]) -> bool {
    match (statement, after) {
        (Statement::Family(family), [Statement::AddressIn(_, network), ..]) => {
            Family::of(&network.ip()) == *family
        }
        (
            Statement::Family(family),
            [
                Statement::InSet(fields, _)
                | Statement::NotInSet(fields, _)
                | Statement::VerdictMap(fields, _),
                ..,
            ],
        ) => fields.iter().any(|field| matches!(field, Field::Address(_, of) if of == family)),
        (Statement::Family(Family::V4), [Statement::Protocol(1), next, ..])
        | (Statement::Family(Family::V6), [Statement::Protocol(58), next, ..])
        | (Statement::Protocol(1 | 58), [next, ..]) => is_of_icmp(next),
        (Statement::Protocol(6 | 17 | 132), [Statement::PortIn(..) | Statement::PortNotIn(..), ..])
        | (Statement::Protocol(6), [Statement::NotPlainSyn, ..]) => true,
        _ => false,
    }
}

fn is_of_icmp(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::IcmpTypeIn(..)
            | Statement::IcmpTypeIsNot(_)
            | Statement::IcmpCodeIs(_)
            | Statement::IcmpCodeIsNot(_)
    )
}

fn statement_text(statement: &Statement, before: &[Statement]) -> String {
    match statement {
        Statement::Family(Family::V4) => "meta nfproto ipv4".to_owned(),
        Statement::Family(Family::V6) => "meta nfproto ipv6".to_owned(),
        Statement::Protocol(protocol) => format!("meta l4proto {}", protocol_name(*protocol)),
        Statement::NotProtocol(protocol) => format!("meta l4proto != {}", protocol_name(*protocol)),
        Statement::InterfaceIs(side, name) => format!("{} \"{name}\"", interface_key(*side)),
        Statement::InterfaceBegins(side, prefix) => format!("{} \"{prefix}*\"", interface_key(*side)),
        Statement::AddressIn(side, network) => {
            let field = field_text(Field::Address(*side, Family::of(&network.ip())));
            format!("{field} {}", network_text(network.ip(), network.prefix()))
        }
        Statement::PortIn(side, first, last) => {
            format!("{} {}", port_key(Field::Port(*side), before), number_range(*first, *last))
        }
        Statement::PortNotIn(side, first, last) => {
            format!("{} != {}", port_key(Field::Port(*side), before), number_range(*first, *last))
        }
        Statement::IcmpTypeIn(first, last) => {
            format!("{} type {}", icmp(before), number_range(*first, *last))
        }
        Statement::IcmpTypeIsNot(kind) => format!("{} type != {kind}", icmp(before)),
        Statement::IcmpCodeIs(code) => format!("{} code {code}", icmp(before)),
        Statement::IcmpCodeIsNot(code) => format!("{} code != {code}", icmp(before)),
        Statement::NotPlainSyn => "tcp flags & (fin | syn | rst | ack) != syn".to_owned(),
        Statement::ConntrackState(states) => {
            let states: Vec<&str> = states.iter().map(|state| state_name(*state)).collect();
            format!("ct state {}", states.join(","))
        }
        Statement::IsReply => "ct direction reply".to_owned(),
        Statement::MarkIs(Bits { mask, value }) => format!("ct mark & {mask:#010x} == {value:#010x}"),
        Statement::SetMark(Bits { mask, value }) => {
            format!("ct mark set ct mark & {:#010x} | {value:#010x}", !mask)
        }
        Statement::InSet(fields, set) => format!("{} @{set}", fields_text(fields)),
        Statement::NotInSet(fields, set) => format!("{} != @{set}", fields_text(fields)),
        Statement::VerdictMap(fields, map) => format!("{} vmap @{map}", fields_text(fields)),
        Statement::Counter => "counter".to_owned(),
        Statement::Limit(Limit { per_second, burst }) => {
            format!("limit rate {per_second}/second burst {burst} packets")
        }
        Statement::Log(Log { prefix, group, snaplen }) => {
            format!("log prefix \"{prefix}\" group {group} snaplen {snaplen}")
        }
        Statement::Verdict(verdict) => verdict_text(verdict),
    }
}

/// The protocol that the rule has asked for so far.
fn protocol(before: &[Statement]) -> Option<u8> {
    before.iter().rev().find_map(|statement| {
        if let Statement::Protocol(protocol) = statement { Some(*protocol) } else { None }
    })
}

/// `tcp dport`; `th dport` where the protocol is not known.
fn port_key(field: Field, before: &[Statement]) -> String {
    match protocol(before) {
        Some(known @ (6 | 17 | 132)) => field_text(field).replace("th", &protocol_name(known)),
        _ => field_text(field),
    }
}

fn icmp(before: &[Statement]) -> &'static str {
    match protocol(before) {
        Some(58) => "icmpv6",
        _ => "icmp",
    }
}

fn state_name(state: ConntrackState) -> &'static str {
    match state {
        ConntrackState::Invalid => "invalid",
        ConntrackState::Established => "established",
        ConntrackState::Related => "related",
        ConntrackState::New => "new",
    }
}
