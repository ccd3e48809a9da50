//! Loc-RIB: every usable path by prefix, with the decision among them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnetwork::IpNetwork;

use super::decision::{Decision, decide, explain};
use super::path::{Neighbour, Path};
use crate::wire::NextHop;

/// A usable path to a prefix.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The peer that announced it; none for our own.
    pub from: Option<Arc<Neighbour>>,
    /// The path.
    pub path: Arc<Path>,
    /// When it was first announced.
    pub since: Instant,
}

impl Candidate {
    /// The peer's address; none for our own.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.from.as_ref().map(|from| from.address)
    }

    fn same_route(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.path, &other.path) && self.from == other.from
    }
}

/// What a change of candidates came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// Another best path, or none any more.
    pub best: bool,
    /// Other next hops.
    pub forwarding: bool,
}

#[derive(Debug, Default)]
struct Destination {
    /// Ordered by peer address, our own first: at most one per peer.
    candidates: Vec<Candidate>,
    decision: Decision,
}

/// All destinations.
#[derive(Debug)]
pub struct LocRib {
    destinations: BTreeMap<IpNetwork, Destination>,
    multipath_limit: usize,
}

impl Default for LocRib {
    fn default() -> Self {
        Self { destinations: BTreeMap::new(), multipath_limit: 1 }
    }
}

impl LocRib {
    /// Whether the limit is another than before; then everything is to be decided again.
    pub fn set_multipath_limit(&mut self, limit: usize) -> bool {
        std::mem::replace(&mut self.multipath_limit, limit) != limit
    }

    /// Puts a candidate, or none, in place of the one that `from` had.
    pub fn replace(
        &mut self,
        prefix: IpNetwork,
        from: Option<IpAddr>,
        candidate: Option<Candidate>,
    ) -> Change {
        let destination = self.destinations.entry(prefix).or_default();
        let change = destination.change(self.multipath_limit, |candidates| {
            match (candidates.binary_search_by_key(&from, Candidate::address), candidate) {
                (Ok(index), Some(candidate)) => candidates[index] = candidate,
                (Ok(index), None) => drop(candidates.remove(index)),
                (Err(index), Some(candidate)) => candidates.insert(index, candidate),
                (Err(_), None) => {}
            }
        });
        if destination.candidates.is_empty() {
            self.destinations.remove(&prefix);
        }
        change
    }

    /// Decides a prefix anew, among the same candidates.
    pub fn decide_again(&mut self, prefix: &IpNetwork) -> Change {
        let limit = self.multipath_limit;
        self.destinations
            .get_mut(prefix)
            .map(|destination| destination.change(limit, |_| {}))
            .unwrap_or_default()
    }

    /// The best path to a prefix.
    #[must_use]
    pub fn best(&self, prefix: &IpNetwork) -> Option<&Candidate> {
        self.destinations.get(prefix).and_then(Destination::best)
    }

    /// The next hops in use; none if there is no path or the prefix is our own.
    #[must_use]
    pub fn next_hops(&self, prefix: &IpNetwork) -> Option<BTreeSet<NextHop>> {
        let next_hops = self.destinations.get(prefix)?.next_hops();
        (!next_hops.is_empty()).then_some(next_hops)
    }

    /// All prefixes that have a usable path.
    pub fn prefixes(&self) -> impl Iterator<Item = &IpNetwork> {
        self.destinations.keys()
    }

    /// The candidates of a prefix, each with whether it is best, whether it is used, and why not.
    pub fn verdicts(&self, prefix: &IpNetwork) -> impl Iterator<Item = Verdict<'_>> {
        self.destinations.get(prefix).into_iter().flat_map(|Destination { candidates, decision }| {
            candidates.iter().enumerate().map(|(index, candidate)| Verdict {
                candidate,
                best: decision.best() == Some(index),
                used: decision.used.contains(&index),
                reason: explain(candidates, decision, index),
            })
        })
    }
}

/// What became of a candidate.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// Which.
    pub candidate: &'a Candidate,
    /// It is the best path.
    pub best: bool,
    /// It is the best path, or used beside it.
    pub used: bool,
    /// Why it is not used; empty if it is.
    pub reason: String,
}

impl Destination {
    fn change(&mut self, limit: usize, edit: impl FnOnce(&mut Vec<Candidate>)) -> Change {
        let best = self.best().cloned();
        let next_hops = self.next_hops();
        edit(&mut self.candidates);
        self.decision = decide(&self.candidates, limit);
        let same_best = match (&best, self.best()) {
            (Some(before), Some(after)) => before.same_route(after),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        Change { best: !same_best, forwarding: next_hops != self.next_hops() }
    }

    fn best(&self) -> Option<&Candidate> {
        self.decision.best().and_then(|index| self.candidates.get(index))
    }

    fn next_hops(&self) -> BTreeSet<NextHop> {
        let used = self.decision.used.iter().filter_map(|&index| self.candidates.get(index));
        used.filter_map(|candidate| candidate.path.next_hop).collect()
    }
}
