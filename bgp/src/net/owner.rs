//! The task that owns the speaker: everything that happens comes here, and everything that is to be done leaves here.
//!
//! It never waits for a peer, a dial or the reader of events. Each turn takes what there is, up to a bound, works it
//! off, and only then asks the speaker what to do: a burst of UPDATEs from many peers so makes one round of UPDATEs to
//! each, without any artificial delay. A turn writes [`TURN_OCTETS`] at most, so that a peer that takes a whole table
//! as fast as it is made holds up nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ipnetwork::IpNetwork;
use rustc_hash::FxHashMap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::address::Addresses;
use super::bfd::Monitor;
use super::bmp::Exporter;
use super::connection::CREDIT;
use super::discovery::{Discovery, Finding};
use super::link::Link;
use super::listener::keys::{self, Keys};
use super::neighbours::Strangers;
use super::outbox::Outbox;
use super::{Command, Counters, Event, Happening, Shutdown, Stamped, listener};
use crate::config::{Config, Origination, PeerKey};
use crate::speaker::{ConnId, Input, Output, Speaker};
use crate::wire::{DecodeError, Message};
use punctuality::Punctuality;

mod connections;
mod punctuality;

/// Reports that may wait before connections wait. Their octets are bounded by [`CREDIT`].
const REPORTS: usize = 1024;
/// Reports taken in one turn.
const BATCH: usize = 256;
/// Commands taken in one turn.
const COMMANDS: usize = 16;
/// Octets written in one turn.
const TURN_OCTETS: usize = 1024 * 1024;
/// How often BMP collectors are told the sizes of tables.
const STATISTICS: Duration = Duration::from_secs(60);

/// What the other tasks tell.
#[derive(Debug)]
pub(super) enum Report {
    /// Somebody connected.
    Accepted(TcpStream, SocketAddr),
    /// A dial ended.
    Connected(ConnId, std::io::Result<TcpStream>),
    /// Messages came; an error is the last. What is handed back when they have been worked off lets others read.
    Received(ConnId, Vec<Result<Message, DecodeError>>, OwnedSemaphorePermit),
    /// The socket takes octets again.
    Writable(ConnId),
    /// The connection is gone.
    Closed(ConnId, String),
}

/// What others hold the other ends of.
pub(super) struct Channels {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) happenings: broadcast::Sender<Stamped>,
}

/// All that comes in.
struct Inbox {
    commands: mpsc::Receiver<Command>,
    reports: mpsc::Receiver<Report>,
    findings: mpsc::Receiver<Finding>,
    paths: mpsc::Receiver<(PeerKey, crate::bfd::Report)>,
    collectors: mpsc::Receiver<usize>,
}

/// How to end, and who wants to know when it is done.
type End = (Shutdown, Option<oneshot::Sender<()>>);

struct Owner {
    speaker: Speaker,
    config: Config,
    links: FxHashMap<ConnId, Link>,
    dials: FxHashMap<ConnId, AbortHandle>,
    /// Connections that the speaker is to be asked about.
    ready: VecDeque<ConnId>,
    tasks: JoinSet<()>,
    reports: mpsc::Sender<Report>,
    credit: Arc<Semaphore>,
    outbox: Outbox,
    happenings: broadcast::Sender<Stamped>,
    addresses: Addresses,
    keys: Keys,
    discovery: Discovery,
    found: BTreeMap<Arc<str>, Ipv6Addr>,
    monitor: Monitor,
    exporter: Exporter,
    strangers: Strangers,
    next_accepted: u64,
    punctuality: Punctuality,
}

/// Starts all that a speaker needs on the current runtime, and the task that runs it until it is told to stop or nobody
/// is left who could.
pub(super) fn start(
    listeners: Vec<Arc<TcpListener>>,
    config: Config,
    originated: BTreeMap<IpNetwork, Origination>,
    channels: Channels,
) {
    let (report, reports) = mpsc::channel(REPORTS);
    let (discovery, findings) = Discovery::start();
    let (monitor, paths) = Monitor::start();
    let (exporter, collectors) = Exporter::start(Vec::new(), system_name());
    let mut serving = JoinSet::new();
    for listener in &listeners {
        serving.spawn(listener::serve(Arc::clone(listener), report.clone()));
    }
    let mut owner = Owner {
        speaker: Speaker::new(),
        config: Config::default(),
        links: FxHashMap::default(),
        dials: FxHashMap::default(),
        ready: VecDeque::new(),
        tasks: JoinSet::new(),
        reports: report,
        credit: Arc::new(Semaphore::new(CREDIT)),
        outbox: Outbox::default(),
        happenings: channels.happenings,
        addresses: Addresses::default(),
        keys: Keys::new(listeners),
        discovery,
        found: BTreeMap::new(),
        monitor,
        exporter,
        strangers: Strangers::default(),
        next_accepted: 0,
        punctuality: Punctuality::default(),
    };
    let inbox = Inbox { commands: channels.commands, reports, findings, paths, collectors };
    tokio::spawn(async move {
        owner.speaker.handle(Input::Originate(originated), Instant::now());
        owner.configure(config, Instant::now());
        owner.drive(true);
        owner.run(inbox, channels.events, serving).await;
    });
}

