//! The selector language of `projectcalico.org/v3`, judged by cutting its text to pieces.
//!
//! A condition is cut at `||`, the pieces at `&&`, what is left is one comparison. There are no tokens and no tree, and
//! nothing here comes from the crate `selector`. What the text means is said there; what is added is that a label may
//! be unknown, and then only what is true whatever its value is counts as true.

/// What is known of a label.
pub(super) enum Label {
    Absent,
    Value(String),
    /// It may be there or not, with any value.
    Unknown,
}

/// What a condition is about.
pub(super) struct Thing<'a> {
    /// Its labels.
    pub(super) label: &'a dyn Fn(&str) -> Label,
    /// What `all()` says of it.
    pub(super) all: bool,
    /// What `global()` says of it.
    pub(super) global: bool,
}

/// The text is no condition.
#[derive(Debug)]
pub(super) struct Unreadable;

/// Whether the condition is certainly true of the thing. No text is no condition.
pub(super) fn holds(text: &str, thing: &Thing<'_>) -> Result<bool, Unreadable> {
    if text.trim().is_empty() { Ok(thing.all) } else { Ok(judge(text, thing)? == Some(true)) }
}

/// Whether the text can be read at all.
pub(super) fn is_readable(text: &str) -> bool {
    holds(text, &Thing { label: &|_| Label::Absent, all: true, global: true }).is_ok()
}

/// `None`: it depends on what is not known.
fn judge(text: &str, thing: &Thing<'_>) -> Result<Option<bool>, Unreadable> {
    let text = text.trim();
    let pieces = cut(text, "||")?;
    if pieces.len() > 1 {
        return Ok(one_of(pieces.iter().map(|piece| judge(piece, thing)).collect::<Result<Vec<_>, _>>()?));
    }
    let pieces = cut(text, "&&")?;
    if pieces.len() > 1 {
        // Not (not this one, or not that one).
        let negations = pieces.iter().map(|piece| judge(piece, thing).map(not));
        return Ok(not(one_of(negations.collect::<Result<Vec<_>, _>>()?)));
    }
    if let Some(rest) = text.strip_prefix('!') {
        return Ok(not(judge(rest, thing)?));
    }
    if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        return judge(inner, thing);
    }
    comparison(text, thing)
}

fn not(truth: Option<bool>) -> Option<bool> {
    truth.map(|truth| !truth)
}

fn one_of(truths: Vec<Option<bool>>) -> Option<bool> {
    if truths.contains(&Some(true)) {
        return Some(true);
    }
    if truths.contains(&None) { None } else { Some(false) }
}

fn comparison(text: &str, thing: &Thing<'_>) -> Result<Option<bool>, Unreadable> {
    let is_in_label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
    let end = text.find(|c| !is_in_label(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let rest = rest.trim_start();
    if word.is_empty() {
        return Err(Unreadable);
    }
    if let Some(argument) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let argument = argument.trim();
        return match (word, argument) {
            ("all", "") => Ok(Some(thing.all)),
            ("global", "") => Ok(Some(thing.global)),
            ("has", key) if !key.is_empty() && key.chars().all(is_in_label) => {
                Ok(about(thing, key, |value| value.is_some()))
            }
            _ => Err(Unreadable),
        };
    }
    let after = |operator: &str| {
        let words: Vec<&str> = operator.split(' ').collect();
        words.iter().try_fold(rest, |rest, word| rest.trim_start().strip_prefix(word))
    };
    // From the longest, as one may begin with another.
    if let Some(set) = after("not in").or_else(|| after("notin")) {
        let listed = values(set)?;
        return Ok(about(thing, word, |value| !value.is_some_and(|value| listed.contains(value))));
    }
    if let Some(set) = after("in") {
        let listed = values(set)?;
        return Ok(about(thing, word, |value| value.is_some_and(|value| listed.contains(value))));
    }
    if let Some(text) = after("!=") {
        let other = quoted(text)?;
        return Ok(about(thing, word, |value| value != Some(&other)));
    }
    if let Some(text) = after("==") {
        let same = quoted(text)?;
        return Ok(about(thing, word, |value| value == Some(&same)));
    }
    if let Some(text) = after("contains") {
        let part = quoted(text)?;
        return Ok(about(thing, word, |value| value.is_some_and(|value| value.contains(&part))));
    }
    if let Some(text) = after("starts with").or_else(|| after("startswith")) {
        let start = quoted(text)?;
        return Ok(about(thing, word, |value| value.is_some_and(|value| value.starts_with(&start))));
    }
    if let Some(text) = after("ends with").or_else(|| after("endswith")) {
        let end = quoted(text)?;
        return Ok(about(thing, word, |value| value.is_some_and(|value| value.ends_with(&end))));
    }
    Err(Unreadable)
}

fn about(thing: &Thing<'_>, key: &str, holds: impl Fn(Option<&String>) -> bool) -> Option<bool> {
    match (thing.label)(key) {
        Label::Absent => Some(holds(None)),
        Label::Value(value) => Some(holds(Some(&value))),
        Label::Unknown => None,
    }
}

fn quoted(text: &str) -> Result<String, Unreadable> {
    let text = text.trim();
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return if inner.contains(quote) { Err(Unreadable) } else { Ok(inner.to_owned()) };
        }
    }
    Err(Unreadable)
}

fn values(text: &str) -> Result<Vec<String>, Unreadable> {
    let inner = text.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).ok_or(Unreadable)?;
    let mut items = cut(inner, ",")?;
    // A comma may be the last, and there may be nothing.
    if items.last().is_some_and(|item| item.trim().is_empty()) {
        items.pop();
    }
    items.into_iter().map(quoted).collect()
}

/// The pieces between separators that are in no quotes and no brackets.
fn cut<'a>(text: &'a str, separator: &str) -> Result<Vec<&'a str>, Unreadable> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    let (mut depth, mut quote) = (0u32, None);
    for (position, c) in text.char_indices() {
        if let Some(open) = quote {
            if c == open {
                quote = None;
            }
            continue;
        }
        match c {
            '\'' | '"' => quote = Some(c),
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1).ok_or(Unreadable)?,
            _ => {}
        }
        let rest = text.get(position..).unwrap_or_default();
        if depth == 0 && position >= start && rest.starts_with(separator) {
            pieces.push(text.get(start..position).unwrap_or_default());
            start = position + separator.len();
        }
    }
    if depth > 0 || quote.is_some() {
        return Err(Unreadable);
    }
    pieces.push(text.get(start..).unwrap_or_default());
    Ok(pieces)
}
