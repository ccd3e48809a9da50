//! Limits on what a peer may announce (RFC 4271 §6.7), looked at after each of its UPDATEs.

use std::time::Instant;

use super::peer::{Held, PeerId};
use super::{NoticeKind, Speaker};
use crate::config::{Beyond, MaxPrefixes};
use crate::session::machine::{Cease, Event, Stop};
use crate::wire::Family;

/// Where a family's count stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Level {
    #[default]
    Usual,
    /// Beyond the share at which it is said.
    High,
    /// Beyond the limit.
    Beyond,
}

impl Level {
    fn of(count: u32, limits: MaxPrefixes) -> Self {
        let share = u64::from(limits.limit) * u64::from(limits.warn_percent);
        if count > limits.limit {
            Self::Beyond
        } else if limits.warn_percent > 0 && u64::from(count) * 100 >= share && count > 0 {
            Self::High
        } else {
            Self::Usual
        }
    }
}

impl Speaker {
    /// Says once that a level has been passed; ends the session beyond the limit where that is wanted.
    pub(super) fn check_prefixes(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get(id) else { return };
        let Some(established) = &peer.established else { return };
        let limited = |(family, settings): (&Family, &crate::config::FamilyConfig)| {
            let limits = settings.max_prefixes?;
            let count = self.rib.counts(established.source, *family).received;
            let before = peer.levels.get(family).copied().unwrap_or_default();
            let level = Level::of(count, limits);
            (level != before).then_some((*family, limits, count, before, level))
        };
        let changes: Vec<_> = peer.config.families.iter().filter_map(limited).collect();
        for (family, limits, count, before, level) in changes {
            if let Some(peer) = self.peers.get_mut(id) {
                peer.levels.insert(family, level);
            }
            if level > before {
                self.notice(id, NoticeKind::Prefixes { family, count, limit: limits.limit });
            }
            if level == Level::Beyond {
                self.refuse(id, family, limits, now);
            }
        }
    }

    /// The peer is not to keep our routes either: nothing comes through this session that it could be sent by.
    fn refuse(&mut self, id: PeerId, family: Family, limits: MaxPrefixes, now: Instant) {
        let held = match limits.beyond {
            Beyond::Warn => return,
            Beyond::Idle => Held::UntilReset,
            Beyond::Restart(after) => Held::Until(now + after),
        };
        let why = format!("more than {} {family} prefixes", limits.limit);
        self.hold(id, held, now, || {
            Event::Stop(Stop {
                cease: Cease::MaximumPrefixes,
                communication: None,
                hard: true,
                why: why.clone(),
            })
        });
    }

    /// Ends the sessions of a peer and lets it have none until it is released.
    pub(super) fn hold(&mut self, id: PeerId, held: Held, now: Instant, event: impl Fn() -> Event) {
        self.stop_dialling(id, now);
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.held = Some(held);
        self.each_session(id, now, event);
        self.forget_stale(id);
        self.synchronisation.look_again();
        self.report(id, "", now);
        self.retire(id, now);
    }

    /// Lets a held peer have sessions again.
    pub(super) fn release(&mut self, id: PeerId, reason: &str, now: Instant) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.held = None;
        peer.renew_dialer(now);
        self.dial(id, crate::session::dialer::Event::Timers, reason, now);
        self.retire(id, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_count() {
        let limits = MaxPrefixes { limit: 10, warn_percent: 75, beyond: Beyond::Warn };
        let level = |count| Level::of(count, limits);
        assert_eq!([0, 7, 8, 10, 11].map(level), [
            Level::Usual,
            Level::Usual,
            Level::High,
            Level::High,
            Level::Beyond
        ]);
        assert_eq!(Level::of(0, MaxPrefixes { limit: 0, ..limits }), Level::Usual);
        assert_eq!(Level::of(10, MaxPrefixes { warn_percent: 0, ..limits }), Level::Usual);
        assert_eq!(Level::of(u32::MAX, MaxPrefixes { limit: u32::MAX, ..limits }), Level::High);
    }
}
