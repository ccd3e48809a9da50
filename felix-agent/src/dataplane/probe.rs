//! One packet that is sent to see what becomes of it.
//!
//! It begins where a real one would: what a pod sends is put on the wire in the pod's network namespace, below the pod's
//! own rules; what comes from elsewhere is received by an interface of the node that exists for this one packet. It bears
//! a [`Sign`] by which [`Tracer`](super::nftables::trace::Tracer) knows it, and drops it behind the last rule: nobody
//! receives it. Should that fail, it gets as far as the next hop: it may be forwarded once ([`packet::HOP_LIMIT`]).
//!
//! It is a packet like any other until then. Rules that it meets count it, and rules that log, log it.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::path::PathBuf;

use policy::evaluate::{Packet, Transport};

use super::nftables::trace::Sign;

mod inject;
pub mod packet;

pub use inject::{InjectError, send};

/// Where a probe begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A pod of this node.
    Pod {
        /// The path of its network namespace.
        netns: PathBuf,
        /// Its interface there.
        interface: String,
        /// That interface's MAC, as it was attached: `aa:bb:cc:dd:ee:ff`.
        mac: String,
    },
    /// Anywhere else.
    Elsewhere,
}

/// A packet to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// From where.
    pub origin: Origin,
    /// What it looks like to policy.
    pub packet: Packet,
    /// By what it is known.
    pub sign: Sign,
}

/// Why a packet cannot be sent as a probe; a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSendable(String);

impl Probe {
    /// A probe with a sign that nobody can guess.
    ///
    /// # Errors
    /// [`NotSendable`].
    pub fn new(origin: Origin, packet: Packet) -> Result<Self, NotSendable> {
        check(&packet)?;
        let random = || RandomState::new().hash_one(0).to_ne_bytes();
        let mut bytes = [0; 16];
        // The first two stay zero. In a packet of GRE they are flags and version, and of some versions connection tracking
        // expects more than that (`gre_pkt_to_tuple`, linux/net/netfilter/nf_conntrack_proto_gre.c).
        let unguessable = bytes.iter_mut().skip(2);
        unguessable.zip(random().into_iter().chain(random())).for_each(|(byte, chance)| *byte = chance);
        let sign = Sign { offset: packet::sign_offset(&packet), bytes };
        Ok(Self { origin, packet, sign })
    }
}

fn check(packet: &Packet) -> Result<(), NotSendable> {
    let is_fit =
        |address: IpAddr| !(address.is_loopback() || address.is_multicast() || address.is_unspecified());
    if let Some(address) = [packet.source, packet.destination].into_iter().find(|address| !is_fit(*address)) {
        return Err(NotSendable(format!("{address}: a probe goes from one host's own address to another's")));
    }
    match packet.transport {
        Transport::Icmp { kind, .. } if !packet::begins_connection(packet.family(), kind) => {
            Err(NotSendable(format!(
                "icmp type {kind}: it answers or reports another packet, and begins nothing that policy would judge; send \
             an echo request (8, or 128 over IPv6)"
            )))
        }
        Transport::Icmp { .. } | Transport::Port { .. } | Transport::Other(_) => Ok(()),
    }
}
