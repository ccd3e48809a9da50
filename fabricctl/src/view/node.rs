//! `node status` and `version`.

use proto::v1;
use serde::Serialize;

use crate::output::View;
use crate::output::quantity::render_age;
use crate::output::table;

/// How this node is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    node: String,
    version: String,
    uptime_ms: u64,
    ready: bool,
    problems: Vec<String>,
    endpoints: u64,
    routes_installed: u64,
    peers_established: u64,
    peers_configured: u64,
    addresses: Vec<String>,
    /// Null if the agent is of a version that keeps nothing ready.
    standby: Option<Standby>,
}

/// What is kept ready for when the datastore is away.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Standby {
    ipv4_ready: u64,
    ipv4_total: u64,
    ipv6_ready: u64,
    ipv6_total: u64,
    /// Containers of which the datastore does not know yet.
    unsettled: u64,
    /// 0 if it is there.
    away_ms: u64,
}

/// `{client, agent}`; `agent` is null if none answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Version {
    client: &'static str,
    agent: Option<String>,
}

impl From<v1::NodeStatus> for Status {
    fn from(message: v1::NodeStatus) -> Self {
        let v1::NodeStatus {
            node,
            version,
            uptime_ms,
            ready,
            problems,
            endpoints,
            routes_installed,
            peers_established,
            peers_configured,
            addresses,
            standby,
        } = message;
        Self {
            node,
            version,
            uptime_ms,
            ready,
            problems,
            endpoints,
            routes_installed,
            peers_established,
            peers_configured,
            addresses,
            standby: standby.map(Standby::from),
        }
    }
}

impl From<v1::Standby> for Standby {
    fn from(message: v1::Standby) -> Self {
        let v1::Standby { ipv4_ready, ipv4_total, ipv6_ready, ipv6_total, unsettled, away_ms } = message;
        Self { ipv4_ready, ipv4_total, ipv6_ready, ipv6_total, unsettled, away_ms }
    }
}

impl Standby {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let families =
            [("IPv4", self.ipv4_ready, self.ipv4_total), ("IPv6", self.ipv6_ready, self.ipv6_total)];
        let ready: Vec<String> = families
            .iter()
            .filter(|(.., total)| *total > 0)
            .map(|(family, ready, total)| format!("{ready} of {total} {family}"))
            .collect();
        let mut fields = Vec::new();
        if self.away_ms > 0 {
            fields.push(("Datastore", format!("away for {}", render_age(self.away_ms))));
        }
        if !ready.is_empty() {
            fields.push(("Standby addresses", ready.join(", ")));
        }
        if self.unsettled > 0 {
            let pods = if self.unsettled == 1 { "pod" } else { "pods" };
            let what = format!("{} {pods} of which the datastore does not know yet", self.unsettled);
            fields.push(("Unsettled", what));
        }
        fields
    }
}

impl Version {
    /// Ours beside the agent's.
    pub(crate) fn new(agent: Option<String>) -> Self {
        Self { client: env!("CARGO_PKG_VERSION"), agent }
    }
}

impl View for Status {
    fn render(&self) -> String {
        let mut fields = vec![
            ("Node", self.node.clone()),
            ("Ready", table::yes_no(self.ready)),
            ("Version", self.version.clone()),
            ("Uptime", render_age(self.uptime_ms)),
            ("Addresses", table::join(&self.addresses)),
            ("Endpoints", self.endpoints.to_string()),
            ("Routes installed", self.routes_installed.to_string()),
            ("Peers established", format!("{} of {}", self.peers_established, self.peers_configured)),
        ];
        fields.extend(self.standby.iter().flat_map(Standby::fields));
        fields.extend(self.problems.iter().map(|problem| ("Problem", problem.clone())));
        table::render_fields(&fields)
    }

    fn remark_if_empty(&self) -> &'static str {
        // There is always a node.
        ""
    }
}

impl View for Version {
    fn render(&self) -> String {
        let agent = self.agent.clone().unwrap_or_else(|| "not reachable".to_owned());
        table::render_fields(&[("fabricctl", self.client.to_owned()), ("felix-agent", agent)])
    }

    fn remark_if_empty(&self) -> &'static str {
        // There is always this program.
        ""
    }
}
