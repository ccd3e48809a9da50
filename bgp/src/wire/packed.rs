//! Attributes as one run of octets, for keeping many of them: a tenth of what the value takes, and compared and hashed
//! as a slice.
//!
//! The octets are an attribute list as in an UPDATE, with four-octet AS numbers and in the order of type codes, so
//! equal attributes have equal octets. They are no message: next hop and prefixes are not in them, they have been
//! checked, and an attribute may be longer than a message can say. Only what [`encode`] wrote is to be given to [`decode`].

use std::net::Ipv4Addr;

use bytes::{BufMut, Bytes};

use super::as_path::{self, Width};
use super::attribute::encode as attribute_encode;
use super::attribute::encode::PACKED_LENGTH;
use super::code::attribute as code;
use super::code::flag::EXTENDED_LENGTH;
use super::{Attributes, Community, ExtendedCommunity, LargeCommunity, Origin, UnknownAttribute};

#[cfg(test)]
mod tests;

/// Appends the attributes. What has no octets of its own does not come back: empty AS_PATH segments, repeated large
/// communities, unknown attributes that are not unknown.
pub fn encode(attributes: &Attributes, out: &mut impl BufMut) {
    attribute_encode::encode(attributes, &attribute_encode::Form::PACKED, out);
}

/// The attributes that these octets stand for. What [`encode`] would not have written is left out.
#[must_use]
pub fn decode(mut octets: &[u8]) -> Attributes {
    let mut attributes = Attributes::default();
    while let Some((flags, code, value, rest)) = split(octets) {
        take(&mut attributes, flags, code, value);
        octets = rest;
    }
    attributes
}

/// The first attribute: flags, type, value; and what follows it.
fn split(octets: &[u8]) -> Option<(u8, u8, &[u8], &[u8])> {
    let ([flags, code], rest) = octets.split_first_chunk()?;
    let (length, rest) = if flags & PACKED_LENGTH != 0 {
        let (length, rest) = rest.split_first_chunk()?;
        (usize::try_from(u32::from_be_bytes(*length)).ok()?, rest)
    } else if flags & EXTENDED_LENGTH != 0 {
        let (length, rest) = rest.split_first_chunk()?;
        (usize::from(u16::from_be_bytes(*length)), rest)
    } else {
        let (length, rest) = rest.split_first()?;
        (usize::from(*length), rest)
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((*flags, *code, value, rest))
}

fn take(attributes: &mut Attributes, flags: u8, code: u8, value: &[u8]) {
    match code {
        code::ORIGIN => {
            attributes.origin = value.first().and_then(|code| Origin::from_code(*code)).unwrap_or_default();
        }
        code::AS_PATH => attributes.as_path = as_path::decode(value, Width::Four).unwrap_or_default(),
        code::MULTI_EXIT_DISC => attributes.med = number(value),
        code::LOCAL_PREF => attributes.local_pref = number(value),
        code::ATOMIC_AGGREGATE => attributes.atomic_aggregate = true,
        code::AGGREGATOR => {
            attributes.aggregator = value.split_first_chunk().and_then(|(asn, router)| {
                Some((u32::from_be_bytes(*asn), Ipv4Addr::from_bits(number(router)?)))
            });
        }
        code::COMMUNITIES => {
            attributes.communities =
                items(value).iter().map(|octets| Community(u32::from_be_bytes(*octets))).collect();
        }
        code::ORIGINATOR_ID => attributes.originator_id = number(value).map(Ipv4Addr::from_bits),
        code::CLUSTER_LIST => {
            attributes.cluster_list =
                items::<4>(value).iter().map(|octets| Ipv4Addr::from(*octets)).collect();
        }
        code::EXTENDED_COMMUNITIES => {
            attributes.extended_communities =
                items(value).iter().map(|octets| ExtendedCommunity(u64::from_be_bytes(*octets))).collect();
        }
        code::LARGE_COMMUNITY => {
            attributes.large_communities = items(value).iter().map(LargeCommunity::from_octets).collect();
        }
        code::ONLY_TO_CUSTOMER => attributes.only_to_customer = number(value),
        _ => attributes.unknown_transitive.push(UnknownAttribute {
            flags: flags & !(EXTENDED_LENGTH | PACKED_LENGTH),
            code,
            value: Bytes::copy_from_slice(value),
        }),
    }
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

fn items<const N: usize>(value: &[u8]) -> &[[u8; N]] {
    value.as_chunks::<N>().0
}
