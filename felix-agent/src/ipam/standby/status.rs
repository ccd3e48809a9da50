//! What is kept ready, and what was promised of it, for people.

use std::collections::BTreeSet;

use ipam::Family;

use crate::ipam::journal::Journal;
use crate::ipam::known::{Away, Known, State};

/// What is kept ready, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Since when the datastore is away, if it is.
    pub away: Option<Away>,
    /// Of each family: addresses that can be promised, and those that are there at all.
    pub families: Vec<(Family, usize, usize)>,
    /// Containers whose state the datastore does not know yet.
    pub unsettled: usize,
    /// What could not be made so, in words.
    pub lost: Vec<String>,
}

impl Status {
    pub(in crate::ipam) fn read(known: &Known, journal: &Journal) -> Self {
        let (entries, promised, away) = (journal.entries(), journal.promised(), known.away());
        let state = known.read();
        let families = [Family::V4, Family::V6].into_iter().filter_map(|family| {
            let (ready, all) = counts(&state, &promised, family);
            (all > 0).then_some((family, ready, all))
        });
        let lost = entries.values().filter_map(|entry| entry.lost.clone()).collect();
        Self { away, families: families.collect(), unsettled: entries.len(), lost }
    }

    /// What there is to say while something is not as it should be.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let away = self.away.as_ref().map(|away| {
            let (seconds, reason) = (away.lasting().as_secs(), &away.reason);
            format!("the datastore has been away for {seconds} s ({reason}); {}", self.left())
        });
        away.into_iter().chain(self.lost.iter().cloned()).collect()
    }

    /// "5 of 8 IPv4 standby addresses are left".
    fn left(&self) -> String {
        if self.families.is_empty() {
            return "no standby addresses are left for new pods".to_owned();
        }
        let families: Vec<String> = self
            .families
            .iter()
            .map(|(family, ready, all)| format!("{ready} of {all} {family} standby addresses"))
            .collect();
        format!("{} are left for new pods", families.join(" and "))
    }
}

fn counts(state: &State, promised: &BTreeSet<String>, family: Family) -> (usize, usize) {
    let blocks = state.index.blocks(Some(state.node()), None, None).map(|block| &block.value);
    let of_family = blocks.filter(|block| Family::of_network(&block.cidr()) == family);
    let all: Vec<&str> = of_family
        .flat_map(|block| ipam::standby::of_node(block, state.node()))
        .map(|(_, allocation)| allocation.handle.as_str())
        .collect();
    (all.iter().filter(|handle| !promised.contains(**handle)).count(), all.len())
}
