//! Outgoing connections: the right source, hop limits and signature from the first packet on.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use tokio::net::{TcpSocket, TcpStream};

use super::address;
use super::hops::HopLimits;
use super::signature::Signature;
use crate::config::{Config, PeerConfig};
use crate::speaker::Endpoint;

#[cfg(test)]
mod tests;

/// Longer than this no fabric takes to answer a SYN; the speaker tries again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// All that a connection to a peer needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    far: Endpoint,
    port: u16,
    local_address: Option<IpAddr>,
    hops: HopLimits,
    signature: Option<Signature>,
}

impl Target {
    pub(super) fn new(far: Endpoint, settings: &PeerConfig, config: &Config) -> Self {
        Self {
            far,
            port: settings.port,
            local_address: settings.local_address,
            hops: HopLimits::of(settings, config.local_as),
            signature: Signature::of(settings),
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// The kernel's, or a time-out. A connection that cannot be signed is not made.
    pub(super) async fn connect(self) -> io::Result<TcpStream> {
        let remote = self.remote()?;
        let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_nodelay(true)?;
        self.hops.apply(socket.as_fd(), remote.ip())?;
        if let Some(signature) = &self.signature {
            signature.sign_dialled(socket.as_fd(), remote.ip())?;
        }
        if let Some(local) = self.local_address {
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

    /// A link-local address means nothing without its link: the peer's interface, or that of the configured local
    /// address.
    fn remote(&self) -> io::Result<SocketAddr> {
        let address = match self.far.address {
            IpAddr::V6(address) if address.is_unicast_link_local() => address,
            address @ (IpAddr::V4(_) | IpAddr::V6(_)) => return Ok(SocketAddr::new(address, self.port)),
        };
        let scope = match (&self.far.interface, self.local_address) {
            (Some(interface), _) => if_nametoindex(&**interface).map_err(|error| {
                io::Error::new(io::Error::from(error).kind(), format!("interface {interface}: {error}"))
            })?,
            (None, Some(local)) => address::index_of(local, &address::read()?).ok_or_else(no_link)?,
            (None, None) => return Err(no_link()),
        };
        Ok(SocketAddr::V6(SocketAddrV6::new(address, self.port, 0, scope)))
    }
}

fn no_link() -> io::Error {
    let text = "a link-local peer needs an interface, or a local address that one of the interfaces has";
    io::Error::new(io::ErrorKind::AddrNotAvailable, text)
}
