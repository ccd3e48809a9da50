//! The netlink socket.
//!
//! One socket for the life of the agent: closing one after a deletion waits for the kernel's grace period (8 to 16 ms).
//! The kernel handles a request within `sendmsg` and makes the next piece of a dump within `recvmsg`, so an answer is
//! always there when asked for: reading never blocks, and an empty queue means that the answer was lost.

use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBufForce, SndBufForce};

use super::wire::{Message, Received, array, code};

/// Room for many answers at once; the kernel charges it only when used.
const RECEIVE_BUFFER_BYTES: usize = 8 << 20;
/// The kernel makes dumps in pieces of at most 32 KiB and notifications of at most one 64 KiB attribute and change.
const DATAGRAM_MAX_BYTES: usize = 128 << 10;

/// A socket to the kernel's netfilter side, in the network namespace of the thread that opened it.
pub(in crate::dataplane) struct NetfilterSocket {
    socket: Socket,
    port: u32,
    send_buffer_bytes: usize,
    sequence: u32,
}

/// What the kernel says about a message that it did not like.
#[derive(Debug)]
pub(in crate::dataplane) struct Rejection {
    /// The message.
    pub(in crate::dataplane) sequence: u32,
    /// Why.
    pub(in crate::dataplane) error: io::Error,
    /// The kernel's own words, where it has some (extended acknowledgement).
    pub(in crate::dataplane) text: Option<String>,
}

/// An answer to a request.
pub(in crate::dataplane) enum Answer {
    /// Acknowledged.
    Done { sequence: u32 },
    /// Not done.
    Rejected(Rejection),
}

impl NetfilterSocket {
    /// Opens, enlarges the receive buffer and asks for explanations.
    pub(in crate::dataplane) fn connect() -> io::Result<NetfilterSocket> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        let port = socket.bind_auto()?.port_number();
        socket.set_non_blocking(true)?;
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER_BYTES)?;
        Ok(NetfilterSocket { socket, port, send_buffer_bytes: 0, sequence: 0 })
    }

    /// The kernel's name for this socket: the origin of our own changes in notifications.
    pub(in crate::dataplane) fn port(&self) -> u32 {
        self.port
    }

    /// Reserves sequence numbers for a batch of this many messages.
    pub(in crate::dataplane) fn next_sequence(&mut self, messages: u32) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(messages);
        first
    }

    /// Sends one datagram, however long, after dropping what an earlier failure may have left unread.
    pub(in crate::dataplane) fn send(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.drain()?;
        if datagram.len() > self.send_buffer_bytes {
            // The kernel doubles it for its own bookkeeping.
            setsockopt(&self.socket, SndBufForce, &datagram.len())?;
            self.send_buffer_bytes = datagram.len();
        }
        let sent = self.socket.send_to(datagram, &SocketAddr::new(0, 0), 0)?;
        if sent == datagram.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn drain(&self) -> io::Result<()> {
        loop {
            match self.receive() {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next datagram, or `None` if there is none.
    pub(in crate::dataplane) fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = Vec::with_capacity(DATAGRAM_MAX_BYTES);
        match self.socket.recv(&mut buffer, libc::MSG_DONTWAIT | libc::MSG_TRUNC) {
            Ok(length) if length > buffer.len() => Err(io::ErrorKind::FileTooLarge.into()),
            Ok(_) => Ok(Some(buffer)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The answer in a message, if it is one.
pub(in crate::dataplane) fn answer(message: &Message<'_>) -> Option<Answer> {
    if message.kind != code::NLMSG_ERROR && message.kind != code::NLMSG_DONE {
        return None;
    }
    let number = array(message.payload(), 0).map_or(0, i32::from_ne_bytes);
    let sequence = message.sequence;
    Some(match number.checked_neg() {
        Some(errno) if errno > 0 => Answer::Rejected(Rejection {
            sequence,
            error: io::Error::from_raw_os_error(errno),
            text: explanation(message),
        }),
        _ => Answer::Done { sequence },
    })
}

/// Follows the error number and the rejected message, of which only the header is given back.
fn explanation(message: &Message<'_>) -> Option<String> {
    const ERROR_BYTES: usize = 4;
    const HEADER_BYTES: usize = 16;
    let wanted = code::NLM_F_ACK_TLVS | code::NLM_F_CAPPED;
    if message.flags & wanted != wanted {
        return None;
    }
    let attributes = Received(message.payload().get(ERROR_BYTES + HEADER_BYTES..)?);
    attributes.text(code::NLMSGERR_ATTR_MSG).map(str::to_owned)
}
