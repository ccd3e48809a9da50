//! Finding the peers of unnumbered sessions: router advertisements (RFC 4861) tell each end the other's link-local
//! address.
//!
//! One task for each interface that a peer is behind: it advertises this router, solicits advertisements until somebody
//! was heard, and reports whom it hears. We are no default router: the advertised lifetime is 0. An interface that is not there yet, or goes and comes back, is tried again each second.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::socket_option;
use crate::session::jitter::Jitter;
use pace::Pace;
use packet::Heard;

mod pace;
mod packet;

#[cfg(test)]
mod tests;

/// Findings that may wait for the owner; further ones are dropped, and come again.
const FINDINGS: usize = 64;
/// Until an interface that failed is tried again, and between looks whether it is still the same.
const REOPEN: Duration = Duration::from_secs(1);
/// `ICMP6_FILTER` of `linux/icmpv6.h`.
const ICMP6_FILTER: i32 = 1;
/// More than any advertisement that could interest us; the rest of longer ones is cut off.
const MAX_OCTETS: usize = 2048;

/// A neighbour's link-local address on an interface.
pub(super) type Finding = (Arc<str>, Ipv6Addr);

/// See the module.
#[derive(Debug)]
pub(super) struct Discovery {
    tasks: BTreeMap<Arc<str>, AbortHandle>,
    findings: mpsc::Sender<Finding>,
}

impl Discovery {
    pub(super) fn start() -> (Self, mpsc::Receiver<Finding>) {
        let (findings, found) = mpsc::channel(FINDINGS);
        (Self { tasks: BTreeMap::new(), findings }, found)
    }

    /// The interfaces to look at from now on.
    pub(super) fn watch(&mut self, interfaces: BTreeSet<Arc<str>>) {
        self.tasks.retain(|interface, task| {
            let stays = interfaces.contains(interface);
            if !stays {
                task.abort();
            }
            stays
        });
        for interface in interfaces {
            let findings = &self.findings;
            self.tasks.entry(interface).or_insert_with_key(|key| {
                tokio::spawn(serve(Arc::clone(key), findings.clone())).abort_handle()
            });
        }
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.tasks.values().for_each(AbortHandle::abort);
    }
}

/// Looks at an interface for ever.
async fn serve(interface: Arc<str>, findings: mpsc::Sender<Finding>) {
    let mut said = String::new();
    loop {
        let error = match Link::open(&interface) {
            Ok(link) => link.converse(&interface, &findings).await,
            Err(error) => error,
        };
        let text = error.to_string();
        if text != said {
            tracing::warn!(%interface, %error, "cannot look for a BGP neighbour; trying again each second");
            said = text;
        }
        tokio::time::sleep(REOPEN).await;
    }
}

/// An interface and a socket that speaks Neighbour Discovery on it.
struct Link {
    socket: AsyncFd<Socket>,
    index: u32,
}

impl Link {
    fn open(interface: &str) -> io::Result<Self> {
        let index = if_nametoindex(interface)?;
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        let filter = packet::filter();
        socket_option::set(socket.as_fd(), libc::IPPROTO_ICMPV6, ICMP6_FILTER, &filter)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_multicast_if_v6(index)?;
        socket.set_multicast_hops_v6(u32::from(packet::HOP_LIMIT))?;
        socket.set_multicast_loop_v6(false)?;
        socket.set_recv_hoplimit_v6(true)?;
        socket.join_multicast_v6(&packet::ALL_NODES, index)?;
        socket.join_multicast_v6(&packet::ALL_ROUTERS, index)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: socket_option::register(socket)?, index })
    }

    /// Talks until the interface fails.
    async fn converse(&self, interface: &Arc<str>, findings: &mpsc::Sender<Finding>) -> io::Error {
        let mut pace = Pace::new(jitter(interface), Instant::now());
        let mut look = Instant::now() + REOPEN;
        loop {
            let outcome = tokio::select! {
                received = self.receive() => match received {
                    Ok(Some(Heard::Advertisement(neighbour))) => {
                        pace.heard_advertisement();
                        // It comes again if the owner has no time now.
                        let _ = findings.try_send((Arc::clone(interface), neighbour));
                        Ok(())
                    }
                    Ok(Some(Heard::Solicitation)) => {
                        pace.heard_solicitation(Instant::now());
                        Ok(())
                    }
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                },
                () = tokio::time::sleep_until(pace.deadline()) => self.introduce(&mut pace, Instant::now()),
                () = tokio::time::sleep_until(look) => {
                    look = Instant::now() + REOPEN;
                    self.is_current(interface)
                }
            };
            if let Err(error) = outcome {
                return error;
            }
        }
    }

    /// The socket is bound to an index, not to a name: of an interface that comes back it would hear nothing.
    fn is_current(&self, interface: &str) -> io::Result<()> {
        if if_nametoindex(interface)? == self.index {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "the interface was replaced by another of its name"))
        }
    }

    /// Sends what is due.
    fn introduce(&self, pace: &mut Pace, now: Instant) -> io::Result<()> {
        let due = pace.due(now);
        if due.solicitation {
            if !self.send(&packet::solicitation(), packet::ALL_ROUTERS)? {
                pace.postpone(now);
                return Ok(());
            }
            pace.sent_solicitation(now);
        }
        if due.advertisement {
            if !self.send(&packet::advertisement(), packet::ALL_NODES)? {
                pace.postpone(now);
                return Ok(());
            }
            pace.sent_advertisement(now);
        }
        Ok(())
    }

    /// Whether it went out: not where there is no source yet, or no room. The kernel fills in source and checksum.
    fn send(&self, octets: &[u8], to: Ipv6Addr) -> io::Result<bool> {
        let to = SocketAddrV6::new(to, 0, 0, self.index);
        match self.socket.get_ref().send_to(octets, &to.into()) {
            Ok(_) => Ok(true),
            Err(error) if passes(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The next packet, none if it is not for us.
    async fn receive(&self) -> io::Result<Option<Heard>> {
        self.socket.async_io(tokio::io::Interest::READABLE, receive).await
    }
}

/// Another sequence on each router and at each start: those that start together do not stay together.
fn jitter(interface: &str) -> Jitter {
    let random = RandomState::new().hash_one(interface);
    Jitter::new(Ipv4Addr::from_bits(random as u32), Ipv4Addr::from_bits((random >> 32) as u32).into())
}

/// Errors that are gone when the link is up and its address usable.
fn passes(error: &io::Error) -> bool {
    let passing = [Errno::EADDRNOTAVAIL, Errno::ENOBUFS, Errno::EAGAIN, Errno::ENETUNREACH];
    error.raw_os_error().is_some_and(|code| passing.contains(&Errno::from_raw(code)))
}

fn receive(socket: &Socket) -> io::Result<Option<Heard>> {
    let mut octets = [0; MAX_OCTETS];
    let mut slices = [IoSliceMut::new(&mut octets)];
    let mut control = cmsg_space!(libc::c_int);
    let received =
        recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
    let hop_limit = received.cmsgs()?.find_map(|message| {
        if let ControlMessageOwned::Ipv6HopLimit(limit) = message { Some(limit) } else { None }
    });
    let (Some(source), Some(hop_limit), count) = (received.address, hop_limit, received.bytes) else {
        return Ok(None);
    };
    Ok(packet::decode(octets.get(..count).unwrap_or_default(), source.ip(), hop_limit))
}
