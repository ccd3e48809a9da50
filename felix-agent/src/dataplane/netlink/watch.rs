//! What the kernel tells without being asked (rtnetlink(7) multicast groups): links, addresses and routes that changed.
//!
//! Events say *that* something changed; the truth is read. Bounded by the socket's buffer, not by memory: what does
//! not fit is reported as [`NetlinkEvent::Overrun`].
//!
//! Two things the kernel does not say:
//! - IPv4 routes that vanish because their interface went down, was deleted or lost its address are not announced;
//!   the [`NetlinkEvent::LinkChanged`] or [`NetlinkEvent::AddressChanged`] is all there is.
//! - A route of ours that somebody *replaced* is announced only as the new route, which is not ours. So a
//!   [`NetlinkEvent::RouteChanged`] for a destination of ours matters even if `ours` is false.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_core::{NetlinkBuffer, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::MulticastGroup;

use super::interfaces::{decode_address, decode_link};
use crate::dataplane::routes;
use crate::plan::desired::InterfaceName;

const GROUPS: [MulticastGroup; 5] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv6Route,
];

/// Room for some ten thousand notifications between two reads; beyond, reading the tables is cheaper anyway.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;

/// The kernel never sends larger datagrams to a reader of notifications.
const DATAGRAM_BYTES: usize = 64 << 10;

/// Something changed in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetlinkEvent {
    /// An interface appeared, changed or disappeared.
    LinkChanged {
        /// Its name.
        name: InterfaceName,
        /// The kernel's number for it.
        index: u32,
        /// Administratively up.
        up: bool,
        /// Has a carrier; without one the link is dead though up.
        carrier: bool,
        /// No longer in this namespace.
        gone: bool,
    },
    /// An address came or went.
    AddressChanged {
        /// The interface's number.
        index: u32,
        /// The address.
        address: IpAddr,
        /// It went.
        deleted: bool,
    },
    /// A route of the main table came or went by somebody else's hand.
    RouteChanged {
        /// Its destination.
        destination: IpNetwork,
        /// It carries our protocol number.
        ours: bool,
        /// It went.
        deleted: bool,
    },
    /// Notifications were lost: read everything again.
    Overrun,
}

/// A reader of notifications, for one network namespace.
pub struct Watcher {
    socket: TokioSocket,
    own_port: Option<u32>,
    pending: VecDeque<NetlinkEvent>,
}

impl Watcher {
    /// Listens in the network namespace of the calling thread. Must be called on a tokio runtime.
    ///
    /// Route changes made through the socket of port id `own_port` ([`super::Netlink::port`]) are left out: the
    /// agent knows what it did itself.
    ///
    /// # Errors
    /// When the socket cannot be opened or configured.
    pub fn open(own_port: Option<u32>) -> io::Result<Self> {
        Self::with_buffer(own_port, RECEIVE_BUFFER_BYTES)
    }

    /// The same with a receive buffer of so many bytes.
    ///
    /// # Errors
    /// As [`Watcher::open`].
    pub fn with_buffer(own_port: Option<u32>, bytes: usize) -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        // As root the limit of rmem_max does not count; elsewhere what can be had must do.
        if setsockopt(socket.socket_ref(), sockopt::RcvBufForce, &bytes).is_err() {
            setsockopt(socket.socket_ref(), sockopt::RcvBuf, &bytes)?;
        }
        socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
        for group in GROUPS {
            socket.socket_ref().add_membership(group as u32)?;
        }
        Ok(Self { socket, own_port, pending: VecDeque::new() })
    }

    /// Waits for the next event. Cancel safe: an event not returned comes with the next call.
    ///
    /// # Errors
    /// When the socket is broken: open another and read everything again.
    pub async fn next(&mut self) -> io::Result<NetlinkEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            let mut datagram = Vec::with_capacity(DATAGRAM_BYTES);
            match self.socket.recv_from(&mut datagram).await {
                // Only the kernel's word counts; any process may send to a netlink port.
                Ok(sender) if sender.port_number() == 0 => self.accept(&datagram),
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.discard();
                    return Ok(NetlinkEvent::Overrun);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Empties the socket. Until that is done the kernel goes on dropping notifications, and does not say so again
    /// (`NETLINK_S_CONGESTED` in its net/netlink/af_netlink.c); so tables read meanwhile would miss what came between.
    fn discard(&mut self) {
        loop {
            let mut datagram = Vec::with_capacity(DATAGRAM_BYTES);
            match self.socket.socket_ref().recv_from(&mut datagram, libc::MSG_DONTWAIT) {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                // Empty, or broken, which the next regular read will say.
                Err(_) => return,
            }
        }
    }

    fn accept(&mut self, mut datagram: &[u8]) {
        while let Ok(buffer) = NetlinkBuffer::new_checked(datagram) {
            let length = usize::try_from(buffer.length()).unwrap_or(usize::MAX);
            let Some(bytes) = datagram.get(..length) else { break };
            // What this library cannot decode is no link, address or route that we know to plan with.
            if let Ok(message) = NetlinkMessage::deserialize(bytes) {
                self.pending.extend(decode_event(&message, self.own_port));
            }
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn decode_event(
    message: &NetlinkMessage<RouteNetlinkMessage>,
    own_port: Option<u32>,
) -> Option<NetlinkEvent> {
    let NetlinkPayload::InnerMessage(inner) = &message.payload else { return None };
    let own = own_port == Some(message.header.port_number);
    if let RouteNetlinkMessage::NewLink(link) = inner {
        decode_link(link).map(|link| link_changed(link, false))
    } else if let RouteNetlinkMessage::DelLink(link) = inner {
        decode_link(link).map(|link| link_changed(link, true))
    } else if let RouteNetlinkMessage::NewRoute(route) = inner {
        if own { None } else { route_changed(route, false) }
    } else if let RouteNetlinkMessage::DelRoute(route) = inner {
        if own { None } else { route_changed(route, true) }
    } else if let RouteNetlinkMessage::NewAddress(address) = inner {
        let found = decode_address(address)?;
        Some(NetlinkEvent::AddressChanged {
            index: address.header.index,
            address: found.local,
            deleted: false,
        })
    } else if let RouteNetlinkMessage::DelAddress(address) = inner {
        let found = decode_address(address)?;
        Some(NetlinkEvent::AddressChanged {
            index: address.header.index,
            address: found.local,
            deleted: true,
        })
    } else {
        None
    }
}

fn link_changed(link: super::Interface, gone: bool) -> NetlinkEvent {
    NetlinkEvent::LinkChanged {
        name: link.name,
        index: link.index,
        up: link.up && !gone,
        carrier: link.carrier && !gone,
        gone,
    }
}

fn route_changed(route: &RouteMessage, deleted: bool) -> Option<NetlinkEvent> {
    let (destination, ours) = routes::message::decode_identity(route)?;
    Some(NetlinkEvent::RouteChanged { destination, ours, deleted })
}
