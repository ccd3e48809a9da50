//! `routes`: `{routes: [{prefix, installed, paths: [...]}], truncated}`.

use proto::v1;
use serde::Serialize;

use crate::output::View;
use crate::output::quantity::render_age;
use crate::output::table;

/// Routes of one table.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Routes {
    routes: Vec<Route>,
    truncated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Route {
    prefix: String,
    installed: bool,
    paths: Vec<Path>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Path {
    /// Empty for a route of this node.
    peer: String,
    next_hop: String,
    as_path: String,
    origin: String,
    local_pref: Option<u32>,
    med: Option<u32>,
    communities: Vec<String>,
    best: bool,
    multipath: bool,
    stale: bool,
    reason: String,
    age_ms: u64,
    large_communities: Vec<String>,
    extended_communities: Vec<String>,
    originator_id: String,
    cluster_list: Vec<String>,
    path_id: u32,
    aggregator: String,
    atomic_aggregate: bool,
    only_to_customer: Option<u32>,
    unusable: bool,
    unknown_attributes: Vec<u32>,
}

impl From<v1::ListRoutesResponse> for Routes {
    fn from(message: v1::ListRoutesResponse) -> Self {
        let v1::ListRoutesResponse { routes, truncated } = message;
        Self { routes: routes.into_iter().map(Route::from).collect(), truncated }
    }
}

impl From<v1::Route> for Route {
    fn from(message: v1::Route) -> Self {
        let v1::Route { prefix, paths, installed } = message;
        Self { prefix, installed, paths: paths.into_iter().map(Path::from).collect() }
    }
}

impl From<v1::Path> for Path {
    fn from(message: v1::Path) -> Self {
        let v1::Path {
            peer,
            next_hop,
            as_path,
            origin,
            local_pref,
            med,
            communities,
            best,
            multipath,
            stale,
            reason,
            age_ms,
            large_communities,
            extended_communities,
            originator_id,
            cluster_list,
            path_id,
            aggregator,
            atomic_aggregate,
            only_to_customer,
            unusable,
            unknown_attributes,
        } = message;
        Self {
            peer,
            next_hop,
            as_path,
            origin,
            local_pref,
            med,
            communities,
            best,
            multipath,
            stale,
            reason,
            age_ms,
            large_communities,
            extended_communities,
            originator_id,
            cluster_list,
            path_id,
            aggregator,
            atomic_aggregate,
            only_to_customer,
            unusable,
            unknown_attributes,
        }
    }
}

impl Path {
    pub(super) fn render_state(&self) -> String {
        let states = [
            (self.best, "best"),
            (self.multipath, "ecmp"),
            (self.stale, "stale"),
            (self.unusable, "unusable"),
        ];
        let held: Vec<&str> = states.into_iter().filter(|(holds, _)| *holds).map(|(_, name)| name).collect();
        held.join(",")
    }

    /// Who announced it.
    pub(super) fn render_peer(&self) -> String {
        if self.peer.is_empty() { "local".to_owned() } else { self.peer.clone() }
    }

    /// The attributes that are there, in the order in which they decide.
    pub(super) fn render_attributes(&self) -> Vec<(&'static str, String)> {
        let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        let path_id = if self.path_id == 0 { String::new() } else { self.path_id.to_string() };
        let unknown: Vec<String> = self.unknown_attributes.iter().map(u32::to_string).collect();
        let all = [
            ("next hop", self.next_hop.clone()),
            ("local preference", number(self.local_pref)),
            ("AS path", self.as_path.clone()),
            ("origin", self.origin.clone()),
            ("MED", number(self.med)),
            ("communities", self.communities.join(" ")),
            ("large communities", self.large_communities.join(" ")),
            ("extended communities", self.extended_communities.join(" ")),
            ("originator", self.originator_id.clone()),
            ("cluster list", self.cluster_list.join(" ")),
            ("only to customer", number(self.only_to_customer)),
            ("aggregator", self.aggregator.clone()),
            ("path id", path_id),
            ("unknown attributes", unknown.join(" ")),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    fn row(&self, route: &Route) -> [String; 11] {
        let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        [
            route.prefix.clone(),
            self.render_state(),
            self.render_peer(),
            self.next_hop.clone(),
            self.as_path.clone(),
            self.origin.clone(),
            number(self.local_pref),
            number(self.med),
            table::yes_no(route.installed && (self.best || self.multipath)),
            render_age(self.age_ms),
            self.reason.clone(),
        ]
    }
}

impl View for Routes {
    fn render(&self) -> String {
        let headers = [
            "PREFIX", "STATE", "PEER", "NEXT-HOP", "AS-PATH", "ORIGIN", "PREF", "MED", "KERNEL", "AGE",
            "REASON",
        ];
        let rows = self.routes.iter().flat_map(|route| route.paths.iter().map(|path| path.row(route)));
        table::render(headers, rows)
    }

    fn remark_if_empty(&self) -> &'static str {
        "No such routes."
    }
}
