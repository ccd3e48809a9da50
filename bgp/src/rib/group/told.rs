//! What a group has been told: one entry for each destination, or with ADD-PATH for each path.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::super::SourceId;
use super::super::log::Moved;
use super::super::path::PathId;
use super::super::table::DestId;

/// Twelve octets for each destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rib) struct Entry {
    /// What was told, as the table had it; meaningless unless `present`.
    pub path: PathId,
    /// The place in the log at which it was told, or withdrawn; 0 for never.
    pub place: u32,
    /// Who had announced it.
    pub source: SourceId,
    /// Told and not withdrawn.
    pub present: bool,
    /// Routes of more than one source have stood here: `source` was told that of another.
    pub shared: bool,
}

impl Default for Entry {
    fn default() -> Self {
        Self { path: PathId(0), place: 0, source: SourceId(0), present: false, shared: false }
    }
}

impl Entry {
    /// Whether just this was told to everybody who had everything at `safe`.
    pub fn is_known(&self, path: PathId, source: SourceId, safe: u32) -> bool {
        self.present && self.path == path && self.source == source && self.place <= safe
    }
}

/// What a member has to be sent of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Announce,
    Withdraw,
    Nothing,
}

/// Compares what was told with what should be; what is remembered from now on comes along. `same` says whether two
/// paths of one source look alike from outside.
pub(super) fn compare(
    before: Option<Entry>,
    current: Option<(PathId, SourceId)>,
    place: u32,
    safe: u32,
    same: impl FnOnce(PathId, PathId, SourceId) -> bool,
) -> (Verdict, Entry) {
    let before = before.unwrap_or_default();
    let Some((path, source)) = current else {
        return withdraw(before, place, safe);
    };
    let told = Entry { path, place, source, present: true, shared: before.shared };
    if !before.present {
        // Not told to those who are up to date; whoever lags may still have that of another source.
        let shared = before.shared || (before.place > 0 && before.source != source);
        return (Verdict::Announce, Entry { shared, ..told });
    }
    if before.source != source {
        return (Verdict::Announce, Entry { shared: true, ..told });
    }
    if before.path == path || same(before.path, path, source) {
        let verdict = if before.place > safe { Verdict::Announce } else { Verdict::Nothing };
        return (verdict, Entry { path, ..before });
    }
    (Verdict::Announce, told)
}

fn withdraw(before: Entry, place: u32, safe: u32) -> (Verdict, Entry) {
    if before.present {
        return (Verdict::Withdraw, Entry { present: false, place, ..before });
    }
    (if before.place > safe { Verdict::Withdraw } else { Verdict::Nothing }, before)
}

/// The entries of a group.
#[derive(Debug)]
pub(super) enum Told {
    /// One path each: by number of the destination.
    One(Vec<Entry>),
    /// Several.
    Many(FxHashMap<u32, SmallVec<[(u32, Entry); 2]>>),
}

impl Told {
    pub fn new(add_path: bool) -> Self {
        if add_path { Self::Many(FxHashMap::default()) } else { Self::One(Vec::new()) }
    }

    pub fn get(&self, dest: DestId, path_id: u32) -> Option<Entry> {
        match self {
            Self::One(entries) => entries.get(dest.0 as usize).copied(),
            Self::Many(entries) => {
                entries.get(&dest.0)?.iter().find(|(id, _)| *id == path_id).map(|(_, entry)| *entry)
            }
        }
    }

    pub fn set(&mut self, dest: DestId, path_id: u32, entry: Entry) {
        match self {
            Self::One(entries) => {
                let index = dest.0 as usize;
                if entries.len() <= index {
                    entries.resize(index + 1, Entry::default());
                }
                entries[index] = entry;
            }
            Self::Many(entries) => {
                let paths = entries.entry(dest.0).or_default();
                match paths.iter_mut().find(|(id, _)| *id == path_id) {
                    Some((_, known)) => *known = entry,
                    None => paths.push((path_id, entry)),
                }
            }
        }
    }

    /// Whether there is an entry that says anything.
    pub fn knows(&self, dest: DestId) -> bool {
        match self {
            Self::One(entries) => {
                entries.get(dest.0 as usize).is_some_and(|entry| *entry != Entry::default())
            }
            Self::Many(entries) => entries.contains_key(&dest.0),
        }
    }

    pub fn path_ids(&self, dest: DestId) -> SmallVec<[u32; 4]> {
        self.entries(dest).into_iter().map(|(path_id, _)| path_id).collect()
    }

    pub fn entries(&self, dest: DestId) -> SmallVec<[(u32, Entry); 2]> {
        match self {
            Self::One(entries) => entries.get(dest.0 as usize).map(|entry| (0, *entry)).into_iter().collect(),
            Self::Many(entries) => entries.get(&dest.0).cloned().unwrap_or_default(),
        }
    }

    pub fn forget(&mut self, dest: DestId) {
        match self {
            Self::One(entries) => {
                if let Some(entry) = entries.get_mut(dest.0 as usize) {
                    *entry = Entry::default();
                }
            }
            Self::Many(entries) => drop(entries.remove(&dest.0)),
        }
    }

    pub fn all(&self) -> Vec<(DestId, u32, Entry)> {
        match self {
            Self::One(entries) => {
                entries.iter().zip(0..).map(|(entry, id)| (DestId(id), 0, *entry)).collect()
            }
            Self::Many(entries) => {
                let each = |(id, paths): (&u32, &SmallVec<[(u32, Entry); 2]>)| {
                    let dest = DestId(*id);
                    paths
                        .iter()
                        .map(move |(path_id, entry): &(u32, Entry)| (dest, *path_id, *entry))
                        .collect::<Vec<_>>()
                };
                entries.iter().flat_map(each).collect()
            }
        }
    }

    pub fn destinations(&self) -> Vec<DestId> {
        match self {
            Self::One(entries) => {
                let present = entries.iter().zip(0..).filter(|(entry, _)| entry.present);
                present.map(|(_, id)| DestId(id)).collect()
            }
            Self::Many(entries) => {
                let present =
                    entries.iter().filter(|(_, paths)| paths.iter().any(|(_, entry)| entry.present));
                present.map(|(id, _)| DestId(*id)).collect()
            }
        }
    }

    pub fn mark_paths(&self, mark: &mut dyn FnMut(PathId)) {
        self.each(|entry| {
            if entry.present {
                mark(entry.path);
            }
        });
    }

    fn each(&self, mut visit: impl FnMut(&Entry)) {
        match self {
            Self::One(entries) => entries.iter().for_each(visit),
            Self::Many(entries) => entries.values().flatten().for_each(|(_, entry)| visit(entry)),
        }
    }

    /// The log was squeezed. A place that became a hole lies behind all that was before it. Withdrawals of single paths
    /// that everybody has had (`safe`) need not be remembered.
    pub fn moved(&mut self, moved: &Moved, safe: u32) {
        let follow = |entry: &mut Entry| {
            if let Some(before) = entry.place.checked_sub(1) {
                entry.place = moved.place(before) + 1;
            }
        };
        match self {
            Self::One(entries) => entries.iter_mut().for_each(follow),
            Self::Many(entries) => {
                entries.values_mut().flatten().for_each(|(_, entry)| follow(entry));
                for paths in entries.values_mut() {
                    paths.retain(|(_, entry)| entry.present || entry.place > safe);
                }
                entries.retain(|_, paths| !paths.is_empty());
            }
        }
    }
}