/// What BMP collectors know this machine by.
fn system_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Takes what waits in a channel, up to a number in all.
fn take_waiting<T>(channel: &mut mpsc::Receiver<T>, into: &mut Vec<T>, most: usize) {
    while into.len() < most
        && let Ok(it) = channel.try_recv()
    {
        into.push(it);
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

impl Owner {
    async fn run(mut self, mut inbox: Inbox, events: mpsc::Sender<Event>, serving: JoinSet<()>) {
        let mut statistics = tokio::time::interval(STATISTICS);
        // While nobody monitors it does not tick; what was missed is not made up for.
        statistics.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orders = Vec::with_capacity(COMMANDS);
        let mut batch = Vec::with_capacity(BATCH);
        let (how, done) = loop {
            let deadline = self.speaker.deadline();
            let busy = !self.ready.is_empty() || self.punctuality.is_late();
            tokio::select! {
                taken = inbox.commands.recv_many(&mut orders, COMMANDS) => {
                    if taken == 0 {
                        break (Shutdown::KeepRoutes, None);
                    }
                }
                _ = inbox.reports.recv_many(&mut batch, BATCH) => {}
                permit = events.reserve(), if !self.outbox.is_empty() => {
                    // Popped whether or not anybody reads.
                    if let (Some(event), Ok(permit)) = (self.outbox.pop(), permit) {
                        permit.send(event);
                    }
                }
                () = until(deadline), if !busy => {}
                // Others have their turn, then it goes on.
                () = tokio::task::yield_now(), if busy => {}
                Some((peer, report)) = inbox.paths.recv() => {
                    self.speaker.handle(Input::Bfd(peer, report), Instant::now());
                }
                Some(finding) = inbox.findings.recv() => self.discovered(finding),
                Some(number) = inbox.collectors.recv() => {
                    self.exporter.dump(number, self.speaker.monitored());
                }
                _ = statistics.tick(), if self.config.monitoring => {
                    self.exporter.tell_statistics(&self.speaker.view(Instant::now()).peers);
                }
                Some(_) = self.tasks.join_next() => {}
            }
            // Whatever came first, each turn takes of everything.
            take_waiting(&mut inbox.commands, &mut orders, COMMANDS);
            take_waiting(&mut inbox.reports, &mut batch, BATCH);
            let now = Instant::now();
            if let Some(end) = orders.drain(..).find_map(|command| self.obey(command, now)) {
                break end;
            }
            let quiet = batch.is_empty();
            batch.drain(..).for_each(|report| self.take(report, now));
            self.drive(quiet);
        };
        drop((serving, inbox));
        self.shut_down(how).await;
        if let Some(done) = done {
            // Who asked may have stopped waiting.
            let _ = done.send(());
        }
    }

    /// Does as it is told; returns how to end if that is it.
    fn obey(&mut self, command: Command, now: Instant) -> Option<End> {
        match command {
            Command::Configure(config) => self.configure(*config, now),
            Command::Originate(prefixes) => self.speaker.handle(Input::Originate(prefixes), now),
            Command::LinkDown(peer) => self.speaker.handle(Input::LinkDown(peer), now),
            Command::Reset(peer, reset) => self.speaker.handle(Input::Reset(peer, reset), now),
            Command::Monitor(collectors) => self.exporter.set_collectors(collectors),
            // Who asked may have stopped waiting.
            Command::View(answer) => drop(answer.send(self.speaker.view(now))),
            Command::Counters(answer) => drop(answer.send(self.counters())),
            Command::Routes(query, answer) => drop(answer.send(self.speaker.routes(&query, now))),
            Command::Why(prefix, answer) => drop(answer.send(self.speaker.why(&prefix, now))),
            Command::Shutdown(how, done) => return Some((how, Some(done))),
        }
        None
    }

    fn counters(&self) -> Counters {
        Counters { bfd: self.monitor.counters(), collectors: self.exporter.counters() }
    }

    /// Keys first: a session that a new password resets comes back signed by it.
    fn configure(&mut self, config: Config, now: Instant) {
        let interfaces: BTreeSet<_> = config.peers.keys().filter_map(interface).collect();
        self.found.retain(|interface, _| interfaces.contains(interface));
        self.discovery.watch(interfaces);
        self.keys.apply(keys::wanted(&config, &self.found));
        self.config = config.clone();
        self.speaker.handle(Input::Configure(Box::new(config)), now);
    }

    fn discovered(&mut self, (interface, neighbour): Finding) {
        if !self.config.peers.contains_key(&PeerKey::Interface(Arc::clone(&interface))) {
            // Configured no longer.
            return;
        }
        if self.found.insert(Arc::clone(&interface), neighbour) != Some(neighbour) {
            self.keys.apply(keys::wanted(&self.config, &self.found));
        }
        self.speaker.handle(Input::Discovered(interface, neighbour), Instant::now());
    }

    fn take(&mut self, report: Report, now: Instant) {
        match report {
            Report::Accepted(stream, from) => self.accept(stream, from, now),
            Report::Connected(conn, result) => self.connected(conn, result, now),
            Report::Received(conn, messages, credit) => {
                // Otherwise we have closed it ourselves.
                if self.links.contains_key(&conn) {
                    for message in messages {
                        self.speaker.handle(Input::Received(conn, message), now);
                    }
                }
                drop(credit);
            }
            Report::Writable(conn) => self.write_on(conn),
            Report::Closed(conn, why) => {
                if let Some(link) = self.links.remove(&conn) {
                    self.speaker.handle(Input::Closed(conn, link.into_reason(why)), now);
                }
            }
        }
    }

    /// Does all that the speaker wants done, and some of the writing. Codecs are set and connections closed before
    /// anything is written: a peer can answer only what it was sent. With `quiet`, nobody had anything to say.
    fn drive(&mut self, quiet: bool) {
        self.perform_all(Instant::now());
        self.transmit(TURN_OCTETS, Instant::now());
        let now = Instant::now();
        if self.punctuality.is_time(self.speaker.deadline(), quiet && self.ready.is_empty(), now) {
            self.speaker.handle(Input::Deadline, now);
        }
        self.perform_all(now);
    }

    fn perform_all(&mut self, now: Instant) {
        while let Some(output) = self.speaker.poll_output() {
            self.perform(output, now);
        }
    }

    fn perform(&mut self, output: Output, now: Instant) {
        match output {
            Output::Connect(conn, peer, far) => self.dial(conn, &peer, far, now),
            Output::Disconnect(conn) => self.disconnect(conn, now),
            Output::Codec(conn, codec) => {
                if let Some(link) = self.links.get(&conn) {
                    link.steering().set_codec(codec);
                }
            }
            Output::Transmit(conn) => self.enqueue(conn),
            Output::BestPaths(paths) => {
                if self.happenings.receiver_count() > 0 {
                    for (prefix, hops) in &paths {
                        self.tell(Happening::Route(*prefix, hops.clone()));
                    }
                }
                self.outbox.best_paths(paths);
            }
            Output::Synchronised => {
                self.tell(Happening::Synchronised);
                self.outbox.synchronised();
            }
            Output::WatchPeer(peer, watch) => self.monitor.watch(peer, watch),
            Output::Notice(notice) => {
                self.tell(Happening::Peer(notice.clone()));
                self.outbox.notice(notice);
            }
            Output::Monitored(monitored) => self.exporter.tell(&monitored),
        }
    }

    /// To whoever listens, if anybody does.
    fn tell(&self, what: Happening) {
        let _ = self.happenings.send(Stamped { at: SystemTime::now(), what });
    }

    /// Closes every connection and waits until they are gone; each bounds its own end.
    async fn shut_down(mut self, how: Shutdown) {
        if let Shutdown::Cease(text) = how {
            // The speaker knows which peers are to be told how.
            let mut config = self.config.clone();
            let ranges = config.listen_ranges.iter_mut().map(|range| &mut range.peer);
            for peer in config.peers.values_mut().chain(ranges) {
                // Those that are down already keep their words.
                peer.shutdown.get_or_insert_with(|| text.clone());
            }
            let now = Instant::now();
            self.speaker.handle(Input::Configure(Box::new(config)), now);
            self.perform_all(now);
        }
        self.dials.drain().for_each(|(_, dial)| dial.abort());
        self.links.drain().for_each(|(_, link)| link.close(std::iter::empty()));
        let Self { mut tasks, monitor, exporter, .. } = self;
        let closed = async { while tasks.join_next().await.is_some() {} };
        tokio::join!(closed, monitor.shutdown(), exporter.shutdown());
    }
}

fn interface(key: &PeerKey) -> Option<Arc<str>> {
    match key {
        PeerKey::Interface(interface) => Some(Arc::clone(interface)),
        PeerKey::Address(_) => None,
    }
}
