//! Routes of a table, by prefix, as many as were asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;

use super::{Match, PathView, RouteQuery, RouteView, Table};
use crate::config::PeerKey;
use crate::rib::{Seen, SourceId, Told};
use crate::speaker::Speaker;
use crate::speaker::peer::Peer;
use crate::wire::Family;

impl Speaker {
    /// Routes of a table, by prefix.
    #[must_use]
    pub fn routes(&self, query: &RouteQuery, now: Instant) -> Vec<RouteView> {
        match query.table {
            Table::LocRib => self.loc_rib(query, now),
            Table::AdjRibIn => self.adj_ribs_in(query, now),
            Table::AdjRibOut => self.adj_ribs_out(query),
        }
    }

    fn loc_rib(&self, query: &RouteQuery, now: Instant) -> Vec<RouteView> {
        let view = |prefix: IpNetwork| {
            let mut paths: Vec<_> =
                self.rib.routes_to(&prefix).iter().map(|seen| self.view_seen(seen, now)).collect();
            paths.retain(|path| query.wants_path(path));
            sort(&mut paths);
            (!paths.is_empty()).then_some(RouteView { prefix, paths })
        };
        let every_prefix_counts = query.peer.is_none() && !query.rejected;
        let most = if every_prefix_counts { query.limit } else { usize::MAX };
        self.prefixes_for(query, most).into_iter().filter_map(view).take(query.limit).collect()
    }

    /// The first prefixes, in order, that may have what a query wants: at most `most`, and never more at a time, so that
    /// a look at a full table does not hold all of it.
    fn prefixes_for(&self, query: &RouteQuery, most: usize) -> BTreeSet<IpNetwork> {
        if let Some(few) = query.candidates() {
            return few.into_iter().filter(|prefix| query.wants_prefix(prefix)).collect();
        }
        let mut first = BTreeSet::new();
        for prefix in self.rib.prefixes().filter(|prefix| query.wants_prefix(prefix)) {
            if first.len() >= most && first.last().is_some_and(|last| *last < prefix) {
                continue;
            }
            first.insert(prefix);
            if first.len() > most {
                first.pop_last();
            }
        }
        first
    }

    fn adj_ribs_in(&self, query: &RouteQuery, now: Instant) -> Vec<RouteView> {
        let mut found = Found::new(query.limit);
        let wanted = |seen: &Seen| !query.rejected || seen.unusable.is_some();
        let view = |seen: &Seen| PathView {
            attributes: seen.received.clone(),
            next_hop: seen.received_next_hop,
            ..self.view_seen(seen, now)
        };
        for (key, source) in self.sources(query) {
            match query.candidates() {
                Some(few) => {
                    for prefix in few.iter().filter(|prefix| query.wants_prefix(prefix)) {
                        let routes = self.rib.routes_to(prefix);
                        let routes = routes.iter().filter(|seen| seen.source == Some(source) && wanted(seen));
                        found.extend(*prefix, routes.map(&view));
                    }
                }
                None => {
                    let routes = self.rib.routes_of(source);
                    for (nlri, seen) in routes.filter(|(nlri, _)| query.wants_prefix(&nlri.prefix)) {
                        if wanted(&seen) && found.wants(&nlri.prefix) {
                            found.extend(nlri.prefix, [PathView { peer: Some(key.clone()), ..view(&seen) }]);
                        }
                    }
                }
            }
        }
        found.into_views()
    }

    fn sources<'a>(&'a self, query: &'a RouteQuery) -> impl Iterator<Item = (&'a PeerKey, SourceId)> {
        let peers = self.peers.by_key().filter(|peer| query.wants_peer(&peer.key));
        peers.filter_map(|peer| peer.source.as_ref().map(|source| (&peer.key, source.id)))
    }

    fn adj_ribs_out(&self, query: &RouteQuery) -> Vec<RouteView> {
        let mut found = Found::new(query.limit);
        let peers = self.peers.by_key().filter(|peer| query.wants_peer(&peer.key) && !query.rejected);
        for peer in peers {
            for told in self.told(peer, query) {
                if query.wants_prefix(&told.nlri.prefix) && found.wants(&told.nlri.prefix) {
                    found.extend(told.nlri.prefix, [view_told(&peer.key, told)]);
                }
            }
        }
        found.into_views()
    }

    fn told<'a>(&'a self, peer: &'a Peer, query: &RouteQuery) -> impl Iterator<Item = Told> + 'a {
        let few = query.candidates();
        let members = peer.established.iter().flat_map(|established| &established.members);
        members.flat_map(move |(family, member)| -> Box<dyn Iterator<Item = Told> + 'a> {
            match &few {
                Some(few) => {
                    let of_family = few.iter().filter(|prefix| Family::of(prefix) == *family);
                    let told: Vec<_> = of_family.flat_map(|prefix| self.rib.told(*member, prefix)).collect();
                    Box::new(told.into_iter())
                }
                None => self.rib.told_all(*member),
            }
        })
    }

    /// As the Loc-RIB has it.
    pub(super) fn view_seen(&self, seen: &Seen, now: Instant) -> PathView {
        let neighbour = seen.source.and_then(|source| self.rib.neighbour(source));
        let unusable = seen.unusable.as_ref().map(ToString::to_string);
        PathView {
            peer: neighbour.map(|neighbour| neighbour.key.clone()),
            next_hop: seen.next_hop,
            path_id: seen.path_id,
            attributes: seen.attributes.clone(),
            best: seen.best,
            multipath: seen.multipath,
            stale: seen.stale,
            unusable: unusable.is_some(),
            reason: unusable.unwrap_or_else(|| seen.lost.clone()),
            age: Duration::from_secs(self.rib.age_secs(seen, now)),
        }
    }
}

