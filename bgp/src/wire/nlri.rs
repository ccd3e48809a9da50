//! Prefixes as carried, RFC 4271 §4.3: a length in bits, then as many octets as it needs; before that a path
//! identifier of four octets where ADD-PATH is spoken (RFC 7911 §3).
//!
//! Hand-written loops, since a full table passes here prefix by prefix. Invariant: what comes out has no host bits,
//! whatever the padding bits were.

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::{Family, Nlri};

#[cfg(test)]
mod tests;

/// Octets of a path identifier.
const PATH_ID_OCTETS: usize = 4;
/// Octets of the longest prefix that there is, with path identifier.
pub(super) const MAX_OCTETS: usize = PATH_ID_OCTETS + 1 + 16;

/// A field of prefixes that cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NlriError {
    #[error("prefix length {0} is beyond the family's {1} bits")]
    TooLong(u8, u8),
    #[error("the field ends within a prefix of {0} bits")]
    Truncated(u8),
    #[error("the field ends within a path identifier")]
    NoLength,
}

/// Appends every prefix of `field` to `out`.
pub(super) fn decode(
    family: Family,
    add_path: bool,
    field: &[u8],
    out: &mut Vec<Nlri>,
) -> Result<(), NlriError> {
    // What a field of the Internet's average prefixes holds.
    out.reserve(field.len() / if add_path { 8 } else { 4 } + 1);
    match (family, add_path) {
        (Family::Ipv4Unicast, false) => decode_each::<4, false>(field, out, ipv4),
        (Family::Ipv4Unicast, true) => decode_each::<4, true>(field, out, ipv4),
        (Family::Ipv6Unicast, false) => decode_each::<16, false>(field, out, ipv6),
        (Family::Ipv6Unicast, true) => decode_each::<16, true>(field, out, ipv6),
    }
}

fn ipv4(octets: [u8; 4], bits: u8) -> Option<IpNetwork> {
    Ipv4Network::new(Ipv4Addr::from(octets), bits).ok().map(IpNetwork::V4)
}

fn ipv6(octets: [u8; 16], bits: u8) -> Option<IpNetwork> {
    Ipv6Network::new(Ipv6Addr::from(octets), bits).ok().map(IpNetwork::V6)
}

/// Walks `field`; `N` is the octets of an address. Padding is cleared before `network` sees it.
fn decode_each<const N: usize, const ADD_PATH: bool>(
    mut field: &[u8],
    out: &mut Vec<Nlri>,
    network: impl Fn([u8; N], u8) -> Option<IpNetwork>,
) -> Result<(), NlriError> {
    let most = u8::try_from(N * 8).unwrap_or(u8::MAX);
    while !field.is_empty() {
        let mut path_id = 0;
        if ADD_PATH {
            let (octets, rest) = field.split_first_chunk().ok_or(NlriError::NoLength)?;
            path_id = u32::from_be_bytes(*octets);
            field = rest;
        }
        let (&bits, rest) = field.split_first().ok_or(NlriError::NoLength)?;
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
        let prefix = network(address, bits).ok_or(NlriError::TooLong(bits, most))?;
        out.push(Nlri { prefix, path_id });
        field = rest;
    }
    Ok(())
}

/// Octets that [`encode`] writes.
pub(super) fn octets(prefix: &IpNetwork, add_path: bool) -> usize {
    let path_id = if add_path { PATH_ID_OCTETS } else { 0 };
    path_id + 1 + usize::from(prefix.prefix().div_ceil(8))
}

/// Appends one prefix, host bits cleared; the path identifier only where it is spoken of.
pub(super) fn encode(nlri: &Nlri, add_path: bool, out: &mut BytesMut) {
    // Built on the stack, so that `out` grows once: this is where a full table passes prefix by prefix.
    let mut field = [0; MAX_OCTETS];
    let octets = octets(&nlri.prefix, add_path);
    let start = if add_path { PATH_ID_OCTETS } else { 0 };
    if let Some((path_id, prefix)) = field.split_at_mut_checked(start) {
        path_id.copy_from_slice(nlri.path_id.to_be_bytes().get(..start).unwrap_or_default());
        match (&nlri.prefix, prefix) {
            (IpNetwork::V4(network), [bits, a, b, c, d, ..]) => {
                *bits = network.prefix();
                [*a, *b, *c, *d] = network.network().octets();
            }
            (IpNetwork::V6(network), [bits, address @ ..]) => {
                *bits = network.prefix();
                if let Some(address) = address.first_chunk_mut() {
                    *address = network.network().octets();
                }
            }
            (IpNetwork::V4(_), _) | (IpNetwork::V6(_), []) => {}
        }
    }
    out.put_slice(field.get(..octets).unwrap_or(&field));
}
