//! From tables to the UPDATEs of a peer that announces them.
//!
//! A router sends prefixes with equal attributes together, as many as a message of 4,096 octets holds; so does this.
//! Messages are only octets here, one behind the other, ready to be written to a socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::Table;
use super::encode::encode_prefix;

/// RFC 4271 §4.
const MAX_MESSAGE: usize = 4_096;
const HEADER: usize = 19;
const UPDATE: u8 = 2;

/// Attribute type codes.
const AS_PATH: u8 = 2;
const NEXT_HOP: u8 = 3;
const MP_REACH_NLRI: u8 = 14;
const MP_UNREACH_NLRI: u8 = 15;

const AS_SEQUENCE: u8 = 2;
const EXTENDED_LENGTH: u8 = 0x10;

/// The external peer that announces a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// Its AS, put in front of paths that do not begin with it.
    pub asn: u32,
    /// Next hop of IPv4 prefixes.
    pub next_hop: Ipv4Addr,
    /// Next hop of IPv6 prefixes; without one they are left out.
    pub next_hop_v6: Option<Ipv6Addr>,
}

/// A table as messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The messages.
    pub messages: Vec<u8>,
    /// How many prefixes they announce.
    pub announced: usize,
    /// How many they do not: IPv6 without a next hop, and attributes that fill a message alone or are broken.
    pub left_out: usize,
}

/// The table announced by this peer.
#[must_use]
pub fn encode_table(table: &Table, sender: &Sender) -> Feed {
    let mut feed = Feed { messages: Vec::new(), announced: 0, left_out: 0 };
    for (set, prefixes) in table.sets.iter().zip(table.by_set()) {
        let (ipv6, ipv4): (Vec<_>, Vec<_>) = prefixes.into_iter().partition(IpNetwork::is_ipv6);
        for (prefixes, next_hop) in
            [(ipv4, Some(IpAddr::V4(sender.next_hop))), (ipv6, sender.next_hop_v6.map(IpAddr::V6))]
        {
            let attributes = next_hop.and_then(|hop| rewrite(set, sender.asn, hop));
            let done = match (attributes, next_hop) {
                (Some(attributes), Some(IpAddr::V4(_))) => {
                    encode_announcement(&attributes, &prefixes, &mut feed.messages)
                }
                (Some(attributes), Some(IpAddr::V6(hop))) => {
                    encode_announcement_v6(&attributes, hop, &prefixes, &mut feed.messages)
                }
                (None, _) | (_, None) => 0,
            };
            feed.announced += done;
            feed.left_out += prefixes.len() - done;
        }
    }
    feed
}

/// The table withdrawn, in its order.
#[must_use]
pub fn encode_table_withdrawal(table: &Table) -> Vec<u8> {
    let mut messages = Vec::new();
    let prefixes: Vec<_> = table.routes.iter().map(|route| route.prefix).collect();
    encode_withdrawal(&prefixes, &mut messages);
    messages
}

/// Announces IPv4 prefixes with these attributes; returns how many (none, if the attributes leave no room).
pub fn encode_announcement(attributes: &[u8], prefixes: &[IpNetwork], out: &mut Vec<u8>) -> usize {
    let Some(room) = room_beside(4 + attributes.len()) else { return 0 };
    for prefixes in packs(prefixes, room) {
        message(UPDATE, out, |out| {
            out.extend([0, 0]);
            out.extend(length(attributes.len()));
            out.extend(attributes);
            prefixes.iter().for_each(|prefix| encode_prefix(*prefix, out));
        });
    }
    prefixes.len()
}

fn encode_announcement_v6(
    attributes: &[u8],
    hop: Ipv6Addr,
    prefixes: &[IpNetwork],
    out: &mut Vec<u8>,
) -> usize {
    // The attribute's header, family, next hop with its length, reserved octet.
    let around = 4 + 3 + 17 + 1;
    let Some(room) = room_beside(4 + attributes.len() + around) else { return 0 };
    for prefixes in packs(prefixes, room) {
        let nlri: usize = prefixes.iter().map(octets).sum();
        message(UPDATE, out, |out| {
            out.extend([0, 0]);
            out.extend(length(attributes.len() + around + nlri));
            out.extend([0x80 | EXTENDED_LENGTH, MP_REACH_NLRI]);
            out.extend(length(around - 4 + nlri));
            out.extend([0, 2, 1, 16]);
            out.extend(hop.octets());
            out.push(0);
            prefixes.iter().for_each(|prefix| encode_prefix(*prefix, out));
            out.extend(attributes);
        });
    }
    prefixes.len()
}

