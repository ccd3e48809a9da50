//! Octets of a stream → messages. The large buffer belongs to the thread; a connection keeps an unfinished message.

use std::cell::RefCell;
use std::io;

use tokio::net::TcpStream;

use crate::wire::code::message;
use crate::wire::framer::{self, HEADER_OCTETS, MAX_EXTENDED_OCTETS, MAX_OCTETS};
use crate::wire::{Codec, DecodeError, Message};

#[cfg(test)]
mod tests;

/// Octets read at once.
pub(super) const READ_OCTETS: usize = 64 * 1024;

thread_local! {
    /// What was kept, and behind it what is read. Borrowed while a task runs on the thread, never over a wait.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_EXTENDED_OCTETS + READ_OCTETS].into());
}

/// Why reading rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// The next message is read by the codec, which has not been agreed on.
    Codec,
    /// After what is no message nothing can be one: the stream is lost.
    Lost,
}

/// Messages taken off the stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// In order; an error is the last.
    pub(super) messages: Vec<Result<Message, DecodeError>>,
    /// Octets that they had.
    pub(super) octets: usize,
    /// Whether it can go on.
    pub(super) pause: Option<Pause>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// An unfinished message, or what waits for the codec.
    kept: Vec<u8>,
    /// The peer's OPEN has passed: from now on a codec is negotiated.
    opened: bool,
}

impl Reader {
    /// Reads once, then asks for the codec and decodes. None at the end of the stream.
    pub(super) fn read<'a>(
        &mut self,
        stream: &TcpStream,
        codec: impl FnOnce() -> Option<&'a Codec>,
    ) -> io::Result<Option<Taken>> {
        BUFFER.with_borrow_mut(|buffer| {
            let kept = self.kept.len();
            let (head, rest) = buffer.split_at_mut(kept);
            // A connection does not read while it keeps more than a part of a message.
            let room = rest.get_mut(..READ_OCTETS).ok_or(io::ErrorKind::OutOfMemory)?;
            let read = stream.try_read(room)?;
            if read == 0 {
                return Ok(None);
            }
            head.copy_from_slice(&self.kept);
            let octets = buffer.get(..kept + read).unwrap_or_default();
            Ok(Some(self.take(octets, codec())))
        })
    }

    /// Decodes what waited for the codec.
    pub(super) fn resume(&mut self, codec: Option<&Codec>) -> Taken {
        let kept = std::mem::take(&mut self.kept);
        self.take(&kept, codec)
    }

    fn take(&mut self, octets: &[u8], codec: Option<&Codec>) -> Taken {
        let taken = self.decode(octets, codec);
        let rest = octets.get(taken.octets..).unwrap_or_default();
        if rest.is_empty() || taken.pause == Some(Pause::Lost) {
            self.kept = Vec::new();
        } else {
            self.kept.clear();
            self.kept.extend_from_slice(rest);
        }
        taken
    }

    /// Every whole message.
    fn decode(&mut self, octets: &[u8], codec: Option<&Codec>) -> Taken {
        let mut taken = Taken::default();
        loop {
            let rest = octets.get(taken.octets..).unwrap_or_default();
            if codec.is_none() && self.opened && needs_codec(rest) {
                taken.pause = Some(Pause::Codec);
                return taken;
            }
            let outcome = match self.decode_one(rest, codec) {
                Ok(None) => return taken,
                Ok(Some((message, length))) => {
                    taken.octets += length;
                    Ok(message)
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(message) => taken.messages.extend(message.map(Ok)),
                Err(error) => {
                    taken.messages.push(Err(error));
                    taken.pause = Some(Pause::Lost);
                    return taken;
                }
            }
        }
    }

    /// The first message (none if it is to be ignored) and its octets; none if it is not all there.
    fn decode_one(
        &mut self,
        octets: &[u8],
        codec: Option<&Codec>,
    ) -> Result<Option<(Option<Message>, usize)>, DecodeError> {
        let max_octets = codec.map_or(MAX_OCTETS, Codec::max_octets);
        let Some((kind, length)) = framer::decode_header(octets, max_octets)? else { return Ok(None) };
        let Some(body) = octets.get(HEADER_OCTETS..length) else { return Ok(None) };
        let message = Message::decode(kind, body, codec.unwrap_or(&Codec::default()))?;
        self.opened |= matches!(message, Some(Message::Open(_)));
        Ok(Some((message, length)))
    }
}

/// Whether the meaning or the permitted length of the first message depends on the codec.
fn needs_codec(octets: &[u8]) -> bool {
    let Some(&[high, low, kind]) = octets.get(16..HEADER_OCTETS) else { return false };
    kind == message::UPDATE || usize::from(u16::from_be_bytes([high, low])) > MAX_OCTETS
}

/// Reads once and forgets it; whether the stream has ended.
pub(super) fn discard(stream: &TcpStream) -> io::Result<bool> {
    let read = BUFFER.with_borrow_mut(|buffer| stream.try_read(buffer));
    match read {
        Ok(octets) => Ok(octets == 0),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}
