//! One TCP connection: octets ↔ messages, in a task of its own.
//!
//! Reading and writing run side by side, so that a peer that does not read is still heard. The owner steers through a
//! watch: the codec, and in the end the last words. Then the write side is shut and reading goes on, discarding, until
//! the peer has closed too: closing a socket with unread octets would reset the connection, and the NOTIFICATION on
//! its way might be lost. [`LINGER`] bounds all that.

use std::net::IpAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};

use super::owner::Report;
use crate::speaker::ConnId;
use crate::wire::{Codec, DecodeError, Message, framer};

#[cfg(test)]
mod tests;

/// Messages that may be on their way from the speaker to the socket.
pub(super) const WINDOW: usize = 32;
/// How long a connection that we close waits for the peer to take the last words and close as well.
pub(super) const LINGER: Duration = Duration::from_secs(2);
/// Octets read at once.
const READ_OCTETS: usize = 64 * 1024;
/// A write buffer is given back when a burst made it larger than this.
const KEEP_OCTETS: usize = 256 * 1024;

/// How the owner steers a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Control {
    /// Negotiated; UPDATEs from now on.
    pub(super) codec: Codec,
    /// Write these and close.
    pub(super) last_words: Option<Vec<Message>>,
}

/// A connection as its task sees it.
pub(super) struct Connection {
    pub(super) conn: ConnId,
    pub(super) peer: IpAddr,
    pub(super) messages: mpsc::Receiver<Message>,
    pub(super) control: watch::Receiver<Control>,
    pub(super) reports: mpsc::Sender<Report>,
}

impl Connection {
    /// Reads and writes until either end closes, then reports so.
    pub(super) async fn serve(self, mut stream: TcpStream) {
        let Self { conn, peer, messages, control, reports } = self;
        let (reader, writer) = stream.split();
        let reading = read(conn, peer, reader, control.clone(), &reports);
        let writing = write(conn, peer, writer, messages, control.clone(), &reports);
        let why = tokio::select! {
            why = reading => why,
            why = writing => why,
            () = linger(control) => "the peer did not close in time".to_owned(),
        };
        drop(stream);
        // Without an owner nobody needs to know.
        let _ = reports.send(Report::Closed(conn, why)).await;
    }
}

/// Reads until the connection ends, and returns why.
async fn read(
    conn: ConnId,
    peer: IpAddr,
    mut reader: ReadHalf<'_>,
    control: watch::Receiver<Control>,
    reports: &mpsc::Sender<Report>,
) -> String {
    let mut buffer = BytesMut::new();
    let mut listening = true;
    loop {
        buffer.reserve(READ_OCTETS);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return "the peer closed the connection".to_owned(),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
        let (codec, closing) = {
            let control = control.borrow();
            (control.codec, control.last_words.is_some())
        };
        listening &= !closing;
        if !listening {
            buffer.clear();
            continue;
        }
        let messages = decode(&mut buffer, &codec, peer);
        // After what is no message nothing can be one: the stream is lost.
        listening = messages.last().is_none_or(Result::is_ok);
        if !messages.is_empty() {
            listening &= reports.send(Report::Received(conn, messages)).await.is_ok();
        }
    }
}

/// Every whole message of the buffer; an error is the last.
fn decode(buffer: &mut BytesMut, codec: &Codec, peer: IpAddr) -> Vec<Result<Message, DecodeError>> {
    let mut messages = Vec::new();
    loop {
        let decoded = match framer::decode(buffer, framer::MAX_OCTETS) {
            Ok(Some(frame)) => Message::decode(frame.kind, &frame.body, codec),
            Ok(None) => return messages,
            Err(error) => Err(error),
        };
        match decoded {
            Ok(Some(message)) => {
                if let Message::Update(update) = &message {
                    for error in &update.errors {
                        tracing::warn!(%peer, %error, "error in an UPDATE");
                    }
                }
                messages.push(Ok(message));
            }
            Ok(None) => {}
            Err(error) => {
                messages.push(Err(error));
                return messages;
            }
        }
    }
}

/// Writes until the owner closes or writing fails; returns why in the latter case alone.
async fn write(
    conn: ConnId,
    peer: IpAddr,
    mut writer: WriteHalf<'_>,
    mut messages: mpsc::Receiver<Message>,
    mut control: watch::Receiver<Control>,
    reports: &mpsc::Sender<Report>,
) -> String {
    let mut batch = Vec::with_capacity(WINDOW);
    let mut buffer = BytesMut::new();
    let mut open = true;
    while open {
        let last_words = tokio::select! {
            biased;
            _ = messages.recv_many(&mut batch, WINDOW), if !(messages.is_closed() && messages.is_empty()) => None,
            last_words = last_words(&mut control) => Some(last_words),
        };
        let written = batch.len();
        if let Some(last_words) = last_words {
            batch.extend(last_words);
            open = false;
        }
        let codec = control.borrow().codec;
        for message in batch.drain(..) {
            if let Err(error) = message.encode(&codec, &mut buffer) {
                tracing::warn!(%peer, %error, "routes withdrawn, since they cannot be announced");
            }
        }
        if let Err(error) = writer.write_all_buf(&mut buffer).await {
            return error.to_string();
        }
        if buffer.capacity() > KEEP_OCTETS {
            buffer = BytesMut::new();
        }
        if written > 0 && open {
            // Without an owner the control says what remains to be done.
            let _ = reports.send(Report::Written(conn, written)).await;
        }
    }
    if let Err(error) = writer.shutdown().await {
        return error.to_string();
    }
    std::future::pending().await
}

/// Waits until the owner closes. Its disappearance is a close without words.
async fn last_words(control: &mut watch::Receiver<Control>) -> Vec<Message> {
    match control.wait_for(|control| control.last_words.is_some()).await {
        Ok(control) => control.last_words.clone().unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// Waits until the owner closes, then [`LINGER`].
async fn linger(mut control: watch::Receiver<Control>) {
    last_words(&mut control).await;
    tokio::time::sleep(LINGER).await;
}
