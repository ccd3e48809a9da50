//! BMP's connections: what peers say, told to every collector that listens (RFC 7854 §3.2: we dial).
//!
//! ```text
//! Exporter ── messages ──► queue ──► collector (a task each: dial, dump, follow, dial again) ──► TCP
//!     ▲                                  │
//!     └── owner ◄── "number 2 is here" ──┘
//! ```
//!
//! A collector that has connected is announced to the owner, who answers with a dump of everything; from then on it is
//! told what happens. What happens is encoded once for all of them, a dump by the task that sends it.
//!
//! Memory is bounded: a queue holds 16 MiB, and a collector that lets it overflow, or takes nothing for a minute, is
//! disconnected and gets a new dump when it returns. It never slows the speaker, nor another collector.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::bmp::{self, Encoder};
use crate::speaker::{Monitored, PeerView};

mod collector;
mod queue;
#[cfg(test)]
mod tests;

use queue::Queue;

/// Announcements of collectors that may wait for the owner.
const ANNOUNCED: usize = 16;
/// How long the last words may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Tells collectors what peers say, until it is dropped.
#[derive(Debug)]
pub struct Exporter {
    system_name: Arc<str>,
    encoder: Encoder,
    collectors: Vec<Collector>,
    /// The number of the next collector; none is used twice.
    next: usize,
    announce: mpsc::Sender<usize>,
}

/// How things stand with one collector, and what has passed since it was configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Where it is.
    pub address: SocketAddr,
    /// It has taken our introduction, and has not gone since.
    pub connected: bool,
    /// Octets of messages that wait for it.
    pub queued_octets: u64,
    /// Times that it took our introduction.
    pub connections: u64,
    /// Times that it was disconnected because it did not keep up.
    pub overruns: u64,
    /// Octets that its sockets took.
    pub octets_sent: u64,
}

#[derive(Debug)]
struct Collector {
    number: usize,
    address: SocketAddr,
    queue: Arc<Queue>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts to dial the collectors, on the current tokio runtime. The receiver tells the number of each collector that
    /// has connected; the owner answers with [`dump`](Self::dump). The first ones are numbered by position.
    #[must_use]
    pub fn start(collectors: Vec<SocketAddr>, system_name: String) -> (Self, mpsc::Receiver<usize>) {
        let (announce, announced) = mpsc::channel(ANNOUNCED);
        let system_name = Arc::from(system_name);
        let mut exporter =
            Self { system_name, encoder: Encoder::new(), collectors: Vec::new(), next: 0, announce };
        exporter.set_collectors(collectors);
        (exporter, announced)
    }

    /// The collectors from now on. Connections to those that stay are kept, with their numbers.
    pub fn set_collectors(&mut self, addresses: Vec<SocketAddr>) {
        // What is removed here says so to its collector.
        self.collectors.retain(|collector| addresses.contains(&collector.address));
        for address in addresses {
            if self.collectors.iter().any(|collector| collector.address == address) {
                continue;
            }
            let number = self.next;
            self.next += 1;
            let queue = Arc::new(Queue::default());
            let link = collector::Link {
                number,
                address,
                system_name: Arc::clone(&self.system_name),
                queue: Arc::clone(&queue),
                announce: self.announce.clone(),
            };
            let task = tokio::spawn(collector::serve(link));
            self.collectors.push(Collector { number, address, queue, task });
        }
    }

    /// Everything that there is to tell the collector of this number, each peer's Up before its routes. It is live from
    /// here on. Nothing happens if it is gone meanwhile, or live already.
    pub fn dump(&mut self, number: usize, everything: Vec<Monitored>) {
        everything.iter().for_each(|monitored| self.encoder.note(monitored));
        if let Some(collector) = self.collectors.iter().find(|collector| collector.number == number) {
            collector.queue.dump(everything);
        }
    }

    /// Something happened just now. Never waits.
    pub fn tell(&mut self, monitored: &Monitored) {
        if !self.is_anyone_live() {
            return self.encoder.note(monitored);
        }
        let mut octets = BytesMut::new();
        self.encoder.encode(monitored, Some(SystemTime::now()), &mut octets);
        self.push(octets);
    }

    /// Tells the sizes of the peers' tables; to be called every now and then.
    pub fn tell_statistics(&self, peers: &[PeerView]) {
        if self.is_anyone_live() {
            let now = SystemTime::now();
            let mut octets = BytesMut::new();
            peers.iter().for_each(|peer| bmp::encode_statistics(peer, now, &mut octets));
            self.push(octets);
        }
    }

    /// Of each collector, in the order of their numbers.
    #[must_use]
    pub fn counters(&self) -> Vec<Counters> {
        self.collectors.iter().map(|collector| collector.queue.counters(collector.address)).collect()
    }

    /// Says farewell to every collector and waits for the connections to be closed, a second at most.
    pub async fn shutdown(mut self) {
        let collectors = std::mem::take(&mut self.collectors);
        collectors.iter().for_each(|collector| collector.queue.remove());
        for mut collector in collectors {
            // Neither a collector that hangs nor a task that panicked keeps the others from their end.
            let _ = tokio::time::timeout(FAREWELL, &mut collector.task).await;
        }
    }

    fn is_anyone_live(&self) -> bool {
        self.collectors.iter().any(|collector| collector.queue.is_live())
    }

    fn push(&self, octets: BytesMut) {
        let octets = octets.freeze();
        self.collectors.iter().for_each(|collector| collector.queue.push(&octets));
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.queue.remove();
    }
}
