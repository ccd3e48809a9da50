//! The task that owns the speaker: everything that happens comes here, and everything that is to be done leaves here.
//!
//! It never waits for a peer, a dial or the reader of events: channels towards connections have room by count (a
//! connection has at most [`WINDOW`] messages in flight), and events wait in the [`Outbox`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use ipnetwork::IpNetwork;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::connection::{Connection, Control, WINDOW};
use super::outbox::Outbox;
use super::{Command, Event, Shutdown, address, dial, listener};
use crate::config::Config;
use crate::speaker::{ConnId, Input, LocalAddresses, Output, Speaker};
use crate::wire::code::cease;
use crate::wire::{DecodeError, Message, Notification};

/// Reports that may wait before connections wait.
const REPORTS: usize = 256;
/// Reports taken in one go, so that best paths and UPDATEs are worked out once for all of them.
const BATCH: usize = 64;

/// What the other tasks tell.
#[derive(Debug)]
pub(super) enum Report {
    /// Somebody connected.
    Accepted(TcpStream, SocketAddr),
    /// A dial ended.
    Connected(ConnId, IpAddr, std::io::Result<TcpStream>),
    /// Messages came; an error is the last.
    Received(ConnId, Vec<Result<Message, DecodeError>>),
    /// As many messages have left.
    Written(ConnId, usize),
    /// The connection is gone.
    Closed(ConnId, String),
}

/// A connection as the owner sees it.
enum Link {
    Dialling(AbortHandle),
    Open {
        messages: mpsc::Sender<Message>,
        control: watch::Sender<Control>,
        /// Handed over and not yet written.
        in_flight: usize,
        /// The speaker has more.
        wants: bool,
    },
}

struct Owner {
    speaker: Speaker,
    config: Config,
    links: BTreeMap<ConnId, Link>,
    tasks: JoinSet<()>,
    reports: mpsc::Sender<Report>,
    outbox: Outbox,
    next_accepted: u64,
}

