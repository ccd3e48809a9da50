//! What a statement is to the kernel: loads into registers, then something that reads them.
//!
//! `compile` and `recognise` are inverse on everything this crate writes; the expressions chosen are those of `nft`,
//! so `nft list` recognises them too. Registers are counted in 32-bit words from the first data register
//! (`NFT_REG32_00`), of which there are sixteen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::table::{Bits, ConntrackState, Family, Field, Limit, Log, Side, Statement, Verdict};

mod recognise;
#[cfg(test)]
mod tests;

pub(super) use recognise::recognise;

/// One nf_tables expression (`include/uapi/linux/netfilter/nf_tables.h`), as far as this crate uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    /// Puts a value of the packet into a register.
    Load { source: Source, register: u32 },
    /// Puts a constant into a register.
    Constant { register: u32, data: Vec<u8> },
    /// `register = register & mask ^ flip`
    Bitwise { register: u32, mask: Vec<u8>, flip: Vec<u8> },
    /// Ends the rule unless the comparison holds.
    Compare { register: u32, comparison: Comparison, data: Vec<u8> },
    /// Ends the rule if the register is within first to last.
    Outside { register: u32, first: Vec<u8>, last: Vec<u8> },
    /// Ends the rule unless the set has the key at the first register (`negated`: if it has); `verdict` takes the map's.
    Lookup { set: String, verdict: bool, negated: bool },
    /// Writes the first register to a `ct` key.
    SetConntrack(u32),
    /// A verdict.
    Immediate(Verdict),
    /// Counts packets and bytes.
    Counter,
    /// Ends the rule if it is asked too often.
    Limit(Limit),
    /// Tells listeners.
    Log(Log),
}

/// Where a register's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// `meta` with a key of `enum nft_meta_keys`.
    Meta(u32),
    /// `ct` with a key of `enum nft_ct_keys`.
    Conntrack(u32),
    /// Bytes of a header: base of `enum nft_payload_bases`, offset, length.
    Payload(u32, u32, u32),
}

/// `enum nft_cmp_ops`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    AtMost,
    AtLeast,
}

// enum nft_meta_keys
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;
// enum nft_ct_keys
const CT_STATE: u32 = 0;
const CT_DIRECTION: u32 = 1;
const CT_MARK: u32 = 3;
// enum nft_payload_bases
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;

pub(super) const INTERFACE_NAME_BYTES: usize = 16;

const FAMILY: Source = Source::Meta(META_NFPROTO);
const PROTOCOL: Source = Source::Meta(META_L4PROTO);
const SOURCE_PORT: Source = Source::Payload(TRANSPORT_HEADER, 0, 2);
const DESTINATION_PORT: Source = Source::Payload(TRANSPORT_HEADER, 2, 2);
const ICMP_TYPE: Source = Source::Payload(TRANSPORT_HEADER, 0, 1);
const ICMP_CODE: Source = Source::Payload(TRANSPORT_HEADER, 1, 1);
const TCP_FLAGS: Source = Source::Payload(TRANSPORT_HEADER, 13, 1);
const CONNTRACK_STATE: Source = Source::Conntrack(CT_STATE);
const CONNTRACK_DIRECTION: Source = Source::Conntrack(CT_DIRECTION);
const CONNTRACK_MARK: Source = Source::Conntrack(CT_MARK);

/// `IP_CT_DIR_REPLY` of `enum ip_conntrack_dir`.
const REPLY: u8 = 1;
/// RFC 9293 §3.1: FIN 1, SYN 2, RST 4, ACK 16.
const FIN_SYN_RST_ACK: u8 = 0x17;
const SYN: u8 = 0x02;

/// The kernel's words for a rule.
pub(super) fn compile(statements: &[Statement]) -> Vec<Expression> {
    statements.iter().flat_map(statement_expressions).collect()
}

