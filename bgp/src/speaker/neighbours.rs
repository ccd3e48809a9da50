//! Who is who: connections find their peers, unnumbered peers are found, dynamic ones come and go.
//!
//! A connection belongs to the peer that is configured by its address; else, from a link-local address, to the
//! unnumbered peer behind its interface; else to the listen range with the longest network around its address. A
//! dynamic peer is gone when it has no session, nothing stale, and its rest after errors is over, so that connecting
//! again does not shorten that.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use super::peer::{Peer, PeerId};
use super::timers::Timed;
use super::{Endpoint, Speaker};
use crate::config::{ListenRange, PeerConfig, PeerKey};
use crate::session::dialer;

impl Speaker {
    /// The peer that a connection from there belongs to, if anybody may connect from there.
    pub(super) fn admit(&mut self, from: &Endpoint, now: Instant) -> Option<PeerId> {
        if let Some(id) = self.peers.id(&PeerKey::Address(from.address)) {
            return Some(id);
        }
        if let (IpAddr::V6(address), Some(interface)) = (from.address, &from.interface)
            && address.is_unicast_link_local()
            && let Some(id) = self.peers.id(&PeerKey::Interface(interface.clone()))
        {
            return self.found(id, address, interface, now).then_some(id);
        }
        self.admit_dynamic(from, now)
    }

    /// A router advertisement was heard.
    pub(super) fn discovered(&mut self, interface: &Arc<str>, address: Ipv6Addr, now: Instant) {
        self.discovered.insert(interface.clone(), address);
        if let Some(id) = self.peers.id(&PeerKey::Interface(interface.clone())) {
            self.found(id, address, interface, now);
        }
    }

    /// An unnumbered peer is at this address; whether it is taken for it. While there is a session with the one that
    /// was found before, another router on the same link is nobody.
    fn found(&mut self, id: PeerId, address: Ipv6Addr, interface: &Arc<str>, now: Instant) -> bool {
        let endpoint = Endpoint { address: address.into(), interface: Some(interface.clone()) };
        let Some(peer) = self.peers.get_mut(id) else { return false };
        if peer.endpoint.as_ref() == Some(&endpoint) {
            return true;
        }
        if !peer.sessions.is_empty() {
            return false;
        }
        self.stop_dialling(id, now);
        // The one before is not coming back.
        self.forget_stale(id);
        let Some(peer) = self.peers.get_mut(id) else { return false };
        peer.endpoint = Some(endpoint);
        peer.renew_dialer(now);
        self.dial(id, dialer::Event::Timers, "found on its interface", now);
        true
    }

    /// An unnumbered peer that is configured after it was heard.
    pub(super) fn find_again(&mut self, id: PeerId, now: Instant) {
        let Some(PeerKey::Interface(interface)) = self.peers.get(id).map(|peer| peer.key.clone()) else {
            return;
        };
        if let Some(address) = self.discovered.get(&interface).copied() {
            self.found(id, address, &interface, now);
        }
    }

    fn admit_dynamic(&mut self, from: &Endpoint, now: Instant) -> Option<PeerId> {
        let range = self.listen_range(from.address)?;
        let network = range.network;
        let members = self.peers.iter().filter(|(_, peer)| peer.range == Some(network)).count();
        if members >= usize::try_from(range.limit).unwrap_or(usize::MAX) {
            return None;
        }
        let config = passive(&range.peer);
        let mut peer = Peer::new(PeerKey::Address(from.address), config, self.config.router_id, now);
        peer.range = Some(network);
        peer.endpoint = Some(from.clone());
        let id = self.peers.insert(peer);
        self.dial(id, dialer::Event::Timers, "connected from a listen range", now);
        Some(id)
    }

    /// The range that an address is in: that of the longest network.
    pub(super) fn listen_range(&self, address: IpAddr) -> Option<&ListenRange> {
        let around = self.config.listen_ranges.iter().filter(|range| range.network.contains(address));
        around.max_by_key(|range| range.network.prefix())
    }

    /// Forgets a dynamic peer that is gone.
    pub(super) fn retire(&mut self, id: PeerId, now: Instant) {
        let gone = |peer: &Peer| {
            let rests = peer.held.is_some() || !peer.dialer.accepts();
            peer.range.is_some() && peer.sessions.is_empty() && !peer.helper.is_active() && !rests
        };
        if self.peers.get(id).is_some_and(gone) {
            self.forget_peer(id, now);
        }
    }

    /// A peer without sessions goes, and all that it announced.
    pub(super) fn forget_peer(&mut self, id: PeerId, now: Instant) {
        self.stop_dialling(id, now);
        if let Some(peer) = self.peers.get_mut(id) {
            peer.config.bfd = None;
        }
        self.watch_path(id);
        let Some(peer) = self.peers.remove(id) else { return };
        self.timers.disarm(Timed::Peer(id));
        if let Some(source) = peer.source {
            self.rib.remove_source(source.id);
        }
        self.synchronisation.look_again();
    }
}

/// What a listen range says of its peers; they are never dialled.
pub(super) fn passive(config: &PeerConfig) -> PeerConfig {
    PeerConfig { passive: true, ..config.clone() }
}
