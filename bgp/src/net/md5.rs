//! TCP MD5 signatures, RFC 2385: the kernel signs what it sends to an address and drops what comes from there unsigned.
//!
//! A key belongs to a socket and a network. A dialled socket needs one for its peer; a listening socket one for each
//! peer or range of peers that may connect, and hands it on to the connections it accepts. The form is that of
//! `struct tcp_md5sig` in `linux/tcp.h`.
//!
//! Known limits of the kernel's table: among keys of one socket the longest prefix wins, so that a peer without
//! password inside of a range with one has to sign too; link-local addresses are told apart by address alone. TCP-AO
//! (RFC 5925) is not used, whether or not the kernel has it.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::BorrowedFd;

use ipnetwork::IpNetwork;
use nix::errno::Errno;
use nix::libc;

use super::socket_option;
use crate::config::Secret;

#[cfg(test)]
mod tests;

/// `sizeof(struct tcp_md5sig)`: a `sockaddr_storage`, flags, prefix length, key length, interface index, key.
const OCTETS: usize = 216;
/// `TCP_MD5SIG_MAXKEYLEN`.
const MAX_KEY_OCTETS: usize = 80;
/// `TCP_MD5SIG_FLAG_PREFIX`.
const FLAG_PREFIX: u8 = 1;

/// Has everything between this socket and a network signed with a password, or with none nothing any more.
///
/// # Errors
/// The kernel's; a password that is empty or longer than 80 octets.
pub(super) fn sign(socket: BorrowedFd<'_>, network: IpNetwork, password: Option<&Secret>) -> io::Result<()> {
    let key = match password {
        Some(Secret(text)) if text.is_empty() => return Err(invalid("a TCP MD5 password cannot be empty")),
        Some(Secret(text)) => text.as_bytes(),
        None => &[],
    };
    let value = encode(network, key).ok_or_else(|| invalid("a TCP MD5 password has 80 octets at most"))?;
    let is_host = usize::from(network.prefix()) == address_octets(network.ip()) * 8;
    let name = if is_host { libc::TCP_MD5SIG } else { libc::TCP_MD5SIG_EXT };
    match socket_option::set(socket, libc::IPPROTO_TCP, name, &value) {
        // There was none to remove.
        Err(error) if password.is_none() && error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(()),
        outcome => outcome,
    }
}

/// `struct tcp_md5sig`; none if the key is too long.
fn encode(network: IpNetwork, key: &[u8]) -> Option<[u8; OCTETS]> {
    if key.len() > MAX_KEY_OCTETS {
        return None;
    }
    let mut octets = Vec::with_capacity(OCTETS);
    match network.network() {
        // struct sockaddr_in: family, port, address.
        IpAddr::V4(address) => {
            octets.extend(u16::try_from(libc::AF_INET).ok()?.to_ne_bytes());
            octets.extend([0; 2]);
            octets.extend(address.octets());
        }
        // struct sockaddr_in6: family, port, flow, address, scope.
        IpAddr::V6(address) => {
            octets.extend(u16::try_from(libc::AF_INET6).ok()?.to_ne_bytes());
            octets.extend([0; 6]);
            octets.extend(address.octets());
        }
    }
    octets.resize(128, 0);
    let is_host = usize::from(network.prefix()) == address_octets(network.ip()) * 8;
    octets.extend(if is_host { [0, 0] } else { [FLAG_PREFIX, network.prefix()] });
    octets.extend(u16::try_from(key.len()).ok()?.to_ne_bytes());
    octets.extend([0; 4]);
    octets.extend(key);
    octets.resize(OCTETS, 0);
    octets.try_into().ok()
}

fn address_octets(address: IpAddr) -> usize {
    if address.is_ipv4() { Ipv4Addr::BITS as usize / 8 } else { 16 }
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
