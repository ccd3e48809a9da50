//! Patterns of AS paths: regular expressions as routers have them, over the path's text.
//!
//! The text is what people see: `65001 65100 {65200,65201}`, confederation sequences in parentheses, their sets in
//! brackets; empty for our own routes. `_` is one of its separators, or an end. Otherwise the syntax is that of POSIX
//! extended expressions as far as digits and separators need it; braces and brackets of sets take a backslash.
//!
//! Matching takes time linear in the text, and memory bounded by the limits below, whatever the
//! pattern is.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use crate::wire::AsPath;

/// The longest pattern.
const MAX_OCTETS: usize = 1000;
/// Memory for a compiled pattern, and for what matching remembers of it.
const MAX_COMPILED: usize = 256 * 1024;
/// What a backslash takes its meaning from.
const ESCAPABLE: &str = r"\^$.*+?|()[]{}-,";
/// What separates numbers in a path's text.
const SEPARATOR: &str = r"(?:^|$|[ ,{}()\[\]])";

/// A regular expression over an AS path as text, where `_` is a boundary between numbers (as routers write it):
/// `^65001_`, `_65200$`, `^$`, `^(65001_)+65100$`.
#[derive(Clone)]
pub struct AsPathPattern {
    text: String,
    /// Shared: clones of a filter warm up one automaton.
    compiled: Arc<Regex>,
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

    /// Whether a path matches.
    #[must_use]
    pub fn matches(&self, path: &AsPath) -> bool {
        self.matches_text(&path.to_string())
    }

    /// Whether a path with this text matches.
    #[must_use]
    pub fn matches_text(&self, path: &str) -> bool {
        self.compiled.is_match(path.as_bytes())
    }
}

impl FromStr for AsPathPattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match translate(text).and_then(|expression| compile(&expression)) {
            Ok(compiled) => Ok(Self { text: text.to_owned(), compiled: Arc::new(compiled) }),
            Err(reason) => Err(ParsePatternError { text: text.to_owned(), reason }),
        }
    }
}

/// The same in the syntax of the `regex` crate. What is not in that of routers is refused here, so that no text means
/// something else than its writer thought.
fn translate(text: &str) -> Result<String, String> {
    if text.len() > MAX_OCTETS {
        return Err(format!("it is longer than {MAX_OCTETS} octets"));
    }
    let mut expression = String::with_capacity(text.len() + SEPARATOR.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\\', Some(&next)) if ESCAPABLE.contains(next) => {
                expression.extend(['\\', next]);
                rest.next();
            }
            ('\\', _) => return Err(format!("a backslash goes before one of {ESCAPABLE}")),
            ('_', _) => expression.push_str(SEPARATOR),
            ('[', _) => translate_class(&mut rest, &mut expression)?,
            ('(', Some('?')) => return Err("(? is no group: write ( alone".to_owned()),
            ('0'..='9' | ' ' | ',' | '-' | '^' | '$' | '.' | '*' | '+' | '?' | '|', _)
            | ('(' | ')' | ']' | '{' | '}', _) => expression.push(c),
            (other, _) => return Err(format!("{other:?} is in no AS path")),
        }
    }
    Ok(expression)
}

/// The inside of `[ ]`: digits, separators and ranges.
fn translate_class(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    expression: &mut String,
) -> Result<(), String> {
    expression.push('[');
    if rest.next_if_eq(&'^').is_some() {
        expression.push('^');
    }
    let mut empty = true;
    while let Some(c) = rest.next() {
        match c {
            ']' if empty => return Err("[] matches nothing: give digits inside".to_owned()),
            ']' => {
                expression.push(']');
                return Ok(());
            }
            '0'..='9' | ' ' | ',' => expression.push(c),
            // Two of them are an operator of the crate's.
            '-' if rest.peek() != Some(&'-') => expression.push(c),
            '(' | ')' | '{' | '}' => expression.extend(['\\', c]),
            '\\' => match rest.next() {
                Some(next) if ESCAPABLE.contains(next) => expression.extend(['\\', next]),
                Some(_) | None => return Err(format!("a backslash goes before one of {ESCAPABLE}")),
            },
            '_' => return Err("_ is no separator inside [ ]".to_owned()),
            other => return Err(format!("{other:?} inside [ ], where digits and their separators go")),
        }
        empty = false;
    }
    Err("[ has no ] after it".to_owned())
}

fn compile(expression: &str) -> Result<Regex, String> {
    // Octets: the alphabet is ASCII.
    let built = RegexBuilder::new(expression)
        .unicode(false)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .build();
    built.map_err(|error| {
        // The message shows the translated pattern first; what is wrong comes last.
        let message = error.to_string();
        let wrong = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("{wrong} (a set's own braces are written \\{{ and \\}})")
    })
}

impl fmt::Debug for AsPathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsPathPattern").field(&self.text).finish()
    }
}

impl fmt::Display for AsPathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq for AsPathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for AsPathPattern {}

impl Hash for AsPathPattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
