//! Communities, RFC 1997: a 32-bit tag on a route, written `65001:100`, or by name where IANA gave it one.

use std::fmt;
use std::str::FromStr;

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

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generic:{:#018x}", self.0)
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local_1, self.local_2)
    }
}
