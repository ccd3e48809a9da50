use super::*;

const SIGN: [u8; 16] = *b"0123456789abcdef";

fn packet(source: &str, destination: &str, transport: Transport) -> Packet {
    Packet { source: source.parse().unwrap(), destination: destination.parse().unwrap(), transport }
}

fn v4(transport: Transport) -> Packet {
    packet("10.0.0.1", "192.0.2.1", transport)
}

fn v6(transport: Transport) -> Packet {
    packet("fd00::1", "2001:db8::1", transport)
}

#[test]
fn the_sign_is_where_it_is_said_to_be() {
    let port = |protocol| Transport::to_port(protocol, 80);
    let all = [
        port(Protocol::Tcp),
        port(Protocol::Udp),
        port(Protocol::Sctp),
        Transport::Icmp { kind: 8, code: 0 },
        Transport::Other(47),
    ];
    for transport in all {
        for (packet, header) in [(v4(transport), 20), (v6(transport), 40)] {
            let bytes = encode(&packet, SIGN);
            let at = header + usize::try_from(sign_offset(&packet)).unwrap();
            assert_eq!(bytes.get(at..), Some(&SIGN[..]), "{packet:?}");
        }
    }
}

#[test]
fn sums_come_out_even_as_receivers_see_them() {
    for packet in [v4(Transport::to_port(Protocol::Tcp, 80)), v6(Transport::to_port(Protocol::Udp, 53))] {
        let bytes = encode(&packet, SIGN);
        let header = if packet.source.is_ipv4() { 20 } else { 40 };
        let body = &bytes[header..];
        assert_eq!(checksum(&[&pseudo_header(&packet, body.len()), body]), 0);
    }
    let echo = encode(&v4(Transport::echo(Family::V4)), SIGN);
    assert_eq!(checksum(&[&echo[..20]]), 0);
    assert_eq!(checksum(&[&echo[20..]]), 0);
}

#[test]
fn the_sum_of_sctp_is_that_of_the_standard() {
    // The check value of CRC-32C (RFC 3720 §B.4 has others).
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    let bytes = encode(&v4(Transport::to_port(Protocol::Sctp, 80)), SIGN);
    let mut body = bytes[20..].to_vec();
    let sum: [u8; 4] = body[8..12].try_into().unwrap();
    body[8..12].fill(0);
    assert_eq!(crc32c(&body), u32::from_le_bytes(sum));
    assert_eq!(body.len(), 12 + 40);
}

#[test]
fn lengths_and_addresses_are_in_the_headers() {
    let bytes = encode(&v4(Transport::to_port(Protocol::Tcp, 80)), SIGN);
    assert_eq!(bytes.len(), 20 + 20 + 16);
    assert_eq!(bytes[..4], [0x45, 0, 0, 56]);
    assert_eq!(bytes[8..10], [HOP_LIMIT, 6]);
    assert_eq!(bytes[12..20], [10, 0, 0, 1, 192, 0, 2, 1]);
    assert_eq!(bytes[20..24], [0xc0, 0, 0, 80]);
    let bytes = encode(&v6(Transport::Other(47)), SIGN);
    assert_eq!(bytes.len(), 40 + 16);
    assert_eq!(bytes[4..8], [0, 16, 47, HOP_LIMIT]);
}
