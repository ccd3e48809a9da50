//! Writing path attributes, in the order of type codes (RFC 4271 §5), the unknown ones last.
//!
//! Lengths are known before values are written, so that nothing is written twice and nothing allocated: the RIB
//! writes a list for each path and update group.

use std::net::Ipv4Addr;

use bytes::BufMut;

use super::super::as_path::{self, Width};
use super::super::code::flag::{EXTENDED_LENGTH, OPTIONAL, PARTIAL, TRANSITIVE};
use super::super::code::{AS_TRANS, attribute as code};
use super::super::{Attributes, Codec, LargeCommunity};

/// The length takes four octets: a flag that no message has.
pub(in crate::wire) const PACKED_LENGTH: u8 = 0x01;

/// Well-known attributes are transitive.
const WELL_KNOWN: u8 = TRANSITIVE;

/// What is written of the attributes, and how.
pub(in crate::wire) struct Form {
    /// NEXT_HOP, where the prefixes are in the NLRI field.
    pub next_hop: Option<Ipv4Addr>,
    /// Of AS numbers. With two octets, AS4_PATH and AS4_AGGREGATOR go along where they are needed.
    pub width: Width,
    /// LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST as well: they do not leave the AS.
    pub internal: bool,
    /// Set on unknown attributes: that we pass on what we do not know (RFC 4271 §5).
    pub unknown_flags: u8,
}

impl Form {
    /// For a peer.
    pub fn to_peer(next_hop: Option<Ipv4Addr>, codec: &Codec) -> Self {
        let width = if codec.four_octet_as { Width::Four } else { Width::Two };
        Self { next_hop, width, internal: !codec.external, unknown_flags: PARTIAL }
    }

    /// Everything, as it is.
    pub const PACKED: Self = Self { next_hop: None, width: Width::Four, internal: true, unknown_flags: 0 };
}

/// The attribute list of an UPDATE but for `MP_REACH_NLRI`.
pub(in crate::wire) fn encode(attributes: &Attributes, form: &Form, out: &mut impl BufMut) {
    put(WELL_KNOWN, code::ORIGIN, &[attributes.origin.code()], out);
    put_head(WELL_KNOWN, code::AS_PATH, as_path::octets(&attributes.as_path, form.width), out);
    as_path::encode(&attributes.as_path, form.width, out);
    if let Some(next_hop) = form.next_hop {
        put(WELL_KNOWN, code::NEXT_HOP, &next_hop.octets(), out);
    }
    if let Some(med) = attributes.med {
        put(OPTIONAL, code::MULTI_EXIT_DISC, &med.to_be_bytes(), out);
    }
    if let Some(local_pref) = attributes.local_pref.filter(|_| form.internal) {
        put(WELL_KNOWN, code::LOCAL_PREF, &local_pref.to_be_bytes(), out);
    }
    if attributes.atomic_aggregate {
        put(WELL_KNOWN, code::ATOMIC_AGGREGATE, &[], out);
    }
    if let Some(by) = attributes.aggregator {
        encode_aggregator(code::AGGREGATOR, by, form.width, out);
    }
    if !attributes.communities.is_empty() {
        put_head(OPTIONAL | TRANSITIVE, code::COMMUNITIES, 4 * attributes.communities.len(), out);
        attributes.communities.iter().for_each(|community| out.put_u32(community.0));
    }
    if form.internal {
        encode_reflection(attributes, out);
    }
    if !attributes.extended_communities.is_empty() {
        let octets = 8 * attributes.extended_communities.len();
        put_head(OPTIONAL | TRANSITIVE, code::EXTENDED_COMMUNITIES, octets, out);
        attributes.extended_communities.iter().for_each(|community| out.put_u64(community.0));
    }
    if form.width == Width::Two {
        encode_four_octet(attributes, out);
    }
    encode_large(&attributes.large_communities, out);
    if let Some(asn) = attributes.only_to_customer {
        put(OPTIONAL | TRANSITIVE, code::ONLY_TO_CUSTOMER, &asn.to_be_bytes(), out);
    }
    encode_unknown(attributes, form.unknown_flags, out);
}

