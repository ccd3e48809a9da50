//! Who has which address and AS number: pure arithmetic over the numbers of routers (`t`) and nodes (`n`), from 1.
//!
//! Everything comes in pairs, IPv4 first. All of it is private (RFC 1918, RFC 4193, RFC 6996).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

#[cfg(test)]
mod tests;

/// The two ends of the link between a router and a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkEnds {
    /// The router's: the even address.
    pub tor: [IpNetwork; 2],
    /// The node's: the odd one.
    pub node: [IpNetwork; 2],
}

/// A /31 (RFC 3021) and a /127 (RFC 6164) for each link. At most 127 nodes.
#[must_use]
pub fn link(t: u8, n: u8) -> LinkEnds {
    let even = n.saturating_sub(1).saturating_mul(2);
    let end = |last: u8| {
        [
            network(IpAddr::V4(Ipv4Addr::new(10, 1, t, last)), 31),
            network(IpAddr::V6(Ipv6Addr::new(0xfd00, 1, u16::from(t), 0, 0, 0, 0, u16::from(last))), 127),
        ]
    };
    LinkEnds { tor: end(even), node: end(even | 1) }
}

/// A node's own addresses, on `lo`.
#[must_use]
pub fn node_loopbacks(n: u8) -> [IpNetwork; 2] {
    loopbacks(0, n)
}

/// A router's own addresses, on `lo`.
#[must_use]
pub fn tor_loopbacks(t: u8) -> [IpNetwork; 2] {
    loopbacks(1, t)
}

fn loopbacks(group: u8, number: u8) -> [IpNetwork; 2] {
    [
        network(IpAddr::V4(Ipv4Addr::new(10, 255, group, number)), 32),
        network(
            IpAddr::V6(Ipv6Addr::new(0xfd00, 0xff, u16::from(group), 0, 0, 0, 0, u16::from(number))),
            128,
        ),
    ]
}

/// A router's BGP identifier.
#[must_use]
pub fn tor_router_id(t: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 255, 1, t)
}

/// A node's BGP identifier.
#[must_use]
pub fn node_router_id(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 255, 0, n)
}

/// A router's AS.
#[must_use]
pub fn tor_asn(t: u8) -> u32 {
    65_100 + u32::from(t)
}

/// A node's AS.
#[must_use]
pub fn node_asn(n: u8) -> u32 {
    65_000 + u32::from(n)
}

/// Where pods get their addresses from.
#[must_use]
pub fn pod_pools() -> [IpNetwork; 2] {
    [
        network(IpAddr::V4(Ipv4Addr::new(10, 42, 0, 0)), 16),
        network(IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0)), 48),
    ]
}

/// What routers carry: pods, and the loopbacks of nodes and routers.
#[must_use]
pub fn fabric() -> Vec<IpNetwork> {
    let loopbacks = [
        network(IpAddr::V4(Ipv4Addr::new(10, 255, 0, 0)), 16),
        network(IpAddr::V6(Ipv6Addr::new(0xfd00, 0xff, 0, 0, 0, 0, 0, 0)), 32),
    ];
    pod_pools().into_iter().chain(loopbacks).collect()
}

/// The constants above are within their families' lengths; a length that were not would become a host's.
fn network(address: IpAddr, length: u8) -> IpNetwork {
    match address {
        IpAddr::V4(v4) => Ipv4Network::new(v4, length).unwrap_or_else(|_| v4.into()).into(),
        IpAddr::V6(v6) => Ipv6Network::new(v6, length).unwrap_or_else(|_| v6.into()).into(),
    }
}
