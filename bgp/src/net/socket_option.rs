//! The one place that talks to the kernel without a safe wrapper: socket options that none of our crates know (TCP MD5
//! and TCP-AO keys, least hop limits, ICMPv6 filters, saved SYNs), as octets; and raw sockets for tokio, which has none.
//!
//! What the octets mean is the business of pure functions elsewhere ([`md5`](super::md5), [`ao`](super::ao), [`hops`](super::hops),
//! [`discovery`](super::discovery)), which are tested without a socket.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc::{self, c_int, socklen_t};
use socket2::Socket;
use tokio::io::unix::AsyncFd;

/// Sets an option.
///
/// # Errors
/// The kernel's.
pub(super) fn set(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: &[u8]) -> io::Result<()> {
    let octets = socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open as long as it is borrowed; the kernel reads `octets` octets from `value`, which
    // has as many, and keeps no pointer.
    let outcome = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), octets) };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets an option that is a number.
///
/// # Errors
/// The kernel's.
pub(super) fn set_number(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    set(socket, level, name, &value.to_ne_bytes())
}

/// Reads an option into `value` and returns how many octets it has.
///
/// # Errors
/// The kernel's.
pub(super) fn get(socket: BorrowedFd<'_>, level: c_int, name: c_int, value: &mut [u8]) -> io::Result<usize> {
    let mut octets = socklen_t::try_from(value.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open as long as it is borrowed; the kernel writes at most `octets` octets to `value`,
    // which has as many, then their number to `octets`, and keeps no pointer.
    let outcome = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &raw mut octets)
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value.len().min(usize::try_from(octets).unwrap_or(0)))
}

/// Lets tokio wait for a socket that it has no type for.
///
/// # Errors
/// The kernel's.
pub(super) fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor: it always names the same open socket, and is closed when the result,
    // which owns the socket, is dropped and has deregistered it.
    Ok(unsafe { AsyncFd::register(socket) }?)
}
