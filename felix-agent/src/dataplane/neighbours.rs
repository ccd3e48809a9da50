//! Permanent neighbour entries on host ends: the pod's addresses and its MAC, so that no ARP or neighbour discovery
//! is needed towards a pod, and none can be forged by one.
//!
//! Ours are the permanent entries on host ends ([`super::links::is_host_end`]). Entries that the kernel learned are
//! not listed and not touched, but replaced where a permanent one is desired.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::links::{LinkError, host_end, is_host_end};
use super::netlink::{Interfaces, Netlink, NetlinkError};
use crate::diff::{Diff, Outcome};
use crate::plan::desired::{InterfaceName, Neighbours};

type Key = (InterfaceName, IpAddr);

/// Reads the permanent entries on every host end.
///
/// # Errors
/// When the kernel does not answer.
pub async fn read(netlink: &Netlink) -> Result<Neighbours, NetlinkError> {
    let interfaces = Interfaces::read(netlink).await?;
    let replies = netlink.dump(RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default())).await?;
    let mut neighbours = Neighbours::new();
    for reply in replies {
        if let RouteNetlinkMessage::NewNeighbour(message) = reply {
            neighbours.extend(decode(&message, &interfaces));
        }
    }
    Ok(neighbours)
}

/// Applies `diff` to the entries on host ends, which are `actual`, and tells what the kernel holds then.
///
/// # Errors
/// When the interfaces cannot be read; then nothing was changed.
pub async fn apply(
    netlink: &Netlink,
    actual: Neighbours,
    diff: Diff<Key, [u8; 6]>,
) -> Result<Outcome<Key, [u8; 6], LinkError>, NetlinkError> {
    let interfaces = Interfaces::read(netlink).await?;
    let mut outcome = Outcome::starting_from(actual);
    for (key, mac) in diff.add.into_iter().chain(diff.change) {
        let attempt = match host_end(&interfaces, &key.0) {
            Ok(index) => {
                let message = RouteNetlinkMessage::NewNeighbour(encode(index, key.1, mac));
                let attempt = netlink.commit(message, NLM_F_CREATE | NLM_F_REPLACE).await;
                attempt.map_err(|error| LinkError::from_kernel(&key.0, error))
            }
            Err(error) => Err(error),
        };
        outcome.set(key, mac, attempt);
    }
    for key in diff.remove {
        let attempt = remove(netlink, &interfaces, &key).await;
        outcome.removed(key, attempt);
    }
    Ok(outcome)
}

async fn remove(netlink: &Netlink, interfaces: &Interfaces, key: &Key) -> Result<(), LinkError> {
    let index = match host_end(interfaces, &key.0) {
        Ok(index) => index,
        Err(LinkError::InterfaceMissing { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    match netlink.commit(RouteNetlinkMessage::DelNeighbour(identity(index, key.1)), 0).await {
        // Forgotten with a link that was closed or deleted meanwhile.
        Err(error) if matches!(error.errno(), Some(libc::ENOENT | libc::ENODEV)) => Ok(()),
        attempt => attempt.map_err(LinkError::Kernel),
    }
}

fn identity(index: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    let (family, destination) = match address {
        IpAddr::V4(v4) => (AddressFamily::Inet, NeighbourAddress::Inet(v4)),
        IpAddr::V6(v6) => (AddressFamily::Inet6, NeighbourAddress::Inet6(v6)),
    };
    message.header.family = family;
    message.header.ifindex = index;
    message.attributes.push(NeighbourAttribute::Destination(destination));
    message
}

/// A permanent entry to be created or replaced.
pub(crate) fn encode(index: u32, address: IpAddr, mac: [u8; 6]) -> NeighbourMessage {
    let mut message = identity(index, address);
    message.header.state = NeighbourState::Permanent;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.to_vec()));
    message
}

fn decode(message: &NeighbourMessage, interfaces: &Interfaces) -> Option<(Key, [u8; 6])> {
    let name = interfaces.name(message.header.ifindex)?;
    if !is_host_end(name) {
        return None;
    }
    let (address, mac) = decode_permanent(message)?;
    Some(((name.clone(), address), mac))
}

/// The address and MAC of a permanent entry.
pub(crate) fn decode_permanent(message: &NeighbourMessage) -> Option<(IpAddr, [u8; 6])> {
    if message.header.state != NeighbourState::Permanent {
        return None;
    }
    let mut address = None;
    let mut mac = None;
    for attribute in &message.attributes {
        if let NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) = attribute {
            address = Some(IpAddr::V4(*v4));
        } else if let NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) = attribute {
            address = Some(IpAddr::V6(*v6));
        } else if let NeighbourAttribute::LinkLayerAddress(bytes) = attribute {
            mac = bytes.as_slice().try_into().ok();
        }
    }
    Some((address?, mac?))
}
