//! In which order destinations changed last.
//!
//! A destination stands in the log once: when it changes again, it moves to the end and leaves a hole. A reader that
//! keeps the place up to which it has read so gets every destination once, in its newest state, however long it was
//! away. Holes are squeezed out when they are as many as the rest; every place that somebody keeps has to follow then.

use super::table::{DestId, Table};

#[cfg(test)]
mod tests;

const HOLE: u32 = u32::MAX;
/// Shorter logs are not squeezed. Small in tests, so that a few destinations show what a million do.
const SQUEEZE_AT_LEAST: usize = if cfg!(test) { 6 } else { 1024 };

/// Places count from 1; a reader at 0 has read nothing.
#[derive(Debug, Default)]
pub(super) struct Log {
    slots: Vec<u32>,
    live: usize,
}

/// Where each place went when the log was squeezed.
pub(super) struct Moved(Vec<u32>);

impl Moved {
    /// The place that says now what `place` said before: as many destinations are before it.
    pub fn place(&self, place: u32) -> u32 {
        self.0.get(place as usize).or(self.0.last()).copied().unwrap_or(0)
    }
}

impl Log {
    /// The last place.
    pub fn end(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// Puts a destination last.
    pub fn touch(&mut self, table: &mut Table, dest: DestId) {
        self.forget(table, dest);
        self.slots.push(dest.0);
        self.live += 1;
        table.destination_mut(dest).place = self.end();
    }

    /// Takes a destination out.
    pub fn forget(&mut self, table: &mut Table, dest: DestId) {
        let place = std::mem::take(&mut table.destination_mut(dest).place);
        if let Some(slot) = (place as usize).checked_sub(1).and_then(|index| self.slots.get_mut(index)) {
            *slot = HOLE;
            self.live -= 1;
        }
    }

    /// What stands after `place`, with its own place.
    pub fn after(&self, place: u32) -> impl Iterator<Item = (u32, DestId)> + '_ {
        let rest = self.slots.get(place as usize..).unwrap_or_default().iter();
        rest.zip(place + 1..).filter(|(slot, _)| **slot != HOLE).map(|(slot, place)| (place, DestId(*slot)))
    }

    /// Whether the holes are as many as the rest.
    pub fn wants_squeeze(&self) -> bool {
        self.slots.len() >= SQUEEZE_AT_LEAST.max(2 * self.live)
    }

    /// Squeezes the holes out.
    pub fn squeeze(&mut self, table: &mut Table) -> Moved {
        let mut moved = Vec::with_capacity(self.slots.len() + 1);
        moved.push(0);
        let mut kept = 0;
        for index in 0..self.slots.len() {
            let slot = self.slots[index];
            if slot != HOLE {
                self.slots[kept] = slot;
                kept += 1;
                table.destination_mut(DestId(slot)).place = u32::try_from(kept).unwrap_or(u32::MAX);
            }
            moved.push(u32::try_from(kept).unwrap_or(u32::MAX));
        }
        self.slots.truncate(kept);
        if kept == 0 {
            self.slots = Vec::new();
        }
        Moved(moved)
    }
}
