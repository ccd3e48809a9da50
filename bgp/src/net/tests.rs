//! The whole shell over loopback: speakers with each other, and with a peer made of octets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

use super::{Event, Handle, Shutdown, start};
use crate::config::{Config, Export, GracefulRestart, Listen, PeerConfig};
use crate::wire::{Capability, Codec, Family, Message, Open, framer};

/// Longer than anything takes here; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

fn config(local_as: u32, id: u8, peers: &[(SocketAddr, u32)]) -> Config {
    let peers = peers.iter().map(|(address, remote_as)| {
        let peer = PeerConfig {
            remote_as: *remote_as,
            port: address.port(),
            local_address: None,
            hold_time: Duration::from_secs(90),
            connect_retry: Duration::from_secs(1),
            passive: address.port() == 0,
            ttl: None,
            families: Family::ALL.to_vec(),
            export: Export::All,
            next_hop_self: false,
            description: String::new(),
        };
        (address.ip(), peer)
    });
    Config {
        local_as,
        router_id: [10, 0, 0, id].into(),
        peers: peers.collect::<BTreeMap<_, _>>(),
        graceful_restart: GracefulRestart {
            enabled: false,
            restart_time: Duration::from_secs(120),
            restarting: false,
            deferral_time: Duration::from_secs(5),
        },
        multipath_limit: 8,
    }
}

fn listen(address: &str) -> Listen {
    Listen { addresses: vec![address.parse().unwrap()] }
}

async fn until<T>(events: &mut mpsc::Receiver<Event>, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = wanted(events.recv().await.expect("the speaker runs")) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.expect("in time")
}

fn established(event: Event) -> Option<IpAddr> {
    match event {
        Event::PeerChanged { peer, state: "Established", .. } => Some(peer),
        Event::PeerChanged { .. } | Event::BestPaths(_) | Event::Synchronised => None,
    }
}

/// A peer made of octets, at an address of its own.
struct Raw {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Raw {
    async fn connect(from: &str, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(from.parse().unwrap()).unwrap();
        Self { stream: socket.connect(to).await.unwrap(), buffer: BytesMut::new() }
    }

    async fn send(&mut self, message: &Message) {
        let mut out = BytesMut::new();
        message.encode(&Codec::default(), &mut out).unwrap();
        self.stream.write_all(&out).await.unwrap();
    }

