//! One family's tables together: what changes in one is carried to the others here.
//!
//! ```text
//! edit a destination's routes ──► decide ──┬─► best one changed: to the end of the log, for the groups
//!                                          └─► next hops changed: noted, for the owner's forwarding table
//! ```
//!
//! A destination whose last route is gone stays, bare, until every member has passed its place in the log: it may have
//! to be withdrawn from them. How many of those may wait is bounded by how large the table ever was; members that are
//! too slow for that are handed to the owner to be dropped ([`FamilyRib::take_overrun`]).

use std::collections::{BTreeMap, VecDeque};

use ipnetwork::IpNetwork;
use smallvec::SmallVec;

use super::decision::{Candidate, Step, Way, decide};
use super::group::Group;
use super::group::member::Member;
use super::log::Log;
use super::path::{PathId, Paths};
use super::table::{DestId, RouteId, Table};
use super::{Hop, Hops, Kind, MemberId, Neighbour, SourceId};
use crate::config::Multipath;
use crate::wire::{Community, Family};

/// Bare destinations that may wait beside as many as the table ever had.
const SPARE_BARE: usize = if cfg!(test) { 16 } else { 64 * 1024 };

/// What decisions are made with.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub paths: &'a Paths,
    pub neighbours: &'a [Option<Neighbour>],
    pub multipath: Multipath,
    pub follow_forwarding: bool,
}

impl<'a> Rules<'a> {
    pub fn neighbour(&self, source: SourceId) -> Option<&'a Neighbour> {
        self.neighbours.get(usize::from(source.0)).and_then(Option::as_ref)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct FamilyRib {
    pub table: Table,
    pub log: Log,
    pub groups: Vec<Option<Group>>,
    pub members: BTreeMap<MemberId, Member>,
    /// Bare destinations and where they stand in the log, in that order.
    pub bare: VecDeque<(DestId, u32)>,
    /// How many destinations there ever were.
    peak: usize,
    /// Something is in the log that was not there before.
    pub changed: bool,
    forwarding: Vec<IpNetwork>,
    /// Groups that are told more than the best route.
    pub add_path_groups: usize,
}

/// What of a destination others can see.
#[derive(PartialEq, Eq)]
struct Face {
    best: Option<(SourceId, PathId, bool)>,
    ways: SmallVec<[Way; 4]>,
}

impl FamilyRib {
    pub fn new(family: Family) -> Self {
        Self {
            table: Table::new(family),
            log: Log::default(),
            groups: Vec::new(),
            members: BTreeMap::new(),
            bare: VecDeque::new(),
            peak: 0,
            changed: false,
            forwarding: Vec::new(),
            add_path_groups: 0,
        }
    }

    /// Edits the routes to a destination, decides anew, and passes on what others can see of it.
    pub fn change(&mut self, dest: DestId, rules: &Rules<'_>, edit: impl FnOnce(&mut Table)) {
        let before = self.face(dest, rules);
        edit(&mut self.table);
        self.decide(dest, rules);
        let after = self.face(dest, rules);
        let bare = self.table.is_bare(dest);
        if rules.follow_forwarding && before.ways != after.ways {
            self.note_forwarding(dest);
        }
        if bare {
            self.bury(dest);
        } else if before.best != after.best || self.add_path_groups > 0 {
            self.touch(dest);
        }
        self.peak = self.peak.max(self.table.sizes().0.saturating_sub(self.bare.len()));
    }

    /// To the end of the log.
    pub fn touch(&mut self, dest: DestId) {
        self.log.touch(&mut self.table, dest);
        self.changed = true;
    }

    fn bury(&mut self, dest: DestId) {
        if !self.groups.iter().flatten().any(|group| group.knows(dest)) {
            self.log.forget(&mut self.table, dest);
            self.table.remove(dest);
            return;
        }
        // Last in the log, so that everybody has yet to pass it, and the bare ones stay in the order of the log.
        self.touch(dest);
        self.bare.push_back((dest, self.table.destination(dest).place));
    }

