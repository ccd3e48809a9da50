//! A desired route as a netlink message, and back (`struct rtmsg` and `RTA_*` of `linux/rtnetlink.h`). Pure.
//!
//! The kernel shows an outgoing interface for every next hop, whether it was named or resolved. To read back exactly
//! what was written, a named interface is written with `RTNH_F_ONLINK`, which the kernel shows again: "the gateway
//! is on this link, whatever the subnets say". IPv6 link-local gateways always need their interface and never the
//! flag.
//!
//! Metrics are the kernel's defaults, so that ours and a route set by hand meet (and are seen to meet) instead of
//! shadowing each other: 0 for IPv4, 1024 (`IP6_RT_PRIO_USER`) for IPv6.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop, RouteNextHopFlags,
    RouteProtocol, RouteScope, RouteType, RouteVia,
};

use super::lookup::Verdict;
use super::{ROUTE_PROTOCOL, RouteError, same_family};
use crate::dataplane::netlink::Interfaces;
use crate::plan::desired::{NextHop, Route};

const IP6_RT_PRIO_USER: u32 = 1024;

/// A route to be created or replaced.
pub(super) fn encode(
    destination: IpNetwork,
    route: &Route,
    interfaces: &Interfaces,
) -> Result<RouteMessage, RouteError> {
    if destination.ip() != destination.network() {
        return Err(RouteError::Meaningless("the destination has host bits set"));
    }
    let mut message = skeleton(destination);
    message.header.kind = RouteType::Unicast;
    match route {
        Route::Blackhole => message.header.kind = RouteType::BlackHole,
        Route::Device { interface, source } => {
            message.header.scope = RouteScope::Link;
            message.attributes.push(RouteAttribute::Oif(index(interface, interfaces)?));
            push_source(&mut message, destination, *source)?;
        }
        Route::Via { next_hops, source } => {
            push_next_hops(&mut message, destination, next_hops, interfaces)?;
            push_source(&mut message, destination, *source)?;
        }
    }
    Ok(message)
}

/// The deletion of our route at a destination, whatever it is.
pub(super) fn encode_delete(destination: IpNetwork) -> RouteMessage {
    let mut message = skeleton(destination);
    // "Any scope"; fib_table_delete in the kernel's net/ipv4/fib_trie.c.
    message.header.scope = RouteScope::NoWhere;
    message
}

/// The question for all routes of the main table, or only those of one protocol.
pub(super) fn encode_dump(family: AddressFamily, protocol: Option<u8>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = protocol.unwrap_or_default().into();
    message
}

