//! Update groups: the Adj-RIB-Out of all peers that are told the same.
//!
//! ```text
//! member/    one session in a group: how far it has been told
//! chunk/     a stretch of the log as messages, made once for all members that are at the same place
//! told/      what the group has been told of each destination, and when
//! ```
//!
//! A group has no queue. Each member keeps a place in the [log](super::log); when its socket can take more, the stretch
//! that follows is evaluated ([`Group::next_chunk`]): what of it is told by now, what differs from what was told
//! before. Members at the same place get the same octets. One that stands still costs the others nothing, and when it
//! goes on it gets the newest state of what it missed.
//!
//! **Told already?** A group remembers one state per destination, that of its foremost member. For a member that
//! lags, a state told at a place beyond its own is news. So is one told while it lagged: it may have passed the hole
//! that the destination left behind when it moved on. Hence a member remembers the last place where it had everything
//! ([`Member::safe`](member::Member::safe)), and what was told later than that is said again rather than left out.
//!
//! All this rests on one rule: what a destination comes to for a group changes only when it moves in the log. Whatever
//! else decides about it (holding back transit, why we originate it) has to move it.
//!
//! **Not back to the sender.** A message holds routes of one source, so that a member can be given all but its own. A
//! member whose own route takes the place of another's gets a withdrawal of that instead.

use super::export::{self, Leaving, Outgoing, Withheld};
use super::log::{Log, Moved};
use super::path::{PathId, Paths};
use super::table::{DestId, RouteId, Table};
use super::{Export, Neighbour, OWN, SourceId};
use crate::config::{Origination, SendPaths};
use crate::wire::Nlri;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ipnetwork::IpNetwork;

pub(super) mod chunk;
pub(super) mod member;
pub(super) mod told;

use chunk::{Bundles, Chunk};
use told::{Entry, Told, Verdict};

/// Octets of chunks kept for members that come to the same place later.
const KEEP_OCTETS: usize = 1 << 20;
/// Routes in one chunk, at most. Small in tests, so that a few routes show what many do.
const CHUNK_ROUTES: usize = if cfg!(test) { 3 } else { 8192 };
/// Octets of one chunk, about.
const CHUNK_OCTETS: usize = 64 * 1024;

/// All that routes are looked up in.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub table: &'a Table,
    pub paths: &'a Paths,
    pub neighbours: &'a [Option<Neighbour>],
    pub originated: &'a BTreeMap<IpNetwork, Origination>,
    /// Nothing of others is told for now (RFC 4724 §4.1).
    pub held: bool,
}

impl<'a> Tables<'a> {
    pub fn neighbour(&self, source: SourceId) -> Option<&'a Neighbour> {
        self.neighbours.get(usize::from(source.0)).and_then(Option::as_ref)
    }

    /// A path of a source to a destination, as the group is told of it.
    pub fn export(
        &self,
        rules: &Export,
        dest: DestId,
        path: PathId,
        source: SourceId,
    ) -> Result<Outgoing, Withheld> {
        let prefix = self.table.prefix(dest);
        let origination = self.originated.get(&prefix).map(|origination| origination.source);
        export::export(
            rules,
            Leaving {
                prefix: &prefix,
                attributes: self.paths.attributes(path),
                next_hop: self.paths.next_hop_of(path),
                from: self.neighbour(source),
                origination: origination.filter(|_| source == OWN),
            },
        )
    }
}

/// Peers that are told the same, and what that is.
#[derive(Debug)]
pub(super) struct Group {
    pub export: Arc<Export>,
    told: Told,
    /// Sessions in it.
    pub members: u32,
    /// Prefixes told, in all and by source.
    announced: u32,
    announced_of: Vec<u32>,
    chunks: VecDeque<Arc<Chunk>>,
    kept_octets: usize,
}

impl Group {
    pub fn new(export: Export) -> Self {
        let told = Told::new(export.add_path != SendPaths::Best);
        Self {
            export: Arc::new(export),
            told,
            members: 0,
            announced: 0,
            announced_of: Vec::new(),
            chunks: VecDeque::new(),
            kept_octets: 0,
        }
    }

    /// What follows `place` in the log, for a member that had everything at `safe`.
    pub fn next_chunk(&mut self, tables: &Tables<'_>, log: &Log, place: u32, safe: u32) -> Arc<Chunk> {
        let fits = |chunk: &&Arc<Chunk>| chunk.start == place && chunk.safe <= safe;
        if let Some(known) = self.chunks.iter().rev().find(fits) {
            return known.clone();
        }
        let chunk = Arc::new(self.build(tables, log, place, safe));
        if self.members > 1 {
            self.keep(&chunk);
        }
        chunk
    }

