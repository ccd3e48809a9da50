//! The pod's end of the link: its addresses, its two gateways, and nothing to discover.
//!
//! - Each address is alone in its prefix (/32, /128): everything, the pod next door included, is behind a gateway.
//! - The gateways are link-local and the same everywhere; their neighbour entries are permanent and point at the host
//!   end's fixed MAC, so the pod never asks by ARP or neighbour discovery and never waits for an answer.
//! - The end is administratively up while the host end is still closed: without a carrier the kernel keeps addresses,
//!   routes and permanent neighbours, and they work the moment the host end opens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{AddressMessageBuilder, LinkUnspec, RouteMessageBuilder};

use super::attach::{AttachRequest, HOST_MAC};
use crate::dataplane::links::GATEWAY_V6;
use crate::dataplane::neighbours;
use crate::dataplane::netlink::{Interface, Interfaces, Netlink, NetlinkError};

/// The pod's IPv4 gateway, the same on every link (link-local, RFC 3927). No interface has this address.
pub const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

const SET: u16 = NLM_F_CREATE | NLM_F_REPLACE;

/// The gateways a pod with these addresses needs.
pub(super) fn gateways(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut gateways = Vec::new();
    if addresses.iter().any(IpAddr::is_ipv4) {
        gateways.push(GATEWAY_V4.into());
    }
    if addresses.iter().any(IpAddr::is_ipv6) {
        gateways.push(GATEWAY_V6.into());
    }
    gateways
}

/// Brings up the pod's end, complete.
pub(super) async fn configure(
    netlink: &Netlink,
    index: u32,
    request: &AttachRequest,
) -> Result<(), NetlinkError> {
    let interfaces = Interfaces::read(netlink).await?;
    let loopbacks = interfaces.iter().filter(|interface| interface.loopback && !interface.up);
    for loopback in loopbacks {
        up(netlink, loopback.index).await?;
    }
    for address in &request.addresses {
        let message = RouteNetlinkMessage::NewAddress(address_message(index, *address));
        netlink.commit(message, SET).await?;
    }
    up(netlink, index).await?;
    for gateway in gateways(&request.addresses) {
        let neighbour = neighbours::encode(index, gateway, HOST_MAC);
        netlink.commit(RouteNetlinkMessage::NewNeighbour(neighbour), SET).await?;
        for route in routes(index, gateway) {
            netlink.commit(RouteNetlinkMessage::NewRoute(route), SET).await?;
        }
    }
    Ok(())
}

async fn up(netlink: &Netlink, index: u32) -> Result<(), NetlinkError> {
    let message = LinkUnspec::new_with_index(index).up().build();
    netlink.commit(RouteNetlinkMessage::NewLink(message), 0).await
}

fn address_message(index: u32, address: IpAddr) -> AddressMessage {
    match address {
        IpAddr::V4(v4) => AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(v4, 32).build(),
        IpAddr::V6(v6) => {
            let builder = AddressMessageBuilder::<Ipv6Addr>::new().index(index);
            let mut message = builder.address(v6, 128).build();
            // Nobody else is on the link, so there is no duplicate to look for.
            let flags = AddressFlags::Nodad | AddressFlags::Noprefixroute;
            message.attributes.push(AddressAttribute::Flags(flags));
            message
        }
    }
}

/// The routes by which everything is behind `gateway`.
fn routes(index: u32, gateway: IpAddr) -> Vec<RouteMessage> {
    match gateway {
        IpAddr::V4(v4) => {
            let builder = || RouteMessageBuilder::<Ipv4Addr>::new().output_interface(index);
            vec![
                builder().destination_prefix(v4, 32).scope(RouteScope::Link).build(),
                builder().gateway(v4).onlink().build(),
            ]
        }
        IpAddr::V6(v6) => {
            vec![RouteMessageBuilder::<Ipv6Addr>::new().output_interface(index).gateway(v6).build()]
        }
    }
}

/// Whether the pod's end is as [`configure`] leaves it.
pub(super) async fn is_configured(
    netlink: &Netlink,
    interface: &Interface,
    request: &AttachRequest,
) -> Result<bool, NetlinkError> {
    let has = |address: &IpAddr| {
        interface.addresses.iter().any(|own| own.subnet == IpNetwork::from(*address) && own.local == *address)
    };
    if !interface.up || !request.addresses.iter().all(has) {
        return Ok(false);
    }
    let mut known = Vec::new();
    for reply in netlink.dump(RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default())).await? {
        if let RouteNetlinkMessage::NewNeighbour(neighbour) = reply
            && neighbour.header.ifindex == interface.index
        {
            known.extend(neighbours::decode_permanent(&neighbour));
        }
    }
    let defaults = default_gateways(netlink, interface.index).await?;
    let leads = |gateway: &IpAddr| known.contains(&(*gateway, HOST_MAC)) && defaults.contains(gateway);
    Ok(gateways(&request.addresses).iter().all(leads))
}

async fn default_gateways(netlink: &Netlink, index: u32) -> Result<Vec<IpAddr>, NetlinkError> {
    let mut gateways = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        request.header.table = RouteHeader::RT_TABLE_MAIN;
        for reply in netlink.dump(RouteNetlinkMessage::GetRoute(request)).await? {
            if let RouteNetlinkMessage::NewRoute(route) = reply {
                gateways.extend(decode_default(&route, index));
            }
        }
    }
    Ok(gateways)
}

fn decode_default(route: &RouteMessage, index: u32) -> Option<IpAddr> {
    let cloned = route.header.flags.contains(RouteFlags::Cloned);
    let here = route.attributes.contains(&RouteAttribute::Oif(index));
    if cloned || !here || route.header.destination_prefix_length != 0 {
        return None;
    }
    route.attributes.iter().find_map(|attribute| {
        let RouteAttribute::Gateway(gateway) = attribute else { return None };
        crate::dataplane::routes::message::ip(gateway)
    })
}
