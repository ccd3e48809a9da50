//! Patterns of prefixes and communities: their texts, and what matches them.

mod community;
mod list;
mod prefix;

pub use community::CommunityPattern;
pub use list::PrefixList;
pub use prefix::PrefixPattern;

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?}: {reason}")]
pub struct ParsePatternError {
    /// As given.
    pub text: String,
    /// What is wrong with it and what would be right.
    pub reason: String,
}
