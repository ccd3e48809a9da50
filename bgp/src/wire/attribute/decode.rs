//! Reading path attributes, and what RFC 7606 makes of those that are wrong.
//!
//! Each attribute is taken or refused with a [`Fault`] that says how far the damage goes. Where several are wrong,
//! all are recorded; the strongest treatment wins (RFC 7606 §3 h), which the caller applies.

use std::net::Ipv4Addr;

use bytes::Bytes;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16};
use nom::{IResult, Parser};

use super::super::as_path::{self, Width};
use super::super::code::flag::{OPTIONAL, PARTIAL, TRANSITIVE};
use super::super::code::{AS_TRANS, attribute as code, error, update_error};
use super::super::{
    AsPath, AttributeError, Attributes, Codec, Community, DecodeError, ExtendedCommunity, Family,
    LargeCommunity, NextHop, Nlri, Notification, Origin, Reach, Treatment, UnknownAttribute, next_hop, nlri,
};
use super::{Raw, raw};

/// The flags that say something of an attribute rather than of its encoding.
const KEPT_FLAGS: u8 = OPTIONAL | TRANSITIVE | PARTIAL;

/// What the attributes of one UPDATE say.
#[derive(Default)]
pub(in crate::wire) struct Decoded {
    pub attributes: Attributes,
    pub next_hop: Option<Ipv4Addr>,
    pub reach: Option<Reach>,
    pub unreach: Option<(Family, Vec<Nlri>)>,
    pub errors: Vec<AttributeError>,
    pub seen: Seen,
    as4_path: Option<AsPath>,
    as4_aggregator: Option<(u32, Ipv4Addr)>,
}

/// The type codes that have appeared.
#[derive(Default)]
pub(in crate::wire) struct Seen([u64; 4]);

impl Seen {
    /// Whether `code` has appeared.
    pub fn contains(&self, code: u8) -> bool {
        self.0.get(usize::from(code >> 6)).is_some_and(|word| word & (1 << (code & 63)) != 0)
    }

    /// Whether `code` has appeared and nothing else.
    pub fn only(&self, code: u8) -> bool {
        self.contains(code) && self.0.iter().map(|word| word.count_ones()).sum::<u32>() == 1
    }

    /// `false` if it had appeared already.
    fn insert(&mut self, code: u8) -> bool {
        let new = !self.contains(code);
        if let Some(word) = self.0.get_mut(usize::from(code >> 6)) {
            *word |= 1 << (code & 63);
        }
        new
    }
}

/// Why an attribute was not taken, and what follows.
enum Fault {
    Discard(String),
    Withdraw(String),
    Reset(DecodeError),
}

/// Reads the attribute list.
///
/// # Errors
/// Only what RFC 7606 leaves to a session reset.
pub(in crate::wire) fn decode(mut list: &[u8], codec: &Codec) -> Result<Decoded, DecodeError> {
    let mut decoded = Decoded::default();
    while !list.is_empty() {
        let Ok((rest, attribute)) = raw(list) else {
            // §4: what follows is lost, but the total length still says where the NLRI is.
            let code = list.get(1).copied().unwrap_or_default();
            decoded.survive(code, Treatment::TreatAsWithdraw, "reaches beyond the attribute list".into());
            break;
        };
        list = rest;
        if !decoded.seen.insert(attribute.code) {
            decoded.repeated(attribute.code)?;
            continue;
        }
        match decoded.take(&attribute, codec) {
            Ok(()) => {}
            Err(Fault::Discard(reason)) => {
                decoded.survive(attribute.code, Treatment::AttributeDiscard, reason);
            }
            Err(Fault::Withdraw(reason)) => {
                decoded.survive(attribute.code, Treatment::TreatAsWithdraw, reason);
            }
            Err(Fault::Reset(error)) => return Err(error),
        }
    }
    decoded.merge_four_octet();
    // In whatever order they came, equal sets are equal values.
    decoded.attributes.unknown_transitive.sort_by_key(|attribute| attribute.code);
    Ok(decoded)
}

