//! Labels of the node: what Kubernetes would take.

use std::collections::BTreeMap;

use super::{Say, is_node_name};

/// The longest name and the longest value of a label.
const LONGEST: usize = 63;

pub(super) fn check(labels: &BTreeMap<String, String>, say: Say<'_>) {
    for (key, value) in labels {
        let path = format!("node.labels.{key}");
        let (prefix, name) =
            key.split_once('/').map_or((None, key.as_str()), |(prefix, name)| (Some(prefix), name));
        if prefix.is_some_and(|prefix| !is_node_name(prefix)) || name.is_empty() || !is_label(name) {
            say(
                &path,
                "is no name of a label; write up to 63 letters, digits, '-', '_' and '.', beginning and ending with \
                 a letter or digit, perhaps after a DNS name and '/'",
            );
        }
        if !is_label(value) {
            say(
                &path,
                &format!(
                    "\"{value}\" is no value of a label; write up to 63 letters, digits, '-', '_' and '.', \
                     beginning and ending with a letter or digit"
                ),
            );
        }
    }
}

/// Empty, or what a label's value may be.
fn is_label(text: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= LONGEST
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}
