//! Adj-RIB-In: what peers announce and withdraw, and what restarts do to it.

use std::time::Instant;

use super::import::Judge;
use super::path::PathId;
use super::table::{AT_ONCE, NewRoute, RouteId, State};
use super::{Counts, Import, Neighbour, OWN, Rib, SourceId};
use crate::wire::{Attributes, Community, Family, FamilySet, NextHop, Nlri};

/// Paths that one peer may announce to one prefix (RFC 7911 leaves it open). More are not taken: each one costs a look at
/// all the others.
const MAX_PATHS: usize = 256;

impl Rib {
    /// Somebody new who will announce routes.
    pub fn add_source(&mut self, neighbour: Neighbour) -> SourceId {
        if self.neighbours.is_empty() {
            // The first is ourselves.
            self.neighbours.push(None);
        }
        // The longest unused number: what is still on its way may name the last who had it.
        let id = if self.neighbours.len() < usize::from(u16::MAX) {
            self.neighbours.push(None);
            self.neighbours.len() - 1
        } else {
            self.free_sources.pop_front().map_or(self.neighbours.len() - 1, usize::from)
        };
        self.neighbours[id] = Some(neighbour);
        SourceId(u16::try_from(id).unwrap_or(u16::MAX))
    }

    /// The same sender at another cost, or as a reflector's client or not: its routes are decided and told anew.
    pub fn set_neighbour(&mut self, source: SourceId, neighbour: Neighbour) {
        let Some(slot) = self.neighbours.get_mut(usize::from(source.0)) else { return };
        if slot.is_none() || slot.as_ref() == Some(&neighbour) {
            return;
        }
        *slot = Some(neighbour);
        for family in Family::ALL {
            let table = &self.family(family).table;
            let dests: Vec<_> = table.routes_of(source).map(|route| table.route(route).dest).collect();
            for dest in dests {
                self.change(family, dest, |_| {});
                self.family_mut(family).touch(dest);
            }
        }
        self.tidy();
    }

    /// Everything of it goes, and its number is free.
    pub fn remove_source(&mut self, source: SourceId) {
        for family in Family::ALL {
            let routes: Vec<_> = self.family(family).table.routes_of(source).collect();
            self.drop_routes(family, routes);
            self.imports.remove(&(source, family));
        }
        if let Some(neighbour) = self.neighbours.get_mut(usize::from(source.0))
            && neighbour.take().is_some()
        {
            self.free_sources.push_back(source.0);
        }
        self.tidy();
    }

    /// Who that is.
    #[must_use]
    pub fn neighbour(&self, source: SourceId) -> Option<&Neighbour> {
        self.neighbours.get(usize::from(source.0)).and_then(Option::as_ref)
    }

    /// How its routes are judged from now on; what is there is judged anew where that is different.
    pub fn set_import(&mut self, source: SourceId, family: Family, import: Import) {
        if self.imports.get(&(source, family)) == Some(&import) {
            return;
        }
        self.imports.insert((source, family), import);
        let routes: Vec<_> = self.family(family).table.routes_of(source).collect();
        for route in routes {
            self.judge_again(family, route);
        }
        self.tidy();
    }

    fn judge_again(&mut self, family: Family, id: RouteId) {
        let route = *self.family(family).table.route(id);
        let Some(next_hop) = self.paths.next_hop_of(route.received) else { return };
        let attributes = self.paths.attributes(route.received);
        let prefix = self.family(family).table.prefix(route.dest);
        let Self { imports, neighbours, paths, .. } = self;
        let Some(import) = imports.get(&(route.source, family)) else { return };
        let Some(from) = neighbours.get(usize::from(route.source.0)).and_then(Option::as_ref) else { return };
        let mut judge = Judge::new(import, from, &attributes, next_hop, paths);
        let (path, unusable) = judge.judge(&prefix, paths);
        let path = if route.state.long_lived() { long_lived(paths, path) } else { path };
        if path == route.path && unusable == route.state.unusable {
            return;
        }
        let state = route.state.judged(unusable);
        self.change(family, route.dest, |table| {
            table.route_mut(id).path = path;
            table.set_state(id, state);
        });
    }

