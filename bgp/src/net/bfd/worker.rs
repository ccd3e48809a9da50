//! The thread that all sessions live in: datagrams, time and orders in; datagrams and reports out.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::pending::Pending;
use super::sessions::{Arrival, Entry, Path, Sessions};
use super::socket::{FULL_TTL, Receiver, Transmitter};
use super::{Command, Counts, count};
use crate::bfd::machine::Session;
use crate::bfd::packet::{Packet, diagnostic};
use crate::bfd::{Report, State, Watch};
use crate::config::PeerKey;

/// How long a farewell may go unconfirmed.
const FAREWELL: Duration = Duration::from_secs(1);
/// Between attempts to bind a port that somebody else has.
const RETRY: Duration = Duration::from_secs(1);
/// What the owner hears of a session that another one takes the place of: it is over, and nothing has failed.
const REPLACED: Report = Report {
    state: State::AdminDown,
    diagnostic: diagnostic::ADMINISTRATIVELY_DOWN,
    remote_independent: false,
    remote_admin_down: false,
};
/// Datagrams that are read from one socket before time is looked at again: a flood must not stop the clock.
const BATCH: usize = 512;

pub(super) struct Worker {
    orders: mpsc::UnboundedReceiver<Command>,
    /// None once nobody reads them.
    reports: Option<mpsc::Sender<(PeerKey, Report)>>,
    pending: Pending,
    sessions: Sessions,
    receivers: Vec<Receiver>,
    /// When to bind again what could not be bound.
    retry: Option<Instant>,
    counters: Arc<Counts>,
    random: Random,
    /// No orders come any more: the worker ends with its last farewell.
    is_ending: bool,
    done: Vec<oneshot::Sender<()>>,
}

/// Discriminators and seeds that a former process of this node is unlikely to have used.
struct Random(RandomState, u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.1 += 1;
        self.0.hash_one(self.1)
    }
}

enum Wakeup {
    Order(Option<Command>),
    /// Datagrams, or time.
    Look,
    /// The reader of reports has room.
    Room,
    /// The reader of reports is gone.
    Deaf,
}

impl Worker {
    pub(super) fn new(
        orders: mpsc::UnboundedReceiver<Command>,
        reports: mpsc::Sender<(PeerKey, Report)>,
        counters: Arc<Counts>,
    ) -> Self {
        Self {
            orders,
            reports: Some(reports),
            pending: Pending::default(),
            sessions: Sessions::default(),
            receivers: Vec::new(),
            retry: None,
            counters,
            random: Random(RandomState::new(), 0),
            is_ending: false,
            done: Vec::new(),
        }
    }

    pub(super) async fn run(mut self) {
        while !(self.is_ending && self.sessions.is_empty()) {
            match self.wait().await {
                Wakeup::Order(Some(Command::Watch(peer, watch))) => self.watch(peer, watch),
                Wakeup::Order(Some(Command::Shutdown(done))) => {
                    self.done.push(done);
                    self.end();
                }
                Wakeup::Order(None) => self.end(),
                Wakeup::Room => self.report(),
                Wakeup::Deaf => self.reports = None,
                Wakeup::Look => {}
            }
            self.open_receivers();
            self.read();
            self.work_off(Instant::now());
        }
    }

    /// Hands over as many reports as there is room for.
    fn report(&mut self) {
        let Some(reports) = &self.reports else { return };
        while let Ok(room) = reports.try_reserve() {
            let Some((peer, report)) = self.pending.pop() else { return };
            room.send((peer, report));
        }
    }

