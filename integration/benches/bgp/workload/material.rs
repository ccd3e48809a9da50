//! What clients inside one AS announce: blocks of equal size, with attributes that say which time it is.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::sync::Arc;

use integration::mrt::updates::encode_announcement;
use ipnetwork::IpNetwork;

use crate::load::ledger::Catalogue;

/// The first block's address, and the length of all.
const FIRST: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 0);
const LENGTH: u8 = 26;

/// So many blocks, numbered.
pub fn catalogue(count: usize) -> Arc<Catalogue> {
    Arc::new(Catalogue::Blocks { first: FIRST.to_bits(), length: LENGTH, count })
}

/// UPDATEs of a client that announces these blocks in so many sets of attributes, with this MED: the mark by which
/// [ledgers](crate::load::ledger) tell one announcement of the same blocks from another.
pub fn announcement(client: Ipv4Addr, blocks: Range<usize>, sets: usize, med: u32) -> Arc<[u8]> {
    let mut messages = Vec::new();
    let blocks: Vec<IpNetwork> = blocks.map(block).collect();
    for (set, blocks) in (0_u32..).zip(blocks.chunks(blocks.len().div_ceil(sets))) {
        encode_announcement(&attributes(client, set, med), blocks, &mut messages);
    }
    messages.into()
}

fn block(index: usize) -> IpNetwork {
    let address = FIRST.to_bits() + (u32::try_from(index).unwrap_or(0) << (32 - u32::from(LENGTH)));
    IpNetwork::new(IpAddr::V4(Ipv4Addr::from_bits(address)), LENGTH)
        .unwrap_or_else(|_| IpAddr::V4(FIRST).into())
}

/// ORIGIN IGP, an empty AS_PATH, NEXT_HOP, MED, LOCAL_PREF 100, and a community that tells sets apart.
fn attributes(client: Ipv4Addr, set: u32, med: u32) -> Vec<u8> {
    let mut out = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4];
    out.extend(client.octets());
    out.extend([0x80, 4, 4]);
    out.extend(med.to_be_bytes());
    out.extend([0x40, 5, 4, 0, 0, 0, 100, 0xc0, 8, 4]);
    out.extend((64_512 << 16 | set).to_be_bytes());
    out
}
