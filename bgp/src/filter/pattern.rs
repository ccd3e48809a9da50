//! Patterns of prefixes and communities.

use ipnetwork::IpNetwork;

/// Prefixes inside a network with a length within bounds: `10.0.0.0/8 ge 16 le 24`, `10.0.0.0/8` for itself alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PrefixPattern {
    /// Host bits are zero.
    pub network: IpNetwork,
    /// Shortest length.
    pub at_least: u8,
    /// Longest length.
    pub at_most: u8,
}

/// Communities of one kind with some parts left open: `65001:*`, `65001:1:*`, `rt:65001:*`, or one alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommunityPattern {
    text: String,
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {reason}")]
pub struct ParsePatternError {
    /// As given.
    pub text: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

impl std::str::FromStr for PrefixPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Err(ParsePatternError { text: text.to_owned(), reason: "not read yet".to_owned() })
    }
}

impl std::str::FromStr for CommunityPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.to_owned() })
    }
}

impl std::fmt::Display for CommunityPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text)
    }
}
