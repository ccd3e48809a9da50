//! ROUTE-REFRESH, RFC 2918 §3: AFI, a reserved octet, SAFI.

use bytes::{BufMut, BytesMut};

use super::Family;
use super::framer::{self, Kind};

#[cfg(test)]
mod tests;

/// The family asked for; `None` for one that this speaker does not carry, which RFC 2918 §4 says to ignore.
pub(super) fn decode(body: &[u8]) -> Option<Family> {
    let ([afi_high, afi_low, _reserved, safi], _) = body.split_first_chunk()?;
    Family::from_codes(u16::from_be_bytes([*afi_high, *afi_low]), *safi)
}

pub(super) fn encode(family: Family, out: &mut BytesMut) {
    framer::encode(Kind::RouteRefresh, out, |out| {
        out.put_u16(family.afi());
        out.put_u8(0);
        out.put_u8(family.safi());
    });
}
