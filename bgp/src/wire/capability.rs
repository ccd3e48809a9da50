//! Capabilities, RFC 5492: code, length, value, within an optional parameter of OPEN.
//!
//! A capability that this speaker does not know, or knows only for other families, is kept as it came: RFC 5492 §3
//! forbids to end the session for it. So is one of the newer ones whose value cannot be what its code says: the peer
//! goes without it. Only with the oldest ones, which say who the peer is and what it carries, that is an error.
//! Several occurrences of one code are handed on as they came; what they mean together is negotiation's to say.

use bytes::{BufMut, Bytes, BytesMut};
use nom::multi::length_data;
use nom::number::complete::be_u8;
use nom::{IResult, Parser};

use super::code::capability as code;
use super::code::family::AFI_IPV6;
use super::{
    AddPathFamily, Capability, Family, FamilySet, GracefulRestart, GracefulRestartFamily, LongLivedFamily,
    Role,
};

#[cfg(test)]
mod tests;

/// The R bit of the graceful restart capability.
const RESTARTED: u16 = 0x8000;
/// Its N bit, RFC 8538 §2.
const NOTIFICATION: u16 = 0x4000;
/// Its restart time.
const RESTART_TIME: u16 = 0x0fff;
/// The F bit of a family of (long-lived) graceful restart.
const FORWARDING_PRESERVED: u8 = 0x80;
/// The long-lived stale time has 24 bits, RFC 9494 §3.
const MAX_STALE_TIME: u32 = 0x00ff_ffff;
/// RFC 7911 §4: able to receive several paths.
const RECEIVE: u8 = 1;
/// RFC 7911 §4: able to send several paths.
const SEND: u8 = 2;

/// Appends every capability of an optional parameter's value to `out`.
///
/// # Errors
/// What is wrong, for people.
pub(super) fn decode(mut parameter: &[u8], out: &mut Vec<Capability>) -> Result<(), String> {
    while !parameter.is_empty() {
        let Ok((rest, (code, value))) = tlv(parameter) else {
            return Err("a capability reaches beyond its optional parameter".into());
        };
        out.push(decode_value(code, value)?);
        parameter = rest;
    }
    Ok(())
}

fn tlv(input: &[u8]) -> IResult<&[u8], (u8, &[u8])> {
    (be_u8, length_data(be_u8)).parse(input)
}

fn decode_value(code: u8, value: &[u8]) -> Result<Capability, String> {
    let wrong_length = || format!("capability {code} with a value of {} octets", value.len());
    let known = match code {
        code::MULTI_PROTOCOL => {
            let [afi_high, afi_low, _reserved, safi] = value.try_into().map_err(|_| wrong_length())?;
            Family::from_codes(u16::from_be_bytes([afi_high, afi_low]), safi).map(Capability::MultiProtocol)
        }
        code::ROUTE_REFRESH if value.is_empty() => Some(Capability::RouteRefresh),
        code::EXTENDED_NEXT_HOP => extended_next_hop(value).map(Capability::ExtendedNextHop),
        code::EXTENDED_MESSAGE if value.is_empty() => Some(Capability::ExtendedMessage),
        code::ROLE => role(value).map(Capability::Role),
        code::GRACEFUL_RESTART => {
            Some(Capability::GracefulRestart(graceful_restart(value).ok_or_else(wrong_length)?))
        }
        code::FOUR_OCTET_AS => {
            let asn = value.try_into().map_err(|_| wrong_length())?;
            Some(Capability::FourOctetAs(u32::from_be_bytes(asn)))
        }
        code::ADD_PATH => add_path(value).map(Capability::AddPath),
        code::ENHANCED_ROUTE_REFRESH if value.is_empty() => Some(Capability::EnhancedRouteRefresh),
        code::LONG_LIVED_GRACEFUL_RESTART => long_lived(value).map(Capability::LongLivedGracefulRestart),
        _ => None,
    };
    Ok(known.unwrap_or_else(|| Capability::Unknown { code, value: Bytes::copy_from_slice(value) }))
}

/// RFC 8950 §4: AFI and SAFI (two octets here) of the prefixes, AFI of their next hops.
fn extended_next_hop(value: &[u8]) -> Option<FamilySet> {
    let tuples = whole_number::<6>(value)?.iter();
    Some(
        tuples
            .filter_map(|[afi_high, afi_low, safi_high, safi, hop_high, hop_low]| {
                let family = Family::from_codes(u16::from_be_bytes([*afi_high, *afi_low]), *safi)?;
                let hop = u16::from_be_bytes([*hop_high, *hop_low]);
                (*safi_high == 0 && family == Family::Ipv4Unicast && hop == AFI_IPV6).then_some(family)
            })
            .collect(),
    )
}

fn role(value: &[u8]) -> Option<Role> {
    let [role] = value.try_into().ok()?;
    Role::from_code(role)
}

fn graceful_restart(value: &[u8]) -> Option<GracefulRestart> {
    let (head, families) = value.split_first_chunk()?;
    let head = u16::from_be_bytes(*head);
    let known = whole_number::<4>(families)?.iter().filter_map(|[afi_high, afi_low, safi, flags]| {
        let family = Family::from_codes(u16::from_be_bytes([*afi_high, *afi_low]), *safi)?;
        Some(GracefulRestartFamily { family, forwarding_preserved: flags & FORWARDING_PRESERVED != 0 })
    });
    Some(GracefulRestart {
        restarted: head & RESTARTED != 0,
        notification: head & NOTIFICATION != 0,
        restart_time_secs: head & RESTART_TIME,
        families: known.collect(),
    })
}

