//! What the types cannot say: ranges, names that must exist, and settings that contradict each other.

use ::datastore::document::{Document, Problem};

use super::Config;
use super::ipam::MOST_STANDBY;

mod datastore;
mod filter;
mod idle;
mod labels;
mod peer;
mod policy;

/// RFC 4724 §3: the restart time has 12 bits.
const MAX_RESTART_TIME_SECS: u16 = 4095;
const AS_ZERO: &str = "AS 0 is reserved (RFC 7607); give a number from 1 to 4294967295";

/// Takes what is wrong, with its key.
type Say<'a> = &'a mut dyn FnMut(&str, &str);

/// Everything that is wrong with `config`, placed by the `document` it was read from.
pub(super) fn problems(config: &Config, document: &Document) -> Vec<Problem> {
    let mut found = Vec::new();
    let say: Say<'_> = &mut |path, what| found.push(document.problem(path, what));
    node(config, say);
    datastore::check(&config.datastore, say);
    addresses(config, say);
    policy::check(&config.policy, say);
    speaker(config, say);
    for (name, filter) in &config.bgp.filters {
        filter::check(name, filter, say);
    }
    for (key, peer) in config.bgp.every_peer() {
        peer::check(&config.bgp, &key, peer, say);
    }
    for (index, peer) in config.bgp.peers.iter().enumerate() {
        peer::check_identity(config, index, peer, say);
    }
    ranges(config, say);
    found
}

/// What is allowed, and as a rule not meant.
pub(super) fn warnings(config: &Config, document: &Document) -> Vec<Problem> {
    let mut found = Vec::new();
    let say: Say<'_> = &mut |path, what| found.push(document.problem(path, what));
    for (key, peer) in config.bgp.every_peer() {
        peer::warn(&config.bgp, &key, peer, say);
    }
    idle::warn(&config.bgp, say);
    found
}

fn node(config: &Config, say: Say<'_>) {
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
    labels::check(&config.node.labels, say);
    if !config.api.socket.is_absolute() {
        say("api.socket", "is no absolute path; start it with '/'");
    }
    if config.metrics.listen.is_some_and(|listen| listen.port() == 0) {
        say("metrics.listen", "0 is no port that anybody could find; write one such as 9091");
    }
}

fn addresses(config: &Config, say: Say<'_>) {
    if config.ipam.garbage_collection.interval_secs == 0 {
        say("ipam.garbageCollection.intervalSecs", "0 would leave no pause; give at least 1");
    }
    if config.ipam.standby > MOST_STANDBY {
        say(
            "ipam.standby",
            &format!("{} are too many to keep from others; give at most {MOST_STANDBY}", config.ipam.standby),
        );
    }
    if config.ipam.journal.as_ref().is_some_and(|journal| !journal.is_absolute()) {
        say("ipam.journal", "is no absolute path; start it with '/'");
    }
}

fn speaker(config: &Config, say: Say<'_>) {
    let bgp = &config.bgp;
    if bgp.local_as == 0 {
        say("bgp.localAS", AS_ZERO);
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
    if bgp.cluster_id.is_some_and(|id| id.is_unspecified()) {
        say("bgp.clusterID", "0.0.0.0 identifies no cluster; give an address, the same on its reflectors");
    }
    if bgp.graceful_restart.restart_time_secs > MAX_RESTART_TIME_SECS {
        say("bgp.gracefulRestart.restartTimeSecs", "does not fit the 12 bits of RFC 4724; give at most 4095");
    }
    let limits = [
        ("bgp.multipathLimit", Some(bgp.multipath_limit)),
        ("bgp.multipath.external", bgp.multipath.external),
        ("bgp.multipath.internal", bgp.multipath.internal),
    ];
    for (key, _) in limits.into_iter().filter(|(_, limit)| *limit == Some(0)) {
        say(key, "0 would leave no path; give at least 1");
    }
    if bgp.listen.port == 0 {
        say("bgp.listen.port", "0 is no port; the BGP port is 179");
    }
    for (index, aggregate) in bgp.aggregates.iter().enumerate() {
        let key = format!("bgp.aggregates[{index}].prefix");
        let prefix = aggregate.prefix;
        if prefix.ip() != prefix.network() {
            say(&key, &format!("has host bits set; write {}/{}", prefix.network(), prefix.prefix()));
        }
        if bgp.aggregates[..index].iter().any(|earlier| earlier.prefix == prefix) {
            say(&key, &format!("{prefix} is there twice; remove one"));
        }
    }
}

fn ranges(config: &Config, say: Say<'_>) {
    let ranges = &config.bgp.listen_ranges;
    for (index, range) in ranges.iter().enumerate() {
        let key = |field: &str| format!("bgp.listenRanges[{index}].{field}");
        if range.network.ip() != range.network.network() {
            let (network, prefix) = (range.network.network(), range.network.prefix());
            say(&key("network"), &format!("has host bits set; write {network}/{prefix}"));
        }
        if range.limit == 0 {
            say(&key("limit"), "0 would let nobody in; give at least 1, or remove the range");
        }
        if ranges[..index].iter().any(|earlier| earlier.network == range.network) {
            say(&key("network"), &format!("{} is there twice; remove one", range.network));
        }
        for field in ["address", "interface"] {
            let given = match field {
                "address" => range.peer.address.is_some(),
                _ => range.peer.interface.is_some(),
            };
            if given {
                say(
                    &key(&format!("peer.{field}")),
                    "does not go with a range, whose network says who it is; remove it",
                );
            }
        }
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
