//! The load: many small BGP peers on one thread.
//!
//! It shares the machine with what it measures, so it does as little as can be: everything that is sent was encoded
//! before the clock starts, everything that comes is read into one buffer and only counted, by one loop over `epoll`.
//! Nothing is allocated for a message.
//!
//! What arrived is proven, not assumed: every connection has a [`Ledger`](ledger::Ledger) of exactly which prefixes it
//! holds, and a wait is over when it holds what it should.
//!
//! Deliberately absent: keepalives. Both sides propose an hour's hold time, longer than any run.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

pub mod connection;
pub mod ledger;

use connection::{Connection, News};
use ledger::{Catalogue, Ledger};

/// What is read at once. Larger than what a socket usually has.
const SCRATCH: usize = 512 * 1024;
/// Events taken from the kernel at once.
const EVENTS: usize = 256;
/// Between attempts to connect, where the device refuses or hangs up; and so much more for each peer, since peers do
/// not dial in step (RFC 4271 §10).
const REDIAL: Duration = Duration::from_millis(100);
const REDIAL_SPREAD: Duration = Duration::from_millis(2);

/// One of the load's peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Its address, and BGP identifier.
    pub address: Ipv4Addr,
    /// Its AS.
    pub asn: u32,
}

/// How sessions came up.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// From the first attempt to connect to the last session that is Established.
    pub took: Duration,
    /// Attempts that the device ended before that.
    pub redials: usize,
    /// How many were not up when patience ended.
    pub missing: usize,
}

/// All peers of one device.
#[derive(Debug)]
pub struct Load {
    epoll: Epoll,
    device: SocketAddrV4,
    connections: Vec<Connection>,
    scratch: Vec<u8>,
    redials: Vec<(Instant, usize)>,
    redialled: usize,
    established: usize,
    unfinished: usize,
    last_octet: Instant,
}

