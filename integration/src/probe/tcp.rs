//! TCP connections that say who sees whom.
//!
//! The server greets every connection with the address it sees at the far end, so that a client knows whether it was
//! translated on the way, and echoes one line, so that data is known to flow both ways.

use std::io::{self, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

/// How often a waiting server looks whether it is to end, milliseconds.
const LOOK_MS: u8 = 50;

/// How long one connection may stay silent.
const SILENCE: Duration = Duration::from_secs(5);

/// No line is longer, bytes.
const LONGEST_LINE: u64 = 256;

/// How an attempt to connect went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Connected, greeted and echoed.
    #[serde(rename_all = "camelCase")]
    Connected {
        /// This end's address, as this end knows it.
        local: SocketAddr,
        /// This end's address, as the far end sees it.
        seen_as: SocketAddr,
    },
    /// The far end has no such port (or a rule that says so).
    Refused,
    /// No answer: dropped on the way.
    TimedOut,
    /// No way there, said this node or one on the way.
    Unreachable,
}

/// Connects to a [`Server`], from the calling thread's namespace.
///
/// # Errors
/// Anything but the four [outcomes](Outcome): a far end that is no such server, for instance.
pub fn connect(destination: SocketAddr, patience: Duration) -> Result<Outcome> {
    let stream = match TcpStream::connect_timeout(&destination, patience) {
        Ok(stream) => stream,
        Err(error) => {
            return failure(&error).ok_or(error).with_context(|| format!("connecting to {destination}"));
        }
    };
    converse(stream, patience).with_context(|| format!("talking to {destination}"))
}

fn converse(mut stream: TcpStream, patience: Duration) -> Result<Outcome> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let local = stream.local_addr()?;
    let mut reader = BufReader::new(stream.try_clone()?.take(2 * LONGEST_LINE));
    let seen_as = read_line(&mut reader)?.parse().context("reading the greeting")?;
    let line = format!("from {local}");
    stream.write_all(format!("{line}\n").as_bytes())?;
    let echoed = read_line(&mut reader)?;
    if echoed != line {
        bail!("sent {line:?}, and {echoed:?} came back");
    }
    Ok(Outcome::Connected { local, seen_as })
}

fn failure(error: &io::Error) -> Option<Outcome> {
    let is_one_of = |kinds: &[ErrorKind]| kinds.contains(&error.kind());
    if is_one_of(&[ErrorKind::ConnectionRefused]) {
        Some(Outcome::Refused)
    } else if is_one_of(&[ErrorKind::TimedOut, ErrorKind::WouldBlock]) {
        Some(Outcome::TimedOut)
    } else if is_one_of(&[
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkUnreachable,
        ErrorKind::PermissionDenied,
    ]) {
        // EACCES is a route of type prohibit, or an ICMP "administratively prohibited".
        Some(Outcome::Unreachable)
    } else {
        None
    }
}

/// Greets and echoes, while it lives.
#[derive(Debug)]
pub struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts serving `listener`.
    ///
    /// # Errors
    /// When the listener cannot be set up.
    pub fn start(listener: TcpListener) -> Result<Self> {
        listener.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                let mut waiting = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
                // An interrupted wait is a short one.
                let _ = poll(&mut waiting, PollTimeout::from(LOOK_MS));
                if let Ok((stream, peer)) = listener.accept() {
                    // A client that hangs up early harms nobody but itself.
                    thread::spawn(move || greet(stream, peer));
                }
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there.
            let _ = thread.join();
        }
    }
}

fn greet(mut stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    // A listener for both families sees IPv4 peers as ::ffff:a.b.c.d.
    let seen = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    stream.write_all(format!("{seen}\n").as_bytes())?;
    let line = read_line(&mut BufReader::new(stream.try_clone()?.take(LONGEST_LINE)))?;
    stream.write_all(format!("{line}\n").as_bytes())
}

fn read_line(reader: &mut impl io::BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::Error::new(ErrorKind::UnexpectedEof, format!("the line ends early: {line:?}"))),
    }
}
