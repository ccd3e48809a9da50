//! Capabilities, RFC 5492: code, length, value, within an optional parameter of OPEN.
//!
//! A capability that this speaker does not know, or knows only for other families, is kept as it came: RFC 5492 §3
//! forbids to end the session for it. One whose value cannot be what its code says is an error.

use bytes::{BufMut, Bytes, BytesMut};
use nom::multi::length_data;
use nom::number::complete::be_u8;
use nom::{IResult, Parser};

use super::code::capability as code;
use super::{Capability, Family, GracefulRestart, GracefulRestartFamily};

#[cfg(test)]
mod tests;

/// The R bit of the graceful restart capability.
const RESTARTED: u16 = 0x8000;
/// Its restart time.
const RESTART_TIME: u16 = 0x0fff;
/// The F bit of one of its families.
const FORWARDING_PRESERVED: u8 = 0x80;

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
        code::GRACEFUL_RESTART => {
            Some(Capability::GracefulRestart(graceful_restart(value).ok_or_else(wrong_length)?))
        }
        code::FOUR_OCTET_AS => {
            let asn = value.try_into().map_err(|_| wrong_length())?;
            Some(Capability::FourOctetAs(u32::from_be_bytes(asn)))
        }
        _ => None,
    };
    Ok(known.unwrap_or_else(|| Capability::Unknown { code, value: Bytes::copy_from_slice(value) }))
}

fn graceful_restart(value: &[u8]) -> Option<GracefulRestart> {
    let (head, families) = value.split_first_chunk()?;
    let (families, rest) = families.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let head = u16::from_be_bytes(*head);
    let known = families.iter().filter_map(|[afi_high, afi_low, safi, flags]| {
        let family = Family::from_codes(u16::from_be_bytes([*afi_high, *afi_low]), *safi)?;
        Some(GracefulRestartFamily { family, forwarding_preserved: flags & FORWARDING_PRESERVED != 0 })
    });
    Some(GracefulRestart {
        restarted: head & RESTARTED != 0,
        notification: false,
        restart_time_secs: head & RESTART_TIME,
        families: known.collect(),
    })
}

/// Appends one capability. A value longer than 255 octets has no encoding and is cut.
pub(super) fn encode(capability: &Capability, out: &mut BytesMut) {
    match capability {
        Capability::MultiProtocol(family) => {
            out.put_slice(&[code::MULTI_PROTOCOL, 4]);
            out.put_u16(family.afi());
            out.put_slice(&[0, family.safi()]);
        }
        Capability::RouteRefresh => out.put_slice(&[code::ROUTE_REFRESH, 0]),
        Capability::GracefulRestart(restart) => encode_graceful_restart(restart, out),
        Capability::FourOctetAs(asn) => {
            out.put_slice(&[code::FOUR_OCTET_AS, 4]);
            out.put_u32(*asn);
        }
        Capability::ExtendedNextHop(_)
        | Capability::ExtendedMessage
        | Capability::Role(_)
        | Capability::AddPath(_)
        | Capability::EnhancedRouteRefresh
        | Capability::LongLivedGracefulRestart(_) => {}
        Capability::Unknown { code, value } => {
            let value = value.get(..255).unwrap_or(value);
            out.put_slice(&[*code, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
            out.put_slice(value);
        }
    }
}

fn encode_graceful_restart(restart: &GracefulRestart, out: &mut BytesMut) {
    // As many as a length of one octet can say; there are two families.
    let families = restart.families.get(..63).unwrap_or(&restart.families);
    out.put_slice(&[code::GRACEFUL_RESTART, u8::try_from(2 + 4 * families.len()).unwrap_or(u8::MAX)]);
    let restarted = if restart.restarted { RESTARTED } else { 0 };
    // More than twelve bits can say is the most that they can say.
    out.put_u16(restarted | restart.restart_time_secs.min(RESTART_TIME));
    for family in families {
        out.put_u16(family.family.afi());
        out.put_u8(family.family.safi());
        out.put_u8(if family.forwarding_preserved { FORWARDING_PRESERVED } else { 0 });
    }
}
