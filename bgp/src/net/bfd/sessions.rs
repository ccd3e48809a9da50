//! Which session a packet belongs to (RFC 5880 §6.3, RFC 5881 §3, RFC 5883 §3), and which one is due next.
//!
//! A packet that names our discriminator has chosen its session, and must also come from where that session's peer is.
//! One that names none is the peer's first: address, interface and the kind of path say whose. No IO happens here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::socket::Transmitter;
use crate::bfd::Watch;
use crate::bfd::machine::Session;
use crate::bfd::packet::Packet;
use crate::config::PeerKey;

#[cfg(test)]
mod tests;

/// What lies between the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// A link, RFC 5881.
    SingleHop,
    /// Routers, RFC 5883.
    Multihop,
}

impl Path {
    pub(super) fn of(watch: &Watch) -> Self {
        if watch.settings.multihop { Self::Multihop } else { Self::SingleHop }
    }

    /// The UDP port that packets go to.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::SingleHop => 3784,
            Self::Multihop => 4784,
        }
    }
}

/// A datagram and how it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) path: Path,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Its index.
    pub(super) interface: u32,
    /// TTL or hop limit on arrival.
    pub(super) hops: u8,
    pub(super) datagram: Vec<u8>,
}

/// A session and its surroundings.
#[derive(Debug)]
pub(super) struct Entry {
    /// Whose; none once it is watched no longer, and only says farewell.
    pub(super) peer: Option<PeerKey>,
    pub(super) watch: Watch,
    pub(super) session: Session,
    /// None before the first packet, and after an error.
    pub(super) transmitter: Option<Transmitter>,
    /// The source port that it has, or is to begin looking from.
    pub(super) port: u16,
    /// The last error on sending, so that it is logged once.
    pub(super) trouble: Option<std::io::ErrorKind>,
    /// When a farewell is over, heard or not.
    pub(super) until: Option<Instant>,
    due: Option<Instant>,
}

impl Entry {
    pub(super) fn new(peer: PeerKey, watch: Watch, session: Session, port: u16) -> Self {
        Self {
            peer: Some(peer),
            watch,
            session,
            transmitter: None,
            port,
            trouble: None,
            until: None,
            due: None,
        }
    }

    /// The two watches differ in settings that a living session can take over.
    pub(super) fn can_become(&self, watch: &Watch) -> bool {
        let Watch { remote, local, interface, settings } = watch;
        self.watch.remote == *remote
            && self.watch.local == *local
            && self.watch.interface == *interface
            && self.watch.settings.multihop == settings.multihop
    }

    fn takes(&self, arrival: &Arrival) -> bool {
        let index = self.transmitter.as_ref().and_then(|transmitter| transmitter.interface);
        is_between(&self.watch, index, arrival)
    }
}

/// The packet came the way that is watched.
fn is_between(watch: &Watch, interface: Option<NonZeroU32>, arrival: &Arrival) -> bool {
    Path::of(watch) == arrival.path
        && watch.remote == arrival.source
        && watch.local.is_none_or(|local| local == arrival.destination)
        && interface.is_none_or(|index| index.get() == arrival.interface)
}

/// All sessions, by our discriminator.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    entries: FxHashMap<u32, Entry>,
    by_peer: BTreeMap<PeerKey, u32>,
    schedule: BTreeSet<(Instant, u32)>,
}

impl Sessions {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn has(&self, discriminator: u32) -> bool {
        self.entries.contains_key(&discriminator)
    }

    pub(super) fn get_mut(&mut self, discriminator: u32) -> Option<&mut Entry> {
        self.entries.get_mut(&discriminator)
    }

    pub(super) fn of_peer(&self, peer: &PeerKey) -> Option<u32> {
        self.by_peer.get(peer).copied()
    }

    pub(super) fn watched(&self) -> Vec<PeerKey> {
        self.by_peer.keys().cloned().collect()
    }

    /// Sockets that are needed: kind of path, and whether IPv4.
    pub(super) fn paths(&self) -> Vec<(Path, bool)> {
        let all = self.entries.values().map(|entry| (Path::of(&entry.watch), entry.watch.remote.is_ipv4()));
        all.fold(Vec::new(), |mut paths, path| {
            if !paths.contains(&path) {
                paths.push(path);
            }
            paths
        })
    }

    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        let discriminator = entry.session.discriminator();
        if let Some(peer) = &entry.peer {
            self.by_peer.insert(peer.clone(), discriminator);
        }
        self.entries.insert(discriminator, entry);
        discriminator
    }

    /// A peer's session is its own no longer, but lives on until it is [removed](Self::remove).
    pub(super) fn release(&mut self, peer: &PeerKey) -> Option<u32> {
        let discriminator = self.by_peer.remove(peer)?;
        if let Some(entry) = self.entries.get_mut(&discriminator) {
            entry.peer = None;
        }
        Some(discriminator)
    }

    pub(super) fn remove(&mut self, discriminator: u32) {
        if let Some(due) = self.entries.remove(&discriminator).and_then(|entry| entry.due) {
            self.schedule.remove(&(due, discriminator));
        }
    }

    /// Whose packet this is.
    pub(super) fn select(&self, arrival: &Arrival, packet: &Packet) -> Option<u32> {
        if packet.your_discriminator != 0 {
            let entry = self.entries.get(&packet.your_discriminator)?;
            return entry.takes(arrival).then_some(packet.your_discriminator);
        }
        let watched = self.by_peer.values().copied();
        watched.into_iter().find(|it| self.entries.get(it).is_some_and(|entry| entry.takes(arrival)))
    }

    /// Its deadline may have moved.
    pub(super) fn reschedule(&mut self, discriminator: u32) {
        let Some(entry) = self.entries.get_mut(&discriminator) else { return };
        let due = entry.session.deadline().into_iter().chain(entry.until).min();
        if due == entry.due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut entry.due, due) {
            self.schedule.remove(&(before, discriminator));
        }
        self.schedule.extend(due.map(|due| (due, discriminator)));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.schedule.first().map(|(due, _)| *due)
    }

    /// Everything that is due.
    pub(super) fn due(&self, now: Instant) -> Vec<u32> {
        self.schedule
            .iter()
            .take_while(|(due, _)| *due <= now)
            .map(|(_, discriminator)| *discriminator)
            .collect()
    }
}
