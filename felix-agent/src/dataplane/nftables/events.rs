//! Noticing at once that somebody else touched our table.
//!
//! The kernel announces every transaction to the group `NFNLGRP_NFTABLES`: each object's change, then the new
//! generation with the name of the process. Changes of our own socket and of other tables are passed over. Messages can
//! be lost when too many come; the loss itself is told by the kernel and counts as a disturbance, for it may hide one.

use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{AsyncSocket, AsyncSocketExt, TokioSocket};

use super::TABLE_NAME;
use super::wire::{Message, code, messages};

const NFNLGRP_NFTABLES: u32 = 7;
const DATAGRAM_MAX_BYTES: usize = 128 << 10;

/// Changes of our table by others.
pub struct Events {
    socket: TokioSocket,
    own_port: u32,
    /// An object of ours was touched in the transaction whose end has not come yet.
    touched: bool,
}

/// Somebody else changed our table: it should be applied again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disturbance {
    /// Name of the process, `nft` for instance; `None` if notifications were lost, so that it is not even certain.
    pub process: Option<String>,
}

impl Events {
    /// Joins the group in the calling thread's network namespace, within a tokio runtime. Changes by the socket with
    /// port `own_port` are not told.
    ///
    /// # Errors
    /// Of the socket calls.
    pub(super) fn watch(own_port: u32) -> io::Result<Events> {
        let mut socket = TokioSocket::new(NETLINK_NETFILTER)?;
        socket.socket_mut().bind_auto()?;
        socket.socket_mut().add_membership(NFNLGRP_NFTABLES)?;
        Ok(Events { socket, own_port, touched: false })
    }

    /// Waits for the next disturbance. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The socket is broken; watch anew.
    pub async fn next(&mut self) -> io::Result<Disturbance> {
        loop {
            let mut datagram = Vec::with_capacity(DATAGRAM_MAX_BYTES);
            match self.socket.recv(&mut datagram).await {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.touched = false;
                    return Ok(Disturbance { process: None });
                }
                Err(error) => return Err(error),
            }
            let mut disturbance = None;
            for message in messages(&datagram) {
                disturbance = self.absorb(&message).or(disturbance);
            }
            if let Some(disturbance) = disturbance {
                return Ok(disturbance);
            }
        }
    }

    fn absorb(&mut self, message: &Message<'_>) -> Option<Disturbance> {
        if message.port == self.own_port {
            return None;
        }
        if message.kind != code::NFT_MSG_NEWGEN {
            self.touched |= message.family() == Some(code::NFPROTO_INET)
                && message.attributes().text(code::NFTA_TABLE_OF_ANY) == Some(TABLE_NAME);
            return None;
        }
        let process = message.attributes().text(code::NFTA_GEN_PROC_NAME).unwrap_or_default();
        std::mem::take(&mut self.touched).then(|| Disturbance { process: Some(process.to_owned()) })
    }
}