impl Decoded {
    /// Records an error that the session survives.
    pub(in crate::wire) fn survive(&mut self, code: u8, treatment: Treatment, reason: String) {
        self.errors.push(AttributeError { code, treatment, reason });
    }

    /// RFC 7606 §3 g: the first one counts, but for the attributes that carry prefixes.
    fn repeated(&mut self, code: u8) -> Result<(), DecodeError> {
        if [code::MP_REACH_NLRI, code::MP_UNREACH_NLRI].contains(&code) {
            let name = super::super::code::attribute_name(code);
            let subcode = update_error::MALFORMED_ATTRIBUTE_LIST;
            return Err(Notification::new(error::UPDATE, subcode, Bytes::new())
                .because(format!("{name} appears more than once")));
        }
        self.survive(code, Treatment::AttributeDiscard, "appears more than once".into());
        Ok(())
    }

    fn take(&mut self, raw: &Raw<'_>, codec: &Codec) -> Result<(), Fault> {
        refuse_by_peer(raw, codec)?;
        let flags = check_flags(raw);
        match raw.code {
            // Their prefixes are wanted, be it to withdraw them.
            code::MP_REACH_NLRI => self.take_reach(raw, codec)?,
            code::MP_UNREACH_NLRI => self.take_unreach(raw, codec)?,
            _ => {
                flags?;
                return self.take_value(raw, codec);
            }
        }
        flags
    }

    fn take_value(&mut self, raw: &Raw<'_>, codec: &Codec) -> Result<(), Fault> {
        let value = raw.value;
        match raw.code {
            code::ORIGIN => self.attributes.origin = origin(value)?,
            code::AS_PATH => self.attributes.as_path = as_path(value, codec)?,
            code::NEXT_HOP => self.next_hop = Some(classic_next_hop(value)?),
            code::MULTI_EXIT_DISC => {
                self.attributes.med = Some(u32::from_be_bytes(exactly(value).map_err(Fault::Withdraw)?));
            }
            code::LOCAL_PREF => {
                self.attributes.local_pref =
                    Some(u32::from_be_bytes(exactly(value).map_err(Fault::Withdraw)?));
            }
            code::ATOMIC_AGGREGATE => {
                let [] = exactly(value).map_err(Fault::Discard)?;
                self.attributes.atomic_aggregate = true;
            }
            code::AGGREGATOR => self.attributes.aggregator = Some(aggregator(value, codec.four_octet_as)?),
            code::COMMUNITIES => {
                self.attributes.communities = whole_number::<4>(value)?
                    .iter()
                    .map(|octets| Community(u32::from_be_bytes(*octets)))
                    .collect();
            }
            code::ORIGINATOR_ID => {
                let id: [u8; 4] = exactly(value).map_err(Fault::Withdraw)?;
                self.attributes.originator_id = Some(Ipv4Addr::from(id));
            }
            code::CLUSTER_LIST => {
                self.attributes.cluster_list =
                    whole_number::<4>(value)?.iter().map(|octets| Ipv4Addr::from(*octets)).collect();
            }
            code::EXTENDED_COMMUNITIES => {
                self.attributes.extended_communities = whole_number::<8>(value)?
                    .iter()
                    .map(|octets| ExtendedCommunity(u64::from_be_bytes(*octets)))
                    .collect();
            }
            code::LARGE_COMMUNITY => {
                let communities = &mut self.attributes.large_communities;
                *communities = whole_number(value)?.iter().map(LargeCommunity::from_octets).collect();
                LargeCommunity::remove_repeated(communities);
            }
            code::ONLY_TO_CUSTOMER => {
                let asn = exactly(value).map_err(Fault::Withdraw)?;
                self.attributes.only_to_customer = Some(u32::from_be_bytes(asn));
            }
            code::AS4_PATH => {
                let path = as_path::decode(value, Width::Four);
                self.as4_path = Some(path.map_err(|error| Fault::Discard(error.to_string()))?);
            }
            code::AS4_AGGREGATOR => self.as4_aggregator = Some(aggregator(value, true)?),
            _ => self.keep(raw)?,
        }
        Ok(())
    }

