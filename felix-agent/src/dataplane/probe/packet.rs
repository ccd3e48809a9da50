//! A probe as bytes, from the IP header on: complete and correct, for connection tracking looks at it closely.
//!
//! | transport | what is sent | the sign is behind |
//! |---|---|---|
//! | TCP | a SYN (RFC 9293 §3.1) | the header |
//! | UDP | a datagram | the header |
//! | SCTP | INIT (RFC 9260 §3.3.2) | the chunk's fixed part, in a parameter that receivers skip |
//! | ICMP, ICMPv6 | the message | type, code, checksum and four bytes |
//! | others | | nothing: it is all there is |

use std::net::IpAddr;

use policy::evaluate::{Packet, Transport};
use policy::program::{Family, Protocol};

#[cfg(test)]
mod tests;

/// This node forwards it, and nobody after it.
pub const HOP_LIMIT: u8 = 2;

const SIGN_BYTES: usize = 16;
const TCP_HEADER_BYTES: usize = 20;
const UDP_HEADER_BYTES: usize = 8;
const ICMP_HEADER_BYTES: usize = 8;
/// The common header, INIT's fixed part, and the parameter's header.
const SCTP_BYTES: usize = 12 + 20 + 4;

/// Where the sign is, in bytes behind the beginning of the transport header.
#[must_use]
pub fn sign_offset(packet: &Packet) -> u32 {
    match packet.transport {
        Transport::Port { protocol: Protocol::Tcp, .. } => 20,
        Transport::Port { protocol: Protocol::Udp, .. } | Transport::Icmp { .. } => 8,
        Transport::Port { protocol: Protocol::Sctp, .. } => 36,
        Transport::Other(_) => 0,
    }
}

/// Whether connection tracking takes an ICMP message of this type for a beginning (`nf_conntrack_proto_icmp.c`,
/// `nf_conntrack_proto_icmpv6.c`): echo, timestamp, information and address mask requests; ICMPv6 echo and node information.
#[must_use]
pub fn begins_connection(family: Family, kind: u8) -> bool {
    match family {
        Family::V4 => matches!(kind, 8 | 13 | 15 | 17),
        Family::V6 => matches!(kind, 128 | 139),
    }
}

/// The whole packet.
#[must_use]
pub fn encode(packet: &Packet, sign: [u8; SIGN_BYTES]) -> Vec<u8> {
    let body = transport(packet, sign);
    let protocol = packet.protocol();
    let mut bytes = match (packet.source, packet.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let length = u16::try_from(20 + body.len()).unwrap_or(u16::MAX).to_be_bytes();
            let mut header = vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, HOP_LIMIT, protocol, 0, 0];
            header.extend(source.octets());
            header.extend(destination.octets());
            let sum = checksum(&[&header]);
            put(&mut header, 10, sum);
            header
        }
        (source, destination) => {
            let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
            let mut header = vec![0x60, 0, 0, 0, length[0], length[1], protocol, HOP_LIMIT];
            header.extend(octets(source));
            header.extend(octets(destination));
            header
        }
    };
    bytes.extend(body);
    bytes
}

fn transport(packet: &Packet, sign: [u8; SIGN_BYTES]) -> Vec<u8> {
    match packet.transport {
        Transport::Port { protocol, source, destination } => {
            let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
            match protocol {
                Protocol::Tcp => tcp(packet, bytes, sign),
                Protocol::Udp => {
                    let length = u16::try_from(UDP_HEADER_BYTES + SIGN_BYTES).unwrap_or_default();
                    bytes.extend(length.to_be_bytes());
                    bytes.extend([0, 0]);
                    bytes.extend(sign);
                    let sum = checksum(&[&pseudo_header(packet, bytes.len()), &bytes]);
                    // A sum of zero says that there is none (RFC 768).
                    put(&mut bytes, 6, if sum == 0 { u16::MAX } else { sum });
                    bytes
                }
                Protocol::Sctp => sctp(bytes, sign),
            }
        }
        Transport::Icmp { kind, code } => {
            let mut bytes = vec![kind, code, 0, 0, 0x0f, 0xab, 0, 1];
            bytes.resize(ICMP_HEADER_BYTES, 0);
            bytes.extend(sign);
            let sum = match packet.family() {
                Family::V4 => checksum(&[&bytes]),
                Family::V6 => checksum(&[&pseudo_header(packet, bytes.len()), &bytes]),
            };
            put(&mut bytes, 2, sum);
            bytes
        }
        Transport::Other(_) => sign.to_vec(),
    }
}

fn tcp(packet: &Packet, mut bytes: Vec<u8>, sign: [u8; SIGN_BYTES]) -> Vec<u8> {
    const DATA_OFFSET: u8 = 5 << 4;
    const SYN: u8 = 0x02;
    const WINDOW: [u8; 2] = 64240_u16.to_be_bytes();
    // The sequence number is of no matter.
    bytes.extend(sign.iter().take(4));
    bytes.extend([0, 0, 0, 0, DATA_OFFSET, SYN, WINDOW[0], WINDOW[1]]);
    bytes.resize(TCP_HEADER_BYTES, 0);
    bytes.extend(sign);
    let sum = checksum(&[&pseudo_header(packet, bytes.len()), &bytes]);
    put(&mut bytes, 16, sum);
    bytes
}

fn sctp(mut bytes: Vec<u8>, sign: [u8; SIGN_BYTES]) -> Vec<u8> {
    /// Its two highest bits tell a receiver that does not know it to go on (RFC 9260 §3.2.1).
    const PARAMETER: [u8; 2] = [0x80, 0xfa];
    const INIT: u8 = 1;
    // No verification tag yet; the checksum comes last.
    bytes.extend([0; 8]);
    bytes.extend([INIT, 0, 0, 40]);
    // Initiate tag, receiver window, ten streams out and in, first sequence number.
    bytes.extend([0, 0, 0, 1, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1]);
    bytes.extend(PARAMETER);
    bytes.extend([0, 20]);
    bytes.resize(SCTP_BYTES, 0);
    bytes.extend(sign);
    let sum = crc32c(&bytes).to_le_bytes();
    bytes.iter_mut().skip(8).zip(sum).for_each(|(byte, part)| *byte = part);
    bytes
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// RFC 9293 §3.1, RFC 8200 §8.1. Addresses and numbers are the same, and zeros do not count.
fn pseudo_header(packet: &Packet, length: usize) -> Vec<u8> {
    let mut bytes = octets(packet.source);
    bytes.extend(octets(packet.destination));
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend([0, 0, 0, packet.protocol()]);
    bytes
}

/// RFC 1071. Every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        let high = pair.first().copied().unwrap_or_default();
        let low = pair.get(1).copied().unwrap_or_default();
        sum += u32::from(u16::from_be_bytes([high, low]));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or_default()
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes.iter_mut().skip(at).zip(value.to_be_bytes()).for_each(|(byte, part)| *byte = part);
}

/// RFC 9260 appendix A, bit by bit: one packet is not worth a table.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
        }
    }
    !crc
}
