use std::net::IpAddr;
use std::os::fd::AsFd;

use socket2::SockRef;

use super::{HopLimits, prepare_listener, ttl};
use crate::config::{Hops, LocalAs, PeerConfig, RemoteAs};

#[test]
fn limits_of_a_peer() {
    let limits = |remote_as, hops| {
        let settings = PeerConfig { hops, ..PeerConfig::new(remote_as) };
        let limits = HopLimits::of(&settings, 65001);
        (limits.out, limits.least)
    };
    assert_eq!(limits(RemoteAs::Is(65002), Hops::Usual), (Some(1), None));
    assert_eq!(limits(RemoteAs::External, Hops::Usual), (Some(1), None));
    assert_eq!(limits(RemoteAs::Is(65001), Hops::Usual), (None, None));
    assert_eq!(limits(RemoteAs::Internal, Hops::Usual), (None, None));
    assert_eq!(limits(RemoteAs::Any, Hops::Usual), (None, None));
    assert_eq!(limits(RemoteAs::External, Hops::Multihop(3)), (Some(3), None));
    assert_eq!(limits(RemoteAs::Internal, Hops::Multihop(0)), (Some(1), None));
    for (hops, least) in [(0, 255), (1, 255), (2, 254), (255, 1)] {
        assert_eq!(limits(RemoteAs::Internal, Hops::Security(hops)), (Some(255), Some(least)));
    }
    let local_as = Some(LocalAs { asn: 65010, replace: false });
    let settings = PeerConfig { local_as, ..PeerConfig::new(RemoteAs::Is(65001)) };
    assert_eq!(HopLimits::of(&settings, 65001).out, Some(1), "external to what we say we are");
}

#[test]
fn ttl_of_headers() {
    assert_eq!(ttl(&[0x45, 0, 0, 60, 0, 0, 0, 0, 254, 6]), Some(254));
    assert_eq!(ttl(&[0x60, 0, 0, 0, 0, 0, 6, 253]), Some(253));
    for none in [&[][..], &[0x45], &[0x60; 7], &[0x55; 20]] {
        assert_eq!(ttl(none), None);
    }
}

#[tokio::test]
async fn an_accepted_connection_has_the_limits_of_its_peer_and_not_the_listeners() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let at = listener.local_addr().unwrap();
        prepare_listener(listener.as_fd(), at.ip()).unwrap();
        // Loopback's SYNs have 64: too far away for a neighbour, near enough for a friend.
        for (least, admitted) in [(None, true), (Some(64), true), (Some(65), false), (Some(255), false)] {
            let _peer = tokio::net::TcpStream::connect(at).await.unwrap();
            let (stream, from) = listener.accept().await.unwrap();
            let limits = HopLimits { out: Some(7), least };
            assert_eq!(limits.admit(stream.as_fd(), from.ip()).is_ok(), admitted, "{address} {least:?}");
            assert_eq!(hops_out(&stream, from.ip()), 7);
            HopLimits::default().apply(stream.as_fd(), from.ip()).unwrap();
            assert_eq!(hops_out(&stream, from.ip()), 64, "the system's");
        }
    }
}

fn hops_out(stream: &tokio::net::TcpStream, peer: IpAddr) -> u32 {
    let socket = SockRef::from(stream);
    if peer.is_ipv4() { socket.ttl_v4().unwrap() } else { socket.unicast_hops_v6().unwrap() }
}
