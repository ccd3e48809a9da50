//! Host ends of pod links, as the planner wants them: open or closed, with the pod's IPv6 gateway address.
//!
//! Ours are the interfaces whose name begins with [`HOST_END_PREFIX`]. [`crate::cni`] makes them, closed; here they
//! are opened once policy is in the kernel. A link that is in the diff's removals is deleted with its pod's end: it
//! is what a pod left behind that went while nobody watched. Whoever plans must know an attachment before its link
//! exists, and use [`Diff::without_removals`] until then.
//!
//! Closing a link makes the kernel forget its IPv6 addresses, its neighbours and every route over it. The addresses
//! are put back here; the others are for their own next reading.

use std::net::{IpAddr, Ipv6Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::{AddressMessageBuilder, LinkUnspec};

use super::netlink::{Interface, Interfaces, Netlink, NetlinkError};
use crate::diff::{Diff, Outcome};
use crate::plan::desired::{InterfaceName, Link, Links};

/// How the names of host ends begin; what follows tells the pod
/// ([`crate::cni::host_interface_name`]).
pub const HOST_END_PREFIX: &str = "fab";

/// The pod's IPv6 gateway, the same on every link.
pub const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// The on-link prefix of link-local addresses (RFC 4291 §2.5.6).
const LINK_LOCAL_PREFIX: u8 = 64;

/// Whether a name is that of a host end.
#[must_use]
pub fn is_host_end(name: &str) -> bool {
    name.starts_with(HOST_END_PREFIX)
}

/// Why a link, or something on it, is not as desired.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Try again when the interface appears.
    #[error("interface {interface} does not exist")]
    InterfaceMissing {
        /// Its name.
        interface: InterfaceName,
    },
    /// A fault of the plan: this interface is not the agent's.
    #[error("interface {interface} is not ours: the names of host ends begin with {HOST_END_PREFIX}")]
    NotOurs {
        /// Its name.
        interface: InterfaceName,
    },
    /// The kernel did not take it.
    #[error(transparent)]
    Kernel(NetlinkError),
}

impl LinkError {
    /// An interface that vanished between being looked up and being used is as good as missing.
    pub(super) fn from_kernel(interface: &str, error: NetlinkError) -> Self {
        match error.errno() {
            Some(libc::ENODEV) => Self::InterfaceMissing { interface: interface.to_owned() },
            _ => Self::Kernel(error),
        }
    }
}

/// The index of a host end.
pub(super) fn host_end(interfaces: &Interfaces, name: &str) -> Result<u32, LinkError> {
    if !is_host_end(name) {
        return Err(LinkError::NotOurs { interface: name.to_owned() });
    }
    interfaces.index(name).ok_or_else(|| LinkError::InterfaceMissing { interface: name.to_owned() })
}

/// Reads every host end.
///
/// # Errors
/// When the kernel does not answer.
pub async fn read(netlink: &Netlink) -> Result<Links, NetlinkError> {
    Ok(select(&Interfaces::read(netlink).await?))
}

/// The host ends among interfaces already read.
#[must_use]
pub fn select(interfaces: &Interfaces) -> Links {
    interfaces.host_ends().map(|end| (end.name.clone(), decode(end))).collect()
}

fn decode(interface: &Interface) -> Link {
    let mut gateways: Vec<Ipv6Addr> = interface
        .addresses
        .iter()
        .filter_map(|address| match address.local {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(v6),
            IpAddr::V6(_) | IpAddr::V4(_) => None,
        })
        .collect();
    // Besides the gateway there may be an address that the kernel made from the MAC.
    gateways.sort_by_key(|address| (*address != GATEWAY_V6, *address));
    Link { up: interface.up, gateway_v6: gateways.first().copied() }
}

/// Applies `diff` to the host ends, which are `actual`, and tells how they stand then.
///
/// # Errors
/// When the interfaces cannot be read; then nothing was changed.
pub async fn apply(
    netlink: &Netlink,
    actual: Links,
    diff: Diff<InterfaceName, Link>,
) -> Result<Outcome<InterfaceName, Link, LinkError>, NetlinkError> {
    let interfaces = Interfaces::read(netlink).await?;
    let mut outcome = Outcome::starting_from(actual);
    for (name, link) in diff.add.into_iter().chain(diff.change) {
        let attempt = set(netlink, &interfaces, &name, &link).await;
        outcome.set(name, link, attempt);
    }
    for name in diff.remove {
        let attempt = match host_end(&interfaces, &name) {
            Ok(index) => delete(netlink, index).await.map_err(LinkError::Kernel),
            Err(LinkError::InterfaceMissing { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        outcome.removed(name, attempt);
    }
    Ok(outcome)
}

async fn set(netlink: &Netlink, interfaces: &Interfaces, name: &str, link: &Link) -> Result<(), LinkError> {
    let index = host_end(interfaces, name)?;
    let stands = interfaces.get(name).map(decode);
    let refused = |error| LinkError::from_kernel(name, error);

    if stands.as_ref().is_none_or(|stands| stands.up != link.up) {
        let message = LinkUnspec::new_with_index(index);
        let message = if link.up { message.up() } else { message.down() };
        netlink.commit(RouteNetlinkMessage::NewLink(message.build()), 0).await.map_err(refused)?;
    }
    // After opening or closing, because closing takes the addresses with it.
    if let Some(old) = stands.and_then(|stands| stands.gateway_v6).filter(|old| Some(*old) != link.gateway_v6)
    {
        let message = RouteNetlinkMessage::DelAddress(gateway_message(index, old));
        match netlink.commit(message, 0).await {
            Err(error) if error.errno() != Some(libc::EADDRNOTAVAIL) => return Err(refused(error)),
            Err(_) | Ok(()) => {}
        }
    }
    if let Some(gateway) = link.gateway_v6 {
        let message = RouteNetlinkMessage::NewAddress(gateway_message(index, gateway));
        netlink.commit(message, NLM_F_CREATE | NLM_F_REPLACE).await.map_err(refused)?;
    }
    Ok(())
}

fn gateway_message(index: u32, address: Ipv6Addr) -> AddressMessage {
    let builder = AddressMessageBuilder::<Ipv6Addr>::new().index(index);
    let mut message = builder.address(address, LINK_LOCAL_PREFIX).build();
    // Only the pod is on the link, and it is known not to have this address: usable at once.
    message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    message
}

/// Deletes an interface; one that is already gone is success.
pub(crate) async fn delete(netlink: &Netlink, index: u32) -> Result<(), NetlinkError> {
    let message = LinkUnspec::new_with_index(index).build();
    match netlink.commit(RouteNetlinkMessage::DelLink(message), 0).await {
        Err(error) if error.errno() == Some(libc::ENODEV) => Ok(()),
        attempt => attempt,
    }
}
