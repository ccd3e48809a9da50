//! UDP sockets of BFD: RFC 5881 §4 and §5 for one hop, RFC 5883 for several.
//!
//! Everything comes in on the well-known ports, by one socket for each port and family; each session sends from a port
//! of its own out of 49152..=65535. A sending socket is not connected: the kernel chooses the source by the routes of
//! the moment, and nobody's ICMP errors are ours.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket as StdUdpSocket};
use std::num::NonZeroU32;
use std::os::fd::AsRawFd as _;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::sessions::{Arrival, Path};
use crate::bfd::Watch;

#[cfg(test)]
mod tests;

/// RFC 5881 §4: where a session sends from.
const FIRST_PORT: u16 = 49_152;
/// How many of them are tried for one that is free.
const ATTEMPTS: u16 = 128;
/// What a packet that has passed no router has, RFC 5881 §5.
pub(super) const FULL_TTL: u8 = 255;
/// Class Selector 6, RFC 4594 §3.2: routing protocols go before what they route.
const NETWORK_CONTROL: u32 = 0xc0;
/// The longest packet that could be of interest, with authentication of any kind, is far shorter.
const DATAGRAM_OCTETS: usize = 128;

/// The side that peers send to.
#[derive(Debug)]
pub(super) struct Receiver {
    socket: UdpSocket,
    path: Path,
    control: Vec<u8>,
}

impl Receiver {
    /// Binds a well-known port on all addresses of a family.
    ///
    /// # Errors
    /// The kernel's: somebody else may have the port.
    pub(super) fn open(path: Path, v4: bool) -> io::Result<Self> {
        let unspecified =
            if v4 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        Self::bind(path, SocketAddr::new(unspecified, path.port()))
    }

    fn bind(path: Path, address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)?;
        } else {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            setsockopt(&socket, sockopt::Ipv6RecvHopLimit, &true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let control = nix::cmsg_space!([u8; 64], [u8; 16]);
        Ok(Self { socket: UdpSocket::from_std(socket.into())?, path, control })
    }

    pub(super) fn serves(&self, path: Path, v4: bool) -> bool {
        self.path == path && self.socket.local_addr().is_ok_and(|address| address.is_ipv4() == v4)
    }

    pub(super) fn poll_ready(&self, context: &mut std::task::Context<'_>) -> bool {
        // An error will show when it is read.
        self.socket.poll_recv_ready(context).is_ready()
    }

    /// The next datagram, none if all are read. What tells neither where it came from nor how far is no use, and is
    /// skipped.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn receive(&mut self) -> io::Result<Option<Arrival>> {
        loop {
            let Self { socket, path, control } = self;
            match socket.try_io(Interest::READABLE, || read(socket, *path, control)) {
                Ok(Some(arrival)) => return Ok(Some(arrival)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

fn read(socket: &UdpSocket, path: Path, control: &mut [u8]) -> io::Result<Option<Arrival>> {
    let mut octets = [0; DATAGRAM_OCTETS];
    let mut parts = [IoSliceMut::new(&mut octets)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(control), MsgFlags::MSG_DONTWAIT)?;
    let source = message.address.as_ref().and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
    });
    let (mut hops, mut place) = (None, None);
    for information in message.cmsgs()? {
        // The kernel's list, not ours: what else it may tell was not asked for.
        #[expect(clippy::wildcard_enum_match_arm)]
        match information {
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                hops = u8::try_from(ttl).ok();
            }
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                let to = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
                place = u32::try_from(info.ipi_ifindex).ok().map(|interface| (interface, IpAddr::V4(to)));
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                let to = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                place = Some((info.ipi6_ifindex, IpAddr::V6(to)));
            }
            _ => {}
        }
    }
    let length = message.bytes;
    let (Some(source), Some(hops), Some((interface, destination))) = (source, hops, place) else {
        return Ok(None);
    };
    let datagram = octets.get(..length).unwrap_or_default().to_vec();
    Ok(Some(Arrival { path, source, destination, interface, hops, datagram }))
}

/// The side that one session sends by.
#[derive(Debug)]
pub(super) struct Transmitter {
    socket: StdUdpSocket,
    to: SocketAddr,
    /// Of the watch's interface, if it names one.
    pub(super) interface: Option<NonZeroU32>,
    /// To be kept for as long as the session lives (RFC 5881 §4).
    pub(super) port: u16,
}

impl Transmitter {
    /// Binds to the watch's address and interface, at `port` or, where that is taken, at one of those after it.
    ///
    /// # Errors
    /// The kernel's: no such address or interface at the moment.
    pub(super) fn open(watch: &Watch, port: u16) -> io::Result<Self> {
        let interface = index_of(watch)?;
        if interface.is_none() && is_link_local(watch.remote) {
            let text = "a link-local peer needs an interface";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let start = port.max(FIRST_PORT);
        let following = (start..=u16::MAX).chain(FIRST_PORT..start).take(usize::from(ATTEMPTS));
        let mut failure = io::Error::from(io::ErrorKind::AddrInUse);
        for port in following {
            match bind(watch, interface, port) {
                Ok(socket) => {
                    let to = scoped(watch.remote, Path::of(watch).port(), interface);
                    return Ok(Self { socket, to, interface, port });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// The watch's interface is still the one that this sends by.
    pub(super) fn fits(&self, watch: &Watch) -> bool {
        index_of(watch).is_ok_and(|interface| interface == self.interface)
    }

    /// # Errors
    /// The kernel's; the packet is lost.
    pub(super) fn send(&self, octets: &[u8]) -> io::Result<()> {
        self.socket.send_to(octets, self.to).map(|_| ())
    }
}

fn bind(watch: &Watch, interface: Option<NonZeroU32>, port: u16) -> io::Result<StdUdpSocket> {
    let unspecified: IpAddr =
        if watch.remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let local = scoped(watch.local.unwrap_or(unspecified), port, interface);
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    // RFC 5881 §5 wants it of one hop; of several it does no harm, and lets the other end count them.
    if local.is_ipv4() {
        socket.set_ttl_v4(u32::from(FULL_TTL))?;
        socket.set_tos_v4(NETWORK_CONTROL)?;
    } else {
        socket.set_only_v6(true)?;
        socket.set_unicast_hops_v6(u32::from(FULL_TTL))?;
        socket.set_tclass_v6(NETWORK_CONTROL)?;
    }
    if let (Some(_), Some(name)) = (interface, &watch.interface) {
        // Whatever the routes say (RFC 5881 §4: the packets are to go over the link that is watched).
        socket.bind_device(Some(name.as_bytes()))?;
    }
    // Nothing is read from it: the kernel's smallest buffer is enough for strangers.
    socket.set_recv_buffer_size(0)?;
    socket.set_nonblocking(true)?;
    socket.bind(&local.into())?;
    Ok(socket.into())
}

/// The index that the watch's interface has now; none where it names none. Several hops away, links have no say.
fn index_of(watch: &Watch) -> io::Result<Option<NonZeroU32>> {
    match (Path::of(watch), &watch.interface) {
        (Path::SingleHop, Some(name)) => Ok(NonZeroU32::new(if_nametoindex(&**name)?)),
        (Path::SingleHop, None) | (Path::Multihop, _) => Ok(None),
    }
}

/// A link-local address means nothing without its link.
fn scoped(address: IpAddr, port: u16, interface: Option<NonZeroU32>) -> SocketAddr {
    match (address, interface) {
        (IpAddr::V6(v6), Some(interface)) if v6.is_unicast_link_local() => {
            SocketAddr::V6(SocketAddrV6::new(v6, port, 0, interface.get()))
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => SocketAddr::new(address, port),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
