//! The tokio shell: sockets and the clock around a [`Speaker`](crate::speaker::Speaker).
//!
//! ```text
//!              Handle ── Command ──►┐                        ┌──► Event ──► whoever called start()
//!                                   │                        ├──► Happening ──► whoever subscribed
//! listener ─── Report::Accepted ───►│  owner: the speaker,   │
//! dial ─────── Report::Connected ──►│  the write half of     ├──► octets ──► sockets
//! connection ─ Report::Received ───►│  every socket, its     ├──► codec, last words ──► connection (one task each:
//! discovery ── unnumbered peers ───►│  deadline              │        read, frame, decode)
//! bfd ──────── reports ────────────►┘                        └──► dial, keys, bfd, bmp
//! ```
//!
//! One task, the owner, holds the speaker and never waits for a peer or for the reader of events:
//!
//! - It writes to the sockets itself: what goes to many peers goes from one buffer, without a task to wake for each.
//!   Of what a socket does not take it keeps one piece, and asks the speaker for more when that is gone; a slow peer so
//!   gets the newest state late, and costs no memory meanwhile.
//! - Reading is paced: a connection waits until the owner has room for what it read, and TCP tells the peer.
//! - Best paths for a slow reader of events merge: what it gets next is the newest.
//!
//! Framing and decoding run in the connections' tasks. Deliberately absent: any decision of the protocol. TCP MD5
//! (RFC 2385), TCP-AO (RFC 5925), GTSM (RFC 5082) and router advertisements are here, since they are matters of sockets.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::config::{Config, Listen, Origination, PeerKey};
use crate::rib::Hops;
use crate::speaker::{Notice, Reset, RouteQuery, RouteView, View, Why};

pub mod bfd;
pub mod bmp;

mod address;
mod ao;
mod connection;
mod dial;
mod discovery;
mod hops;
mod link;
mod listener;
mod md5;
mod neighbours;
mod outbox;
mod owner;
mod signature;
mod socket_option;

#[cfg(test)]
mod tests;

/// Events that may wait for their reader before best paths start to merge.
const EVENTS: usize = 64;
/// Commands that may wait for the owner before their senders do.
const COMMANDS: usize = 64;
/// Happenings that a subscriber may be behind.
const HAPPENINGS: usize = 1024;

/// What the owner of routes wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Best paths that changed since the last such event; `None` where no path is left. The next hops are the
    /// multipath set.
    BestPaths(BTreeMap<IpNetwork, Option<Hops>>),
    /// The initial synchronisation is over: the best paths so far are all that there are (RFC 4724 §4.1). Once.
    Synchronised,
    /// Something about a peer, for logs and people.
    Notice(Notice),
}

/// How the speaker goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shutdown {
    /// Close connections without a word, so that peers with graceful restart keep our routes (RFC 4724 §4.2).
    KeepRoutes,
    /// Tell every peer: NOTIFICATION Cease / Administrative Shutdown (RFC 9003, with these words), as a Hard Reset where
    /// RFC 8538 is spoken, on which they drop our routes.
    Cease(String),
}

/// The speaker has been shut down, and answers no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the BGP speaker has been shut down")]
pub struct Stopped;

/// What a [`Handle`] asks of the owner.
#[derive(Debug)]
enum Command {
    Configure(Box<Config>),
    Originate(BTreeMap<IpNetwork, Origination>),
    LinkDown(PeerKey),
    Reset(PeerKey, Reset),
    Monitor(Vec<SocketAddr>),
    View(oneshot::Sender<View>),
    Counters(oneshot::Sender<Counters>),
    Routes(RouteQuery, oneshot::Sender<Vec<RouteView>>),
    Why(IpNetwork, oneshot::Sender<Why>),
    Shutdown(Shutdown, oneshot::Sender<()>),
}

/// What the shell beside the speaker has done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// BFD's datagrams.
    pub bfd: bfd::Counters,
    /// Each BMP collector.
    pub collectors: Vec<bmp::Counters>,
}

/// A notice and when it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    /// Wall-clock time.
    pub at: std::time::SystemTime,
    /// What happened.
    pub what: Happening,
}

