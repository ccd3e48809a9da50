//! The owner's end of a connection: it writes to the socket itself, and keeps what the socket did not take.
//!
//! That is one piece at most: the speaker is asked for more only when all is taken. A peer that does not read so costs
//! no memory beyond its socket's, and gets the newest state when it reads again.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::net::TcpStream;

use super::connection::Steering;

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    stream: Arc<TcpStream>,
    steering: Arc<Steering>,
    /// Of the piece last written, what the socket did not take.
    rest: Bytes,
    /// Writing failed, as said here. The task will see the connection's end, after the peer's last words if there are
    /// some; until then nothing is written.
    broken: Option<String>,
    /// It stands in the owner's queue of those that the speaker is asked about.
    pub(super) queued: bool,
}

impl Link {
    pub(super) fn new(stream: Arc<TcpStream>, steering: Arc<Steering>) -> Self {
        Self { stream, steering, rest: Bytes::new(), broken: None, queued: false }
    }

    pub(super) fn steering(&self) -> &Steering {
        &self.steering
    }

    /// Whether the speaker may be asked for more.
    pub(super) fn is_free(&self) -> bool {
        self.rest.is_empty() && self.broken.is_none()
    }

    /// Writes a piece, to be called when it [is free](Self::is_free). Otherwise its task reports when there is room
    /// for the rest.
    pub(super) fn write(&mut self, piece: Bytes) {
        self.rest = piece;
        self.write_rest();
    }

    /// Writes on where the socket took no more.
    pub(super) fn write_rest(&mut self) {
        while !self.rest.is_empty() && self.broken.is_none() {
            match self.stream.try_write(&self.rest) {
                Ok(octets) => self.rest.advance(octets),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.steering.wait_for_room();
                }
                Err(error) => {
                    self.rest = Bytes::new();
                    self.broken = Some(error.to_string());
                }
            }
        }
        // An empty slice would keep the whole piece alive.
        if self.rest.is_empty() {
            self.rest = Bytes::new();
        }
    }

    /// What ended it: the error of writing, if that was first, else what the task says.
    pub(super) fn into_reason(self, why: String) -> String {
        self.broken.unwrap_or(why)
    }

    /// Leaves the rest and these last words to the task, which closes.
    pub(super) fn close(self, pieces: impl Iterator<Item = Bytes>) {
        let mut last_words = BytesMut::from(&*self.rest);
        pieces.for_each(|piece| last_words.extend_from_slice(&piece));
        self.steering.close(last_words.freeze());
    }
}
