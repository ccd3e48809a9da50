//! The connections that the kernel tracks: which there are, whether policy has let them pass, and which to forget.
//!
//! ```text
//! policy narrowed ──► walk: dump ─► evaluate the program ─► revoke in the mark what it denies
//! policy widened  ──► walk: dump of what is revoked ─► take back where the program allows
//! pod gone        ──► delete its address's connections, whichever end it was
//! ```
//!
//! The rules cut a connection themselves, with the next packet from whoever began it ([`super::nftables`]). The walk is for
//! those of which only answers come, datagrams that a server goes on sending for instance. It runs on a thread of its own
//! ([`Walker`]), for a full table takes the better part of a second.
//!
//! Spoken to by ctnetlink messages of our own. Deliberately absent: the `conntrack` process; creating connections; timeouts,
//! helpers, labels. A connection is never deleted to cut it: with `nf_conntrack_tcp_loose` the next answer would begin
//! it again the other way round.

mod entry;
mod walk;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

pub use entry::{Entry, Flow};
pub use walk::{Concerned, Job, Walker};

use super::netfilter::socket::{Answer, NetfilterSocket, Rejection, answer};
use super::netfilter::wire::{Attributes, Datagram, Header, code, messages};
use super::nftables::table::Bits;

/// Changes that are sent at once.
const CHANGES_AT_ONCE: usize = 256;
/// Dumps whose answer did not fit, in a row.
const ATTEMPTS: usize = 3;

/// The connections of one network namespace.
pub struct Conntrack {
    socket: NetfilterSocket,
}

/// What to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Gives some bits of its mark a value.
    Mark(Bits),
    /// Forgets it.
    Delete,
}

impl Conntrack {
    /// Opens a socket in the calling thread's network namespace.
    ///
    /// # Errors
    /// Without the right to (`CAP_NET_ADMIN`).
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: NetfilterSocket::connect()? })
    }

    /// Every connection of both families; with `mark`, only those whose mark has these bits so. One that begins or ends
    /// meanwhile may be among them or not.
    ///
    /// # Errors
    /// Of the socket, or the kernel's.
    pub fn dump(&mut self, mark: Option<Bits>) -> io::Result<Vec<Entry>> {
        let mut attempts = 1..=ATTEMPTS;
        loop {
            attempts.next();
            match self.dump_once(mark) {
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) && !attempts.is_empty() => {}
                result => return result,
            }
        }
    }

    fn dump_once(&mut self, mark: Option<Bits>) -> io::Result<Vec<Entry>> {
        let sequence = self.socket.next_sequence(1);
        let mut request = Datagram::default();
        let header = header(code::IPCTNL_MSG_CT_GET, code::NLM_F_DUMP, sequence, code::NFPROTO_UNSPEC);
        request.message(header, |attributes| {
            if let Some(Bits { mask, value }) = mark {
                attributes.number(code::CTA_MARK, value);
                attributes.number(code::CTA_MARK_MASK, mask);
            }
        });
        self.socket.send(&request.into_bytes())?;
        let mut entries = Vec::new();
        while let Some(datagram) = self.socket.receive()? {
            for message in messages(&datagram).filter(|message| message.sequence == sequence) {
                match answer(&message) {
                    None => entries.extend(Entry::decode(&message)),
                    Some(Answer::Done { .. }) => return Ok(entries),
                    Some(Answer::Rejected(Rejection { error, .. })) => return Err(error),
                }
            }
        }
        Err(io::Error::from_raw_os_error(libc::ENOBUFS))
    }

    /// Does something with each of these connections; one that has ended meanwhile is none any more. How many were there.
    ///
    /// # Errors
    /// Of the socket, or the first that the kernel has against a change; the others are made all the same.
    pub fn change<'a>(
        &mut self,
        changes: impl IntoIterator<Item = (&'a Entry, Change)>,
    ) -> io::Result<usize> {
        let mut changes = changes.into_iter().peekable();
        let (mut made, mut failure) = (0, None);
        while changes.peek().is_some() {
            let chunk: Vec<_> = changes.by_ref().take(CHANGES_AT_ONCE).collect();
            let mut datagram = Datagram::default();
            let first = self.socket.next_sequence(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
            for ((entry, change), sequence) in chunk.iter().zip(first..) {
                write_change(&mut datagram, entry, *change, sequence);
            }
            self.socket.send(&datagram.into_bytes())?;
            made += chunk.len();
            // The kernel answers within the sending, and only where something is wrong.
            while let Some(datagram) = self.socket.receive()? {
                for answer in messages(&datagram).filter_map(|message| answer(&message)) {
                    if let Answer::Rejected(Rejection { error, .. }) = answer {
                        made -= 1;
                        let has_ended = error.raw_os_error() == Some(libc::ENOENT);
                        failure = failure.or((!has_ended).then_some(error));
                    }
                }
            }
        }
        failure.map_or(Ok(made), Err)
    }

    /// Forgets every connection of which one of these addresses is an end, before or after translation.
    ///
    /// # Errors
    /// As [`Self::dump`] and [`Self::change`].
    pub fn forget(&mut self, addresses: &BTreeSet<IpAddr>) -> io::Result<usize> {
        if addresses.is_empty() {
            return Ok(0);
        }
        let entries = self.dump(None)?;
        let theirs = entries.iter().filter(|entry| entry.ends().any(|end| addresses.contains(&end)));
        self.change(theirs.map(|entry| (entry, Change::Delete)))
    }

    /// Makes these bits zero in every connection's mark.
    ///
    /// # Errors
    /// As [`Self::dump`] and [`Self::change`].
    pub fn clear(&mut self, bits: u32) -> io::Result<usize> {
        let entries = self.dump(None)?;
        let marked = entries.iter().filter(|entry| entry.mark & bits != 0);
        self.change(marked.map(|entry| (entry, Change::Mark(Bits { mask: bits, value: 0 }))))
    }
}

fn header(kind: u16, flags: u16, sequence: u32, family: u8) -> Header {
    Header { kind, flags, sequence, family, resource: 0 }
}

fn write_change(datagram: &mut Datagram, entry: &Entry, change: Change, sequence: u32) {
    let kind = match change {
        Change::Mark(_) => code::IPCTNL_MSG_CT_NEW,
        Change::Delete => code::IPCTNL_MSG_CT_DELETE,
    };
    datagram.message(header(kind, 0, sequence, entry.family()), |attributes: &mut Attributes| {
        entry.name(attributes);
        match change {
            Change::Mark(Bits { mask, value }) => {
                attributes.number(code::CTA_MARK, value);
                attributes.number(code::CTA_MARK_MASK, mask);
            }
            // Not another one that began since with the same addresses and ports.
            Change::Delete => attributes.number(code::CTA_ID, entry.id()),
        }
    });
}
