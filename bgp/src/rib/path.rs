//! Paths: attributes and next hop, packed and interned.
//!
//! Many prefixes share a path, and a table of a million prefixes has hundreds of thousands of them. So a path is a
//! number, equal paths have equal numbers, and behind the number stand the attributes in the octets of RFC 4271 §4.3
//! plus what the decision process asks for, read once. Nobody counts references: when as many paths have come as were
//! alive after the last sweep, [`Paths::sweep`] asks the tables which are still in use.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::Ipv4Addr;

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use crate::wire::{Attributes, Community, DEFAULT_LOCAL_PREF, NextHop, packed};

#[cfg(test)]
mod tests;

/// Fewer paths than this are never swept. Small in tests, so that a few paths show what many do.
const SWEEP_AT_LEAST: usize = if cfg!(test) { 8 } else { 4096 };

/// An interned path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PathId(pub u32);

/// An interned next hop; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NextHopId(pub u32);

/// What is asked of a path again and again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    pub local_pref: u32,
    /// A missing one is 0 (RFC 4271 §9.1.2.2 c).
    pub med: u32,
    /// The AS that sent it; 0 for none.
    pub neighbour_as: u32,
    /// RFC 4456; 0.0.0.0 for none.
    pub originator: Ipv4Addr,
    pub next_hop: NextHopId,
    pub hop_count: u16,
    pub cluster_list: u16,
    pub origin: u8,
    pub communities: WellKnown,
}

/// Well-known communities that are on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WellKnown(u8);

impl WellKnown {
    const WATCHED: [Community; 6] = [
        Community::NO_ADVERTISE,
        Community::NO_EXPORT,
        Community::NO_EXPORT_SUBCONFED,
        Community::LLGR_STALE,
        Community::NO_LLGR,
        Community::GRACEFUL_SHUTDOWN,
    ];

    fn of(attributes: &Attributes) -> Self {
        let bits = Self::WATCHED.iter().enumerate();
        let there = bits.filter(|(_, community)| attributes.communities.contains(community));
        Self(there.fold(0, |bits, (index, _)| bits | 1 << index))
    }

    /// Whether it is there; of those that are not watched, none is.
    pub fn contains(self, community: Community) -> bool {
        let index = Self::WATCHED.iter().position(|watched| *watched == community);
        index.is_some_and(|index| self.0 & (1 << index) != 0)
    }
}

struct Entry {
    path: Path,
    octets: Box<[u8]>,
}

/// All paths of a speaker.
#[derive(Default)]
pub(super) struct Paths {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    next_hops: Vec<Option<NextHop>>,
    free_next_hops: Vec<u32>,
    next_hop_index: rustc_hash::FxHashMap<NextHop, NextHopId>,
    sweep_at: usize,
    scratch: Vec<u8>,
}

