//! Outgoing connections, and the socket options that both directions share.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use super::address;
use crate::config::{Config, PeerConfig};

/// Longer than this no fabric takes to answer a SYN; the speaker tries again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// All that a connection to a peer needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) peer: IpAddr,
    pub(super) port: u16,
    pub(super) local_address: Option<IpAddr>,
    pub(super) ttl: Option<u8>,
}

impl Target {
    pub(super) fn new(peer: IpAddr, settings: &PeerConfig, config: &Config) -> Self {
        Self {
            peer,
            port: settings.port,
            local_address: settings.local_address,
            ttl: ttl(settings, config.local_as),
        }
    }
}

/// An external peer is one hop away unless told otherwise; an internal one is wherever routing finds it.
pub(super) fn ttl(settings: &PeerConfig, local_as: u32) -> Option<u8> {
    settings.ttl.or((settings.remote_as != local_as).then_some(1))
}

/// Connects from the configured address, with the peer's TTL from the first packet on.
///
/// # Errors
/// The kernel's, or a time-out.
pub(super) async fn connect(target: Target) -> io::Result<TcpStream> {
    let remote = remote(&target)?;
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    prepare(&SockRef::from(&socket), remote.ip(), target.ttl)?;
    if let Some(local) = target.local_address {
        let mut local = SocketAddr::new(local, 0);
        if let (SocketAddr::V6(local), SocketAddr::V6(remote)) = (&mut local, &remote) {
            local.set_scope_id(remote.scope_id());
        }
        socket.bind(local)?;
    }
    match tokio::time::timeout(CONNECT_TIMEOUT, socket.connect(remote)).await {
        Ok(connected) => connected,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")),
    }
}

/// Options of a connection, whoever opened it: small messages go at once, and no further than the peer.
pub(super) fn prepare(socket: &SockRef<'_>, peer: IpAddr, ttl: Option<u8>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    match (peer, ttl) {
        (IpAddr::V4(_), Some(ttl)) => socket.set_ttl_v4(u32::from(ttl)),
        (IpAddr::V6(_), Some(hops)) => socket.set_unicast_hops_v6(u32::from(hops)),
        (IpAddr::V4(_) | IpAddr::V6(_), None) => Ok(()),
    }
}

/// A link-local address means nothing without its link, which the configured local address tells.
fn remote(target: &Target) -> io::Result<SocketAddr> {
    let IpAddr::V6(peer) = target.peer else {
        return Ok(SocketAddr::new(target.peer, target.port));
    };
    if !peer.is_unicast_link_local() {
        return Ok(SocketAddr::new(target.peer, target.port));
    }
    let scope = match target.local_address {
        Some(local) => address::index_of(local, &address::read()?),
        None => None,
    };
    let scope = scope.ok_or_else(|| {
        let text = "a link-local peer needs a local address that one of the interfaces has";
        io::Error::new(io::ErrorKind::AddrNotAvailable, text)
    })?;
    Ok(SocketAddr::V6(SocketAddrV6::new(peer, target.port, 0, scope)))
}

#[cfg(test)]
mod tests;
