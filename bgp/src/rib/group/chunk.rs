//! A stretch of the log as messages: routes with the same attributes and the same source share UPDATEs.

use bytes::{Bytes, BytesMut};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::super::export::Outgoing;
use super::super::path::PathId;
use super::super::table::DestId;
use super::super::{Export, Piece, SourceId};
use super::Tables;
use crate::config::Policy;
use crate::wire::{NextHop, Nlri, update};

/// Octets of attributes in one chunk, about.
const LIST_OCTETS: usize = 16 * 1024;

/// Messages for everything between two places of the log.
#[derive(Debug)]
pub(in crate::rib) struct Chunk {
    /// For members that stand here.
    pub start: u32,
    /// Where they stand then.
    pub end: u32,
    /// For members that had everything here or later.
    pub safe: u32,
    pub octets: Bytes,
    messages: u32,
    cuts: Vec<Cut>,
}

/// The messages with routes of one source that follow each other.
#[derive(Debug)]
struct Cut {
    source: SourceId,
    octets: std::ops::Range<usize>,
    messages: u32,
    /// Of these the source itself was told another's route before.
    shared: Vec<Nlri>,
}

impl Chunk {
    /// What one member is sent of it: not its own routes.
    pub fn pieces_for(&self, member: SourceId, export: &Export) -> SmallVec<[Piece; 2]> {
        let mut pieces = SmallVec::new();
        if !self.cuts.iter().any(|cut| cut.source == member) {
            push(&mut pieces, self.octets.clone(), self.messages);
            return pieces;
        }
        let mut from = 0;
        let mut messages = 0;
        for cut in &self.cuts {
            if cut.source != member {
                messages += cut.messages;
                continue;
            }
            push(&mut pieces, self.octets.slice(from..cut.octets.start), messages);
            if !cut.shared.is_empty() {
                let (octets, messages) = withdrawals(export, &cut.shared);
                push(&mut pieces, octets, messages);
            }
            from = cut.octets.end;
            messages = 0;
        }
        push(&mut pieces, self.octets.slice(from..), messages);
        pieces
    }
}

fn push(pieces: &mut SmallVec<[Piece; 2]>, octets: Bytes, messages: u32) {
    if !octets.is_empty() {
        pieces.push(Piece { octets, messages });
    }
}

/// Withdrawals for one member alone.
pub(in crate::rib) fn withdrawals(export: &Export, nlri: &[Nlri]) -> (Bytes, u32) {
    let mut octets = BytesMut::new();
    let messages =
        update::Writer::new(export.family, &export.codec).withdraw(nlri.iter().copied(), &mut octets);
    (octets.freeze(), messages)
}

/// Attributes in octets, as a stretch of those of all lists, and the next hop that goes with them.
#[derive(Debug)]
struct List {
    octets: std::ops::Range<usize>,
    next_hop: NextHop,
}

#[derive(Debug)]
struct Bundle {
    /// None for withdrawals.
    list: Option<u32>,
    source: SourceId,
    nlri: SmallVec<[Nlri; 6]>,
    shared: Vec<Nlri>,
}

/// Routes on their way into a chunk, by attributes and source.
#[derive(Debug)]
pub(super) struct Bundles<'a> {
    export: &'a Export,
    lists: Vec<List>,
    list_octets: BytesMut,
    /// Where no filter looks at prefixes: a path of a source always looks the same.
    by_path: FxHashMap<(PathId, SourceId), Option<u32>>,
    /// Where one does.
    by_outgoing: FxHashMap<Outgoing, u32>,
    bundles: Vec<Bundle>,
    by_list: FxHashMap<(Option<u32>, SourceId), usize>,
    octets: usize,
}

impl<'a> Bundles<'a> {
    pub fn new(export: &'a Export) -> Self {
        Self {
            export,
            lists: Vec::new(),
            list_octets: BytesMut::with_capacity(LIST_OCTETS),
            by_path: FxHashMap::default(),
            by_outgoing: FxHashMap::default(),
            bundles: Vec::new(),
            by_list: FxHashMap::default(),
            octets: 0,
        }
    }

