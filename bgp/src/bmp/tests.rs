//! What is expected is spelled out in octets, from the RFC's figures.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};

use super::{Encoder, encode_initiation, encode_statistics, encode_termination};
use crate::config::PeerKey;
use crate::session::State;
use crate::speaker::view::{Counters, FamilyView};
use crate::speaker::{Monitored, MonitoredDown, MonitoredId, MonitoredPeer, PeerView};
use crate::wire::{
    AddPathFamily, AsPath, AsPathSegment, Attributes, Capability, Family, NextHop, Nlri, Notification, Open,
    Reach, Update,
};

/// 2023-11-14 22:13:20.000005 UTC.
fn at() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_micros(5)
}

const STAMP: [u8; 8] = [0x65, 0x53, 0xf1, 0x00, 0, 0, 0, 5];

fn id(address: &str) -> MonitoredId {
    MonitoredId { address: address.parse().unwrap(), asn: 65_550, router_id: Ipv4Addr::new(10, 0, 0, 2) }
}

fn open(asn: u32, last: u8, capabilities: Vec<Capability>) -> Open {
    Open { asn, hold_time_secs: 90, router_id: Ipv4Addr::new(10, 0, 0, last), capabilities }
}

fn up(address: &str) -> Monitored {
    up_with(address, vec![], vec![])
}

fn up_with(address: &str, sent: Vec<Capability>, received: Vec<Capability>) -> Monitored {
    Monitored::Up(Box::new(MonitoredPeer {
        peer: id(address),
        local: Some("10.0.0.1:179".parse().unwrap()),
        remote_port: 40_000,
        sent: open(65_001, 1, sent),
        received: open(65_002, 2, received),
    }))
}

fn nlri(prefix: &str, path_id: u32) -> Nlri {
    Nlri { prefix: prefix.parse().unwrap(), path_id }
}

fn announcement(prefixes: Vec<Nlri>) -> Update {
    let next_hop = NextHop::V4(Ipv4Addr::new(10, 0, 0, 2));
    Update {
        reach: vec![Reach { family: Family::Ipv4Unicast, next_hop, prefixes }],
        attributes: Attributes {
            as_path: AsPath { segments: vec![AsPathSegment::Sequence(vec![65_550])] },
            local_pref: Some(100),
            ..Attributes::default()
        },
        ..Update::default()
    }
}

/// The messages in these octets: type and what follows the common header.
fn messages(mut octets: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut messages = Vec::new();
    while !octets.is_empty() {
        assert_eq!(octets[0], 3, "version");
        let length = u32::from_be_bytes(octets[1..5].try_into().unwrap()) as usize;
        messages.push((octets[5], octets[6..length].to_vec()));
        octets = &octets[length..];
    }
    messages
}

fn encoded(encoder: &mut Encoder, monitored: &Monitored) -> Vec<(u8, Vec<u8>)> {
    let mut out = BytesMut::new();
    encoder.encode(monitored, Some(at()), &mut out);
    messages(&out)
}

/// §4.2 of the IPv4 peer 10.0.0.2 in AS 65550.
fn header(stamp: [u8; 8]) -> Vec<u8> {
    let mut header = vec![0, 0];
    header.extend([0; 8 + 12]);
    header.extend([10, 0, 0, 2, 0, 1, 0, 14, 10, 0, 0, 2]);
    header.extend(stamp);
    header
}

#[test]
fn initiation_and_termination() {
    let mut out = BytesMut::new();
    encode_initiation("node1", "bgp", &mut out);
    assert_eq!(&out[..], b"\x03\0\0\0\x16\x04\0\x01\0\x03bgp\0\x02\0\x05node1");
    let mut out = BytesMut::new();
    encode_termination(&mut out);
    assert_eq!(&out[..], b"\x03\0\0\0\x0c\x05\0\x01\0\x02\0\0");
}

