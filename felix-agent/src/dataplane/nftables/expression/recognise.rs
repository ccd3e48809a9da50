//! From expressions that the kernel holds back to statements.

use std::collections::BTreeSet;

use ipnetwork::IpNetwork;

use crate::dataplane::nftables::table::{Bits, ConntrackState, Family, Field, Side, Statement};

use super::{
    CONNTRACK_DIRECTION, CONNTRACK_MARK, CONNTRACK_STATE, Comparison, Expression, FAMILY, ICMP_CODE,
    ICMP_TYPE, INTERFACE_NAME_BYTES, NFPROTO_IPV4, NFPROTO_IPV6, PROTOCOL, Source, TCP_FLAGS, address,
    compile, field_source, interface, interface_name, port, state_bit,
};

/// The statements that compile to exactly these expressions, or `None` if there are none: then somebody else wrote
/// the rule.
pub(in crate::dataplane::nftables) fn recognise(expressions: &[Expression]) -> Option<Vec<Statement>> {
    let mut statements = Vec::new();
    let mut rest = expressions;
    while !rest.is_empty() {
        let (statement, after) = first_statement(rest)?;
        statements.push(statement);
        rest = after;
    }
    (compile(&statements) == expressions).then_some(statements)
}

/// Guesses by shape; registers and constants are checked by compiling the guess again.
fn first_statement(expressions: &[Expression]) -> Option<(Statement, &[Expression])> {
    match expressions {
        [Expression::Counter, rest @ ..] => Some((Statement::Counter, rest)),
        [Expression::Limit(limit), rest @ ..] => Some((Statement::Limit(*limit), rest)),
        [Expression::Log(log), rest @ ..] => Some((Statement::Log(log.clone()), rest)),
        [Expression::Immediate(verdict), rest @ ..] => Some((Statement::Verdict(verdict.clone()), rest)),
        [
            Expression::Load { source, .. },
            Expression::Compare { comparison: Comparison::Equal, data, .. },
            rest @ ..,
        ] => Some((equality(*source, data)?, rest)),
        [
            Expression::Load { source, .. },
            Expression::Compare { comparison: Comparison::NotEqual, data, .. },
            rest @ ..,
        ] => Some((inequality(*source, data)?, rest)),
        [
            Expression::Load { source, .. },
            Expression::Compare { comparison: Comparison::AtLeast, data: first, .. },
            Expression::Compare { comparison: Comparison::AtMost, data: last, .. },
            rest @ ..,
        ] => Some((between(*source, first, last)?, rest)),
        [Expression::Load { source, .. }, Expression::Outside { first, last, .. }, rest @ ..] => {
            Some((not_between(*source, first, last)?, rest))
        }
        [
            Expression::Load { source, .. },
            Expression::Bitwise { mask, .. },
            Expression::Compare { data, .. },
            rest @ ..,
        ] => Some((masked(*source, mask, data)?, rest)),
        [
            Expression::Load { .. },
            Expression::Bitwise { mask, flip, .. },
            Expression::SetConntrack(_),
            rest @ ..,
        ] => Some((Statement::SetMark(Bits { mask: !word(mask)?, value: word(flip)? }), rest)),
        [Expression::Load { .. } | Expression::Constant { .. }, ..] => looked_up(expressions),
        _ => None,
    }
}

fn equality(source: Source, data: &[u8]) -> Option<Statement> {
    if let Some((side, family)) = address_side(source) {
        let address = address(data).filter(|address| Family::of(address) == family)?;
        return Some(Statement::AddressIn(side, IpNetwork::from(address)));
    }
    match (source, data) {
        (FAMILY, [NFPROTO_IPV4]) => Some(Statement::Family(Family::V4)),
        (FAMILY, [NFPROTO_IPV6]) => Some(Statement::Family(Family::V6)),
        (PROTOCOL, [protocol]) => Some(Statement::Protocol(*protocol)),
        (ICMP_CODE, [code]) => Some(Statement::IcmpCodeIs(*code)),
        (CONNTRACK_DIRECTION, _) => Some(Statement::IsReply),
        _ => between(source, data, data).or_else(|| interface_equality(source, data)),
    }
}

