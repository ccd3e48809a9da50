//! Our routes: the main table's routes with protocol number [`ROUTE_PROTOCOL`] at the default metric.
//!
//! - **Ours by protocol number.** Reading is filtered by the kernel; a route of anybody else is never replaced or
//!   deleted. Where one occupies the destination at the same metric, ours is not there and the answer says so
//!   ([`RouteError::Conflict`]).
//! - **Add and replace before delete**, so that no address of a wider prefix is without a route in between.
//! - **What is written reads back equal**, next hops of dead links included; [`message`] explains how an interface
//!   that was named is told from one that the kernel resolved.
//! - The kernel drops device routes itself when an interface goes down or away, IPv4 ones without notice
//!   ([`super::netlink::watch`]).
//!
//! One message per route; nexthop objects are not used.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::netlink::{Interfaces, Netlink, NetlinkError};
use crate::diff::{Diff, Outcome};
use crate::plan::desired::{InterfaceName, Route, Routes};

pub mod lookup;
pub mod message;

/// Our routing protocol number, `rtm_protocol` of rtnetlink(7). In neither the kernel's list (`linux/rtnetlink.h`)
/// nor iproute2's `rt_protos`. Listing ours by hand: `ip route show proto 201`.
pub const ROUTE_PROTOCOL: u8 = 201;

/// Why a route is not as desired.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Try again when the interface appears.
    #[error("interface {interface} does not exist")]
    InterfaceMissing {
        /// Its name.
        interface: InterfaceName,
    },
    /// Try again when the interface is up.
    #[error("the interface is down")]
    InterfaceDown,
    /// Try again when a link or address changes: no connected subnet holds the gateway.
    #[error("no link reaches the gateway: {0}")]
    GatewayUnreachable(NetlinkError),
    /// Leave it and tell the operator: somebody else routes this destination.
    #[error("a route of protocol {protocol} already stands at this destination; it was left alone")]
    Conflict {
        /// The other's protocol number (`/etc/iproute2/rt_protos`).
        protocol: u8,
    },
    /// A fault of the plan: no attempt will help.
    #[error("not a route: {0}")]
    Meaningless(&'static str),
    /// The kernel did not take it, for a reason of its own, for example because `source` is not an address of this
    /// node.
    #[error(transparent)]
    Kernel(NetlinkError),
}

impl RouteError {
    fn from_kernel(error: NetlinkError) -> Self {
        match error.errno() {
            Some(libc::ENETDOWN) => Self::InterfaceDown,
            Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => Self::GatewayUnreachable(error),
            _ => Self::Kernel(error),
        }
    }
}

/// Reads every route of ours, both families.
///
/// # Errors
/// When the kernel does not answer.
pub async fn read(netlink: &Netlink) -> Result<Routes, NetlinkError> {
    let interfaces = Interfaces::read(netlink).await?;
    let mut routes = Routes::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let request = message::encode_dump(family, Some(ROUTE_PROTOCOL));
        for reply in netlink.dump(RouteNetlinkMessage::GetRoute(request)).await? {
            if let RouteNetlinkMessage::NewRoute(route) = reply {
                routes.extend(message::decode(&route, &interfaces));
            }
        }
    }
    Ok(routes)
}

