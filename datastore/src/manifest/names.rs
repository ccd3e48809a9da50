//! What names and labels may look like (RFC 1123, and `apimachinery/pkg/util/validation` of Kubernetes).

use super::Report;

/// What is wrong with `name` as a DNS label; `None` if nothing is.
pub(super) fn label_problem(name: &str) -> Option<String> {
    (!is_label(name)).then(|| {
        format!(
            "\"{name}\" is no DNS label; write at most 63 of a-z, 0-9 and '-', \
             beginning and ending with a letter or digit"
        )
    })
}

/// What is wrong with `name` as a DNS subdomain; `None` if nothing is.
pub(super) fn subdomain_problem(name: &str) -> Option<String> {
    (!is_subdomain(name)).then(|| {
        format!(
            "\"{name}\" is no DNS subdomain; write at most 253 of a-z, 0-9, '-' and '.', \
             each part beginning and ending with a letter or digit"
        )
    })
}

/// What is wrong with `name` as the name of a port (RFC 6335 §5.1, lower case); `None` if nothing is.
pub(super) fn port_name_problem(name: &str) -> Option<String> {
    let right = is_alphanumeric_with(name, "-", char::is_ascii_lowercase)
        && name.len() <= 15
        && name.contains(|character: char| character.is_ascii_lowercase())
        && !name.contains("--");
    (!right).then(|| {
        format!(
            "\"{name}\" is no port name; write at most 15 of a-z, 0-9 and single '-', with at least one letter, \
             or a number from 1 to 65535"
        )
    })
}

fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_alphanumeric_with(name, "-", char::is_ascii_lowercase)
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(|part| is_alphanumeric_with(part, "-", char::is_ascii_lowercase))
}

/// Letters and digits, and `inner` characters between them; not empty.
fn is_alphanumeric_with(text: &str, inner: &str, is_letter: fn(&char) -> bool) -> bool {
    let outer = |character: char| is_letter(&character) || character.is_ascii_digit();
    text.starts_with(outer)
        && text.ends_with(outer)
        && text.chars().all(|character| outer(character) || inner.contains(character))
}

/// Name of a label's key or its value, apart from length: mixed case, with `-`, `_` and `.`.
fn is_qualified(text: &str) -> bool {
    text.len() <= 63 && is_alphanumeric_with(text, "-_.", char::is_ascii_alphabetic)
}

/// Reports what is wrong with one label of the mapping at `field`.
pub(super) fn check_label(field: &str, key: &str, value: &str, report: &mut Report<'_>) {
    check_label_key(field, key, report);
    check_label_value(field, value, report);
}

pub(super) fn check_label_key(field: &str, key: &str, report: &mut Report<'_>) {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| !is_subdomain(prefix)) || !is_qualified(name) {
        let what = format!(
            "\"{key}\" is no label key; write at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', beginning and ending \
             with a letter or digit, optionally after a DNS subdomain and '/'"
        );
        report.add(field, what);
    }
}

pub(super) fn check_label_value(field: &str, value: &str, report: &mut Report<'_>) {
    if !value.is_empty() && !is_qualified(value) {
        let what = format!(
            "\"{value}\" is no label value; write at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', beginning and \
             ending with a letter or digit"
        );
        report.add(field, what);
    }
}
