//! How keys are spelled in etcd: `/<prefix>/<kind>/<namespace>/<name>`, with the namespace empty for kinds without.
//!
//! `/` and `%` within a namespace or a name are written `%2F` and `%25`, so that each key has one spelling, and each
//! spelling at most one key.

use crate::error::Error;
use crate::key::{Key, Kind};

/// What all keys begin with: the prefix between slashes.
#[derive(Debug, Clone)]
pub(super) struct Root(pub(super) String);

impl Root {
    /// Begins all keys.
    pub(super) fn prefix(&self) -> Vec<u8> {
        self.0.clone().into_bytes()
    }

    /// The key that says what this is; no resource's.
    pub(super) fn marker(&self) -> Vec<u8> {
        format!("{}format", self.0).into_bytes()
    }

    /// Begins all keys of a kind, or of a namespace of it.
    pub(super) fn of_kind(&self, kind: Kind, namespace: Option<&str>) -> Vec<u8> {
        match namespace {
            Some(namespace) => format!("{}{kind}/{}/", self.0, escape(namespace)),
            None => format!("{}{kind}/", self.0),
        }
        .into_bytes()
    }

    pub(super) fn encode(&self, key: &Key) -> Vec<u8> {
        format!("{}{}/{}/{}", self.0, key.kind, escape(&key.namespace), escape(&key.name)).into_bytes()
    }

    pub(super) fn decode(&self, spelling: &[u8]) -> Result<Key, Error> {
        let shown = || String::from_utf8_lossy(spelling).into_owned();
        let foreign = || {
            Error::Refused(format!(
                "etcd has {} among the keys of Fabric, which is none; remove it, or use another prefix",
                shown()
            ))
        };
        let path = std::str::from_utf8(spelling).ok().and_then(|text| text.strip_prefix(&self.0));
        let mut parts = path.ok_or_else(foreign)?.split('/');
        let (Some(kind), Some(namespace), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(foreign());
        };
        let kind = Kind::from_name(kind).ok_or_else(|| {
            Error::Refused(format!("etcd has {}, of the unknown kind {kind}; run a newer version", shown()))
        })?;
        let (namespace, name) = unescape(namespace).zip(unescape(name)).ok_or_else(foreign)?;
        Ok(Key { kind, namespace, name })
    }
}

/// The first key after all that begin with `prefix`, which ends with a slash.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('/', "%2F")
}

fn unescape(text: &str) -> Option<String> {
    let plain = text.replace("%2F", "/").replace("%25", "%");
    (escape(&plain) == text).then_some(plain)
}

#[cfg(test)]
mod tests;
