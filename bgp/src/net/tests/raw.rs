//! A peer made of octets, at an address of its own.

use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::PATIENCE;
use crate::wire::framer::MAX_OCTETS;
use crate::wire::{Capability, Codec, Family, Message, Open, framer};

pub(super) struct Raw {
    pub(super) stream: TcpStream,
    buffer: BytesMut,
}

impl Raw {
    pub(super) async fn connect(from: &str, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(from.parse().unwrap()).unwrap();
        Self { stream: socket.connect(to).await.unwrap(), buffer: BytesMut::new() }
    }

    /// Its socket holds next to nothing that it has not read.
    pub(super) async fn connect_with_small_buffer(from: &str, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind(from.parse().unwrap()).unwrap();
        Self { stream: socket.connect(to).await.unwrap(), buffer: BytesMut::new() }
    }

    pub(super) async fn send(&mut self, message: &Message) {
        let mut out = BytesMut::new();
        message.encode(&Codec::default(), &mut out).unwrap();
        self.send_octets(&out).await;
    }

    pub(super) async fn send_octets(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
    }

    /// The next message; none at the end of the stream.
    pub(super) async fn receive(&mut self) -> Option<Message> {
        let next = async {
            loop {
                if let Some(frame) = framer::decode(&mut self.buffer, MAX_OCTETS).unwrap() {
                    return Message::decode(frame.kind, &frame.body, &Codec::default()).unwrap();
                }
                if self.stream.read_buf(&mut self.buffer).await.unwrap() == 0 {
                    return None;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("in time")
    }

    /// Code and subcode of the NOTIFICATION before the end of the stream, if there is one.
    pub(super) async fn notified(&mut self) -> Option<(u8, u8)> {
        let mut last = None;
        while let Some(message) = self.receive().await {
            if let Message::Notification(notification) = message {
                last = Some((notification.code, notification.subcode));
            }
        }
        last
    }

    pub(super) async fn establish(&mut self, asn: u32, id: u8) {
        let capabilities = vec![Capability::MultiProtocol(Family::Ipv4Unicast), Capability::FourOctetAs(asn)];
        let open = Open { asn, hold_time_secs: 90, router_id: [10, 0, 0, id].into(), capabilities };
        self.send(&Message::Open(open)).await;
        self.send(&Message::Keepalive).await;
        assert!(matches!(self.receive().await, Some(Message::Open(_))));
        assert_eq!(self.receive().await, Some(Message::Keepalive));
    }
}
