//! One peer's connection: dialled, opened, written to and read from without ever blocking.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use integration::mrt::updates::message;
use socket2::{Domain, Protocol, Socket, Type};

use super::Identity;
use super::ledger::Ledger;

/// Longer than any run, so that nobody has to keep a session alive.
const HOLD_TIME_SECS: u16 = 3_600;

pub const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;

/// What the kernel gives at least, when asked for 1.
const DEAF_RECEIVE_BUFFER: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// Dialled; nothing sent.
    Connecting,
    /// OPEN sent.
    OpenSent,
    /// OPEN received, KEEPALIVE sent.
    OpenConfirm,
    Established,
}

/// What reading brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// The session is up.
    pub established: bool,
    /// The ledger has what was expected.
    pub finished: bool,
}

/// Why a connection is over.
#[derive(Debug)]
pub enum Gone {
    /// The device closed it, or never took it.
    HungUp,
    /// The device said what it should not.
    Broken(String),
}

/// A connection, if there is one.
#[derive(Debug)]
pub struct Connection {
    identity: Identity,
    socket: Option<TcpStream>,
    state: State,
    /// The beginning of a message whose rest has not come yet.
    partial: Vec<u8>,
    outgoing: Option<(Arc<[u8]>, usize)>,
    deaf: bool,
    expected: Option<usize>,
    finished: Option<Instant>,
    /// What it holds.
    pub ledger: Ledger,
}

impl Connection {
    pub fn new(identity: Identity, ledger: Ledger) -> Self {
        Self {
            identity,
            socket: None,
            state: State::Idle,
            partial: Vec::with_capacity(4_096),
            outgoing: None,
            deaf: false,
            expected: None,
            finished: None,
            ledger,
        }
    }

    pub fn identity(&self) -> Identity {
        self.identity
    }

    pub fn socket(&self) -> Option<&TcpStream> {
        self.socket.as_ref()
    }

    pub fn is_established(&self) -> bool {
        self.state == State::Established
    }

    pub fn is_deaf(&self) -> bool {
        self.deaf
    }

    pub fn has_outgoing(&self) -> bool {
        self.outgoing.is_some()
    }

    pub fn is_waiting(&self) -> bool {
        self.expected.is_some()
    }

    pub fn take_finished(&mut self) -> Option<Instant> {
        self.finished.take()
    }

    /// For people: who it is and how far it came.
    pub fn progress(&self) -> String {
        let goal = self.expected.map_or(String::new(), |goal| format!(", {goal} expected"));
        format!("{} ({:?}, {} prefixes{goal})", self.identity.address, self.state, self.ledger.held())
    }

    /// Whether there is something to wait for now.
    pub fn expect(&mut self, prefixes: usize) -> bool {
        self.finished = None;
        let already = self.ledger.held() == prefixes;
        let was_waiting = self.expected.replace(prefixes).is_some();
        if already {
            self.expected = None;
            self.finished = Some(Instant::now());
        }
        !already && !was_waiting
    }

