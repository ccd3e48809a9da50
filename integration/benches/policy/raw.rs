//! The references: the same change as a file for `nft -f`, and as messages that are ready and only have to be sent.
//!
//! The messages are made by the agent's own encoder, before the clock starts: what is measured is what the kernel takes, and
//! one system call each way.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use felix_agent::dataplane::nftables::Table;
use felix_agent::dataplane::nftables::diff::{Change, Transaction, replace};
use felix_agent::dataplane::nftables::encode::{Handles, encode};
use felix_agent::dataplane::nftables::render::render;
use felix_agent::dataplane::nftables::table::Set;
use integration::namespace::Namespace;
use nix::libc::{AF_NETLINK, NETLINK_NETFILTER, NLMSG_ERROR};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SndBufForce;
use socket2::{Domain, Protocol, Socket, Type};

/// No generation is checked.
const ANY_GENERATION: u32 = 0;

/// Messages that are ready.
pub struct Messages(Vec<u8>);

impl Messages {
    /// Those of a transaction.
    pub fn of(changes: Vec<Change>) -> Self {
        Self(encode(&Transaction { changes }, &Handles::new(), ANY_GENERATION, 1).bytes)
    }

    /// Those that load a table.
    pub fn loading(table: &Table) -> Self {
        Self::of(replace(table).changes)
    }

    /// Those that give a set an element, or take it.
    pub fn element(name: &str, element: &Set, is_given: bool) -> Self {
        let change = if is_given { Change::AddElements } else { Change::DeleteElements };
        Self::of(vec![change(name.to_owned(), element.clone())])
    }
}

/// A socket to the kernel's nf_tables.
pub struct Raw(Socket);

impl Raw {
    /// Opened in the calling thread's network namespace, with room for messages of this length.
    pub fn open(room: &Messages) -> Result<Self> {
        let protocol = Some(Protocol::from(NETLINK_NETFILTER));
        let socket =
            Socket::new(Domain::from(AF_NETLINK), Type::RAW, protocol).context("a netlink socket")?;
        setsockopt(&socket, SndBufForce, &room.0.len().max(1 << 16))?;
        Ok(Self(socket))
    }

    /// Sends them and waits for the answer.
    pub fn send(&mut self, messages: &Messages) -> Result<()> {
        ensure!(self.0.send(&messages.0)? == messages.0.len(), "sent in part");
        let mut answer = [0; 1 << 12];
        let length = self.0.read(&mut answer)?;
        // struct nlmsghdr, then struct nlmsgerr: the type at 4, the error at 16.
        let header = answer.get(..length).filter(|answer| answer.len() >= 20).context("a short answer")?;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let error = i32::from_ne_bytes([header[16], header[17], header[18], header[19]]);
        ensure!(
            i32::from(kind) == NLMSG_ERROR && error == 0,
            "the kernel says {error} (message type {kind})"
        );
        Ok(())
    }
}

/// A file for `nft -f`.
pub struct File(PathBuf);

impl File {
    /// With this text.
    pub fn new(directory: &Path, name: &str, text: &str) -> Result<Self> {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(Self(path))
    }

    /// One that loads a table.
    pub fn loading(directory: &Path, table: &Table) -> Result<Self> {
        Self::new(directory, "table.nft", &render(table))
    }

    /// Loads it.
    pub fn load(&self, namespace: &Namespace) -> Result<()> {
        namespace.output("nft", &["-f", &self.0.to_string_lossy()]).map(drop)
    }
}