/// RFC 4456 §8.
fn encode_reflection(attributes: &Attributes, out: &mut impl BufMut) {
    if let Some(id) = attributes.originator_id {
        put(OPTIONAL, code::ORIGINATOR_ID, &id.octets(), out);
    }
    if !attributes.cluster_list.is_empty() {
        put_head(OPTIONAL, code::CLUSTER_LIST, 4 * attributes.cluster_list.len(), out);
        attributes.cluster_list.iter().for_each(|cluster| out.put_slice(&cluster.octets()));
    }
}

/// RFC 6793 §4.2.2: the numbers that `AS_TRANS` stands for.
fn encode_four_octet(attributes: &Attributes, out: &mut impl BufMut) {
    if attributes.as_path.needs_four_octets() {
        let path = attributes.as_path.without_confederations();
        let octets = as_path::octets(&path, Width::Four);
        if octets > 0 {
            put_head(OPTIONAL | TRANSITIVE, code::AS4_PATH, octets, out);
            as_path::encode(&path, Width::Four, out);
        }
    }
    if let Some(by) = attributes.aggregator.filter(|(asn, _)| u16::try_from(*asn).is_err()) {
        encode_aggregator(code::AS4_AGGREGATOR, by, Width::Four, out);
    }
}

fn encode_aggregator(code: u8, (asn, router): (u32, Ipv4Addr), width: Width, out: &mut impl BufMut) {
    put_head(OPTIONAL | TRANSITIVE, code, width.octets() + 4, out);
    match width {
        Width::Two => out.put_u16(u16::try_from(asn).unwrap_or(AS_TRANS)),
        Width::Four => out.put_u32(asn),
    }
    out.put_slice(&router.octets());
}

fn encode_large(communities: &[LargeCommunity], out: &mut impl BufMut) {
    if communities.is_empty() {
        return;
    }
    let mut communities = communities.to_vec();
    LargeCommunity::remove_repeated(&mut communities);
    put_head(OPTIONAL | TRANSITIVE, code::LARGE_COMMUNITY, 12 * communities.len(), out);
    for community in communities {
        out.put_u32(community.global);
        out.put_u32(community.local_1);
        out.put_u32(community.local_2);
    }
}

/// Attributes that are written from their own fields are not repeated.
fn encode_unknown(attributes: &Attributes, flags: u8, out: &mut impl BufMut) {
    let unknown = &attributes.unknown_transitive;
    for (index, attribute) in unknown.iter().enumerate() {
        let repeated = unknown.iter().take(index).any(|earlier| earlier.code == attribute.code);
        if !repeated && !super::is_read(attribute.code) {
            let flags = OPTIONAL | TRANSITIVE | attribute.flags & PARTIAL | flags;
            put(flags, attribute.code, &attribute.value, out);
        }
    }
}

/// One attribute.
fn put(flags: u8, code: u8, value: &[u8], out: &mut impl BufMut) {
    put_head(flags, code, value.len(), out);
    out.put_slice(value);
}

/// Flags, type and length of an attribute. A value of more than 65,535 octets is longer than any message, and is never
/// sent ([`Writer::fits`](crate::wire::update::Writer::fits)). But there may be one: a filter adds communities to a path
/// that was nearly as long, AS numbers of two octets are kept in four. So it has a length of its own kind, to be kept.
fn put_head(flags: u8, code: u8, octets: usize, out: &mut impl BufMut) {
    if let Ok(octets) = u8::try_from(octets) {
        out.put_slice(&[flags, code, octets]);
    } else if let Ok(octets) = u16::try_from(octets) {
        out.put_slice(&[flags | EXTENDED_LENGTH, code]);
        out.put_u16(octets);
    } else {
        out.put_slice(&[flags | PACKED_LENGTH, code]);
        out.put_u32(u32::try_from(octets).unwrap_or(u32::MAX));
    }
}