/// Withdraws prefixes, IPv4 and then IPv6.
pub fn encode_withdrawal(prefixes: &[IpNetwork], out: &mut Vec<u8>) {
    let (ipv6, ipv4): (Vec<_>, Vec<_>) = prefixes.iter().copied().partition(IpNetwork::is_ipv6);
    for prefixes in packs(&ipv4, MAX_MESSAGE - HEADER - 4) {
        message(UPDATE, out, |out| {
            out.extend(length(prefixes.iter().map(octets).sum()));
            prefixes.iter().for_each(|prefix| encode_prefix(*prefix, out));
            out.extend([0, 0]);
        });
    }
    for prefixes in packs(&ipv6, MAX_MESSAGE - HEADER - 4 - 7) {
        let nlri: usize = prefixes.iter().map(octets).sum();
        message(UPDATE, out, |out| {
            out.extend([0, 0]);
            out.extend(length(7 + nlri));
            out.extend([0x80 | EXTENDED_LENGTH, MP_UNREACH_NLRI]);
            out.extend(length(3 + nlri));
            out.extend([0, 2, 1]);
            prefixes.iter().for_each(|prefix| encode_prefix(*prefix, out));
        });
    }
}

/// A message of any type around its body (RFC 4271 §4.1); the body is what is appended.
pub fn message(kind: u8, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0xff; 16]);
    out.extend([0, 0, kind]);
    body(out);
    let length = length(out.len() - start);
    if let Some(field) = out.get_mut(start + 16..start + 18) {
        field.copy_from_slice(&length);
    }
}

fn room_beside(taken: usize) -> Option<usize> {
    // Room for the longest prefix at least.
    (MAX_MESSAGE - HEADER).checked_sub(taken).filter(|room| *room >= 17)
}

/// Cuts prefixes into runs that fit into so many octets.
fn packs(prefixes: &[IpNetwork], room: usize) -> impl Iterator<Item = &[IpNetwork]> {
    let mut rest = prefixes;
    std::iter::from_fn(move || {
        let mut taken = 0;
        let fitting = rest.iter().take_while(|prefix| {
            taken += octets(prefix);
            taken <= room
        });
        let (pack, behind) = rest.split_at(fitting.count());
        rest = behind;
        (!pack.is_empty()).then_some(pack)
    })
}

fn octets(prefix: &IpNetwork) -> usize {
    1 + usize::from(prefix.prefix()).div_ceil(8)
}

/// Of what a message holds, which is less than 65,536 octets.
fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes()
}

/// The attributes as this AS announces them: itself in front of the path, its own next hop (for IPv6, that is up to the
/// message). `None` if they are broken.
fn rewrite(attributes: &[u8], asn: u32, next_hop: IpAddr) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(attributes.len() + 8);
    let mut rest = attributes;
    while !rest.is_empty() {
        let (&[flags, code], behind) = rest.split_first_chunk()?;
        let (length, behind) = if flags & EXTENDED_LENGTH == 0 {
            let (length, behind) = behind.split_first()?;
            (usize::from(*length), behind)
        } else {
            let (length, behind) = behind.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), behind)
        };
        let (value, behind) = behind.split_at_checked(length)?;
        match (code, next_hop) {
            (AS_PATH, _) => attribute(flags, code, &prepended(value, asn), &mut out),
            (NEXT_HOP, IpAddr::V4(hop)) => attribute(flags, code, &hop.octets(), &mut out),
            (NEXT_HOP, IpAddr::V6(_)) | (MP_REACH_NLRI, _) => {}
            _ => attribute(flags, code, value, &mut out),
        }
        rest = behind;
    }
    Some(out)
}

fn prepended(path: &[u8], asn: u32) -> Vec<u8> {
    let asn = asn.to_be_bytes();
    match path {
        [AS_SEQUENCE, 1..=u8::MAX, rest @ ..] if rest.starts_with(&asn) => path.to_vec(),
        [AS_SEQUENCE, count @ 1..=254, rest @ ..] => [&[AS_SEQUENCE, count + 1], &asn[..], rest].concat(),
        _ => [&[AS_SEQUENCE, 1], &asn[..], path].concat(),
    }
}

/// Appends an attribute, with a length of two octets where one does not do.
pub(super) fn attribute(flags: u8, code: u8, value: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(value.len()) {
        Ok(short) => out.extend([flags & !EXTENDED_LENGTH, code, short]),
        Err(_) => {
            out.extend([flags | EXTENDED_LENGTH, code]);
            out.extend(length(value.len()));
        }
    }
    out.extend(value);
}
