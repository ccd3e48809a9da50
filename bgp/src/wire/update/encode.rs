//! Routes → UPDATEs: as many prefixes as share attributes in one message, as many messages as they need.
//!
//! One message carries one kind of thing (RFC 7606 §5.1): withdrawals or announcements, of one family. IPv4 goes in
//! the fields of RFC 4271, IPv6 in the attributes of RFC 4760, of which `MP_REACH_NLRI` comes first. Attributes
//! are encoded once, however many messages repeat them. Invariant: no message is longer than 4096 octets.

use bytes::{BufMut, BytesMut};

use super::super::attribute::encode as attribute_encode;
use super::super::code::attribute;
use super::super::code::flag::{EXTENDED_LENGTH, OPTIONAL};
use super::super::framer::{self, Kind};
use super::super::{Attributes, Codec, Family, NextHop, Nlri, Reach, Update, next_hop, nlri};

/// What the two length fields leave for attributes and prefixes.
const MAX_CONTENT_OCTETS: usize = framer::MAX_OCTETS - framer::HEADER_OCTETS - 4;
/// Flags, type and a length of two octets.
const EXTENDED_HEAD_OCTETS: usize = 4;
/// Octets of the longest prefix of a family.
const MAX_PREFIX_OCTETS: usize = 17;

/// Routes that cannot be announced to this peer. They have been withdrawn instead, so that it does not keep older ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unencodable {
    /// RFC 4271 §4 allows 4096 octets for a message.
    #[error("path attributes of {octets} octets leave no room for a prefix in a message of 4096")]
    TooLarge {
        /// What the attributes take.
        octets: usize,
    },
    /// IPv4 routes need an IPv4 next hop, IPv6 routes one of theirs.
    #[error("{next_hop} is no next hop for {family}")]
    NextHop {
        /// Of the prefixes.
        family: Family,
        /// As given.
        next_hop: NextHop,
    },
}

impl Update {
    /// Appends the messages that say all this: withdrawals first, then announcements, then End-of-RIB.
    ///
    /// # Errors
    /// Some routes were withdrawn instead of announced; everything else is written.
    pub(in crate::wire) fn encode(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), Unencodable> {
        encode_withdrawals(&self.withdrawn, out);
        let mut result = Ok(());
        for reach in &self.reach {
            result = result.and(encode_reach(&self.attributes, reach, codec, out));
        }
        if let Some(family) = self.end_of_rib {
            encode_end_of_rib(family, out);
        }
        result
    }
}

/// Appends the announcements of `reach`'s prefixes. Prefixes of another family are left out.
///
/// # Errors
/// The routes were withdrawn instead; what is written stands.
pub fn encode_reach(
    attributes: &Attributes,
    reach: &Reach,
    codec: &Codec,
    out: &mut BytesMut,
) -> Result<(), Unencodable> {
    let mut list = BytesMut::new();
    let written = match (reach.family, reach.next_hop) {
        (Family::Ipv4Unicast, NextHop::V4(next_hop)) => {
            attribute_encode::encode(attributes, Some(next_hop), codec, &mut list);
            announce_v4(&reach.prefixes, &list, out)
        }
        (Family::Ipv6Unicast, NextHop::V6 { .. }) => {
            attribute_encode::encode(attributes, None, codec, &mut list);
            announce_v6(&reach.next_hop, &reach.prefixes, &list, out)
        }
        (family, next_hop) => Err(Unencodable::NextHop { family, next_hop }),
    };
    if written.is_err() {
        encode_withdrawals(&reach.prefixes, out);
    }
    written
}

/// Appends the withdrawals of these prefixes, of whatever family.
pub fn encode_withdrawals(prefixes: &[Nlri], out: &mut BytesMut) {
    let of = |family| prefixes.iter().filter(move |prefix| Family::of(&prefix.prefix) == family);
    for field in Fields::new(of(Family::Ipv4Unicast), MAX_CONTENT_OCTETS) {
        put_message(&field, &[], &[], out);
    }
    let head_octets = EXTENDED_HEAD_OCTETS + 3;
    for field in Fields::new(of(Family::Ipv6Unicast), MAX_CONTENT_OCTETS - head_octets) {
        put_message(&[], &unreach(Family::Ipv6Unicast, &field), &[], out);
    }
}

