//! What the types cannot say: ranges, and settings that contradict each other.

use std::collections::BTreeSet;

use datastore::document::{Document, Problem};

use super::{Config, Peer};

/// RFC 4724 §3: the restart time has 12 bits.
const MAX_RESTART_TIME_SECS: u16 = 4095;
/// RFC 4271 §4.2.
const MIN_HOLD_TIME_SECS: u16 = 3;

/// Everything that is wrong with `config`, placed by the `document` it was read from.
pub(super) fn problems(config: &Config, document: &Document) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut say = |path: &str, what: &str| found.push(document.problem(path, what));
    node(config, &mut say);
    speaker(config, &mut say);
    for (index, peer) in config.bgp.peers.iter().enumerate() {
        neighbour(config, index, peer, &mut say);
    }
    found
}

fn node(config: &Config, say: &mut impl FnMut(&str, &str)) {
    if !is_node_name(&config.node.name) {
        say("node.name", "is no DNS subdomain name; write up to 253 lower-case letters, digits, '-' and '.'");
    }
    for (family, is_it) in [("IPv4", true), ("IPv6", false)] {
        if config.node.addresses.iter().filter(|address| address.is_ipv4() == is_it).count() > 1 {
            say(
                "node.addresses",
                &format!("has more than one {family} address; give at most one per family"),
            );
        }
    }
    if !config.datastore.sqlite.path.is_absolute() {
        say("datastore.sqlite.path", "is no absolute path; start it with '/'");
    }
    if !config.api.socket.is_absolute() {
        say("api.socket", "is no absolute path; start it with '/'");
    }
}

fn speaker(config: &Config, say: &mut impl FnMut(&str, &str)) {
    let bgp = &config.bgp;
    if bgp.local_as == 0 {
        say("bgp.localAS", "AS 0 is reserved (RFC 7607); give a number from 1 to 4294967295");
    }
    match bgp.router_id {
        Some(id) if id.is_unspecified() => {
            say("bgp.routerID", "0.0.0.0 identifies nobody; give an address of this node")
        }
        None if !config.node.addresses.iter().any(std::net::IpAddr::is_ipv4) => {
            say(
                "bgp.routerID",
                "is missing, and node.addresses has no IPv4 address to take it from; give one",
            );
        }
        Some(_) | None => {}
    }
    if bgp.graceful_restart.restart_time_secs > MAX_RESTART_TIME_SECS {
        say("bgp.gracefulRestart.restartTimeSecs", "does not fit the 12 bits of RFC 4724; give at most 4095");
    }
    if bgp.multipath_limit == 0 {
        say("bgp.multipathLimit", "0 would leave no path; give at least 1");
    }
    if bgp.listen.port == 0 {
        say("bgp.listen.port", "0 is no port; the BGP port is 179");
    }
}

fn neighbour(config: &Config, index: usize, peer: &Peer, say: &mut impl FnMut(&str, &str)) {
    let key = |field: &str| format!("bgp.peers[{index}].{field}");
    if peer.remote_as == 0 {
        say(&key("remoteAS"), "AS 0 is reserved (RFC 7607); give a number from 1 to 4294967295");
    }
    if peer.hold_time_secs != 0 && peer.hold_time_secs < MIN_HOLD_TIME_SECS {
        say(&key("holdTimeSecs"), "is below the least of RFC 4271 §4.2; give 0 (none) or at least 3 seconds");
    }
    if peer.connect_retry_secs == 0 {
        say(&key("connectRetrySecs"), "0 would dial without pause; give at least 1");
    }
    if peer.families.is_empty() {
        say(&key("families"), "is empty; give ipv4-unicast, ipv6-unicast or both");
    }
    if peer.address.is_unspecified() || peer.address.is_multicast() {
        say(&key("address"), "is not the address of one host; give the neighbour's own");
    }
    if matches!(peer.address, std::net::IpAddr::V6(address) if address.is_unicast_link_local()) {
        say(
            &key("address"),
            "is link-local, which is not supported yet; give a global or unique local address",
        );
    }
    if config.bgp.peers[..index].iter().any(|earlier| earlier.address == peer.address) {
        say(
            &key("address"),
            &format!("{} is configured twice; there is one session per address", peer.address),
        );
    }
    if config.node.addresses.contains(&peer.address) {
        say(&key("address"), "is this node's own address; give the neighbour's");
    }
    let distinct: BTreeSet<_> = peer.families.iter().map(|family| *family as u8).collect();
    if distinct.len() != peer.families.len() {
        say(&key("families"), "names a family twice; remove one");
    }
    if peer.local_address.is_some_and(|local| local.is_ipv4() != peer.address.is_ipv4()) {
        say(&key("localAddress"), "is of another family than the peer's address; give one of the same");
    }
}

/// RFC 1123 subdomain, as Kubernetes names nodes.
fn is_node_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}
