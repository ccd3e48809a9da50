//! Communities: tags on a route.
//!
//! Those of RFC 1997 have 32 bits, written `65001:100`, or a name where IANA gave one. Extended ones (RFC 4360) have
//! a type: `rt:65001:100`, `soo:10.0.0.1:7`, and `generic:0x…` for all other types. Large ones (RFC 8092) are three
//! numbers. Invariant: each text stands for one value, and each value is shown as a text that stands for it.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::code::extended_community as code;

#[cfg(test)]
mod tests;

/// One value of the COMMUNITIES attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

impl Community {
    /// Lower the preference before maintenance, RFC 8326.
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xffff_0000);
    /// Accept though it bears our own AS, RFC 7611.
    pub const ACCEPT_OWN: Self = Self(0xffff_0001);
    /// Kept beyond a graceful restart, RFC 9494.
    pub const LLGR_STALE: Self = Self(0xffff_0006);
    /// Not to be kept so, RFC 9494.
    pub const NO_LLGR: Self = Self(0xffff_0007);
    /// Discard the traffic, RFC 7999.
    pub const BLACKHOLE: Self = Self(0xffff_029a);
    /// Not to other ASes, RFC 1997.
    pub const NO_EXPORT: Self = Self(0xffff_ff01);
    /// Not to any peer, RFC 1997.
    pub const NO_ADVERTISE: Self = Self(0xffff_ff02);
    /// Not to external peers, members of the confederation included, RFC 1997.
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xffff_ff03);
    /// Not over bilateral peering, RFC 3765.
    pub const NO_PEER: Self = Self(0xffff_ff04);

    /// Those with a name of their own.
    const NAMED: [(Self, &str); 9] = [
        (Self::GRACEFUL_SHUTDOWN, "graceful-shutdown"),
        (Self::ACCEPT_OWN, "accept-own"),
        (Self::LLGR_STALE, "llgr-stale"),
        (Self::NO_LLGR, "no-llgr"),
        (Self::BLACKHOLE, "blackhole"),
        (Self::NO_EXPORT, "no-export"),
        (Self::NO_ADVERTISE, "no-advertise"),
        (Self::NO_EXPORT_SUBCONFED, "no-export-subconfed"),
        (Self::NO_PEER, "no-peer"),
    ];
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMED.iter().find(|(community, _)| community == self) {
            Some((_, name)) => f.pad(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff),
        }
    }
}

/// One value of EXTENDED_COMMUNITIES, RFC 4360: type, subtype and six octets. Text: `rt:65001:100`, `soo:…`,
/// `generic:0x…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub u64);

/// One value of LARGE_COMMUNITY, RFC 8092. Text: `65001:1:2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// Global administrator: an AS.
    pub global: u32,
    /// Local data, part 1.
    pub local_1: u32,
    /// Local data, part 2.
    pub local_2: u32,
}

/// A text that is no community.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no community: give two numbers up to 65535 as 65001:100, or a name such as no-export")]
pub struct ParseCommunityError(String);

impl FromStr for Community {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((community, _)) = Self::NAMED.iter().find(|(_, name)| *name == text) {
            return Ok(*community);
        }
        let numbers = || {
            let (high, low) = text.split_once(':')?;
            let (high, low): (u16, u16) = (high.parse().ok()?, low.parse().ok()?);
            Some(Self(u32::from(high) << 16 | u32::from(low)))
        };
        numbers().ok_or_else(|| ParseCommunityError(text.to_owned()))
    }
}

impl ExtendedCommunity {
    /// Subtypes with a name, of types with a form.
    const NAMED: [(u8, &str); 2] = [(code::ROUTE_TARGET, "rt"), (code::ROUTE_ORIGIN, "soo")];

    fn new(kind: u8, subtype: u8, value: u64) -> Self {
        Self(u64::from(kind) << 56 | u64::from(subtype) << 48 | value)
    }

