//! RFC 4724 in both roles.
//!
//! Helping (§4.2): a peer that announced the capability and whose connection went away without a NOTIFICATION is
//! taken to be restarting. Its routes stay in use, marked stale, until it has announced them again (End-of-RIB), does
//! not come back in its restart time, or comes back without having kept its forwarding state.
//!
//! Restarting (§4.1): our own prefixes are announced at once, but nothing that we merely pass on and no End-of-RIB
//! until our own table is complete. Complete means: every peer that is there has sent all it had; a peer that is not
//! there is waited for no longer than the deferral time.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::peer::{Established, Peer};
use super::{Output, Speaker};
use crate::config::Config;
use crate::rib::adj_in::AdjRibIn;
use crate::rib::adj_out::AdjRibOut;
use crate::session::machine::Cause;
use crate::session::negotiation::Negotiated;
use crate::wire::{Family, GracefulRestart, GracefulRestartFamily};

/// How long a peer that is back may take to announce its routes again.
const STALE_TIME: Duration = Duration::from_secs(360);

/// How far a peer's restart has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Helper {
    /// It does not restart.
    #[default]
    Quiet,
    /// It is away.
    Away { until: Instant },
    /// It is back and announces.
    Resyncing { until: Instant },
}

impl Helper {
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Quiet => None,
            Self::Away { until } | Self::Resyncing { until } => Some(until),
        }
    }
}

/// The initial synchronisation of this speaker.
#[derive(Debug, Default)]
pub(super) struct Synchronisation {
    begun: Option<Instant>,
    over: bool,
}

impl Synchronisation {
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun.get_or_insert(now);
    }

    pub(super) fn deadline(&self, config: &Config) -> Option<Instant> {
        let begun = self.begun.filter(|_| !self.over)?;
        Some(begun + config.graceful_restart.deferral_time)
    }
}

impl Speaker {
    /// Whether routes of others are not passed on yet.
    pub(super) fn holds_back_transit(&self) -> bool {
        self.config.graceful_restart.restarting && !self.synchronisation.over
    }

    /// The capability for a peer's next session.
    ///
    /// Forwarding state was preserved over whatever ended the session before: over our restart, if the process
    /// before left it in the kernel; over a lost connection always.
    pub(super) fn restart_capability(&self, peer: &Peer) -> Option<GracefulRestart> {
        let config = &self.config.graceful_restart;
        let restarted = self.holds_back_transit();
        let forwarding_preserved = restarted || peer.was_established;
        let families = peer.config.families.iter();
        config.enabled.then(|| GracefulRestart {
            restarted,
            restart_time_secs: u16::try_from(config.restart_time.as_secs()).unwrap_or(4095).min(4095),
            families: families
                .map(|&family| GracefulRestartFamily { family, forwarding_preserved })
                .collect(),
        })
    }

    /// An Established session is over.
    pub(super) fn lose(&mut self, address: IpAddr, cause: Cause, now: Instant) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let Some(established) = peer.established.take() else { return };
        peer.counters.flaps += 1;
        peer.adj_out = AdjRibOut::default();
        let restart = established.negotiated.graceful_restart.as_ref();
        let restart = restart.filter(|_| cause == Cause::Lost && self.config.graceful_restart.enabled);
        let families =
            restart.iter().flat_map(|restart| &restart.families).map(|entry| entry.family).collect();
        let any = self.rib.keep_stale(address, &families);
        let away = Duration::from_secs(restart.map_or(0, |restart| u64::from(restart.restart_time_secs)));
        peer.helper = if any { Helper::Away { until: now + away } } else { Helper::Quiet };
    }

    /// A session has been Established: what is stale of families whose forwarding state the peer did not keep goes.
    pub(super) fn resume(&mut self, address: IpAddr, negotiated: &Negotiated, now: Instant) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let restart = negotiated.graceful_restart.iter().flat_map(|restart| &restart.families);
        let preserved: BTreeSet<_> =
            restart.filter(|entry| entry.forwarding_preserved).map(|entry| entry.family).collect();
        for family in [Family::Ipv4Unicast, Family::Ipv6Unicast] {
            if !(preserved.contains(&family) && negotiated.families.contains(&family)) {
                self.rib.flush_stale(address, family);
            }
        }
        let any = self.rib.adj_in(address).is_some_and(AdjRibIn::has_stale);
        peer.helper = if any { Helper::Resyncing { until: now + STALE_TIME } } else { Helper::Quiet };
    }

    /// End-of-RIB: what the peer has not announced again is gone.
    pub(super) fn finish_stale(&mut self, address: IpAddr, family: Family) {
        let any = self.rib.flush_stale(address, family);
        if let Some(peer) = self.peers.get_mut(&address)
            && !any
        {
            peer.helper = Helper::Quiet;
        }
    }

    /// The peer did not come back, or did not say all it had, in time.
    pub(super) fn expire_stale(&mut self, address: IpAddr, now: Instant) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        if peer.helper.deadline().is_some_and(|until| until <= now) {
            self.forget_stale(address);
        }
    }

    /// Stops helping a peer.
    pub(super) fn forget_stale(&mut self, address: IpAddr) {
        self.finish_stale(address, Family::Ipv4Unicast);
        self.finish_stale(address, Family::Ipv6Unicast);
    }

    /// Ends the initial synchronisation when it is due.
    pub(super) fn synchronise(&mut self, now: Instant) {
        let Some(deadline) = self.synchronisation.deadline(&self.config) else { return };
        let settled = |peer: &Peer| {
            peer.established.as_ref().is_some_and(|established| has_told_all(peer, established))
        };
        if deadline > now && !self.peers.values().all(settled) {
            return;
        }
        let held_back = self.holds_back_transit();
        self.synchronisation.over = true;
        // The owner sweeps on this: it has to have the best paths first.
        if self.rib.forwarding_changed() {
            let best_paths = self.rib.take_forwarding();
            self.outputs.push_back(Output::BestPaths(best_paths));
        }
        self.outputs.push_back(Output::Synchronised);
        if held_back {
            let waiting = self.peers.iter().filter(|(_, peer)| peer.is_told_transit());
            let waiting: Vec<_> = waiting.map(|(address, _)| *address).collect();
            for address in waiting {
                self.tell_everything(address);
            }
        }
    }
}

/// Whether a peer has sent its initial routes, as far as that can be known.
fn has_told_all(peer: &Peer, established: &Established) -> bool {
    let Established { negotiated, end_of_rib, kept_alive, .. } = established;
    let all_markers = negotiated.families.is_subset(end_of_rib);
    match &negotiated.graceful_restart {
        // It restarts too and waits for the End-of-RIB that we hold back: RFC 4724 §4.1 says who does not wait. One that
        // has had ours will tell all it knows, and what it has not told yet must not be swept.
        Some(restart) => (restart.restarted && peer.is_told_transit()) || all_markers,
        // It need not send markers; a KEEPALIVE comes after the first routes.
        None => *kept_alive || all_markers,
    }
}
