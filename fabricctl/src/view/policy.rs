//! `policy list`: `{policies: [...]}`; `policy explain`: the verdict, direction by direction.

use proto::v1;
use serde::Serialize;

use crate::output::View;
use crate::output::table;

/// Policies of the datastore.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Policies {
    policies: Vec<Summary>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    kind: String,
    namespace: String,
    name: String,
    tier: String,
    types: Vec<String>,
    endpoints: u64,
    problems: Vec<String>,
}

/// What was asked, and which rules decide it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    source: String,
    destination: String,
    protocol: String,
    /// 0 where the protocol has none.
    port: u32,
    allowed: bool,
    source_address: String,
    destination_address: String,
    directions: Vec<Direction>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Direction {
    direction: String,
    endpoint: String,
    allowed: bool,
    reason: String,
    decided_by: Option<Rule>,
    considered: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    namespace: String,
    policy: String,
    direction: String,
    /// From 0, as in the object.
    rule: u32,
}

impl From<v1::ListPoliciesResponse> for Policies {
    fn from(message: v1::ListPoliciesResponse) -> Self {
        let v1::ListPoliciesResponse { policies } = message;
        Self { policies: policies.into_iter().map(Summary::from).collect() }
    }
}

impl From<v1::PolicySummary> for Summary {
    fn from(message: v1::PolicySummary) -> Self {
        let v1::PolicySummary { namespace, name, types, endpoints, problems, kind, tier } = message;
        Self { kind, namespace, name, tier, types, endpoints, problems }
    }
}

impl Explanation {
    /// The answer to a question.
    pub(crate) fn new(asked: v1::ExplainRequest, answer: v1::ExplainResponse) -> Self {
        let v1::ExplainRequest { source, destination, protocol, port, ip_version: _ } = asked;
        let v1::ExplainResponse { allowed, source_address, destination_address, directions } = answer;
        let directions = directions.into_iter().map(Direction::from).collect();
        Self { source, destination, protocol, port, allowed, source_address, destination_address, directions }
    }

    fn render_headline(&self) -> String {
        let verdict = if self.allowed { "ALLOWED" } else { "DENIED" };
        let from = render_end(&self.source, &self.source_address);
        let to = render_end(&self.destination, &self.destination_address);
        let port = if self.port == 0 { String::new() } else { format!("{}/", self.port) };
        format!("{verdict}: {from} -> {to}, {port}{}\n", self.protocol)
    }
}

/// `shop/web (10.65.0.2)`, or the address alone where that is what was asked about.
fn render_end(asked: &str, address: &str) -> String {
    if address.is_empty() || address == asked { asked.to_owned() } else { format!("{asked} ({address})") }
}

impl From<v1::DirectionVerdict> for Direction {
    fn from(message: v1::DirectionVerdict) -> Self {
        let v1::DirectionVerdict { direction, endpoint, allowed, reason, decided_by, considered } = message;
        Self { direction, endpoint, allowed, reason, decided_by: decided_by.map(Rule::from), considered }
    }
}

impl From<v1::RuleRef> for Rule {
    fn from(message: v1::RuleRef) -> Self {
        let v1::RuleRef { namespace, policy, direction, rule } = message;
        Self { namespace, policy, direction, rule }
    }
}

impl View for Policies {
    fn render(&self) -> String {
        let headers = ["KIND", "NAMESPACE", "NAME", "TIER", "TYPES", "ENDPOINTS", "PROBLEMS"];
        table::render(
            headers,
            self.policies.iter().map(|policy| {
                [
                    policy.kind.clone(),
                    policy.namespace.clone(),
                    policy.name.clone(),
                    policy.tier.clone(),
                    table::join(&policy.types),
                    policy.endpoints.to_string(),
                    policy.problems.join("; "),
                ]
            }),
        )
    }

    fn remark_if_empty(&self) -> &'static str {
        "There are no policies: everything is allowed."
    }
}

impl View for Explanation {
    fn render(&self) -> String {
        let headers = ["DIRECTION", "ENDPOINT", "VERDICT", "REASON", "CONSIDERED"];
        let directions = table::render(
            headers,
            self.directions.iter().map(|direction| {
                [
                    direction.direction.clone(),
                    direction.endpoint.clone(),
                    if direction.allowed { "allowed" } else { "denied" }.to_owned(),
                    direction.reason.clone(),
                    table::join(&direction.considered),
                ]
            }),
        );
        let gap = if directions.is_empty() { "" } else { "\n" };
        format!("{}{gap}{directions}", self.render_headline())
    }

    fn remark_if_empty(&self) -> &'static str {
        // The headline is always there.
        ""
    }
}
