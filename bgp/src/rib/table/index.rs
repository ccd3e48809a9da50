//! Prefix → number, and back. Keys are kept once, beside each other; the hash table holds numbers alone.

use std::hash::BuildHasher;
use std::net::Ipv4Addr;

use hashbrown::HashTable;
use ipnetwork::{IpNetwork, Ipv4Network};
use rustc_hash::FxBuildHasher;

use super::{v4, v6};
use crate::wire::Family;

#[derive(Debug)]
pub(super) struct Index {
    keys: Keys,
    table: HashTable<u32>,
}

#[derive(Debug)]
enum Keys {
    /// Address and length in one number.
    V4(Vec<u64>),
    /// Address in two halves, so that it is aligned to eight octets, and length.
    V6(Vec<(u64, u64, u8)>),
}

impl Index {
    pub fn new(family: Family) -> Self {
        let keys = match family {
            Family::Ipv4Unicast => Keys::V4(Vec::new()),
            Family::Ipv6Unicast => Keys::V6(Vec::new()),
        };
        Self { keys, table: HashTable::new() }
    }

    pub fn find(&self, prefix: &IpNetwork) -> Option<u32> {
        let found = match (&self.keys, prefix) {
            (Keys::V4(keys), IpNetwork::V4(_)) => {
                let key = key_v4(prefix)?;
                self.table.find(hash(key), |&id| keys.get(id as usize) == Some(&key))
            }
            (Keys::V6(keys), IpNetwork::V6(_)) => {
                let key = key_v6(prefix)?;
                self.table.find(hash(key), |&id| keys.get(id as usize) == Some(&key))
            }
            (Keys::V4(_), IpNetwork::V6(_)) | (Keys::V6(_), IpNetwork::V4(_)) => None,
        };
        found.copied()
    }

    /// Gives a prefix that is not in yet a number that is not in use.
    pub fn insert(&mut self, prefix: &IpNetwork, id: u32) {
        match &mut self.keys {
            Keys::V4(keys) => {
                if let Some(key) = key_v4(prefix) {
                    put(keys, id, key);
                    self.table.insert_unique(hash(key), id, |&id| hash_of(keys, id));
                }
            }
            Keys::V6(keys) => {
                if let Some(key) = key_v6(prefix) {
                    put(keys, id, key);
                    self.table.insert_unique(hash(key), id, |&id| hash_of(keys, id));
                }
            }
        }
    }

    pub fn remove(&mut self, id: u32) {
        let hash = match &self.keys {
            Keys::V4(keys) => hash_of(keys, id),
            Keys::V6(keys) => hash_of(keys, id),
        };
        if let Ok(entry) = self.table.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
    }

    /// The prefix with this number.
    pub fn prefix(&self, id: u32) -> IpNetwork {
        let prefix = match &self.keys {
            Keys::V4(keys) => keys.get(id as usize).and_then(|key| v4((*key >> 8) as u32, *key as u8)),
            Keys::V6(keys) => keys
                .get(id as usize)
                .and_then(|(high, low, bits)| v6(u128::from(*high) << 64 | u128::from(*low), *bits)),
        };
        // A number that was never given: there is nothing better to say.
        prefix.unwrap_or_else(|| IpNetwork::V4(Ipv4Network::from(Ipv4Addr::UNSPECIFIED)))
    }
}

fn put<K: Copy + Default>(keys: &mut Vec<K>, id: u32, key: K) {
    let id = id as usize;
    if keys.len() <= id {
        keys.resize(id + 1, K::default());
    }
    keys[id] = key;
}

fn key_v4(prefix: &IpNetwork) -> Option<u64> {
    let IpNetwork::V4(prefix) = prefix else { return None };
    Some(u64::from(u32::from(prefix.network())) << 8 | u64::from(prefix.prefix()))
}

fn key_v6(prefix: &IpNetwork) -> Option<(u64, u64, u8)> {
    let IpNetwork::V6(prefix) = prefix else { return None };
    let address = u128::from(prefix.network());
    Some(((address >> 64) as u64, address as u64, prefix.prefix()))
}

fn hash<K: std::hash::Hash>(key: K) -> u64 {
    FxBuildHasher.hash_one(key)
}

fn hash_of<K: std::hash::Hash>(keys: &[K], id: u32) -> u64 {
    keys.get(id as usize).map_or(0, hash)
}