    fn take_reach(&mut self, raw: &Raw<'_>, codec: &Codec) -> Result<(), Fault> {
        let Ok((field, (afi, safi, next_hop, _reserved))) = reach_head(raw.value) else {
            return Err(reset(raw, "ends before its prefixes"));
        };
        let Some(family) = Family::from_codes(afi, safi) else {
            return Err(unknown_family(afi, safi));
        };
        let next_hop = next_hop::decode(family, codec.extended_next_hop, next_hop)
            .ok_or_else(|| reset(raw, &format!("has a next hop of {} octets", next_hop.len())))?;
        let mut prefixes = Vec::new();
        let add_path = codec.add_path_receive.contains(family);
        nlri::decode(family, add_path, field, &mut prefixes)
            .map_err(|error| reset(raw, &error.to_string()))?;
        let is_host = next_hop::is_host(&next_hop);
        self.reach = Some(Reach { family, next_hop, prefixes });
        if is_host { Ok(()) } else { Err(no_host(&next_hop)) }
    }

    fn take_unreach(&mut self, raw: &Raw<'_>, codec: &Codec) -> Result<(), Fault> {
        let Ok((field, (afi, safi))) = unreach_head(raw.value) else {
            return Err(reset(raw, "ends before its prefixes"));
        };
        let Some(family) = Family::from_codes(afi, safi) else {
            return Err(unknown_family(afi, safi));
        };
        let mut prefixes = Vec::new();
        let add_path = codec.add_path_receive.contains(family);
        nlri::decode(family, add_path, field, &mut prefixes)
            .map_err(|error| reset(raw, &error.to_string()))?;
        self.unreach = Some((family, prefixes));
        Ok(())
    }

    /// RFC 4271 §5: the optional is passed on if it is transitive and dropped if not; the well-known is an error,
    /// which RFC 7606 leaves as it was (§6.3 of RFC 4271).
    fn keep(&mut self, raw: &Raw<'_>) -> Result<(), Fault> {
        match raw.code {
            code::IPV6_EXTENDED_COMMUNITIES => drop(whole_number::<20>(raw.value)?),
            code if raw.flags & OPTIONAL == 0 => {
                let data = Bytes::copy_from_slice(raw.octets);
                let subcode = update_error::UNRECOGNIZED_WELL_KNOWN;
                let notification = Notification::new(error::UPDATE, subcode, data);
                return Err(Fault::Reset(
                    notification.because(format!("well-known attribute {code} is unknown")),
                ));
            }
            _ => {}
        }
        if raw.flags & TRANSITIVE != 0 {
            // Copied, so that a kept route does not hold on to a read buffer.
            let value = Bytes::copy_from_slice(raw.value);
            let unknown = UnknownAttribute { flags: raw.flags & KEPT_FLAGS, code: raw.code, value };
            self.attributes.unknown_transitive.push(unknown);
        }
        Ok(())
    }

    /// RFC 6793 §4.2.3: AS4_PATH and AS4_AGGREGATOR count unless an aggregator that does not know them came after.
    fn merge_four_octet(&mut self) {
        if let (Some(by), Some(by4)) = (self.attributes.aggregator, self.as4_aggregator) {
            if by.0 != u32::from(AS_TRANS) {
                return;
            }
            self.attributes.aggregator = Some(by4);
        }
        if let Some(as4_path) = self.as4_path.take() {
            let as_path = std::mem::take(&mut self.attributes.as_path);
            self.attributes.as_path = as_path::merge(as_path, &as4_path);
        }
    }
}

/// Attributes that this peer has no business sending: RFC 7606 §7.5, §7.9, §7.10 and RFC 6793 §4.1.
fn refuse_by_peer(raw: &Raw<'_>, codec: &Codec) -> Result<(), Fault> {
    match raw.code {
        code::LOCAL_PREF | code::ORIGINATOR_ID | code::CLUSTER_LIST if codec.external => {
            Err(Fault::Discard("comes from an external peer".into()))
        }
        code::AS4_PATH | code::AS4_AGGREGATOR if codec.four_octet_as => {
            Err(Fault::Discard("comes from a four-octet AS peer".into()))
        }
        _ => Ok(()),
    }
}