    /// Announced: all of one message's prefixes with the same path. `now` for ages. Without [`set_import`] before, and
    /// from nobody known, nothing is taken.
    ///
    /// [`set_import`]: Self::set_import
    pub fn announce(
        &mut self,
        source: SourceId,
        family: Family,
        attributes: &Attributes,
        next_hop: NextHop,
        prefixes: &[Nlri],
        now: Instant,
    ) {
        self.tidy();
        let since = self.seconds(now);
        let Self { imports, neighbours, paths, families, multipath, follow_forwarding, .. } = self;
        let Some(import) = imports.get(&(source, family)) else { return };
        let Some(from) = neighbours.get(usize::from(source.0)).and_then(Option::as_ref) else { return };
        let mut judge = Judge::new(import, from, attributes, next_hop, paths);
        let rib = &mut families[super::position(family)];
        for some in prefixes.chunks(AT_ONCE) {
            for (nlri, known) in some.iter().zip(rib.table.find_each(some)) {
                let (path, unusable) = judge.judge(&nlri.prefix, paths);
                let rules = super::family::Rules {
                    paths,
                    neighbours,
                    multipath: *multipath,
                    follow_forwarding: *follow_forwarding,
                };
                let state = State::default().judged(unusable);
                let dest = known.unwrap_or_else(|| rib.table.find_or_insert(&nlri.prefix));
                let (received, path_id) = (judge.received(), nlri.path_id);
                let new = NewRoute { dest, received, path, path_id, since, source, state };
                match rib.table.route_of(dest, source, path_id) {
                    None if path_id != 0 && rib.table.paths_of(dest, source) >= MAX_PATHS => {}
                    None => rib.change(dest, &rules, |table| _ = table.insert(new)),
                    Some(known) => replace(rib, known, new, &rules),
                }
            }
        }
    }

    /// Withdrawn.
    pub fn withdraw(&mut self, source: SourceId, prefixes: &[Nlri]) {
        for family in Family::ALL {
            let of_family = prefixes.chunk_by(|a, b| Family::of(&a.prefix) == Family::of(&b.prefix));
            let of_family =
                of_family.filter(|some| some.first().is_some_and(|it| Family::of(&it.prefix) == family));
            for some in of_family.flat_map(|some| some.chunks(AT_ONCE)) {
                self.withdraw_some(family, source, some);
            }
        }
        self.tidy();
    }

    fn withdraw_some(&mut self, family: Family, source: SourceId, prefixes: &[Nlri]) {
        for (nlri, dest) in prefixes.iter().zip(self.family(family).table.find_each(prefixes)) {
            // One that is named twice is gone by now.
            let Some(dest) = dest.filter(|dest| self.family(family).table.is_live(*dest)) else { continue };
            let table = &self.family(family).table;
            if let Some(route) = table.route_of(dest, source, nlri.path_id) {
                self.change(family, dest, |table| _ = table.take(route));
            }
        }
    }

    /// Routes of `families` stay, marked stale; those stale already and all others go: the peer has restarted twice
    /// without announcing them (RFC 4724 §4.2). Whether any stayed.
    pub fn keep_stale(&mut self, source: SourceId, families: FamilySet) -> bool {
        for family in Family::ALL {
            let table = &self.family(family).table;
            let keep = |route: &RouteId| families.contains(family) && !table.route(*route).state.stale();
            let (kept, gone): (Vec<_>, Vec<_>) = table.routes_of(source).partition(keep);
            self.drop_routes(family, gone);
            self.mark_stale(family, &kept);
        }
        self.tidy();
        Family::ALL.iter().any(|family| self.counts(source, *family).stale > 0)
    }

    fn mark_stale(&mut self, family: Family, routes: &[RouteId]) {
        let table = &mut self.family_mut(family).table;
        for route in routes {
            let mut state = table.route(*route).state;
            state.set_stale(true);
            table.set_state(*route, state);
        }
    }

