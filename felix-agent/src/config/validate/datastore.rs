//! How the datastore is reached.

use std::path::Path;

use super::Say;
use crate::config::datastore::{Datastore, Etcd, Tls};

pub(super) fn check(datastore: &Datastore, say: Say<'_>) {
    match datastore {
        Datastore::Sqlite(sqlite) => absolute("datastore.sqlite.path", &sqlite.path, say),
        Datastore::Etcd(etcd) => check_etcd(etcd, say),
        Datastore::Kubernetes(kubernetes) => {
            if let Some(file) = &kubernetes.kubeconfig {
                absolute("datastore.kubernetes.kubeconfig", file, say);
            }
        }
    }
}

fn check_etcd(etcd: &Etcd, say: Say<'_>) {
    if etcd.endpoints.is_empty() {
        say("datastore.etcd.endpoints", "is empty; write at least one, such as http://10.0.0.1:2379");
    }
    for (index, endpoint) in etcd.endpoints.iter().enumerate() {
        if let Some(what) = wrong_with(endpoint, etcd.tls.is_some()) {
            say(&format!("datastore.etcd.endpoints[{index}]"), &what);
        }
    }
    if !etcd.prefix.strip_prefix('/').is_some_and(is_path) {
        say(
            "datastore.etcd.prefix",
            "is no prefix of keys; write one like /fabric, of letters, digits, '-', '_' and '.' between the '/'",
        );
    }
    if let Some(tls) = &etcd.tls {
        check_tls(tls, say);
    }
    match (&etcd.username, &etcd.password_file) {
        (Some(name), Some(file)) => {
            if name.is_empty() {
                say("datastore.etcd.username", "is empty; write the user's name");
            }
            absolute("datastore.etcd.passwordFile", file, say);
        }
        (Some(_), None) => say("datastore.etcd.username", "has no password; add passwordFile"),
        (None, Some(_)) => say("datastore.etcd.passwordFile", "is nobody's password; add username"),
        (None, None) => {}
    }
}

fn check_tls(tls: &Tls, say: Say<'_>) {
    absolute("datastore.etcd.tls.caFile", &tls.ca_file, say);
    match (&tls.cert_file, &tls.key_file) {
        (Some(certificate), Some(key)) => {
            absolute("datastore.etcd.tls.certFile", certificate, say);
            absolute("datastore.etcd.tls.keyFile", key, say);
        }
        (Some(_), None) => say("datastore.etcd.tls.certFile", "is of no use without its key; add keyFile"),
        (None, Some(_)) => {
            say("datastore.etcd.tls.keyFile", "is of no use without its certificate; add certFile");
        }
        (None, None) => {}
    }
}

/// Parts between slashes, none of them empty.
fn is_path(text: &str) -> bool {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.split('/').all(|part| !part.is_empty() && part.bytes().all(is_right))
}

fn wrong_with(endpoint: &str, has_tls: bool) -> Option<String> {
    let Some((scheme, rest)) =
        endpoint.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))
    else {
        return Some(format!("\"{endpoint}\" is no URL of etcd; write one like http://10.0.0.1:2379"));
    };
    let port = rest.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
    if !port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Some(format!(
            "\"{endpoint}\" has no host and port at its end; write one like {scheme}://10.0.0.1:2379"
        ));
    }
    match (scheme, has_tls) {
        ("https", false) => Some("is https, for which nobody vouches; add tls: { caFile: … }".to_owned()),
        ("http", true) => Some("is http, which knows no TLS; write https, or remove tls".to_owned()),
        (_, _) => None,
    }
}

fn absolute(key: &str, path: &Path, say: Say<'_>) {
    if !path.is_absolute() {
        say(key, "is no absolute path; start it with '/'");
    }
}