    fn keep(&mut self, chunk: &Arc<Chunk>) {
        self.kept_octets += chunk.octets.len();
        self.chunks.push_back(chunk.clone());
        while self.kept_octets > KEEP_OCTETS
            && let Some(oldest) = self.chunks.pop_front()
        {
            self.kept_octets -= oldest.octets.len();
        }
    }

    /// Octets kept for members that come later.
    pub fn kept_octets(&self) -> usize {
        self.kept_octets
    }

    fn build(&mut self, tables: &Tables<'_>, log: &Log, start: u32, safe: u32) -> Chunk {
        let rules = self.export.clone();
        let mut bundles = Bundles::new(&rules);
        let mut end = log.end();
        let mut left = CHUNK_ROUTES;
        for (place, dest) in log.after(start) {
            self.evaluate(tables, dest, place, safe, &mut bundles);
            left -= 1;
            if left == 0 || bundles.octets() >= CHUNK_OCTETS {
                end = place;
                break;
            }
        }
        bundles.into_chunk(start, end, safe)
    }

    /// Compares what is told of a destination with what should be, and notes the difference.
    fn evaluate(&mut self, tables: &Tables<'_>, dest: DestId, place: u32, safe: u32, out: &mut Bundles<'_>) {
        match self.export.add_path {
            SendPaths::Best => {
                let best = tables.table.best(dest).filter(|route| self.may_tell(tables, *route));
                self.reconcile(tables, dest, 0, best, place, safe, out);
            }
            SendPaths::Limit(_) | SendPaths::All => self.evaluate_all(tables, dest, place, safe, out),
        }
    }

    /// ADD-PATH: each route by itself, by a number that it keeps as long as it stands.
    fn evaluate_all(
        &mut self,
        tables: &Tables<'_>,
        dest: DestId,
        place: u32,
        safe: u32,
        out: &mut Bundles<'_>,
    ) {
        let current = self.chosen(tables, dest);
        for path_id in self.told.path_ids(dest) {
            if !current.iter().any(|route| path_id_of(*route) == path_id) {
                self.reconcile(tables, dest, path_id, None, place, safe, out);
            }
        }
        for route in current {
            self.reconcile(tables, dest, path_id_of(route), Some(route), place, safe, out);
        }
    }

    /// The routes that ADD-PATH peers are told, best first.
    fn chosen(&self, tables: &Tables<'_>, dest: DestId) -> Vec<RouteId> {
        let limit = match self.export.add_path {
            SendPaths::Best => 1,
            SendPaths::Limit(limit) => usize::from(limit),
            SendPaths::All => usize::MAX,
        };
        let usable = tables.table.routes_to(dest).filter(|route| self.may_tell(tables, *route));
        let mut routes: Vec<_> = usable.collect();
        routes.sort_by_key(|route| {
            let state = tables.table.route(*route).state;
            // Who lost later was better.
            (!state.best(), !state.used(), std::cmp::Reverse(state.lost), *route)
        });
        routes.truncate(limit);
        routes
    }

    /// Whether a route is a candidate for being told, before anybody looks at its attributes.
    fn may_tell(&self, tables: &Tables<'_>, route: RouteId) -> bool {
        let route = tables.table.route(route);
        let kind = tables.neighbour(route.source).map(|from| from.kind);
        route.state.unusable.is_none()
            && !route.state.suppressed()
            && !(tables.held && route.source != OWN)
            && export::admits_source(&self.export, kind).is_ok()
    }

    #[expect(clippy::too_many_arguments, reason = "one path of one destination, and where it stands")]
    fn reconcile(
        &mut self,
        tables: &Tables<'_>,
        dest: DestId,
        path_id: u32,
        route: Option<RouteId>,
        place: u32,
        safe: u32,
        out: &mut Bundles<'_>,
    ) {
        let route = route.map(|route| tables.table.route(route));
        let entry = self.told.get(dest, path_id);
        if let (Some(route), Some(entry)) = (route, entry)
            && entry.is_known(route.path, route.source, safe)
        {
            return;
        }
        let list = route.and_then(|route| out.list(tables, dest, route.path, route.source));
        let current = route.filter(|_| list.is_some()).map(|route| (route.path, route.source));
        let same = |before: PathId, now: PathId, source: SourceId| {
            let export = |path| tables.export(&self.export, dest, path, source);
            export(before) == export(now)
        };
        let (verdict, after) = told::compare(entry, current, place, safe, same);
        self.remember(dest, path_id, entry, after);
        let nlri = Nlri { prefix: tables.table.prefix(dest), path_id };
        match verdict {
            Verdict::Announce => out.announce(list.unwrap_or_default(), after.source, nlri, after.shared),
            Verdict::Withdraw => out.withdraw(after.source, nlri, after.shared),
            Verdict::Nothing => {}
        }
    }

