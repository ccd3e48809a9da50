//! RFC 4271 §9.2 and §5: what of the Loc-RIB one peer is told, and with which attributes.

use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use rustc_hash::FxHashMap;

use super::decision::DEFAULT_LOCAL_PREF;
use super::loc::{Candidate, LocRib};
use super::path::{Interner, Path};
use crate::config::Export;
use crate::wire::{Community, Family, NextHop};

/// Our next hop towards one peer, by family; a family that is absent is not advertised.
pub type NextHops = Vec<(Family, NextHop)>;

/// How routes are told to one peer.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whom.
    pub peer: IpAddr,
    /// It is in another AS.
    pub external: bool,
    /// Our AS.
    pub local_as: u32,
    /// What is told at all.
    pub export: Export,
    /// Only our own prefixes for now: our table is not complete yet (RFC 4724 §4.1).
    pub hold_back_transit: bool,
    /// Ourselves as next hop also where an internal peer could be told another.
    pub next_hop_self: bool,
    /// Ourselves.
    pub next_hops: NextHops,
}

impl Policy {
    /// Our next hop for a family.
    #[must_use]
    pub fn next_hop(&self, family: Family) -> Option<NextHop> {
        self.next_hops.iter().find(|(known, _)| *known == family).map(|(_, next_hop)| *next_hop)
    }

    /// Whether a best path may be told to the peer.
    #[must_use]
    pub fn allows(&self, candidate: &Candidate) -> bool {
        let communities = &candidate.path.attributes.communities;
        let barred = |community: &u32| match Community(*community) {
            Community::NO_ADVERTISE => true,
            // Without confederations the two are the same.
            Community::NO_EXPORT | Community::NO_EXPORT_SUBCONFED => self.external,
            _ => false,
        };
        let permitted_source = match &candidate.from {
            None => true,
            Some(from) => {
                self.export == Export::All
                    && !self.hold_back_transit
                    && from.address != self.peer
                    // RFC 4271 §9.2: what came from an internal peer is not told to another.
                    && (from.external || self.external)
            }
        };
        permitted_source && !communities.iter().any(barred)
    }

    /// The best path as the peer is told of it; none if it is not.
    #[must_use]
    pub fn export(&self, family: Family, candidate: &Candidate) -> Option<Path> {
        let own = self.next_hop(family).filter(|_| self.allows(candidate))?;
        let mut attributes = candidate.path.attributes.clone();
        if self.external {
            attributes.as_path = attributes.as_path.prepended(self.local_as);
            attributes.local_pref = None;
            // RFC 4271 §5.1.4: not on to other neighbouring ASes.
            attributes.med = None;
            attributes.originator_id = None;
            attributes.cluster_list.clear();
        } else {
            attributes.local_pref = Some(attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF));
        }
        let keep = !self.external && !self.next_hop_self;
        let next_hop = candidate.path.next_hop.filter(|_| keep).map_or(own, without_link_local);
        Some(Path { attributes, next_hop: Some(next_hop) })
    }
}

/// RFC 2545 §3: a link-local next hop is for peers on the same link, which an internal peer need not be.
fn without_link_local(next_hop: NextHop) -> NextHop {
    match next_hop {
        NextHop::V4(_) => next_hop,
        NextHop::V6 { global, .. } => NextHop::V6 { global, link_local: None },
    }
}

/// Exports prefixes of one table to one peer, working out each distinct path once.
#[derive(Debug)]
pub struct Exporter<'a> {
    policy: &'a Policy,
    loc: &'a LocRib,
    paths: &'a mut Interner,
    /// By address of path and neighbour, which both outlive this value inside `loc`.
    known: FxHashMap<(Family, usize, usize), Option<Arc<Path>>>,
}

impl<'a> Exporter<'a> {
    /// For one round of exports; the table cannot change meanwhile.
    pub fn new(policy: &'a Policy, loc: &'a LocRib, paths: &'a mut Interner) -> Self {
        Self { policy, loc, paths, known: FxHashMap::default() }
    }

    /// What the peer is to be told of a prefix; none for nothing or for a withdrawal.
    pub fn export(&mut self, prefix: &IpNetwork) -> Option<Arc<Path>> {
        let candidate = self.loc.best(prefix)?;
        let family = Family::of(prefix);
        let neighbour = candidate.from.as_ref().map_or(0, |from| Arc::as_ptr(from) as usize);
        let key = (family, Arc::as_ptr(&candidate.path) as usize, neighbour);
        let Self { policy, paths, known, .. } = self;
        known
            .entry(key)
            .or_insert_with(|| policy.export(family, candidate).map(|path| paths.intern(path)))
            .clone()
    }
}
