//! Counting numbered packets, as pure values.
//!
//! A packet is *lost* if its number never arrived, *reordered* if a higher number arrived before it (RFC 4737 §3.3), and
//! *duplicated* if its number had arrived already.

use std::time::Duration;

use serde::Serialize;

#[cfg(test)]
mod tests;

/// What became of a flow's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// Packets that the sender tried to send.
    pub sent: u64,
    /// Different packets that arrived.
    pub received: u64,
    /// Packets that did not.
    pub lost: u64,
    /// Arrived after a later one.
    pub reordered: u64,
    /// Further arrivals of a packet that had arrived.
    pub duplicated: u64,
    /// The longest time between two arrivals, milliseconds. Zero with fewer than two.
    pub longest_gap_ms: u64,
}

impl Report {
    /// This flow and another one taken together: counts add up, the longer gap counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            received: self.received + other.received,
            lost: self.lost + other.lost,
            reordered: self.reordered + other.reordered,
            duplicated: self.duplicated + other.duplicated,
            longest_gap_ms: self.longest_gap_ms.max(other.longest_gap_ms),
        }
    }
}

/// The arrivals of one flow so far.
#[derive(Debug, Clone)]
pub struct Arrivals {
    /// One bit a number.
    seen: Vec<u64>,
    limit: u64,
    received: u64,
    reordered: u64,
    duplicated: u64,
    highest: Option<u64>,
    last: Option<Duration>,
    longest_gap: Duration,
}

impl Arrivals {
    /// None yet, of a flow that numbers its packets from 0 to below `limit`.
    #[must_use]
    pub fn expecting(limit: u64) -> Self {
        let words = usize::try_from(limit.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            seen: vec![0; words],
            limit,
            received: 0,
            reordered: 0,
            duplicated: 0,
            highest: None,
            last: None,
            longest_gap: Duration::ZERO,
        }
    }

    /// Packet `number` arrived at time `at`, counted from any fixed moment. A number beyond the limit is nobody's packet.
    pub fn arrive(&mut self, number: u64, at: Duration) {
        if number >= self.limit {
            return;
        }
        if let Some(last) = self.last.replace(at) {
            self.longest_gap = self.longest_gap.max(at.saturating_sub(last));
        }
        let bit = 1_u64 << (number % 64);
        let Some(word) = usize::try_from(number / 64).ok().and_then(|word| self.seen.get_mut(word)) else {
            return;
        };
        if *word & bit != 0 {
            self.duplicated += 1;
            return;
        }
        *word |= bit;
        self.received += 1;
        match self.highest {
            Some(highest) if number < highest => self.reordered += 1,
            _ => self.highest = Some(number),
        }
    }

    /// Different packets that have arrived.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The account, once `sent` packets were sent.
    #[must_use]
    pub fn report(&self, sent: u64) -> Report {
        Report {
            sent,
            received: self.received,
            lost: sent.saturating_sub(self.received),
            reordered: self.reordered,
            duplicated: self.duplicated,
            longest_gap_ms: u64::try_from(self.longest_gap.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
