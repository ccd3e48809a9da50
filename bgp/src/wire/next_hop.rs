//! Next hops: the field of `NEXT_HOP` and `MP_REACH_NLRI`, and their text ("2001:db8::1 fe80::1").

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use bytes::{BufMut, BytesMut};

use super::{Family, NextHop};

#[cfg(test)]
mod tests;

/// Reads the next hop field of `MP_REACH_NLRI`; `None` if its length is none that the family has. IPv4 prefixes may
/// have IPv6 next hops where `extended` (RFC 8950).
pub(super) fn decode(family: Family, extended: bool, field: &[u8]) -> Option<NextHop> {
    match family {
        Family::Ipv4Unicast if extended && field.len() >= 16 => ipv6(field),
        Family::Ipv4Unicast => Some(NextHop::V4(Ipv4Addr::from(<[u8; 4]>::try_from(field).ok()?))),
        Family::Ipv6Unicast => ipv6(field),
    }
}

fn ipv6(field: &[u8]) -> Option<NextHop> {
    let (first, second) = field.split_first_chunk::<16>()?;
    let first = Ipv6Addr::from(*first);
    let second = match second {
        [] => None,
        _ => Some(Ipv6Addr::from(<[u8; 16]>::try_from(second).ok()?)),
    };
    Some(normal(first, second))
}

/// RFC 2545 §3 wants a global address, then perhaps a link-local one. On unnumbered links others send `::` or the
/// link-local address first as well; and a second address that is not link-local says nothing.
fn normal(first: Ipv6Addr, second: Option<Ipv6Addr>) -> NextHop {
    let link_local = second.filter(Ipv6Addr::is_unicast_link_local);
    match link_local {
        Some(second) if first.is_unspecified() || first == second => {
            NextHop::V6 { global: second, link_local: None }
        }
        Some(_) | None => NextHop::V6 { global: first, link_local },
    }
}

/// Whether packets can be sent there at all (RFC 4271 §6.3: a valid IP host address). Loopback addresses pass: they
/// are right between speakers on one machine, and elsewhere they do not resolve.
pub(super) fn is_host(next_hop: &NextHop) -> bool {
    match next_hop.address() {
        // Neither "this network" (0/8), multicast (224/4) nor reserved (240/4).
        IpAddr::V4(address) => (1..224).contains(&address.octets()[0]),
        IpAddr::V6(address) => !(address.is_unspecified() || address.is_multicast()),
    }
}

/// Octets that [`encode`] writes.
pub(super) fn octets(next_hop: &NextHop) -> usize {
    match next_hop {
        NextHop::V4(_) => 5,
        NextHop::V6 { link_local: None, .. } => 17,
        NextHop::V6 { link_local: Some(_), .. } => 33,
    }
}

/// The next hop field, its length before it.
pub(super) fn encode(next_hop: &NextHop, out: &mut BytesMut) {
    match next_hop {
        NextHop::V4(address) => {
            out.put_u8(4);
            out.put_slice(&address.octets());
        }
        NextHop::V6 { global, link_local: None } => {
            out.put_u8(16);
            out.put_slice(&global.octets());
        }
        NextHop::V6 { global, link_local: Some(link_local) } => {
            out.put_u8(32);
            out.put_slice(&global.octets());
            out.put_slice(&link_local.octets());
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6 { global, link_local: None } => global.fmt(f),
            Self::V6 { global, link_local: Some(link_local) } => write!(f, "{global} {link_local}"),
        }
    }
}

/// A text that is no next hop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no next hop: give an IPv4 address, or an IPv6 address and perhaps a link-local one after a space"
)]
pub struct ParseNextHopError(String);

impl FromStr for NextHop {
    type Err = ParseNextHopError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseNextHopError(text.to_owned());
        match text.split_once(' ') {
            None => match text.parse().map_err(|_| refused())? {
                IpAddr::V4(address) => Ok(Self::V4(address)),
                IpAddr::V6(global) => Ok(Self::V6 { global, link_local: None }),
            },
            Some((global, link_local)) => {
                let global = global.parse().map_err(|_| refused())?;
                let link_local: Ipv6Addr = link_local.parse().map_err(|_| refused())?;
                if !link_local.is_unicast_link_local() {
                    return Err(refused());
                }
                Ok(Self::V6 { global, link_local: Some(link_local) })
            }
        }
    }
}
