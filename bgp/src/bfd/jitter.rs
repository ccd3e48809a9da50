//! Jitter of the transmission interval (RFC 5880 §6.8.7), from a seed: the same session with the same inputs does the
//! same. It keeps sessions from falling into step; it is no secret.

use std::time::Duration;

/// Shares of an interval, in 4096ths: 75 %, 90 % and the whole.
const SHORTEST: u64 = 3072;
const LONGEST_OF_ONE: u64 = 3686;
const WHOLE: u64 = 4096;

/// A deterministic sequence of scalings.
#[derive(Debug, Clone)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 75 to 100 % of the interval; 90 at most if the loss of one packet is a failure already (Detect Mult 1).
    pub(super) fn shorten(&mut self, interval: Duration, multiplier: u8) -> Duration {
        let longest = if multiplier == 1 { LONGEST_OF_ONE } else { WHOLE };
        let share = SHORTEST + self.next() % (longest - SHORTEST + 1);
        let nanos = u128::from(share) * interval.as_nanos() / u128::from(WHOLE);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_in_their_range_and_reach_its_ends() {
        let interval = Duration::from_millis(100);
        for (multiplier, longest) in [(1, 90), (2, 100), (3, 100), (255, 100)] {
            let mut jitter = Jitter::new(7);
            let drawn: Vec<Duration> = (0..10_000).map(|_| jitter.shorten(interval, multiplier)).collect();
            let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
            assert!(*least >= Duration::from_millis(75) && *least < Duration::from_millis(76), "{least:?}");
            assert!(*most <= Duration::from_millis(longest), "{most:?}");
            assert!(*most > Duration::from_millis(longest - 1), "{most:?}");
        }
    }
}
