//! How far packets of a session go and may have come: TTL, and GTSM (RFC 5082).
//!
//! Listening sockets answer with TTL 255, since they do not know yet who asks and a peer under GTSM hears nothing less;
//! each accepted connection then gets the limits of its peer. The kernel drops later packets that came too far. Those
//! before the limit was set cannot be told from good ones by then, but their sender opened the connection with a SYN
//! that came as far: the kernel keeps that, and [`HopLimits::admit`] looks at its TTL.

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use nix::libc;

use super::socket_option;
use crate::config::{Hops, PeerConfig, RemoteAs};

#[cfg(test)]
mod tests;

/// The greatest TTL there is.
const MAX: u8 = 255;
/// An option's value for "as the system has it".
const SYSTEM_DEFAULT: i32 = -1;
/// `TCP_SAVE_SYN` and `TCP_SAVED_SYN` of `linux/tcp.h`.
const TCP_SAVE_SYN: i32 = 27;
const TCP_SAVED_SYN: i32 = 28;
/// An IPv4 header with all options and a TCP header with all.
const MAX_SYN_OCTETS: usize = 256;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HopLimits {
    /// TTL of what we send; the system's default if none.
    out: Option<u8>,
    /// The least TTL of what we hear.
    least: Option<u8>,
}

impl HopLimits {
    /// Of a peer. One that may be in any AS may be internal, and is where routing finds it.
    pub(super) fn of(settings: &PeerConfig, speaker_as: u32) -> Self {
        let own_as = settings.local_as.map_or(speaker_as, |local| local.asn);
        let external = match settings.remote_as {
            RemoteAs::Is(asn) => asn != own_as,
            RemoteAs::External => true,
            RemoteAs::Internal | RemoteAs::Any => false,
        };
        match settings.hops {
            Hops::Usual => Self { out: external.then_some(1), least: None },
            Hops::Multihop(hops) => Self { out: Some(hops.max(1)), least: None },
            Hops::Security(hops) => Self { out: Some(MAX), least: Some(MAX - (hops.max(1) - 1)) },
        }
    }

    /// Sets them on a socket towards `peer`, whatever was set before.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn apply(self, socket: BorrowedFd<'_>, peer: IpAddr) -> io::Result<()> {
        let out = self.out.map_or(SYSTEM_DEFAULT, i32::from);
        let least = i32::from(self.least.unwrap_or(0));
        let (level, out_name, least_name) = match peer {
            IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TTL, libc::IP_MINTTL),
            IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, libc::IPV6_MINHOPCOUNT),
        };
        socket_option::set_number(socket, level, out_name, out)?;
        socket_option::set_number(socket, level, least_name, least)
    }

    /// The same for an accepted connection, whose SYN must not have come too far either.
    ///
    /// # Errors
    /// The kernel's, and where the SYN has.
    pub(super) fn admit(self, socket: BorrowedFd<'_>, peer: IpAddr) -> io::Result<()> {
        self.apply(socket, peer)?;
        let Some(least) = self.least else { return Ok(()) };
        let mut header = [0; MAX_SYN_OCTETS];
        let octets = socket_option::get(socket, libc::IPPROTO_TCP, TCP_SAVED_SYN, &mut header)?;
        match header.get(..octets).and_then(ttl) {
            Some(ttl) if ttl >= least => Ok(()),
            ttl => {
                let ttl = ttl.map_or("unknown".to_owned(), |ttl| ttl.to_string());
                let text = format!("it came too far: TTL {ttl}, and the peer's is {least} at least");
                Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
            }
        }
    }
}

/// Readies a listening socket.
///
/// # Errors
/// The kernel's.
pub(super) fn prepare_listener(socket: BorrowedFd<'_>, address: IpAddr) -> io::Result<()> {
    let limits = HopLimits { out: Some(MAX), least: None };
    limits.apply(socket, address)?;
    socket_option::set_number(socket, libc::IPPROTO_TCP, TCP_SAVE_SYN, 1)
}

/// TTL or hop limit of an IP header.
fn ttl(header: &[u8]) -> Option<u8> {
    match header.first()? >> 4 {
        4 => header.get(8).copied(),
        6 => header.get(7).copied(),
        _ => None,
    }
}