    /// The next message; none at the end of the stream.
    async fn receive(&mut self) -> Option<Message> {
        let next = async {
            loop {
                if let Some(frame) = framer::decode(&mut self.buffer).unwrap() {
                    return Message::decode(frame.kind, &frame.body, &Codec::default()).unwrap();
                }
                if self.stream.read_buf(&mut self.buffer).await.unwrap() == 0 {
                    return None;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("in time")
    }

    async fn establish(&mut self, asn: u32, id: u8) {
        let capabilities = vec![Capability::MultiProtocol(Family::Ipv4Unicast), Capability::FourOctetAs(asn)];
        let open = Open { asn, hold_time_secs: 90, router_id: [10, 0, 0, id].into(), capabilities };
        self.send(&Message::Open(open)).await;
        self.send(&Message::Keepalive).await;
        assert!(matches!(self.receive().await, Some(Message::Open(_))));
        assert_eq!(self.receive().await, Some(Message::Keepalive));
    }
}

fn serving(listen_at: &str, raw: &str) -> (Handle, mpsc::Receiver<Event>) {
    start(listen(listen_at), config(65001, 1, &[(raw.parse().unwrap(), 65002)]), BTreeSet::new()).unwrap()
}

#[tokio::test]
async fn two_speakers_exchange_routes() {
    let (left, mut left_events) =
        start(listen("127.0.31.1:0"), config(65001, 1, &[]), BTreeSet::new()).unwrap();
    let (right, mut right_events) =
        start(listen("127.0.31.2:0"), config(65002, 2, &[]), BTreeSet::new()).unwrap();
    let at = |handle: &Handle| handle.listening()[0];
    let mut left_config = config(65001, 1, &[(at(&right), 65002)]);
    let mut right_config = config(65002, 2, &[(at(&left), 65001)]);
    for (config, local) in [(&mut left_config, at(&left)), (&mut right_config, at(&right))] {
        config.peers.values_mut().for_each(|peer| peer.local_address = Some(local.ip()));
    }
    let prefix = "10.1.0.0/16".parse().unwrap();
    left.originate([prefix].into()).await.unwrap();
    left.configure(left_config).await.unwrap();
    right.configure(right_config).await.unwrap();
    let next_hops = until(&mut right_events, |event| match event {
        Event::BestPaths(mut paths) => paths.remove(&prefix),
        Event::Synchronised | Event::PeerChanged { .. } => None,
    });
    assert_eq!(next_hops.await, Some(["127.0.31.1".parse().unwrap()].into()));
    assert_eq!(right.view().await.unwrap().peers[0].remote_as, 65001);

    left.shutdown(Shutdown::Cease).await;
    let gone = until(&mut right_events, |event| match event {
        Event::BestPaths(mut paths) => paths.remove(&prefix),
        Event::Synchronised | Event::PeerChanged { .. } => None,
    });
    assert_eq!(gone.await, None, "the peer said that it goes");
    while left_events.recv().await.is_some() {}
    assert!(left.view().await.is_err());
    left.shutdown(Shutdown::Cease).await;
    right.shutdown(Shutdown::KeepRoutes).await;
}

#[tokio::test]
async fn strangers_are_not_talked_to() {
    let (handle, _events) = serving("127.0.32.1:0", "127.0.32.2:0");
    let mut stranger = Raw::connect("127.0.32.3:0", handle.listening()[0]).await;
    assert_eq!(stranger.receive().await, None);
}

#[tokio::test]
async fn garbage_gets_its_notification_and_others_stay() {
    let peers = [("127.0.33.2:0".parse().unwrap(), 65002), ("127.0.33.3:0".parse().unwrap(), 65003)];
    let (handle, mut events) =
        start(listen("127.0.33.1:0"), config(65001, 1, &peers), BTreeSet::new()).unwrap();
    let mut good = Raw::connect("127.0.33.3:0", handle.listening()[0]).await;
    good.establish(65003, 3).await;
    until(&mut events, established).await;

    let mut raw = Raw::connect("127.0.33.2:0", handle.listening()[0]).await;
    raw.stream.write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await.unwrap();
    assert!(matches!(raw.receive().await, Some(Message::Open(_))));
    let told = raw.receive().await;
    let Some(Message::Notification(notification)) = told else { panic!("{told:?}") };
    assert_eq!((notification.code, notification.subcode), (1, 1));
    assert_eq!(raw.receive().await, None);

    let [bad, good] = <[_; 2]>::try_from(handle.view().await.unwrap().peers).unwrap();
    assert!(bad.last_down_reason.contains("the marker is not all ones"), "{}", bad.last_down_reason);
    assert_eq!(good.state.name(), "Established");
}

#[tokio::test]
async fn how_it_goes_is_what_peers_are_told() {
    for (how, told) in [(Shutdown::Cease, Some((6, 2))), (Shutdown::KeepRoutes, None)] {
        let (handle, mut events) = serving("127.0.34.1:0", "127.0.34.2:0");
        let mut raw = Raw::connect("127.0.34.2:0", handle.listening()[0]).await;
        raw.establish(65002, 2).await;
        until(&mut events, established).await;
        let closing = tokio::spawn(async move { handle.shutdown(how).await });
        let mut last = None;
        while let Some(message) = raw.receive().await {
            if let Message::Notification(notification) = message {
                last = Some((notification.code, notification.subcode));
            }
        }
        assert_eq!(last, told);
        drop(raw);
        closing.await.unwrap();
    }
}

#[tokio::test]
async fn dropping_every_handle_stops_the_speaker() {
    let (handle, mut events) = serving("127.0.35.1:0", "127.0.35.2:0");
    drop(handle);
    while events.recv().await.is_some() {}
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_named() {
    let error = start(listen("192.0.2.1:179"), config(65001, 1, &[]), BTreeSet::new()).unwrap_err();
    assert!(error.to_string().starts_with("cannot listen on 192.0.2.1:179: "), "{error}");
}

#[tokio::test]
async fn both_families_listen_on_one_port() {
    let (first, _events) = start(listen("[::]:0"), config(65001, 1, &[]), BTreeSet::new()).unwrap();
    let port = first.listening()[0].port();
    let (second, _events) =
        start(listen(&format!("0.0.0.0:{port}")), config(65001, 1, &[]), BTreeSet::new()).unwrap();
    assert_eq!(second.listening()[0].port(), port);
}
