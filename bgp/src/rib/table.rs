//! Destinations and the routes to them: the Adj-RIBs-In of all peers and the Loc-RIB of one family in one place.
//!
//! ```text
//! prefix ──► destination ──► route ──► route …      (candidates of one prefix, the best one first)
//!                              ▲
//! source ──► route ──► route ──┴ …                  (one peer's Adj-RIB-In)
//! ```
//!
//! Everything is a number into a vector, and both lists are woven through the routes themselves: 36 octets a route and
//! some 30 a destination. A table of a million prefixes is held in the memory that others need for their hash keys.
//! Unusable routes are in the lists too, so that people can see them and why.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use smallvec::SmallVec;

use super::SourceId;
use super::decision::Step;
use super::import::Reason;
use super::path::PathId;
use crate::wire::{Family, Nlri};

mod index;
#[cfg(test)]
mod tests;

use index::Index;

/// How many prefixes are best looked up together.
pub(super) const AT_ONCE: usize = 16;
/// The end of a list.
const NONE: u32 = u32::MAX;

/// A destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DestId(pub u32);

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RouteId(pub u32);

#[derive(Debug, Clone, Copy)]
pub(super) struct Destination {
    first: u32,
    /// Its place in the log; 0 for none.
    pub place: u32,
    /// The forwarding table has to hear of it.
    pub forwarding_changed: bool,
    /// In use, as opposed to free.
    live: bool,
}

/// One path of one source to one destination.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub dest: DestId,
    next: u32,
    source_next: u32,
    source_previous: u32,
    /// As announced.
    pub received: PathId,
    /// As the import policy left it.
    pub path: PathId,
    /// As the peer numbered it (RFC 7911).
    pub path_id: u32,
    /// Seconds since the speaker began.
    pub since: u32,
    pub source: SourceId,
    pub state: State,
}

/// What became of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    /// Why it takes no part in the decision process.
    pub unusable: Option<Reason>,
    /// The step of the decision process that it lost in.
    pub lost: Option<Step>,
    flags: u8,
}

