//! The tokio shell: sockets and the clock around a [`Speaker`](crate::speaker::Speaker).
//!
//! ```text
//!             Handle ── Command ──►┐                        ┌──► Event ──► whoever called start()
//!                                  │  owner: the speaker,   │
//! listener ── Report::Accepted ───►│  its peers' sockets,   ├──► messages, control ──► connection
//! dial ────── Report::Connected ──►│  its deadline          │         (one task each: frame, decode │ encode, write)
//! connection ─ Report::Received ──►┘                        └──► dial
//! ```
//!
//! One task, the owner, holds the speaker and never waits for a peer or for the reader of events:
//!
//! - A connection may have 32 messages in flight and says when it has written some; only then is
//!   the speaker asked for more. A slow peer so gets the newest state late, and costs no memory meanwhile.
//! - Reading is paced the same way: a connection waits until the owner has room for what it read, and TCP tells the
//!   peer.
//! - Best paths for a slow reader of events merge: what it gets next is the newest.
//!
//! Framing, decoding and encoding run in the connections' tasks. Deliberately absent: any decision of the protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};

use ipnetwork::IpNetwork;
use tokio::sync::{mpsc, oneshot};

use crate::config::{Config, Listen};
use crate::speaker::{RouteQuery, RouteView, View};
use crate::wire::{Family, NextHop};

mod address;
mod connection;
mod dial;
mod listener;
mod outbox;
mod owner;
#[cfg(test)]
mod tests;

/// Events that may wait for their reader before best paths start to merge.
const EVENTS: usize = 64;
/// Commands that may wait for the owner before their senders do.
const COMMANDS: usize = 64;

/// What the owner of routes wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Best paths that changed since the last such event; `None` where no path is left. The next hops are the
    /// multipath set.
    BestPaths(BTreeMap<IpNetwork, Option<BTreeSet<NextHop>>>),
    /// The initial synchronisation is over: the best paths so far are all that there are (RFC 4724 §4.1). Once.
    Synchronised,
    /// A peer changed state.
    PeerChanged {
        /// Which.
        peer: IpAddr,
        /// RFC 4271 §8.2.2 name of the state it is in now.
        state: &'static str,
        /// Why, for people.
        reason: String,
    },
}

/// How the speaker goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Close connections without a word, so that peers with graceful restart keep our routes (RFC 4724 §4.2).
    KeepRoutes,
    /// Tell every peer: NOTIFICATION Cease / Administrative Shutdown (RFC 4486), on which they drop our routes.
    Cease,
}

/// The speaker has been shut down, and answers no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the BGP speaker has been shut down")]
pub struct Stopped;

/// What a [`Handle`] asks of the owner.
#[derive(Debug)]
enum Command {
    Configure(Box<Config>),
    Originate(BTreeSet<IpNetwork>),
    LinkDown(IpAddr),
    Reset(IpAddr),
    Refresh(IpAddr, Family),
    View(oneshot::Sender<View>),
    Routes(RouteQuery, oneshot::Sender<Vec<RouteView>>),
    Shutdown(Shutdown, oneshot::Sender<()>),
}

/// Controls a running speaker. It stops, as by [`Shutdown::KeepRoutes`], when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
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
    originated: BTreeSet<IpNetwork>,
) -> io::Result<(Handle, mpsc::Receiver<Event>)> {
    let listeners = listen.addresses.iter().map(|address| listener::bind(*address));
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    let listening = listeners.iter().map(tokio::net::TcpListener::local_addr).collect::<io::Result<_>>()?;
    let (commands, command_receiver) = mpsc::channel(COMMANDS);
    let (events, event_receiver) = mpsc::channel(EVENTS);
    tokio::spawn(owner::run(listeners, config, originated, command_receiver, events));
    Ok((Handle { commands, listening }, event_receiver))
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
    pub async fn originate(&self, prefixes: BTreeSet<IpNetwork>) -> Result<(), Stopped> {
        self.command(Command::Originate(prefixes)).await
    }

    /// The interface towards this peer lost its carrier or went away.
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn link_down(&self, peer: IpAddr) -> Result<(), Stopped> {
        self.command(Command::LinkDown(peer)).await
    }

    /// Drops the session with this peer and starts it anew (NOTIFICATION Cease / Administrative Reset).
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn reset(&self, peer: IpAddr) -> Result<(), Stopped> {
        self.command(Command::Reset(peer)).await
    }

    /// Asks this peer for all routes of a family again (RFC 2918).
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn refresh(&self, peer: IpAddr, family: Family) -> Result<(), Stopped> {
        self.command(Command::Refresh(peer, family)).await
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

    /// Routes, now.
    ///
    /// # Errors
    /// The speaker has been shut down.
    pub async fn routes(&self, query: RouteQuery) -> Result<Vec<RouteView>, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.command(Command::Routes(query, answer)).await?;
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