fn statement_expressions(statement: &Statement) -> Vec<Expression> {
    match statement {
        Statement::Family(family) => equal(FAMILY, vec![family_number(*family)]),
        Statement::Protocol(protocol) => equal(PROTOCOL, vec![*protocol]),
        Statement::NotProtocol(protocol) => unequal(PROTOCOL, vec![*protocol]),
        Statement::InterfaceIs(side, name) => equal(interface(*side), interface_bytes(name)),
        Statement::InterfaceBegins(side, prefix) => equal(interface(*side), prefix.as_bytes().to_vec()),
        Statement::AddressIn(side, network) => address_in(*side, network),
        Statement::PortIn(side, first, last) => {
            within(port(*side), first.to_be_bytes().to_vec(), last.to_be_bytes().to_vec())
        }
        Statement::PortNotIn(side, first, last) => outside(port(*side), *first, *last),
        Statement::IcmpTypeIn(first, last) => within(ICMP_TYPE, vec![*first], vec![*last]),
        Statement::IcmpTypeIsNot(kind) => unequal(ICMP_TYPE, vec![*kind]),
        Statement::IcmpCodeIs(code) => equal(ICMP_CODE, vec![*code]),
        Statement::IcmpCodeIsNot(code) => unequal(ICMP_CODE, vec![*code]),
        Statement::NotPlainSyn => {
            masked(TCP_FLAGS, vec![FIN_SYN_RST_ACK], compare(Comparison::NotEqual, vec![SYN]))
        }
        Statement::ConntrackState(states) => {
            let mask = states.iter().fold(0, |mask, state| mask | state_bit(*state));
            let some = compare(Comparison::NotEqual, vec![0; 4]);
            masked(CONNTRACK_STATE, mask.to_ne_bytes().to_vec(), some)
        }
        Statement::IsReply => equal(CONNTRACK_DIRECTION, vec![REPLY]),
        Statement::MarkIs(Bits { mask, value }) => {
            let equal = compare(Comparison::Equal, value.to_ne_bytes().to_vec());
            masked(CONNTRACK_MARK, mask.to_ne_bytes().to_vec(), equal)
        }
        Statement::SetMark(Bits { mask, value }) => vec![
            load(CONNTRACK_MARK),
            bitwise((!mask).to_ne_bytes().to_vec(), value.to_ne_bytes().to_vec()),
            Expression::SetConntrack(CT_MARK),
        ],
        Statement::InSet(fields, set) => lookup(fields, set, false, false),
        Statement::NotInSet(fields, set) => lookup(fields, set, false, true),
        Statement::VerdictMap(fields, map) => lookup(fields, map, true, false),
        Statement::Counter => vec![Expression::Counter],
        Statement::Limit(limit) => vec![Expression::Limit(*limit)],
        Statement::Log(log) => vec![Expression::Log(log.clone())],
        Statement::Verdict(verdict) => vec![Expression::Immediate(verdict.clone())],
    }
}

fn load(source: Source) -> Expression {
    Expression::Load { source, register: 0 }
}

fn compare(comparison: Comparison, data: Vec<u8>) -> Expression {
    Expression::Compare { register: 0, comparison, data }
}

fn bitwise(mask: Vec<u8>, flip: Vec<u8>) -> Expression {
    Expression::Bitwise { register: 0, mask, flip }
}

fn equal(source: Source, data: Vec<u8>) -> Vec<Expression> {
    vec![load(source), compare(Comparison::Equal, data)]
}

fn unequal(source: Source, data: Vec<u8>) -> Vec<Expression> {
    vec![load(source), compare(Comparison::NotEqual, data)]
}

/// What is compared is what the mask leaves.
fn masked(source: Source, mask: Vec<u8>, comparison: Expression) -> Vec<Expression> {
    let nothing = vec![0; mask.len()];
    vec![load(source), bitwise(mask, nothing), comparison]
}

fn within(source: Source, first: Vec<u8>, last: Vec<u8>) -> Vec<Expression> {
    if first == last {
        return equal(source, first);
    }
    vec![load(source), compare(Comparison::AtLeast, first), compare(Comparison::AtMost, last)]
}