    /// About how many there will be.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// The attributes that a path of a source is told with; none if it is not told.
    pub fn list(&mut self, tables: &Tables<'_>, dest: DestId, path: PathId, source: SourceId) -> Option<u32> {
        if matches!(self.export.policy, Policy::Filter(_)) {
            let outgoing = tables.export(self.export, dest, path, source).ok()?;
            if let Some(known) = self.by_outgoing.get(&outgoing) {
                return Some(*known);
            }
            let list = self.add_list(&outgoing);
            self.by_outgoing.insert(outgoing, list);
            return Some(list);
        }
        if let Some(known) = self.by_path.get(&(path, source)) {
            return *known;
        }
        let outgoing = tables.export(self.export, dest, path, source).ok();
        let list = outgoing.map(|outgoing| self.add_list(&outgoing));
        self.by_path.insert((path, source), list);
        list
    }

    fn add_list(&mut self, outgoing: &Outgoing) -> u32 {
        let Outgoing { attributes, next_hop } = outgoing;
        let from = self.list_octets.len();
        update::attribute_list(attributes, Some(*next_hop), &self.export.codec, &mut self.list_octets);
        self.lists.push(List { octets: from..self.list_octets.len(), next_hop: *next_hop });
        u32::try_from(self.lists.len() - 1).unwrap_or(u32::MAX)
    }

    pub fn announce(&mut self, list: u32, source: SourceId, nlri: Nlri, shared: bool) {
        self.put(Some(list), source, nlri, shared);
    }

    pub fn withdraw(&mut self, source: SourceId, nlri: Nlri, shared: bool) {
        self.put(None, source, nlri, shared);
    }

    fn put(&mut self, list: Option<u32>, source: SourceId, nlri: Nlri, shared: bool) {
        let last = self.bundles.len();
        let index = match self.bundles.last() {
            Some(bundle) if bundle.list == list && bundle.source == source => last - 1,
            Some(_) | None => *self.by_list.entry((list, source)).or_insert(last),
        };
        if index == last {
            self.bundles.push(Bundle { list, source, nlri: SmallVec::new(), shared: Vec::new() });
            let list = list.and_then(|list| self.lists.get(list as usize));
            self.octets += 32 + list.map_or(0, |list| list.octets.len());
        }
        self.octets += 1 + usize::from(nlri.prefix.prefix().div_ceil(8));
        let bundle = &mut self.bundles[index];
        bundle.nlri.push(nlri);
        if shared {
            bundle.shared.push(nlri);
        }
    }

    /// Everything as messages, withdrawals first: they free what others may need. Routes that no message can hold are
    /// withdrawn instead, so that nobody keeps older ones.
    pub fn into_chunk(mut self, start: u32, end: u32, safe: u32) -> Chunk {
        self.bundles.sort_by_key(|bundle| bundle.list.is_some());
        let writer = update::Writer::new(self.export.family, &self.export.codec);
        let mut octets = BytesMut::with_capacity(self.octets + self.octets / 8);
        let mut cuts: Vec<Cut> = Vec::new();
        let mut all = 0;
        for bundle in self.bundles {
            let from = octets.len();
            let list = bundle.list.and_then(|list| self.lists.get(list as usize));
            let nlri = bundle.nlri.iter().copied();
            let messages = match list {
                None => writer.withdraw(nlri, &mut octets),
                Some(list) => {
                    let attributes = self.list_octets.get(list.octets.clone()).unwrap_or_default();
                    writer.announce(attributes, &list.next_hop, nlri, &mut octets)
                }
            };
            all += messages;
            match cuts.last_mut().filter(|cut| cut.source == bundle.source) {
                Some(cut) => {
                    cut.octets.end = octets.len();
                    cut.messages += messages;
                    cut.shared.extend(bundle.shared);
                }
                None => cuts.push(Cut {
                    source: bundle.source,
                    octets: from..octets.len(),
                    messages,
                    shared: bundle.shared,
                }),
            }
        }
        Chunk { start, end, safe, octets: octets.freeze(), messages: all, cuts }
    }
}
