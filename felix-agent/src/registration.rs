//! This node as others see it: its `v1` Node object, where no kubelet writes one.
//!
//! A Node object says that the node exists (whose addresses may not be taken from it), and its labels decide which pools
//! serve it. The agent owns the labels and addresses of its configuration and nothing else: what others wrote into
//! the object stays. Which labels are the agent's is noted in the object, so that one that leaves the configuration
//! leaves the object as well.
//!
//! Pure; [`shell::registration`](crate::shell::registration) reads and writes. Deliberately absent: deleting the object.
//! A node that goes for good is for a person to delete; one that is only off comes back with its blocks.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeStatus};

use crate::config;

/// The annotation that names the labels which the agent wrote, comma-separated.
const OWNED: &str = "fabric.rs/labels";

/// The type of the addresses that the agent writes, among those that Kubernetes knows.
const INTERNAL: &str = "InternalIP";

/// The object as it should be, given how it is found; `None` if it is so.
#[must_use]
pub fn wanted(found: Option<&Node>, node: &config::Node) -> Option<Node> {
    let mut wanted = found.cloned().unwrap_or_default();
    wanted.metadata.name = Some(node.name.clone());
    set_labels(&mut wanted, &node.labels);
    set_addresses(&mut wanted, node);
    (found != Some(&wanted)).then_some(wanted)
}

fn set_labels(object: &mut Node, wanted: &BTreeMap<String, String>) {
    let metadata = &mut object.metadata;
    let annotations = metadata.annotations.get_or_insert_default();
    let owned: BTreeSet<String> =
        annotations.get(OWNED).map(|names| names.split(',').map(str::to_owned).collect()).unwrap_or_default();
    if wanted.is_empty() {
        annotations.remove(OWNED);
    } else {
        let names: Vec<&str> = wanted.keys().map(String::as_str).collect();
        annotations.insert(OWNED.to_owned(), names.join(","));
    }
    if annotations.is_empty() {
        metadata.annotations = None;
    }
    let labels = metadata.labels.get_or_insert_default();
    labels.retain(|name, _| !owned.contains(name));
    labels.extend(wanted.clone());
    if labels.is_empty() {
        metadata.labels = None;
    }
}

fn set_addresses(object: &mut Node, node: &config::Node) {
    let status = object.status.get_or_insert_default();
    let addresses = status.addresses.get_or_insert_default();
    addresses.retain(|address| address.type_ != INTERNAL);
    addresses.extend(
        node.addresses
            .iter()
            .map(|address| NodeAddress { address: address.to_string(), type_: INTERNAL.to_owned() }),
    );
    if addresses.is_empty() {
        status.addresses = None;
    }
    if *status == NodeStatus::default() {
        object.status = None;
    }
}

#[cfg(test)]
mod tests;