fn outside(source: Source, first: u16, last: u16) -> Vec<Expression> {
    let (from, to) = (first.to_be_bytes().to_vec(), last.to_be_bytes().to_vec());
    if first == last {
        return unequal(source, from);
    }
    vec![load(source), Expression::Outside { register: 0, first: from, last: to }]
}

fn address_in(side: Side, network: &IpNetwork) -> Vec<Expression> {
    let source = address_source(side, Family::of(&network.ip()));
    let mask = address_bytes(network.mask());
    let address = address_bytes(network.network());
    if mask.iter().all(|byte| *byte == u8::MAX) {
        return equal(source, address);
    }
    masked(source, mask, compare(Comparison::Equal, address))
}

/// The fields one after the other, each from the next 32-bit register on, as the key of a concatenation lies in memory.
fn lookup(fields: &[Field], set: &str, verdict: bool, negated: bool) -> Vec<Expression> {
    let mut expressions = Vec::with_capacity(fields.len() + 1);
    let mut register = 0;
    for field in fields {
        expressions.push(match field_source(*field) {
            Ok(source) => Expression::Load { source, register },
            Err(number) => Expression::Constant { register, data: number.to_ne_bytes().to_vec() },
        });
        register += field_words(*field);
    }
    expressions.push(Expression::Lookup { set: set.to_owned(), verdict, negated });
    expressions
}

fn field_words(field: Field) -> u32 {
    match field {
        Field::Interface(_) | Field::Address(_, Family::V6) => 4,
        Field::Address(_, Family::V4) | Field::Protocol | Field::Port(_) | Field::Number(_) => 1,
    }
}

/// Where a field comes from, or the number that it is.
fn field_source(field: Field) -> Result<Source, u32> {
    match field {
        Field::Interface(side) => Ok(interface(side)),
        Field::Address(side, family) => Ok(address_source(side, family)),
        Field::Protocol => Ok(PROTOCOL),
        Field::Port(side) => Ok(port(side)),
        Field::Number(number) => Err(number),
    }
}

fn address_source(side: Side, family: Family) -> Source {
    match (side, family) {
        (Side::Source, Family::V4) => Source::Payload(NETWORK_HEADER, 12, 4),
        (Side::Destination, Family::V4) => Source::Payload(NETWORK_HEADER, 16, 4),
        (Side::Source, Family::V6) => Source::Payload(NETWORK_HEADER, 8, 16),
        (Side::Destination, Family::V6) => Source::Payload(NETWORK_HEADER, 24, 16),
    }
}

fn interface(side: Side) -> Source {
    match side {
        Side::Source => Source::Meta(META_IIFNAME),
        Side::Destination => Source::Meta(META_OIFNAME),
    }
}

fn port(side: Side) -> Source {
    match side {
        Side::Source => SOURCE_PORT,
        Side::Destination => DESTINATION_PORT,
    }
}

fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => NFPROTO_IPV4,
        Family::V6 => NFPROTO_IPV6,
    }
}

/// `NF_CT_STATE_BIT` of `enum ip_conntrack_info`.
fn state_bit(state: ConntrackState) -> u32 {
    match state {
        ConntrackState::Invalid => 1,
        ConntrackState::Established => 2,
        ConntrackState::Related => 4,
        ConntrackState::New => 8,
    }
}

/// Padded with zeros to the kernel's `IFNAMSIZ`, of which the last stays zero.
pub(super) fn interface_bytes(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = name.bytes().take(INTERFACE_NAME_BYTES - 1).collect();
    bytes.resize(INTERFACE_NAME_BYTES, 0);
    bytes
}

/// The inverse of [`interface_bytes`].
pub(super) fn interface_name(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (name, padding) = bytes.split_at(end);
    let well_formed = !name.is_empty() && padding.iter().all(|byte| *byte == 0);
    well_formed.then(|| String::from_utf8(name.to_vec()).ok()).flatten()
}

pub(super) fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The inverse of [`address_bytes`].
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into())
}
