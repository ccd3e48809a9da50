//! RFC 4271 §3.2: what peers said, what we chose, what we say.
//!
//! ```text
//! path/      a path: attributes and next hop, interned: equal paths are one allocation, compared by pointer
//! adj_in/    Adj-RIB-In: what one peer announced, unusable and stale routes included
//! decision/  RFC 4271 §9.1: which of several paths to a prefix is best, and why the others are not
//! loc/       Loc-RIB: usable paths of all peers and our own, decided
//! export/    RFC 4271 §9.2: what of the Loc-RIB one peer is told, and how
//! adj_out/   Adj-RIB-Out: what one peer has been told and what it has yet to be told
//! ```
//!
//! [`Rib`] holds the first half (Adj-RIBs-In and Loc-RIB) together and collects which prefixes changed, once for
//! the peers and once for the owner's forwarding table. Deliberately not here: sessions, time-outs, sockets. There is
//! no queue of changes anywhere: a prefix is dirty or it is not, so memory is bounded by the table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnetwork::IpNetwork;

use crate::wire::{Attributes, Family, NextHop};

pub mod adj_in;
pub mod adj_out;
pub mod decision;
pub mod export;
pub mod loc;
pub mod path;

#[cfg(test)]
mod tests;

use adj_in::{AdjRibIn, Received, Unusable};
use loc::{Candidate, LocRib};
use path::{Interner, Neighbour, Path};

/// Adj-RIBs-In and Loc-RIB, and what changed in them.
#[derive(Debug, Default)]
pub struct Rib {
    paths: Interner,
    adj_in: BTreeMap<IpAddr, AdjRibIn>,
    loc: LocRib,
    originated: BTreeSet<IpNetwork>,
    /// Best path changed: peers have to be told.
    best_changed: BTreeSet<IpNetwork>,
    /// Next hops changed: the forwarding table has to follow.
    forwarding_changed: BTreeSet<IpNetwork>,
}

impl Rib {
    /// Interns a path as a peer announced it.
    pub fn path(&mut self, attributes: Attributes, next_hop: NextHop) -> Arc<Path> {
        self.paths.intern(Path { attributes, next_hop: Some(next_hop) })
    }

    /// A peer announced a prefix, or announced it differently.
    pub fn announce(
        &mut self,
        from: &Arc<Neighbour>,
        prefix: IpNetwork,
        path: &Arc<Path>,
        unusable: Option<Unusable>,
        now: Instant,
    ) {
        let adj_in = self.adj_in.entry(from.address).or_default();
        let since =
            adj_in.insert(prefix, Received { path: path.clone(), unusable, stale: false, since: now });
        let candidate =
            unusable.is_none().then(|| Candidate { from: Some(from.clone()), path: path.clone(), since });
        self.choose(prefix, Some(from.address), candidate);
    }

    /// A peer withdrew a prefix.
    pub fn withdraw(&mut self, from: IpAddr, prefix: IpNetwork) {
        let known = self.adj_in.get_mut(&from).and_then(|adj_in| adj_in.remove(&prefix));
        if known.is_some() {
            self.choose(prefix, Some(from), None);
        }
    }

    /// A session ended: routes of `families` stay, marked stale; those stale already and all others go
    /// (RFC 4724 §4.2). Whether any stayed.
    pub fn keep_stale(&mut self, from: IpAddr, families: &BTreeSet<Family>) -> bool {
        let Some(adj_in) = self.adj_in.get_mut(&from) else { return false };
        let gone = adj_in.mark_stale(families);
        self.drop_all(from, gone);
        self.adj_in.contains_key(&from)
    }

    /// Removes what is stale of one family. Whether anything stale is left in another.
    pub fn flush_stale(&mut self, from: IpAddr, family: Family) -> bool {
        let Some(adj_in) = self.adj_in.get_mut(&from) else { return false };
        let gone = adj_in.take_stale(family);
        self.drop_all(from, gone);
        self.adj_in.get(&from).is_some_and(AdjRibIn::has_stale)
    }

    /// Removes everything of a peer.
    pub fn forget(&mut self, from: IpAddr) {
        self.keep_stale(from, &BTreeSet::new());
    }

    fn drop_all(&mut self, from: IpAddr, prefixes: Vec<IpNetwork>) {
        for prefix in prefixes {
            self.choose(prefix, Some(from), None);
        }
        if self.adj_in.get(&from).is_some_and(AdjRibIn::is_empty) {
            self.adj_in.remove(&from);
        }
    }

    /// The complete set of our own prefixes; what changed against the last set is applied.
    pub fn originate(&mut self, prefixes: BTreeSet<IpNetwork>, now: Instant) {
        let before = std::mem::replace(&mut self.originated, prefixes);
        let own = self.paths.intern(Path::originated());
        let removed: Vec<_> = before.difference(&self.originated).copied().collect();
        let added: Vec<_> = self.originated.difference(&before).copied().collect();
        for prefix in removed {
            self.choose(prefix, None, None);
        }
        for prefix in added {
            self.choose(prefix, None, Some(Candidate { from: None, path: own.clone(), since: now }));
        }
    }

    /// How many paths are used side by side.
    pub fn limit_multipath(&mut self, limit: usize) {
        if self.loc.set_multipath_limit(limit) {
            let prefixes: Vec<_> = self.loc.prefixes().copied().collect();
            for prefix in prefixes {
                self.note(prefix, |loc| loc.decide_again(&prefix));
            }
        }
    }

    fn choose(&mut self, prefix: IpNetwork, from: Option<IpAddr>, candidate: Option<Candidate>) {
        self.note(prefix, |loc| loc.replace(prefix, from, candidate));
    }

    fn note(&mut self, prefix: IpNetwork, change: impl FnOnce(&mut LocRib) -> loc::Change) {
        let change = change(&mut self.loc);
        if change.best {
            self.best_changed.insert(prefix);
        }
        if change.forwarding {
            self.forwarding_changed.insert(prefix);
        }
    }

    /// Prefixes whose best path changed since the last call.
    pub fn take_best_changed(&mut self) -> BTreeSet<IpNetwork> {
        std::mem::take(&mut self.best_changed)
    }

    /// Whether [`take_forwarding`](Self::take_forwarding) has something.
    #[must_use]
    pub fn forwarding_changed(&self) -> bool {
        !self.forwarding_changed.is_empty()
    }

    /// Prefixes whose next hops changed since the last call, with the new ones; `None` where no peer's path is used.
    pub fn take_forwarding(&mut self) -> BTreeMap<IpNetwork, Option<BTreeSet<NextHop>>> {
        let changed = std::mem::take(&mut self.forwarding_changed);
        changed.into_iter().map(|prefix| (prefix, self.loc.next_hops(&prefix))).collect()
    }

    /// What a peer announced.
    #[must_use]
    pub fn adj_in(&self, peer: IpAddr) -> Option<&AdjRibIn> {
        self.adj_in.get(&peer)
    }

    /// The Adj-RIBs-In, by peer.
    pub fn adj_ins(&self) -> impl Iterator<Item = (&IpAddr, &AdjRibIn)> {
        self.adj_in.iter()
    }

    /// The Loc-RIB.
    #[must_use]
    pub fn loc(&self) -> &LocRib {
        &self.loc
    }

    /// The Loc-RIB to export from, and the interner for what comes out of it.
    pub fn to_export(&mut self) -> (&LocRib, &mut Interner) {
        (&self.loc, &mut self.paths)
    }
}
