//! RFC 4724, RFC 8538 and RFC 9494, in both roles.
//!
//! Helping (RFC 4724 §4.2): a peer that announced the capability and whose connection went away, without a
//! NOTIFICATION or with one that RFC 8538 lets routes survive, is taken to be restarting. By family:
//!
//! ```text
//!            lost                    restart time over             stale time over
//! (nothing) ─────► Away ────────────────────────────► LongLived ──────────────────► flushed
//!                   │  └── without RFC 9494: flushed     │
//!                   └───────── back, F bit set ──────────┴──► Resyncing ── End-of-RIB, or time over ──► flushed
//! ```
//!
//! A peer that comes back without the F bit has its stale routes flushed at once. Those still stale when it goes away
//! again before its End-of-RIB are deleted (RFC 4724 §4.2); what it had announced again is kept once more. While it is
//! merely away, coming and going connections change nothing; nor does a session that was Established for a moment, until
//! another connection that began beside it took its place (RFC 4271 §6.8): then it was away all the time.
//!
//! Restarting (§4.1): our own prefixes are announced at once, but nothing that we merely pass on and no End-of-RIB
//! until our own table is complete. Complete means: every peer that is Established has sent all it had, and whoever is
//! not there has had [`ABSENT`] to come; a peer that is administratively down is
//! not waited for at all. With nobody
//! Established nothing has been learned, and what the kernel still has is the best that is known: then the end is the
//! deferral time, which caps all of this. A failed attempt to connect does not shorten the wait: a peer that restarts
//! together with us refuses connections for some seconds, and it costs nothing, since peers keep what we told before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::peer::{Established, Peer, PeerId};
use super::timers::Timed;
use super::{FORWARDING_CHUNK, NoticeKind, Output, Speaker};
use crate::config::Config;
use crate::session::State;
use crate::session::machine::Cause;
use crate::session::negotiation::Negotiated;
use crate::wire::{Family, FamilySet};

/// How long after the start peers that are not there are waited for.
const ABSENT: Duration = Duration::from_secs(10);

/// How far a peer's restart, or its sending of everything again, has got in one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stale {
    /// The peer is away.
    Away { until: Instant },
    /// It has been away for longer than its restart time (RFC 9494).
    LongLived { until: Instant },
    /// It is back and announces.
    Resyncing { until: Instant },
    /// It has begun to announce everything again (RFC 7313): what it had announced counts on.
    Refreshing { until: Instant },
}

/// What is kept of a peer's routes, by family; nothing stale in those that are missing.
#[derive(Debug, Default)]
pub(super) struct Helper {
    families: BTreeMap<Family, Stale>,
    /// What was so before the peer came back, by family that it then began to announce.
    before: BTreeMap<Family, Stale>,
    /// How long routes outlast the restart time.
    long_lived: BTreeMap<Family, Duration>,
}

impl Stale {
    fn until(self) -> Instant {
        match self {
            Self::Away { until }
            | Self::LongLived { until }
            | Self::Resyncing { until }
            | Self::Refreshing { until } => until,
        }
    }
}

impl Helper {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.families.values().map(|stale| stale.until()).min()
    }

    /// Whether routes are kept over a restart.
    pub(super) fn is_active(&self) -> bool {
        self.families.values().any(|stale| match stale {
            Stale::Away { .. } | Stale::LongLived { .. } | Stale::Resyncing { .. } => true,
            Stale::Refreshing { .. } => false,
        })
    }

    pub(super) fn clear(&mut self) {
        self.families.clear();
        self.before.clear();
    }
}

/// The initial synchronisation of this speaker.
#[derive(Debug, Default)]
pub(super) struct Synchronisation {
    begun: Option<Instant>,
    over: bool,
    /// Something has changed that may end it.
    look: bool,
}

impl Synchronisation {
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun.get_or_insert(now);
        self.look = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn look_again(&mut self) {
        self.look = true;
    }

    /// When absent peers, and when all peers, have been waited for long enough.
    fn deadlines(&self, config: &Config) -> Option<(Instant, Instant)> {
        let begun = self.begun.filter(|_| !self.over)?;
        let longest = config.graceful_restart.deferral_time;
        Some((begun + longest.min(ABSENT), begun + longest))
    }
}

impl Speaker {
    /// Whether this speaker has restarted and does not know everything yet.
    pub(super) fn is_restarting(&self) -> bool {
        self.config.graceful_restart.restarting && !self.synchronisation.is_over()
    }

