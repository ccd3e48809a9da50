//! Following one packet through every rule of the node, by nf_tables' own trace.
//!
//! For as long as a [`Tracer`] lives, there is a table beside ours with three chains:
//!
//! ```text
//! prerouting, first   the probe? meta nftrace set 1       from here on the kernel tells of every rule that it meets
//! forward, last       the probe? drop                     all rules have let it pass; it reaches nobody
//! input, last         the probe? drop
//! ```
//!
//! The probe is known by 16 bytes of its content, 14 of them random, so the table concerns no other packet. It belongs to the tracer's
//! socket (`NFT_TABLE_F_OWNER`): the kernel removes it with the socket, however the process ends. What is dropped before it
//! leaves the hook leaves no entry in connection tracking behind.

use std::io;
use std::time::{Duration, Instant};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::time::{TimeVal, TimeValLike};

use super::socket::{Answer, NetfilterSocket, answer};
use super::wire::{Received, code, messages};

mod table;
#[cfg(test)]
mod tests;

pub use table::Sign;

/// The table's name; its family is `inet`.
pub const TRACE_TABLE_NAME: &str = "fabric_trace";

const NFNLGRP_NFTRACE: u32 = 9;
const DATAGRAM_MAX_BYTES: usize = 64 << 10;
/// How long the kernel is listened to at once.
const LISTEN: Duration = Duration::from_millis(50);

/// A rule, or the end of a chain, that the packet came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `inet`, `ip`, `ip6`, `bridge` and so on.
    pub family: &'static str,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule that matched; `None` at the end of a chain.
    pub handle: Option<u64>,
    /// What came of it.
    pub verdict: StepVerdict,
}

/// What a rule, or the end of a chain, says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepVerdict {
    /// On with the next rule.
    Continue,
    /// This base chain lets it pass.
    Accept,
    /// Dropped.
    Drop,
    /// Back to the chain that jumped here.
    Return,
    /// To this chain, and back.
    Jump(String),
    /// To this chain.
    Goto(String),
    /// Something else: the kernel's number for it.
    Other(i32),
}

impl Step {
    /// Whether it is the tracer's own drop: every rule has let the packet pass.
    #[must_use]
    pub fn is_arrival(&self) -> bool {
        self.is_of_tracer() && self.verdict == StepVerdict::Drop
    }

    /// Whether it is of the tracer's own table.
    #[must_use]
    pub fn is_of_tracer(&self) -> bool {
        self.family == "inet" && self.table == TRACE_TABLE_NAME
    }
}

/// Hears of one packet.
pub struct Tracer {
    /// Owns the table.
    _owner: NetfilterSocket,
    listener: Socket,
}

impl Tracer {
    /// Begins to listen for the packet that bears the sign, in the calling thread's network namespace. One at a time.
    ///
    /// # Errors
    /// Without the right to (`CAP_NET_ADMIN`), on a kernel without tables that belong to sockets (before 5.12), or if there
    /// is a tracer already (`EEXIST`, `EPERM`).
    pub fn start(sign: &Sign) -> io::Result<Self> {
        let mut listener = Socket::new(NETLINK_NETFILTER)?;
        listener.bind_auto()?;
        listener.add_membership(NFNLGRP_NFTRACE)?;
        let milliseconds = i64::try_from(LISTEN.as_millis()).unwrap_or(i64::MAX);
        setsockopt(&listener, ReceiveTimeout, &TimeVal::milliseconds(milliseconds))?;
        let mut owner = NetfilterSocket::connect()?;
        let (batch, last) = table::encode(sign, owner.next_sequence(table::MESSAGES));
        owner.send(&batch)?;
        let mut done = false;
        while let Some(datagram) = owner.receive()? {
            for message in messages(&datagram) {
                match answer(&message) {
                    Some(Answer::Rejected(rejection)) => return Err(rejection.error),
                    Some(Answer::Done { sequence }) => done |= sequence == last,
                    None => {}
                }
            }
        }
        if done {
            Ok(Self { _owner: owner, listener })
        } else {
            Err(io::Error::from_raw_os_error(libc::ENOBUFS))
        }
    }

    /// What the packet met, in order, until it is dropped or has passed everything, or `patience` is over. Blocks.
    ///
    /// # Errors
    /// Of the socket; `ENOBUFS` if so much was traced that some of it was lost.
    pub fn follow(&self, patience: Duration) -> io::Result<Vec<Step>> {
        let until = Instant::now() + patience;
        let mut heard: Vec<(u32, Step)> = Vec::new();
        while Instant::now() < until {
            let mut datagram = Vec::with_capacity(DATAGRAM_MAX_BYTES);
            match self.listener.recv(&mut datagram, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let traced = messages(&datagram).filter(|message| message.kind == code::NFT_MSG_TRACE);
            heard.extend(traced.filter_map(|message| decode(message.family()?, message.attributes())));
            if ours(&heard).any(|step| step.verdict == StepVerdict::Drop) {
                break;
            }
        }
        Ok(ours(&heard).cloned().collect())
    }
}

/// Others may trace too. Ours are those packets that came by the tracer's own rule.
fn ours(heard: &[(u32, Step)]) -> impl Iterator<Item = &Step> {
    let is_ours = |id: u32| heard.iter().any(|(of, step)| *of == id && step.is_of_tracer());
    heard.iter().filter(move |(id, _)| is_ours(*id)).map(|(_, step)| step)
}

/// The kernel's name for the packet, and the step.
fn decode(family: u8, attributes: Received<'_>) -> Option<(u32, Step)> {
    let id = attributes.number(code::NFTA_TRACE_ID)?;
    let verdict = match attributes.nested(code::NFTA_TRACE_VERDICT) {
        Some(verdict) => decode_verdict(verdict)?,
        None => of_code(attributes.number(code::NFTA_TRACE_POLICY)?.cast_signed(), None),
    };
    let step = Step {
        family: family_name(family),
        table: attributes.text(code::NFTA_TRACE_TABLE)?.to_owned(),
        chain: attributes.text(code::NFTA_TRACE_CHAIN)?.to_owned(),
        handle: attributes.number64(code::NFTA_TRACE_RULE_HANDLE),
        verdict,
    };
    Some((id, step))
}

fn decode_verdict(verdict: Received<'_>) -> Option<StepVerdict> {
    let number = verdict.number(code::NFTA_VERDICT_CODE)?.cast_signed();
    Some(of_code(number, verdict.text(code::NFTA_VERDICT_CHAIN).map(str::to_owned)))
}

/// `NF_*` of `linux/netfilter.h`, and `enum nft_verdicts`.
fn of_code(number: i32, chain: Option<String>) -> StepVerdict {
    match (number, chain) {
        (0, _) => StepVerdict::Drop,
        (1, _) => StepVerdict::Accept,
        (-1, _) => StepVerdict::Continue,
        (-3, Some(chain)) => StepVerdict::Jump(chain),
        (-4, Some(chain)) => StepVerdict::Goto(chain),
        (-5, _) => StepVerdict::Return,
        (other, _) => StepVerdict::Other(other),
    }
}

/// `NFPROTO_*`, as nft calls them.
fn family_name(family: u8) -> &'static str {
    match family {
        1 => "inet",
        2 => "ip",
        3 => "arp",
        5 => "netdev",
        7 => "bridge",
        10 => "ip6",
        _ => "other",
    }
}
