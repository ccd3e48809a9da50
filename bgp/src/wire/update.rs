//! UPDATE, RFC 4271 §4.3, RFC 4760 and RFC 7606: octets ↔ normalised routes.
//!
//! ```text
//! length │ withdrawn IPv4 prefixes … │ length │ path attributes … │ announced IPv4 prefixes …
//! ```
//!
//! Decoding finds all prefixes first, then judges: where an attribute is so wrong that its routes cannot be used,
//! they become withdrawals (RFC 7606 §2); where it is unknown which routes those are, the session ends.

use bytes::Bytes;
use nom::combinator::rest;
use nom::multi::length_data;
use nom::number::complete::be_u16;
use nom::{IResult, Parser};

use super::attribute::decode::{self, Decoded};
use super::code::{self, attribute, update_error};
use super::{Codec, DecodeError, Family, NextHop, Nlri, Notification, Reach, Treatment, Update, nlri};

mod encode;
#[cfg(test)]
mod tests;
mod writer;

pub use encode::{attribute_list, encode_end_of_rib, encode_reach, encode_withdrawals};
pub use writer::{Unencodable, Writer};

/// Withdrawn prefixes, path attributes, announced prefixes.
type Sections<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn sections(body: &[u8]) -> IResult<&[u8], Sections<'_>> {
    (length_data(be_u16), length_data(be_u16), rest).parse(body)
}

impl Update {
    /// # Errors
    /// What RFC 7606 leaves to a session reset: the prefixes cannot be told.
    pub(super) fn decode(body: &[u8], codec: &Codec) -> Result<Self, DecodeError> {
        let (_, (withdrawn, list, announced)) =
            sections(body).map_err(|_| malformed_list("the lengths reach beyond the message"))?;
        let mut update = Self { withdrawn: read_prefixes(withdrawn, codec)?, ..Self::default() };
        let prefixes = read_prefixes(announced, codec)?;
        let mut decoded = decode::decode(list, codec)?;
        if announced.is_empty() && withdrawn.is_empty() {
            update.end_of_rib = end_of_rib(list, &decoded);
        }
        check_mandatory(&mut decoded, !prefixes.is_empty());
        let treatment = decoded.errors.iter().map(|error| error.treatment).max();
        let has_reach = !prefixes.is_empty() || decoded.seen.contains(attribute::MP_REACH_NLRI);
        let only_unreach = decoded.errors.iter().all(|error| error.code == attribute::MP_UNREACH_NLRI);
        if treatment == Some(Treatment::TreatAsWithdraw) && !has_reach && !only_unreach {
            // RFC 7606 §5.2: the routes that the attributes were for may be what was lost.
            let reasons: Vec<String> = decoded.errors.iter().map(ToString::to_string).collect();
            return Err(malformed_list(format!("no routes beside {}", reasons.join(", "))));
        }
        update.attributes = decoded.attributes;
        update.errors = decoded.errors;
        match decoded.unreach {
            Some((_, prefixes)) if update.withdrawn.is_empty() => update.withdrawn = prefixes,
            Some((_, prefixes)) => update.withdrawn.extend(prefixes),
            None => {}
        }
        match treatment {
            Some(Treatment::TreatAsWithdraw) => {
                update.withdrawn.extend(prefixes);
                update.withdrawn.extend(decoded.reach.into_iter().flat_map(|reach| reach.prefixes));
            }
            Some(Treatment::AttributeDiscard) | None => {
                if let (Some(next_hop), false) = (decoded.next_hop, prefixes.is_empty()) {
                    let next_hop = NextHop::V4(next_hop);
                    update.reach.push(Reach { family: Family::Ipv4Unicast, next_hop, prefixes });
                }
                update.reach.extend(decoded.reach.filter(|reach| !reach.prefixes.is_empty()));
            }
        }
        Ok(update)
    }
}

/// RFC 4271 §6.3 and RFC 7606 §5.3: a prefix that cannot be read ends the session, in either field.
fn read_prefixes(field: &[u8], codec: &Codec) -> Result<Vec<Nlri>, DecodeError> {
    let mut prefixes = Vec::new();
    if field.is_empty() {
        return Ok(prefixes);
    }
    let add_path = codec.add_path_receive.contains(Family::Ipv4Unicast);
    match nlri::decode(Family::Ipv4Unicast, add_path, field, &mut prefixes) {
        Ok(()) => Ok(prefixes),
        Err(error) => {
            let subcode = update_error::INVALID_NETWORK_FIELD;
            Err(Notification::new(code::error::UPDATE, subcode, Bytes::new()).because(error.to_string()))
        }
    }
}

/// RFC 4724 §2: nothing at all, or an `MP_UNREACH_NLRI` without prefixes and nothing else.
fn end_of_rib(list: &[u8], decoded: &Decoded) -> Option<Family> {
    if list.is_empty() {
        return Some(Family::Ipv4Unicast);
    }
    let (family, prefixes) = decoded.unreach.as_ref()?;
    (prefixes.is_empty() && decoded.seen.only(attribute::MP_UNREACH_NLRI)).then_some(*family)
}

/// RFC 7606 §3 d. LOCAL_PREF is not asked for: what an internal peer leaves out has a usual default.
fn check_mandatory(decoded: &mut Decoded, classic: bool) {
    let any = classic || decoded.reach.is_some();
    let mandatory = [(attribute::ORIGIN, any), (attribute::AS_PATH, any), (attribute::NEXT_HOP, classic)];
    for (code, wanted) in mandatory {
        if wanted && !decoded.seen.contains(code) {
            decoded.survive(code, Treatment::TreatAsWithdraw, "is missing".into());
        }
    }
}

fn malformed_list(reason: impl Into<String>) -> DecodeError {
    Notification::new(code::error::UPDATE, update_error::MALFORMED_ATTRIBUTE_LIST, Bytes::new())
        .because(reason)
}
