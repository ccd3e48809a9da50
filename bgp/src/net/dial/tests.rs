use std::net::IpAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpListener;

use super::{Target, connect, ttl};
use crate::config::{Export, PeerConfig};

fn target(peer: &str, port: u16) -> Target {
    Target { peer: peer.parse().unwrap(), port, local_address: None, ttl: None }
}

#[test]
fn external_peers_are_one_hop_away() {
    let peer = |remote_as, ttl| PeerConfig {
        remote_as,
        port: 179,
        local_address: None,
        hold_time: Duration::from_secs(90),
        connect_retry: Duration::from_secs(5),
        passive: false,
        ttl,
        families: vec![],
        export: Export::All,
        next_hop_self: false,
        description: String::new(),
    };
    assert_eq!(ttl(&peer(65002, None), 65001), Some(1));
    assert_eq!(ttl(&peer(65002, Some(3)), 65001), Some(3));
    assert_eq!(ttl(&peer(65001, None), 65001), None);
    assert_eq!(ttl(&peer(65001, Some(3)), 65001), Some(3));
}

#[tokio::test]
async fn connects_from_the_configured_address_with_the_ttl() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let local: IpAddr = "127.0.0.77".parse().unwrap();
    let target = Target { local_address: Some(local), ttl: Some(1), ..target("127.0.0.1", port) };
    let stream = connect(target).await.unwrap();
    let (_, seen) = listener.accept().await.unwrap();
    assert_eq!(seen.ip(), local);
    assert_eq!(SockRef::from(&stream).ttl_v4().unwrap(), 1);
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn hop_limit_of_an_ipv6_connection() {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = connect(Target { ttl: Some(2), ..target("::1", port) }).await.unwrap();
    assert_eq!(SockRef::from(&stream).unicast_hops_v6().unwrap(), 2);
}

#[tokio::test]
async fn says_why_it_cannot_connect() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let refused = connect(target("127.0.0.1", port)).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let nowhere = connect(target("fe80::1", 179)).await.unwrap_err();
    assert_eq!(nowhere.to_string(), "a link-local peer needs a local address that one of the interfaces has");
}