    pub fn dial(&mut self, device: SocketAddrV4) -> io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddrV4::new(self.identity.address, 0).into())?;
        match socket.connect(&device.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(nix::libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        self.socket = Some(socket.into());
        self.state = State::Connecting;
        Ok(())
    }

    pub fn close(&mut self) {
        self.socket = None;
        self.state = State::Idle;
        self.partial.clear();
        self.outgoing = None;
    }

    pub fn deafen(&mut self) -> io::Result<()> {
        self.deaf = true;
        if let Some(socket) = &self.socket {
            socket2::SockRef::from(socket).set_recv_buffer_size(DEAF_RECEIVE_BUFFER)?;
        }
        Ok(())
    }

    /// Whether some of it is left to be written when the device takes more.
    pub fn send(&mut self, messages: Arc<[u8]>) -> io::Result<bool> {
        if self.outgoing.is_some() {
            return Err(io::Error::other("the messages before are still being sent"));
        }
        self.outgoing = Some((messages, 0));
        self.write().map(|_| self.has_outgoing())
    }

    /// Writes what goes; whether what should be watched for may have changed.
    pub fn write(&mut self) -> io::Result<bool> {
        let Some(socket) = &mut self.socket else { return Ok(false) };
        if self.state == State::Connecting {
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            self.state = State::OpenSent;
            self.outgoing = Some((open(self.identity, Families::Ipv4).into(), 0));
        }
        while let Some((messages, written)) = &mut self.outgoing {
            match socket.write(&messages[*written..]) {
                Ok(more) => *written += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if *written == messages.len() {
                self.outgoing = None;
            }
        }
        Ok(true)
    }

    /// Reads once, by way of `scratch`.
    pub fn read(&mut self, scratch: &mut [u8]) -> Result<News, Gone> {
        let Some(socket) = &mut self.socket else { return Ok(News::default()) };
        let kept = self.partial.len();
        scratch[..kept].copy_from_slice(&self.partial);
        let came = match socket.read(&mut scratch[kept..]) {
            Ok(0) => return Err(Gone::HungUp),
            Ok(came) => came,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(News::default());
            }
            Err(_) => return Err(Gone::HungUp),
        };
        let mut rest = &scratch[..kept + came];
        let was_established = self.is_established();
        while let Some((message, behind)) = split_message(rest)? {
            self.take(message)?;
            rest = behind;
        }
        self.partial.clear();
        self.partial.extend_from_slice(rest);
        let finished = self.expected == Some(self.ledger.held());
        if finished {
            self.expected = None;
            self.finished = Some(Instant::now());
        }
        Ok(News { established: self.is_established() && !was_established, finished })
    }

    fn take(&mut self, message: &[u8]) -> Result<(), Gone> {
        let (kind, body) = (message[18], &message[19..]);
        match (kind, self.state) {
            (UPDATE, State::Established) => self.ledger.update(body).map_err(Gone::Broken),
            (KEEPALIVE, State::Established) => Ok(()),
            (OPEN, State::OpenSent) => {
                self.state = State::OpenConfirm;
                // Nothing else is underway before a session is up.
                self.send(keepalive().into()).map(|_| ()).map_err(|_| Gone::HungUp)
            }
            (KEEPALIVE, State::OpenConfirm) => {
                self.state = State::Established;
                Ok(())
            }
            (NOTIFICATION, State::Established) => {
                Err(Gone::Broken(format!("NOTIFICATION {:?}", body.get(..2).unwrap_or_default())))
            }
            // Some tell whom they refuse.
            (NOTIFICATION, _) => Err(Gone::HungUp),
            (kind, state) => Err(Gone::Broken(format!("a message of type {kind} in {state:?}"))),
        }
    }
}

/// What comes first, and what follows it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The first whole message, and what follows it.
fn split_message(octets: &[u8]) -> Result<Option<Split<'_>>, Gone> {
    let Some(header) = octets.get(..19) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
    if length < 19 {
        return Err(Gone::Broken(format!("a message of {length} octets")));
    }
    Ok(octets.split_at_checked(length))
}

/// KEEPALIVE.
pub fn keepalive() -> Vec<u8> {
    let mut out = Vec::with_capacity(19);
    message(KEEPALIVE, &mut out, |_| {});
    out
}

/// The families that a peer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Families {
    /// IPv4 unicast.
    Ipv4,
    /// That and IPv6 unicast.
    Both,
}

/// OPEN with these families and four-octet AS numbers.
pub fn open(identity: Identity, families: Families) -> Vec<u8> {
    let mut capabilities = vec![1, 4, 0, 1, 0, 1];
    if families == Families::Both {
        capabilities.extend([1, 4, 0, 2, 0, 1]);
    }
    capabilities.extend([65, 4]);
    capabilities.extend(identity.asn.to_be_bytes());
    // Far below 256.
    let length = u8::try_from(capabilities.len()).unwrap_or(u8::MAX);
    let mut out = Vec::with_capacity(64);
    message(OPEN, &mut out, |out| {
        out.push(4);
        // AS_TRANS where two octets do not do (RFC 6793 §9).
        out.extend(u16::try_from(identity.asn).unwrap_or(23_456).to_be_bytes());
        out.extend(HOLD_TIME_SECS.to_be_bytes());
        out.extend(identity.address.octets());
        out.extend([length + 2, 2, length]);
        out.extend(capabilities);
    });
    out
}
