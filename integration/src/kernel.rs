//! What the kernel of a namespace really does, as `iproute2` reports it: an opinion independent of our own netlink code.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context as _, Result};
use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::namespace::Namespace;

#[cfg(test)]
mod tests;

#[derive(Deserialize)]
struct Route {
    gateway: Option<IpAddr>,
    nhid: Option<u32>,
    #[serde(default)]
    nexthops: Vec<Hop>,
}

#[derive(Deserialize)]
struct Hop {
    gateway: Option<IpAddr>,
}

#[derive(Deserialize)]
struct NextHopObject {
    gateway: Option<IpAddr>,
    #[serde(default)]
    group: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    id: u32,
}

#[derive(Deserialize)]
struct Link {
    stats64: Statistics,
}

#[derive(Deserialize)]
struct Statistics {
    rx: Counters,
}

#[derive(Deserialize)]
struct Counters {
    packets: u64,
}

/// The gateways of the route to exactly this prefix: several for ECMP, none without such a route.
///
/// # Errors
/// When `ip` cannot be run or understood.
pub fn gateways(namespace: &Namespace, prefix: IpNetwork) -> Result<BTreeSet<IpAddr>> {
    let family = family(prefix);
    let routes: Vec<Route> = ip(namespace, &["-j", family, "route", "show", "exact", &prefix.to_string()])?;
    let mut gateways = direct_gateways(&routes);
    // With nexthop_compat_mode=0 a route names its next hop object and nothing else.
    if gateways.is_empty() {
        for id in routes.iter().filter_map(|route| route.nhid) {
            collect_object(namespace, id, &mut gateways)?;
        }
    }
    Ok(gateways)
}

fn direct_gateways(routes: &[Route]) -> BTreeSet<IpAddr> {
    let several = routes.iter().flat_map(|route| &route.nexthops).filter_map(|hop| hop.gateway);
    routes.iter().filter_map(|route| route.gateway).chain(several).collect()
}

fn collect_object(namespace: &Namespace, id: u32, gateways: &mut BTreeSet<IpAddr>) -> Result<()> {
    for object in next_hop_object(namespace, id)? {
        gateways.extend(object.gateway);
        // Groups do not nest.
        for member in object.group {
            gateways.extend(
                next_hop_object(namespace, member.id)?.into_iter().filter_map(|object| object.gateway),
            );
        }
    }
    Ok(())
}

fn next_hop_object(namespace: &Namespace, id: u32) -> Result<Vec<NextHopObject>> {
    ip(namespace, &["-j", "nexthop", "show", "id", &id.to_string()])
}

/// The route to exactly this prefix, as `ip route` prints it for people.
///
/// # Errors
/// When `ip` cannot be run.
pub fn show_route(namespace: &Namespace, prefix: IpNetwork) -> Result<String> {
    namespace.output("ip", &[family(prefix), "route", "show", "exact", &prefix.to_string()])
}

/// Packets that have come in over any interface.
///
/// # Errors
/// When `ip` cannot be run or understood.
pub fn received_packets(namespace: &Namespace) -> Result<u64> {
    let links: Vec<Link> = ip(namespace, &["-j", "-s", "link", "show"])?;
    Ok(links.iter().map(|link| link.stats64.rx.packets).sum())
}

fn family(prefix: IpNetwork) -> &'static str {
    if prefix.is_ipv4() { "-4" } else { "-6" }
}

fn ip<T: DeserializeOwned>(namespace: &Namespace, arguments: &[&str]) -> Result<Vec<T>> {
    let text = namespace.output("ip", arguments)?;
    // Nothing found prints nothing at all in some versions.
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(&text).with_context(|| format!("ip {} printed {text}", arguments.join(" ")))
}
