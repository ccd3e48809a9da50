//! Patterns of AS paths.

/// A regular expression over an AS path as text, where `_` is a boundary between numbers (as routers write it).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AsPathPattern {
    text: String,
}

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no AS path pattern: {reason}")]
pub struct ParsePatternError {
    /// As given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl AsPathPattern {
    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl std::str::FromStr for AsPathPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { text: text.to_owned() })
    }
}
