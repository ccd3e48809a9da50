//! What rules are called: in comments, which a person reads and by which a counter is found again, and in the prefix of
//! what is logged.
//!
//! ```text
//! shop/web ingress#0                  a rule: policy, direction, index in the object
//! ClusterNetworkPolicy no-telnet egress#3
//! tier default ingress: isolated by shop/web, shop/db
//! deny|shop/web ingress#0|telnet      a prefix: what was done, by whom, and the rule's own name if there is room
//! ```
//!
//! Equal origins have equal names, and different ones different names: what is too long is cut, and says so by a digest of the
//! whole.

use policy::program::{Direction, RuleOrigin, Tier};
use sha2::{Digest as _, Sha256};

use crate::dataplane::nftables::table::{COMMENT_MAX_BYTES, LOG_PREFIX_MAX_BYTES};

/// A rule of a policy: at most [`COMMENT_MAX_BYTES`].
pub fn rule(origin: &RuleOrigin, direction: Direction) -> String {
    fitting(&origin.policy.to_string(), &format!(" {}#{}", word(direction), origin.rule), COMMENT_MAX_BYTES)
}

/// The end of a tier, for those of whom no rule of it decided: at most [`COMMENT_MAX_BYTES`].
pub fn tier_end(tier: &Tier, direction: Direction) -> String {
    let policies: Vec<String> = tier.policies.iter().map(ToString::to_string).collect();
    let text = format!("tier {} {}: isolated by {}", tier.name, word(direction), policies.join(", "));
    fitting(&text, "", COMMENT_MAX_BYTES)
}

/// What is decided where no tier decides.
pub fn fallback(direction: Direction) -> String {
    format!("{}: no tier decides", word(direction))
}

/// Any text as a comment.
pub(in crate::dataplane::nftables) fn sentence(text: &str) -> String {
    fitting(text, "", COMMENT_MAX_BYTES)
}

/// A log's prefix: what was done with the packet (`deny`, `log`), and by whom.
pub(super) fn prefix(done: &str, by: &str, own_name: Option<&str>) -> String {
    let head = fitting(&format!("{done}|{by}"), "", LOG_PREFIX_MAX_BYTES);
    let named = own_name.map(|name| clean(&format!("{head}|{name}")));
    named.filter(|named| named.len() <= LOG_PREFIX_MAX_BYTES).unwrap_or(head)
}

/// A short name for a text: 16 hexadecimal digits. Cryptographic, for the texts are written by tenants.
pub(super) fn digest(text: &str) -> String {
    const DIGITS_BYTES: usize = 8;
    Sha256::digest(text).iter().take(DIGITS_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// `head` and `tail`, or where both are too long, as much of the head as there is room for, its digest, and the tail.
fn fitting(head: &str, tail: &str, max_bytes: usize) -> String {
    let cleaned = clean(head);
    if cleaned.len() + tail.len() <= max_bytes {
        return format!("{cleaned}{tail}");
    }
    let mark = format!("~{}", digest(head));
    let room = max_bytes.saturating_sub(mark.len() + tail.len());
    let kept: String =
        cleaned.char_indices().take_while(|(at, c)| at + c.len_utf8() <= room).map(|(_, c)| c).collect();
    format!("{kept}{mark}{tail}")
}

/// Without what would end a text in nft's language, or a line.
fn clean(text: &str) -> String {
    let replaced = |c: char| match c {
        '"' => '\'',
        c if c.is_control() => '?',
        c => c,
    };
    text.chars().map(replaced).collect()
}
