//! One session in a group: how far it has been told.

use std::collections::VecDeque;

use super::super::log::Moved;
use super::super::{Piece, SourceId};

/// See the module.
#[derive(Debug)]
pub(in crate::rib) struct Member {
    /// The same peer as sender.
    pub source: SourceId,
    /// Which group.
    pub group: usize,
    /// What the log has up to here it has been given.
    pub place: u32,
    /// The last place at which it had everything.
    pub safe: u32,
    /// Made, and not asked for yet.
    pub pieces: VecDeque<Piece>,
    /// To be said when it has been given everything there is: a destination that changed meanwhile moved in the log, and
    /// who hears that this was all drops what has not been said.
    pub markers: Vec<Marker>,
    /// RFC 7313 §4.1: precedes all.
    pub begin_refresh: bool,
}

/// What is said after a table has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rib) enum Marker {
    /// RFC 4724 §2.
    EndOfRib,
    /// RFC 7313 §3.2.
    EndOfRefresh,
}

impl Member {
    pub fn new(source: SourceId, group: usize) -> Self {
        Self {
            source,
            group,
            place: 0,
            safe: 0,
            pieces: VecDeque::new(),
            markers: Vec::new(),
            begin_refresh: false,
        }
    }

    /// From the beginning again.
    pub fn rewind(&mut self) {
        self.place = 0;
        self.safe = 0;
    }

    /// It has been given everything up to `place`; `end` is the log's.
    pub fn advance(&mut self, place: u32, end: u32) {
        self.place = place;
        if place == end {
            self.safe = end;
        }
    }

    /// The next marker that is due; End-of-RIB not while it is held. `end` is the log's.
    pub fn due_marker(&mut self, end: u32, held: bool) -> Option<Marker> {
        let index = self.due(end, held)?;
        Some(self.markers.remove(index))
    }

    fn due(&self, end: u32, held: bool) -> Option<usize> {
        let may = |marker: &Marker| !(held && *marker == Marker::EndOfRib);
        self.markers.iter().position(may).filter(|_| self.place >= end)
    }

    /// Whether there may be something for it; `end` is the log's.
    pub fn is_pending(&self, end: u32, held: bool) -> bool {
        self.place < end || !self.pieces.is_empty() || self.begin_refresh || self.due(end, held).is_some()
    }

    /// The log was squeezed.
    pub fn moved(&mut self, moved: &Moved) {
        self.place = moved.place(self.place);
        self.safe = moved.place(self.safe);
    }
}
