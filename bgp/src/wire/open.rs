//! OPEN, RFC 4271 §4.2.
//!
//! ```text
//! version │ my AS (2) │ hold time (2) │ BGP identifier (4) │ length │ optional parameters …
//! ```
//!
//! What is wrong with the message by itself is decided here, with RFC 4271 §6.2's subcodes; whether it is the peer
//! that we expected (its AS, its identifier) is the session's to say. Both framings of optional parameters are
//! read: RFC 4271's with lengths of one octet, and RFC 9072's with two.

use std::net::Ipv4Addr;

use bytes::{BufMut, Bytes, BytesMut};
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16, be_u32};
use nom::{IResult, Parser};

use super::code::{AS_TRANS, UNSPECIFIC, error, open_error, parameter};
use super::framer::{self, Kind};
use super::{Capability, DecodeError, Notification, Open, capability};

#[cfg(test)]
mod tests;

/// The only version there is.
const VERSION: u8 = 4;
/// Octets of capabilities that fit into one message: header, fixed fields and RFC 9072 framing taken off.
const MAX_CAPABILITIES_OCTETS: usize = framer::MAX_OCTETS - framer::HEADER_OCTETS - 10 - 3 - 3;
/// Octets of capabilities that fit into one parameter of RFC 4271's framing.
const MAX_PLAIN_OCTETS: usize = 253;

struct Fixed {
    version: u8,
    asn: u16,
    hold_time_secs: u16,
    router_id: Ipv4Addr,
}

fn fixed(input: &[u8]) -> IResult<&[u8], Fixed> {
    let (rest, (version, asn, hold_time_secs, router_id)) = (be_u8, be_u16, be_u16, be_u32).parse(input)?;
    Ok((rest, Fixed { version, asn, hold_time_secs, router_id: Ipv4Addr::from(router_id) }))
}

impl Open {
    /// # Errors
    /// RFC 4271 §6.2: the message cannot be the start of a session.
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let (rest, fixed) = fixed(body).map_err(|_| malformed("the message is too short"))?;
        if fixed.version != VERSION {
            // The data is the version that we could agree on.
            let data = Bytes::copy_from_slice(&u16::from(VERSION).to_be_bytes());
            return Err(Notification::new(error::OPEN, open_error::UNSUPPORTED_VERSION, data)
                .because(format!("version {} is not 4", fixed.version)));
        }
        let capabilities = decode_parameters(rest)?;
        let asn = four_octet_as(&capabilities).unwrap_or(u32::from(fixed.asn));
        if asn == 0 || fixed.asn == 0 {
            return Err(refuse(open_error::BAD_PEER_AS, "AS 0 is reserved (RFC 7607)"));
        }
        if matches!(fixed.hold_time_secs, 1 | 2) {
            return Err(refuse(
                open_error::UNACCEPTABLE_HOLD_TIME,
                format!("hold time of {} s is neither 0 nor at least 3", fixed.hold_time_secs),
            ));
        }
        if fixed.router_id.is_unspecified() {
            return Err(refuse(open_error::BAD_BGP_IDENTIFIER, "BGP identifier 0.0.0.0"));
        }
        Ok(Self { asn, hold_time_secs: fixed.hold_time_secs, router_id: fixed.router_id, capabilities })
    }

    /// Capabilities beyond the message limit, and those after them, are left out.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        let capabilities = encode_capabilities(&self.capabilities);
        framer::encode(Kind::Open, out, |out| {
            out.put_u8(VERSION);
            out.put_u16(u16::try_from(self.asn).unwrap_or(AS_TRANS));
            out.put_u16(self.hold_time_secs);
            out.put_slice(&self.router_id.octets());
            encode_parameters(&capabilities, out);
        });
    }
}

/// The AS of the first four-octet AS capability.
fn four_octet_as(capabilities: &[Capability]) -> Option<u32> {
    capabilities.iter().find_map(|capability| match capability {
        Capability::FourOctetAs(asn) => Some(*asn),
        Capability::MultiProtocol(_)
        | Capability::RouteRefresh
        | Capability::ExtendedNextHop(_)
        | Capability::ExtendedMessage
        | Capability::Role(_)
        | Capability::GracefulRestart(_)
        | Capability::AddPath(_)
        | Capability::EnhancedRouteRefresh
        | Capability::LongLivedGracefulRestart(_)
        | Capability::Unknown { .. } => None,
    })
}

fn decode_parameters(input: &[u8]) -> Result<Vec<Capability>, DecodeError> {
    let extended = input.get(1) == Some(&parameter::EXTENDED_LENGTH) && input.first() != Some(&0);
    let (rest, mut parameters) = if extended {
        let from_length = input.get(2..).unwrap_or_default();
        length_data(be_u16::<&[u8], nom::error::Error<&[u8]>>).parse(from_length)
    } else {
        length_data(be_u8).parse(input)
    }
    .map_err(|_| malformed("the optional parameters reach beyond the message"))?;
    if !rest.is_empty() {
        return Err(malformed("octets follow the optional parameters"));
    }
    let mut capabilities = Vec::new();
    while !parameters.is_empty() {
        let (rest, (kind, value)) = one_parameter(extended, parameters)
            .map_err(|_| malformed("an optional parameter reaches beyond its list"))?;
        if kind != parameter::CAPABILITIES {
            return Err(refuse(
                open_error::UNSUPPORTED_PARAMETER,
                format!("optional parameter {kind} is not capabilities"),
            ));
        }
        capability::decode(value, &mut capabilities).map_err(malformed)?;
        parameters = rest;
    }
    Ok(capabilities)
}

fn one_parameter(extended: bool, input: &[u8]) -> IResult<&[u8], (u8, &[u8])> {
    if extended {
        (be_u8, length_data(be_u16)).parse(input)
    } else {
        (be_u8, length_data(be_u8)).parse(input)
    }
}

fn encode_capabilities(capabilities: &[Capability]) -> BytesMut {
    let mut octets = BytesMut::new();
    for capability in capabilities {
        let before = octets.len();
        capability::encode(capability, &mut octets);
        if octets.len() > MAX_CAPABILITIES_OCTETS {
            octets.truncate(before);
            break;
        }
    }
    octets
}

/// All capabilities in one parameter; RFC 9072's framing only where RFC 4271's is too short.
fn encode_parameters(capabilities: &[u8], out: &mut BytesMut) {
    match u8::try_from(capabilities.len()) {
        Ok(0) => out.put_u8(0),
        Ok(octets) if capabilities.len() <= MAX_PLAIN_OCTETS => {
            out.put_slice(&[octets + 2, parameter::CAPABILITIES, octets]);
            out.put_slice(capabilities);
        }
        Ok(_) | Err(_) => {
            let octets = u16::try_from(capabilities.len()).unwrap_or(u16::MAX);
            out.put_slice(&[parameter::EXTENDED_LENGTH, parameter::EXTENDED_LENGTH]);
            out.put_u16(octets.saturating_add(3));
            out.put_u8(parameter::CAPABILITIES);
            out.put_u16(octets);
            out.put_slice(capabilities);
        }
    }
}

fn malformed(reason: impl Into<String>) -> DecodeError {
    refuse(UNSPECIFIC, reason)
}

fn refuse(subcode: u8, reason: impl Into<String>) -> DecodeError {
    Notification::new(error::OPEN, subcode, Bytes::new()).because(reason)
}