impl Load {
    /// Peers that will dial the device; nothing is sent yet.
    pub fn new(device: SocketAddrV4, peers: &[Identity], catalogue: &Arc<Catalogue>) -> Result<Self> {
        let connections = peers.iter().map(|peer| Connection::new(*peer, Ledger::new(catalogue))).collect();
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            device,
            connections,
            scratch: vec![0; SCRATCH],
            redials: Vec::new(),
            redialled: 0,
            established: 0,
            unfinished: 0,
            last_octet: Instant::now(),
        })
    }

    /// Brings the sessions of these peers up, so many dialling at a time.
    pub fn establish(&mut self, who: Range<usize>, at_a_time: usize, patience: Duration) -> Result<Arrival> {
        let count = who.len();
        let arrival = self.try_establish(who, at_a_time, patience)?;
        ensure!(
            arrival.missing == 0,
            "{} of {count} sessions are not up after {patience:?}",
            arrival.missing
        );
        Ok(arrival)
    }

    /// The same, and no error if some are not up in time.
    pub fn try_establish(
        &mut self,
        who: Range<usize>,
        at_a_time: usize,
        patience: Duration,
    ) -> Result<Arrival> {
        let start = Instant::now();
        let before = self.redialled;
        let goal = self.established + who.len();
        let mut next = who.start;
        while self.established < goal {
            let dialling = next - who.start - (self.established + who.len() - goal);
            for _ in dialling..at_a_time {
                if next < who.end {
                    self.dial(next)?;
                    next += 1;
                }
            }
            self.turn(Duration::from_millis(20))?;
            if start.elapsed() > patience {
                break;
            }
        }
        let redials = self.redialled - before;
        Ok(Arrival { took: start.elapsed(), redials, missing: goal - self.established })
    }

    fn dial(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        connection.dial(self.device)?;
        self.watch(index, true)
    }

    /// Registers a connection's (new) socket.
    fn watch(&self, index: usize, writable: bool) -> Result<()> {
        let connection = &self.connections[index];
        if let Some(socket) = connection.socket() {
            self.epoll.add(socket, EpollEvent::new(interest(connection, writable), index as u64))?;
        }
        Ok(())
    }

    fn rewatch(&self, index: usize) -> Result<()> {
        let connection = &self.connections[index];
        if let Some(socket) = connection.socket() {
            let wanted = interest(connection, connection.has_outgoing());
            self.epoll.modify(socket, &mut EpollEvent::new(wanted, index as u64))?;
        }
        Ok(())
    }

    /// Makes a peer read nothing more.
    pub fn deafen(&mut self, index: usize) -> Result<()> {
        self.connections[index].deafen()?;
        self.rewatch(index)
    }

    /// Starts to send messages that are ready; the rest goes as the device takes it.
    pub fn send(&mut self, index: usize, messages: &Arc<[u8]>) -> Result<()> {
        if self.connections[index].send(Arc::clone(messages))? {
            self.rewatch(index)?;
        }
        Ok(())
    }

    /// What a peer holds.
    pub fn ledger(&mut self, index: usize) -> &mut Ledger {
        &mut self.connections[index].ledger
    }

    /// A wait will be for this peer to hold so many prefixes.
    pub fn expect(&mut self, index: usize, prefixes: usize) {
        if self.connections[index].expect(prefixes) {
            self.unfinished += 1;
        }
    }

    /// Waits for all that is [expected](Self::expect); returns when the last of it came.
    pub fn wait(&mut self, patience: Duration) -> Result<Instant> {
        let start = Instant::now();
        while self.unfinished > 0 {
            self.turn(Duration::from_millis(50))?;
            if start.elapsed() > patience {
                let late = self.connections.iter().filter(|c| c.is_waiting()).map(Connection::progress);
                let shown: Vec<String> = late.take(5).collect();
                bail!("{} peers still wait after {patience:?}: {}", self.unfinished, shown.join("; "));
            }
        }
        let finished = self.connections.iter_mut().filter_map(Connection::take_finished).max();
        Ok(finished.unwrap_or(start))
    }

    /// Goes on until the device has said nothing for this long.
    pub fn settle(&mut self, quiet: Duration, patience: Duration) -> Result<()> {
        let start = Instant::now();
        self.last_octet = start;
        while self.last_octet.elapsed() < quiet {
            self.turn(Duration::from_millis(20))?;
            if start.elapsed() > patience {
                bail!("the device still talks after {patience:?}");
            }
        }
        Ok(())
    }

    /// Waits for events once, no longer than this, and serves them.
    fn turn(&mut self, timeout: Duration) -> Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let timeout = EpollTimeout::try_from(timeout).unwrap_or(EpollTimeout::ZERO);
        let count = match self.epoll.wait(&mut events, timeout) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &events[..count] {
            // The index that was registered.
            self.serve(event.data() as usize, event.events())?;
        }
        self.redial()
    }

    fn serve(&mut self, index: usize, events: EpollFlags) -> Result<()> {
        let connection = &mut self.connections[index];
        if events.contains(EpollFlags::EPOLLOUT) {
            match connection.write() {
                Ok(true) => self.rewatch(index)?,
                Ok(false) => {}
                Err(_) => return self.hung_up(index),
            }
        }
        let connection = &mut self.connections[index];
        let readable = EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        if events.intersects(readable) && connection.socket().is_some() {
            self.last_octet = Instant::now();
            match connection.read(&mut self.scratch) {
                Ok(News { established, finished }) => {
                    self.established += usize::from(established);
                    self.unfinished -= usize::from(finished);
                }
                Err(connection::Gone::HungUp) => return self.hung_up(index),
                Err(connection::Gone::Broken(why)) => bail!("{}: {why}", connection.identity().address),
            }
            if self.connections[index].has_outgoing() {
                self.rewatch(index)?;
            }
        }
        Ok(())
    }

    /// A session that was not up yet is tried again.
    fn hung_up(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        if connection.is_established() {
            bail!("the device ended the session with {}", connection.progress());
        }
        connection.close();
        self.redialled += 1;
        let spread = REDIAL_SPREAD * u32::try_from(index).unwrap_or(0);
        self.redials.push((Instant::now() + REDIAL + spread, index));
        Ok(())
    }

    fn redial(&mut self) -> Result<()> {
        let now = Instant::now();
        while let Some(at) = self.redials.iter().position(|(when, _)| *when <= now) {
            let (_, index) = self.redials.swap_remove(at);
            self.dial(index)?;
        }
        Ok(())
    }
}

fn interest(connection: &Connection, writable: bool) -> EpollFlags {
    let mut wanted = EpollFlags::empty();
    wanted.set(EpollFlags::EPOLLIN, !connection.is_deaf());
    wanted.set(EpollFlags::EPOLLOUT, writable);
    wanted
}