/// What the live stream tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// About a peer.
    Peer(Notice),
    /// The next hops of a prefix are others now; none where no path is left.
    Route(IpNetwork, Option<Hops>),
    /// The initial synchronisation is over.
    Synchronised,
}

/// Controls a running speaker. It stops, as by [`Shutdown::KeepRoutes`], when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    notices: broadcast::Sender<Stamped>,
    listening: Vec<SocketAddr>,
}

/// Starts a speaker on the current tokio runtime: it listens, dials its peers and reports what comes of it. What it
/// originates is known before the first session, so that no peer takes an empty table for a complete one.
///
/// # Errors
/// An address cannot be listened on; the error names it, and nothing has been started.
///
/// # Panics
/// Outside a tokio runtime with IO and time enabled, as every use of tokio.
#[expect(clippy::needless_pass_by_value, reason = "a setting is handed over, not lent")]
pub fn start(
    listen: Listen,
    config: Config,
    originated: BTreeMap<IpNetwork, Origination>,
) -> io::Result<(Handle, mpsc::Receiver<Event>)> {
    let listeners = listen.addresses.iter().map(|address| Ok(Arc::new(listener::bind(*address)?)));
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    let listening = listeners.iter().map(|it| it.local_addr()).collect::<io::Result<_>>()?;
    let (commands, command_receiver) = mpsc::channel(COMMANDS);
    let (event_sender, events) = mpsc::channel(EVENTS);
    let (notices, _) = broadcast::channel(HAPPENINGS);
    let channels =
        owner::Channels { commands: command_receiver, events: event_sender, happenings: notices.clone() };
    owner::start(listeners, config, originated, channels);
    Ok((Handle { commands, notices, listening }, events))
}

impl Handle {
    /// The addresses that are listened on, ports chosen by the kernel filled in.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Replaces the whole configuration; only sessions whose own settings changed are reset.
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn configure(&self, config: Config) -> Result<(), Stopped> {
        self.command(Command::Configure(Box::new(config))).await
    }

    /// Replaces the set of prefixes that this speaker originates.
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn originate(&self, prefixes: BTreeMap<IpNetwork, Origination>) -> Result<(), Stopped> {
        self.command(Command::Originate(prefixes)).await
    }

    /// The interface towards this peer lost its carrier or went away.
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn link_down(&self, peer: PeerKey) -> Result<(), Stopped> {
        self.command(Command::LinkDown(peer)).await
    }

    /// Resets a peer, softly or not.
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn reset(&self, peer: PeerKey, reset: Reset) -> Result<(), Stopped> {
        self.command(Command::Reset(peer, reset)).await
    }

    /// The BMP collectors to tell what peers say; takes the place of those before. Needs
    /// [`Config::monitoring`].
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn monitor(&self, collectors: Vec<SocketAddr>) -> Result<(), Stopped> {
        self.command(Command::Monitor(collectors)).await
    }

    /// What happens from now on. A slow reader misses the oldest and is told how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Stamped> {
        self.notices.subscribe()
    }

    /// The speaker and its peers, now.
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn view(&self) -> Result<View, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.command(Command::View(answer)).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// What watching peers and telling collectors has come to, so far.
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn counters(&self) -> Result<Counters, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Counters(answer)).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// Routes, now.
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn routes(&self, query: RouteQuery) -> Result<Vec<RouteView>, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Routes(query, answer)).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// Why a prefix is routed as it is, now.
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn why(&self, prefix: IpNetwork) -> Result<Why, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Why(prefix, answer)).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// Ends all sessions and the speaker; returns when every connection is closed, which takes two seconds at most
    /// if a peer does not answer. A second call has nothing left to do.
    pub async fn shutdown(&self, how: Shutdown) {
        let (done, is_done) = oneshot::channel();
        if self.command(Command::Shutdown(how, done)).await.is_ok() {
            // An error says that another handle's shutdown came first; it is over then, too.
            let _ = is_done.await;
        }
    }

    async fn command(&self, command: Command) -> Result<(), Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)
    }
}