    /// RFC 9494 §4.2: the stale routes of a family become long-lived stale (least preferred, LLGR_STALE attached);
    /// those with NO_LLGR go. Whether any stayed.
    pub fn keep_long_lived(&mut self, source: SourceId, family: Family) -> bool {
        let table = &self.family(family).table;
        let stale = table.routes_of(source).filter(|route| table.route(*route).state.stale());
        let refuses = |route: &RouteId| {
            let path = self.paths.get(table.route(*route).received);
            path.communities.contains(Community::NO_LLGR)
        };
        let (gone, kept): (Vec<_>, Vec<_>) = stale.partition(refuses);
        self.drop_routes(family, gone);
        for id in kept {
            let route = *self.family(family).table.route(id);
            let path = long_lived(&mut self.paths, route.path);
            let mut state = route.state;
            state.set_long_lived(true);
            self.change(family, route.dest, |table| {
                table.route_mut(id).path = path;
                table.set_state(id, state);
            });
        }
        self.tidy();
        self.counts(source, family).stale > 0
    }

    /// Removes what is stale of one family.
    pub fn flush_stale(&mut self, source: SourceId, family: Family) {
        let table = &self.family(family).table;
        let stale = table.routes_of(source).filter(|route| table.route(*route).state.stale());
        let stale: Vec<_> = stale.collect();
        self.drop_routes(family, stale);
        self.tidy();
    }

    /// RFC 7313 §4.2, at BoRR: everything of the family is stale until it is announced again; at EoRR,
    /// [`flush_stale`](Self::flush_stale) removes the rest.
    pub fn begin_refresh(&mut self, source: SourceId, family: Family) {
        let routes: Vec<_> = self.family(family).table.routes_of(source).collect();
        self.mark_stale(family, &routes);
    }

    /// The marks of [`begin_refresh`](Self::begin_refresh) mean nothing any more: what was announced before counts on.
    pub fn end_refresh_marks(&mut self, source: SourceId, family: Family) {
        let table = &mut self.family_mut(family).table;
        let routes: Vec<_> = table.routes_of(source).collect();
        for route in routes {
            let mut state = table.route(route).state;
            state.set_stale(false);
            table.set_state(route, state);
        }
    }

    fn drop_routes(&mut self, family: Family, routes: Vec<RouteId>) {
        for route in routes {
            let dest = self.family(family).table.route(route).dest;
            self.change(family, dest, |table| _ = table.take(route));
        }
    }

    /// How many routes there are of a source.
    #[must_use]
    pub fn counts(&self, source: SourceId, family: Family) -> Counts {
        if source == OWN { Counts::default() } else { self.family(family).table.counts(source) }
    }
}

/// A route in place of another of the same source. An announcement that changes nothing does not make it younger.
fn replace(
    rib: &mut super::family::FamilyRib,
    known: RouteId,
    new: NewRoute,
    rules: &super::family::Rules<'_>,
) {
    let before = *rib.table.route(known);
    let same = before.received == new.received
        && before.path == new.path
        && before.state.unusable == new.state.unusable;
    if same {
        let mut state = before.state;
        state.set_stale(false);
        state.set_long_lived(false);
        rib.table.set_state(known, state);
        return;
    }
    rib.change(new.dest, rules, |table| {
        let route = table.route_mut(known);
        route.received = new.received;
        route.path = new.path;
        route.since = new.since;
        table.set_state(known, new.state);
    });
}

/// The path with LLGR_STALE.
fn long_lived(paths: &mut super::path::Paths, path: PathId) -> PathId {
    let mut attributes = paths.attributes(path);
    if attributes.communities.contains(&Community::LLGR_STALE) {
        return path;
    }
    attributes.communities.push(Community::LLGR_STALE);
    let next_hop = paths.next_hop_of(path);
    paths.intern(&attributes, next_hop)
}
