use std::net::IpAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::Target;
use crate::config::{Config, Hops, PeerConfig, RemoteAs, Secret};
use crate::speaker::Endpoint;

fn target(peer: &str, interface: Option<&str>, settings: &PeerConfig) -> Target {
    let far = Endpoint { address: peer.parse().unwrap(), interface: interface.map(Into::into) };
    Target::new(far, settings, &Config { local_as: 65001, ..Config::default() })
}

fn settings(port: u16) -> PeerConfig {
    PeerConfig { port, ..PeerConfig::new(RemoteAs::Is(65002)) }
}

async fn listener(address: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn connects_from_the_configured_address_with_the_ttl() {
    let (listener, port) = listener("127.0.0.1:0").await;
    let local: IpAddr = "127.0.0.77".parse().unwrap();
    let settings = PeerConfig { local_address: Some(local), ..settings(port) };
    let stream = target("127.0.0.1", None, &settings).connect().await.unwrap();
    let (_, seen) = listener.accept().await.unwrap();
    assert_eq!(seen.ip(), local);
    assert_eq!(SockRef::from(&stream).ttl_v4().unwrap(), 1);
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn hop_limit_of_an_ipv6_connection() {
    let (_listener, port) = listener("[::1]:0").await;
    let settings = PeerConfig { hops: Hops::Multihop(2), ..settings(port) };
    let stream = target("::1", None, &settings).connect().await.unwrap();
    assert_eq!(SockRef::from(&stream).unicast_hops_v6().unwrap(), 2);
}

#[tokio::test]
async fn hears_nobody_who_may_be_further_away_than_security_allows() {
    // Loopback's packets have TTL 64: not that of a neighbour.
    let (_listener, port) = listener("127.0.0.1:0").await;
    let connect = async |hops, patience| -> std::io::Result<TcpStream> {
        let settings = PeerConfig { hops: Hops::Security(hops), ..settings(port) };
        let connecting = target("127.0.0.1", None, &settings).connect();
        tokio::time::timeout(patience, connecting).await?
    };
    assert!(connect(192, Duration::from_secs(20)).await.is_ok());
    assert!(connect(191, Duration::from_millis(300)).await.is_err(), "the answer to the SYN is not heard");
}

#[tokio::test]
async fn says_why_it_cannot_connect() {
    let (closed, port) = listener("127.0.0.1:0").await;
    drop(closed);
    let refused = target("127.0.0.1", None, &settings(port)).connect().await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let table = [
        (target("fe80::1", None, &settings(179)), "a link-local peer needs an interface, or"),
        (target("fe80::1", Some("nowhere0"), &settings(179)), "interface nowhere0: ENODEV"),
        (
            target("127.0.0.1", None, &PeerConfig { password: Some(Secret("".into())), ..settings(179) }),
            "cannot sign by TCP MD5: a TCP MD5 password cannot be empty",
        ),
    ];
    for (target, expected) in table {
        let error = target.connect().await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
