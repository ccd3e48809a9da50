//! `policy list`: `{policies: [...]}`, with `--hits` also `tiers`; `policy show`: the same for one.

use proto::v1;
use serde::Serialize;

use super::render_count;
use crate::output::View;
use crate::output::table;

/// Policies of the datastore.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Policies {
    policies: Vec<Summary>,
    /// Where hits were asked for.
    tiers: Option<Vec<TierHits>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    kind: String,
    namespace: String,
    name: String,
    /// As explanations call it.
    policy: String,
    tier: String,
    /// Null: last.
    order: Option<f64>,
    staged: bool,
    types: Vec<String>,
    endpoints: u64,
    problems: Vec<String>,
    status: Option<Status>,
    hits: Option<Vec<RuleHits>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    nodes: u64,
    programmed: u64,
    pending: Vec<Pending>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pending {
    node: String,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RuleHits {
    direction: String,
    rule: u32,
    name: String,
    action: String,
    packets: u64,
    bytes: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TierHits {
    tier: String,
    direction: String,
    policies: Vec<String>,
    packets: u64,
    bytes: u64,
}

impl Policies {
    /// With what was counted, if that was asked for.
    pub(crate) fn new(message: v1::ListPoliciesResponse, hits: bool) -> Self {
        let v1::ListPoliciesResponse { policies, tiers } = message;
        let policies = policies.into_iter().map(|policy| Summary::new(policy, hits)).collect();
        Self { policies, tiers: hits.then(|| tiers.into_iter().map(TierHits::from).collect()) }
    }

    fn render_hits(&self) -> String {
        let headers = ["POLICY", "DIRECTION", "RULE", "NAME", "ACTION", "PACKETS", "BYTES"];
        let rules = self.policies.iter().flat_map(|policy| {
            policy.hits.iter().flatten().map(|hits| {
                [
                    policy.policy.clone(),
                    hits.direction.clone(),
                    hits.rule.to_string(),
                    hits.name.clone(),
                    hits.action.clone(),
                    hits.packets.to_string(),
                    hits.bytes.to_string(),
                ]
            })
        });
        let rules = table::render(headers, rules);
        let headers = ["TIER", "DIRECTION", "ISOLATED BY", "DENIED PACKETS", "BYTES"];
        let ends = self.tiers.iter().flatten().map(|hits| {
            [
                hits.tier.clone(),
                hits.direction.clone(),
                table::join(&hits.policies),
                hits.packets.to_string(),
                hits.bytes.to_string(),
            ]
        });
        let ends = table::render(headers, ends);
        let gap = if rules.is_empty() || ends.is_empty() { "" } else { "\n" };
        format!("{rules}{gap}{ends}")
    }
}

impl Summary {
    fn new(message: v1::PolicySummary, with_hits: bool) -> Self {
        let v1::PolicySummary {
            namespace,
            name,
            types,
            endpoints,
            problems,
            kind,
            policy,
            tier,
            order,
            staged,
            status,
            hits,
        } = message;
        let hits = with_hits.then(|| hits.into_iter().map(RuleHits::from).collect());
        let status = status.map(Status::from);
        Self { kind, namespace, name, policy, tier, order, staged, types, endpoints, problems, status, hits }
    }

    fn render_order(&self) -> String {
        self.order.map_or_else(|| "last".to_owned(), |order| order.to_string())
    }

    fn render_status(&self) -> String {
        match &self.status {
            None if self.staged => "staged".to_owned(),
            None => String::new(),
            Some(Status { nodes: 0, .. }) => "selects nothing".to_owned(),
            Some(Status { nodes, programmed, .. }) => format!("{programmed} of {nodes}"),
        }
    }
}

impl From<v1::PolicyStatus> for Status {
    fn from(message: v1::PolicyStatus) -> Self {
        let v1::PolicyStatus { nodes, programmed, pending } = message;
        let pending = pending.into_iter().map(|v1::NodeReason { node, reason }| Pending { node, reason });
        Self { nodes, programmed, pending: pending.collect() }
    }
}

impl From<v1::RuleHits> for RuleHits {
    fn from(message: v1::RuleHits) -> Self {
        let v1::RuleHits { direction, rule, name, action, packets, bytes } = message;
        Self { direction, rule, name, action, packets, bytes }
    }
}

impl From<v1::TierHits> for TierHits {
    fn from(message: v1::TierHits) -> Self {
        let v1::TierHits { tier, direction, policies, packets, bytes } = message;
        Self { tier, direction, policies, packets, bytes }
    }
}

impl View for Policies {
    fn render(&self) -> String {
        if self.tiers.is_some() {
            return self.render_hits();
        }
        let headers =
            ["KIND", "NAMESPACE", "NAME", "TIER", "ORDER", "TYPES", "ENDPOINTS", "NODES", "PROBLEMS"];
        table::render(
            headers,
            self.policies.iter().map(|policy| {
                [
                    policy.kind.clone(),
                    policy.namespace.clone(),
                    policy.name.clone(),
                    policy.tier.clone(),
                    policy.render_order(),
                    table::join(&policy.types),
                    policy.endpoints.to_string(),
                    policy.render_status(),
                    policy.problems.join("; "),
                ]
            }),
        )
    }

    fn remark_if_empty(&self) -> &'static str {
        match self.tiers {
            None => "There are no policies: everything is allowed.",
            Some(_) => "No rule of a policy is in force on this node.",
        }
    }
}

/// Policies of one name in full; nearly always one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details {
    policies: Vec<Summary>,
}

impl From<v1::ListPoliciesResponse> for Details {
    fn from(message: v1::ListPoliciesResponse) -> Self {
        let policies = message.policies.into_iter().map(|policy| Summary::new(policy, true));
        Self { policies: policies.collect() }
    }
}

fn render_one(policy: &Summary) -> String {
    let mut fields = vec![
        ("Policy", policy.policy.clone()),
        ("Tier", policy.tier.clone()),
        ("Order", policy.render_order()),
        ("Types", table::join(&policy.types)),
        ("Endpoints", policy.endpoints.to_string()),
    ];
    fields.push(match &policy.status {
        None => ("Enforced", "no: it is staged".to_owned()),
        Some(Status { nodes: 0, .. }) => ("Enforced", "nowhere: it selects no endpoint".to_owned()),
        Some(Status { nodes, programmed, .. }) => {
            ("Enforced", format!("on {programmed} of {nodes} nodes that have endpoints which it selects"))
        }
    });
    let pending = policy.status.iter().flat_map(|status| &status.pending);
    fields.extend(pending.map(|pending| ("Not yet on", format!("{}: {}", pending.node, pending.reason))));
    fields.extend(policy.problems.iter().map(|problem| ("Problem", problem.clone())));
    fields.extend(policy.hits.iter().flatten().map(|hits| {
        let name = if hits.name.is_empty() { String::new() } else { format!(" {:?}", hits.name) };
        let count = render_count(hits.packets, hits.bytes);
        let direction = hits.direction.to_lowercase();
        ("Counted here", format!("{direction} rule {}{name} ({}): {count}", hits.rule, hits.action))
    }));
    table::render_fields(&fields)
}

impl View for Details {
    fn render(&self) -> String {
        self.policies.iter().map(render_one).collect::<Vec<_>>().join("\n")
    }

    fn remark_if_empty(&self) -> &'static str {
        // Nothing of that name is an error.
        ""
    }
}
