//! A connection's task and the owner's link between a real socket and an owner played by the test.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use super::{CREDIT, Connection, Steering};
use crate::net::link::Link;
use crate::net::owner::Report;
use crate::speaker::ConnId;
use crate::wire::{Codec, DecodeError, Message, Notification, Open, Update};

const CONN: ConnId = ConnId(7);

struct Owner {
    link: Link,
    steering: Arc<Steering>,
    reports: mpsc::Receiver<Report>,
    credit: Arc<Semaphore>,
}

impl Owner {
    async fn received(&mut self) -> Vec<Result<Message, DecodeError>> {
        let report = self.reports.recv().await;
        let Some(Report::Received(CONN, messages, _)) = report else { panic!("{report:?}") };
        messages
    }
}

async fn connected() -> (Owner, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    stream.writable().await.unwrap();
    let (stream, steering) = (Arc::new(stream), Arc::new(Steering::default()));
    let credit = Arc::new(Semaphore::new(CREDIT));
    let (reports, report_receiver) = mpsc::channel(4);
    let connection = Connection {
        conn: CONN,
        stream: Arc::clone(&stream),
        steering: Arc::clone(&steering),
        credit: Arc::clone(&credit),
        reports,
    };
    tokio::spawn(connection.serve());
    let link = Link::new(stream, Arc::clone(&steering));
    (Owner { link, steering, reports: report_receiver, credit }, peer)
}

fn octets(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&Codec::default(), &mut out).unwrap();
    out.freeze()
}

fn open() -> Message {
    let router_id = [10, 0, 0, 1].into();
    Message::Open(Open { asn: 65001, hold_time_secs: 90, router_id, capabilities: vec![] })
}

/// Everything until the end of the stream.
async fn read_all(mut peer: TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    peer.read_to_end(&mut octets).await.unwrap();
    octets
}

#[tokio::test]
async fn carries_messages_both_ways() {
    let (mut owner, mut peer) = connected().await;
    let keepalive = octets(&Message::Keepalive);
    let (head, tail) = keepalive.split_at(7);
    peer.write_all(head).await.unwrap();
    peer.write_all(tail).await.unwrap();
    peer.write_all(&[&keepalive[..], &keepalive[..3]].concat()).await.unwrap();
    let mut received = 0;
    while received < 2 {
        let messages = owner.received().await;
        assert!(messages.iter().all(|message| *message == Ok(Message::Keepalive)));
        received += messages.len();
    }
    owner.link.write(keepalive.clone());
    assert!(owner.link.is_free());
    let mut back = [0; 19];
    peer.read_exact(&mut back).await.unwrap();
    assert_eq!(back, keepalive[..]);
    drop(peer);
    assert!(matches!(owner.reports.recv().await, Some(Report::Closed(CONN, _))));
}

#[tokio::test]
async fn the_last_words_arrive_though_octets_were_left_unread() {
    let (mut owner, mut peer) = connected().await;
    peer.write_all(&[0; 300_000]).await.unwrap();
    let notification = owner.received().await.pop().unwrap().unwrap_err().notification;
    assert_eq!((notification.code, notification.subcode), (1, 1));
    let last_words = octets(&Message::Notification(notification));
    owner.link.close([octets(&Message::Keepalive), last_words.clone()].into_iter());
    let expected = [&octets(&Message::Keepalive)[..], &last_words[..]].concat();
    assert_eq!(read_all(peer).await, expected);
}

#[tokio::test]
async fn closes_without_words() {
    let (owner, peer) = connected().await;
    owner.link.close(std::iter::empty());
    assert!(read_all(peer).await.is_empty());
}

#[tokio::test]
async fn what_needs_the_codec_waits_for_it() {
    let (mut owner, mut peer) = connected().await;
    // A peer that does not wait for our KEEPALIVE; its UPDATE has 2-octet AS numbers, and nothing says so yet.
    let codec = Codec { four_octet_as: false, ..Codec::default() };
    let update = Message::Update(Update {
        reach: vec![crate::wire::Reach {
            family: crate::wire::Family::Ipv4Unicast,
            next_hop: "192.0.2.1".parse().unwrap(),
            prefixes: vec![crate::wire::Nlri { prefix: "10.0.0.0/8".parse().unwrap(), path_id: 0 }],
        }],
        attributes: crate::wire::Attributes { as_path: "65001 65002".parse().unwrap(), ..Default::default() },
        ..Update::default()
    });
    let mut wire = BytesMut::from(&octets(&open())[..]);
    wire.extend_from_slice(&octets(&Message::Keepalive));
    update.encode(&codec, &mut wire).unwrap();
    wire.extend_from_slice(&octets(&Message::Keepalive));
    peer.write_all(&wire).await.unwrap();
    let mut early = Vec::new();
    while early.len() < 2 {
        early.extend(owner.received().await);
    }
    assert_eq!(early, [Ok(open()), Ok(Message::Keepalive)]);
    owner.steering.set_codec(codec);
    assert_eq!(owner.received().await, [Ok(update), Ok(Message::Keepalive)]);
    peer.write_all(&octets(&Message::Keepalive)).await.unwrap();
    assert_eq!(owner.received().await, [Ok(Message::Keepalive)], "it reads on");
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_still_heard_and_reported_when_it_reads_again() {
    let (mut owner, mut peer) = connected().await;
    let piece = Bytes::from(vec![7; 64 * 1024]);
    let mut written = 0;
    while owner.link.is_free() {
        owner.link.write(piece.clone());
        written += piece.len();
    }
    peer.write_all(&octets(&Message::Keepalive)).await.unwrap();
    assert_eq!(owner.received().await, [Ok(Message::Keepalive)]);
    let mut read = vec![0; written];
    let reading = tokio::spawn(async move {
        peer.read_exact(&mut read).await.unwrap();
        peer
    });
    while !owner.link.is_free() {
        let report = owner.reports.recv().await;
        assert!(matches!(report, Some(Report::Writable(CONN))), "{report:?}");
        owner.link.write_rest();
    }
    drop(reading.await.unwrap());
    assert!(matches!(owner.reports.recv().await, Some(Report::Closed(CONN, _))));
}

#[tokio::test]
async fn a_peer_that_reads_nothing_is_closed_in_the_end() {
    let (mut owner, _peer) = connected().await;
    let piece = Bytes::from(vec![7; 64 * 1024]);
    while owner.link.is_free() {
        owner.link.write(piece.clone());
    }
    owner.link.close([octets(&Message::Notification(Notification::cease(2)))].into_iter());
    let end = tokio::time::timeout(Duration::from_secs(20), owner.reports.recv()).await;
    assert!(end.expect("in time").is_none(), "the task has ended");
}

#[tokio::test]
async fn without_credit_nobody_reads() {
    let (mut owner, mut peer) = connected().await;
    let all = Arc::clone(&owner.credit).acquire_many_owned(u32::try_from(CREDIT).unwrap()).await.unwrap();
    let keepalives = octets(&Message::Keepalive).repeat(100_000);
    let writing = tokio::spawn(async move {
        peer.write_all(&keepalives).await.unwrap();
        peer
    });
    let report = tokio::time::timeout(Duration::from_millis(200), owner.reports.recv()).await;
    assert!(report.is_err(), "{report:?}");
    drop(all);
    let mut received = 0;
    while received < 100_000 {
        received += owner.received().await.len();
    }
    drop(writing.await.unwrap());
}
