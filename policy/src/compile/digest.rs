//! Names from content: the first 64 bits of a SHA-256 over an unambiguous encoding.
//!
//! A cryptographic hash, because the content is written by tenants: with a weak one, a policy could be crafted
//! whose set takes the name of a set in another namespace. The encoding prefixes every text and list with its
//! length and every alternative with its number, so different content has different bytes. The names are part of what
//! is in the kernel: changing the encoding renames everything at the next start of an agent.

use ipnetwork::IpNetwork;
use sha2::{Digest as _, Sha256};

use crate::program::Protocol;

pub(super) struct Digest(Sha256);

impl Digest {
    /// For content of this kind; different kinds never share a name.
    pub(super) fn of(kind: &str) -> Self {
        Self(Sha256::new()).text(kind)
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.update(number.to_be_bytes());
        self
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self = self.number(text.len() as u64);
        self.0.update(text);
        self
    }

    /// A list, each item written by `write`.
    pub(super) fn list<T>(
        mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(Self, T) -> Self,
    ) -> Self {
        let items = items.into_iter();
        self = self.number(items.len() as u64);
        for item in items {
            self = write(self, item);
        }
        self
    }

    pub(super) fn protocol(self, protocol: Protocol) -> Self {
        self.number(match protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        })
    }

    pub(super) fn network(self, network: &IpNetwork) -> Self {
        self.text(&network.to_string())
    }

    /// `prefix` and 16 hexadecimal digits.
    pub(super) fn name(self, prefix: char) -> String {
        let digest = self.0.finalize();
        let leading = digest.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        format!("{prefix}{leading:016x}")
    }
}
