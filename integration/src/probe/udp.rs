//! Numbered UDP packets at a fixed rate: one way between two sockets, or to an echo and back.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use super::sequence::{Arrivals, Report};

/// First bytes of every packet, so that nothing else that reaches the port is counted.
const MAGIC: [u8; 8] = *b"fabprobe";

/// Length of a packet's payload, bytes.
const PACKET: usize = 64;

/// No flow sends more: it bounds the memory of the account, at a bit a packet.
const MOST_PACKETS: u64 = 10_000_000;

/// How often a waiting thread looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// After the last packet was sent, how long to wait for stragglers while none arrives.
const STRAGGLERS: Duration = Duration::from_millis(500);

/// How fast and how long to send.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two packets. A sender that was held up catches up.
    pub interval: Duration,
    /// After how many packets to end, unless ended earlier.
    pub count: u64,
}

impl Pace {
    /// `rate` packets a second until ended.
    #[must_use]
    pub fn per_second(rate: u32) -> Self {
        Self { interval: Duration::from_secs(1) / rate.max(1), count: MOST_PACKETS }
    }

    /// The same, but no more than `count` packets.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { count: count.min(MOST_PACKETS), ..self }
    }
}

/// Numbered packets under way.
#[derive(Debug)]
pub struct Flow {
    shared: Arc<Shared>,
    sender: JoinHandle<()>,
    receiver: JoinHandle<Result<Arrivals>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The sender is to end.
    stop: AtomicBool,
    /// It has.
    ended: AtomicBool,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Flow {
    /// Sends from one socket to `destination`, where `receiver` listens.
    ///
    /// # Errors
    /// When the receiving socket cannot be set up.
    pub fn one_way(
        sender: UdpSocket,
        receiver: UdpSocket,
        destination: SocketAddr,
        pace: Pace,
    ) -> Result<Self> {
        receiver.set_read_timeout(Some(LOOK))?;
        let shared = Arc::new(Shared::default());
        let pace = pace.times(pace.count);
        let receiving = Arc::clone(&shared);
        let receiver = thread::spawn(move || receive(&receiver, pace.count, &receiving));
        let sending = Arc::clone(&shared);
        let sender = thread::spawn(move || send(&sender, destination, pace, &sending));
        Ok(Self { shared, sender, receiver })
    }

    /// Sends from `socket` to the [echo](Echo) at `destination` and counts what comes back.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn round_trip(socket: UdpSocket, destination: SocketAddr, pace: Pace) -> Result<Self> {
        Self::one_way(socket.try_clone()?, socket, destination, pace)
    }

    /// Packets sent and received so far.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.shared.sent.load(Ordering::Relaxed), self.shared.received.load(Ordering::Relaxed))
    }

    /// Asks the sender to end, without waiting for it.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Ends the sender, waits for stragglers, and returns the account.
    ///
    /// # Errors
    /// When receiving failed.
    pub fn finish(self) -> Result<Report> {
        self.stop();
        self.complete()
    }

    /// Waits until the sender has sent all its packets and for stragglers, and returns the account.
    ///
    /// # Errors
    /// When receiving failed.
    pub fn complete(self) -> Result<Report> {
        self.sender.join().map_err(|_| anyhow!("the sending thread panicked"))?;
        let arrivals = self.receiver.join().map_err(|_| anyhow!("the receiving thread panicked"))??;
        Ok(arrivals.report(self.shared.sent.load(Ordering::Relaxed)))
    }
}

fn send(socket: &UdpSocket, destination: SocketAddr, pace: Pace, shared: &Shared) {
    let mut due = Instant::now();
    let mut packet = [0; PACKET];
    packet[..8].copy_from_slice(&MAGIC);
    for number in 0..pace.count {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        packet[8..16].copy_from_slice(&number.to_be_bytes());
        // A packet that the kernel would not even send ("no route") is lost like any other.
        let _ = socket.send_to(&packet, destination);
        shared.sent.store(number + 1, Ordering::Relaxed);
        due += pace.interval;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    shared.ended.store(true, Ordering::Release);
}

fn receive(socket: &UdpSocket, limit: u64, shared: &Shared) -> Result<Arrivals> {
    let mut arrivals = Arrivals::expecting(limit);
    let mut packet = [0; PACKET];
    let start = Instant::now();
    let mut quiet_since = start;
    loop {
        match socket.recv(&mut packet) {
            Ok(length) => {
                if let Some(number) = number(&packet[..length]) {
                    arrivals.arrive(number, start.elapsed());
                    shared.received.store(arrivals.received(), Ordering::Relaxed);
                }
                quiet_since = Instant::now();
            }
            Err(error) if is_nothing_yet(&error) => {}
            Err(error) => return Err(error).context("receiving probe packets"),
        }
        if shared.ended.load(Ordering::Acquire) {
            let all = arrivals.received() >= shared.sent.load(Ordering::Relaxed);
            if (all && quiet_since.elapsed() > LOOK) || quiet_since.elapsed() > STRAGGLERS {
                return Ok(arrivals);
            }
        } else {
            quiet_since = Instant::now();
        }
    }
}

fn number(packet: &[u8]) -> Option<u64> {
    let rest = packet.strip_prefix(&MAGIC)?;
    rest.first_chunk().map(|number| u64::from_be_bytes(*number))
}

/// A read that timed out; or the far end's "port unreachable" for a packet sent earlier, which is that packet's loss.
fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted | ErrorKind::ConnectionRefused
    )
}

/// Sends every probe packet back to where it came from, while it lives.
#[derive(Debug)]
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts echoing on `socket`.
    ///
    /// # Errors
    /// When the socket cannot be set up.
    pub fn start(socket: UdpSocket) -> Result<Self> {
        socket.set_read_timeout(Some(LOOK))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut packet = [0; PACKET];
            while !stopping.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
                if number(&packet[..length]).is_some() {
                    // An echo that cannot be sent is a packet lost on its way back.
                    let _ = socket.send_to(&packet[..length], from);
                }
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there.
            let _ = thread.join();
        }
    }
}
