//! Bidirectional Forwarding Detection, RFC 5880: whether packets get to a neighbour, known in fractions of a second.
//!
//! ```text
//! packet/    octets ↔ control packets (RFC 5880 §4.1)
//! machine/   one session: packets and time in, packets and state out (§6.8)
//! ```
//!
//! Asynchronous mode; demand mode is never asked for, and a peer that asks for it is answered as §6.6 wants. Echo and
//! authentication are not spoken. Pure: no socket, no clock; one hop (RFC 5881) and several (RFC 5883) differ in the
//! owner's sockets alone.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config;

mod jitter;
pub mod machine;
pub mod packet;

/// RFC 5880 §6.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// 0: held down by an operator.
    AdminDown,
    /// 1.
    Down,
    /// 2: the other end hears us not, or we have just heard it.
    Init,
    /// 3.
    Up,
}

/// A session that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The other end.
    pub remote: IpAddr,
    /// Ours; the kernel's choice if none.
    pub local: Option<IpAddr>,
    /// The interface of a single-hop session, where known.
    pub interface: Option<Arc<str>>,
    /// Intervals, multiplier, hops.
    pub settings: config::Bfd,
}

/// What a session says to its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Where it is now.
    pub state: State,
    /// Why (RFC 5880 §4.1, Diag).
    pub diagnostic: u8,
    /// The other end said (last) that its BFD does not share fate with its control plane (the C bit).
    pub remote_independent: bool,
    /// The other end was put down by its operator: that is no failure (RFC 5882 §4.2).
    pub remote_admin_down: bool,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}
