//! Limits on what a peer may announce (RFC 4271 §6.7), looked at after each of its UPDATEs.

use std::time::Instant;

use super::peer::PeerId;
use super::{NoticeKind, Speaker};
use crate::config::{Beyond, MaxPrefixes};
use crate::session::dialer::{self, Setback};
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
        let rest = match limits.beyond {
            Beyond::Warn => return,
            Beyond::Idle => None,
            Beyond::Restart(after) => Some(after),
        };
        let why = format!("more than {} {family} prefixes", limits.limit);
        self.shut(id, dialer::Event::Down(Setback::Rest(rest)), now, || {
            Event::Stop(Stop {
                cease: Cease::MaximumPrefixes,
                communication: None,
                hard: true,
                why: why.clone(),
            })
        });
    }

    /// Ends the sessions of a peer and lets it have none for as long as the dialer is then told.
    pub(super) fn shut(&mut self, id: PeerId, rest: dialer::Event, now: Instant, stop: impl Fn() -> Event) {
        self.stop_dialling(id, now);
        self.each_session(id, now, stop);
        self.forget_stale(id);
        self.dial(id, rest, "", now);
        self.synchronisation.look_again();
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
        assert_eq!(
            [0, 7, 8, 10, 11].map(level),
            [Level::Usual, Level::Usual, Level::High, Level::High, Level::Beyond]
        );
        assert_eq!(Level::of(0, MaxPrefixes { limit: 0, ..limits }), Level::Usual);
        assert_eq!(Level::of(10, MaxPrefixes { warn_percent: 0, ..limits }), Level::Usual);
        assert_eq!(Level::of(u32::MAX, MaxPrefixes { limit: u32::MAX, ..limits }), Level::High);
    }
}
