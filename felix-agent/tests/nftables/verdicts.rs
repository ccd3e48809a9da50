//! The kernel and the evaluator agree about every packet, whatever the program.
//!
//! Real packets: datagrams and echo requests between the pods, the outside and, towards it, the node. Those that the
//! evaluator lets pass are waited for; whatever else arrived by then was not to.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, recv, sendto, socket,
};
use policy::evaluate::{Packet, Transport, evaluate};
use policy::program::{Protocol, Verdict};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::fabric::{Fabric, NODE, OUTSIDE, PATIENCE, POD_A, POD_B};
use crate::namespace::Namespace;
use crate::programs::Builder;
use crate::random::{ICMP_CODES, PORTS, programs};

/// One place that sends and hears.
struct Station {
    addresses: [IpAddr; 2],
    /// A socket for each port and family.
    datagrams: Vec<UdpSocket>,
    /// Both families' raw sockets for ICMP.
    icmp: [OwnedFd; 2],
}

impl Station {
    fn new(namespace: &Namespace, addresses: [&str; 2]) -> Station {
        let addresses = addresses.map(|text| text.parse::<IpAddr>().unwrap());
        namespace.run(|| {
            let bind = |address: &IpAddr| PORTS.map(|port| UdpSocket::bind((*address, port)).unwrap());
            let datagrams: Vec<UdpSocket> = addresses.iter().flat_map(bind).collect();
            datagrams.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
            let raw = |family, protocol| {
                socket(family, SockType::Raw, SockFlag::SOCK_NONBLOCK, Some(protocol)).unwrap()
            };
            let icmp = [
                raw(AddressFamily::Inet, SockProtocol::Icmp),
                raw(AddressFamily::Inet6, SockProtocol::IcmpV6),
            ];
            Station { addresses, datagrams, icmp }
        })
    }

    fn send(&self, probe: &Probe) {
        match probe.packet.transport {
            Transport::Port { source, destination, .. } => {
                let from = SocketAddr::new(probe.packet.source, source);
                let socket =
                    self.datagrams.iter().find(|socket| socket.local_addr().unwrap() == from).unwrap();
                socket.send_to(&probe.number.to_be_bytes(), (probe.packet.destination, destination)).unwrap();
            }
            Transport::Icmp { kind, code } => self.send_icmp(probe, kind, code),
            Transport::Other(_) => panic!("no such probe"),
        }
    }

    /// The probe's number is the echo's identifier; the kernel sums up ICMPv6, and IPv4's sum is made here.
    fn send_icmp(&self, probe: &Probe, kind: u8, code: u8) {
        let [high, low] = u16::try_from(probe.number).unwrap().to_be_bytes();
        let mut message = [kind, code, 0, 0, high, low, 0, 1];
        let sum: u32 = message.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
        match probe.packet.destination {
            IpAddr::V4(to) => {
                [message[2], message[3]] = sum.to_be_bytes();
                let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
                sendto(self.icmp[0].as_raw_fd(), &message, &to, MsgFlags::empty()).unwrap();
            }
            IpAddr::V6(to) => {
                let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, 0));
                sendto(self.icmp[1].as_raw_fd(), &message, &to, MsgFlags::empty()).unwrap();
            }
        }
    }

    /// Numbers of probes that have arrived.
    fn hear(&self, heard: &mut BTreeSet<u32>) {
        let mut buffer = [0; 128];
        for socket in &self.datagrams {
            while let Ok(length) = socket.recv(&mut buffer) {
                heard.extend(buffer[..length].first_chunk().map(|number| u32::from_be_bytes(*number)));
            }
        }
        for (socket, header) in self.icmp.iter().zip([20, 0]) {
            while let Ok(length) = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                // Requests only: answers have the number of what they answer.
                if let [8 | 13 | 128, _, _, _, high, low, ..] = buffer[header.min(length)..length] {
                    heard.insert(u32::from(u16::from_be_bytes([high, low])));
                }
            }
        }
    }
}

/// A packet, by its number.
struct Probe {
    number: u32,
    from: usize,
    packet: Packet,
}

