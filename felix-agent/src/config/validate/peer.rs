//! Peers: who they are, their timers, and policies that must exist.

use std::net::IpAddr;

use datastore::spelling::correction;

use super::{AS_ZERO, Say};
use crate::config::bgp::Bgp;
use crate::config::peer::{Beyond, FamilySettings, Peer};
use crate::config::value::{Policy, RemoteAs};
use crate::config::{Config, secret};

/// RFC 4271 §4.2.
const MIN_HOLD_TIME_SECS: u16 = 3;
/// RFC 9003 §2: the length has one octet.
const MAX_COMMUNICATION_OCTETS: usize = 255;
/// RFC 9494 §3: the stale time has 24 bits.
const MAX_STALE_TIME_SECS: u32 = (1 << 24) - 1;
/// Shorter ones are for hardware.
const BFD_INTERVAL_MS: std::ops::RangeInclusive<u32> = 10..=60_000;
/// `IFNAMSIZ` of `linux/if.h`, without the closing zero.
const MAX_INTERFACE_OCTETS: usize = 15;

/// Who a configured peer is: one of address and interface, once.
pub(super) fn check_identity(config: &Config, index: usize, peer: &Peer, say: Say<'_>) {
    let key = |field: &str| format!("bgp.peers[{index}].{field}");
    let earlier = &config.bgp.peers[..index];
    match (peer.address, peer.interface.as_deref()) {
        (None, None) => {
            say(&key("address"), "is missing; give the neighbour's, or the interface it is behind")
        }
        (Some(_), Some(_)) => say(
            &key("interface"),
            "does not go with an address: the peer is found by one of them; remove one",
        ),
        (Some(address), None) => address_of_peer(config, address, &key("address"), say),
        (None, Some(interface)) => {
            let is_name = |name: &str| {
                !name.is_empty()
                    && name.len() <= MAX_INTERFACE_OCTETS
                    && !name.contains(|c: char| c.is_whitespace() || c == '/')
            };
            if !is_name(interface) {
                say(
                    &key("interface"),
                    "is no interface's name; write up to 15 characters without space and '/'",
                );
            }
        }
    }
    if let Some(this) = peer.key()
        && earlier.iter().any(|other| other.key().as_ref() == Some(&this))
    {
        let (field, one) =
            if peer.address.is_some() { ("address", "address") } else { ("interface", "interface") };
        say(&key(field), &format!("{this} is configured twice; there is one session per {one}"));
    }
    if peer.interface.is_some() && peer.local_address.is_some_and(|local| local.is_ipv4()) {
        say(
            &key("localAddress"),
            "is IPv4, but a session behind an interface is IPv6 by link-local addresses; remove it",
        );
    }
    if let (Some(local), Some(address)) = (peer.local_address, peer.address)
        && local.is_ipv4() != address.is_ipv4()
    {
        say(&key("localAddress"), "is of another family than the peer's address; give one of the same");
    }
}

fn address_of_peer(config: &Config, address: IpAddr, key: &str, say: Say<'_>) {
    if address.is_unspecified() || address.is_multicast() {
        say(key, "is not the address of one host; give the neighbour's own");
    }
    if matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()) {
        say(
            key,
            "is link-local, which does not say on which link; name the interface instead, such as `interface: eth0`",
        );
    }
    if config.node.addresses.contains(&address) {
        say(key, "is this node's own address; give the neighbour's");
    }
}

/// What holds of every peer, in ranges too.
pub(super) fn check(bgp: &Bgp, at: &str, peer: &Peer, say: Say<'_>) {
    let key = |field: &str| format!("{at}.{field}");
    if peer.remote_as == RemoteAs::Is(0) {
        say(&key("remoteAS"), AS_ZERO);
    }
    if peer.local_as.is_some_and(|own| own.asn == 0) {
        say(&key("localAS.as"), AS_ZERO);
    }
    if peer.port == 0 {
        say(&key("port"), "0 is no port; the BGP port is 179");
    }
    passwords(at, peer, say);
    timers(at, peer, say);
    hops(at, peer, say);
    if let Some(text) = &peer.shutdown
        && text.len() > MAX_COMMUNICATION_OCTETS
    {
        say(&key("shutdown"), "is longer than the 255 octets of RFC 9003; shorten it");
    }
    if peer.route_reflector_client && !matches!(peer.remote_as, RemoteAs::Internal | RemoteAs::Any) {
        let is_internal = !peer.may_be_external(bgp.local_as);
        if !is_internal {
            say(&key("routeReflectorClient"), "is for internal peers (RFC 4456); remove it");
        }
    }
    bfd(at, peer, say);
    for field in ["import", "export"] {
        let policy = if field == "import" { &peer.import } else { &peer.export };
        check_policy(bgp, &key(field), field, policy.as_ref(), say);
    }
    families(bgp, at, peer, say);
}

fn bfd(at: &str, peer: &Peer, say: Say<'_>) {
    let key = |field: &str| format!("{at}.bfd.{field}");
    if let Some(bfd) = peer.bfd {
        for (field, interval) in
            [("transmitIntervalMs", bfd.transmit_interval_ms), ("receiveIntervalMs", bfd.receive_interval_ms)]
        {
            if !BFD_INTERVAL_MS.contains(&interval) {
                say(&key(field), "is out of bounds; give 10 to 60000 milliseconds");
            }
        }
        if bfd.multiplier == 0 {
            say(&key("multiplier"), "0 is forbidden by RFC 5880 §4.1; give at least 1");
        }
        if bfd.multihop == Some(true) && peer.interface.is_some() {
            say(
                &key("multihop"),
                "does not go with an interface, behind which the peer is one hop away; remove it",
            );
        }
    }
}

