//! The configuration, applied as a difference: what has not changed is not touched, and no peer is for another's sake.
//!
//! A session is made anew only where what its OPEN carries or its connection is made of has changed
//! ([`needs_new_session`]). Policies, next hops, cost, reflection, limits, BFD and timers are applied to the session that
//! stands; hold on to that when adding settings.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Speaker;
use super::neighbours::passive;
use super::peer::{Peer, PeerId};
use super::proposal::{is_another_identity, needs_new_session};
use crate::config::{Config, FamilyConfig, PeerConfig, PeerKey, Policy, Timers};
use crate::session::dialer;
use crate::session::machine::{Cease, Event, Stop};
use crate::wire::Family;

impl Speaker {
    /// Applies what differs from the configuration before.
    pub(super) fn configure(&mut self, mut config: Config, now: Instant) {
        let first = self.config.router_id.is_unspecified();
        // A restart is over once and for all; only the first configuration can say that there was one.
        let restarting = if first { config.graceful_restart.restarting } else { self.is_restarting() };
        config.graceful_restart.restarting = restarting;
        let old = std::mem::replace(&mut self.config, config);
        self.configure_rib(&old, first, now);
        let wanted = self.wanted_peers();
        for id in self.peers.ids() {
            if self.peers.get(id).is_some_and(|peer| !wanted.contains_key(&peer.key)) {
                self.remove_peer(id, now);
            }
        }
        self.synchronisation.begin(now);
        for (key, (range, settings)) in wanted {
            match self.peers.id(&key) {
                Some(id) => {
                    if let Some(peer) = self.peers.get_mut(id) {
                        peer.range = range;
                    }
                    self.change_peer(id, settings, &old, now);
                }
                None => self.add_peer(key, settings, now),
            }
        }
    }

    fn configure_rib(&mut self, old: &Config, first: bool, now: Instant) {
        let Config { multipath, forwarding, graceful_restart, .. } = &self.config;
        if first || old.multipath != *multipath {
            self.rib.set_multipath(*multipath);
        }
        if first || old.forwarding != *forwarding {
            self.rib.follow_forwarding(*forwarding);
        }
        if first {
            self.rib.hold_transit(graceful_restart.restarting);
        }
        if first || old.aggregates != self.config.aggregates {
            self.rib.originate(&self.originated, &self.config.aggregates, now);
        }
    }

    /// Configured peers, and dynamic ones that are there and still lie in a range.
    fn wanted_peers(&self) -> BTreeMap<PeerKey, (Option<ipnetwork::IpNetwork>, PeerConfig)> {
        let configured = self.config.peers.iter();
        let mut wanted: BTreeMap<_, _> =
            configured.map(|(key, settings)| (key.clone(), (None, settings.clone()))).collect();
        for peer in self.peers.by_key().filter(|peer| peer.range.is_some()) {
            if let PeerKey::Address(address) = peer.key
                && let Some(range) = self.listen_range(address)
            {
                let settings = passive(&range.peer);
                wanted.entry(peer.key.clone()).or_insert((Some(range.network), settings));
            }
        }
        wanted
    }

    fn add_peer(&mut self, key: PeerKey, settings: PeerConfig, now: Instant) {
        let id = self.peers.insert(Peer::new(key, settings, self.config.router_id, now));
        self.dial(id, dialer::Event::Timers, "configured", now);
        self.find_again(id, now);
    }

    fn remove_peer(&mut self, id: PeerId, now: Instant) {
        self.each_session(id, now, || {
            Event::Stop(Stop {
                cease: Cease::PeerDeconfigured,
                communication: None,
                hard: true,
                why: "peer removed from configuration".to_owned(),
            })
        });
        self.forget_peer(id, now);
    }

