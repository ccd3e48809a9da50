//! Adj-RIB-In: everything that one peer has announced and not withdrawn.
//!
//! Unusable routes are kept, so that people can see them and why; the Loc-RIB never gets them. Stale routes
//! (RFC 4724 §4.2) are used like all others until they are replaced or flushed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use ipnetwork::IpNetwork;

use super::path::{Neighbour, Path};
use crate::wire::Family;

/// A route as received.
#[derive(Debug, Clone)]
pub struct Received {
    /// With received attributes.
    pub path: Arc<Path>,
    /// Why it is left out of the decision process.
    pub unusable: Option<Unusable>,
    /// Kept over a restart of the peer and not yet announced again.
    pub stale: bool,
    /// When this path was first announced.
    pub since: Instant,
}

/// Why a route takes no part in the decision process (RFC 4271 §9.1.2, RFC 4456 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// RFC 4271 §9.1.2: an AS loop.
    OwnAs,
    /// RFC 4456 §8: we are the originator.
    OwnOriginatorId,
    /// RFC 4456 §8: it passed our cluster before.
    OwnClusterId,
    /// RFC 4271 §5.1.3: we cannot be our own next hop.
    OwnNextHop,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnAs => "own AS in path",
            Self::OwnOriginatorId => "own router ID as originator",
            Self::OwnClusterId => "own cluster ID in cluster list",
            Self::OwnNextHop => "next hop is this speaker itself",
        })
    }
}

/// Who we are, for finding loops.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Our AS.
    pub asn: u32,
    /// Our BGP identifier, which is our cluster ID too.
    pub router_id: Ipv4Addr,
    /// Our addresses on the connection that the route came by.
    pub addresses: Vec<IpAddr>,
}

impl Identity {
    /// Whether and why a path must not be used here.
    #[must_use]
    pub fn judge(&self, from: &Neighbour, path: &Path) -> Option<Unusable> {
        let attributes = &path.attributes;
        let own_address = |address| self.addresses.contains(&address);
        if attributes.as_path.contains(self.asn) {
            Some(Unusable::OwnAs)
        } else if !from.external && attributes.originator_id == Some(self.router_id) {
            Some(Unusable::OwnOriginatorId)
        } else if !from.external && attributes.cluster_list.contains(&self.router_id) {
            Some(Unusable::OwnClusterId)
        } else if path.next_hop.is_some_and(|next_hop| own_address(next_hop.address())) {
            Some(Unusable::OwnNextHop)
        } else {
            None
        }
    }
}

/// How many routes there are of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All of them.
    pub received: u64,
    /// Those that are usable.
    pub accepted: u64,
}

/// One peer's announcements.
#[derive(Debug, Default)]
pub struct AdjRibIn {
    routes: BTreeMap<IpNetwork, Received>,
    counts: BTreeMap<Family, Counts>,
    stale: usize,
}

impl AdjRibIn {
    /// Puts a route in place of what the peer announced for the prefix before. Since when the route stands: an
    /// announcement that changes nothing does not make it younger.
    pub fn insert(&mut self, prefix: IpNetwork, mut route: Received) -> Instant {
        if let Some(before) = self.remove(&prefix)
            && Arc::ptr_eq(&before.path, &route.path)
            && before.unusable == route.unusable
        {
            route.since = before.since;
        }
        let since = route.since;
        let counts = self.counts.entry(Family::of(&prefix)).or_default();
        counts.received += 1;
        counts.accepted += u64::from(route.unusable.is_none());
        self.stale += usize::from(route.stale);
        self.routes.insert(prefix, route);
        since
    }

    /// Takes a route out.
    pub fn remove(&mut self, prefix: &IpNetwork) -> Option<Received> {
        let route = self.routes.remove(prefix)?;
        let counts = self.counts.entry(Family::of(prefix)).or_default();
        counts.received -= 1;
        counts.accepted -= u64::from(route.unusable.is_none());
        self.stale -= usize::from(route.stale);
        Some(route)
    }

    /// Marks all routes of `families` stale and takes out all others, and those that were stale already: the peer
    /// has restarted twice without announcing them (RFC 4724 §4.2). What was taken out.
    pub fn mark_stale(&mut self, families: &BTreeSet<Family>) -> Vec<IpNetwork> {
        let gone = self.matching(|prefix, route| route.stale || !families.contains(&Family::of(prefix)));
        for prefix in &gone {
            self.remove(prefix);
        }
        for route in self.routes.values_mut() {
            route.stale = true;
        }
        self.stale = self.routes.len();
        gone
    }

    /// Takes out what is still stale of a family.
    pub fn take_stale(&mut self, family: Family) -> Vec<IpNetwork> {
        let gone = self.matching(|prefix, route| route.stale && Family::of(prefix) == family);
        for prefix in &gone {
            self.remove(prefix);
        }
        gone
    }

    fn matching(&self, wanted: impl Fn(&IpNetwork, &Received) -> bool) -> Vec<IpNetwork> {
        self.routes
            .iter()
            .filter(|(prefix, route)| wanted(prefix, route))
            .map(|(prefix, _)| *prefix)
            .collect()
    }

    /// Whether any route is stale.
    #[must_use]
    pub fn has_stale(&self) -> bool {
        self.stale > 0
    }

    /// Whether there is no route.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The route for a prefix.
    #[must_use]
    pub fn get(&self, prefix: &IpNetwork) -> Option<&Received> {
        self.routes.get(prefix)
    }

    /// All routes, by prefix.
    pub fn iter(&self) -> impl Iterator<Item = (&IpNetwork, &Received)> {
        self.routes.iter()
    }

    /// Routes of one family.
    #[must_use]
    pub fn counts(&self, family: Family) -> Counts {
        self.counts.get(&family).copied().unwrap_or_default()
    }
}
