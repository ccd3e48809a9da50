//! Text → tokens, one at a time.
//!
//! A token is a piece of the text. Its text alone tells symbols and words apart (a value begins with a quote, the
//! end is empty), which is what the parser goes by; no word means anything here, since whether `in` is a label or an
//! operator depends on where it stands. The length of the selector is bounded here, as tokens are what counts.

use crate::MAX_BYTES;
use crate::error::{Problem, SelectorError};

/// Those that begin with another one come before it.
const SYMBOLS: [&str; 10] = ["==", "!=", "&&", "||", "!", "(", ")", "{", "}", ","];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A label, an operator or a function.
    Word,
    /// A value with its quotes.
    Value,
    Symbol,
    /// A character that begins no token.
    Stray,
    End,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// In bytes from the beginning of the selector.
    pub(crate) start: usize,
}

impl Token<'_> {
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

pub(crate) struct Tokens<'a> {
    text: &'a str,
    /// Where the next token is looked for.
    offset: usize,
    /// Bytes of the tokens so far.
    length: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, length: 0 }
    }

    /// The next token; at the end, the end again and again.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, SelectorError> {
        let rest = self.text.get(self.offset..).unwrap_or_default().trim_ascii_start();
        let start = self.text.len() - rest.len();
        let (kind, length) = measure(rest).map_err(|problem| self.error(start, problem))?;
        let token = Token { kind, text: rest.get(..length).unwrap_or_default(), start };
        self.offset = token.end();
        self.length += length;
        if self.length > MAX_BYTES {
            return Err(self.error(start, Problem::TooLong));
        }
        Ok(token)
    }

    /// That there is a problem at this byte.
    pub(crate) fn error(&self, start: usize, problem: Problem) -> SelectorError {
        let before = self.text.get(..start).unwrap_or(self.text);
        SelectorError { position: before.chars().count() + 1, problem }
    }
}

/// Whether a label may contain this.
pub(crate) fn is_label_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')
}

/// What the text begins with, and how many bytes of it that is.
fn measure(text: &str) -> Result<(Kind, usize), Problem> {
    let Some(first) = text.chars().next() else { return Ok((Kind::End, 0)) };
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| text.starts_with(**symbol)) {
        return Ok((Kind::Symbol, symbol.len()));
    }
    if is_label_character(first) {
        return Ok((Kind::Word, text.find(|c| !is_label_character(c)).unwrap_or(text.len())));
    }
    if first != '\'' && first != '"' {
        return Ok((Kind::Stray, first.len_utf8()));
    }
    let closing = text.char_indices().skip(1).find(|(_, c)| *c == first);
    let (last, _) = closing.ok_or(Problem::Unclosed { quote: first })?;
    Ok((Kind::Value, last + 1))
}
