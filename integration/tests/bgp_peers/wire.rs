//! BGP in octets, by hand: RFC 4271 §4 without any of our own code.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use crate::PATIENCE;

pub const OPEN: u8 = 1;
pub const UPDATE: u8 = 2;
pub const NOTIFICATION: u8 = 3;
pub const KEEPALIVE: u8 = 4;

/// A message: marker, length, type, body.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap().to_be_bytes();
    [&[0xff; 16][..], &length, &[kind], body].concat()
}

/// An OPEN; the default is one that a node that expects [`Open::asn`] takes.
#[derive(Clone)]
pub struct Open {
    pub version: u8,
    pub asn: u32,
    pub hold_time_secs: u16,
    pub router_id: Ipv4Addr,
    /// Say the graceful restart capability, with this restart time.
    pub restart_secs: Option<u8>,
}

impl Default for Open {
    fn default() -> Self {
        // Without hold time nobody needs keepalives.
        let router_id = Ipv4Addr::new(192, 0, 2, 11);
        Self { version: 4, asn: 65_201, hold_time_secs: 0, router_id, restart_secs: None }
    }
}

impl Open {
    pub fn encode(&self) -> Vec<u8> {
        // IPv4 unicast; four-octet AS.
        let mut capabilities = vec![1, 4, 0, 1, 0, 1, 65, 4];
        capabilities.extend(self.asn.to_be_bytes());
        if let Some(seconds) = self.restart_secs {
            capabilities.extend([64, 6, 0, seconds, 0, 1, 1, 0x80]);
        }
        let length = u8::try_from(capabilities.len()).unwrap();
        let asn = u16::try_from(self.asn).unwrap_or(23_456);
        let mut body = vec![self.version];
        body.extend(asn.to_be_bytes());
        body.extend(self.hold_time_secs.to_be_bytes());
        body.extend(self.router_id.octets());
        body.extend([length + 2, 2, length]);
        body.extend(capabilities);
        message(OPEN, &body)
    }
}

/// ORIGIN IGP.
pub const ORIGIN: [u8; 4] = [0x40, 1, 1, 0];

/// AS_PATH of one sequence.
pub fn as_path(path: &[u32]) -> Vec<u8> {
    let count = u8::try_from(path.len()).unwrap();
    let mut octets = vec![0x40, 2, count * 4 + 2, 2, count];
    octets.extend(path.iter().flat_map(|asn| asn.to_be_bytes()));
    octets
}

/// NEXT_HOP.
pub fn next_hop(address: Ipv4Addr) -> Vec<u8> {
    [&[0x40, 3, 4][..], &address.octets()].concat()
}

/// An UPDATE that announces a /24.
pub fn announce(attributes: &[Vec<u8>], prefix: Ipv4Addr) -> Vec<u8> {
    let attributes = attributes.concat();
    let mut body = vec![0, 0];
    body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
    body.extend(attributes);
    body.push(24);
    body.extend(&prefix.octets()[..3]);
    message(UPDATE, &body)
}

/// One end of a connection.
pub struct Wire(pub TcpStream);

impl Wire {
    pub fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub fn send(&mut self, octets: &[u8]) {
        self.0.write_all(octets).unwrap();
    }

    /// The next message, whole; none when the other end has closed.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut octets = vec![0; 19];
        match self.0.read_exact(&mut octets) {
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                return None;
            }
            other => other.unwrap(),
        }
        let length = usize::from(u16::from_be_bytes([octets[16], octets[17]]));
        octets.resize(length, 0);
        self.0.read_exact(&mut octets[19..]).unwrap();
        Some(octets)
    }

    /// The next message of this type, skipping others.
    pub fn receive_only(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let message = self.receive().unwrap_or_else(|| panic!("closed before a message of type {kind}"));
            if message[18] == kind {
                return message;
            }
            assert!(message[18] != NOTIFICATION, "{message:02x?}");
        }
    }

    /// Everything until the other end closes: the last message, which is its reason.
    pub fn last_words(&mut self) -> Vec<u8> {
        self.receive_to_end().pop().unwrap_or_default()
    }

    /// Every message until the other end closes.
    pub fn receive_to_end(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.receive()).collect()
    }

    /// Exchanges OPENs and KEEPALIVEs.
    pub fn establish(&mut self, open: &Open) {
        self.send(&open.encode());
        self.receive_only(OPEN);
        self.receive_only(KEEPALIVE);
        self.send(&message(KEEPALIVE, &[]));
    }

    /// Waits for the other end to have nothing more to say for a while: true if it is still there.
    pub fn is_open(&mut self) -> bool {
        self.0.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut octet = [0; 4_096];
        let open = loop {
            match self.0.read(&mut octet) {
                Ok(0) => break false,
                Ok(_) => {}
                Err(error) => break matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
            }
        };
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        open
    }
}
