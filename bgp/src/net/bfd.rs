//! BFD's sockets and clock: a [`Session`](crate::bfd::machine::Session) for each peer that is watched.
//!
//! ```text
//! Monitor ── Command ──► worker ──► (PeerKey, Report) ──► whoever called start()
//!                          │
//!            socket        │  datagrams in and out, TTL and interface with them
//!            sessions      │  which session a packet belongs to, which is due next
//!            pending       │  reports that wait for their reader, merged
//! ```
//!
//! The worker is a thread of its own with its own little runtime. 50 ms × 3 leave 150 ms from a peer's last packet to
//! its failure; a task of the runtime that the RIB works in would share a thread with it and stand still while a full
//! table is worked off, and our own silence would take down every session at once. A thread shares nothing but the CPU,
//! which the kernel gives first to who sleeps most. It inherits the network namespace of whoever calls [`Monitor::start`].
//!
//! Being late must not look like a failure of others: whatever has arrived is read before any detection time is judged.
//!
//! How it ends: with a farewell. A session that is watched no longer, and all of them when the monitor is shut down or
//! dropped, go AdminDown, which peers must not take for a failure (RFC 5882 §4.2): those that keep our routes over a
//! restart (RFC 4724) go on forwarding to us, and those that are to drop them are told so by BGP. Silence would be the
//! one way to spoil a graceful restart: our C bit is clear, so the peer could not tell it from a dead path (§4.3.2.2).
//! It is what a crash sends. The farewell is repeated until confirmed, for a second at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::bfd::{Report, Watch};
use crate::config::PeerKey;

mod pending;
mod sessions;
mod socket;
mod worker;

use worker::Worker;

/// Reports that may wait in the channel before they merge, a peer's into its last failure and the newest.
const REPORTS: usize = 256;

/// Watches peers by BFD until it is dropped.
#[derive(Debug)]
pub struct Monitor {
    // Unbounded, but its reader never waits for anybody, and settings come from people.
    commands: mpsc::UnboundedSender<Command>,
    counters: Arc<Counts>,
}

/// What a [`Monitor`] asks of its worker.
#[derive(Debug)]
enum Command {
    Watch(PeerKey, Option<Watch>),
    Shutdown(oneshot::Sender<()>),
}

/// Datagrams since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Taken by a session.
    pub received: u64,
    /// Sent.
    pub transmitted: u64,
    /// Not sent: no route, no such address or interface, or a full queue.
    pub unsent: u64,
    /// Dropped: no control packet, or one that RFC 5880 §6.8.6 discards.
    pub malformed: u64,
    /// Dropped: came from beyond the link (TTL below 255, RFC 5881 §5).
    pub too_far: u64,
    /// Dropped: of no session, by discriminator or by address and interface.
    pub unclaimed: u64,
}

#[derive(Debug, Default)]
struct Counts {
    received: AtomicU64,
    transmitted: AtomicU64,
    unsent: AtomicU64,
    malformed: AtomicU64,
    too_far: AtomicU64,
    unclaimed: AtomicU64,
}

impl Monitor {
    /// Starts the worker, in the network namespace of the calling thread. No socket is opened before something is
    /// watched; one that cannot be is logged and tried again every second. Where there is no thread to be had, that is
    /// logged, and the receiver ends at once.
    #[must_use]
    pub fn start() -> (Self, mpsc::Receiver<(PeerKey, Report)>) {
        let (commands, orders) = mpsc::unbounded_channel();
        let (reports, receiver) = mpsc::channel(REPORTS);
        let counters = Arc::new(Counts::default());
        let worker = Worker::new(orders, reports, Arc::clone(&counters));
        let started = thread::Builder::new().name("bfd".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
            match runtime {
                Ok(runtime) => runtime.block_on(worker.run()),
                Err(error) => tracing::error!(%error, "BFD cannot run: no peer is watched"),
            }
        });
        if let Err(error) = started {
            tracing::error!(%error, "BFD cannot run: no peer is watched");
        }
        (Self { commands, counters }, receiver)
    }

    /// Watches a peer, or changes how it is watched, or watches it no longer. Other intervals are negotiated on the
    /// living session; another address begins a new one, and the end of the former is reported as AdminDown, which is no
    /// failure. Never waits. What follows is reported, but for the Down that every session begins with.
    pub fn watch(&self, peer: PeerKey, watch: Option<Watch>) {
        // An error says that the worker could not be started, which has been logged.
        let _ = self.commands.send(Command::Watch(peer, watch));
    }

    /// What has passed so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let Counts { received, transmitted, unsent, malformed, too_far, unclaimed } = &*self.counters;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counters {
            received: read(received),
            transmitted: read(transmitted),
            unsent: read(unsent),
            malformed: read(malformed),
            too_far: read(too_far),
            unclaimed: read(unclaimed),
        }
    }

    /// Says farewell to every peer and waits until they have confirmed it, for a second at most. To be called before the
    /// process ends, however its BGP sessions end; see above for why there is but one way.
    pub async fn shutdown(self) {
        let (done, is_done) = oneshot::channel();
        if self.commands.send(Command::Shutdown(done)).is_ok() {
            // An error says that the worker has ended, which is what was asked for.
            let _ = is_done.await;
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
