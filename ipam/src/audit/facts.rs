//! What exists beside the records about addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What exists beside the records about addresses. Whatever is missing here by mistake looks like garbage:
/// gather it when the datastore has been read to the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The nodes that exist.
    pub nodes: BTreeSet<String>,
    /// The endpoints of pods that exist, by the handle that holds their addresses: `<container
    /// id>.<interface>`.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Handles that are in use although no endpoint has them: of pods whose endpoint is about to be written,
    /// of services.
    pub holders: BTreeSet<String>,
    /// Records that cannot be decoded.
    pub corrupt: Vec<Corrupt>,
}

/// An endpoint of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// For people: `namespace/pod`.
    pub name: String,
    /// Where it runs.
    pub node: String,
    /// What it uses.
    pub addresses: Vec<IpAddr>,
}

/// A record that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrupt {
    /// Its name in the store: a block's alone, another's with its kind.
    pub record: String,
    /// What is wrong with it.
    pub why: String,
}
