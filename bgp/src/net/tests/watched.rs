//! Others who watch: BFD the way to a peer, BMP what it says.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::lab::Lab;
use super::{PATIENCE, Raw, began, config, established, first_peer, peer, speaker, until};
use crate::bfd;
use crate::config::{Bfd, Config, PeerKey};
use crate::net::Event;
use crate::session::State;
use crate::speaker::NoticeKind;

#[tokio::test]
async fn a_collector_is_told_who_is_there_and_who_comes() {
    let peers = [("127.0.61.2:0", 65002), ("127.0.61.3:0", 65003)];
    let (handle, mut events) = began("127.0.61.1:0", Config { monitoring: true, ..config(65001, 1, &peers) });
    let at = handle.listening()[0];
    let mut before = Raw::connect("127.0.61.2:0", at).await;
    before.establish(65002, 2).await;
    established(&mut events).await;

    let collector = TcpListener::bind("127.0.61.9:0").await.unwrap();
    handle.monitor(vec![collector.local_addr().unwrap()]).await.unwrap();
    let (mut stream, _) = collector.accept().await.unwrap();
    let mut told = Vec::new();
    let mut after = None;
    let reading = async {
        // RFC 7854 §4.1: version, length, type.
        while told.iter().filter(|kind| **kind == 3).count() < 2 {
            let mut header = [0; 6];
            stream.read_exact(&mut header).await.unwrap();
            let [version, a, b, c, d, kind] = header;
            assert_eq!(version, 3);
            let rest = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap() - header.len();
            stream.read_exact(&mut vec![0; rest]).await.unwrap();
            told.push(kind);
            if kind == 3 && after.is_none() {
                let mut raw = Raw::connect("127.0.61.3:0", at).await;
                raw.establish(65003, 3).await;
                after = Some(raw);
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("both peers are up");
    assert_eq!(told[0], 4, "Initiation comes first");
    let counters = handle.counters().await.unwrap();
    let [of_collector] = counters.collectors[..] else { panic!("{counters:?}") };
    assert_eq!(of_collector.address, collector.local_addr().unwrap());
    assert!(of_collector.connected && of_collector.octets_sent > 0, "{of_collector:?}");
    assert_eq!(counters.bfd, crate::net::bfd::Counters::default(), "nobody is watched");
}

#[test]
fn bfd_ends_a_session_whose_way_is_gone() {
    let lab = Lab::pair();
    lab.left.command("ip addr add 192.0.2.1/24 dev left0");
    lab.right.command("ip addr add 192.0.2.2/24 dev right0");
    let settings = |asn, id, other: &str, other_as| {
        let interval = Duration::from_millis(100);
        let mut to = peer(other_as, 1790);
        to.bfd = Some(Bfd {
            transmit_interval: interval,
            receive_interval: interval,
            multiplier: 3,
            multihop: false,
        });
        Config { peers: [(PeerKey::Address(other.parse().unwrap()), to)].into(), ..speaker(asn, id) }
    };
    let (left, right) = (settings(65001, 1, "192.0.2.2", 65002), settings(65002, 2, "192.0.2.1", 65001));
    let cut = lab.right.clone();
    let left = lab.left.run(async move || {
        let (handle, mut events) = began("192.0.2.1:1790", left);
        until(&mut events, |event| match event {
            Event::Notice(notice) => matches!(notice.kind, NoticeKind::Bfd(bfd::State::Up)).then_some(()),
            Event::BestPaths(_) | Event::Synchronised => None,
        })
        .await;
        while first_peer(&handle).await.state != State::Established {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let counters = handle.counters().await.unwrap().bfd;
        assert!(counters.received > 0 && counters.transmitted > 0 && counters.malformed == 0, "{counters:?}");
        // The other end loses its address, not its link: nobody but BFD can know, until the hold timer does.
        cut.command("ip addr flush dev right0");
        until(&mut events, |event| match event {
            Event::Notice(notice) => match notice.kind {
                NoticeKind::State { state, reason } => (state != State::Established).then_some(reason),
                NoticeKind::Malformed(_)
                | NoticeKind::Prefixes { .. }
                | NoticeKind::Stale { .. }
                | NoticeKind::Bfd(_) => None,
            },
            Event::BestPaths(_) | Event::Synchronised => None,
        })
        .await
    });
    drop(lab.right.run(async move || {
        let (_handle, _events) = began("192.0.2.2:1790", right);
        tokio::time::sleep(PATIENCE).await;
    }));
    let reason = left.join().unwrap();
    assert!(reason.contains("BFD"), "{reason}");
}
