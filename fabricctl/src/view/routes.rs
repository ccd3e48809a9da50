//! `routes`: `{routes: [{prefix, installed, paths: [...]}]}`.

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
struct Path {
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
}

impl From<v1::ListRoutesResponse> for Routes {
    fn from(message: v1::ListRoutesResponse) -> Self {
        let v1::ListRoutesResponse { routes } = message;
        Self { routes: routes.into_iter().map(Route::from).collect() }
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
        }
    }
}

impl Path {
    fn render_state(&self) -> String {
        let states = [(self.best, "best"), (self.multipath, "ecmp"), (self.stale, "stale")];
        let held: Vec<&str> = states.into_iter().filter(|(holds, _)| *holds).map(|(_, name)| name).collect();
        held.join(",")
    }

    fn row(&self, route: &Route) -> [String; 11] {
        let number = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        [
            route.prefix.clone(),
            self.render_state(),
            if self.peer.is_empty() { "local".to_owned() } else { self.peer.clone() },
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
