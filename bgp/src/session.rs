//! RFC 4271 §8: how a peering comes up, stays up and goes down.
//!
//! RFC 4271 describes one state machine per peering and, for collisions (§6.8), a second copy of it. Here the two
//! halves are two values:
//!
//! ```text
//! Dialer    Idle, Connect, Active         one per peer: whether and when to open a TCP connection
//! Session   OpenSent, OpenConfirm,        one per TCP connection (there may be two at a time)
//!           Established
//! ```
//!
//! Both take events and time and return what is to be done; neither knows the RIB, a socket or a clock. What both
//! ends said in their OPENs becomes one value, [`Negotiated`](negotiation::Negotiated).

use std::fmt;

mod cease;
pub mod collision;
pub mod dialer;
pub mod jitter;
pub mod machine;
pub mod negotiation;
mod offer;

#[cfg(test)]
mod tests;

/// The states of RFC 4271 §8.2.2, in the order in which a peering passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// No connection is made or accepted: a pause after an error, or people want none.
    Idle,
    /// Waiting for our TCP connection to stand.
    Connect,
    /// Waiting for the peer's TCP connection, or for the time to try again.
    Active,
    /// Waiting for the peer's OPEN.
    OpenSent,
    /// Waiting for the peer's KEEPALIVE.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
}

impl State {
    /// The RFC's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