    /// An Established session is over.
    pub(super) fn lose(&mut self, id: PeerId, cause: Cause, now: Instant) {
        self.synchronisation.look_again();
        let enabled = self.config.graceful_restart.enabled;
        let superseded = cause == Cause::Collision || self.is_superseded(id);
        let Some(peer) = self.peers.get_mut(id) else { return };
        let long_lived = Family::ALL.into_iter().map(|family| (family, peer.long_lived_stale_time(family)));
        let long_lived: BTreeMap<_, _> = long_lived.filter(|(_, time)| !time.is_zero()).collect();
        let Some(established) = peer.established.take() else { return };
        peer.counters.flaps += 1;
        let still_away = superseded && peer.helper.is_active();
        let restart = established.negotiated.graceful_restart.as_ref();
        let restart = restart.filter(|_| {
            let keeps = matches!(cause, Cause::Lost | Cause::Kept) || still_away;
            keeps && enabled && peer.config.graceful_restart
        });
        let graceful: FamilySet =
            restart.iter().flat_map(|restart| &restart.families).map(|entry| entry.family).collect();
        let away = Duration::from_secs(restart.map_or(0, |restart| u64::from(restart.restart_time_secs)));
        let outlasting = long_lived.keys().copied().filter(|_| restart.is_some());
        let kept = graceful.iter().chain(outlasting).collect::<FamilySet>();
        let kept = kept.intersection(established.negotiated.families);
        let helper = Helper { long_lived, ..Helper::default() };
        let Helper { families, before, .. } = std::mem::replace(&mut peer.helper, helper);
        self.leave(established.members.into_values());
        for (family, stale) in families {
            // A refresh is no restart: the peer had announced these, and only began to do so again.
            if still_away || matches!(stale, Stale::Refreshing { .. }) {
                self.rib.end_refresh_marks(established.source, family);
            }
        }
        self.rib.keep_stale(established.source, kept);
        for family in kept.iter() {
            // RFC 9494 §4.2: a family in the long-lived capability alone has no restart time.
            let away = if graceful.contains(family) { away } else { Duration::ZERO };
            let unchanged = before.get(&family).copied().filter(|_| still_away);
            self.keep(id, family, unchanged.unwrap_or(Stale::Away { until: now + away }));
        }
        self.expire_stale(id, now);
    }

    /// Whether a connection that began beside the Established one has been Established in its place.
    fn is_superseded(&self, id: PeerId) -> bool {
        let Some(peer) = self.peers.get(id) else { return false };
        let others = peer.sessions.iter().filter_map(|conn| self.connections.get(conn));
        let mut others = others.filter(|other| other.session.state() == State::Established);
        others.any(|other| !other.latecomer)
    }

