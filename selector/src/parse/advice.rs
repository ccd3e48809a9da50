//! What was probably meant by what should not stand where it stands.
//!
//! Habits from other languages (`=`, `and`, a comma between requirements as in Kubernetes) are known by name, slips
//! of the pen by their distance from what could stand there. Where neither says anything, nothing is guessed.

use super::unquoted;
use crate::token::{Kind, Token, is_label_character};

/// How much of a token an error shows.
const MAX_SHOWN: usize = 40;

/// What may follow a label: as it may be written, and as it is advised.
const OPERATORS: [(&str, &str); 13] = [
    ("=", "=="),
    ("is", "=="),
    ("eq", "=="),
    ("equals", "=="),
    ("ne", "!="),
    ("contains", "contains"),
    ("starts", "starts with"),
    ("startswith", "starts with"),
    ("ends", "ends with"),
    ("endswith", "ends with"),
    ("in", "in"),
    ("not", "not in"),
    ("notin", "not in"),
];

const FUNCTIONS: [(&str, &str); 4] =
    [("all", "all()"), ("global", "global()"), ("has", "has(…)"), ("exists", "has(…)")];

const CONNECTIVES: [(&str, &str); 5] = [("and", "&&"), ("&", "&&"), (",", "&&"), ("or", "||"), ("|", "||")];

/// A token as an error quotes it: what cannot be seen is escaped.
pub(super) fn shown(token: Token<'_>) -> String {
    if token.kind == Kind::End {
        return "the end".to_owned();
    }
    let mut shown = String::from("`");
    for c in token.text.chars().take(MAX_SHOWN) {
        if matches!(c, '\'' | '"' | '\\') { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    if token.text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown + "`"
}

/// Where `&&` or `||` may stand.
pub(super) fn for_connective(found: Token<'_>) -> Option<String> {
    let lower = found.text.to_ascii_lowercase();
    let (_, meant) = CONNECTIVES.iter().find(|(written, _)| lower == *written)?;
    Some(format!("did you mean `{meant}`?"))
}

/// Where an operator should follow a label.
pub(super) fn for_operator(label: Token<'_>, found: Token<'_>) -> Option<String> {
    if found.text == "(" {
        return nearest(label.text, &FUNCTIONS).map(|meant| format!("did you mean `{meant}`?"));
    }
    if let Some(meant) = nearest(found.text, &OPERATORS) {
        return Some(format!("did you mean `{meant}`?"));
    }
    if found.kind == Kind::Stray && found.start == label.end() {
        return Some("a label consists of letters, digits, `_`, `.`, `/` and `-`".to_owned());
    }
    let alone = found.kind == Kind::End || matches!(found.text, "&&" | "||" | ")");
    if alone && matches!(label.text, "all" | "global") {
        return Some(format!("did you mean `{}()`?", label.text));
    }
    alone.then(|| format!("that the label exists is written `has({})`", plain(label.text)))
}

/// Where a value should stand.
pub(super) fn for_value(found: Token<'_>) -> Option<String> {
    (found.kind == Kind::Word).then(|| format!("did you mean `'{}'`?", plain(found.text)))
}

/// Where a label should stand.
pub(super) fn for_label(found: Token<'_>) -> Option<String> {
    let inner = unquoted(found.text);
    let quoted = found.kind == Kind::Value && !inner.is_empty() && inner.chars().all(is_label_character);
    quoted.then(|| format!("did you mean `{}`, without quotes?", plain(inner)))
}

/// A word, or a placeholder if it is long.
fn plain(word: &str) -> &str {
    if word.len() > MAX_SHOWN { "…" } else { word }
}

/// What is meant by whatever differs least from the word, if that is little.
fn nearest(word: &str, known: &[(&str, &'static str)]) -> Option<&'static str> {
    if word.len() > MAX_SHOWN {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let distances = known.iter().map(|(written, meant)| (distance(&lower, written), written.len(), *meant));
    let (distance, length, meant) = distances.min_by_key(|(distance, _, _)| *distance)?;
    (distance <= length / 3).then_some(meant)
}

/// How many characters must be inserted, removed or replaced to turn one into the other (Levenshtein's distance).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(to.chars()) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *cell;
            before = replaced.min(diagonal + 1).min(before + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}
