//! The whole shell over loopback and between network namespaces: speakers with each other, and with a peer made of
//! octets.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnetwork::IpNetwork;
use tokio::sync::mpsc;

use super::{Event, Handle, Shutdown, start};
use crate::config::{Config, GracefulRestart, Listen, PeerConfig, PeerKey, Policy, RemoteAs, Timers};
use crate::rib::Hops;
use crate::session::State;
use crate::speaker::{NoticeKind, PeerView};
use raw::Raw;

pub(super) mod lab;

mod limits;
mod raw;
mod signed;
mod unnumbered;
mod watched;

/// Longer than anything takes here; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A peer in this AS, told and heard everything.
fn peer(remote_as: u32, port: u16) -> PeerConfig {
    let mut peer = PeerConfig::new(RemoteAs::Is(remote_as)).with_policy(&Policy::Accept, &Policy::Accept);
    peer.timers = Timers { connect_retry: Duration::from_secs(1), ..Timers::default() };
    (peer.port, peer.passive) = (port, port == 0);
    peer
}

fn speaker(local_as: u32, id: u8) -> Config {
    Config {
        local_as,
        router_id: [10, 0, 0, id].into(),
        graceful_restart: GracefulRestart { enabled: false, ..GracefulRestart::default() },
        ..Config::default()
    }
}

/// With peers that have these addresses, passive where the port is 0.
fn config(local_as: u32, id: u8, peers: &[(&str, u32)]) -> Config {
    let peers = peers.iter().map(|(address, remote_as)| {
        let address: SocketAddr = address.parse().unwrap();
        (PeerKey::Address(address.ip()), peer(*remote_as, address.port()))
    });
    Config { peers: peers.collect(), ..speaker(local_as, id) }
}

fn listen(address: &str) -> Listen {
    Listen { addresses: vec![address.parse().unwrap()] }
}

