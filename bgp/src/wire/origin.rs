//! ORIGIN, RFC 4271 §5.1.1: one octet, and the three names that routers print.

use std::fmt;
use std::str::FromStr;

use super::Origin;

#[cfg(test)]
mod tests;

impl Origin {
    /// All of them, best first; the index is the value on the wire.
    const ALL: [Self; 3] = [Self::Igp, Self::Egp, Self::Incomplete];

    /// The origin with this value on the wire.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Its value on the wire.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Igp => 0,
            Self::Egp => 1,
            Self::Incomplete => 2,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Igp => "IGP",
            Self::Egp => "EGP",
            Self::Incomplete => "INCOMPLETE",
        })
    }
}

/// A text that names no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown origin {0:?}: give IGP, EGP or INCOMPLETE")]
pub struct ParseOriginError(String);

impl FromStr for Origin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|origin| origin.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| ParseOriginError(text.to_owned()))
    }
}
