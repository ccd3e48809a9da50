//! What people see of the tables: routes with the reasons for their fate. Slow next to the rest, and asked seldom.

use ipnetwork::IpNetwork;

use super::decision::{better, decide};
use super::export::Withheld;
use super::family::Rules;
use super::group::path_id_of;
use super::import;
use super::path::PathId;
use super::table::{DestId, RouteId};
use super::{Announced, MemberId, OWN, Rib, Seen, Sizes, SourceId, Told, adj_out};
use crate::config::SendPaths;
use crate::wire::{Attributes, Family, Nlri};

impl Rib {
    /// Every route to a prefix, best first.
    #[must_use]
    pub fn routes_to(&self, prefix: &IpNetwork) -> Vec<Seen> {
        let family = Family::of(prefix);
        let Some(dest) = self.family(family).table.find(prefix) else { return Vec::new() };
        let mut routes: Vec<_> =
            self.family(family).table.routes_to(dest).map(|route| self.see(family, route)).collect();
        routes.sort_by_key(|seen| {
            (!seen.best, !seen.multipath, seen.unusable.is_some(), seen.source, seen.path_id)
        });
        routes
    }

    /// Every prefix that has a route, of both families, in no order.
    pub fn prefixes(&self) -> Box<dyn Iterator<Item = IpNetwork> + '_> {
        let of = |family: Family| {
            let table = &self.family(family).table;
            table.destinations().filter(|dest| !table.is_bare(*dest)).map(|dest| table.prefix(dest))
        };
        Box::new(Family::ALL.into_iter().flat_map(of))
    }

    /// Every route of one source, in no order.
    pub fn routes_of(&self, source: SourceId) -> Box<dyn Iterator<Item = (Nlri, Seen)> + '_> {
        let of = move |family: Family| {
            let table = &self.family(family).table;
            table.routes_of(source).map(move |id| {
                let route = table.route(id);
                (Nlri { prefix: table.prefix(route.dest), path_id: route.path_id }, self.see(family, id))
            })
        };
        Box::new(Family::ALL.into_iter().flat_map(of))
    }

    /// Everything that a source announced of a family, as it was announced: prefixes by their path. Looks at nothing that
    /// became of it, so that even a full table is told quickly.
    #[must_use]
    pub fn announced_by(&self, source: SourceId, family: Family) -> Vec<Announced> {
        let table = &self.family(family).table;
        let routes = table.routes_of(source).map(|route| table.route(route));
        let mut routes: Vec<_> = routes
            .map(|route| {
                let nlri = Nlri { prefix: table.prefix(route.dest), path_id: route.path_id };
                (route.received, nlri)
            })
            .collect();
        routes.sort_unstable();
        let by_path = routes.chunk_by(|(one, _), (other, _)| one == other);
        by_path.filter_map(|some| self.announced(some)).collect()
    }

    fn announced(&self, some: &[(PathId, Nlri)]) -> Option<Announced> {
        let (path, _) = *some.first()?;
        Some(Announced {
            attributes: self.paths.attributes(path),
            next_hop: self.paths.next_hop_of(path)?,
            prefixes: some.iter().map(|(_, nlri)| *nlri).collect(),
        })
    }

    fn see(&self, family: Family, id: RouteId) -> Seen {
        let table = &self.family(family).table;
        let route = table.route(id);
        let prefix = table.prefix(route.dest);
        let received = self.paths.attributes(route.received);
        let next_hop = self.paths.next_hop_of(route.path);
        let (unusable, import_rule) = self.judged(family, id, &received);
        let origination = self.originated.get(&prefix).filter(|_| route.source == OWN);
        Seen {
            source: (route.source != OWN).then_some(route.source),
            origination: origination.map(|origination| origination.source),
            path_id: route.path_id,
            attributes: self.paths.attributes(route.path),
            received,
            received_next_hop: self.paths.next_hop_of(route.received),
            next_hop,
            unusable,
            import_rule,
            best: route.state.best(),
            multipath: route.state.used() && !route.state.best(),
            stale: route.state.stale(),
            long_lived_stale: route.state.long_lived(),
            lost: if route.state.used() { String::new() } else { self.lost(family, route.dest, id) },
            since_secs: route.since,
        }
    }

    fn judged(
        &self,
        family: Family,
        id: RouteId,
        received: &Attributes,
    ) -> (Option<super::Unusable>, String) {
        let table = &self.family(family).table;
        let route = table.route(id);
        let parts = || {
            let import = self.imports.get(&(route.source, family))?;
            let from = self.neighbour(route.source)?;
            let next_hop = self.paths.next_hop_of(route.received)?;
            let prefix = table.prefix(route.dest);
            Some(import::explain(import, from, &prefix, received, next_hop, route.state.unusable))
        };
        parts().unwrap_or_default()
    }

    /// Why a usable route was not used: "longer AS path than 10.0.1.1".
    fn lost(&self, family: Family, dest: DestId, id: RouteId) -> String {
        let rib = self.family(family);
        let routes = rib.usable(dest);
        let candidates = rib.candidates(&routes, &self.rules());
        let Some(index) = routes.iter().position(|route| *route == id) else { return String::new() };
        let decision = decide(&candidates, self.multipath);
        let Some(step) = decision.lost.get(index).copied().flatten() else {
            return "as good as the others, but no more are used side by side".to_owned();
        };
        let winner = better(&candidates, &decision, index).and_then(|winner| routes.get(winner));
        let winner = winner.map(|winner| rib.table.route(*winner).source);
        match winner.and_then(|source| self.neighbour(source)) {
            Some(winner) => format!("{} than {}", step.describe(), winner.key),
            None => "this speaker originates the prefix".to_owned(),
        }
    }

    /// What a member has been told of a prefix.
    #[must_use]
    pub fn told(&self, member: MemberId, prefix: &IpNetwork) -> Vec<Told> {
        let dest = self.family(Family::of(prefix)).table.find(prefix);
        dest.map(|dest| self.told_of(member, dest)).unwrap_or_default()
    }

    /// Everything that a member has been told, in no order.
    pub fn told_all(&self, member: MemberId) -> Box<dyn Iterator<Item = Told> + '_> {
        let family = adj_out::family_of(member);
        let group = self.family(family).members.get(&member).and_then(|it| self.group(family, it.group));
        let told = group.map(super::group::Group::told_destinations).unwrap_or_default();
        Box::new(told.into_iter().flat_map(move |dest| self.told_of(member, dest)))
    }

    fn told_of(&self, id: MemberId, dest: DestId) -> Vec<Told> {
        let family = adj_out::family_of(id);
        let Some(member) = self.family(family).members.get(&id) else { return Vec::new() };
        let Some(group) = self.group(family, member.group) else { return Vec::new() };
        let tables = self.tables(family);
        let told = group.told_of(dest).filter(|(_, entry)| {
            // What the foremost have been told beyond its place, it has yet to hear.
            entry.source != member.source && entry.place <= member.place
        });
        told.filter_map(|(path_id, entry)| {
            let outgoing = tables.export(&group.export, dest, entry.path, entry.source).ok()?;
            let nlri = Nlri { prefix: tables.table.prefix(dest), path_id };
            Some(Told { nlri, attributes: outgoing.attributes, next_hop: outgoing.next_hop })
        })
        .collect()
    }

    /// Why a member is or is not told each route to a prefix: one sentence for each.
    #[must_use]
    pub fn explain_export(&self, member: MemberId, prefix: &IpNetwork) -> Vec<(Option<SourceId>, String)> {
        let family = adj_out::family_of(member);
        let rib = self.family(family);
        let parts = || {
            let member = rib.members.get(&member)?;
            Some((member, self.group(family, member.group)?, rib.table.find(prefix)?))
        };
        let Some((member, group, dest)) = parts() else { return Vec::new() };
        let mut sentences = Vec::new();
        for id in rib.table.routes_to(dest) {
            let route = rib.table.route(id);
            let tables = self.tables(family);
            let verdict = || tables.export(&group.export, dest, route.path, route.source);
            let told = group.told_of(dest).any(|(path_id, entry)| {
                entry.path == route.path
                    && entry.source == route.source
                    && (path_id == 0 || path_id == path_id_of(id))
            });
            let sentence = if route.state.unusable.is_some() {
                "not usable".to_owned()
            } else if route.source == member.source {
                "it is the peer's own".to_owned()
            } else if group.export.add_path == SendPaths::Best && !route.state.best() {
                "only the best route is told".to_owned()
            } else if route.state.suppressed() {
                "a summary stands for it".to_owned()
            } else if self.held && route.source != OWN {
                "held until the routes of all peers are in after the restart".to_owned()
            } else {
                match verdict() {
                    Err(withheld) => Withheld::to_string(&withheld),
                    Ok(_) if told => "told".to_owned(),
                    Ok(_) => "about to be told, or beyond the number of paths".to_owned(),
                }
            };
            sentences.push((Some(route.source).filter(|source| *source != OWN), sentence));
        }
        sentences
    }

    /// How much there is of what.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let [v4, v6] = Family::ALL.map(|family| self.family(family).table.sizes());
        let groups = || self.families.iter().flat_map(|rib| rib.groups.iter().flatten());
        Sizes {
            destinations: [v4.0, v6.0],
            routes: [v4.1, v6.1],
            paths: self.paths.len(),
            groups: groups().count(),
            shared_octets: groups().map(super::group::Group::kept_octets).sum(),
        }
    }

    pub(super) fn rules(&self) -> Rules<'_> {
        Rules {
            paths: &self.paths,
            neighbours: &self.neighbours,
            multipath: self.multipath,
            follow_forwarding: self.follow_forwarding,
        }
    }
}
