//! From messages to what is meant, or what is wrong with them and what would be right.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use tonic::Status;

use crate::api::failure;

/// The longest name that every datastore takes.
const NAME: usize = 253;

/// One address, without a prefix length.
pub(super) fn address(field: &str, text: &str) -> Result<IpAddr, Status> {
    text.parse().map_err(|_| {
        let right = "write one like 10.244.0.7 or fd00::7, without a prefix length";
        failure::field(field, format!("\"{text}\" is no IP address; {right}"))
    })
}

/// A prefix of which no bit is set behind its length; an address alone is one of full length.
pub(super) fn prefix(field: &str, text: &str) -> Result<IpNetwork, Status> {
    let prefix: IpNetwork = text.parse().map_err(|_| {
        let right = "write one like 10.244.0.0/28, or an address like 10.244.0.7";
        failure::field(field, format!("\"{text}\" is no prefix; {right}"))
    })?;
    if prefix.ip() == prefix.network() {
        return Ok(prefix);
    }
    let right = format!("{}/{}", prefix.network(), prefix.prefix());
    Err(failure::field(field, format!("{prefix} has bits set behind its length; write {right}")))
}

/// The name of an object: a DNS subdomain, as every datastore takes it.
pub(super) fn name(field: &str, text: &str) -> Result<(), Status> {
    let part = |part: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    if text.len() <= NAME && text.split('.').all(part) {
        return Ok(());
    }
    let right =
        "write at most 253 of a-z, 0-9, '-' and '.', each part beginning and ending with a letter or digit";
    Err(failure::field(
        field,
        if text.is_empty() {
            "is missing; give it".to_owned()
        } else {
            format!("\"{text}\" is no name; {right}")
        },
    ))
}

/// Who holds addresses: printable, as it stands in names, tables and logs.
pub(super) fn handle(field: &str, text: &str) -> Result<(), Status> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    if ::ipam::standby::is_handle(text) {
        let what = "is of an address that a node keeps ready for its next pods; its agent alone takes and gives back those";
        return Err(failure::field(
            field,
            format!(
                "\"{text}\" {what} (ipam.standby there says how many; those of a node that is gone go by themselves)"
            ),
        ));
    }
    if !text.is_empty() && text.len() <= NAME && text.chars().all(is_plain) {
        return Ok(());
    }
    let right = "write at most 253 letters, digits, '-', '_', '.' and ':'";
    Err(failure::field(
        field,
        if text.is_empty() {
            "is missing; say who will hold them".to_owned()
        } else {
            format!("\"{text}\" is no handle; {right}")
        },
    ))
}