/// RFC 7606 §3 c: the optional and transitive bits are what the type code says.
fn check_flags(raw: &Raw<'_>) -> Result<(), Fault> {
    match super::kind(raw.code) {
        Some(kind) if raw.flags & (OPTIONAL | TRANSITIVE) != kind => {
            Err(Fault::Withdraw(format!("has flags {:#04x}", raw.flags)))
        }
        Some(_) | None => Ok(()),
    }
}

fn origin(value: &[u8]) -> Result<Origin, Fault> {
    let [code] = exactly(value).map_err(Fault::Withdraw)?;
    Origin::from_code(code).ok_or_else(|| Fault::Withdraw(format!("has value {code}")))
}

/// RFC 7606 §7.2; confederation segments do not leave a confederation (RFC 5065 §5).
fn as_path(value: &[u8], codec: &Codec) -> Result<AsPath, Fault> {
    let width = if codec.four_octet_as { Width::Four } else { Width::Two };
    let path = as_path::decode(value, width).map_err(|error| Fault::Withdraw(error.to_string()))?;
    if codec.external && path.has_confederations() {
        return Err(Fault::Withdraw("has a confederation segment from outside".into()));
    }
    Ok(path)
}

fn classic_next_hop(value: &[u8]) -> Result<Ipv4Addr, Fault> {
    let octets: [u8; 4] = exactly(value).map_err(Fault::Withdraw)?;
    let next_hop = NextHop::V4(Ipv4Addr::from(octets));
    if next_hop::is_host(&next_hop) { Ok(Ipv4Addr::from(octets)) } else { Err(no_host(&next_hop)) }
}

/// RFC 7606 §7.7, RFC 7607 §2.
fn aggregator(value: &[u8], four_octet_as: bool) -> Result<(u32, Ipv4Addr), Fault> {
    let (asn, router) = if four_octet_as {
        let [a, b, c, d, router @ ..]: [u8; 8] = exactly(value).map_err(Fault::Discard)?;
        (u32::from_be_bytes([a, b, c, d]), router)
    } else {
        let [a, b, router @ ..]: [u8; 6] = exactly(value).map_err(Fault::Discard)?;
        (u32::from(u16::from_be_bytes([a, b])), router)
    };
    if asn == 0 {
        return Err(Fault::Discard("names AS 0".into()));
    }
    Ok((asn, Ipv4Addr::from(router)))
}

/// The value, if it has just `N` octets.
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], String> {
    value.try_into().map_err(|_| format!("has {} octets instead of {N}", value.len()))
}

/// The value as one or more items of `N` octets.
fn whole_number<const N: usize>(value: &[u8]) -> Result<&[[u8; N]], Fault> {
    match value.as_chunks::<N>() {
        (items, []) if !items.is_empty() => Ok(items),
        _ => Err(Fault::Withdraw(format!("has {} octets, not a multiple of {N}", value.len()))),
    }
}

type ReachHead<'a> = (u16, u8, &'a [u8], u8);

fn reach_head(value: &[u8]) -> IResult<&[u8], ReachHead<'_>> {
    (be_u16, be_u8, length_data(be_u8), be_u8).parse(value)
}

fn unreach_head(value: &[u8]) -> IResult<&[u8], (u16, u8)> {
    (be_u16, be_u8).parse(value)
}

/// The prefixes cannot be told, so nothing less than the session will do (RFC 7606 §3 j, RFC 4760 §7).
fn reset(raw: &Raw<'_>, reason: &str) -> Fault {
    let name = super::super::code::attribute_name(raw.code);
    let data = Bytes::copy_from_slice(raw.octets);
    let notification = Notification::new(error::UPDATE, update_error::OPTIONAL_ATTRIBUTE, data);
    Fault::Reset(notification.because(format!("{name} {reason}")))
}

fn unknown_family(afi: u16, safi: u8) -> Fault {
    Fault::Discard(format!("is for AFI {afi}, SAFI {safi}, which was not negotiated"))
}

fn no_host(next_hop: &NextHop) -> Fault {
    Fault::Withdraw(format!("next hop {next_hop} is no host"))
}
