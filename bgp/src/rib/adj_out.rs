//! Adj-RIB-Out: what one peer has been told, and which prefixes it has to be told anew.
//!
//! Nothing is queued. A changed prefix is marked dirty; only when the peer's socket can take a message, the dirty
//! prefixes are exported in their newest state, grouped by path, and packed into UPDATEs. A slow peer skips the states
//! in between, and memory is bounded by the table.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use ipnetwork::IpNetwork;
use rustc_hash::FxHashMap;

use super::path::Path;
use crate::wire::{Attributes, Family, Reach, Update};

/// RFC 4271 §4.1.
const MESSAGE_OCTETS: usize = 4096;
/// Header, the two length fields, and the framing of MP_(UN)REACH_NLRI with two IPv6 next hops.
const FIXED_OCTETS: usize = 19 + 4 + 4 + 5 + 32;

/// What a peer was told of a prefix.
#[derive(Debug, Clone)]
pub struct Advertised {
    /// With the attributes sent.
    pub path: Arc<Path>,
    /// When.
    pub since: Instant,
    /// To be sent again even if equal: the peer asked (RFC 2918).
    again: bool,
}

/// Prefixes with the same fate.
#[derive(Debug)]
struct Group {
    family: Family,
    /// None: withdrawn.
    path: Option<Arc<Path>>,
    prefixes: VecDeque<IpNetwork>,
}

/// One peer's view of our table.
#[derive(Debug, Default)]
pub struct AdjRibOut {
    advertised: BTreeMap<IpNetwork, Advertised>,
    dirty: BTreeSet<IpNetwork>,
    batch: VecDeque<Group>,
    /// End-of-RIB markers that follow what is dirty now.
    markers: BTreeSet<Family>,
    /// End-of-RIB markers that follow the batch.
    markers_after_batch: BTreeSet<Family>,
}

impl AdjRibOut {
    /// The prefix's best path changed, or how it is exported.
    pub fn mark(&mut self, prefix: IpNetwork) {
        self.dirty.insert(prefix);
    }

    /// After everything dirty now, tell the peer that this is all there is of a family (RFC 4724 §2).
    pub fn mark_end_of_rib(&mut self, family: Family) {
        self.markers.insert(family);
    }

    /// The peer wants a family's routes again.
    pub fn refresh(&mut self, family: Family) {
        for (prefix, advertised) in &mut self.advertised {
            if Family::of(prefix) == family {
                advertised.again = true;
                self.dirty.insert(*prefix);
            }
        }
    }

    /// Whether [`next_update`](Self::next_update) may have something.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        !(self.batch.is_empty()
            && self.dirty.is_empty()
            && self.markers.is_empty()
            && self.markers_after_batch.is_empty())
    }

    /// The next message's worth of changes. `refill` is called when what was exported before is used up.
    pub fn next_update(
        &mut self,
        now: Instant,
        mut export: impl FnMut(&IpNetwork) -> Option<Arc<Path>>,
    ) -> Option<Update> {
        loop {
            while let Some(group) = self.batch.front_mut() {
                let packed = pack(group, &self.dirty);
                let (family, path) = (group.family, group.path.clone());
                if group.prefixes.is_empty() {
                    self.batch.pop_front();
                }
                if !packed.is_empty() {
                    return Some(self.tell(family, path, packed, now));
                }
            }
            if let Some(family) = self.markers_after_batch.pop_first() {
                return Some(Update { end_of_rib: Some(family), ..Update::default() });
            }
            if !self.is_pending() {
                return None;
            }
            self.export_dirty(&mut export);
        }
    }

    /// Groups everything dirty by its newest path, withdrawals first: they free what others may need.
    fn export_dirty(&mut self, export: &mut impl FnMut(&IpNetwork) -> Option<Arc<Path>>) {
        self.markers_after_batch = std::mem::take(&mut self.markers);
        let mut groups: Vec<Group> = Vec::new();
        let mut by_path: FxHashMap<(Family, Option<*const Path>), usize> = FxHashMap::default();
        for prefix in std::mem::take(&mut self.dirty) {
            let path = export(&prefix);
            let told = self.advertised.get(&prefix);
            let news = match (told, &path) {
                (None, None) => false,
                (Some(told), Some(path)) => told.again || !Arc::ptr_eq(&told.path, path),
                (Some(_), None) | (None, Some(_)) => true,
            };
            if !news {
                continue;
            }
            let family = Family::of(&prefix);
            let index = *by_path.entry((family, path.as_ref().map(Arc::as_ptr))).or_insert(groups.len());
            match groups.get_mut(index) {
                Some(group) => group.prefixes.push_back(prefix),
                None => groups.push(Group { family, path, prefixes: VecDeque::from([prefix]) }),
            }
        }
        groups.sort_by_key(|group| group.path.is_some());
        self.batch = groups.into();
    }

    fn tell(
        &mut self,
        family: Family,
        path: Option<Arc<Path>>,
        prefixes: Vec<IpNetwork>,
        now: Instant,
    ) -> Update {
        let Some((path, next_hop)) = path.and_then(|path| path.next_hop.map(|next_hop| (path, next_hop)))
        else {
            for prefix in &prefixes {
                self.advertised.remove(prefix);
            }
            return Update { withdrawn: prefixes, ..Update::default() };
        };
        for prefix in &prefixes {
            self.advertised.insert(*prefix, Advertised { path: path.clone(), since: now, again: false });
        }
        let attributes = path.attributes.clone();
        Update { reach: vec![Reach { family, next_hop, prefixes }], attributes, ..Update::default() }
    }

    /// What the peer has been told, by prefix.
    pub fn iter(&self) -> impl Iterator<Item = (&IpNetwork, &Advertised)> {
        self.advertised.iter()
    }

    /// How many prefixes of a family the peer has been told.
    #[must_use]
    pub fn count(&self, family: Family) -> usize {
        self.advertised.keys().filter(|prefix| Family::of(prefix) == family).count()
    }
}

/// Takes as many prefixes as surely fit into one message, leaving out those that changed again meanwhile.
fn pack(group: &mut Group, dirty: &BTreeSet<IpNetwork>) -> Vec<IpNetwork> {
    let attributes = group.path.as_ref().map_or(0, |path| attribute_octets(&path.attributes));
    let mut room = MESSAGE_OCTETS.saturating_sub(FIXED_OCTETS + attributes);
    let mut packed = Vec::new();
    while let Some(prefix) = group.prefixes.front() {
        let octets = 1 + usize::from(prefix.prefix()).div_ceil(8);
        // One prefix always goes: if even that does not fit, that is for the encoder to say.
        if octets > room && !packed.is_empty() {
            break;
        }
        room = room.saturating_sub(octets);
        let Some(prefix) = group.prefixes.pop_front() else { break };
        if !dirty.contains(&prefix) {
            packed.push(prefix);
        }
    }
    packed
}

/// An upper bound of what the attributes take on the wire, with two-octet AS numbers doubled as AS4_PATH.
fn attribute_octets(attributes: &Attributes) -> usize {
    let as_numbers: usize =
        attributes.as_path.segments.iter().map(|segment| 2 + 6 * segment.asns().len()).sum();
    let unknown: usize = attributes.unknown_transitive.iter().map(|unknown| 4 + unknown.value.len()).sum();
    let lists = 4 * (attributes.communities.len() + attributes.cluster_list.len());
    // Headers of all known attributes, and the values of fixed length among them.
    64 + as_numbers + 2 * attributes.as_path.segments.len() + lists + unknown
}