/// The question where a packet to `address` goes (`ip route get fibmatch`).
pub(super) fn encode_look_up(address: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    let is_v4 = address.is_ipv4();
    message.header.address_family = if is_v4 { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.destination_prefix_length = if is_v4 { 32 } else { 128 };
    message.header.flags = RouteFlags::FibMatch;
    message.attributes.push(RouteAttribute::Destination(address.into()));
    message
}

/// The answer to it.
pub(super) fn decode_verdict(message: &RouteMessage, interfaces: &Interfaces) -> Option<Verdict> {
    let destination = destination(message)?;
    let protocol = u8::from(message.header.protocol);
    let without_way = [
        (RouteType::BlackHole, "dropped (blackhole)"),
        (RouteType::Unreachable, "refused"),
        (RouteType::Prohibit, "refused"),
        (RouteType::Local, "to this node itself"),
    ];
    let kind = message.header.kind;
    let text = match without_way.into_iter().find(|(known, _)| *known == kind) {
        Some((_, text)) => text.to_owned(),
        None => ways(message, interfaces).join(" and "),
    };
    Some(Verdict::Route { destination, protocol, text })
}

/// Each way that a route leads, as iproute2 writes it.
fn ways(message: &RouteMessage, interfaces: &Interfaces) -> Vec<String> {
    let way = |gateway: Option<IpAddr>, index: Option<u32>| {
        let gateway = gateway.map(|gateway| format!("via {gateway}"));
        let device = index.and_then(|index| interfaces.name(index)).map(|name| format!("dev {name}"));
        [gateway, device].into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let hops = find(message, |a| if let RouteAttribute::MultiPath(hops) = a { Some(hops) } else { None });
    match hops {
        Some(hops) => hops
            .iter()
            .map(|hop| way(hop.attributes.iter().find_map(gateway), Some(hop.interface_index)))
            .collect(),
        None => {
            let index =
                find(message, |a| if let RouteAttribute::Oif(index) = a { Some(*index) } else { None });
            vec![way(find(message, gateway), index)]
        }
    }
}

/// Our route as it stands in the kernel; nothing for a route that is not ours or not of a shape we write.
pub(super) fn decode(message: &RouteMessage, interfaces: &Interfaces) -> Option<(IpNetwork, Route)> {
    let (destination, protocol) = decode_occupant(message)?;
    if protocol != ROUTE_PROTOCOL {
        return None;
    }
    if message.header.kind == RouteType::BlackHole {
        return Some((destination, Route::Blackhole));
    }
    if message.header.kind != RouteType::Unicast {
        return None;
    }
    let source =
        find(message, |attribute| if let RouteAttribute::PrefSource(a) = attribute { ip(a) } else { None });
    if let Some(hops) =
        find(message, |a| if let RouteAttribute::MultiPath(hops) = a { Some(hops) } else { None })
    {
        let next_hops = hops.iter().map(|hop| decode_hop(hop, interfaces)).collect::<Option<_>>()?;
        return Some((destination, Route::Via { next_hops, source }));
    }
    let index = find(message, |a| if let RouteAttribute::Oif(index) = a { Some(*index) } else { None });
    let Some(gateway) = find(message, gateway) else {
        let interface = interfaces.name(index?)?.clone();
        return Some((destination, Route::Device { interface, source }));
    };
    let onlink = message.header.flags.contains(RouteFlags::Onlink);
    let next_hops =
        BTreeSet::from([decode_next_hop(gateway, index.unwrap_or_default(), onlink, interfaces)?]);
    Some((destination, Route::Via { next_hops, source }))
}

/// The destination of a main-table route, and whether the route is ours.
pub(crate) fn decode_identity(message: &RouteMessage) -> Option<(IpNetwork, bool)> {
    // Exceptions to a route (a learned path MTU) are announced like routes.
    if message.header.flags.contains(RouteFlags::Cloned)
        || table(message) != u32::from(RouteHeader::RT_TABLE_MAIN)
    {
        return None;
    }
    let protocol = u8::from(message.header.protocol);
    Some((destination(message)?, protocol == ROUTE_PROTOCOL))
}

/// The destination and protocol of a route that stands where one of ours would: main table, our metric.
pub(super) fn decode_occupant(message: &RouteMessage) -> Option<(IpNetwork, u8)> {
    let (destination, _) = decode_identity(message)?;
    (metric(message) == our_metric(destination)).then_some((destination, message.header.protocol.into()))
}

/// Of two routes at one destination the kernel prefers that of the lower.
pub(super) fn metric(message: &RouteMessage) -> u32 {
    find(message, |a| if let RouteAttribute::Priority(metric) = a { Some(*metric) } else { None })
        .unwrap_or_default()
}

fn our_metric(destination: IpNetwork) -> u32 {
    if destination.is_ipv4() { 0 } else { IP6_RT_PRIO_USER }
}

fn skeleton(destination: IpNetwork) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family =
        if destination.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Other(ROUTE_PROTOCOL);
    message.header.destination_prefix_length = destination.prefix();
    message.attributes.push(RouteAttribute::Destination(destination.ip().into()));
    if !destination.is_ipv4() {
        message.attributes.push(RouteAttribute::Priority(IP6_RT_PRIO_USER));
    }
    message
}

fn push_source(
    message: &mut RouteMessage,
    destination: IpNetwork,
    source: Option<IpAddr>,
) -> Result<(), RouteError> {
    let Some(source) = source else { return Ok(()) };
    if !same_family(destination, source) {
        return Err(RouteError::Meaningless("the source is not of the destination's address family"));
    }
    message.attributes.push(RouteAttribute::PrefSource(source.into()));
    Ok(())
}

fn push_next_hops(
    message: &mut RouteMessage,
    destination: IpNetwork,
    next_hops: &BTreeSet<NextHop>,
    interfaces: &Interfaces,
) -> Result<(), RouteError> {
    let mut encoded = Vec::with_capacity(next_hops.len());
    for hop in next_hops {
        encoded.push(encode_hop(destination, hop, interfaces)?);
    }
    if encoded.len() > 1 {
        message.attributes.push(RouteAttribute::MultiPath(encoded));
        return Ok(());
    }
    let only = encoded.pop().ok_or(RouteError::Meaningless("there is no next hop"))?;
    if only.flags.contains(RouteNextHopFlags::Onlink) {
        message.header.flags.insert(RouteFlags::Onlink);
    }
    if only.interface_index != 0 {
        message.attributes.push(RouteAttribute::Oif(only.interface_index));
    }
    message.attributes.extend(only.attributes);
    Ok(())
}

fn encode_hop(
    destination: IpNetwork,
    hop: &NextHop,
    interfaces: &Interfaces,
) -> Result<RouteNextHop, RouteError> {
    let mut encoded = RouteNextHop::default();
    encoded.attributes.push(match (destination, hop.gateway) {
        (IpNetwork::V4(_), IpAddr::V4(_)) | (IpNetwork::V6(_), IpAddr::V6(_)) => {
            RouteAttribute::Gateway(hop.gateway.into())
        }
        // RFC 8950: IPv4 through an IPv6 neighbour.
        (IpNetwork::V4(_), IpAddr::V6(gateway)) => RouteAttribute::Via(RouteVia::Inet6(gateway)),
        (IpNetwork::V6(_), IpAddr::V4(_)) => {
            return Err(RouteError::Meaningless("an IPv6 destination behind an IPv4 gateway"));
        }
    });
    match &hop.interface {
        Some(interface) => {
            encoded.interface_index = index(interface, interfaces)?;
            if !is_v6_link_local(hop.gateway) {
                encoded.flags.insert(RouteNextHopFlags::Onlink);
            }
        }
        None if is_v6_link_local(hop.gateway) => {
            return Err(RouteError::Meaningless("a link-local gateway without its interface"));
        }
        None => {}
    }
    Ok(encoded)
}

fn decode_hop(hop: &RouteNextHop, interfaces: &Interfaces) -> Option<NextHop> {
    let gateway = hop.attributes.iter().find_map(gateway)?;
    let onlink = hop.flags.contains(RouteNextHopFlags::Onlink);
    decode_next_hop(gateway, hop.interface_index, onlink, interfaces)
}

fn decode_next_hop(gateway: IpAddr, index: u32, onlink: bool, interfaces: &Interfaces) -> Option<NextHop> {
    let interface =
        if onlink || is_v6_link_local(gateway) { Some(interfaces.name(index)?.clone()) } else { None };
    Some(NextHop { gateway, interface })
}

fn index(interface: &str, interfaces: &Interfaces) -> Result<u32, RouteError> {
    interfaces
        .index(interface)
        .ok_or_else(|| RouteError::InterfaceMissing { interface: interface.to_owned() })
}

fn is_v6_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn table(message: &RouteMessage) -> u32 {
    find(message, |a| if let RouteAttribute::Table(table) = a { Some(*table) } else { None })
        .unwrap_or_else(|| message.header.table.into())
}

fn destination(message: &RouteMessage) -> Option<IpNetwork> {
    let written = find(message, |a| if let RouteAttribute::Destination(a) = a { ip(a) } else { None });
    // The default route has no destination attribute.
    let address = match (written, message.header.address_family) {
        (Some(address), _) => address,
        (None, AddressFamily::Inet) => Ipv4Addr::UNSPECIFIED.into(),
        (None, AddressFamily::Inet6) => Ipv6Addr::UNSPECIFIED.into(),
        (None, _) => return None,
    };
    IpNetwork::new(address, message.header.destination_prefix_length).ok()
}

fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    if let RouteAttribute::Gateway(address) = attribute {
        ip(address)
    } else if let RouteAttribute::Via(RouteVia::Inet6(address)) = attribute {
        Some((*address).into())
    } else {
        None
    }
}

pub(crate) fn ip(address: &RouteAddress) -> Option<IpAddr> {
    if let RouteAddress::Inet(v4) = address {
        Some((*v4).into())
    } else if let RouteAddress::Inet6(v6) = address {
        Some((*v6).into())
    } else {
        None
    }
}

fn find<'a, T>(message: &'a RouteMessage, wanted: impl Fn(&'a RouteAttribute) -> Option<T>) -> Option<T> {
    message.attributes.iter().find_map(wanted)
}
