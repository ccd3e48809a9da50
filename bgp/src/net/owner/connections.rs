//! The owner's connections: how they come, what is written to them, how they go.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::net::TcpStream;

use super::{Owner, Report};
use crate::config::PeerKey;
use crate::net::connection::{Connection, Steering};
use crate::net::hops::HopLimits;
use crate::net::link::Link;
use crate::net::neighbours::Neighbour;
use crate::net::signature::Signature;
use crate::net::{dial, neighbours};
use crate::speaker::{ConnId, Endpoint, Input, LocalAddresses};

/// Octets that one connection is given before the next one has its turn.
const SHARE_OCTETS: usize = 128 * 1024;

impl Owner {
    pub(super) fn dial(&mut self, conn: ConnId, peer: &PeerKey, far: Endpoint, now: Instant) {
        let Some(settings) = self.config.peers.get(peer) else {
            let why = "the peer is not configured".to_owned();
            return self.speaker.handle(Input::ConnectFailed(conn, why), now);
        };
        let target = dial::Target::new(far, settings, &self.config);
        let reports = self.reports.clone();
        let dial = self.tasks.spawn(async move {
            let result = target.connect().await;
            // Without an owner nobody wants the connection.
            let _ = reports.send(Report::Connected(conn, result)).await;
        });
        self.dials.insert(conn, dial);
    }

    pub(super) fn connected(&mut self, conn: ConnId, result: io::Result<TcpStream>, now: Instant) {
        if self.dials.remove(&conn).is_none() {
            // Given up meanwhile.
            return;
        }
        let opened = result.and_then(|stream| {
            let remote = stream.peer_addr()?;
            self.open(conn, stream, remote, now)
        });
        match opened {
            Ok(local) => self.speaker.handle(Input::Connected(conn, local), now),
            Err(error) => self.speaker.handle(Input::ConnectFailed(conn, error.to_string()), now),
        }
    }

    pub(super) fn accept(&mut self, stream: TcpStream, from: SocketAddr, now: Instant) {
        let far = neighbours::endpoint(from);
        let Some(neighbour) = neighbours::find(&self.config, &far) else {
            return self.strangers.turned_away(far.address, now);
        };
        let conn = ConnId(self.next_accepted);
        let admitted = self.admit(&stream, &neighbour, far.address);
        match admitted.and_then(|()| self.open(conn, stream, from, now)) {
            Ok(local) => {
                self.next_accepted += 1;
                self.speaker.handle(Input::Accepted(conn, far, local), now);
            }
            // It is gone before it began.
            Err(error) => tracing::info!(peer = %far.address, %error, "closed a BGP connection"),
        }
    }

    /// Makes an accepted connection what its peer's settings want, or refuses it.
    fn admit(&self, stream: &TcpStream, neighbour: &Neighbour<'_>, peer: std::net::IpAddr) -> io::Result<()> {
        HopLimits::of(neighbour.settings, self.config.local_as).admit(stream.as_fd(), peer)?;
        let Some(signature) = Signature::of(neighbour.settings) else { return Ok(()) };
        if let Some(why) = self.keys.refused(neighbour.network) {
            return Err(io::Error::other(why.to_owned()));
        }
        signature.sign_accepted(stream.as_fd(), peer)
    }

    /// Starts the task of a connection.
    fn open(
        &mut self,
        conn: ConnId,
        stream: TcpStream,
        remote: SocketAddr,
        now: Instant,
    ) -> io::Result<LocalAddresses> {
        let local = self.addresses.select(stream.local_addr()?, remote, now)?;
        let (stream, steering) = (Arc::new(stream), Arc::new(Steering::default()));
        let connection = Connection {
            conn,
            stream: Arc::clone(&stream),
            steering: Arc::clone(&steering),
            credit: Arc::clone(&self.credit),
            reports: self.reports.clone(),
        };
        self.tasks.spawn(connection.serve());
        self.links.insert(conn, Link::new(stream, steering));
        Ok(local)
    }

    /// The speaker is to be asked what there is for this connection, as soon as its socket has taken all before.
    pub(super) fn enqueue(&mut self, conn: ConnId) {
        if let Some(link) = self.links.get_mut(&conn)
            && link.is_free()
            && !std::mem::replace(&mut link.queued, true)
        {
            self.ready.push_back(conn);
        }
    }

    /// The socket takes octets again.
    pub(super) fn write_on(&mut self, conn: ConnId) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.write_rest();
            self.enqueue(conn);
        }
    }

    /// Writes to the connections that are ready, in turn, until that is as much as it should be.
    pub(super) fn transmit(&mut self, octets: usize, now: Instant) {
        let mut left = octets;
        while left > 0
            && let Some(conn) = self.ready.pop_front()
        {
            left = left.saturating_sub(self.transmit_to(conn, now));
        }
    }

    /// Writes a share to one connection, and returns how much that was.
    fn transmit_to(&mut self, conn: ConnId, now: Instant) -> usize {
        let Some(link) = self.links.get_mut(&conn) else { return 0 };
        link.queued = false;
        let mut octets = 0;
        while link.is_free() {
            if octets >= SHARE_OCTETS {
                self.enqueue(conn);
                break;
            }
            let Some(piece) = self.speaker.poll_transmit(conn, now) else { break };
            octets += piece.len();
            link.write(piece);
        }
        octets
    }

    pub(super) fn disconnect(&mut self, conn: ConnId, now: Instant) {
        if let Some(dial) = self.dials.remove(&conn) {
            dial.abort();
        }
        if let Some(link) = self.links.remove(&conn) {
            link.close(std::iter::from_fn(|| -> Option<Bytes> { self.speaker.poll_transmit(conn, now) }));
        }
    }
}
