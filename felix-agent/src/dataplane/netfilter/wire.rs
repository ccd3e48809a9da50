//! Netlink messages as bytes: headers and attributes, written and read.
//!
//! Knows alignment and byte order, nothing of tables or connections. Reading never fails by panic: what does not fit its length ends
//! the iteration, and an absent attribute is `None`.

pub(in crate::dataplane) mod code;

/// Length of `struct nlmsghdr` and of `struct nfgenmsg`.
const HEADER_BYTES: usize = 16;
const FAMILY_HEADER_BYTES: usize = 4;
const ATTRIBUTE_HEADER_BYTES: usize = 4;
const ALIGNMENT: usize = 4;

/// A datagram under construction: one message after the other.
#[derive(Debug, Default)]
pub(in crate::dataplane) struct Datagram {
    bytes: Vec<u8>,
}

impl Datagram {
    /// Appends a message; `attributes` writes what follows the `nfgenmsg` header.
    pub(in crate::dataplane) fn message(&mut self, header: Header, attributes: impl FnOnce(&mut Attributes)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(header.kind.to_ne_bytes());
        self.bytes.extend((header.flags | code::NLM_F_REQUEST).to_ne_bytes());
        self.bytes.extend(header.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.bytes.extend([header.family, 0]);
        self.bytes.extend(header.resource.to_be_bytes());
        let mut writer = Attributes { bytes: std::mem::take(&mut self.bytes) };
        attributes(&mut writer);
        self.bytes = writer.bytes;
        // A datagram beyond 4 GiB is far beyond what the socket takes.
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        write_at(&mut self.bytes, start, &length.to_ne_bytes());
    }

    /// The messages so far.
    pub(in crate::dataplane) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// What of a message precedes its attributes.
#[derive(Debug, Clone, Copy)]
pub(in crate::dataplane) struct Header {
    /// Type with its subsystem.
    pub(in crate::dataplane) kind: u16,
    /// Beyond `NLM_F_REQUEST`.
    pub(in crate::dataplane) flags: u16,
    /// Comes back in answers.
    pub(in crate::dataplane) sequence: u32,
    /// `NFPROTO_*`
    pub(in crate::dataplane) family: u8,
    /// `res_id` of `struct nfgenmsg`.
    pub(in crate::dataplane) resource: u16,
}

/// Attributes under construction.
#[derive(Debug, Default)]
pub(in crate::dataplane) struct Attributes {
    bytes: Vec<u8>,
}

impl Attributes {
    pub(in crate::dataplane) fn bytes(&mut self, kind: u16, payload: &[u8]) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(payload);
        self.close(start);
    }

    /// Big endian, as nearly all numbers of netfilter.
    pub(in crate::dataplane) fn number(&mut self, kind: u16, number: u32) {
        self.bytes(kind, &number.to_be_bytes());
    }

    pub(in crate::dataplane) fn number16(&mut self, kind: u16, number: u16) {
        self.bytes(kind, &number.to_be_bytes());
    }

    pub(in crate::dataplane) fn number64(&mut self, kind: u16, number: u64) {
        self.bytes(kind, &number.to_be_bytes());
    }

    /// Terminated by a zero byte.
    pub(in crate::dataplane) fn text(&mut self, kind: u16, text: &str) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        self.close(start);
    }

    pub(in crate::dataplane) fn nested(&mut self, kind: u16, attributes: impl FnOnce(&mut Attributes)) {
        let start = self.open(kind | code::NLA_F_NESTED);
        attributes(self);
        self.close(start);
    }

    /// Attributes that were written elsewhere.
    pub(in crate::dataplane) fn append(&mut self, attributes: &Attributes) {
        self.bytes.extend_from_slice(&attributes.bytes);
    }

    pub(in crate::dataplane) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        start
    }

    /// The length is without the padding. Nothing that this crate writes comes near the 64 KiB limit: element lists
    /// are cut by the encoder, names and comments are shorter by nature.
    fn close(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        write_at(&mut self.bytes, start, &length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }
}

fn write_at(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// A message that was received.
#[derive(Debug, Clone, Copy)]
pub(in crate::dataplane) struct Message<'a> {
    pub(in crate::dataplane) kind: u16,
    pub(in crate::dataplane) flags: u16,
    pub(in crate::dataplane) sequence: u32,
    /// Of whoever asked for it, or for the change it tells of.
    pub(in crate::dataplane) port: u32,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Everything after `struct nlmsghdr`.
    pub(in crate::dataplane) fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The family of `struct nfgenmsg`.
    pub(in crate::dataplane) fn family(&self) -> Option<u8> {
        self.payload.first().copied()
    }

    /// What follows `struct nfgenmsg`.
    pub(in crate::dataplane) fn attributes(&self) -> Received<'a> {
        Received(self.payload.get(FAMILY_HEADER_BYTES..).unwrap_or_default())
    }
}

/// The messages of a datagram.
pub(in crate::dataplane) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(array(rest, 0)?)).ok()?;
        let payload = rest.get(HEADER_BYTES..length)?;
        let message = Message {
            kind: u16::from_ne_bytes(array(rest, 4)?),
            flags: u16::from_ne_bytes(array(rest, 6)?),
            sequence: u32::from_ne_bytes(array(rest, 8)?),
            port: u32::from_ne_bytes(array(rest, 12)?),
            payload,
        };
        rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        Some(message)
    })
}

/// Attributes that were received.
#[derive(Debug, Clone, Copy)]
pub(in crate::dataplane) struct Received<'a>(pub(in crate::dataplane) &'a [u8]);

impl<'a> Received<'a> {
    /// Kind (without flags) and payload of each.
    pub(in crate::dataplane) fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let length = usize::from(u16::from_ne_bytes(array(rest, 0)?));
            let kind = u16::from_ne_bytes(array(rest, 2)?) & code::NLA_TYPE_MASK;
            let payload = rest.get(ATTRIBUTE_HEADER_BYTES..length)?;
            rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
            Some((kind, payload))
        })
    }

    pub(in crate::dataplane) fn bytes(self, kind: u16) -> Option<&'a [u8]> {
        self.iter().find(|(of, _)| *of == kind).map(|(_, payload)| payload)
    }

    pub(in crate::dataplane) fn number(self, kind: u16) -> Option<u32> {
        self.bytes(kind).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes)
    }

    pub(in crate::dataplane) fn number16(self, kind: u16) -> Option<u16> {
        self.bytes(kind).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)
    }

    pub(in crate::dataplane) fn number64(self, kind: u16) -> Option<u64> {
        self.bytes(kind).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes)
    }

    pub(in crate::dataplane) fn text(self, kind: u16) -> Option<&'a str> {
        let bytes = self.bytes(kind)?;
        std::str::from_utf8(bytes.strip_suffix(&[0]).unwrap_or(bytes)).ok()
    }

    pub(in crate::dataplane) fn nested(self, kind: u16) -> Option<Received<'a>> {
        self.bytes(kind).map(Received)
    }
}

/// The bytes at an offset, if there are enough.
pub(in crate::dataplane) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
