//! Inputs from the owner: configuration, resets, link state.

use std::net::IpAddr;
use std::time::Instant;

use super::peer::Peer;
use super::{Output, Speaker};
use crate::config::{Config, PeerConfig};
use crate::session::dialer;
use crate::session::machine::{Cease, Event};
use crate::wire::{Family, Message};

impl Speaker {
    /// Applies what differs from the configuration before, and nothing else.
    pub(super) fn configure(&mut self, config: Config, now: Instant) {
        let first = self.config.router_id.is_unspecified();
        let identity = |config: &Config| (config.local_as, config.router_id);
        let new_identity = !first && identity(&self.config) != identity(&config);
        let removed: Vec<_> =
            self.peers.keys().filter(|address| !config.peers.contains_key(address)).copied().collect();
        for address in removed {
            self.remove_peer(address, now);
        }
        let peers = config.peers.clone();
        // A restart is over once and for all; only the first configuration can say that there was one.
        let restarting = if first { config.graceful_restart.restarting } else { self.holds_back_transit() };
        self.config = config;
        self.config.graceful_restart.restarting = restarting;
        self.rib.limit_multipath(self.config.multipath_limit);
        self.synchronisation.begin(now);
        for (address, new) in peers {
            if self.peers.contains_key(&address) {
                self.change_peer(address, new, new_identity, now);
            } else {
                self.peers.insert(address, Peer::new(address, new, self.config.router_id, now));
                self.dial(address, dialer::Event::Timers, "configured", now);
            }
        }
    }

    fn remove_peer(&mut self, address: IpAddr, now: Instant) {
        self.stop(address, Cease::PeerDeconfigured, "peer removed from configuration", now);
        self.rib.forget(address);
        if let Some(conn) = self.peers.remove(&address).and_then(|peer| peer.dialling) {
            self.outputs.push_back(Output::Disconnect(conn));
        }
    }

    fn change_peer(&mut self, address: IpAddr, new: PeerConfig, new_identity: bool, now: Instant) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let old = std::mem::replace(&mut peer.config, new.clone());
        peer.dialer.configure(new.passive, new.connect_retry);
        if new_identity || needs_new_session(&old, &new) {
            if let Some(conn) = peer.dialling.take() {
                self.outputs.push_back(Output::Disconnect(conn));
                self.dial(address, dialer::Event::ConnectFailed, "configuration changed", now);
            }
            self.stop(address, Cease::OtherConfigurationChange, "configuration changed", now);
            self.forget_stale(address);
        } else if (old.export, old.next_hop_self) != (new.export, new.next_hop_self) {
            self.export_again(address);
        }
        self.stop_waiting(address, old.passive && !new.passive, now);
    }

    /// A peer that only waited to be called may now call.
    fn stop_waiting(&mut self, address: IpAddr, no_longer_passive: bool, now: Instant) {
        let waits = |peer: &Peer| peer.sessions.is_empty() && peer.dialling.is_none();
        if no_longer_passive && self.peers.get(&address).is_some_and(waits) {
            let setback = dialer::Setback::Unreachable;
            self.dial(address, dialer::Event::Down(setback), "configuration changed", now);
        }
    }

    /// Works out anew what a peer is told; only what differs will be sent.
    fn export_again(&mut self, address: IpAddr) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let Some(conn) = peer.established_conn() else { return };
        for prefix in self.rib.loc().prefixes() {
            peer.adj_out.mark(*prefix);
        }
        self.to_transmit.insert(conn);
    }

    /// Administrative reset.
    pub(super) fn reset(&mut self, address: IpAddr, now: Instant) {
        self.stop(address, Cease::AdministrativeReset, "administrative reset", now);
        self.forget_stale(address);
    }

    /// Ends all sessions with a peer.
    fn stop(&mut self, address: IpAddr, cease: Cease, why: &'static str, now: Instant) {
        self.each_session(address, now, || Event::Stop(cease, why));
    }

    /// The link towards a peer is gone, and with it the path to everything behind: nothing stale is kept.
    pub(super) fn link_down(&mut self, address: IpAddr, now: Instant) {
        self.each_session(address, now, || Event::LinkDown);
        self.forget_stale(address);
    }

    fn each_session(&mut self, address: IpAddr, now: Instant, event: impl Fn() -> Event) {
        let Some(sessions) = self.peers.get(&address).map(|peer| peer.sessions.clone()) else { return };
        for conn in sessions {
            self.drive(conn, event(), now);
        }
    }

    /// Asks a peer for its routes again, if it can be asked.
    pub(super) fn refresh(&mut self, address: IpAddr, family: Family) {
        let established = self.peers.get(&address).and_then(|peer| peer.established.as_ref());
        let able = established.filter(|established| {
            established.negotiated.route_refresh && established.negotiated.families.contains(&family)
        });
        if let Some(conn) = able.map(|established| established.conn) {
            self.send(conn, Message::RouteRefresh(family));
        }
    }
}

/// What the OPEN carries, or the connection is made of.
fn needs_new_session(old: &PeerConfig, new: &PeerConfig) -> bool {
    let session = |config: &PeerConfig| {
        let PeerConfig { remote_as, port, local_address, hold_time, ttl, .. } = config;
        (*remote_as, *port, *local_address, *hold_time, *ttl)
    };
    session(old) != session(new) || old.families != new.families
}
