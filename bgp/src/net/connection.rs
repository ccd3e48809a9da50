//! The reading half of a TCP connection, in a task of its own: octets → messages → reports.
//!
//! The owner writes to the socket itself and steers the task ([`Steering`]). While a connection is idle it costs its
//! socket and this task: the read buffer belongs to the thread, and what is kept is an unfinished message at most.
//!
//! - **Codec.** It is agreed on when the owner has handled the peer's OPEN, which the task only reported. A peer that
//!   keeps to RFC 4271 sends UPDATEs after it has our KEEPALIVE, and the owner sets the codec before it sends that; so
//!   who reads the UPDATE finds the codec. From one that does not, whatever needs a codec (an UPDATE, or a message longer
//!   than usual) waits in the buffer until there is one or the connection is closed. Nothing is ever read by a guess.
//! - **Pace.** Octets that are on their way to the owner are counted over all connections ([`CREDIT`]); without credit
//!   nobody reads, and TCP tells the peers.
//! - **Close.** Last words are written, then the write side is shut and reading goes on, discarding, until the peer has
//!   closed too: closing a socket with unread octets would reset the connection, and the NOTIFICATION on its way might be
//!   lost. [`LINGER`] bounds all that.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::owner::Report;
use crate::speaker::ConnId;
use crate::wire::Codec;
use reader::{Pause, Reader};

mod reader;

#[cfg(test)]
mod tests;

/// Octets of messages that may be on their way from all connections to the owner.
pub(super) const CREDIT: usize = 1024 * 1024;
/// How long a connection that we close waits for the peer to take the last words and close as well.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// How the owner steers a connection's task.
#[derive(Debug, Default)]
pub(super) struct Steering {
    codec: OnceLock<Codec>,
    blocked: AtomicBool,
    last_words: OnceLock<Bytes>,
    changed: Notify,
}

impl Steering {
    /// UPDATEs are read by this codec from now on. Only the first one counts.
    pub(super) fn set_codec(&self, codec: Codec) {
        // A session agrees once.
        let _ = self.codec.set(codec);
        self.changed.notify_one();
    }

    /// The socket would take no more: to be reported when it does.
    pub(super) fn wait_for_room(&self) {
        self.blocked.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Writes these and closes.
    pub(super) fn close(&self, last_words: Bytes) {
        // It is closed once.
        let _ = self.last_words.set(last_words);
        self.changed.notify_one();
    }
}

/// A connection as its task sees it.
pub(super) struct Connection {
    pub(super) conn: ConnId,
    pub(super) stream: Arc<TcpStream>,
    pub(super) steering: Arc<Steering>,
    pub(super) credit: Arc<Semaphore>,
    pub(super) reports: mpsc::Sender<Report>,
}

impl Connection {
    /// Reads until either end closes; reports it if it was not the owner.
    pub(super) async fn serve(self) {
        match self.read().await {
            End::Lost(why) => {
                // Without an owner nobody needs to know.
                let _ = self.reports.send(Report::Closed(self.conn, why)).await;
            }
            End::Closed(last_words) => {
                // Whether the peer closes in time makes no difference to anybody.
                let _ = tokio::time::timeout(LINGER, self.take_leave(last_words)).await;
            }
        }
    }

    async fn read(&self) -> End {
        let mut reader = Reader::default();
        let mut pause = None;
        loop {
            if let Some(last_words) = self.steering.last_words.get() {
                return End::Closed(last_words.clone());
            }
            let codec = self.steering.codec.get();
            if pause == Some(Pause::Codec) && codec.is_some() {
                let taken = reader.resume(codec);
                pause = self.report(taken).await;
                continue;
            }
            let Some(interest) = self.interest(pause) else {
                self.steering.changed.notified().await;
                continue;
            };
            let ready = tokio::select! {
                ready = self.stream.ready(interest) => ready,
                () = self.steering.changed.notified() => continue,
            };
            let ready = match ready {
                Ok(ready) => ready,
                Err(error) => return End::Lost(error.to_string()),
            };
            if ready.is_writable() && self.steering.blocked.swap(false, Ordering::AcqRel) {
                // Without an owner nobody writes.
                let _ = self.reports.send(Report::Writable(self.conn)).await;
            }
            if interest.is_readable() && ready.is_readable() {
                // The codec is looked up after the octets were read: what needs it was sent after it was set.
                match reader.read(&self.stream, || self.steering.codec.get()) {
                    Ok(Some(taken)) => pause = self.report(taken).await,
                    Ok(None) => return End::Lost("the peer closed the connection".to_owned()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return End::Lost(error.to_string()),
                }
            }
        }
    }

    fn interest(&self, pause: Option<Pause>) -> Option<Interest> {
        let read = pause.is_none().then_some(Interest::READABLE);
        let write = self.steering.blocked.load(Ordering::Acquire).then_some(Interest::WRITABLE);
        match (read, write) {
            (Some(read), Some(write)) => Some(read | write),
            (read, write) => read.or(write),
        }
    }

    /// Hands over messages when there is credit; returns what reading waits for.
    async fn report(&self, taken: reader::Taken) -> Option<Pause> {
        if taken.messages.is_empty() {
            return taken.pause;
        }
        let octets = u32::try_from(taken.octets.clamp(1, CREDIT)).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let Ok(credit) = Arc::clone(&self.credit).acquire_many_owned(octets).await else {
            return Some(Pause::Lost);
        };
        match self.reports.send(Report::Received(self.conn, taken.messages, credit)).await {
            Ok(()) => taken.pause,
            // Without an owner nobody listens.
            Err(_) => Some(Pause::Lost),
        }
    }

    /// Says the last words, and hears the peer out.
    async fn take_leave(&self, mut last_words: Bytes) -> io::Result<()> {
        let mut said = false;
        loop {
            if last_words.is_empty() && !said {
                SockRef::from(&*self.stream).shutdown(Shutdown::Write)?;
                said = true;
            }
            let interest = if said { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            let ready = self.stream.ready(interest).await?;
            if ready.is_writable() && !last_words.is_empty() {
                match self.stream.try_write(&last_words) {
                    Ok(octets) => last_words.advance(octets),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            if ready.is_readable() && reader::discard(&self.stream)? {
                return Ok(());
            }
        }
    }
}

/// Why a connection is over.
enum End {
    /// The peer or the network.
    Lost(String),
    /// The owner, who wants this said.
    Closed(Bytes),
}
