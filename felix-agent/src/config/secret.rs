//! Passwords of TCP MD5 (RFC 2385) and TCP-AO (RFC 5925) sessions: from the file itself, or from files beside it that fewer may read.

use std::path::Path;

use ::bgp::config::Secret;
use datastore::document::{Document, Problem};

use super::bgp::Bgp;
use super::value::Password;

/// `TCP_MD5SIG_MAXKEYLEN` and `TCP_AO_MAXKEYLEN` of `linux/tcp.h`.
pub(super) const MAX_OCTETS: usize = 80;

/// Fills in the passwords that are in files of their own; what is wrong with those files comes back.
pub(super) fn read(bgp: &mut Bgp, document: &Document) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, peer) in bgp.every_peer_mut() {
        let md5 = (key.clone(), &peer.password_file, &mut peer.password);
        let ao = peer.tcp_ao.as_mut();
        let ao = ao.map(|ao| (format!("{key}.tcpAO"), &ao.password_file, &mut ao.password));
        for (key, file, password) in [md5].into_iter().chain(ao) {
            let Some(file) = file else { continue };
            match read_file(file) {
                Ok(secret) => *password = Some(Password(secret)),
                Err(what) => problems.push(document.problem(&format!("{key}.passwordFile"), what)),
            }
        }
    }
    problems
}

fn read_file(file: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot be read: {error}; give a file with the password alone in it"))?;
    // Editors close the last line.
    let password = text.trim_end_matches(['\r', '\n']);
    match wrong_with(password) {
        None => Ok(Secret(password.into())),
        Some(what) => Err(format!("holds what {what}")),
    }
}

/// What no kernel would take.
pub(super) fn wrong_with(password: &str) -> Option<String> {
    if password.is_empty() {
        Some("is empty; give at least one character".to_owned())
    } else if password.len() > MAX_OCTETS {
        Some(format!("is longer than {MAX_OCTETS} octets, more than the kernel takes"))
    } else {
        None
    }
}
