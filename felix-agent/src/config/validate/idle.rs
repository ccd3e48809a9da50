//! Keys that do nothing where they stand.

use super::Say;
use crate::config::bgp::{Bgp, PORT};
use crate::config::peer::{DEFAULT_CONNECT_RETRY_SECS, Peer};
use crate::config::value::{Policy, SetNextHop};

pub(super) fn warn(bgp: &Bgp, say: Say<'_>) {
    for (index, range) in bgp.listen_ranges.iter().enumerate() {
        dialling(&format!("bgp.listenRanges[{index}].peer"), &range.peer, say);
    }
    for name in bgp.filters.keys().filter(|name| is_import(bgp, name)) {
        next_hops(bgp, name, say);
    }
}

/// A range's peers are only ever accepted.
fn dialling(at: &str, peer: &Peer, say: Say<'_>) {
    let given = [
        ("port", peer.port != PORT),
        ("passive", peer.passive),
        ("localAddress", peer.local_address.is_some()),
        ("connectRetrySecs", peer.connect_retry_secs != DEFAULT_CONNECT_RETRY_SECS),
    ];
    for (field, _) in given.into_iter().filter(|(_, given)| *given) {
        say(
            &format!("{at}.{field}"),
            "does nothing in a range, whose peers are accepted and never dialled; remove it",
        );
    }
}

fn is_import(bgp: &Bgp, name: &str) -> bool {
    bgp.every_peer().any(|(_, peer)| {
        let mut imports = peer.families.0.values().map(|settings| peer.policies(settings)[0]);
        imports.any(|import| matches!(import, Some(Policy::Filter(used)) if used == name))
    })
}

/// "Self" and "unchanged" are about what is told.
fn next_hops(bgp: &Bgp, name: &str, say: Say<'_>) {
    let rules = bgp.filters.get(name).into_iter().flat_map(|filter| &filter.rules);
    for (index, rule) in rules.enumerate() {
        if let Some(SetNextHop::Itself | SetNextHop::Unchanged) = rule.set.next_hop {
            say(
                &format!("bgp.filters.{name}.rules[{index}].set.nextHop"),
                "does nothing in an import, as this filter is used; write an address, or use another filter there",
            );
        }
    }
}