/// Applies `diff` to the kernel, whose routes of ours are `actual`, and tells what it holds then.
///
/// `actual` should be fresh (a [`read`], or the last outcome with no [`super::netlink::NetlinkEvent`] since): a
/// change replaces what stands at its destination.
///
/// # Errors
/// When the interfaces cannot be read; then nothing was changed. What goes wrong with one route is in the outcome.
pub async fn apply(
    netlink: &Netlink,
    actual: Routes,
    diff: Diff<IpNetwork, Route>,
) -> Result<Outcome<IpNetwork, Route, RouteError>, NetlinkError> {
    let interfaces = Interfaces::read(netlink).await?;
    let kernel = Kernel { netlink, interfaces };
    let mut outcome = Outcome::starting_from(actual);
    let mut contested = Routes::new();

    for (destination, route) in diff.add {
        match kernel.write(destination, &route, NLM_F_CREATE | NLM_F_EXCL).await {
            Err(RouteError::Kernel(error)) if error.errno() == Some(libc::EEXIST) => {
                contested.insert(destination, route);
            }
            attempt => outcome.set(destination, route, attempt),
        }
    }
    if !contested.is_empty() {
        kernel.settle(contested, &mut outcome).await;
    }
    for (destination, route) in diff.change {
        let attempt = kernel.write(destination, &route, NLM_F_CREATE | NLM_F_REPLACE).await;
        outcome.set(destination, route, attempt);
    }
    for destination in diff.remove {
        let attempt = kernel.delete(destination).await;
        outcome.removed(destination, attempt);
    }
    Ok(outcome)
}

struct Kernel<'a> {
    netlink: &'a Netlink,
    interfaces: Interfaces,
}

impl Kernel<'_> {
    async fn write(&self, destination: IpNetwork, route: &Route, flags: u16) -> Result<(), RouteError> {
        let message = message::encode(destination, route, &self.interfaces)?;
        self.netlink
            .commit(RouteNetlinkMessage::NewRoute(message), flags)
            .await
            .map_err(RouteError::from_kernel)
    }

    async fn delete(&self, destination: IpNetwork) -> Result<(), RouteError> {
        let message = RouteNetlinkMessage::DelRoute(message::encode_delete(destination));
        match self.netlink.commit(message, 0).await {
            // The kernel removed it with its interface.
            Err(error) if error.errno() == Some(libc::ESRCH) => Ok(()),
            attempt => attempt.map_err(RouteError::from_kernel),
        }
    }

    /// Destinations where a route stands that was not expected: replaced if it is ours (left by an attempt whose
    /// answer was lost), else left alone.
    async fn settle(&self, contested: Routes, outcome: &mut Outcome<IpNetwork, Route, RouteError>) {
        let occupants = match self.occupants().await {
            Ok(occupants) => occupants,
            Err(error) => {
                let errno = error.errno();
                tracing::warn!(%error, "cannot tell whose routes are in the way");
                let fail = |destination| (destination, RouteError::Kernel(still_there(errno)));
                outcome.failed.extend(contested.into_keys().map(fail));
                return;
            }
        };
        for (destination, route) in contested {
            let attempt = match occupants.get(&destination) {
                Some(&protocol) if protocol != ROUTE_PROTOCOL => Err(RouteError::Conflict { protocol }),
                Some(_) | None => self.write(destination, &route, NLM_F_CREATE | NLM_F_REPLACE).await,
            };
            outcome.set(destination, route, attempt);
        }
    }

    /// Whose route stands at each destination of the main table, at the metric of ours. Where several do, a foreign
    /// one is named.
    async fn occupants(&self) -> Result<BTreeMap<IpNetwork, u8>, NetlinkError> {
        let mut occupants = BTreeMap::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let request = message::encode_dump(family, None);
            for reply in self.netlink.dump(RouteNetlinkMessage::GetRoute(request)).await? {
                if let RouteNetlinkMessage::NewRoute(route) = reply
                    && let Some((destination, protocol)) = message::decode_occupant(&route)
                {
                    let named = occupants.entry(destination).or_insert(protocol);
                    if *named == ROUTE_PROTOCOL {
                        *named = protocol;
                    }
                }
            }
        }
        Ok(occupants)
    }
}

fn still_there(errno: Option<i32>) -> NetlinkError {
    NetlinkError::Refused { errno: errno.unwrap_or(libc::EEXIST), reason: "a route stands there".into() }
}

/// The loopback's and a pod's routes need a source of the destination's family.
fn same_family(destination: IpNetwork, address: IpAddr) -> bool {
    destination.is_ipv4() == address.is_ipv4()
}

#[cfg(test)]
mod tests;