macro_rules! flags {
    ($($(#[$doc:meta])* $get:ident $set:ident = $bit:literal;)*) => {
        impl State {$(
            $(#[$doc])*
            pub fn $get(self) -> bool { self.flags & $bit != 0 }
            pub fn $set(&mut self, on: bool) {
                if on { self.flags |= $bit } else { self.flags &= !$bit }
            }
        )*}
    };
}

flags! {
    /// Kept over a restart of the peer.
    stale set_stale = 1;
    /// Kept even longer (RFC 9494).
    long_lived set_long_lived = 2;
    /// Chosen.
    best set_best = 4;
    /// Chosen, or used beside the chosen one.
    used set_used = 8;
    /// One of our own that a summary stands for: not told.
    suppressed set_suppressed = 16;
}

impl State {
    /// With another verdict of the import policy. What takes no part in the decision was chosen by none.
    pub fn judged(mut self, unusable: Option<Reason>) -> Self {
        self.unusable = unusable;
        if unusable.is_some() {
            self.set_best(false);
            self.set_used(false);
            self.lost = None;
        }
        self
    }
}

#[derive(Debug, Clone, Copy)]
struct Source {
    first: u32,
    counts: super::Counts,
}

impl Default for Source {
    fn default() -> Self {
        Self { first: NONE, counts: super::Counts::default() }
    }
}

/// One family's table.
#[derive(Debug)]
pub(super) struct Table {
    pub family: Family,
    index: Index,
    destinations: Vec<Destination>,
    free_destinations: Vec<u32>,
    routes: Vec<Route>,
    free_routes: Vec<u32>,
    sources: Vec<Source>,
}

impl Table {
    pub fn new(family: Family) -> Self {
        Self {
            family,
            index: Index::new(family),
            destinations: Vec::new(),
            free_destinations: Vec::new(),
            routes: Vec::new(),
            free_routes: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// The destination of a prefix of this family, if there is one.
    pub fn find(&self, prefix: &IpNetwork) -> Option<DestId> {
        self.index.find(prefix).map(DestId)
    }

    /// The same for several at once: their waits for memory overlap, which is most of what a look-up costs.
    pub fn find_each(&self, prefixes: &[Nlri]) -> SmallVec<[Option<DestId>; AT_ONCE]> {
        prefixes.iter().map(|nlri| self.find(&nlri.prefix)).collect()
    }

    /// The same, made if it is missing.
    pub fn find_or_insert(&mut self, prefix: &IpNetwork) -> DestId {
        if let Some(dest) = self.find(prefix) {
            return dest;
        }
        let fresh = Destination { first: NONE, place: 0, forwarding_changed: false, live: true };
        let id = match self.free_destinations.pop() {
            Some(id) => {
                self.destinations[id as usize] = fresh;
                id
            }
            None => {
                self.destinations.push(fresh);
                number(self.destinations.len() - 1)
            }
        };
        self.index.insert(prefix, id);
        DestId(id)
    }

    /// Frees a destination without routes.
    pub fn remove(&mut self, dest: DestId) {
        self.index.remove(dest.0);
        self.destinations[dest.0 as usize].live = false;
        self.free_destinations.push(dest.0);
        if self.free_destinations.len() == self.destinations.len() {
            self.give_back();
        }
    }

    /// Nothing is left: the memory of a table that was is given back.
    fn give_back(&mut self) {
        let sources = std::mem::take(&mut self.sources);
        *self = Self { sources, ..Self::new(self.family) };
    }

    pub fn prefix(&self, dest: DestId) -> IpNetwork {
        self.index.prefix(dest.0)
    }

    pub fn destination(&self, dest: DestId) -> &Destination {
        &self.destinations[dest.0 as usize]
    }

    pub fn destination_mut(&mut self, dest: DestId) -> &mut Destination {
        &mut self.destinations[dest.0 as usize]
    }

    pub fn route(&self, route: RouteId) -> &Route {
        &self.routes[route.0 as usize]
    }

    pub fn route_mut(&mut self, route: RouteId) -> &mut Route {
        &mut self.routes[route.0 as usize]
    }

    /// Whether this is a destination still, after others have been removed.
    pub fn is_live(&self, dest: DestId) -> bool {
        self.destinations.get(dest.0 as usize).is_some_and(|destination| destination.live)
    }

    /// Whether a destination has no route at all.
    pub fn is_bare(&self, dest: DestId) -> bool {
        self.destination(dest).first == NONE
    }

    /// The routes to a destination, the best one first.
    pub fn routes_to(&self, dest: DestId) -> impl Iterator<Item = RouteId> + Clone + '_ {
        let first = some(self.destination(dest).first);
        std::iter::successors(first, |route| some(self.route(*route).next))
    }

    /// The chosen route.
    pub fn best(&self, dest: DestId) -> Option<RouteId> {
        some(self.destination(dest).first).filter(|route| self.route(*route).state.best())
    }

    /// The route of one source with one path identifier.
    pub fn route_of(&self, dest: DestId, source: SourceId, path_id: u32) -> Option<RouteId> {
        self.routes_to(dest).find(|route| {
            let route = self.route(*route);
            route.source == source && route.path_id == path_id
        })
    }

    /// How many paths to a destination a source has announced.
    pub fn paths_of(&self, dest: DestId, source: SourceId) -> usize {
        self.routes_to(dest).filter(|route| self.route(*route).source == source).count()
    }

    /// The routes of one source, in no order.
    pub fn routes_of(&self, source: SourceId) -> impl Iterator<Item = RouteId> + '_ {
        let first = self.sources.get(usize::from(source.0)).and_then(|source| some(source.first));
        std::iter::successors(first, |route| some(self.route(*route).source_next))
    }

    /// Every destination, in no order.
    pub fn destinations(&self) -> impl Iterator<Item = DestId> + '_ {
        let live = self.destinations.iter().enumerate().filter(|(_, destination)| destination.live);
        live.map(|(id, _)| DestId(number(id)))
    }

    /// Puts a route in, last among those of its destination.
    pub fn insert(&mut self, route: NewRoute) -> RouteId {
        let NewRoute { dest, received, path, path_id, since, source, state } = route;
        let slot = usize::from(source.0);
        if self.sources.len() <= slot {
            self.sources.resize(slot + 1, Source::default());
        }
        let head = self.sources[slot].first;
        let route = Route {
            dest,
            next: NONE,
            source_next: head,
            source_previous: NONE,
            received,
            path,
            path_id,
            since,
            source,
            state,
        };
        let id = match self.free_routes.pop() {
            Some(id) => {
                self.routes[id as usize] = route;
                id
            }
            None => {
                self.routes.push(route);
                number(self.routes.len() - 1)
            }
        };
        if let Some(head) = self.routes.get_mut(head as usize) {
            head.source_previous = id;
        }
        self.sources[slot].first = id;
        self.count(source, state, 1);
        self.append(dest, id);
        RouteId(id)
    }

    fn append(&mut self, dest: DestId, id: u32) {
        let mut last = None;
        for route in self.routes_to(dest) {
            last = Some(route);
        }
        match last {
            Some(last) => self.route_mut(last).next = id,
            None => self.destination_mut(dest).first = id,
        }
    }

    /// Takes a route out.
    pub fn take(&mut self, id: RouteId) -> Route {
        let route = *self.route(id);
        self.unlink(id);
        match self.routes.get_mut(route.source_previous as usize) {
            Some(previous) => previous.source_next = route.source_next,
            None => self.sources[usize::from(route.source.0)].first = route.source_next,
        }
        if let Some(next) = self.routes.get_mut(route.source_next as usize) {
            next.source_previous = route.source_previous;
        }
        self.count(route.source, route.state, -1);
        self.free_routes.push(id.0);
        route
    }

    /// Out of its destination's list.
    fn unlink(&mut self, id: RouteId) {
        let Route { dest, next, .. } = *self.route(id);
        let before = self.routes_to(dest).take_while(|route| *route != id).last();
        match before {
            Some(before) => self.route_mut(before).next = next,
            None => self.destination_mut(dest).first = next,
        }
    }

    /// Makes a route the first of its destination.
    pub fn put_first(&mut self, id: RouteId) {
        let dest = self.route(id).dest;
        if self.destination(dest).first == id.0 {
            return;
        }
        self.unlink(id);
        let first = std::mem::replace(&mut self.destination_mut(dest).first, id.0);
        self.route_mut(id).next = first;
    }

    /// Changes what became of a route, and the counts with it.
    pub fn set_state(&mut self, id: RouteId, state: State) {
        let Route { source, state: before, .. } = *self.route(id);
        self.count(source, before, -1);
        self.count(source, state, 1);
        self.route_mut(id).state = state;
    }

    fn count(&mut self, source: SourceId, state: State, by: i32) {
        let Some(source) = self.sources.get_mut(usize::from(source.0)) else { return };
        let add = |count: &mut u32, counts: bool| *count = count.wrapping_add_signed(by * i32::from(counts));
        add(&mut source.counts.received, true);
        add(&mut source.counts.accepted, state.unusable.is_none());
        add(&mut source.counts.stale, state.stale());
    }

    /// How many routes there are of a source.
    pub fn counts(&self, source: SourceId) -> super::Counts {
        self.sources.get(usize::from(source.0)).map(|source| source.counts).unwrap_or_default()
    }

    /// Destinations and routes.
    pub fn sizes(&self) -> (usize, usize) {
        let destinations = self.destinations.len() - self.free_destinations.len();
        (destinations, self.routes.len() - self.free_routes.len())
    }
}

/// A route to be put in.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRoute {
    pub dest: DestId,
    pub received: PathId,
    pub path: PathId,
    pub path_id: u32,
    pub since: u32,
    pub source: SourceId,
    pub state: State,
}

fn some(id: u32) -> Option<RouteId> {
    (id != NONE).then_some(RouteId(id))
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(NONE)
}

/// Whether an address family's prefix is what the network type says, with no host bits.
fn v4(address: u32, bits: u8) -> Option<IpNetwork> {
    Ipv4Network::new(Ipv4Addr::from(address), bits).ok().map(IpNetwork::V4)
}

fn v6(address: u128, bits: u8) -> Option<IpNetwork> {
    Ipv6Network::new(Ipv6Addr::from(address), bits).ok().map(IpNetwork::V6)
}