    /// Waits for the end of something about the stale routes of a family, if there are any.
    fn keep(&mut self, id: PeerId, family: Family, stale: Stale) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Some(source) = &peer.source else { return };
        let count = self.rib.counts(source.id, family).stale;
        if count == 0 {
            return;
        }
        peer.helper.families.insert(family, stale);
        let long_lived = matches!(stale, Stale::LongLived { .. });
        self.notice(id, NoticeKind::Stale { family, count, long_lived });
    }

    /// A session has been Established: what is stale of families whose forwarding state the peer did not keep goes.
    pub(super) fn resume(&mut self, id: PeerId, negotiated: &Negotiated, now: Instant) {
        let until = now + self.config.graceful_restart.stale_time;
        let Some(peer) = self.peers.get_mut(id) else { return };
        let graceful = negotiated.graceful_restart.iter().flat_map(|restart| &restart.families);
        let graceful = graceful.filter(|entry| entry.forwarding_preserved).map(|entry| entry.family);
        let graceful: FamilySet = graceful.collect();
        let long_lived = negotiated.long_lived.iter().filter(|entry| entry.forwarding_preserved);
        let long_lived: FamilySet = long_lived.map(|entry| entry.family).collect();
        let mut gone = Vec::new();
        let Helper { families, before, .. } = &mut peer.helper;
        before.clear();
        for (family, stale) in families {
            let carried = negotiated.families.contains(*family);
            let (preserved, until) = match *stale {
                Stale::LongLived { until: end } => (long_lived.contains(*family), until.min(end)),
                Stale::Away { .. } => (graceful.contains(*family), until),
                Stale::Resyncing { .. } | Stale::Refreshing { .. } => (false, until),
            };
            if carried && preserved {
                before.insert(*family, *stale);
                *stale = Stale::Resyncing { until };
            } else {
                gone.push(*family);
            }
        }
        for family in gone {
            // Collectors have not been told that it is back.
            self.drop_stale(id, family);
        }
    }

    /// What the peer has not announced again is gone.
    pub(super) fn end_of_rib(&mut self, id: PeerId, family: Family) {
        let Some(peer) = self.peers.get(id) else { return };
        match peer.helper.families.get(&family) {
            Some(Stale::Resyncing { .. } | Stale::Away { .. } | Stale::LongLived { .. }) => {
                self.flush(id, family);
            }
            // The end of that is EoRR.
            Some(Stale::Refreshing { .. }) | None => {}
        }
    }

    /// BoRR (RFC 7313 §4.2): everything is stale until it is announced again. A peer that never says EoRR is given up
    /// after the time that a restarted one has. Before its End-of-RIB it has not announced everything once (§4).
    pub(super) fn begin_refresh(&mut self, id: PeerId, family: Family, now: Instant) {
        let until = now + self.config.graceful_restart.stale_time;
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Some(source) = &peer.source else { return };
        let Some(Established { negotiated, end_of_rib, .. }) = &peer.established else { return };
        if negotiated.graceful_restart.is_some() && !end_of_rib.contains(family) {
            return;
        }
        self.rib.begin_refresh(source.id, family);
        peer.helper.families.insert(family, Stale::Refreshing { until });
    }

    /// EoRR.
    pub(super) fn end_refresh(&mut self, id: PeerId, family: Family) {
        let Some(peer) = self.peers.get(id) else { return };
        if let Some(Stale::Refreshing { .. }) = peer.helper.families.get(&family) {
            self.flush(id, family);
        }
    }

    /// The peer did not come back, or did not say all it had, in time.
    pub(super) fn expire_stale(&mut self, id: PeerId, now: Instant) {
        let Some(peer) = self.peers.get(id) else { return };
        let due = peer.helper.families.iter().filter(|(_, stale)| stale.until() <= now);
        let due: Vec<_> = due.map(|(family, stale)| (*family, *stale)).collect();
        for (family, stale) in due {
            match stale {
                Stale::Away { .. } => self.restart_time_over(id, family, now),
                Stale::LongLived { .. } | Stale::Resyncing { .. } | Stale::Refreshing { .. } => {
                    self.flush(id, family);
                }
            }
        }
    }

    fn restart_time_over(&mut self, id: PeerId, family: Family, now: Instant) {
        let Some(peer) = self.peers.get(id) else { return };
        let time = peer.helper.long_lived.get(&family).copied();
        let source = peer.source.as_ref().map(|source| source.id);
        match (time, source) {
            (Some(time), Some(source)) if self.rib.keep_long_lived(source, family) => {
                self.keep(id, family, Stale::LongLived { until: now + time });
            }
            (Some(_) | None, Some(_) | None) => self.flush(id, family),
        }
    }

    /// Removes what is stale of a family, as if the peer had withdrawn it, and waits for nothing more about it.
    fn flush(&mut self, id: PeerId, family: Family) {
        let before = self.monitored_stale(id, family);
        self.drop_stale(id, family);
        self.monitor_flushed(id, family, before);
    }

    fn drop_stale(&mut self, id: PeerId, family: Family) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        if let Some(source) = &peer.source {
            self.rib.flush_stale(source.id, family);
        }
        peer.helper.before.remove(&family);
        let said = match peer.helper.families.remove(&family) {
            Some(Stale::Away { .. } | Stale::Resyncing { .. }) => Some(false),
            Some(Stale::LongLived { .. }) => Some(true),
            Some(Stale::Refreshing { .. }) | None => None,
        };
        if let Some(long_lived) = said {
            self.notice(id, NoticeKind::Stale { family, count: 0, long_lived });
        }
    }

    /// Stops helping a peer.
    pub(super) fn forget_stale(&mut self, id: PeerId) {
        for family in Family::ALL {
            self.flush(id, family);
        }
    }

    /// Ends the initial synchronisation when it is due.
    pub(super) fn synchronise(&mut self, now: Instant) {
        if !std::mem::take(&mut self.synchronisation.look) {
            return;
        }
        let Some((absent, latest)) = self.synchronisation.deadlines(&self.config) else { return };
        if latest > now && !self.is_complete(absent <= now) {
            let next = if absent <= now { latest } else { absent };
            return self.timers.arm(Timed::Synchronisation, Some(next));
        }
        self.synchronisation.over = true;
        // The owner sweeps on this: it has to have the best paths first.
        while self.rib.forwarding_changed() {
            let best_paths = self.rib.take_forwarding(FORWARDING_CHUNK);
            self.outputs.push_back(Output::BestPaths(best_paths));
        }
        self.outputs.push_back(Output::Synchronised);
        self.rib.hold_transit(false);
    }

    fn is_complete(&self, absent_had_their_time: bool) -> bool {
        let mut somebody = false;
        // Who may come by a listen range is not known before.
        let mut nobody_wanted = self.config.listen_ranges.is_empty();
        if !nobody_wanted && !absent_had_their_time {
            return false;
        }
        for (_, peer) in self.peers.iter().filter(|(_, peer)| !peer.is_out()) {
            nobody_wanted = false;
            match &peer.established {
                Some(established) if has_told_all(peer, established) => somebody = true,
                Some(_) => return false,
                None if absent_had_their_time => {}
                None => return false,
            }
        }
        somebody || nobody_wanted
    }
}

/// Whether a peer has sent its initial routes, as far as that can be known.
fn has_told_all(peer: &Peer, established: &Established) -> bool {
    let Established { negotiated, end_of_rib, kept_alive, .. } = established;
    let all_markers = negotiated.families.is_subset(*end_of_rib);
    match &negotiated.graceful_restart {
        // It restarts too and waits for the End-of-RIB that we hold back: RFC 4724 §4.1 says who does not wait. Its own
        // prefixes come before a KEEPALIVE even so. One that has had our End-of-RIB will tell all it knows, and what it
        // has not told yet must not be swept.
        Some(restart) => (restart.restarted && peer.is_told_transit() && *kept_alive) || all_markers,
        // It need not send markers; a KEEPALIVE comes after the first routes.
        None => *kept_alive || all_markers,
    }
}