    /// `65001:100`, `4200000000:100` or `10.0.0.1:100`, and the type that it takes. A number that fits into two
    /// octets takes the type with two.
    fn parse_value(text: &str) -> Option<(u8, u64)> {
        let (administrator, number) = text.split_once(':')?;
        if let Ok(address) = administrator.parse::<Ipv4Addr>() {
            let number: u16 = number.parse().ok()?;
            return Some((code::IPV4_ADDRESS, u64::from(address.to_bits()) << 16 | u64::from(number)));
        }
        let asn: u32 = administrator.parse().ok()?;
        if asn <= u32::from(u16::MAX) {
            let number: u32 = number.parse().ok()?;
            return Some((code::TWO_OCTET_AS, u64::from(asn) << 32 | u64::from(number)));
        }
        let number: u16 = number.parse().ok()?;
        Some((code::FOUR_OCTET_AS, u64::from(asn) << 16 | u64::from(number)))
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, subtype, a, b, c, d, e, g] = self.0.to_be_bytes();
        let name = Self::NAMED.iter().find(|(known, _)| *known == subtype).map(|(_, name)| *name);
        let four = u32::from_be_bytes([a, b, c, d]);
        match (name, kind) {
            (Some(name), code::TWO_OCTET_AS) => {
                write!(f, "{name}:{}:{}", u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, g]))
            }
            (Some(name), code::IPV4_ADDRESS) => {
                write!(f, "{name}:{}:{}", Ipv4Addr::from_bits(four), u16::from_be_bytes([e, g]))
            }
            // A small number here would be read back as the type with two octets.
            (Some(name), code::FOUR_OCTET_AS) if four > u32::from(u16::MAX) => {
                write!(f, "{name}:{four}:{}", u16::from_be_bytes([e, g]))
            }
            (Some(_) | None, _) => write!(f, "generic:{:#018x}", self.0),
        }
    }
}

/// A text that is no extended community.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no extended community: give rt:65001:100, soo:10.0.0.1:100, or all eight octets as \
     generic:0x0002fde900000064"
)]
pub struct ParseExtendedCommunityError(String);

impl FromStr for ExtendedCommunity {
    type Err = ParseExtendedCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = || {
            let (name, value) = text.split_once(':')?;
            if name == "generic" {
                let digits = value.strip_prefix("0x").filter(|digits| !digits.starts_with('+'))?;
                return u64::from_str_radix(digits, 16).ok().map(Self);
            }
            let (subtype, _) = Self::NAMED.iter().find(|(_, known)| *known == name)?;
            let (kind, value) = Self::parse_value(value)?;
            Some(Self::new(kind, *subtype, value))
        };
        parsed().ok_or_else(|| ParseExtendedCommunityError(text.to_owned()))
    }
}

impl LargeCommunity {
    /// As it stands in the attribute.
    pub(super) fn from_octets(octets: &[u8; 12]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *octets;
        Self {
            global: u32::from_be_bytes([a, b, c, d]),
            local_1: u32::from_be_bytes([e, f, g, h]),
            local_2: u32::from_be_bytes([i, j, k, l]),
        }
    }

    /// The first of each, in their order: RFC 8092 §3 wants repetitions neither sent nor kept.
    pub(super) fn remove_repeated(list: &mut Vec<Self>) {
        if list.len() > 1 {
            // A message may have thousands.
            let mut seen = rustc_hash::FxHashSet::default();
            list.retain(|community| seen.insert(*community));
        }
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local_1, self.local_2)
    }
}

/// A text that is no large community.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no large community: give three numbers up to 4294967295 as 65001:1:2")]
pub struct ParseLargeCommunityError(String);

impl FromStr for LargeCommunity {
    type Err = ParseLargeCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = || {
            let numbers: Vec<u32> =
                text.split(':').map(|number| number.parse().ok()).collect::<Option<_>>()?;
            let [global, local_1, local_2] = numbers.try_into().ok()?;
            Some(Self { global, local_1, local_2 })
        };
        numbers().ok_or_else(|| ParseLargeCommunityError(text.to_owned()))
    }
}