    /// Frees bare destinations that everybody has passed.
    pub fn purge(&mut self) {
        if self.bare.is_empty() {
            return;
        }
        let passed = self.members.values().map(|member| member.place).min().unwrap_or(u32::MAX);
        let mut gone = Vec::new();
        while let Some((dest, place)) = self.bare.front().copied().filter(|(_, place)| *place <= passed) {
            self.bare.pop_front();
            if self.lies_bare(dest, place) {
                gone.push(dest);
            }
        }
        for dest in &gone {
            self.groups.iter_mut().flatten().for_each(|group| group.forget(*dest));
            self.log.forget(&mut self.table, *dest);
        }
        gone.iter().for_each(|dest| self.table.remove(*dest));
        if !gone.is_empty() {
            // What they hold of the dead must not be told to newcomers.
            self.groups.iter_mut().flatten().for_each(|group| group.drop_chunks_before(passed));
        }
    }

    fn lies_bare(&self, dest: DestId, place: u32) -> bool {
        // It may have been revived since, and removed for good.
        self.table.is_live(dest) && self.table.destination(dest).place == place && self.table.is_bare(dest)
    }

    /// Squeezes the log if that is worth it.
    pub fn squeeze(&mut self) {
        if !self.log.wants_squeeze() {
            return;
        }
        let mut bare = std::mem::take(&mut self.bare);
        bare.retain(|(dest, place)| self.lies_bare(*dest, *place));
        self.bare = bare;
        let moved = self.log.squeeze(&mut self.table);
        for (dest, place) in &mut self.bare {
            *place = self.table.destination(*dest).place;
        }
        self.members.values_mut().for_each(|member| member.moved(&moved));
        let passed = self.members.values().map(|member| member.safe).min().unwrap_or(u32::MAX);
        self.groups.iter_mut().flatten().for_each(|group| group.moved(&moved, passed));
    }

    /// Members that keep more bare destinations waiting than may wait.
    pub fn take_overrun(&mut self) -> Vec<MemberId> {
        let Some(excess) = self.bare.len().checked_sub(self.peak + SPARE_BARE) else { return Vec::new() };
        let Some((_, place)) = self.bare.get(excess) else { return Vec::new() };
        let slow = self.members.iter().filter(|(_, member)| member.place < *place);
        slow.map(|(id, _)| *id).collect()
    }

    /// Every path in use.
    pub fn mark_paths(&self, mark: &mut dyn FnMut(PathId)) {
        for dest in self.table.destinations() {
            for route in self.table.routes_to(dest) {
                let route = self.table.route(route);
                mark(route.received);
                mark(route.path);
            }
        }
        self.groups.iter().flatten().for_each(|group| group.mark_paths(mark));
    }

    fn note_forwarding(&mut self, dest: DestId) {
        if !std::mem::replace(&mut self.table.destination_mut(dest).forwarding_changed, true) {
            self.forwarding.push(self.table.prefix(dest));
        }
    }

    pub fn forwarding_changed(&self) -> bool {
        !self.forwarding.is_empty()
    }

    /// Prefixes whose next hops changed, with the new ones.
    pub fn take_forwarding(
        &mut self,
        limit: usize,
        rules: &Rules<'_>,
        out: &mut BTreeMap<IpNetwork, Option<Hops>>,
    ) {
        let from = self.forwarding.len().saturating_sub(limit);
        for prefix in self.forwarding.drain(from..).collect::<Vec<_>>() {
            let hops = self.table.find(&prefix).and_then(|dest| {
                self.table.destination_mut(dest).forwarding_changed = false;
                self.hops(dest, rules)
            });
            out.insert(prefix, hops);
        }
        if self.forwarding.is_empty() {
            self.forwarding = Vec::new();
        }
    }

    /// Nobody follows any more.
    pub fn drop_forwarding(&mut self) {
        for prefix in std::mem::take(&mut self.forwarding) {
            if let Some(dest) = self.table.find(&prefix) {
                self.table.destination_mut(dest).forwarding_changed = false;
            }
        }
    }

    /// Everybody who follows has to hear of everything.
    pub fn note_all_forwarding(&mut self) {
        for dest in self.table.destinations().collect::<Vec<_>>() {
            self.note_forwarding(dest);
        }
    }

    /// The next hops in use; none if there is no route or the prefix is our own.
    fn hops(&self, dest: DestId, rules: &Rules<'_>) -> Option<Hops> {
        let used = self.table.routes_to(dest).map(|route| self.table.route(route));
        let hops: Hops = used
            .filter(|route| route.state.used())
            .filter_map(|route| {
                let next_hop = rules.paths.next_hop_of(route.path)?;
                let from = rules.neighbour(route.source)?;
                let interface = from.interface.clone().filter(|_| next_hop.is_link_local());
                Some(Hop { next_hop, interface })
            })
            .collect();
        (!hops.is_empty()).then_some(hops)
    }

