//! What the kernel itself would do with a packet: the route that its own search ends at, whoever wrote it; and which
//! route stands at one destination, whatever packets follow.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::message;
use crate::dataplane::netlink::{Interfaces, Netlink, NetlinkError};

/// Where the kernel's search ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// At a route.
    Route {
        /// Of this destination.
        destination: IpNetwork,
        /// Written by this protocol (`/etc/iproute2/rt_protos`); ours is [`super::ROUTE_PROTOCOL`].
        protocol: u8,
        /// What it does, in words: "via 10.1.1.0 dev eth0".
        text: String,
    },
    /// At a route that drops the packet without a word; the kernel does not say which.
    Blackhole,
    /// At a route that refuses it.
    Refused,
    /// At no route.
    Unreachable,
}

/// Asks the kernel where a packet of this node to `address` goes.
///
/// # Errors
/// When the kernel does not answer.
pub async fn look_up(netlink: &Netlink, address: IpAddr) -> Result<Verdict, NetlinkError> {
    let interfaces = Interfaces::read(netlink).await?;
    match netlink.ask(RouteNetlinkMessage::GetRoute(message::encode_look_up(address))).await {
        Ok(replies) => {
            let found = replies.iter().find_map(|reply| {
                if let RouteNetlinkMessage::NewRoute(route) = reply {
                    message::decode_verdict(route, &interfaces)
                } else {
                    None
                }
            });
            Ok(found.unwrap_or(Verdict::Unreachable))
        }
        // fib_props in the kernel's net/ipv4/fib_semantics.c, and the same in net/ipv6/route.c.
        Err(error) => match error.errno() {
            Some(libc::EINVAL) => Ok(Verdict::Blackhole),
            Some(libc::EACCES) => Ok(Verdict::Refused),
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => Ok(Verdict::Unreachable),
            _ => Err(error),
        },
    }
}

/// Finds the route of the main table at exactly this destination; of several, the one that the kernel prefers.
///
/// # Errors
/// When the kernel does not answer.
pub async fn find(netlink: &Netlink, destination: IpNetwork) -> Result<Verdict, NetlinkError> {
    let interfaces = Interfaces::read(netlink).await?;
    let family = if destination.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let replies = netlink.dump(RouteNetlinkMessage::GetRoute(message::encode_dump(family, None))).await?;
    let here = replies.iter().filter_map(|reply| {
        let RouteNetlinkMessage::NewRoute(route) = reply else { return None };
        message::decode_identity(route).filter(|(found, _)| *found == destination).map(|_| route)
    });
    let preferred = here.min_by_key(|route| message::metric(route));
    let verdict = preferred.and_then(|route| message::decode_verdict(route, &interfaces));
    Ok(verdict.unwrap_or(Verdict::Unreachable))
}