    fn remember(&mut self, dest: DestId, path_id: u32, before: Option<Entry>, after: Entry) {
        if before == Some(after) || (before.is_none() && after == Entry::default()) {
            return;
        }
        if let Some(before) = before.filter(|before| before.present) {
            self.announced -= 1;
            *self.announced_of_mut(before.source) -= 1;
        }
        if after.present {
            self.announced += 1;
            *self.announced_of_mut(after.source) += 1;
        }
        self.told.set(dest, path_id, after);
    }

    fn announced_of_mut(&mut self, source: SourceId) -> &mut u32 {
        let index = usize::from(source.0);
        if self.announced_of.len() <= index {
            self.announced_of.resize(index + 1, 0);
        }
        &mut self.announced_of[index]
    }

    /// Prefixes that a member which is also `source` has been told.
    pub fn announced_to(&self, source: SourceId) -> u32 {
        self.announced - self.announced_of.get(usize::from(source.0)).copied().unwrap_or(0)
    }

    /// What has been told of a destination: path identifier, path, source.
    pub fn told_of(&self, dest: DestId) -> impl Iterator<Item = (u32, Entry)> {
        self.told.entries(dest).into_iter().filter(|(_, entry)| entry.present)
    }

    /// Everything that some member may have been told and not have been told to forget.
    pub fn ever_told(&self) -> Vec<(DestId, u32, Entry)> {
        self.told.all().into_iter().filter(|(.., entry)| entry.place > 0).collect()
    }

    /// A member comes from a group that told these. What this group does not tell will have to be withdrawn from it, so
    /// they are remembered as withdrawn at the very first place: news for nobody but those who begin there. Where
    /// this group has told another source's route, that source may be the member, who then loses the one it had.
    pub fn take_over(&mut self, told: Vec<(DestId, u32, Entry)>) {
        for (dest, path_id, entry) in told {
            let known = self.told.get(dest, path_id).unwrap_or_default();
            if known == Entry::default() {
                self.told.set(dest, path_id, Entry { present: false, place: 1, ..entry });
            } else if known.source != entry.source || entry.shared {
                self.told.set(dest, path_id, Entry { shared: true, ..known });
            }
        }
        self.chunks.clear();
        self.kept_octets = 0;
    }

    /// Whether anything was ever told of a destination, so that it may have to be withdrawn from somebody.
    pub fn knows(&self, dest: DestId) -> bool {
        self.told.knows(dest)
    }

    /// The same path may come to something else outside from now on: what was told of the destination is taken as told
    /// at its new place, which nobody has passed, so it is told or withdrawn again.
    pub fn doubt(&mut self, dest: DestId, place: u32) {
        for (path_id, entry) in self.told.entries(dest) {
            if entry.present {
                self.told.set(dest, path_id, Entry { place, ..entry });
            }
        }
    }

    /// A destination is gone, and everybody knows.
    pub fn forget(&mut self, dest: DestId) {
        self.told.forget(dest);
    }

    /// Chunks that no member will ask for again go.
    pub fn drop_chunks_before(&mut self, place: u32) {
        let kept = &mut self.kept_octets;
        self.chunks.retain(|chunk| {
            let keep = chunk.start >= place;
            *kept -= if keep { 0 } else { chunk.octets.len() };
            keep
        });
    }

    /// The log was squeezed; every member had everything at `safe` or later, by the new count.
    pub fn moved(&mut self, moved: &Moved, safe: u32) {
        self.chunks.clear();
        self.kept_octets = 0;
        self.told.moved(moved, safe);
    }

    /// Every path that is remembered as told.
    pub fn mark_paths(&self, mark: &mut dyn FnMut(PathId)) {
        self.told.mark_paths(mark);
    }

    /// Every destination of which something has been told, in no order.
    pub fn told_destinations(&self) -> Vec<DestId> {
        self.told.destinations()
    }
}

/// The path identifier that a route is told with.
pub(super) fn path_id_of(route: RouteId) -> u32 {
    route.0.wrapping_add(1)
}
