//! The two address families.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The family of a prefix.
    #[must_use]
    pub const fn of_network(network: &IpNetwork) -> Self {
        match network {
            IpNetwork::V4(_) => Self::V4,
            IpNetwork::V6(_) => Self::V6,
        }
    }

    /// Bits of an address.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// An address as a number.
pub(crate) fn to_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of `family` with this number; bits beyond the family's width are dropped.
pub(crate) fn from_number(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => {
            let low = u32::try_from(number & u128::from(u32::MAX)).unwrap_or(u32::MAX);
            IpAddr::V4(low.into())
        }
        Family::V6 => IpAddr::V6(number.into()),
    }
}

/// The prefix of this length that holds `address`; `None` if the length exceeds the family's width.
pub(crate) fn enclosing(address: IpAddr, length: u8) -> Option<IpNetwork> {
    let network = IpNetwork::new(address, length).ok()?;
    IpNetwork::new(network.network(), length).ok()
}

/// Whether two prefixes share an address.
pub(crate) fn overlap(a: &IpNetwork, b: &IpNetwork) -> bool {
    Family::of_network(a) == Family::of_network(b) && (a.contains(b.network()) || b.contains(a.network()))
}

/// Family, first and last address of a prefix, as numbers.
pub(crate) fn bounds(cidr: &IpNetwork) -> (Family, u128, u128) {
    let family = Family::of_network(cidr);
    let first = to_number(cidr.network());
    let host_bits = u32::from(family.bits().saturating_sub(cidr.prefix()));
    let spread = 1u128.checked_shl(host_bits).map_or(u128::MAX, |size| size - 1);
    (family, first, first | spread)
}