/// Runs the speaker until it is told to stop or nobody is left who could.
pub(super) async fn run(
    listeners: Vec<TcpListener>,
    config: Config,
    originated: BTreeSet<IpNetwork>,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
) {
    let (reports, mut reported) = mpsc::channel(REPORTS);
    let mut serving = JoinSet::new();
    for listener in listeners {
        serving.spawn(listener::serve(listener, reports.clone()));
    }
    let mut owner = Owner {
        speaker: Speaker::new(),
        config: config.clone(),
        links: BTreeMap::new(),
        tasks: JoinSet::new(),
        reports,
        outbox: Outbox::default(),
        next_accepted: 0,
    };
    owner.speaker.handle(Input::Originate(originated), Instant::now());
    owner.speaker.handle(Input::Configure(config), Instant::now());
    owner.drive();

    let mut batch = Vec::with_capacity(BATCH);
    let (how, done) = loop {
        let deadline = owner.speaker.deadline();
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Shutdown(how, done)) => break (how, Some(done)),
                Some(command) => owner.obey(command),
                None => break (Shutdown::KeepRoutes, None),
            },
            _ = reported.recv_many(&mut batch, BATCH) => {
                batch.drain(..).for_each(|report| owner.take(report));
            }
            permit = events.reserve(), if !owner.outbox.is_empty() => {
                // Popped whether or not anybody reads.
                if let (Some(event), Ok(permit)) = (owner.outbox.pop(), permit) {
                    permit.send(event);
                }
            }
            () = until(deadline) => {}
            Some(_) = owner.tasks.join_next() => {}
        }
        owner.drive();
    };
    drop((serving, reported));
    owner.shut_down(how).await;
    if let Some(done) = done {
        // Who asked may have stopped waiting.
        let _ = done.send(());
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

impl Owner {
    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Configure(config) => {
                self.config = (*config).clone();
                self.speaker.handle(Input::Configure(*config), now);
            }
            Command::Originate(prefixes) => self.speaker.handle(Input::Originate(prefixes), now),
            Command::LinkDown(peer) => self.speaker.handle(Input::LinkDown(peer), now),
            Command::Reset(peer) => self.speaker.handle(Input::Reset(peer), now),
            Command::Refresh(peer, family) => self.speaker.handle(Input::Refresh(peer, family), now),
            // Who asked may have stopped waiting.
            Command::View(answer) => drop(answer.send(self.speaker.view(now))),
            Command::Routes(query, answer) => drop(answer.send(self.speaker.routes(&query, now))),
            // The loop takes these itself.
            Command::Shutdown(..) => {}
        }
    }

    fn take(&mut self, report: Report) {
        let now = Instant::now();
        match report {
            Report::Accepted(stream, from) => self.accept(stream, from.ip(), now),
            Report::Connected(conn, peer, result) => self.connected(conn, peer, result, now),
            Report::Received(conn, messages) if self.links.contains_key(&conn) => {
                for message in messages {
                    self.speaker.handle(Input::Received(conn, message), now);
                }
            }
            // We have closed it ourselves.
            Report::Received(..) => {}
            Report::Written(conn, count) => {
                if let Some(Link::Open { in_flight, .. }) = self.links.get_mut(&conn) {
                    *in_flight = in_flight.saturating_sub(count);
                }
                self.transmit(conn, now);
            }
            Report::Closed(conn, why) => {
                if self.links.remove(&conn).is_some() {
                    self.speaker.handle(Input::Closed(conn, why), now);
                }
            }
        }
    }

    /// Does all that the speaker wants done.
    fn drive(&mut self) {
        let now = Instant::now();
        if self.speaker.deadline().is_some_and(|deadline| deadline <= now) {
            self.speaker.handle(Input::Deadline, now);
        }
        while let Some(output) = self.speaker.poll_output() {
            self.perform(output, now);
        }
    }

    fn perform(&mut self, output: Output, now: Instant) {
        match output {
            Output::Connect(conn, peer) => self.dial(conn, peer, now),
            Output::Disconnect(conn) => self.disconnect(conn, now),
            Output::Codec(conn, codec) => {
                if let Some(Link::Open { control, .. }) = self.links.get(&conn) {
                    control.send_modify(|control| control.codec = codec);
                }
            }
            Output::Transmit(conn) => {
                if let Some(Link::Open { wants, .. }) = self.links.get_mut(&conn) {
                    *wants = true;
                }
                self.transmit(conn, now);
            }
            Output::BestPaths(paths) => self.outbox.best_paths(paths),
            Output::Synchronised => self.outbox.synchronised(),
            Output::PeerChanged(peer, state, reason) => self.outbox.peer_changed(peer, state, reason),
        }
    }

    /// Hands over messages while there are some and the connection has room.
    fn transmit(&mut self, conn: ConnId, now: Instant) {
        let Some(Link::Open { messages, in_flight, wants, .. }) = self.links.get_mut(&conn) else { return };
        while *wants && *in_flight < WINDOW {
            match self.speaker.poll_transmit(conn, now) {
                Some(message) => {
                    *in_flight += 1;
                    // There is room by count; where the task has ended, its report of that is on the way.
                    let _ = messages.try_send(message);
                }
                None => *wants = false,
            }
        }
    }

    fn dial(&mut self, conn: ConnId, peer: IpAddr, now: Instant) {
        let Some(settings) = self.config.peers.get(&peer) else {
            let why = "the peer is not configured".to_owned();
            return self.speaker.handle(Input::ConnectFailed(conn, why), now);
        };
        let target = dial::Target::new(peer, settings, &self.config);
        let reports = self.reports.clone();
        let dialling = self.tasks.spawn(async move {
            let result = dial::connect(target).await;
            // Without an owner nobody wants the connection.
            let _ = reports.send(Report::Connected(conn, peer, result)).await;
        });
        self.links.insert(conn, Link::Dialling(dialling));
    }

    fn connected(&mut self, conn: ConnId, peer: IpAddr, result: std::io::Result<TcpStream>, now: Instant) {
        if self.links.remove(&conn).is_none() {
            // Given up meanwhile.
            return;
        }
        let opened = result.and_then(|stream| self.open(conn, peer, stream));
        match opened {
            Ok(local) => self.speaker.handle(Input::Connected(conn, local), now),
            Err(error) => self.speaker.handle(Input::ConnectFailed(conn, error.to_string()), now),
        }
    }

    fn accept(&mut self, stream: TcpStream, peer: IpAddr, now: Instant) {
        let Some(settings) = self.config.peers.get(&peer) else {
            tracing::debug!(%peer, "closed a BGP connection from an address that is no peer's");
            return;
        };
        let conn = ConnId(self.next_accepted);
        self.next_accepted += 1;
        let ttl = dial::ttl(settings, self.config.local_as);
        let opened =
            dial::prepare(&SockRef::from(&stream), peer, ttl).and_then(|()| self.open(conn, peer, stream));
        match opened {
            Ok(local) => self.speaker.handle(Input::Accepted(conn, peer, local), now),
            // It is gone before it began.
            Err(error) => tracing::debug!(%peer, %error, "closed a BGP connection"),
        }
    }

    /// Starts the task of a connection.
    fn open(&mut self, conn: ConnId, peer: IpAddr, stream: TcpStream) -> std::io::Result<LocalAddresses> {
        let local = stream.local_addr()?.ip();
        let addresses = address::select(local, peer, &address::read()?);
        let (messages, message_receiver) = mpsc::channel(WINDOW);
        let (control, control_receiver) = watch::channel(Control::default());
        let connection = Connection {
            conn,
            peer,
            messages: message_receiver,
            control: control_receiver,
            reports: self.reports.clone(),
        };
        self.tasks.spawn(connection.serve(stream));
        self.links.insert(conn, Link::Open { messages, control, in_flight: 0, wants: false });
        Ok(addresses)
    }

    fn disconnect(&mut self, conn: ConnId, now: Instant) {
        match self.links.remove(&conn) {
            Some(Link::Dialling(dialling)) => dialling.abort(),
            Some(Link::Open { control, .. }) => {
                let last_words = std::iter::from_fn(|| self.speaker.poll_transmit(conn, now)).collect();
                control.send_modify(|control| control.last_words = Some(last_words));
            }
            None => {}
        }
    }

    /// Closes every connection and waits until they are gone; each bounds its own end.
    async fn shut_down(mut self, how: Shutdown) {
        let last_words = match how {
            Shutdown::KeepRoutes => Vec::new(),
            Shutdown::Cease => {
                vec![Message::Notification(Notification::cease(cease::ADMINISTRATIVE_SHUTDOWN))]
            }
        };
        for link in std::mem::take(&mut self.links).into_values() {
            match link {
                Link::Dialling(dialling) => dialling.abort(),
                Link::Open { control, .. } => {
                    control.send_modify(|control| control.last_words = Some(last_words.clone()));
                }
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }
}