/// From each to each but itself and its own node's pods from the node, with every pair of ports and every kind of ICMP.
fn probes(stations: &[Station]) -> Vec<Probe> {
    const NODE_STATION: usize = 3;
    let mut packets = Vec::new();
    for (from, sender) in stations.iter().enumerate().filter(|(from, _)| *from != NODE_STATION) {
        for (to, receiver) in stations.iter().enumerate() {
            // What comes from outside to the node itself is nobody's policy here.
            if from == to || (from == 2 && to == NODE_STATION) {
                continue;
            }
            for (source, destination) in sender.addresses.into_iter().zip(receiver.addresses) {
                let ports =
                    PORTS.into_iter().flat_map(|source| PORTS.map(|destination| (source, destination)));
                let datagrams = ports.map(|(source, destination)| Transport::Port {
                    protocol: Protocol::Udp,
                    source,
                    destination,
                });
                let kinds: &[u8] = if source.is_ipv4() { &[8, 13] } else { &[128] };
                let icmp = kinds
                    .iter()
                    .flat_map(|kind| ICMP_CODES.map(|code| Transport::Icmp { kind: *kind, code }));
                let transports = datagrams.chain(icmp);
                packets.extend(transports.map(|transport| (from, Packet { source, destination, transport })));
            }
        }
    }
    let numbered = packets.into_iter().zip(1..);
    numbered.map(|((from, packet), number)| Probe { number, from, packet }).collect()
}

/// Sends these, and hears until all have arrived that should, or for long enough.
fn tell_and_hear(stations: &[Station], sent: &[&Probe], expected: &BTreeSet<u32>, heard: &mut BTreeSet<u32>) {
    const AT_ONCE: usize = 32;
    for some in sent.chunks(AT_ONCE) {
        some.iter().for_each(|probe| stations[probe.from].send(probe));
        stations.iter().for_each(|station| station.hear(heard));
    }
    let is_missing = |probe: &&&Probe| expected.contains(&probe.number);
    let wanted: BTreeSet<u32> = sent.iter().filter(is_missing).map(|probe| probe.number).collect();
    let begin = Instant::now();
    while !heard.is_superset(&wanted) && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
        stations.iter().for_each(|station| station.hear(heard));
    }
}

#[test]
fn kernel_and_evaluator_agree_about_every_packet() {
    let fabric = std::cell::RefCell::new(Fabric::new());
    let stations = {
        let fabric = fabric.borrow();
        let places =
            [(&fabric.a, POD_A), (&fabric.b, POD_B), (&fabric.outside, OUTSIDE), (&fabric.node, NODE)];
        // Every probe is the first of its connection, and nobody complains of its port.
        for (namespace, _) in places {
            namespace.sysctl("ipv4/icmp_ratelimit", "0");
        }
        places.map(|(namespace, addresses)| Station::new(namespace, addresses))
    };
    let probes = probes(&stations);
    let seen = std::cell::RefCell::new([0_usize; 2]);
    proptest!(Config { max_shrink_iters: 64, ..Config::with_cases(96) }, |(program in programs())| {
        let mut fabric = fabric.borrow_mut();
        let enforced = fabric.enforce(&Builder(program.clone()));
        prop_assert!(enforced.unfulfilled.is_empty(), "{:?}", enforced.unfulfilled);
        let allows = |probe: &&Probe| evaluate(&program, &probe.packet).verdict() == Verdict::Allow;
        let expected: BTreeSet<u32> = probes.iter().filter(allows).map(|probe| probe.number).collect();
        let mut heard = BTreeSet::new();
        for from in 0..stations.len() {
            // What one sends must not pass as the answer to what another sent.
            fabric.forget_connections();
            let sent: Vec<&Probe> = probes.iter().filter(|probe| probe.from == from).collect();
            tell_and_hear(&stations, &sent, &expected, &mut heard);
        }
        let differing: Vec<_> = heard.symmetric_difference(&expected).collect();
        let packets: Vec<_> =
            probes.iter().filter(|probe| differing.contains(&&probe.number)).map(|probe| probe.packet).collect();
        prop_assert!(differing.is_empty(), "{} differ, {packets:?}", differing.len());
        let mut seen = seen.borrow_mut();
        seen[0] += expected.len();
        seen[1] += probes.len() - expected.len();
    });
    let [allowed, denied] = seen.into_inner();
    assert!(allowed > 1000 && denied > 1000, "{allowed} were allowed, {denied} denied");
}
