//! The TCP Authentication Option, RFC 5925, where the kernel has it (Linux 6.7 or newer, built with CONFIG_TCP_AO): it
//! signs what it sends to an address by a key, and drops what comes from there without one.
//!
//! As with [`md5`](super::md5), a key belongs to a socket and a network, and a listening socket hands its keys on to
//! what it accepts. The forms are those of `struct tcp_ao_add`, `struct tcp_ao_del` and `struct tcp_ao_info_opt` in
//! `linux/tcp.h`, as octets.
//!
//! Known limits of the kernel's table: keys of networks that overlap need different identifiers, both ways, and do not
//! go with TCP MD5 keys; a connection that was made without a key never gets one. Each peer has one key: changing it
//! resets the session, which RFC 5925 would not need.

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use ipnetwork::IpNetwork;
use nix::errno::Errno;
use nix::libc::{self, c_int};

use super::socket_option;
use crate::config::{Secret, TcpAo, TcpAoAlgorithm};

#[cfg(test)]
mod tests;

/// `TCP_AO_ADD_KEY`.
const ADD_KEY: c_int = 38;
/// `TCP_AO_DEL_KEY`.
const DELETE_KEY: c_int = 39;
/// `TCP_AO_INFO`.
const INFO: c_int = 40;
/// `TCP_AO_MAXKEYLEN`.
const MAX_KEY_OCTETS: usize = 80;
/// `sizeof(struct sockaddr_storage)`.
const ADDRESS_OCTETS: usize = 128;
/// `sizeof(alg_name)`.
const ALGORITHM_OCTETS: usize = 64;
/// `sizeof(struct tcp_ao_add)`.
const ADD_OCTETS: usize = 288;
/// `sizeof(struct tcp_ao_del)`.
const DELETE_OCTETS: usize = 144;
/// `sizeof(struct tcp_ao_info_opt)`.
const INFO_OCTETS: usize = 48;
/// The bits `set_current` and `set_rnext`, the first two of their word: compilers fill it from its low end up on
/// little-endian machines, from its high end down on others.
const SET_CURRENT_AND_NEXT: u32 = if cfg!(target_endian = "little") { 0b11 } else { 0b11 << 30 };

/// What a key is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    /// No key is in use on it: connections choose theirs.
    Listening,
    /// The key is the one to use.
    Connection,
}

/// Has a listening socket take only what is signed by this key from a network.
///
/// # Errors
/// The kernel's, with [`Unsupported`](io::ErrorKind::Unsupported) if it has no TCP-AO; a key that cannot be.
pub(super) fn sign_listening(socket: BorrowedFd<'_>, network: IpNetwork, key: &TcpAo) -> io::Result<()> {
    let value = encode_add(network, key, Socket::Listening)?;
    set(socket, ADD_KEY, &value)
}

/// Takes a key away from a listening socket, if it has it.
///
/// # Errors
/// The kernel's.
pub(super) fn unsign_listening(socket: BorrowedFd<'_>, network: IpNetwork, key: &TcpAo) -> io::Result<()> {
    match set(socket, DELETE_KEY, &encode_delete(network, key)?) {
        Err(error) if is(&error, Errno::ENOENT) || error.kind() == io::ErrorKind::Unsupported => Ok(()),
        outcome => outcome,
    }
}

/// Has a socket that is about to connect sign by this key.
///
/// # Errors
/// As for [`sign_listening`].
pub(super) fn sign_dialled(socket: BorrowedFd<'_>, peer: IpAddr, key: &TcpAo) -> io::Result<()> {
    set(socket, ADD_KEY, &encode_add(IpNetwork::from(peer), key, Socket::Connection)?)
}

/// Has an accepted connection sign by this key, whichever of the listener's its SYN was signed by.
///
/// # Errors
/// As for [`sign_listening`]; that the connection was made unsigned.
pub(super) fn sign_accepted(socket: BorrowedFd<'_>, peer: IpAddr, key: &TcpAo) -> io::Result<()> {
    match set(socket, ADD_KEY, &encode_add(IpNetwork::from(peer), key, Socket::Connection)?) {
        // It has the listener's.
        Err(error) if is(&error, Errno::EEXIST) => set(socket, INFO, &encode_use(key)),
        Err(error) if is(&error, Errno::EISCONN) => Err(invalid("it came without a signature")),
        outcome => outcome,
    }
}

