//! The tables alone, without sockets: a full table in, told to one peer; withdrawn; told to a late joiner.
//!
//! `cargo bench -p bgp --bench tables`. One line for each step: nanoseconds and octets of resident memory for a prefix.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and fails loudly")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use bgp::config::{NextHopMode, PeerKey, Policy, SendPaths};
use bgp::rib::{Export, Import, Kind, MemberId, Neighbour, Rib, SourceId};
use bgp::wire::{AsPath, Attributes, Codec, Community, Family, NextHop, Nlri};
use ipnetwork::{IpNetwork, Ipv4Network};

const PREFIXES: u32 = 1_000_000;
const SETS: u32 = 200_000;

fn main() {
    let sets = sets();
    let mut rib = Rib::default();
    rib.follow_forwarding(false);
    let sender = source(&mut rib, 1);
    let receiver = source(&mut rib, 2);
    let member = rib.join(receiver, export(), true);
    let before = resident();

    measure("announced and told", before, || {
        for (attributes, next_hop, prefixes) in &sets {
            let now = Instant::now();
            rib.announce(sender, Family::Ipv4Unicast, attributes, *next_hop, prefixes, now);
        }
        drain(&mut rib, member)
    });
    let late = source(&mut rib, 3);
    let latecomer = rib.join(late, export(), true);
    measure("told to a late joiner", before, || drain(&mut rib, latecomer));
    measure("announced again as it is", before, || {
        for (attributes, next_hop, prefixes) in &sets {
            rib.announce(sender, Family::Ipv4Unicast, attributes, *next_hop, prefixes, Instant::now());
        }
        drain(&mut rib, member)
    });
    measure("withdrawn", before, || {
        for (_, _, prefixes) in &sets {
            rib.withdraw(sender, prefixes);
        }
        drain(&mut rib, member) + drain(&mut rib, latecomer)
    });
}

type Set = (Attributes, NextHop, Vec<Nlri>);

fn sets() -> Vec<Set> {
    let each = PREFIXES / SETS;
    (0..SETS)
        .map(|set| {
            let asns = (0..4 + set % 3).map(|hop| 60_000 + (set * (hop + 3)) % 9_000);
            let communities = (0..set % 5).map(|index| Community(65_000 << 16 | (set + index) & 0xffff));
            let attributes = Attributes {
                as_path: AsPath::sequence(asns),
                communities: communities.collect(),
                ..Attributes::default()
            };
            let next_hop = NextHop::V4(Ipv4Addr::new(10, 0, 0, 1));
            let prefixes = (0..each).map(|index| nlri(set * each + index)).collect();
            (attributes, next_hop, prefixes)
        })
        .collect()
}

fn nlri(number: u32) -> Nlri {
    let address = Ipv4Addr::from(0x0100_0000 + (number << 8));
    Nlri { prefix: IpNetwork::V4(Ipv4Network::new(address, 24).unwrap()), path_id: 0 }
}

fn source(rib: &mut Rib, number: u8) -> SourceId {
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, number));
    let source = rib.add_source(Neighbour {
        key: PeerKey::Address(address),
        address,
        interface: None,
        router_id: Ipv4Addr::new(1, 1, 1, number),
        asn: 65_100 + u32::from(number),
        kind: Kind::External,
        cost: 0,
    });
    let import = Import {
        own_as: vec![65_000],
        allow_own_as: 0,
        prepend: None,
        router_id: Ipv4Addr::new(9, 9, 9, 9),
        cluster_id: Ipv4Addr::new(9, 9, 9, 9),
        addresses: vec![],
        role: None,
        policy: Policy::Accept,
    };
    rib.set_import(source, Family::Ipv4Unicast, import);
    source
}

fn export() -> Export {
    Export {
        family: Family::Ipv4Unicast,
        kind: Kind::External,
        prepend: vec![65_000],
        override_as: None,
        router_id: Ipv4Addr::new(9, 9, 9, 9),
        cluster_id: Ipv4Addr::new(9, 9, 9, 9),
        client_to_client: true,
        own_next_hop: Some(NextHop::V4(Ipv4Addr::new(10, 0, 0, 254))),
        shared_link: vec![],
        next_hop: NextHopMode::Usual,
        role: None,
        local_as: 65_000,
        graceful_shutdown: false,
        long_lived: false,
        add_path: SendPaths::Best,
        policy: Policy::Accept,
        codec: Codec::default(),
    }
}

fn drain(rib: &mut Rib, member: MemberId) -> usize {
    std::iter::from_fn(|| rib.next_piece(member)).map(|piece| piece.octets.len()).sum()
}

fn measure(what: &str, before: u64, work: impl FnOnce() -> usize) {
    let begun = cpu_nanos();
    let octets = work();
    let each = (cpu_nanos() - begun) / u64::from(PREFIXES);
    let memory = resident().saturating_sub(before) / u64::from(PREFIXES);
    println!("{what:28} {each:5} ns a prefix, {memory:4} octets of memory, {octets:9} octets told");
}

/// Of this process: others on the machine do not count.
fn cpu_nanos() -> u64 {
    let schedstat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    schedstat.split_whitespace().next().unwrap().parse().unwrap()
}

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}