/// Appends the End-of-RIB marker of a family, RFC 4724 §2.
pub fn encode_end_of_rib(family: Family, out: &mut BytesMut) {
    match family {
        Family::Ipv4Unicast => put_message(&[], &[], &[], out),
        Family::Ipv6Unicast => put_message(&[], &unreach(family, &[]), &[], out),
    }
}

fn announce_v4(prefixes: &[Nlri], list: &[u8], out: &mut BytesMut) -> Result<(), Unencodable> {
    let room = room(list.len())?;
    for field in Fields::new(prefixes.iter().filter(|prefix| prefix.prefix.is_ipv4()), room) {
        put_message(&[], list, &field, out);
    }
    Ok(())
}

fn announce_v6(
    next_hop: &NextHop,
    prefixes: &[Nlri],
    list: &[u8],
    out: &mut BytesMut,
) -> Result<(), Unencodable> {
    let mut head = BytesMut::new();
    head.put_u16(Family::Ipv6Unicast.afi());
    head.put_u8(Family::Ipv6Unicast.safi());
    next_hop::encode(next_hop, &mut head);
    head.put_u8(0);
    let room = room(EXTENDED_HEAD_OCTETS + head.len() + list.len())?;
    for field in Fields::new(prefixes.iter().filter(|prefix| prefix.prefix.is_ipv6()), room) {
        let mut attributes = extended(attribute::MP_REACH_NLRI, &[&head, &field]);
        attributes.put_slice(list);
        put_message(&[], &attributes, &[], out);
    }
    Ok(())
}

/// Octets left for prefixes beside this many of attributes.
fn room(octets: usize) -> Result<usize, Unencodable> {
    match MAX_CONTENT_OCTETS.checked_sub(octets) {
        Some(room) if room >= MAX_PREFIX_OCTETS => Ok(room),
        Some(_) | None => Err(Unencodable::TooLarge { octets }),
    }
}

fn unreach(family: Family, field: &[u8]) -> BytesMut {
    let [afi_high, afi_low] = family.afi().to_be_bytes();
    extended(attribute::MP_UNREACH_NLRI, &[&[afi_high, afi_low, family.safi()], field])
}

/// An optional attribute whose length always takes two octets.
fn extended(code: u8, value: &[&[u8]]) -> BytesMut {
    let octets: usize = value.iter().map(|part| part.len()).sum();
    let mut attribute = BytesMut::with_capacity(EXTENDED_HEAD_OCTETS + octets);
    attribute.put_slice(&[OPTIONAL | EXTENDED_LENGTH, code]);
    put_length(octets, &mut attribute);
    value.iter().for_each(|part| attribute.put_slice(part));
    attribute
}

fn put_message(withdrawn: &[u8], attributes: &[u8], announced: &[u8], out: &mut BytesMut) {
    framer::encode(Kind::Update, out, |out| {
        put_length(withdrawn.len(), out);
        out.put_slice(withdrawn);
        put_length(attributes.len(), out);
        out.put_slice(attributes);
        out.put_slice(announced);
    });
}

fn put_length(octets: usize, out: &mut BytesMut) {
    out.put_u16(u16::try_from(octets).unwrap_or(u16::MAX));
}

/// Prefixes, encoded and cut into fields of at most `room` octets.
struct Fields<I: Iterator> {
    prefixes: std::iter::Peekable<I>,
    room: usize,
}

impl<'a, I: Iterator<Item = &'a Nlri>> Fields<I> {
    fn new(prefixes: I, room: usize) -> Self {
        Self { prefixes: prefixes.peekable(), room }
    }
}

impl<'a, I: Iterator<Item = &'a Nlri>> Iterator for Fields<I> {
    type Item = BytesMut;

    fn next(&mut self) -> Option<BytesMut> {
        let mut field = BytesMut::new();
        while let Some(prefix) =
            self.prefixes.next_if(|prefix| field.len() + nlri::octets(&prefix.prefix) <= self.room)
        {
            nlri::encode(&prefix.prefix, &mut field);
        }
        (!field.is_empty()).then_some(field)
    }
}
