//! Writing path attributes, in the order of type codes (RFC 4271 §5).

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use super::super::as_path::{self, Width};
use super::super::code::flag::{EXTENDED_LENGTH, OPTIONAL, PARTIAL, TRANSITIVE};
use super::super::code::{AS_TRANS, attribute as code};
use super::super::{Attributes, Codec};

/// Well-known attributes are transitive.
const WELL_KNOWN: u8 = TRANSITIVE;

/// The attribute list of an UPDATE but for `MP_REACH_NLRI`; with NEXT_HOP where the prefixes are in the NLRI field.
pub(in crate::wire) fn encode(
    attributes: &Attributes,
    next_hop: Option<Ipv4Addr>,
    codec: &Codec,
    out: &mut BytesMut,
) {
    let mut scratch = BytesMut::new();
    put(WELL_KNOWN, code::ORIGIN, &[attributes.origin.code()], out);
    let width = if codec.four_octet_as { Width::Four } else { Width::Two };
    as_path::encode(&attributes.as_path, width, &mut scratch);
    put(WELL_KNOWN, code::AS_PATH, &scratch, out);
    if let Some(next_hop) = next_hop {
        put(WELL_KNOWN, code::NEXT_HOP, &next_hop.octets(), out);
    }
    if let Some(med) = attributes.med {
        put(OPTIONAL, code::MULTI_EXIT_DISC, &med.to_be_bytes(), out);
    }
    if let Some(local_pref) = attributes.local_pref.filter(|_| !codec.external) {
        put(WELL_KNOWN, code::LOCAL_PREF, &local_pref.to_be_bytes(), out);
    }
    if attributes.atomic_aggregate {
        put(WELL_KNOWN, code::ATOMIC_AGGREGATE, &[], out);
    }
    if let Some(by) = attributes.aggregator {
        encode_aggregator(by, width, &mut scratch);
        put(OPTIONAL | TRANSITIVE, code::AGGREGATOR, &scratch, out);
    }
    if !attributes.communities.is_empty() {
        scratch.clear();
        attributes.communities.iter().for_each(|community| scratch.put_u32(community.0));
        put(OPTIONAL | TRANSITIVE, code::COMMUNITIES, &scratch, out);
    }
    if !codec.external {
        encode_reflection(attributes, &mut scratch, out);
    }
    if !codec.four_octet_as {
        encode_four_octet(attributes, &mut scratch, out);
    }
    encode_unknown(attributes, out);
}

/// RFC 4456 §8; these do not leave the AS.
fn encode_reflection(attributes: &Attributes, scratch: &mut BytesMut, out: &mut BytesMut) {
    if let Some(id) = attributes.originator_id {
        put(OPTIONAL, code::ORIGINATOR_ID, &id.octets(), out);
    }
    if !attributes.cluster_list.is_empty() {
        scratch.clear();
        attributes.cluster_list.iter().for_each(|cluster| scratch.put_slice(&cluster.octets()));
        put(OPTIONAL, code::CLUSTER_LIST, scratch, out);
    }
}

/// RFC 6793 §4.2.2: the numbers that `AS_TRANS` stands for.
fn encode_four_octet(attributes: &Attributes, scratch: &mut BytesMut, out: &mut BytesMut) {
    if attributes.as_path.needs_four_octets() {
        scratch.clear();
        as_path::encode(&attributes.as_path.without_confederations(), Width::Four, scratch);
        if !scratch.is_empty() {
            put(OPTIONAL | TRANSITIVE, code::AS4_PATH, scratch, out);
        }
    }
    if let Some(by) = attributes.aggregator.filter(|(asn, _)| u16::try_from(*asn).is_err()) {
        encode_aggregator(by, Width::Four, scratch);
        put(OPTIONAL | TRANSITIVE, code::AS4_AGGREGATOR, scratch, out);
    }
}

fn encode_aggregator((asn, router): (u32, Ipv4Addr), width: Width, scratch: &mut BytesMut) {
    scratch.clear();
    match width {
        Width::Two => scratch.put_u16(u16::try_from(asn).unwrap_or(AS_TRANS)),
        Width::Four => scratch.put_u32(asn),
    }
    scratch.put_slice(&router.octets());
}

/// Passed on with the partial bit (RFC 4271 §5). Attributes that are written from their own fields are not repeated.
fn encode_unknown(attributes: &Attributes, out: &mut BytesMut) {
    let unknown = &attributes.unknown_transitive;
    for (index, attribute) in unknown.iter().enumerate() {
        let repeated = unknown.iter().take(index).any(|earlier| earlier.code == attribute.code);
        if !repeated && !super::is_read(attribute.code) {
            put(OPTIONAL | TRANSITIVE | PARTIAL, attribute.code, &attribute.value, out);
        }
    }
}

/// One attribute. A value longer than 65535 octets has no encoding; the message limit refuses it long before.
pub(in crate::wire) fn put(flags: u8, code: u8, value: &[u8], out: &mut BytesMut) {
    match u8::try_from(value.len()) {
        Ok(octets) => out.put_slice(&[flags, code, octets]),
        Err(_) => {
            out.put_slice(&[flags | EXTENDED_LENGTH, code]);
            out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        }
    }
    out.put_slice(value);
}
