//! Address families: their code points, their prefixes, their names ("ipv4-unicast").

use std::fmt;
use std::str::FromStr;

use ipnetwork::IpNetwork;

use super::code::family::{AFI_IPV4, AFI_IPV6, SAFI_UNICAST};
use super::{Family, FamilySet};

#[cfg(test)]
mod tests;

impl Family {
    /// Every family that this speaker knows.
    pub const ALL: [Self; 2] = [Self::Ipv4Unicast, Self::Ipv6Unicast];

    /// The family with these numbers, if this speaker knows it.
    #[must_use]
    pub fn from_codes(afi: u16, safi: u8) -> Option<Self> {
        match (afi, safi) {
            (AFI_IPV4, SAFI_UNICAST) => Some(Self::Ipv4Unicast),
            (AFI_IPV6, SAFI_UNICAST) => Some(Self::Ipv6Unicast),
            _ => None,
        }
    }

    /// The family that carries this prefix.
    #[must_use]
    pub fn of(prefix: &IpNetwork) -> Self {
        match prefix {
            IpNetwork::V4(_) => Self::Ipv4Unicast,
            IpNetwork::V6(_) => Self::Ipv6Unicast,
        }
    }

    /// Address family identifier.
    #[must_use]
    pub fn afi(self) -> u16 {
        match self {
            Self::Ipv4Unicast => AFI_IPV4,
            Self::Ipv6Unicast => AFI_IPV6,
        }
    }

    /// Subsequent address family identifier.
    #[must_use]
    pub fn safi(self) -> u8 {
        match self {
            Self::Ipv4Unicast | Self::Ipv6Unicast => SAFI_UNICAST,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ipv4Unicast => "ipv4-unicast",
            Self::Ipv6Unicast => "ipv6-unicast",
        })
    }
}

impl FamilySet {
    /// No family.
    pub const NONE: Self = Self(0);
    /// Every family that this speaker knows.
    pub const ALL: Self = Self(3);

    /// With one more; whether it is new.
    pub fn insert(&mut self, family: Family) -> bool {
        let new = !self.contains(family);
        self.0 |= Self::bit(family);
        new
    }

    /// Without it; whether it was there.
    pub fn remove(&mut self, family: Family) -> bool {
        let there = self.contains(family);
        self.0 &= !Self::bit(family);
        there
    }

    /// Whether it is in.
    #[must_use]
    pub fn contains(self, family: Family) -> bool {
        self.0 & Self::bit(family) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of these are in `other`.
    #[must_use]
    pub fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Those that are in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// In the order of [`Family`].
    pub fn iter(self) -> impl Iterator<Item = Family> {
        Family::ALL.into_iter().filter(move |family| self.contains(*family))
    }

    fn bit(family: Family) -> u8 {
        match family {
            Family::Ipv4Unicast => 1,
            Family::Ipv6Unicast => 2,
        }
    }
}

impl FromIterator<Family> for FamilySet {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> Self {
        let mut set = Self::default();
        families.into_iter().for_each(|family| _ = set.insert(family));
        set
    }
}

/// A text that names no family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown address family {0:?}: give ipv4-unicast or ipv6-unicast")]
pub struct ParseFamilyError(String);

impl FromStr for Family {
    type Err = ParseFamilyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|family| family.to_string() == text)
            .ok_or_else(|| ParseFamilyError(text.to_owned()))
    }
}