fn passwords(at: &str, peer: &Peer, say: Say<'_>) {
    if let Some(password) = &peer.password {
        if let Some(what) = secret::wrong_with(&password.0.0) {
            say(&format!("{at}.password"), &what);
        }
        if peer.password_file.is_some() {
            say(&format!("{at}.passwordFile"), "does not go with password; remove one");
        }
    }
    if peer.password_file.as_ref().is_some_and(|file| !file.is_absolute()) {
        say(&format!("{at}.passwordFile"), "is no absolute path; start it with '/'");
    }
}

fn timers(at: &str, peer: &Peer, say: Say<'_>) {
    let key = |field: &str| format!("{at}.{field}");
    if peer.hold_time_secs != 0 && peer.hold_time_secs < MIN_HOLD_TIME_SECS {
        say(&key("holdTimeSecs"), "is below the least of RFC 4271 §4.2; give 0 (none) or at least 3 seconds");
    }
    if peer.keepalive_secs == Some(0) {
        say(
            &key("keepaliveSecs"),
            "0 would send without pause; give at least 1, or nothing for a third of the hold time",
        );
    }
    if let Some(keepalive) = peer.keepalive_secs
        && peer.hold_time_secs != 0
        && keepalive >= peer.hold_time_secs
    {
        say(&key("keepaliveSecs"), "is not below the hold time; give a third of it, or nothing");
    }
    if peer.connect_retry_secs == 0 {
        say(&key("connectRetrySecs"), "0 would dial without pause; give at least 1");
    }
    if let Some(send_hold) = peer.send_hold_time_secs
        && send_hold != 0
        && send_hold <= u32::from(peer.hold_time_secs)
    {
        say(&key("sendHoldTimeSecs"), "is not above the hold time (RFC 9687 §4); give 0 (for ever) or more");
    }
}

fn hops(at: &str, peer: &Peer, say: Say<'_>) {
    if peer.multihop == Some(0) {
        say(&format!("{at}.multihop"), "0 hops lead nowhere; give 1 to 255");
    }
    if matches!(peer.ttl_security, Some(0 | 255)) {
        say(&format!("{at}.ttlSecurity"), "is out of bounds; give 1 (a neighbour) to 254 hops");
    }
    if peer.multihop.is_some() && peer.ttl_security.is_some() {
        say(
            &format!("{at}.ttlSecurity"),
            "does not go with multihop, as it says how far by itself; remove one",
        );
    }
}

fn families(bgp: &Bgp, at: &str, peer: &Peer, say: Say<'_>) {
    let families = &peer.families.0;
    if families.is_empty() {
        say(&format!("{at}.families"), "is empty; give ipv4-unicast, ipv6-unicast or both");
    }
    for (family, settings) in families {
        let name = match family {
            crate::config::peer::Family::Ipv4Unicast => "ipv4-unicast",
            crate::config::peer::Family::Ipv6Unicast => "ipv6-unicast",
        };
        let at = format!("{at}.families.{name}");
        let FamilySettings { import, export, max_prefixes, add_path: _, long_lived_stale_time_secs } =
            settings;
        check_policy(bgp, &format!("{at}.import"), "import", import.as_ref(), say);
        check_policy(bgp, &format!("{at}.export"), "export", export.as_ref(), say);
        if *long_lived_stale_time_secs > MAX_STALE_TIME_SECS {
            say(
                &format!("{at}.longLivedStaleTimeSecs"),
                "does not fit the 24 bits of RFC 9494; give at most 16777215",
            );
        }
        let Some(max) = max_prefixes else { continue };
        if max.warn_percent == 0 || max.warn_percent > 100 {
            say(&format!("{at}.maxPrefixes.warnPercent"), "is out of bounds; give 1 to 100 percent");
        }
        match (max.beyond, max.restart_secs) {
            (Beyond::Restart, Some(0)) => {
                say(&format!("{at}.maxPrefixes.restartSecs"), "0 would dial without pause; give at least 1")
            }
            (Beyond::Warn | Beyond::Idle, Some(_)) => say(
                &format!("{at}.maxPrefixes.restartSecs"),
                "is for `beyond: restart`; remove it, or write that",
            ),
            (Beyond::Restart | Beyond::Warn | Beyond::Idle, _) => {}
        }
    }
}

fn check_policy(bgp: &Bgp, at: &str, direction: &str, policy: Option<&Policy>, say: Say<'_>) {
    match policy {
        Some(Policy::Originated) if direction == "import" => {
            say(at, "originated is what we tell, not what we take; write all, none or the name of a filter")
        }
        Some(Policy::Filter(name)) if !bgp.filters.contains_key(name) => {
            let words = ["all", "none"].into_iter();
            let own = (direction == "export").then_some("originated");
            let known: Vec<&str> = words.chain(own).chain(bgp.filters.keys().map(String::as_str)).collect();
            say(at, &format!("there is no filter \"{name}\"; {}", correction(name, &known, "known are")));
        }
        Some(_) | None => {}
    }
}

/// RFC 8212: an external peer with which nothing is exchanged for want of a word.
pub(super) fn warn(bgp: &Bgp, at: &str, peer: &Peer, say: Say<'_>) {
    if !peer.may_be_external(bgp.local_as) {
        return;
    }
    let unset = |direction: usize| {
        let mut policies =
            peer.families.0.values().map(|settings| peer.policies(settings)[direction].is_none());
        policies.any(|unset| unset)
    };
    if unset(0) {
        say(
            &format!("{at}.import"),
            "is missing, so nothing is taken from this external peer (RFC 8212); write all, none or the name of a filter",
        );
    }
    if unset(1) {
        say(
            &format!("{at}.export"),
            "is missing, so nothing is told to this external peer (RFC 8212); write originated, all, none or the name of a filter",
        );
    }
}
