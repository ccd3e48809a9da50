//! Names and label values that Kubernetes takes, for those that it does not.
//!
//! The name of an object is a DNS subdomain of RFC 1123; a label's value has at most 63 characters of a few
//! kinds. A handle is named after a container and an interface (`fab_0`, `Eth0`), an affinity after a node
//! that may be virtual (`virtual:load-balancer`). What is legal stays as it is, so that people find it with
//! `kubectl`. The rest becomes a legible remnant and a digest: `9f2c.fab_0` → `9f2c.fab-0.x` and 32
//! hexadecimal digits. What already looks like that is digested too, hence no two names become one. The
//! original stands in the object's `spec`.
//!
//! Only names that the `spec` repeats can be mapped. Of the others, an illegal one is an error of whoever
//! chose it.

use sha2::{Digest as _, Sha256};

use crate::key::Kind;

/// Characters of an object's name.
const NAME_LIMIT: usize = 253;
/// Characters of a label's value, and of one part of a domain name.
const LABEL_LIMIT: usize = 63;
/// Hexadecimal digits of a digest: 128 bits, in which no two names meet by chance.
const DIGITS: usize = 32;

/// The name of the object that holds this resource.
///
/// # Errors
/// What is wrong with the name, if it has to stay as it is.
pub(super) fn object_name(kind: Kind, name: &str) -> Result<String, String> {
    if is_repeated_in_spec(kind) {
        return Ok(mapped(name));
    }
    if is_subdomain(name) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "{kind} \"{name}\" cannot be named so in Kubernetes: use at most {NAME_LIMIT} lower-case letters, digits, \
         '-' and '.', with a letter or digit at either end of each part"
    ))
}

/// The value of a label, as the object carries it.
pub(super) fn label_value(value: &str) -> String {
    if is_label_value(value) && !ends_in_digest(value, '-') {
        return value.to_owned();
    }
    let legible: String = value
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take(LABEL_LIMIT - DIGITS - 2)
        .collect();
    if legible.is_empty() { format!("x{}", digest(value)) } else { format!("{legible}-x{}", digest(value)) }
}

/// Whether a label may be called so. (An endpoint's labels come from whoever called the plugin.)
pub(super) fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

/// Whether a name is a DNS label of RFC 1123, as namespaces are named.
pub(super) fn is_dns_label(name: &str) -> bool {
    name.len() <= LABEL_LIMIT && is_part(name)
}

/// Kinds that agents write: their `spec` says what the resource's name is, and which labels it has.
pub(super) const fn is_repeated_in_spec(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::IpamBlock
            | Kind::BlockAffinity
            | Kind::IpamHandle
            | Kind::WorkloadEndpoint
            | Kind::PolicyStatus
    )
}

fn mapped(name: &str) -> String {
    if is_subdomain(name) && !ends_in_digest(name, '.') {
        return name.to_owned();
    }
    let lower = name.to_ascii_lowercase();
    let legible: Vec<String> = lower.split('.').filter_map(legible_part).collect();
    let mut mapped: String = legible.join(".").chars().take(NAME_LIMIT - DIGITS - 2).collect();
    mapped.truncate(mapped.trim_end_matches(['-', '.']).len());
    if mapped.is_empty() { format!("x{}", digest(name)) } else { format!("{mapped}.x{}", digest(name)) }
}

fn legible_part(part: &str) -> Option<String> {
    let part: String = part.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let part = part.trim_matches('-');
    (!part.is_empty()).then(|| part.to_owned())
}

fn digest(text: &str) -> String {
    use std::fmt::Write as _;
    let mut digits = String::with_capacity(DIGITS);
    for octet in Sha256::digest(text.as_bytes()).iter().take(DIGITS / 2) {
        // Writing to a string does not fail.
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

/// Whether the last part of a name could be a digest.
fn ends_in_digest(name: &str, separator: char) -> bool {
    let last = name.rsplit(separator).next().unwrap_or_default();
    last.strip_prefix('x').is_some_and(|digits| {
        digits.len() == DIGITS && digits.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
    })
}

fn is_subdomain(name: &str) -> bool {
    name.len() <= NAME_LIMIT && name.split('.').all(is_part)
}

fn is_part(part: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_some_and(|c| matches!(c, 'a'..='z' | '0'..='9'));
    is_edge(part.chars().next())
        && is_edge(part.chars().next_back())
        && part.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
}

/// Whether Kubernetes takes this as the value of a label.
pub(super) fn is_label_value(value: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value.len() <= LABEL_LIMIT
        && is_edge(value.chars().next())
        && is_edge(value.chars().next_back())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests;