impl std::fmt::Debug for Paths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paths").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Paths {
    /// The number of this path.
    pub fn intern(&mut self, attributes: &Attributes, next_hop: Option<NextHop>) -> PathId {
        let next_hop = self.intern_next_hop(next_hop);
        let mut octets = std::mem::take(&mut self.scratch);
        octets.clear();
        packed::encode(attributes, &mut octets);
        let hash = hash(&octets, next_hop);
        let known = self.index.find(hash, |&id| {
            let entry = self.entries.get(id as usize).and_then(Option::as_ref);
            entry.is_some_and(|entry| entry.path.next_hop == next_hop && *entry.octets == *octets)
        });
        let id = match known {
            Some(id) => *id,
            None => {
                self.insert(hash, Entry { path: summary(attributes, next_hop), octets: octets[..].into() })
            }
        };
        self.scratch = octets;
        PathId(id)
    }

    fn insert(&mut self, hash: u64, entry: Entry) -> u32 {
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                self.entries.push(None);
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.entries[id as usize] = Some(entry);
        let entries = &self.entries;
        self.index.insert_unique(hash, id, |&id| rehash(entries, id));
        id
    }

    fn intern_next_hop(&mut self, next_hop: Option<NextHop>) -> NextHopId {
        let Some(next_hop) = next_hop else { return NextHopId(0) };
        if let Some(id) = self.next_hop_index.get(&next_hop) {
            return *id;
        }
        let index = self.free_next_hops.pop().unwrap_or_else(|| {
            self.next_hops.push(None);
            u32::try_from(self.next_hops.len() - 1).unwrap_or(u32::MAX)
        });
        self.next_hops[index as usize] = Some(next_hop);
        let id = NextHopId(index + 1);
        self.next_hop_index.insert(next_hop, id);
        id
    }

    /// What is asked of a path.
    pub fn get(&self, id: PathId) -> &Path {
        &self.entry(id).path
    }

    /// All attributes.
    pub fn attributes(&self, id: PathId) -> Attributes {
        packed::decode(&self.entry(id).octets)
    }

    /// The next hop; none for our own paths.
    pub fn next_hop(&self, id: NextHopId) -> Option<NextHop> {
        self.next_hops.get((id.0 as usize).checked_sub(1)?).copied().flatten()
    }

    /// The next hop of a path.
    pub fn next_hop_of(&self, id: PathId) -> Option<NextHop> {
        self.next_hop(self.get(id).next_hop)
    }

    #[expect(clippy::expect_used, reason = "who holds a number keeps its path from being swept")]
    fn entry(&self, id: PathId) -> &Entry {
        self.entries.get(id.0 as usize).and_then(Option::as_ref).expect("a path in use")
    }

    /// Paths held, including those that nobody uses any more and the next sweep removes.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether it is time for a [`sweep`](Self::sweep): amortised, one costs as much as the insertions since the last.
    pub fn wants_sweep(&self) -> bool {
        self.len() >= self.sweep_at.max(SWEEP_AT_LEAST)
    }

    /// Removes all but the paths in use, which `mark` is to be told one by one, in any order and as often as it likes.
    pub fn sweep(&mut self, mark: impl FnOnce(&mut dyn FnMut(PathId))) {
        let mut used = vec![false; self.entries.len()];
        mark(&mut |id: PathId| {
            if let Some(used) = used.get_mut(id.0 as usize) {
                *used = true;
            }
        });
        for (id, _) in used.iter().enumerate().filter(|(_, used)| !**used) {
            let Some(entry) = self.entries[id].take() else { continue };
            let hash = hash(&entry.octets, entry.path.next_hop);
            if let Ok(slot) = self.index.find_entry(hash, |&other| other as usize == id) {
                slot.remove();
            }
            self.free.push(u32::try_from(id).unwrap_or(u32::MAX));
        }
        self.sweep_next_hops();
        if self.len() == 0 {
            *self = Self::default();
        }
        self.sweep_at = self.len().saturating_mul(2);
    }
}

impl Paths {
    /// Next hops live as long as paths with them.
    fn sweep_next_hops(&mut self) {
        let mut used = vec![false; self.next_hops.len() + 1];
        for entry in self.entries.iter().flatten() {
            used[entry.path.next_hop.0 as usize] = true;
        }
        for (index, slot) in self.next_hops.iter_mut().enumerate() {
            if !used[index + 1]
                && let Some(gone) = slot.take()
            {
                self.next_hop_index.remove(&gone);
                self.free_next_hops.push(u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
    }

    /// Next hops held.
    #[cfg(test)]
    pub fn next_hops(&self) -> usize {
        self.next_hop_index.len()
    }
}

fn rehash(entries: &[Option<Entry>], id: u32) -> u64 {
    let entry = entries.get(id as usize).and_then(Option::as_ref);
    entry.map_or(0, |entry| hash(&entry.octets, entry.path.next_hop))
}

fn hash(octets: &[u8], next_hop: NextHopId) -> u64 {
    let mut hasher = FxBuildHasher.build_hasher();
    octets.hash(&mut hasher);
    next_hop.hash(&mut hasher);
    hasher.finish()
}

fn summary(attributes: &Attributes, next_hop: NextHopId) -> Path {
    let short = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    Path {
        local_pref: attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF),
        med: attributes.med.unwrap_or(0),
        neighbour_as: attributes.as_path.neighbour().unwrap_or(0),
        originator: attributes.originator_id.unwrap_or(Ipv4Addr::UNSPECIFIED),
        next_hop,
        hop_count: short(attributes.as_path.hop_count()),
        cluster_list: short(attributes.cluster_list.len()),
        origin: attributes.origin as u8,
        communities: WellKnown::of(attributes),
    }
}
