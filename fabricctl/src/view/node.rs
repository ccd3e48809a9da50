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
        }
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
