//! NOTIFICATION, RFC 4271 §4.5: why a session ends.
//!
//! Any octets decode: a speaker answers nothing to a NOTIFICATION (RFC 4271 §6.4), so there is nothing to refuse.

use bytes::{BufMut, Bytes, BytesMut};

use super::code::{cease, error};
use super::framer::{self, Kind};
use super::{Codec, DecodeError, Notification};

#[cfg(test)]
mod tests;

/// The longest shutdown communication, RFC 9003 §2.
const MAX_COMMUNICATION_OCTETS: usize = 255;

impl Notification {
    /// A notification with `data` as its code demands; empty for most.
    #[must_use]
    pub fn new(code: u8, subcode: u8, data: impl Into<Bytes>) -> Self {
        Self { code, subcode, data: data.into() }
    }

    /// Cease without data, RFC 4486.
    #[must_use]
    pub fn cease(subcode: u8) -> Self {
        Self::new(error::CEASE, subcode, Bytes::new())
    }

    /// Cease with a text for the other end's operator, RFC 9003; for Administrative Shutdown and Administrative Reset.
    /// A text of more than 255 octets is cut between characters; an empty one is not sent.
    #[must_use]
    pub fn cease_with(subcode: u8, text: &str) -> Self {
        let text = text.get(..text.floor_char_boundary(MAX_COMMUNICATION_OCTETS)).unwrap_or_default();
        if text.is_empty() {
            return Self::cease(subcode);
        }
        let mut data = BytesMut::with_capacity(1 + text.len());
        data.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
        data.put_slice(text.as_bytes());
        Self::new(error::CEASE, subcode, data)
    }

    /// Cease / Hard Reset around `inner`, RFC 8538 §3: the routes are not to be kept.
    #[must_use]
    pub fn hard_reset(inner: &Self) -> Self {
        let mut data = BytesMut::with_capacity(2 + inner.data.len());
        data.put_slice(&[inner.code, inner.subcode]);
        data.put_slice(&inner.data);
        Self::new(error::CEASE, cease::HARD_RESET, data)
    }

    /// Whether this is a Hard Reset, RFC 8538.
    #[must_use]
    pub fn is_hard_reset(&self) -> bool {
        (self.code, self.subcode) == (error::CEASE, cease::HARD_RESET)
    }

    /// What a Hard Reset is about; none if this is not one, or if it does not say.
    #[must_use]
    pub fn hard_reset_inner(&self) -> Option<Self> {
        let ([code, subcode], data) = self.data.split_first_chunk()?;
        self.is_hard_reset().then(|| Self::new(*code, *subcode, Bytes::copy_from_slice(data)))
    }

    /// The text that a shutdown or reset, perhaps within a Hard Reset, carries for the other end's operator
    /// (RFC 9003): one line, control characters replaced, since it is shown as it is.
    #[must_use]
    pub fn shutdown_communication(&self) -> Option<String> {
        match self.hard_reset_inner() {
            Some(inner) => inner.communication(),
            None => self.communication(),
        }
    }

    fn communication(&self) -> Option<String> {
        let with_text = [cease::ADMINISTRATIVE_SHUTDOWN, cease::ADMINISTRATIVE_RESET];
        if self.code != error::CEASE || !with_text.contains(&self.subcode) {
            return None;
        }
        let (length, rest) = self.data.split_first()?;
        let text = std::str::from_utf8(rest.get(..usize::from(*length))?).ok()?;
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        (!line.is_empty()).then_some(line)
    }

    /// The error that sends this.
    pub(super) fn because(self, reason: impl Into<String>) -> DecodeError {
        DecodeError { notification: self, reason: reason.into() }
    }

    /// `None` where even the code is missing, which the framer rules out.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let ([code, subcode], data) = body.split_first_chunk()?;
        // Copied, so that a kept reason does not hold on to a read buffer.
        Some(Self { code: *code, subcode: *subcode, data: Bytes::copy_from_slice(data) })
    }

    /// Data beyond the message limit is cut off: what it repeats is for people.
    pub(super) fn encode(&self, codec: &Codec, out: &mut BytesMut) {
        let room = codec.max_octets() - framer::HEADER_OCTETS - 2;
        framer::encode(Kind::Notification, out, |out| {
            out.put_slice(&[self.code, self.subcode]);
            out.put_slice(self.data.get(..room).unwrap_or(&self.data));
        });
    }
}
