//! Prefixes as carried, RFC 4271 §4.3: a length in bits, then as many octets as it needs.
//!
//! Hand-written loops, since a full table passes here prefix by prefix. Invariant: what comes out has no host bits,
//! whatever the padding bits were.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::{Family, Nlri};

#[cfg(test)]
mod tests;

/// A field of prefixes that cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NlriError {
    #[error("prefix length {0} is beyond the family's {1} bits")]
    TooLong(u8, u8),
    #[error("the field ends within a prefix of {0} bits")]
    Truncated(u8),
}

/// Appends every prefix of `field` to `out`.
pub(super) fn decode(family: Family, field: &[u8], out: &mut Vec<Nlri>) -> Result<(), NlriError> {
    match family {
        Family::Ipv4Unicast => decode_each::<4>(field, |octets, bits| {
            let prefix = Ipv4Network::new(Ipv4Addr::from(octets), bits).ok()?;
            out.push(Nlri { prefix: IpNetwork::V4(prefix), path_id: 0 });
            Some(())
        }),
        Family::Ipv6Unicast => decode_each::<16>(field, |octets, bits| {
            let prefix = Ipv6Network::new(Ipv6Addr::from(octets), bits).ok()?;
            out.push(Nlri { prefix: IpNetwork::V6(prefix), path_id: 0 });
            Some(())
        }),
    }
}

/// Walks `field`; `N` is the octets of an address. Padding is cleared before `take` sees it.
fn decode_each<const N: usize>(
    mut field: &[u8],
    mut take: impl FnMut([u8; N], u8) -> Option<()>,
) -> Result<(), NlriError> {
    let most = u8::try_from(N * 8).unwrap_or(u8::MAX);
    while let Some((&bits, rest)) = field.split_first() {
        if bits > most {
            return Err(NlriError::TooLong(bits, most));
        }
        let octets = usize::from(bits.div_ceil(8));
        let (prefix, rest) = rest.split_at_checked(octets).ok_or(NlriError::Truncated(bits))?;
        let mut address = [0; N];
        for (to, from) in address.iter_mut().zip(prefix) {
            *to = *from;
        }
        if bits % 8 != 0
            && let Some(last) = address.get_mut(octets - 1)
        {
            *last &= 0xff << (8 - bits % 8);
        }
        take(address, bits).ok_or(NlriError::TooLong(bits, most))?;
        field = rest;
    }
    Ok(())
}

/// Octets that [`encode`] writes.
pub(super) fn octets(prefix: &IpNetwork) -> usize {
    1 + usize::from(prefix.prefix().div_ceil(8))
}

/// Appends one prefix, host bits cleared.
pub(super) fn encode(prefix: &IpNetwork, out: &mut BytesMut) {
    let octets = octets(prefix) - 1;
    out.put_u8(prefix.prefix());
    match prefix {
        IpNetwork::V4(prefix) => put(&prefix.network().octets(), octets, out),
        IpNetwork::V6(prefix) => put(&prefix.network().octets(), octets, out),
    }
}

fn put(address: &[u8], octets: usize, out: &mut BytesMut) {
    out.put_slice(address.get(..octets).unwrap_or(address));
}
