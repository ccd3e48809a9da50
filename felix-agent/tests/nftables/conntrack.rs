//! Connections as the kernel tells of them and takes changes to them.

use std::net::{IpAddr, UdpSocket};

use felix_agent::dataplane::conntrack::{Change, Conntrack, Entry};
use felix_agent::dataplane::nftables::table::Bits;

use crate::fabric::{
    Fabric, OTHER_OUTSIDE, OUTSIDE, PATIENCE, POD_A, POD_B, datagram_passes, socket_address,
};
use crate::namespace::Namespace;

fn open(node: &Namespace) -> Conntrack {
    node.run(|| Conntrack::open().unwrap())
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Without policy nothing would be tracked.
const TRACK: &str =
    "table inet other { chain c { type filter hook forward priority 0; ct state new counter; }; }";
/// Who asks for this address at port 1053 gets pod b at port 53; pod a's datagrams to the outside come from another
/// address.
const TRANSLATE: &str = "table ip nat { \
    chain pre { type nat hook prerouting priority -100; ip daddr 192.0.2.3 udp dport 1053 dnat to 10.1.0.2:53; }; \
    chain post { type nat hook postrouting priority 100; oifname uplink ip saddr 10.1.0.1 snat to 192.0.2.9; }; }";

/// Pod a to pod b, to the outside, and outside to pod b, in both families.
fn tracked() -> (Fabric, Conntrack) {
    let fabric = Fabric::new();
    fabric.node.nft(TRACK);
    for family in 0..2 {
        let (a, b) = ((&fabric.a, POD_A[family]), (&fabric.b, POD_B[family]));
        let outside = (&fabric.outside, OUTSIDE[family]);
        for (from, to) in [(a, b), (a, outside), (outside, b)] {
            assert!(datagram_passes(from, to, 53, PATIENCE));
        }
    }
    let conntrack = open(&fabric.node);
    (fabric, conntrack)
}

#[test]
fn connections_are_told_with_both_ends() {
    let (_fabric, mut conntrack) = tracked();
    let entries = conntrack.dump(None).unwrap();
    assert_eq!(entries.len(), 6);
    for family in 0..2 {
        let (a, b) = (address(POD_A[family]), address(POD_B[family]));
        let between = |entry: &&Entry| (entry.original.source, entry.original.destination) == (a, b);
        let entry = entries.iter().find(between).unwrap();
        assert_eq!((entry.reply.source, entry.reply.destination), (b, a));
        assert_eq!((entry.protocol, entry.original.ports.1, entry.reply.ports.0), (17, 53, 53));
        assert_eq!(entry.original.ports.0, entry.reply.ports.1);
    }
}

#[test]
fn a_translated_connection_is_judged_by_whom_it_reaches() {
    let fabric = Fabric::new();
    fabric.node.nft(TRACK);
    fabric.node.nft(TRANSLATE);
    fabric.outside.ip("addr del 192.0.2.3/24 dev uplink");
    fabric.outside.ip("route add 192.0.2.3 via 192.0.2.1");
    let server = fabric.b.run(|| UdpSocket::bind(socket_address(POD_B[0], 53)).unwrap());
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    for (from, source) in [(&fabric.a, POD_A[0]), (&fabric.outside, OUTSIDE[0])] {
        let client = from.run(|| UdpSocket::bind(socket_address(source, 0)).unwrap());
        client.send_to(b"?", socket_address(OTHER_OUTSIDE, 1053)).unwrap();
        server.recv_from(&mut [0; 8]).unwrap();
    }
    assert!(datagram_passes_masked(&fabric));
    let mut conntrack = open(&fabric.node);
    let packets: Vec<_> = conntrack.dump(None).unwrap().iter().map(Entry::packet).collect();
    let expected = [(POD_A[0], POD_B[0], 53), (OUTSIDE[0], POD_B[0], 53), (POD_A[0], OUTSIDE[0], 54)];
    for (source, destination, port) in expected {
        let found = packets.iter().any(|packet| {
            (packet.source, packet.destination) == (address(source), address(destination))
                && packet.port(policy::program::Side::Destination).is_some_and(|(_, number)| number == port)
        });
        assert!(found, "{source} to {destination}: {packets:?}");
    }
    // Whatever an address's part was, all of it is forgotten.
    assert_eq!(conntrack.forget(&[address(POD_B[0])].into()).unwrap(), 2);
    assert_eq!(conntrack.forget(&[address(POD_A[0])].into()).unwrap(), 1);
}

/// Pod a to the outside, which sees another address.
fn datagram_passes_masked(fabric: &Fabric) -> bool {
    let server = fabric.outside.run(|| UdpSocket::bind(socket_address(OUTSIDE[0], 54)).unwrap());
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let client = fabric.a.run(|| UdpSocket::bind(socket_address(POD_A[0], 0)).unwrap());
    client.send_to(b"?", socket_address(OUTSIDE[0], 54)).unwrap();
    let (_, source) = server.recv_from(&mut [0; 8]).unwrap();
    source.ip() == address("192.0.2.9")
}

#[test]
fn bits_of_a_mark_change_and_the_others_stay() {
    let (_fabric, mut conntrack) = tracked();
    let mut set = |mask, value| {
        let entries = conntrack.dump(None).unwrap();
        let changes = entries.iter().map(|entry| (entry, Change::Mark(Bits { mask, value })));
        assert_eq!(conntrack.change(changes).unwrap(), 6);
    };
    set(u32::MAX, 0xdead_beef);
    set(0x00ff_f000, 0x0000_1000);
    let marks: Vec<u32> = conntrack.dump(None).unwrap().iter().map(|entry| entry.mark).collect();
    assert_eq!(marks, [0xde00_1eef; 6]);
    let with =
        |conntrack: &mut Conntrack, value| conntrack.dump(Some(Bits { mask: 0xfff, value })).unwrap().len();
    assert_eq!((with(&mut conntrack, 0xeef), with(&mut conntrack, 0xeee)), (6, 0));
    assert_eq!(conntrack.clear(0xff).unwrap(), 6);
    assert_eq!(conntrack.clear(0xff).unwrap(), 0);
    assert_eq!(conntrack.dump(None).unwrap()[0].mark, 0xde00_1e00);
}

#[test]
fn who_is_gone_is_forgotten_whichever_end_it_was() {
    let (_fabric, mut conntrack) = tracked();
    assert_eq!(conntrack.forget(&POD_B.map(address).into()).unwrap(), 4);
    let left: Vec<Entry> = conntrack.dump(None).unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|entry| OUTSIDE.map(address).contains(&entry.reply.source)));
    // One that has ended is no error.
    let gone = left.iter().map(|entry| (entry, Change::Delete));
    assert_eq!(conntrack.change(gone.clone()).unwrap(), 2);
    assert_eq!(conntrack.change(gone).unwrap(), 0);
}
