//! What a peer's connections are signed by: TCP MD5 or TCP-AO, on each kind of socket. A peer that is to be signed is
//! never talked to unsigned: whoever gets an error here gives the connection up.

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use ipnetwork::IpNetwork;

use super::{ao, md5};
use crate::config::{PeerConfig, Secret, TcpAo};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signature {
    /// RFC 2385.
    Md5(Secret),
    /// RFC 5925.
    Ao(TcpAo),
}

impl Signature {
    /// What a peer's settings want.
    pub(super) fn of(settings: &PeerConfig) -> Option<Self> {
        let ao = settings.tcp_ao.clone().map(Self::Ao);
        ao.or_else(|| settings.password.clone().map(Self::Md5))
    }

    /// Whether setting it takes the place of another one of the same network, which need not be removed before.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Md5(_), Self::Md5(_)))
    }

    /// Has a listening socket take only what is signed by this from a network.
    ///
    /// # Errors
    /// The kernel's; a key that cannot be; a kernel without TCP-AO.
    pub(super) fn sign_listening(&self, socket: BorrowedFd<'_>, network: IpNetwork) -> io::Result<()> {
        self.name(match self {
            Self::Md5(password) => md5::sign(socket, network, Some(password)),
            Self::Ao(key) => ao::sign_listening(socket, network, key),
        })
    }

    /// Takes it away from a listening socket, if that has it.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn unsign_listening(&self, socket: BorrowedFd<'_>, network: IpNetwork) -> io::Result<()> {
        match self {
            Self::Md5(_) => md5::sign(socket, network, None),
            Self::Ao(key) => ao::unsign_listening(socket, network, key),
        }
    }

    /// Signs a connection that is about to be made.
    ///
    /// # Errors
    /// As for [`sign_listening`](Self::sign_listening).
    pub(super) fn sign_dialled(&self, socket: BorrowedFd<'_>, peer: IpAddr) -> io::Result<()> {
        self.name(match self {
            Self::Md5(password) => md5::sign(socket, IpNetwork::from(peer), Some(password)),
            Self::Ao(key) => ao::sign_dialled(socket, peer, key),
        })
    }

    /// Signs an accepted connection. It has the key that its SYN was signed by, or none if that came before the
    /// listener's: from now on this one.
    ///
    /// # Errors
    /// As for [`sign_listening`](Self::sign_listening); with TCP-AO, that it was made unsigned.
    pub(super) fn sign_accepted(&self, socket: BorrowedFd<'_>, peer: IpAddr) -> io::Result<()> {
        self.name(match self {
            Self::Md5(password) => md5::sign(socket, IpNetwork::from(peer), Some(password)),
            Self::Ao(key) => ao::sign_accepted(socket, peer, key),
        })
    }

    /// Says what could not be done.
    fn name(&self, outcome: io::Result<()>) -> io::Result<()> {
        let method = match self {
            Self::Md5(_) => "TCP MD5",
            Self::Ao(_) => "TCP-AO",
        };
        outcome.map_err(|error| io::Error::new(error.kind(), format!("cannot sign by {method}: {error}")))
    }
}
