//! Why a text is no selector.

use thiserror::Error;

use crate::{MAX_BYTES, MAX_DEPTH, MAX_LABEL};

/// The text is no selector: where, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("character {position}: {problem}")]
pub struct SelectorError {
    /// The character at which it went wrong, counted from 1.
    pub position: usize,
    /// What is wrong there, and what would be right.
    pub problem: Problem,
}

/// What is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// Something else must stand here.
    #[error("found {found}, expected {expected}{}", appended(.advice))]
    Unexpected {
        /// What stands here, quoted.
        found: String,
        /// What may stand here.
        expected: &'static str,
        /// What was probably meant, if that can be told.
        advice: Option<String>,
    },
    /// A value begins here and does not end.
    #[error("the value that begins here lacks its closing {quote}")]
    Unclosed {
        /// The kind of quote it began with.
        quote: char,
    },
    /// A label is longer than [`MAX_LABEL`].
    #[error("the label has {length} characters, at most {MAX_LABEL} are allowed")]
    LabelTooLong {
        /// How long it is.
        length: usize,
    },
    /// Brackets nest deeper than [`MAX_DEPTH`].
    #[error("brackets nest deeper than the {MAX_DEPTH} that are allowed")]
    TooDeep,
    /// The selector is longer than [`MAX_BYTES`].
    #[error("the selector passes the {MAX_BYTES} bytes that are allowed, spaces not counted")]
    TooLong,
}

fn appended(advice: &Option<String>) -> String {
    advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default()
}