/// RFC 7911 §4: with any other direction than the three, it is ignored as a whole.
fn add_path(value: &[u8]) -> Option<Vec<AddPathFamily>> {
    let tuples = whole_number::<4>(value)?;
    if tuples.iter().any(|[.., direction]| !(RECEIVE..=RECEIVE | SEND).contains(direction)) {
        return None;
    }
    Some(
        tuples
            .iter()
            .filter_map(|[afi_high, afi_low, safi, direction]| {
                let family = Family::from_codes(u16::from_be_bytes([*afi_high, *afi_low]), *safi)?;
                let (receive, send) = (direction & RECEIVE != 0, direction & SEND != 0);
                Some(AddPathFamily { family, receive, send })
            })
            .collect(),
    )
}

/// RFC 9494 §3.
fn long_lived(value: &[u8]) -> Option<Vec<LongLivedFamily>> {
    let tuples = whole_number::<7>(value)?.iter();
    Some(
        tuples
            .filter_map(|[afi_high, afi_low, safi, flags, a, b, c]| {
                let family = Family::from_codes(u16::from_be_bytes([*afi_high, *afi_low]), *safi)?;
                Some(LongLivedFamily {
                    family,
                    forwarding_preserved: flags & FORWARDING_PRESERVED != 0,
                    stale_time_secs: u32::from_be_bytes([0, *a, *b, *c]),
                })
            })
            .collect(),
    )
}

fn whole_number<const N: usize>(value: &[u8]) -> Option<&[[u8; N]]> {
    let (tuples, rest) = value.as_chunks::<N>();
    rest.is_empty().then_some(tuples)
}

/// Appends one capability. A value longer than 255 octets has no encoding and is cut.
pub(super) fn encode(capability: &Capability, out: &mut BytesMut) {
    match capability {
        Capability::MultiProtocol(family) => put(code::MULTI_PROTOCOL, out, |out| {
            out.put_u16(family.afi());
            out.put_slice(&[0, family.safi()]);
        }),
        Capability::RouteRefresh => put(code::ROUTE_REFRESH, out, |_| {}),
        Capability::ExtendedNextHop(families) => {
            put(code::EXTENDED_NEXT_HOP, out, |out| encode_extended_next_hop(*families, out));
        }
        Capability::ExtendedMessage => put(code::EXTENDED_MESSAGE, out, |_| {}),
        Capability::Role(role) => put(code::ROLE, out, |out| out.put_u8(role.code())),
        Capability::GracefulRestart(restart) => {
            put(code::GRACEFUL_RESTART, out, |out| encode_graceful_restart(restart, out));
        }
        Capability::FourOctetAs(asn) => put(code::FOUR_OCTET_AS, out, |out| out.put_u32(*asn)),
        Capability::AddPath(families) => {
            put(code::ADD_PATH, out, |out| encode_add_path(families, out));
        }
        Capability::EnhancedRouteRefresh => put(code::ENHANCED_ROUTE_REFRESH, out, |_| {}),
        Capability::LongLivedGracefulRestart(families) => {
            put(code::LONG_LIVED_GRACEFUL_RESTART, out, |out| encode_long_lived(families, out));
        }
        Capability::Unknown { code, value } => {
            put(*code, out, |out| out.put_slice(value.get(..255).unwrap_or(value)));
        }
    }
}

/// Code, length, and whatever `value` appends, which takes care to be at most 255 octets.
fn put(code: u8, out: &mut BytesMut, value: impl FnOnce(&mut BytesMut)) {
    out.put_slice(&[code, 0]);
    let start = out.len();
    value(out);
    let octets = u8::try_from(out.len() - start).unwrap_or(u8::MAX);
    if let Some(length) = out.get_mut(start - 1) {
        *length = octets;
    }
}

fn encode_extended_next_hop(families: FamilySet, out: &mut BytesMut) {
    if families.contains(Family::Ipv4Unicast) {
        out.put_u16(Family::Ipv4Unicast.afi());
        out.put_slice(&[0, Family::Ipv4Unicast.safi()]);
        out.put_u16(AFI_IPV6);
    }
}

fn encode_graceful_restart(restart: &GracefulRestart, out: &mut BytesMut) {
    let flag = |set: bool, flag: u16| if set { flag } else { 0 };
    // More than twelve bits can say is the most that they can say.
    let time = restart.restart_time_secs.min(RESTART_TIME);
    out.put_u16(flag(restart.restarted, RESTARTED) | flag(restart.notification, NOTIFICATION) | time);
    // As many as a length of one octet can say; there are two families.
    for family in restart.families.iter().take(253 / 4) {
        put_family(family.family, out);
        out.put_u8(if family.forwarding_preserved { FORWARDING_PRESERVED } else { 0 });
    }
}

/// Neither direction has no encoding: such a family is left out.
fn encode_add_path(families: &[AddPathFamily], out: &mut BytesMut) {
    for family in families.iter().filter(|family| family.receive || family.send).take(255 / 4) {
        put_family(family.family, out);
        let receive = if family.receive { RECEIVE } else { 0 };
        out.put_u8(receive | if family.send { SEND } else { 0 });
    }
}

fn encode_long_lived(families: &[LongLivedFamily], out: &mut BytesMut) {
    for family in families.iter().take(255 / 7) {
        put_family(family.family, out);
        out.put_u8(if family.forwarding_preserved { FORWARDING_PRESERVED } else { 0 });
        out.put_uint(u64::from(family.stale_time_secs.min(MAX_STALE_TIME)), 3);
    }
}

fn put_family(family: Family, out: &mut BytesMut) {
    out.put_u16(family.afi());
    out.put_u8(family.safi());
}