    fn face(&self, dest: DestId, rules: &Rules<'_>) -> Face {
        let best = self.table.best(dest).map(|route| {
            let route = self.table.route(route);
            (route.source, route.path, route.state.suppressed())
        });
        let mut ways = SmallVec::new();
        if rules.follow_forwarding {
            for route in self.table.routes_to(dest).map(|route| self.table.route(route)) {
                if route.state.used() {
                    ways.push(way(rules, route.path, route.source));
                }
            }
            ways.sort_unstable();
        }
        Face { best, ways }
    }

    /// The routes to a destination that take part in the decision process.
    pub fn usable(&self, dest: DestId) -> SmallVec<[RouteId; 4]> {
        let usable = |route: &RouteId| self.table.route(*route).state.unusable.is_none();
        self.table.routes_to(dest).filter(usable).collect()
    }

    /// Routes as the decision process sees them.
    pub fn candidates(&self, routes: &[RouteId], rules: &Rules<'_>) -> SmallVec<[Candidate; 4]> {
        routes.iter().map(|route| self.candidate(*route, rules)).collect()
    }

    fn candidate(&self, route: RouteId, rules: &Rules<'_>) -> Candidate {
        let route = self.table.route(route);
        let path = rules.paths.get(route.path);
        let from = rules.neighbour(route.source);
        let router_id = from.map_or(std::net::Ipv4Addr::UNSPECIFIED, |from| from.router_id);
        Candidate {
            learned: from.is_some(),
            long_lived_stale: path.communities.contains(Community::LLGR_STALE),
            local_pref: path.local_pref,
            hop_count: path.hop_count,
            origin: path.origin,
            med: path.med,
            neighbour_as: path.neighbour_as,
            internal: from.is_some_and(|from| from.kind != Kind::External),
            cost: from.map_or(0, |from| from.cost),
            router_id: if path.originator.is_unspecified() { router_id } else { path.originator },
            cluster_list: path.cluster_list,
            address: from.map(|from| from.address),
            path_id: route.path_id,
            way: way(rules, route.path, route.source),
        }
    }

    /// Decides anew and writes down what became of each route.
    fn decide(&mut self, dest: DestId, rules: &Rules<'_>) {
        let usable = |route: &RouteId| self.table.route(*route).state.unusable.is_none();
        let first_two = {
            let mut routes = self.table.routes_to(dest).filter(usable);
            (routes.next(), routes.next())
        };
        match first_two {
            (None, _) => {}
            // Most destinations: there is nothing to compare with.
            (Some(only), None) => {
                self.write_down(only, true, true, None);
                self.table.put_first(only);
            }
            (Some(_), Some(_)) => self.decide_among(dest, rules),
        }
    }

    fn decide_among(&mut self, dest: DestId, rules: &Rules<'_>) {
        let routes = self.usable(dest);
        let decision = decide(&self.candidates(&routes, rules), rules.multipath);
        for (index, route) in routes.iter().enumerate() {
            let best = decision.used.first() == Some(&index);
            let lost = decision.lost.get(index).copied().flatten();
            self.write_down(*route, best, decision.used.contains(&index), lost);
        }
        if let Some(best) = decision.used.first().and_then(|index| routes.get(*index)) {
            self.table.put_first(*best);
        }
    }

    fn write_down(&mut self, route: RouteId, best: bool, used: bool, lost: Option<Step>) {
        // The counts do not look at any of this.
        let state = &mut self.table.route_mut(route).state;
        state.set_best(best);
        state.set_used(used);
        state.lost = lost;
    }
}

fn way(rules: &Rules<'_>, path: PathId, source: SourceId) -> Way {
    let next_hop = rules.paths.get(path).next_hop;
    let scoped = rules.neighbour(source).is_some_and(|from| from.interface.is_some())
        && rules.paths.next_hop(next_hop).is_some_and(|next_hop| next_hop.is_link_local());
    Way { next_hop, interface: if scoped { source.0 } else { 0 } }
}
