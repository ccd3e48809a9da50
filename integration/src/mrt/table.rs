//! What one peer announces, in memory: each set of attributes once.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;

use super::{Body, Entry, Peer, PeerIndexTable, ReadError, Reader, Rib, Unwritable, Writer};

/// One peer's routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Whose.
    pub peer: Peer,
    /// Every set of path attributes once, as [`Entry::attributes`].
    pub sets: Vec<Vec<u8>>,
    /// Its prefixes, in the order of the file.
    pub routes: Vec<Route>,
}

/// One prefix of a [`Table`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// To where.
    pub prefix: IpNetwork,
    /// Which of the [sets](Table::sets).
    pub set: u32,
}

/// Why a file gives no table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No `PEER_INDEX_TABLE` comes before the routes.
    #[error("the file names no peers before its routes; is it a TABLE_DUMP_V2 (and unpacked)?")]
    NoPeers,
    /// Nobody announces anything in it.
    #[error("the file has no routes")]
    NoRoutes,
}

impl Table {
    /// Reads the routes of the peer that has most of them in the file's beginning: of the first prefix that any peer
    /// has, the peer named first. Other peers' routes are left out, as are records that are not of a table.
    ///
    /// # Errors
    /// When the file cannot be read, or has no routes.
    pub fn read(input: impl Read) -> Result<Self, TableError> {
        let mut peers: Option<PeerIndexTable> = None;
        let mut chosen: Option<u16> = None;
        let mut interned: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut routes = Vec::new();
        for record in Reader::new(input) {
            match record?.body {
                Body::PeerIndexTable(table) => peers = Some(table),
                Body::Rib(rib) => {
                    let Some(first) = rib.entries.first() else { continue };
                    let peer = *chosen.get_or_insert(first.peer);
                    let Some(entry) = rib.entries.into_iter().find(|entry| entry.peer == peer) else {
                        continue;
                    };
                    let next = u32::try_from(interned.len()).unwrap_or(u32::MAX);
                    let set = *interned.entry(entry.attributes).or_insert(next);
                    routes.push(Route { prefix: rib.prefix, set });
                }
                Body::Message(_) | Body::StateChange(_) | Body::Other { .. } => {}
            }
        }
        let peers = peers.ok_or(TableError::NoPeers)?;
        let chosen = chosen.ok_or(TableError::NoRoutes)?;
        let peer = *peers.peers.get(usize::from(chosen)).ok_or(TableError::NoPeers)?;
        let mut sets = vec![Vec::new(); interned.len()];
        for (attributes, index) in interned {
            if let Some(set) = sets.get_mut(index as usize) {
                *set = attributes;
            }
        }
        Ok(Self { peer, sets, routes })
    }

    /// Writes it as the table of a collector that has this one peer.
    ///
    /// # Errors
    /// When the medium fails, or a set is longer than the format can say.
    pub fn write<W: Write>(&self, output: W, seconds: u32) -> Result<W, Unwritable> {
        let mut writer = Writer::new(output, seconds);
        writer.write_peers(&PeerIndexTable {
            collector: Ipv4Addr::new(192, 0, 2, 1),
            view: String::new(),
            peers: vec![self.peer],
        })?;
        for (sequence, route) in (0..).zip(&self.routes) {
            let attributes = self.sets.get(route.set as usize).cloned().unwrap_or_default();
            let entries = vec![Entry { peer: 0, originated: seconds, attributes }];
            writer.write_rib(&Rib { sequence, prefix: route.prefix, entries })?;
        }
        writer.finish()
    }

    /// The prefixes of each set, in order.
    #[must_use]
    pub fn by_set(&self) -> Vec<Vec<IpNetwork>> {
        let mut groups = vec![Vec::new(); self.sets.len()];
        for route in &self.routes {
            if let Some(group) = groups.get_mut(route.set as usize) {
                group.push(route.prefix);
            }
        }
        groups
    }

    /// Its IPv4 prefixes, as address and length.
    pub fn ipv4(&self) -> impl Iterator<Item = (u32, u8)> {
        self.routes.iter().filter_map(|route| match route.prefix.network() {
            IpAddr::V4(address) => Some((address.to_bits(), route.prefix.prefix())),
            IpAddr::V6(_) => None,
        })
    }
}
