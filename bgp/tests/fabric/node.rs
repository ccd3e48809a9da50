//! A machine of the virtual network, and what it is called.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use bgp::config::PeerKey;
use bgp::rib::Hops;
use bgp::speaker::{ConnId, LocalAddresses, NoticeKind, Speaker};
use bgp::wire::Message;
use ipnetwork::IpNetwork;

use crate::network::{Side, WireId};

pub fn prefix(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

pub fn v4(node: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0001 + u32::try_from(node).unwrap())
}

pub fn v6(node: usize) -> Ipv6Addr {
    Ipv6Addr::from(0xfd00_u128 << 112 | u128::try_from(node + 1).unwrap())
}

/// What a node's peers know it by.
pub fn key(node: usize) -> PeerKey {
    PeerKey::Address(v4(node).into())
}

/// The node that has an address.
pub fn node_of(address: IpAddr) -> usize {
    let number = match address {
        IpAddr::V4(address) => address.to_bits() - 0x0a00_0001,
        IpAddr::V6(address) => u32::try_from(address.to_bits() & 0xffff_ffff).unwrap() - 1,
    };
    usize::try_from(number).unwrap()
}

/// A machine: a process or none, and a kernel with a forwarding table.
#[derive(Default)]
pub struct Node {
    pub speaker: Option<Speaker>,
    pub local: LocalAddresses,
    pub fib: BTreeMap<IpNetwork, Hops>,
    /// In the forwarding table from an earlier life, and not confirmed in this one.
    pub unconfirmed: BTreeSet<IpNetwork>,
    /// Prefixes that lost their last next hop, in order.
    pub withdrawn_from_fib: Vec<IpNetwork>,
    pub synchronised_at: Option<Instant>,
    pub notices: Vec<(PeerKey, NoticeKind)>,
    pub received: Vec<Message>,
    /// It runs and sends, but reads nothing.
    pub deaf: bool,
    /// It is switched off: nobody answers.
    pub off: bool,
    pub ends: BTreeMap<ConnId, (WireId, Side)>,
    pub next_accepted: u64,
    /// Connections on which it is about to send.
    pub sends: BTreeSet<ConnId>,
    pub wakes_at: Option<Instant>,
}

impl Node {
    /// Takes best paths into the forwarding table.
    pub fn forward(&mut self, paths: BTreeMap<IpNetwork, Option<Hops>>) {
        for (prefix, hops) in paths {
            self.unconfirmed.remove(&prefix);
            match hops {
                Some(hops) => drop(self.fib.insert(prefix, hops)),
                None => {
                    if self.fib.remove(&prefix).is_some() {
                        self.withdrawn_from_fib.push(prefix);
                    }
                }
            }
        }
    }
}
