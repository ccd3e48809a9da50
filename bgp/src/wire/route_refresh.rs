//! ROUTE-REFRESH, RFC 2918 §3 and RFC 7313 §3.2: AFI, subtype (reserved before RFC 7313), SAFI.
//!
//! What BoRR and EoRR mean to a session that has not agreed on RFC 7313 is the session's to say.

use bytes::{BufMut, BytesMut};

use super::code::{error, header_error, refresh, refresh_error};
use super::framer::{self, Kind};
use super::{DecodeError, Family, Notification, RefreshKind, RouteRefresh};

#[cfg(test)]
mod tests;

/// `None` is to be ignored: a family that this speaker does not carry (RFC 2918 §4), or an unknown subtype
/// (RFC 7313 §5).
///
/// # Errors
/// The length is not 4. RFC 7313 §5 has an error of its own for its subtypes, which carries the whole message; for a
/// plain request it is a bad length like any other.
pub(super) fn decode(body: &[u8]) -> Result<Option<RouteRefresh>, DecodeError> {
    let subtype = body.get(2).copied().unwrap_or_default();
    let kind = match subtype {
        refresh::REQUEST => RefreshKind::Request,
        refresh::BEGIN => RefreshKind::Begin,
        refresh::END => RefreshKind::End,
        _ => return Ok(None),
    };
    let Ok([afi_high, afi_low, _, safi]) = <[u8; 4]>::try_from(body) else {
        return Err(bad_length(kind, body));
    };
    let family = Family::from_codes(u16::from_be_bytes([afi_high, afi_low]), safi);
    Ok(family.map(|family| RouteRefresh { family, kind }))
}

fn bad_length(kind: RefreshKind, body: &[u8]) -> DecodeError {
    let mut message = BytesMut::new();
    framer::encode(Kind::RouteRefresh, &mut message, |out| out.put_slice(body));
    let length = message.get(16..18).map(<[u8]>::to_vec).unwrap_or_default();
    let notification = match kind {
        RefreshKind::Request => Notification::new(error::HEADER, header_error::BAD_LENGTH, length),
        RefreshKind::Begin | RefreshKind::End => {
            Notification::new(error::ROUTE_REFRESH, refresh_error::INVALID_LENGTH, message)
        }
    };
    notification.because(format!("a ROUTE-REFRESH of {} octets instead of 4", body.len()))
}

pub(super) fn encode(refresh: RouteRefresh, out: &mut BytesMut) {
    framer::encode(Kind::RouteRefresh, out, |out| {
        out.put_u16(refresh.family.afi());
        out.put_u8(match refresh.kind {
            RefreshKind::Request => refresh::REQUEST,
            RefreshKind::Begin => refresh::BEGIN,
            RefreshKind::End => refresh::END,
        });
        out.put_u8(refresh.family.safi());
    });
}
