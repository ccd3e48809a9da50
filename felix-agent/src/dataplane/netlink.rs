//! One rtnetlink socket (`NETLINK_ROUTE`, rtnetlink(7)): requests answered in full, errors with the kernel's own
//! words.
//!
//! A [`Netlink`] belongs to the network namespace of the thread that connected it, wherever it is used afterwards.
//! Dumps are strict (`NETLINK_GET_STRICT_CHK`: filters are honoured by the kernel) and consistent: one that the
//! kernel marks as interrupted is read again. Changes wait for their acknowledgement; a lost one is an error after a
//! deadline, never a hang.
//!
//! [`interfaces`] is the node's links and addresses as one value, [`watch`] the kernel's notifications.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::AsyncSocket;
use tokio::sync::Mutex;
use tokio::time::timeout;

pub mod interfaces;

pub mod watch;

pub use interfaces::{Address, Interface, Interfaces};
pub use watch::{NetlinkEvent, Watcher};

/// The kernel answers at once or, when its reply did not fit the socket's buffer, never.
const REPLY_DEADLINE: Duration = Duration::from_secs(10);

/// The pause before a dump that found another under way is tried again.
const DUMP_PAUSE: Duration = Duration::from_millis(10);

/// A dump is interrupted when the table changes under it; this often in a row means constant churn.
const DUMP_ATTEMPTS: usize = 8;

/// A netlink message flag word (`NLM_F_*`, `linux/netlink.h`).
pub(crate) type Flags = u16;

/// Why a conversation with the kernel brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The kernel said no to this one request.
    #[error("the kernel refused: {}{}", io::Error::from_raw_os_error(*errno), in_parentheses(reason))]
    Refused {
        /// The positive errno.
        errno: i32,
        /// The extended acknowledgement's text; empty if there was none.
        reason: String,
    },
    /// The socket is gone: connect again and read everything anew.
    #[error("the netlink socket is closed")]
    Closed,
    /// No answer in time; what was asked may or may not have happened: read again.
    #[error("the kernel did not answer within {} s", REPLY_DEADLINE.as_secs())]
    TimedOut,
    /// The table changed during every attempt to read it: try later.
    #[error("the table changed during each of {DUMP_ATTEMPTS} attempts to read it")]
    Churning,
    /// No socket could be opened.
    #[error("cannot open a netlink socket: {0}")]
    Connect(#[from] io::Error),
}

impl NetlinkError {
    /// The errno of a refusal.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        if let Self::Refused { errno, .. } = self { Some(*errno) } else { None }
    }
}

fn in_parentheses(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

/// A connection to the kernel's routing family, for one network namespace. Clones share the socket.
#[derive(Debug, Clone)]
pub struct Netlink {
    handle: rtnetlink::Handle,
    port: u32,
    /// A socket carries one dump at a time; the kernel refuses a second (`__netlink_dump_start`).
    dumping: Arc<Mutex<()>>,
}

impl Netlink {
    /// Connects to the network namespace of the calling thread. The socket is driven by a task on the current tokio
    /// runtime until the last clone is dropped.
    ///
    /// # Errors
    /// [`NetlinkError::Connect`] without the right to open or configure the socket.
    pub fn connect() -> Result<Self, NetlinkError> {
        let (mut connection, handle, _) = rtnetlink::new_connection_with_strict_check()?;
        connection.set_forward_ack(true);
        connection.set_forward_done(true);
        let socket = connection.socket_mut().socket_mut();
        socket.set_ext_ack(true)?;
        // Without the echo of the request, what follows an error's header is the extended acknowledgement.
        socket.set_cap_ack(true)?;
        let port = socket.bind_auto()?.port_number();
        tokio::spawn(connection);
        Ok(Self { handle, port, dumping: Arc::default() })
    }

    /// The socket's port id: the originator that notifications of our own changes carry.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Makes one change and waits until the kernel acknowledged it.
    pub(crate) async fn commit(
        &self,
        message: RouteNetlinkMessage,
        flags: Flags,
    ) -> Result<(), NetlinkError> {
        self.exchange(message, flags | NLM_F_ACK).await.map(drop)
    }

    /// Asks one question that is answered at once.
    pub(crate) async fn ask(
        &self,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        self.exchange(message, NLM_F_ACK).await.map(|reply| reply.messages)
    }

    /// Reads a whole table.
    pub(crate) async fn dump(
        &self,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        let _turn = self.dumping.lock().await;
        for _ in 0..DUMP_ATTEMPTS {
            match self.exchange(message.clone(), NLM_F_DUMP).await {
                Ok(reply) if !reply.interrupted => return Ok(reply.messages),
                Ok(_) => {}
                // A dump whose reader was cancelled is still being told.
                Err(error) if error.errno() == Some(libc::EBUSY) => tokio::time::sleep(DUMP_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
        Err(NetlinkError::Churning)
    }

    async fn exchange(&self, message: RouteNetlinkMessage, flags: Flags) -> Result<Reply, NetlinkError> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        let mut handle = self.handle.clone();
        let mut replies = handle.request(request).map_err(|_| NetlinkError::Closed)?;
        let mut reply = Reply::default();
        loop {
            let next = timeout(REPLY_DEADLINE, replies.next()).await.map_err(|_| NetlinkError::TimedOut)?;
            // A reply that ends without acknowledgement or end mark ended with the connection.
            let message = next.ok_or(NetlinkError::Closed)?;
            reply.interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
            if let NetlinkPayload::InnerMessage(inner) = message.payload {
                reply.messages.push(inner);
            } else if let NetlinkPayload::Error(error) = message.payload {
                return if error.code.is_none() { Ok(reply) } else { Err(refusal(&error)) };
            } else if let NetlinkPayload::Done(done) = message.payload {
                return if done.code == 0 { Ok(reply) } else { Err(refused(done.code, &done.extended_ack)) };
            } else if matches!(message.payload, NetlinkPayload::Overrun(_)) {
                return Err(NetlinkError::TimedOut);
            }
        }
    }
}

#[derive(Default)]
struct Reply {
    messages: Vec<RouteNetlinkMessage>,
    interrupted: bool,
}

fn refusal(error: &ErrorMessage) -> NetlinkError {
    /// The header of the refused request, which precedes the extended acknowledgement.
    const REQUEST_HEADER: usize = 16;
    refused(error.raw_code(), error.header.get(REQUEST_HEADER..).unwrap_or_default())
}

fn refused(code: i32, extended_ack: &[u8]) -> NetlinkError {
    NetlinkError::Refused { errno: code.saturating_abs(), reason: decode_reason(extended_ack) }
}

/// Finds `NLMSGERR_ATTR_MSG` (`linux/netlink.h`) among the attributes of an extended acknowledgement.
fn decode_reason(mut attributes: &[u8]) -> String {
    const NLMSGERR_ATTR_MSG: u16 = 1;
    const HEADER: usize = 4;
    while let [l0, l1, k0, k1, ..] = *attributes {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = attributes.get(HEADER..length) else { break };
        if u16::from_ne_bytes([k0, k1]) == NLMSGERR_ATTR_MSG {
            let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
            return String::from_utf8_lossy(text).into_owned();
        }
        attributes = attributes.get(length.next_multiple_of(HEADER)..).unwrap_or_default();
    }
    String::new()
}

#[cfg(test)]
mod tests;
