//! RFC 4271 §6.8: of two connections with one peer, which one stays.

use std::net::Ipv4Addr;

/// Who opened a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// This speaker.
    Dialled,
    /// The peer.
    Accepted,
}

/// Which of two connections stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The one that had its OPEN first.
    Existing,
    /// The one whose OPEN has just come.
    New,
}

/// One end of the comparison: BGP identifier, and the AS for when identifiers are equal (RFC 6286 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// BGP identifier, compared as a number.
    pub router_id: Ipv4Addr,
    /// Decides between external peers that share an identifier.
    pub asn: u32,
}

/// The connection opened by the speaker of the higher rank stays. Both ends compute the same, each from its side.
///
/// Two connections opened from the same side are no collision of two speakers but a second attempt of one: it has
/// given up the first, so the new one stays.
#[must_use]
pub fn survivor(ours: Rank, theirs: Rank, existing: Direction, new: Direction) -> Keep {
    if existing == new {
        return Keep::New;
    }
    let winner = if ours > theirs { Direction::Dialled } else { Direction::Accepted };
    if winner == existing { Keep::Existing } else { Keep::New }
}