fn inequality(source: Source, data: &[u8]) -> Option<Statement> {
    match (source, data) {
        (PROTOCOL, [protocol]) => Some(Statement::NotProtocol(*protocol)),
        (ICMP_TYPE, [kind]) => Some(Statement::IcmpTypeIsNot(*kind)),
        (ICMP_CODE, [code]) => Some(Statement::IcmpCodeIsNot(*code)),
        _ => not_between(source, data, data),
    }
}

fn interface_equality(source: Source, data: &[u8]) -> Option<Statement> {
    let side = [Side::Source, Side::Destination].into_iter().find(|side| interface(*side) == source)?;
    if data.len() == INTERFACE_NAME_BYTES {
        return Some(Statement::InterfaceIs(side, interface_name(data)?));
    }
    Some(Statement::InterfaceBegins(side, String::from_utf8(data.to_vec()).ok()?))
}

fn between(source: Source, first: &[u8], last: &[u8]) -> Option<Statement> {
    match (source, first, last) {
        (ICMP_TYPE, &[first], &[last]) => Some(Statement::IcmpTypeIn(first, last)),
        _ => {
            let (side, first, last) = ports(source, first, last)?;
            Some(Statement::PortIn(side, first, last))
        }
    }
}

fn not_between(source: Source, first: &[u8], last: &[u8]) -> Option<Statement> {
    let (side, first, last) = ports(source, first, last)?;
    Some(Statement::PortNotIn(side, first, last))
}

fn ports(source: Source, first: &[u8], last: &[u8]) -> Option<(Side, u16, u16)> {
    let side = [Side::Source, Side::Destination].into_iter().find(|side| port(*side) == source)?;
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u16::from_be_bytes);
    Some((side, number(first)?, number(last)?))
}

fn masked(source: Source, mask: &[u8], data: &[u8]) -> Option<Statement> {
    if source == CONNTRACK_STATE {
        let mask = word(mask)?;
        let states = [
            ConntrackState::Invalid,
            ConntrackState::Established,
            ConntrackState::Related,
            ConntrackState::New,
        ];
        let set: BTreeSet<_> = states.into_iter().filter(|state| mask & state_bit(*state) != 0).collect();
        return Some(Statement::ConntrackState(set));
    }
    if source == CONNTRACK_MARK {
        return Some(Statement::MarkIs(Bits { mask: word(mask)?, value: word(data)? }));
    }
    if source == TCP_FLAGS {
        return Some(Statement::NotPlainSyn);
    }
    let (side, _) = address_side(source)?;
    let network = IpNetwork::with_netmask(address(data)?, address(mask)?).ok()?;
    Some(Statement::AddressIn(side, network))
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

fn address_side(source: Source) -> Option<(Side, Family)> {
    all_fields().find_map(|field| match field {
        Field::Address(side, family) if field_source(field) == Ok(source) => Some((side, family)),
        Field::Address(..) | Field::Interface(_) | Field::Protocol | Field::Port(_) | Field::Number(_) => {
            None
        }
    })
}

fn all_fields() -> impl Iterator<Item = Field> {
    let sides = [Side::Source, Side::Destination];
    let addresses = sides
        .into_iter()
        .flat_map(|side| [Family::V4, Family::V6].map(|family| Field::Address(side, family)));
    addresses.chain(sides.map(Field::Interface)).chain(sides.map(Field::Port)).chain([Field::Protocol])
}

fn looked_up(expressions: &[Expression]) -> Option<(Statement, &[Expression])> {
    let mut fields = Vec::new();
    for (at, expression) in expressions.iter().enumerate() {
        match expression {
            Expression::Load { source, .. } => {
                fields.push(all_fields().find(|field| field_source(*field) == Ok(*source))?);
            }
            Expression::Constant { data, .. } => fields.push(Field::Number(word(data)?)),
            Expression::Lookup { set, verdict, negated } => {
                let statement = match (verdict, negated) {
                    (true, _) => Statement::VerdictMap(fields, set.clone()),
                    (false, true) => Statement::NotInSet(fields, set.clone()),
                    (false, false) => Statement::InSet(fields, set.clone()),
                };
                return Some((statement, expressions.get(at + 1..).unwrap_or_default()));
            }
            Expression::Bitwise { .. }
            | Expression::Compare { .. }
            | Expression::Outside { .. }
            | Expression::SetConntrack(_)
            | Expression::Immediate(_)
            | Expression::Counter
            | Expression::Limit(_)
            | Expression::Log(_) => return None,
        }
    }
    None
}