    fn change_peer(&mut self, id: PeerId, new: PeerConfig, old_config: &Config, now: Instant) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let old = std::mem::replace(&mut peer.config, new.clone());
        peer.dialer.configure(new.passive, new.timers.connect_retry);
        if old == new && !is_different_for_all(old_config, &self.config) {
            return;
        }
        let (before, after) = ((old_config, &old), (&self.config, &new));
        let standing = peer.established.as_ref().map(|established| established.negotiated.asn);
        let anew = needs_new_session(before, after, standing);
        let another = is_another_identity(before, after, standing);
        if old.shutdown.is_some() != new.shutdown.is_some() {
            self.change_shutdown(id, &new, now);
        } else if anew {
            self.begin_anew(id, another, now);
        }
        self.apply(id, &old, &new, old_config, now);
        // A peer that only waited to be called may now call.
        self.dial(id, dialer::Event::Timers, "configuration changed", now);
    }

    fn change_shutdown(&mut self, id: PeerId, new: &PeerConfig, now: Instant) {
        let Some(text) = new.shutdown.clone() else {
            return self.dial(id, dialer::Event::Start, "no longer administratively down", now);
        };
        let communication = (!text.is_empty()).then_some(text);
        self.shut(id, dialer::Event::Shutdown, now, || {
            Event::Stop(Stop {
                cease: Cease::AdministrativeShutdown,
                communication: communication.clone(),
                hard: true,
                why: "administratively down".to_owned(),
            })
        });
    }

    /// Ends what was begun with the old settings. Routes may be kept over it where RFC 8538 is spoken, unless they
    /// belong to another identity.
    fn begin_anew(&mut self, id: PeerId, another: bool, now: Instant) {
        if self.stop_dialling(id, now) {
            self.dial(id, dialer::Event::Reset, "configuration changed", now);
        }
        self.each_session(id, now, || {
            Event::Stop(Stop {
                cease: Cease::OtherConfigurationChange,
                communication: None,
                hard: another,
                why: "configuration changed".to_owned(),
            })
        });
        if another {
            self.forget_stale(id);
        }
        self.report(id, "configuration changed", now);
    }

    /// What can change while a session stands.
    fn apply(&mut self, id: PeerId, old: &PeerConfig, new: &PeerConfig, old_config: &Config, now: Instant) {
        let everywhere = is_different_for_all(old_config, &self.config);
        if everywhere || (old.cost, old.route_reflector_client) != (new.cost, new.route_reflector_client) {
            self.update_neighbour(id);
        }
        if everywhere || import_rules(old) != import_rules(new) {
            self.judge(id);
        }
        if everywhere || export_rules(old) != export_rules(new) {
            self.regroup(id);
        }
        if old.bfd != new.bfd || old.shutdown.is_some() != new.shutdown.is_some() {
            self.watch_path(id);
        }
        if old.timers != new.timers {
            self.pace(id, new.timers, now);
        }
        self.check_prefixes(id, now);
    }

    /// KEEPALIVEs and patience are our own matter. The hold time is not: that is in the OPEN.
    fn pace(&mut self, id: PeerId, timers: Timers, now: Instant) {
        let Some(sessions) = self.peers.get(id).map(|peer| peer.sessions.clone()) else { return };
        for conn in sessions {
            let Some(connection) = self.connections.get_mut(&conn) else { continue };
            connection.session.pace(timers, now);
            let negotiated = connection.session.negotiated().cloned();
            let established = self.peers.get_mut(id).and_then(|peer| peer.established.as_mut());
            if let (Some(negotiated), Some(established)) = (negotiated, established)
                && established.conn == conn
            {
                established.negotiated = negotiated;
            }
            self.arm_connection(conn);
        }
    }
}

/// Settings of the speaker that are in every peer's import or export rules.
fn is_different_for_all(old: &Config, new: &Config) -> bool {
    let rules = |config: &Config| {
        let Config { local_as, router_id, cluster_id, graceful_restart: restart, .. } = config;
        let capability = (restart.enabled, restart.restart_time, restart.notification);
        let telling = (config.client_to_client_reflection, config.graceful_shutdown);
        (*local_as, *router_id, *cluster_id, telling, capability)
    };
    rules(old) != rules(new)
}

fn policies(config: &PeerConfig, which: fn(&FamilyConfig) -> &Policy) -> Vec<(Family, &Policy)> {
    config.families.iter().map(|(family, settings)| (*family, which(settings))).collect()
}

fn import_rules(config: &PeerConfig) -> impl PartialEq {
    (config.allow_own_as, config.local_as, config.role, policies(config, |family| &family.import))
}

fn export_rules(config: &PeerConfig) -> impl PartialEq {
    let paths: Vec<_> = config.families.values().map(|family| family.add_path_send).collect();
    let PeerConfig { local_as, as_override, next_hop, role, route_reflector_client, .. } = config;
    let policies = policies(config, |family| &family.export);
    (*local_as, *as_override, *next_hop, *role, *route_reflector_client, paths, policies)
}
