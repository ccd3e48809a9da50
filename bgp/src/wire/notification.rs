//! NOTIFICATION, RFC 4271 §4.5: why a session ends.
//!
//! Any octets decode: a speaker answers nothing to a NOTIFICATION (RFC 4271 §6.4), so there is nothing to refuse.

use bytes::{BufMut, Bytes, BytesMut};

use super::code::{cease, error};
use super::framer::{self, Kind};
use super::{DecodeError, Notification};

#[cfg(test)]
mod tests;

/// Data that fits beside header, code and subcode.
const MAX_DATA_OCTETS: usize = framer::MAX_OCTETS - framer::HEADER_OCTETS - 2;

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

    /// The text that a shutdown or reset carries for the other end's operator (RFC 9003): one line, control
    /// characters replaced, since it is shown as it is.
    #[must_use]
    pub fn shutdown_communication(&self) -> Option<String> {
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
    pub(super) fn encode(&self, out: &mut BytesMut) {
        framer::encode(Kind::Notification, out, |out| {
            out.put_slice(&[self.code, self.subcode]);
            out.put_slice(self.data.get(..MAX_DATA_OCTETS).unwrap_or(&self.data));
        });
    }
}
