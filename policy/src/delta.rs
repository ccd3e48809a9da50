//! What became different between two programs of one engine, for who follows it and does not want to compare all of it.
//!
//! Of a set that was there and still is, a delta has the very members that came and went, however often they did in
//! between. What else it names (a set, a profile, an endpoint) may have come, changed or gone, or be what it was: the
//! program says what it is now, and that it is gone if it is not there. What a delta does not name is what it was.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::program::{EndpointId, ProfileId, Protocol, SetId};

mod update;

#[cfg(test)]
mod tests;

pub use update::Update;

/// What became different.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    /// Sets, by name.
    pub sets: BTreeMap<SetId, SetDelta>,
    /// Profiles: their content is named by their names, so they came or went.
    pub profiles: BTreeSet<ProfileId>,
    /// Local endpoints.
    pub endpoints: BTreeSet<EndpointId>,
}

/// What became different of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetDelta {
    /// It came or went, or both: what it is now is in the program, if it is.
    Whole,
    /// It was there and is. Not both are empty, and they have nothing in common.
    Members {
        /// What it did not have and has.
        added: BTreeSet<Member>,
        /// What it had and has no more.
        removed: BTreeSet<Member>,
    },
}

/// A member of a [`Set`](crate::program::Set).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// Of addresses.
    Address(IpAddr),
    /// Of addresses and ports.
    AddressPort(IpAddr, Protocol, u16),
    /// Of networks.
    Network(IpNetwork),
}

impl Delta {
    /// Whether nothing became different.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.profiles.is_empty() && self.endpoints.is_empty()
    }

    /// Notes that an endpoint came, changed or went.
    pub(crate) fn note_endpoint(&mut self, id: &EndpointId) {
        self.endpoints.insert(id.clone());
    }

    /// Notes that a profile came or went.
    pub(crate) fn note_profile(&mut self, id: &ProfileId) {
        self.profiles.insert(id.clone());
    }

    /// Notes that a set came or went.
    pub(crate) fn note_set(&mut self, id: &SetId) {
        self.sets.insert(id.clone(), SetDelta::Whole);
    }

    /// Notes that a set got a member that it did not have (`joined`), or lost one that it had.
    pub(crate) fn note_member(&mut self, id: &SetId, member: Member, joined: bool) {
        let empty = || SetDelta::Members { added: BTreeSet::new(), removed: BTreeSet::new() };
        let delta = self.sets.entry(id.clone()).or_insert_with(empty);
        let SetDelta::Members { added, removed } = delta else { return };
        let (to, from) = if joined { (&mut *added, &mut *removed) } else { (&mut *removed, &mut *added) };
        // What went and comes back was never away.
        if !from.remove(&member) {
            to.insert(member);
        }
        if added.is_empty() && removed.is_empty() {
            self.sets.remove(id);
        }
    }
}