    async fn wait(&mut self) -> Wakeup {
        let deadline = self.sessions.deadline().into_iter().chain(self.retry).min();
        let has_pending = !self.pending.is_empty();
        let (reports, receivers) = (&self.reports, &self.receivers);
        let room = async {
            match reports {
                Some(reports) if has_pending => match reports.reserve().await {
                    Ok(_) => Wakeup::Room,
                    Err(_) => Wakeup::Deaf,
                },
                Some(_) | None => std::future::pending().await,
            }
        };
        let time = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let datagram = std::future::poll_fn(|context| {
            // All are asked, so that each will wake us.
            let ready = receivers.iter().filter(|receiver| receiver.poll_ready(context)).count();
            if ready > 0 { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        });
        tokio::select! {
            biased;
            order = self.orders.recv(), if !self.is_ending => Wakeup::Order(order),
            // Before datagrams, which are read in every turn anyway: a flood of them must not keep back a failure.
            wakeup = room => wakeup,
            () = datagram => Wakeup::Look,
            () = time => Wakeup::Look,
        }
    }

    fn watch(&mut self, peer: PeerKey, watch: Option<Watch>) {
        let existing = self.sessions.of_peer(&peer).and_then(|it| self.sessions.get_mut(it));
        if let (Some(entry), Some(watch)) = (existing, &watch)
            && entry.can_become(watch)
        {
            entry.session.configure(&watch.settings);
            entry.watch = watch.clone();
            let discriminator = entry.session.discriminator();
            self.flush(discriminator, Instant::now());
            return;
        }
        let is_replaced = self.farewell(&peer);
        let Some(watch) = watch else { return };
        if is_replaced {
            self.pending.push(peer.clone(), REPLACED);
        }
        let now = Instant::now();
        let session = Session::new(&watch.settings, self.free_discriminator(), self.random.next(), now);
        // The range begins at 49152 and has 2^14 ports.
        let port = 0xc000 | (self.random.next() & 0x3fff) as u16;
        let discriminator = self.sessions.insert(Entry::new(peer, watch, session, port));
        self.open_receivers();
        self.flush(discriminator, now);
    }

    fn free_discriminator(&mut self) -> u32 {
        loop {
            let discriminator = (self.random.next() >> 32) as u32;
            if discriminator != 0 && !self.sessions.has(discriminator) {
                return discriminator;
            }
        }
    }

    /// Whether there was anybody to part from.
    fn farewell(&mut self, peer: &PeerKey) -> bool {
        self.pending.forget(peer);
        let Some(discriminator) = self.sessions.release(peer) else { return false };
        let now = Instant::now();
        if let Some(entry) = self.sessions.get_mut(discriminator) {
            entry.session.hold_down();
            entry.until = Some(now + FAREWELL);
        }
        self.flush(discriminator, now);
        true
    }

    fn end(&mut self) {
        self.is_ending = true;
        for peer in self.sessions.watched() {
            self.farewell(&peer);
        }
    }

    /// Binds what is needed and not there.
    fn open_receivers(&mut self) {
        let now = Instant::now();
        if self.retry.is_some_and(|retry| now < retry) {
            return;
        }
        let first_time = self.retry.take().is_none();
        for (path, v4) in self.sessions.paths() {
            if self.receivers.iter().any(|receiver| receiver.serves(path, v4)) {
                continue;
            }
            match Receiver::open(path, v4) {
                Ok(receiver) => self.receivers.push(receiver),
                Err(error) => {
                    if first_time {
                        let port = path.port();
                        tracing::warn!(port, v4, %error, "cannot hear BFD peers; tried again every second");
                    }
                    self.retry = Some(now + RETRY);
                }
            }
        }
    }

    /// Takes in what has arrived.
    fn read(&mut self) {
        let mut receivers = std::mem::take(&mut self.receivers);
        for receiver in &mut receivers {
            for _ in 0..BATCH {
                match receiver.receive() {
                    Ok(Some(arrival)) => self.arrived(&arrival),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(%error, "cannot read BFD packets");
                        break;
                    }
                }
            }
        }
        self.receivers = receivers;
    }

    fn arrived(&mut self, arrival: &Arrival) {
        if arrival.path == Path::SingleHop && arrival.hops != FULL_TTL {
            return count(&self.counters.too_far);
        }
        let packet = match Packet::decode(&arrival.datagram) {
            Ok(packet) => packet,
            Err(reason) => {
                tracing::trace!(%reason, source = %arrival.source, "discarded a BFD packet");
                return count(&self.counters.malformed);
            }
        };
        let Some(discriminator) = self.sessions.select(arrival, &packet) else {
            return count(&self.counters.unclaimed);
        };
        count(&self.counters.received);
        let now = Instant::now();
        if let Some(entry) = self.sessions.get_mut(discriminator) {
            entry.session.received(&packet, now);
        }
        self.flush(discriminator, now);
    }

    fn work_off(&mut self, now: Instant) {
        for discriminator in self.sessions.due(now) {
            if let Some(entry) = self.sessions.get_mut(discriminator) {
                entry.session.timers(now);
            }
            self.flush(discriminator, now);
        }
        while self.is_ending && self.sessions.is_empty() {
            let Some(done) = self.done.pop() else { break };
            // Whoever waited may have given up.
            let _ = done.send(());
        }
    }

    /// Sends what a session has to say, keeps what it has to report, and lets go of a farewell that is over.
    fn flush(&mut self, discriminator: u32, now: Instant) {
        let Some(entry) = self.sessions.get_mut(discriminator) else { return };
        while let Some(packet) = entry.session.poll_transmit(now) {
            let counter =
                if send(entry, &packet) { &self.counters.transmitted } else { &self.counters.unsent };
            count(counter);
        }
        while let Some(report) = entry.session.poll_report() {
            if let Some(peer) = &entry.peer {
                let why = diagnostic::describe(report.diagnostic);
                tracing::debug!(%peer, state = %report.state, why, "BFD");
                self.pending.push(peer.clone(), report);
            }
        }
        let is_over = entry.until.is_some_and(|until| now >= until || entry.session.is_settled());
        if is_over {
            self.sessions.remove(discriminator);
        } else {
            self.sessions.reschedule(discriminator);
        }
    }
}

/// Whether the packet went out. A socket that fails is opened anew for the next one.
fn send(entry: &mut Entry, packet: &Packet) -> bool {
    // An interface may have gone and come back under another index; while Up, packets say that it has not.
    if entry.session.state() != State::Up
        && entry.transmitter.as_ref().is_some_and(|it| !it.fits(&entry.watch))
    {
        entry.transmitter = None;
    }
    let opened = match entry.transmitter.take() {
        Some(transmitter) => Ok(transmitter),
        None => Transmitter::open(&entry.watch, entry.port),
    };
    let outcome = opened.and_then(|transmitter| {
        entry.port = transmitter.port;
        transmitter.send(&packet.encode())?;
        Ok(transmitter)
    });
    match outcome {
        Ok(transmitter) => {
            entry.transmitter = Some(transmitter);
            entry.trouble = None;
            true
        }
        Err(error) => {
            if entry.trouble.replace(error.kind()) != Some(error.kind()) {
                tracing::warn!(peer = %entry.watch.remote, %error, "cannot send BFD packets");
            }
            false
        }
    }
}