fn began(address: &str, config: Config) -> (Handle, mpsc::Receiver<Event>) {
    start(listen(address), config, BTreeMap::new()).unwrap()
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

async fn established(events: &mut mpsc::Receiver<Event>) -> PeerKey {
    let wanted = |event| match event {
        Event::Notice(notice) => {
            let up = matches!(notice.kind, NoticeKind::State { state: State::Established, .. });
            up.then_some(notice.peer)
        }
        Event::BestPaths(_) | Event::Synchronised => None,
    };
    until(events, wanted).await
}

async fn best_path(events: &mut mpsc::Receiver<Event>, prefix: IpNetwork) -> Option<Hops> {
    until(events, |event| match event {
        Event::BestPaths(mut paths) => paths.remove(&prefix),
        Event::Synchronised | Event::Notice(_) => None,
    })
    .await
}

fn addresses(hops: &Hops) -> Vec<IpAddr> {
    hops.iter().map(|hop| hop.next_hop.address()).collect()
}

async fn first_peer(handle: &Handle) -> PeerView {
    handle.view().await.unwrap().peers.remove(0)
}

/// Two speakers that dial each other, once each knows the other's port.
async fn both_dial(
    addresses: [&str; 2],
    adjust: impl Fn(&mut PeerConfig),
) -> [(Handle, mpsc::Receiver<Event>); 2] {
    let [left, right] = addresses;
    let left = began(&format!("{left}:0"), speaker(65001, 1));
    let right = began(&format!("{right}:0"), speaker(65002, 2));
    for (own, asn, id, other, other_as) in
        [(&left, 65001, 1, &right, 65002), (&right, 65002, 2, &left, 65001)]
    {
        let at = other.0.listening()[0];
        let mut peer = peer(other_as, at.port());
        peer.local_address = Some(own.0.listening()[0].ip());
        adjust(&mut peer);
        let peers = [(PeerKey::Address(at.ip()), peer)].into();
        own.0.configure(Config { peers, ..speaker(asn, id) }).await.unwrap();
    }
    [left, right]
}

#[tokio::test]
async fn two_speakers_exchange_routes() {
    let [(left, mut left_events), (right, mut right_events)] =
        both_dial(["127.0.31.1", "127.0.31.2"], |_| {}).await;
    let mut happenings = right.subscribe();
    let prefix = "10.1.0.0/16".parse().unwrap();
    left.originate([(prefix, Default::default())].into()).await.unwrap();
    let hops = best_path(&mut right_events, prefix).await.expect("a path");
    assert_eq!(addresses(&hops), ["127.0.31.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(first_peer(&right).await.remote_as, Some(65001));
    let told = async {
        while happenings.recv().await.unwrap().what != super::Happening::Route(prefix, Some(hops.clone())) {}
    };
    tokio::time::timeout(PATIENCE, told).await.expect("subscribers are told");

    left.shutdown(Shutdown::Cease("moving".to_owned())).await;
    assert_eq!(best_path(&mut right_events, prefix).await, None, "the peer said that it goes");
    let reason = first_peer(&right).await.last_down_reason;
    assert!(reason.contains("moving"), "{reason}");
    while left_events.recv().await.is_some() {}
    assert!(left.view().await.is_err());
    left.shutdown(Shutdown::KeepRoutes).await;
    right.shutdown(Shutdown::KeepRoutes).await;
}

#[tokio::test]
async fn a_large_table_arrives_whole() {
    let [(left, _left_events), (_right, mut right_events)] =
        both_dial(["127.0.36.1", "127.0.36.2"], |_| {}).await;
    let prefix =
        |n: u32| IpNetwork::new(std::net::Ipv4Addr::from_bits(0x0a00_0000 + (n << 8)).into(), 24).unwrap();
    let all: BTreeMap<_, _> = (0..20_000).map(|n| (prefix(n), Default::default())).collect();
    left.originate(all.clone()).await.unwrap();
    let mut missing: std::collections::BTreeSet<_> = all.into_keys().collect();
    until(&mut right_events, |event| {
        if let Event::BestPaths(paths) = event {
            paths.keys().for_each(|prefix| _ = missing.remove(prefix));
        }
        missing.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn strangers_are_not_talked_to() {
    let (handle, _events) = began("127.0.32.1:0", config(65001, 1, &[("127.0.32.2:0", 65002)]));
    let mut stranger = Raw::connect("127.0.32.3:0", handle.listening()[0]).await;
    assert_eq!(stranger.receive().await, None);
}

#[tokio::test]
async fn garbage_gets_its_notification_and_others_stay() {
    let peers = [("127.0.33.2:0", 65002), ("127.0.33.3:0", 65003)];
    let (handle, mut events) = began("127.0.33.1:0", config(65001, 1, &peers));
    let mut good = Raw::connect("127.0.33.3:0", handle.listening()[0]).await;
    good.establish(65003, 3).await;
    established(&mut events).await;

    let mut raw = Raw::connect("127.0.33.2:0", handle.listening()[0]).await;
    raw.send_octets(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n").await;
    assert_eq!(raw.notified().await, Some((1, 1)));

    let [bad, good] = <[_; 2]>::try_from(handle.view().await.unwrap().peers).unwrap();
    assert!(bad.last_down_reason.contains("the marker is not all ones"), "{}", bad.last_down_reason);
    assert_eq!(good.state, State::Established);
}

#[tokio::test]
async fn how_it_goes_is_what_peers_are_told() {
    for (how, told) in [(Shutdown::Cease(String::new()), Some((6, 2))), (Shutdown::KeepRoutes, None)] {
        let (handle, mut events) = began("127.0.34.1:0", config(65001, 1, &[("127.0.34.2:0", 65002)]));
        let mut raw = Raw::connect("127.0.34.2:0", handle.listening()[0]).await;
        raw.establish(65002, 2).await;
        established(&mut events).await;
        let closing = tokio::spawn(async move { handle.shutdown(how).await });
        assert_eq!(raw.notified().await, told);
        drop(raw);
        closing.await.unwrap();
    }
}

#[tokio::test]
async fn dropping_every_handle_stops_the_speaker() {
    let (handle, mut events) = began("127.0.35.1:0", config(65001, 1, &[("127.0.35.2:0", 65002)]));
    drop(handle);
    while events.recv().await.is_some() {}
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_named() {
    let error = start(listen("192.0.2.1:179"), speaker(65001, 1), BTreeMap::new()).unwrap_err();
    assert!(error.to_string().starts_with("cannot listen on 192.0.2.1:179: "), "{error}");
}

/// Where nobody else has ports: one that is free for IPv6 is free for IPv4.
#[test]
fn both_families_listen_on_one_port() {
    let listening = async || {
        let (first, _events) = began("[::]:0", speaker(65001, 1));
        let port = first.listening()[0].port();
        let (second, _events) = began(&format!("0.0.0.0:{port}"), speaker(65001, 1));
        assert_eq!(second.listening()[0].port(), port);
    };
    lab::Lab::pair().left.run(listening).join().unwrap();
}
