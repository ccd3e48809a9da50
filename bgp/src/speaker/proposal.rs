//! What the speaker brings to a session with a peer: its settings as an OPEN.

use std::time::Duration;

use super::Speaker;
use super::peer::{Peer, PeerId};
use crate::config::{Config, FamilyConfig, PeerConfig, RemoteAs, SendPaths};
use crate::session::negotiation::Proposal;
use crate::wire::{AddPathFamily, Family, GracefulRestart, GracefulRestartFamily, LongLivedFamily};

/// What cannot be told from settings: how the speaker and its forwarding state came here (RFC 4724 §3).
#[derive(Debug, Clone, Copy, Default)]
struct History {
    restarted: bool,
    forwarding_preserved: bool,
}

impl Speaker {
    /// The proposal for a peer's next session.
    ///
    /// Forwarding state was preserved over whatever ended the session before: over our restart, if the process
    /// before left it in the kernel; over a lost connection always.
    pub(super) fn proposal(&self, id: PeerId) -> Option<Proposal> {
        let peer = self.peers.get(id)?;
        let restarted = self.is_restarting();
        let history = History { restarted, forwarding_preserved: restarted || peer.was_established };
        Some(propose(&self.config, &peer.config, history))
    }
}

/// Settings of the speaker and of the peer.
pub(super) type Settings<'a> = (&'a Config, &'a PeerConfig);

/// Whether what was begun has to be made anew: what the OPEN carries or the connection is made of has changed, or who
/// the peer may be. Where a session stands with a peer of that AS, its port and other words for the AS change nothing.
pub(super) fn needs_new_session(old: Settings<'_>, new: Settings<'_>, standing: Option<u32>) -> bool {
    let connection = |config: &PeerConfig| {
        let PeerConfig { local_address, hops, password, tcp_ao, role, .. } = config;
        (*local_address, *hops, password.clone(), tcp_ao.clone(), *role)
    };
    let open = |(config, peer)| propose(config, peer, History::default()).open();
    connection(old.1) != connection(new.1)
        || open(old) != open(new)
        || is_another_peer(old, new, standing)
        || (standing.is_none() && old.1.port != new.1.port)
}

/// Whether our AS or identifier towards the peer, or its AS, is another: routes of the old session mean nothing then.
pub(super) fn is_another_identity(old: Settings<'_>, new: Settings<'_>, standing: Option<u32>) -> bool {
    let identity = |settings: Settings<'_>| (local_as(settings), settings.0.router_id);
    identity(old) != identity(new) || is_another_peer(old, new, standing)
}

fn is_another_peer(old: Settings<'_>, new: Settings<'_>, standing: Option<u32>) -> bool {
    let ours = local_as(new);
    let admitted = standing.is_some_and(|asn| match new.1.remote_as {
        RemoteAs::Is(wanted) => asn == wanted,
        RemoteAs::Internal => asn == ours,
        RemoteAs::External => asn != ours,
        RemoteAs::Any => true,
    });
    old.1.remote_as != new.1.remote_as && !admitted
}

fn local_as((config, peer): Settings<'_>) -> u32 {
    peer.local_as.map_or(config.local_as, |local_as| local_as.asn)
}

fn propose(config: &Config, peer: &PeerConfig, history: History) -> Proposal {
    let graceful_restart = restart_capability(config, peer, history);
    let long_lived = if graceful_restart.is_some() { long_lived(peer, history) } else { Vec::new() };
    Proposal {
        local_as: local_as((config, peer)),
        router_id: config.router_id,
        remote_as: peer.remote_as,
        timers: peer.timers,
        families: peer.families.keys().copied().collect(),
        graceful_restart,
        long_lived,
        add_path: peer.families.iter().filter_map(add_path).collect(),
        role: peer.role,
        extended_messages: peer.extended_messages,
        extended_next_hop: peer.extended_next_hop,
    }
}

fn restart_capability(config: &Config, peer: &PeerConfig, history: History) -> Option<GracefulRestart> {
    let settings = &config.graceful_restart;
    let History { restarted, forwarding_preserved } = history;
    let families = peer.families.keys();
    (settings.enabled && peer.graceful_restart).then(|| GracefulRestart {
        restarted,
        notification: settings.notification,
        restart_time_secs: u16::try_from(settings.restart_time.as_secs()).unwrap_or(4095).min(4095),
        families: families.map(|&family| GracefulRestartFamily { family, forwarding_preserved }).collect(),
    })
}

/// RFC 9494 §3: 24 bits of seconds.
fn long_lived(peer: &PeerConfig, history: History) -> Vec<LongLivedFamily> {
    const LONGEST: u32 = (1 << 24) - 1;
    let capability = |(&family, settings): (&Family, &FamilyConfig)| {
        let stale_time_secs = u32::try_from(settings.long_lived_stale_time.as_secs()).unwrap_or(LONGEST);
        (settings.long_lived_stale_time > Duration::ZERO).then_some(LongLivedFamily {
            family,
            forwarding_preserved: history.forwarding_preserved,
            stale_time_secs: stale_time_secs.min(LONGEST),
        })
    };
    peer.families.iter().filter_map(capability).collect()
}

fn add_path((&family, settings): (&Family, &FamilyConfig)) -> Option<AddPathFamily> {
    let send = match settings.add_path_send {
        SendPaths::Best => false,
        // Limit(1) is the best path, without the capability.
        SendPaths::Limit(paths) => paths > 1,
        SendPaths::All => true,
    };
    let receive = settings.add_path_receive;
    (send || receive).then_some(AddPathFamily { family, receive, send })
}

impl Peer {
    /// RFC 9494 §4.2: how long routes of a family outlast the peer's restart time: what the peer said, capped by what
    /// this speaker grants.
    pub(super) fn long_lived_stale_time(&self, family: Family) -> Duration {
        let granted = self.config.families.get(&family).map(|settings| settings.long_lived_stale_time);
        let said = self.established.iter().flat_map(|established| &established.negotiated.long_lived);
        let said = said.filter(|entry| entry.family == family).map(|entry| entry.stale_time_secs).max();
        let said = Duration::from_secs(u64::from(said.unwrap_or(0)));
        said.min(granted.unwrap_or(Duration::ZERO))
    }
}
