//! `why`: `{asked, prefix, paths: [{path, steps}], told: [...], kernel: {...}}`; for people, a story.

use proto::v1;
use serde::Serialize;

use super::routes::Path;
use crate::output::View;
use crate::output::table::clean;

/// The routing protocol number of the agent's own routes.
const OURS: u32 = 201;

/// Why a prefix is routed as it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Why {
    asked: String,
    /// Empty if nothing around what was asked has a route.
    prefix: String,
    paths: Vec<Way>,
    told: Vec<Told>,
    kernel: Kernel,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Way {
    path: Option<Path>,
    steps: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    peer: String,
    told: bool,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kernel {
    /// What this node wants for the prefix; empty if nothing.
    planned: String,
    installed: bool,
    problem: String,
    /// What the kernel itself answers with.
    prefix: String,
    route: String,
    protocol: u32,
}

impl From<v1::WhyRouteResponse> for Why {
    fn from(message: v1::WhyRouteResponse) -> Self {
        let v1::WhyRouteResponse { asked, prefix, paths, told, kernel } = message;
        let way = |v1::WhyPath { path, steps }| Way { path: path.map(Path::from), steps };
        let v1::KernelRoute { planned, installed, problem, prefix: found, route, protocol } =
            kernel.unwrap_or_default();
        Self {
            asked,
            prefix,
            paths: paths.into_iter().map(way).collect(),
            told: told
                .into_iter()
                .map(|v1::WhyTold { peer, told, reason }| Told { peer, told, reason })
                .collect(),
            kernel: Kernel { planned, installed, problem, prefix: found, route, protocol },
        }
    }
}

impl Way {
    fn render(&self) -> String {
        let mut text = String::new();
        if let Some(path) = &self.path {
            let state = path.render_state();
            let state = if state.is_empty() { String::new() } else { format!(" [{state}]") };
            text.push_str(&format!("path from {}{state}\n", clean(path.render_peer())));
            for (name, value) in path.render_attributes() {
                text.push_str(&format!("    {name}: {}\n", clean(value)));
            }
        }
        for step in &self.steps {
            text.push_str(&format!("  - {}\n", clean(step.clone())));
        }
        text
    }
}

impl Kernel {
    /// `asked`: the prefix that was asked for. The kernel says what it does with packets to its first address; a
    /// default route is looked for by itself.
    fn render(&self, asked: &str) -> String {
        let Self { planned, installed, problem, prefix, route, protocol } = self;
        let (subject, follows) = match asked.split_once('/') {
            Some((_, "0")) => (format!("at {asked}"), "has"),
            Some((address, _)) => (format!("for {address}"), "follows"),
            None => (format!("for {asked}"), "follows"),
        };
        let mut lines = Vec::new();
        match (planned.as_str(), *installed, problem.as_str()) {
            ("", _, _) => lines.push("this node wants no route of its own here".to_owned()),
            (planned, true, _) => lines.push(format!("installed: {planned}")),
            (planned, false, "") => lines.push(format!("wanted, not installed yet: {planned}")),
            (planned, false, problem) => lines.push(format!("wanted: {planned}; refused: {problem}")),
        }
        lines.push(match (prefix.as_str(), route.as_str(), *protocol) {
            ("", "", _) => format!("{subject} the kernel has no route"),
            ("", route, _) => format!("{subject} the kernel says: {route}"),
            (prefix, route, OURS) => format!("{subject} the kernel {follows} {prefix} {route}"),
            (prefix, route, other) => {
                format!(
                    "{subject} the kernel {follows} {prefix} {route}, which is another's (protocol {other})"
                )
            }
        });
        lines.iter().map(|line| format!("  - {}\n", clean(line.clone()))).collect()
    }
}

impl View for Why {
    fn render(&self) -> String {
        let mut parts = Vec::new();
        parts.push(match self.prefix.as_str() {
            "" => format!("{}: BGP has no route to it\n", self.asked),
            prefix if prefix == self.asked => format!("{prefix}\n"),
            prefix => format!("{} lies in {prefix}\n", self.asked),
        });
        parts.extend(self.paths.iter().map(Way::render));
        parts.push(format!("kernel\n{}", self.kernel.render(&self.asked)));
        if !self.told.is_empty() {
            let line = |told: &Told| {
                let verdict = if told.told { "told" } else { "not told" };
                format!("  - {} is {verdict}: {}\n", clean(told.peer.clone()), clean(told.reason.clone()))
            };
            parts.push(format!("peers\n{}", self.told.iter().map(line).collect::<String>()));
        }
        parts.join("\n")
    }

    fn remark_if_empty(&self) -> &'static str {
        // There is always something to say.
        ""
    }
}