#[test]
fn peer_up_carries_both_ends_and_both_opens() {
    let mut expected = header(STAMP);
    expected.extend([0; 12]);
    expected.extend([10, 0, 0, 1, 0, 179, 0x9c, 0x40]);
    for (asn, last) in [([0xfd, 0xe9], 1), ([0xfd, 0xea], 2)] {
        expected.extend([0xff; 16]);
        expected.extend([0, 29, 1, 4, asn[0], asn[1], 0, 90, 10, 0, 0, last, 0]);
    }
    assert_eq!(encoded(&mut Encoder::new(), &up("10.0.0.2")), [(3, expected)]);
}

#[test]
fn an_ipv6_peer_sets_the_flag_and_fills_the_address() {
    let messages = encoded(&mut Encoder::new(), &up("2001:db8::2"));
    let body = &messages[0].1;
    assert_eq!(body[1], 0x80);
    assert_eq!(body[10..26], [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
}

#[test]
fn peer_down_tells_why() {
    let cease = Notification { code: 6, subcode: 2, data: Bytes::from_static(b"\x02hi") };
    let mut message = vec![0xff; 16];
    message.extend([0, 24, 3, 6, 2, 2, b'h', b'i']);
    let table = [
        (MonitoredDown::Sent(cease.clone()), 1, message.clone()),
        (MonitoredDown::Received(cease), 3, message),
        (MonitoredDown::Lost, 4, vec![]),
        (MonitoredDown::Deconfigured, 5, vec![]),
    ];
    for (reason, code, more) in table {
        let mut encoder = Encoder::new();
        encoded(&mut encoder, &up("10.0.0.2"));
        let down = Monitored::Down { peer: id("10.0.0.2"), reason };
        let mut expected = header(STAMP);
        expected.push(code);
        expected.extend(more);
        assert_eq!(encoded(&mut encoder, &down), [(2, expected)]);
        assert_eq!(encoded(&mut encoder, &down), [], "once");
    }
}

#[test]
fn of_a_peer_that_is_not_up_nothing_is_told() {
    let mut encoder = Encoder::new();
    let routes =
        Monitored::Routes { peer: id("10.0.0.2"), update: announcement(vec![nlri("192.0.2.0/24", 0)]) };
    assert_eq!(encoded(&mut encoder, &routes), []);
    encoder.note(&up("10.0.0.2"));
    assert_eq!(encoded(&mut encoder, &routes).len(), 1);
    encoder.note(&Monitored::Down { peer: id("10.0.0.2"), reason: MonitoredDown::Lost });
    assert_eq!(encoded(&mut encoder, &routes), []);
}

#[test]
fn route_monitoring_is_an_update_as_an_internal_peer_would_get_it() {
    let mut encoder = Encoder::new();
    encoded(&mut encoder, &up("10.0.0.2"));
    let routes =
        Monitored::Routes { peer: id("10.0.0.2"), update: announcement(vec![nlri("192.0.2.0/24", 0)]) };
    let mut expected = header(STAMP);
    expected.extend([0xff; 16]);
    expected.extend([0, 54, 2, 0, 0, 0, 27]);
    expected.extend([0x40, 1, 1, 0]);
    expected.extend([0x40, 2, 6, 2, 1, 0, 1, 0, 14]);
    expected.extend([0x40, 3, 4, 10, 0, 0, 2]);
    expected.extend([0x40, 5, 4, 0, 0, 0, 100]);
    expected.extend([24, 192, 0, 2]);
    assert_eq!(encoded(&mut encoder, &routes), [(0, expected)]);
}

#[test]
fn each_update_has_a_message_of_its_own() {
    let mut encoder = Encoder::new();
    encoded(&mut encoder, &up("10.0.0.2"));
    let prefixes: Vec<Nlri> =
        (0..3000_u32).map(|n| nlri(&format!("10.{}.{}.0/24", n / 256, n % 256), 0)).collect();
    let mut update = announcement(prefixes.clone());
    update.withdrawn = vec![nlri("192.0.2.0/24", 0)];
    let messages = encoded(&mut encoder, &Monitored::Routes { peer: id("10.0.0.2"), update });
    assert!(messages.len() >= 4, "one withdrawal, and 12,000 octets of prefixes");
    for (kind, body) in messages {
        assert_eq!((kind, &body[..42]), (0, &header(STAMP)[..]));
        assert_eq!(body[42..58], [0xff; 16]);
        assert_eq!(usize::from(u16::from_be_bytes([body[58], body[59]])), body.len() - 42);
    }
}

#[test]
fn a_dump_ends_with_the_markers_of_the_families_that_both_carry() {
    let mut encoder = Encoder::new();
    let both =
        vec![Capability::MultiProtocol(Family::Ipv4Unicast), Capability::MultiProtocol(Family::Ipv6Unicast)];
    encoded(&mut encoder, &up_with("10.0.0.2", both.clone(), both.clone()));
    encoded(&mut encoder, &up_with("10.0.0.3", both, vec![]));
    let mut out = BytesMut::new();
    encoder.encode_ends(&mut out);
    let ends: Vec<(u8, Vec<u8>)> =
        messages(&out).into_iter().map(|(_, body)| (body[25], body[42 + 19..].to_vec())).collect();
    let v4 = vec![0, 0, 0, 0];
    assert_eq!(ends.len(), 3);
    assert_eq!((&ends[0], &ends[2]), (&(2, v4.clone()), &(3, v4)));
    assert_eq!(ends[1].1[ends[1].1.len() - 3..], [0, 2, 1], "MP_UNREACH_NLRI of IPv6 unicast, empty");
}

#[test]
fn path_identifiers_are_told_where_the_peer_sends_them() {
    let add_path = |receive, send| {
        Capability::AddPath(vec![AddPathFamily { family: Family::Ipv4Unicast, receive, send }])
    };
    for (sent, received, identified) in [
        (add_path(true, false), add_path(false, true), true),
        (add_path(false, true), add_path(true, false), false),
        (add_path(true, true), add_path(true, true), true),
        (Capability::RouteRefresh, add_path(true, true), false),
    ] {
        let mut encoder = Encoder::new();
        let Monitored::Up(peer) = up_with("10.0.0.2", vec![sent], vec![received]) else { panic!("not up") };
        encoder.learn(&peer);
        assert_eq!(encoder.peers[&peer.peer].codec.add_path_send.contains(Family::Ipv4Unicast), identified);
    }
}

#[test]
fn statistics_are_gauges_of_the_families_that_are_carried() {
    let family = |family, negotiated, received, advertised| FamilyView {
        family,
        negotiated,
        received,
        accepted: 0,
        rejected: 0,
        stale: 0,
        advertised,
        limit: None,
        end_of_rib_received: true,
        no_next_hop: false,
        no_import_policy: false,
        no_export_policy: false,
    };
    let address: IpAddr = "10.0.0.2".parse().unwrap();
    let mut peer = view(address);
    peer.families = vec![family(Family::Ipv4Unicast, true, 258, 3), family(Family::Ipv6Unicast, false, 9, 9)];
    let mut out = BytesMut::new();
    encode_statistics(&peer, at(), &mut out);
    let mut expected = header(STAMP);
    expected.extend([0, 0, 0, 4]);
    expected.extend([0, 7, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2]);
    expected.extend([0, 15, 0, 8, 0, 0, 0, 0, 0, 0, 0, 3]);
    expected.extend([0, 9, 0, 11, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
    expected.extend([0, 17, 0, 11, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(messages(&out), [(1, expected)]);
    peer.state = State::OpenSent;
    let mut out = BytesMut::new();
    encode_statistics(&peer, at(), &mut out);
    assert!(out.is_empty());
}

fn view(address: IpAddr) -> PeerView {
    PeerView {
        key: PeerKey::Address(address),
        address: Some(address),
        interface: None,
        dynamic: false,
        remote_as: Some(65_550),
        local_as: 65_001,
        route_reflector_client: false,
        shutdown: None,
        state: State::Established,
        state_age: Duration::ZERO,
        last_down_reason: String::new(),
        last_down_age: None,
        router_id: Some(Ipv4Addr::new(10, 0, 0, 2)),
        hold_time: Duration::ZERO,
        keepalive: Duration::ZERO,
        hold_remaining: None,
        retry_in: None,
        capabilities: Vec::new(),
        role: None,
        families: Vec::new(),
        counters: Counters::default(),
        description: String::new(),
        stale: false,
        bfd: None,
    }
}
