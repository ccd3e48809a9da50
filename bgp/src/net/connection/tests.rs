//! A connection's task between a real socket and an owner played by the test.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::{Connection, Control, WINDOW};
use crate::net::owner::Report;
use crate::speaker::ConnId;
use crate::wire::{Codec, DecodeError, Message, Notification, UnknownAttribute, Update, framer};

struct Owner {
    messages: mpsc::Sender<Message>,
    control: watch::Sender<Control>,
    reports: mpsc::Receiver<Report>,
}

impl Owner {
    async fn received(&mut self) -> Vec<Result<Message, DecodeError>> {
        let report = self.reports.recv().await;
        let Some(Report::Received(CONN, messages)) = report else { panic!("{report:?}") };
        messages
    }
}

const CONN: ConnId = ConnId(7);

async fn connected() -> (Owner, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, from) = listener.accept().await.unwrap();
    let (messages, message_receiver) = mpsc::channel(WINDOW);
    let (control, control_receiver) = watch::channel(Control::default());
    let (reports, report_receiver) = mpsc::channel(4);
    let connection = Connection {
        conn: CONN,
        peer: from.ip(),
        messages: message_receiver,
        control: control_receiver,
        reports,
    };
    tokio::spawn(connection.serve(stream));
    (Owner { messages, control, reports: report_receiver }, peer)
}

/// All that comes until the end of the stream.
async fn read_all(mut peer: TcpStream) -> Vec<Message> {
    let mut octets = Vec::new();
    peer.read_to_end(&mut octets).await.unwrap();
    let mut buffer = BytesMut::from(octets.as_slice());
    let mut messages = Vec::new();
    while let Some(frame) = framer::decode(&mut buffer, framer::MAX_OCTETS).unwrap() {
        messages.extend(Message::decode(frame.kind, &frame.body, &Codec::default()).unwrap());
    }
    assert!(buffer.is_empty(), "whole messages");
    messages
}

fn octets(message: &Message) -> BytesMut {
    let mut out = BytesMut::new();
    message.encode(&Codec::default(), &mut out).unwrap();
    out
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
    owner.messages.send(Message::Keepalive).await.unwrap();
    assert!(matches!(owner.reports.recv().await, Some(Report::Written(CONN, 1))));
    let mut back = [0; 19];
    peer.read_exact(&mut back).await.unwrap();
    assert_eq!(back, keepalive[..]);
    drop(peer);
    assert!(matches!(owner.reports.recv().await, Some(Report::Closed(CONN, _))));
}

#[tokio::test]
async fn the_last_words_arrive_though_octets_were_left_unread() {
    let (mut owner, mut peer) = connected().await;
    peer.write_all(&[0; 100_000]).await.unwrap();
    let notification = owner.received().await.pop().unwrap().unwrap_err().notification;
    assert_eq!((notification.code, notification.subcode), (1, 1));
    owner.messages.send(Message::Keepalive).await.unwrap();
    let last_words = vec![Message::Notification(notification)];
    owner.control.send_modify(|control| control.last_words = Some(last_words.clone()));
    let messages = read_all(peer).await;
    assert_eq!(messages[0], Message::Keepalive, "what was on its way comes first");
    assert_eq!(messages[1..], last_words);
}

#[tokio::test]
async fn closes_without_words() {
    let (owner, peer) = connected().await;
    owner.control.send_modify(|control| control.last_words = Some(Vec::new()));
    assert_eq!(read_all(peer).await, []);
    let (owner, peer) = connected().await;
    drop(owner);
    assert_eq!(read_all(peer).await, [], "an owner that disappears closes, too");
}

#[tokio::test]
async fn reads_and_writes_with_the_codec_it_is_given() {
    let (mut owner, mut peer) = connected().await;
    owner.control.send_modify(|control| control.codec = Codec { four_octet_as: false, external: true });
    let old = Codec { four_octet_as: false, external: true };
    let update = Update {
        reach: vec![crate::wire::Reach {
            family: crate::wire::Family::Ipv4Unicast,
            next_hop: "192.0.2.1".parse().unwrap(),
            prefixes: vec!["10.0.0.0/8".parse().unwrap()],
        }],
        attributes: crate::wire::Attributes {
            as_path: crate::wire::AsPath::sequence([4_200_000_000]),
            ..Default::default()
        },
        ..Update::default()
    };
    let message = Message::Update(update);
    let mut wire = BytesMut::new();
    message.encode(&old, &mut wire).unwrap();
    assert_ne!(wire, octets(&message));
    peer.write_all(&wire).await.unwrap();
    assert_eq!(owner.received().await, [Ok(message.clone())]);
    owner.messages.send(message).await.unwrap();
    let mut back = vec![0; wire.len()];
    peer.read_exact(&mut back).await.unwrap();
    assert_eq!(back, wire);
}

/// An UPDATE that takes a whole message.
fn large() -> Message {
    let value = vec![0; 3000].into();
    Message::Update(Update {
        reach: vec![crate::wire::Reach {
            family: crate::wire::Family::Ipv4Unicast,
            next_hop: "192.0.2.1".parse().unwrap(),
            prefixes: vec!["10.0.0.0/8".parse().unwrap()],
        }],
        attributes: crate::wire::Attributes {
            unknown_transitive: vec![UnknownAttribute { flags: 0xf0, code: 200, value }],
            ..Default::default()
        },
        ..Update::default()
    })
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_still_heard_and_can_be_closed() {
    let (mut owner, mut peer) = connected().await;
    // As the owner does: no more than a window beyond what was written, until the socket is full.
    let mut in_flight = 0;
    loop {
        while in_flight < WINDOW {
            owner.messages.try_send(large()).unwrap();
            in_flight += 1;
        }
        let report = tokio::time::timeout(std::time::Duration::from_millis(300), owner.reports.recv()).await;
        match report {
            Ok(Some(Report::Written(CONN, count))) => in_flight -= count,
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
    }
    peer.write_all(&octets(&Message::Keepalive)).await.unwrap();
    assert!(matches!(owner.reports.recv().await, Some(Report::Received(CONN, _))));
    let last_words = vec![Message::Notification(Notification::cease(2))];
    owner.control.send_modify(|control| control.last_words = Some(last_words));
    let Some(Report::Closed(CONN, why)) = owner.reports.recv().await else { panic!("it is still open") };
    assert_eq!(why, "the peer did not close in time");
}
