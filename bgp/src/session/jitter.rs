//! Jitter for timers (RFC 4271 §10), from a seed: the same speaker with the same inputs does the same.
//!
//! Not for secrets. Two speakers have different router ids, hence different seeds, which is all that jitter needs.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// A deterministic sequence of timer scalings.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// The sequence of one speaker towards one peer.
    #[must_use]
    pub fn new(router_id: Ipv4Addr, peer: IpAddr) -> Self {
        let peer = match peer {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        };
        let folded = peer as u64 ^ (peer >> 64) as u64;
        Self(folded.rotate_left(32) ^ u64::from(u32::from(router_id)))
    }

    /// An independent sequence, for a part that lives on its own.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// `base` scaled by a factor between 0.75 and 1.0 (RFC 4271 §10).
    #[must_use]
    pub fn shorten(&mut self, base: Duration) -> Duration {
        let fraction = u32::try_from(self.next() >> 54).unwrap_or(0); // 0..1024
        base.saturating_mul(3072 + fraction) / 4096
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
