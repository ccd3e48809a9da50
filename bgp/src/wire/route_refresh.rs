//! ROUTE-REFRESH, RFC 2918 §3: AFI, a reserved octet, SAFI.

use bytes::{BufMut, BytesMut};

use super::framer::{self, Kind};
use super::{Family, RefreshKind, RouteRefresh};

#[cfg(test)]
mod tests;

/// The family asked for; `None` for one that this speaker does not carry, which RFC 2918 §4 says to ignore.
pub(super) fn decode(body: &[u8]) -> Option<RouteRefresh> {
    let ([afi_high, afi_low, _reserved, safi], _) = body.split_first_chunk()?;
    let family = Family::from_codes(u16::from_be_bytes([*afi_high, *afi_low]), *safi)?;
    Some(RouteRefresh { family, kind: RefreshKind::Request })
}

pub(super) fn encode(refresh: RouteRefresh, out: &mut BytesMut) {
    framer::encode(Kind::RouteRefresh, out, |out| {
        out.put_u16(refresh.family.afi());
        out.put_u8(0);
        out.put_u8(refresh.family.safi());
    });
}
