//! The conditions of a rule as statements.
//!
//! nf_tables has no "or" within a rule, and looks into a header only after the family or the protocol is known. So the
//! conditions become alternatives, each a rule of its own: one for each family where addresses are asked for, one for each
//! range of ports. A comparison costs 2 ns, a set for it 50 to 250 ns and a quadratic load.

use std::collections::BTreeSet;

use policy::program::{Family, Match, Protocol, SetId, Side};

use crate::dataplane::nftables::table::{Field, Statement};

use super::members::{family, family_set, side};

/// More excluded ranges than this become the ranges between them: a rule holds 128 expressions.
const EXCLUDED_RANGES_MAX: usize = 16;

const WITH_PORTS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// What must hold of a packet, in parts whose order matters to the kernel.
#[derive(Debug, Clone, Default)]
struct Conjunction {
    family: Option<Family>,
    /// Looks into the network header, where sets are asked.
    network: Vec<Statement>,
    protocol: Option<u8>,
    /// Protocols that it is not; none if it is known.
    excluded: BTreeSet<u8>,
    /// Looks into the transport header.
    transport: Vec<Statement>,
}

/// Lists of statements; the conditions hold exactly if one of the lists does, and never two of them do.
pub(super) fn alternatives(matches: &[Match]) -> Vec<Vec<Statement>> {
    let mut all = vec![Conjunction::default()];
    for condition in matches {
        let parts = parts(condition);
        all = all.iter().flat_map(|sofar| parts.iter().filter_map(|part| sofar.and(part))).collect();
    }
    all.into_iter().map(Conjunction::statements).collect()
}

impl Conjunction {
    /// `None`: both cannot hold.
    fn and(&self, other: &Conjunction) -> Option<Conjunction> {
        let family = agreed(self.family, other.family)?;
        let protocol = agreed(self.protocol, other.protocol)?;
        let mut excluded: BTreeSet<u8> = self.excluded.union(&other.excluded).copied().collect();
        if let Some(protocol) = protocol {
            if excluded.contains(&protocol) {
                return None;
            }
            excluded.clear();
        }
        let network = [self.network.as_slice(), &other.network].concat();
        let transport = [self.transport.as_slice(), &other.transport].concat();
        Some(Conjunction { family, network, protocol, excluded, transport })
    }

    fn statements(self) -> Vec<Statement> {
        let mut statements = Vec::new();
        statements.extend(self.family.map(|of| Statement::Family(family(of))));
        statements.extend(self.network);
        statements.extend(self.protocol.map(Statement::Protocol));
        statements.extend(self.excluded.into_iter().map(Statement::NotProtocol));
        statements.extend(self.transport);
        statements
    }
}

/// What both demand, of which either may demand nothing; `None` if they differ.
fn agreed<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<Option<T>> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => Some(one.or(other)),
    }
}

/// One condition as alternatives.
fn parts(condition: &Match) -> Vec<Conjunction> {
    match condition {
        Match::Family(family) => vec![Conjunction { family: Some(*family), ..Conjunction::default() }],
        Match::Protocol { number, negated: false } => {
            vec![Conjunction { protocol: Some(*number), ..Conjunction::default() }]
        }
        Match::Protocol { number, negated: true } => {
            vec![Conjunction { excluded: [*number].into(), ..Conjunction::default() }]
        }
        Match::Icmp { family, kind, code, negated } => icmp(*family, *kind, *code, *negated),
        Match::Address { side, set, negated } => {
            FAMILIES.map(|family| address(*side, set, *negated, family)).into()
        }
        Match::Ports { side, ranges, negated } => ports(*side, ranges, *negated),
        Match::AddressPort { side, set, negated: false } => {
            FAMILIES.map(|family| address_port(*side, set, false, family)).into()
        }
        Match::AddressPort { side, set, negated: true } => not_address_port(*side, set),
    }
}

fn icmp(family: Family, kind: u8, code: Option<u8>, negated: bool) -> Vec<Conjunction> {
    let is_kind = Statement::IcmpTypeIn(kind, kind);
    let transports = match (negated, code) {
        (false, None) => vec![vec![is_kind]],
        (false, Some(code)) => vec![vec![is_kind, Statement::IcmpCodeIs(code)]],
        (true, None) => vec![vec![Statement::IcmpTypeIsNot(kind)]],
        (true, Some(code)) => {
            vec![vec![Statement::IcmpTypeIsNot(kind)], vec![is_kind, Statement::IcmpCodeIsNot(code)]]
        }
    };
    let of_family = |transport| Conjunction {
        family: Some(family),
        protocol: Some(family.icmp()),
        transport,
        ..Conjunction::default()
    };
    transports.into_iter().map(of_family).collect()
}

fn address(of: Side, set: &SetId, negated: bool, of_family: Family) -> Conjunction {
    let fields = vec![Field::Address(side(of), family(of_family))];
    lookup(fields, set, negated, of_family)
}

fn address_port(of: Side, set: &SetId, negated: bool, of_family: Family) -> Conjunction {
    let end = side(of);
    let fields = vec![Field::Address(end, family(of_family)), Field::Protocol, Field::Port(end)];
    lookup(fields, set, negated, of_family)
}

fn lookup(fields: Vec<Field>, set: &SetId, negated: bool, of_family: Family) -> Conjunction {
    let set = family_set(set, family(of_family));
    let network = match negated {
        false => vec![Statement::InSet(fields, set)],
        true => vec![Statement::NotInSet(fields, set)],
    };
    Conjunction { family: Some(of_family), network, ..Conjunction::default() }
}

/// What has no ports is in no such set, however short it is: its would-be ports must not be looked at.
fn not_address_port(side: Side, set: &SetId) -> Vec<Conjunction> {
    let without_ports =
        Conjunction { excluded: WITH_PORTS.map(Protocol::number).into(), ..Conjunction::default() };
    let with_ports = FAMILIES.into_iter().flat_map(|family| {
        WITH_PORTS.map(|protocol| Conjunction {
            protocol: Some(protocol.number()),
            ..address_port(side, set, true, family)
        })
    });
    with_ports.chain([without_ports]).collect()
}

fn ports(of: Side, ranges: &[(u16, u16)], negated: bool) -> Vec<Conjunction> {
    let end = side(of);
    let within = |(first, last): &(u16, u16)| vec![Statement::PortIn(end, *first, *last)];
    let transports: Vec<Vec<Statement>> = match negated {
        false => ranges.iter().map(within).collect(),
        true if ranges.len() > EXCLUDED_RANGES_MAX => between(ranges).iter().map(within).collect(),
        true => {
            vec![ranges.iter().map(|(first, last)| Statement::PortNotIn(end, *first, *last)).collect()]
        }
    };
    let of_protocol = |protocol: Protocol, transport: &Vec<Statement>| Conjunction {
        protocol: Some(protocol.number()),
        transport: transport.clone(),
        ..Conjunction::default()
    };
    WITH_PORTS
        .into_iter()
        .flat_map(|protocol| transports.iter().map(move |transport| of_protocol(protocol, transport)))
        .collect()
}

/// The ports that sorted, disjoint ranges leave out.
fn between(ranges: &[(u16, u16)]) -> Vec<(u16, u16)> {
    let mut left = Vec::new();
    let mut start = Some(0);
    for (first, last) in ranges {
        let gap = start.zip(first.checked_sub(1)).filter(|(from, to)| from <= to);
        left.extend(gap);
        start = last.checked_add(1);
    }
    left.extend(start.map(|from| (from, u16::MAX)));
    left
}