fn set(socket: BorrowedFd<'_>, name: c_int, value: &[u8]) -> io::Result<()> {
    socket_option::set(socket, libc::IPPROTO_TCP, name, value).map_err(|error| {
        if is(&error, Errno::ENOPROTOOPT) {
            let text = "this kernel has no TCP-AO (RFC 5925; Linux 6.7 or newer, built with CONFIG_TCP_AO)";
            io::Error::new(io::ErrorKind::Unsupported, text)
        } else {
            error
        }
    })
}

/// `struct tcp_ao_add`. The length of the signature is left to the kernel: 12 octets, as RFC 5926 §3.2 has it.
fn encode_add(network: IpNetwork, key: &TcpAo, socket: Socket) -> io::Result<[u8; ADD_OCTETS]> {
    let Secret(secret) = &key.secret;
    if secret.is_empty() {
        return Err(invalid("a TCP-AO key cannot be empty"));
    }
    let too_long = || invalid("a TCP-AO key has 80 octets at most");
    if secret.len() > MAX_KEY_OCTETS {
        return Err(too_long());
    }
    let flags = match socket {
        Socket::Listening => 0,
        Socket::Connection => SET_CURRENT_AND_NEXT,
    };
    let mut octets = encode_address(network);
    octets.extend(algorithm(key.algorithm).bytes());
    octets.resize(ADDRESS_OCTETS + ALGORITHM_OCTETS, 0);
    octets.extend([0; 4]); // Interface.
    octets.extend(flags.to_ne_bytes());
    octets.extend([0, 0, network.prefix(), key.send_id, key.receive_id]);
    octets.extend([0, 0]); // Length of the signature, flags of the key.
    octets.push(u8::try_from(secret.len()).map_err(|_| too_long())?);
    octets.extend(secret.bytes());
    octets.resize(ADD_OCTETS, 0);
    octets.try_into().map_err(|_| too_long())
}

/// `struct tcp_ao_del`.
fn encode_delete(network: IpNetwork, key: &TcpAo) -> io::Result<[u8; DELETE_OCTETS]> {
    let mut octets = encode_address(network);
    octets.extend([0; 8]); // Interface, flags.
    octets.extend([0, 0, network.prefix(), key.send_id, key.receive_id]);
    octets.resize(DELETE_OCTETS, 0);
    octets.try_into().map_err(|_| invalid("a TCP-AO key has another form"))
}

/// `struct tcp_ao_info_opt`: this key is the current one, and the one that the peer is asked to use.
fn encode_use(key: &TcpAo) -> [u8; INFO_OCTETS] {
    let mut octets = [0; INFO_OCTETS];
    octets[..4].copy_from_slice(&SET_CURRENT_AND_NEXT.to_ne_bytes());
    (octets[6], octets[7]) = (key.send_id, key.receive_id);
    octets
}

/// `struct sockaddr_storage` with the network's first address: the kernel refuses host bits and ports.
fn encode_address(network: IpNetwork) -> Vec<u8> {
    let mut octets = Vec::with_capacity(ADD_OCTETS);
    let family = if network.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    octets.extend(libc::sa_family_t::try_from(family).unwrap_or_default().to_ne_bytes());
    match network.network() {
        // struct sockaddr_in: family, port, address.
        IpAddr::V4(address) => {
            octets.extend([0; 2]);
            octets.extend(address.octets());
        }
        // struct sockaddr_in6: family, port, flow, address, scope.
        IpAddr::V6(address) => {
            octets.extend([0; 6]);
            octets.extend(address.octets());
        }
    }
    octets.resize(ADDRESS_OCTETS, 0);
    octets
}

/// The kernel's name of an algorithm.
fn algorithm(algorithm: TcpAoAlgorithm) -> &'static str {
    match algorithm {
        TcpAoAlgorithm::HmacSha1 => "hmac(sha1)",
        TcpAoAlgorithm::CmacAes128 => "cmac(aes128)",
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}
