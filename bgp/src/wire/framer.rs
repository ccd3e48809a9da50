//! The message header, RFC 4271 §4.1: a stream of octets ↔ message bodies.
//!
//! ```text
//!  0                   1                   2                   3
//! +---------------------------------------------------------------+
//! |                  marker: sixteen octets of ones               |
//! +-------------------------------+---------------+---------------+
//! |  length of it all, 19..=limit |     type      |  body …
//! +-------------------------------+---------------+---------------+
//! ```
//!
//! The limit is 4,096 octets, or 65,535 where RFC 8654 is spoken; OPEN and KEEPALIVE never have more than 4,096.
//! Invariants: a frame handed out has a known type and a length that this type allows; an error means that the
//! stream can no longer be followed, and is final.

use bytes::{Buf, Bytes, BytesMut};

use super::code::{error, header_error, message};
use super::{DecodeError, Notification};

#[cfg(test)]
mod tests;

/// Octets of the header.
pub const HEADER_OCTETS: usize = 19;
/// The longest message, header included (RFC 4271 §4.1).
pub const MAX_OCTETS: usize = 4096;
/// The longest message where both ends speak RFC 8654.
pub const MAX_EXTENDED_OCTETS: usize = 65535;

/// Message types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// OPEN.
    Open,
    /// UPDATE.
    Update,
    /// NOTIFICATION.
    Notification,
    /// KEEPALIVE.
    Keepalive,
    /// ROUTE-REFRESH, RFC 2918.
    RouteRefresh,
}

impl Kind {
    /// The type of the header, if it is one that this speaker knows.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            message::OPEN => Self::Open,
            message::UPDATE => Self::Update,
            message::NOTIFICATION => Self::Notification,
            message::KEEPALIVE => Self::Keepalive,
            message::ROUTE_REFRESH => Self::RouteRefresh,
            _ => return None,
        })
    }

    /// The type as it stands in the header.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Open => message::OPEN,
            Self::Update => message::UPDATE,
            Self::Notification => message::NOTIFICATION,
            Self::Keepalive => message::KEEPALIVE,
            Self::RouteRefresh => message::ROUTE_REFRESH,
        }
    }

    /// Least and greatest length of such a message, header included (RFC 4271 §4.2–4.5, RFC 2918 §3, RFC 8654 §4).
    fn octets(self, max_octets: usize) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Open => 29..=MAX_OCTETS,
            Self::Update | Self::RouteRefresh => 23..=max_octets,
            Self::Notification => 21..=max_octets,
            Self::Keepalive => HEADER_OCTETS..=HEADER_OCTETS,
        }
    }
}

/// One message, still in octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// What follows the header.
    pub body: Bytes,
}

/// Takes the first message off `buffer`; `None` if it is not all there yet. `max_octets` is
/// [`Codec::max_octets`](super::Codec::max_octets) of the session, [`MAX_OCTETS`] until that is agreed on.
///
/// # Errors
/// RFC 4271 §6.1: the marker, the length or the type is wrong.
pub fn decode(buffer: &mut BytesMut, max_octets: usize) -> Result<Option<Frame>, DecodeError> {
    let Some((kind, octets)) = decode_header(buffer, max_octets)? else {
        return Ok(None);
    };
    if buffer.len() < octets {
        return Ok(None);
    }
    let mut body = buffer.split_to(octets);
    body.advance(HEADER_OCTETS);
    Ok(Some(Frame { kind, body: body.freeze() }))
}

/// The type of the first message of `buffer` and its octets, header included, which need not all be there yet. For
/// readers that decode in place; `None` if not even the header is there.
///
/// # Errors
/// As [`decode`].
pub fn decode_header(buffer: &[u8], max_octets: usize) -> Result<Option<(Kind, usize)>, DecodeError> {
    let Some((marker, [high, low, code])) = header(buffer) else {
        return Ok(None);
    };
    if marker != [0xff; 16] {
        return Err(error(header_error::NOT_SYNCHRONIZED, Bytes::new(), "the marker is not all ones".into()));
    }
    let octets = usize::from(u16::from_be_bytes([high, low]));
    let bad_length = |reason| error(header_error::BAD_LENGTH, Bytes::copy_from_slice(&[high, low]), reason);
    if !(HEADER_OCTETS..=max_octets).contains(&octets) {
        return Err(bad_length(format!("message length {octets} is not within 19..={max_octets}")));
    }
    let Some(kind) = Kind::from_code(code) else {
        let data = Bytes::copy_from_slice(&[code]);
        return Err(error(header_error::BAD_TYPE, data, format!("message type {code} is unknown")));
    };
    if !kind.octets(max_octets).contains(&octets) {
        return Err(bad_length(format!("length {octets} is impossible for {kind:?}")));
    }
    Ok(Some((kind, octets)))
}

/// Writes a header, then whatever `body` appends, then the length they have together.
pub(super) fn encode(kind: Kind, out: &mut BytesMut, body: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.extend_from_slice(&[0xff; 16]);
    out.extend_from_slice(&[0, 0, kind.code()]);
    body(out);
    let octets = out.len() - start;
    debug_assert!(octets <= MAX_EXTENDED_OCTETS, "{kind:?} of {octets} octets");
    let length = u16::try_from(octets).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(field) = out.get_mut(start + 16..start + 18) {
        field.copy_from_slice(&length);
    }
}

fn header(buffer: &[u8]) -> Option<([u8; 16], [u8; 3])> {
    let (marker, rest) = buffer.split_first_chunk()?;
    let (rest, _) = rest.split_first_chunk()?;
    Some((*marker, *rest))
}

fn error(subcode: u8, data: Bytes, reason: String) -> DecodeError {
    DecodeError { notification: Notification { code: error::HEADER, subcode, data }, reason }
}