impl RouteQuery {
    fn wants_prefix(&self, prefix: &IpNetwork) -> bool {
        let matches = self.prefix.as_ref().is_none_or(|(wanted, how)| match how {
            Match::Exact => wanted == prefix,
            Match::Longer => is_inside(prefix, wanted),
            Match::Shorter => is_inside(wanted, prefix),
        });
        matches && self.family.is_none_or(|family| family == Family::of(prefix))
    }

    fn wants_peer(&self, key: &PeerKey) -> bool {
        self.peer.as_ref().is_none_or(|wanted| wanted == key)
    }

    fn wants_path(&self, path: &PathView) -> bool {
        let peer = self.peer.is_none() || self.peer == path.peer;
        peer && (!self.rejected || path.unusable)
    }

    /// The prefixes that can match, where they are few enough to be asked for one by one.
    fn candidates(&self) -> Option<Vec<IpNetwork>> {
        let (prefix, how) = self.prefix.as_ref()?;
        match how {
            Match::Exact => Some(vec![*prefix]),
            Match::Longer => None,
            Match::Shorter => Some(around(prefix).collect()),
        }
    }
}

/// Itself and every prefix around it, longest first.
pub(super) fn around(prefix: &IpNetwork) -> impl Iterator<Item = IpNetwork> {
    let address = prefix.ip();
    let shorter = move |length| {
        let network = IpNetwork::new(address, length).ok()?;
        IpNetwork::new(network.network(), length).ok()
    };
    (0..=prefix.prefix()).rev().filter_map(shorter)
}

fn is_inside(inner: &IpNetwork, outer: &IpNetwork) -> bool {
    inner.prefix() >= outer.prefix() && outer.contains(inner.network())
}

/// Best first, then those used beside it, then by peer.
pub(super) fn sort(paths: &mut [PathView]) {
    paths.sort_by(|one, other| order(one).cmp(&order(other)));
}

fn order(path: &PathView) -> (bool, bool, bool, &Option<PeerKey>, u32) {
    (!path.best, !path.multipath, path.unusable, &path.peer, path.path_id)
}

/// Prefixes with their paths, the first so many of all.
struct Found {
    routes: BTreeMap<IpNetwork, Vec<PathView>>,
    limit: usize,
}

impl Found {
    fn new(limit: usize) -> Self {
        Self { routes: BTreeMap::new(), limit }
    }

    /// Whether the prefix may be among the first: a whole table is never remembered for a few rows of it.
    fn wants(&self, prefix: &IpNetwork) -> bool {
        self.routes.len() < self.limit || self.routes.last_key_value().is_some_and(|(last, _)| prefix <= last)
    }

    fn extend(&mut self, prefix: IpNetwork, paths: impl IntoIterator<Item = PathView>) {
        let mut paths = paths.into_iter().peekable();
        if paths.peek().is_some() {
            self.routes.entry(prefix).or_default().extend(paths);
        }
        if self.routes.len() > self.limit {
            self.routes.pop_last();
        }
    }

    fn into_views(self) -> Vec<RouteView> {
        let view = |(prefix, mut paths): (IpNetwork, Vec<PathView>)| {
            sort(&mut paths);
            RouteView { prefix, paths }
        };
        self.routes.into_iter().map(view).collect()
    }
}

fn view_told(key: &PeerKey, told: Told) -> PathView {
    PathView {
        peer: Some(key.clone()),
        next_hop: Some(told.next_hop),
        path_id: told.nlri.path_id,
        attributes: told.attributes,
        best: false,
        multipath: false,
        stale: false,
        reason: String::new(),
        unusable: false,
        age: Duration::ZERO,
    }
}
