//! `policy explain`: the verdict, direction by direction, and what led to it.

use proto::v1;
use serde::Serialize;

use super::trace::Trace;
use super::{Rule, render_count};
use crate::output::View;
use crate::output::table;

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
    /// Where it was asked for.
    trace: Option<Trace>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Direction {
    direction: String,
    endpoint: String,
    node: String,
    allowed: bool,
    reason: String,
    decided_by: Option<Rule>,
    considered: Vec<String>,
    tiers: Vec<Tier>,
    kernel: Option<Kernel>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tier {
    name: String,
    outcome: String,
    rule: Option<Rule>,
    policies: Vec<String>,
    passed_over: Vec<PassedOver>,
    logged: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PassedOver {
    rule: Option<Rule>,
    why: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Kernel {
    chains: Vec<String>,
    comment: String,
    packets: u64,
    bytes: u64,
}

impl Explanation {
    /// The answer to a question.
    pub(crate) fn new(asked: v1::ExplainRequest, answer: v1::ExplainResponse) -> Self {
        let v1::ExplainRequest { source, destination, protocol, port, .. } = asked;
        let v1::ExplainResponse { allowed, source_address, destination_address, directions, trace } = answer;
        Self {
            source,
            destination,
            protocol,
            port,
            allowed,
            source_address,
            destination_address,
            directions: directions.into_iter().map(Direction::from).collect(),
            trace: trace.map(Trace::from),
        }
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
        let v1::DirectionVerdict {
            direction,
            endpoint,
            allowed,
            reason,
            decided_by,
            considered,
            node,
            tiers,
            kernel,
        } = message;
        Self {
            direction,
            endpoint,
            node,
            allowed,
            reason,
            decided_by: decided_by.map(Rule::from),
            considered,
            tiers: tiers.into_iter().map(Tier::from).collect(),
            kernel: kernel.map(Kernel::from),
        }
    }
}

impl From<v1::AskedTier> for Tier {
    fn from(message: v1::AskedTier) -> Self {
        let v1::AskedTier { name, outcome, rule, policies, passed_over, logged } = message;
        let passed_over = passed_over
            .into_iter()
            .map(|v1::PassedOver { rule, why }| PassedOver { rule: rule.map(Rule::from), why });
        Self {
            name,
            outcome,
            rule: rule.map(Rule::from),
            policies,
            passed_over: passed_over.collect(),
            logged: logged.into_iter().map(Rule::from).collect(),
        }
    }
}

impl From<v1::KernelRule> for Kernel {
    fn from(message: v1::KernelRule) -> Self {
        let v1::KernelRule { chains, comment, packets, bytes } = message;
        Self { chains, comment, packets, bytes }
    }
}

impl Direction {
    fn render(&self) -> String {
        let place = if self.node.is_empty() { String::new() } else { format!(" on {}", self.node) };
        let mut lines = vec![format!("{} of {}{place}: {}", self.direction, self.endpoint, self.reason)];
        for tier in &self.tiers {
            lines.push(format!(
                "    tier {}, {}: {}",
                tier.name,
                tier.policies.join(", "),
                tier.render_outcome()
            ));
            for PassedOver { rule, why } in &tier.passed_over {
                let rule = rule.as_ref().map(Rule::render).unwrap_or_default();
                lines.push(format!("      {rule} does not match: {why}"));
            }
            lines.extend(tier.logged.iter().map(|rule| format!("      {} logs it", rule.render())));
        }
        if let Some(kernel) = &self.kernel {
            let count = render_count(kernel.packets, kernel.bytes);
            lines.push(format!("    kernel, {} \"{}\": {count}", kernel.chains.join(" "), kernel.comment));
        }
        lines.into_iter().map(|line| table::clean(line) + "\n").collect()
    }
}

impl Tier {
    fn render_outcome(&self) -> String {
        match &self.rule {
            Some(rule) => format!("{} by {}", self.outcome, rule.render()),
            None => format!("{} at its end", self.outcome),
        }
    }
}

impl View for Explanation {
    fn render(&self) -> String {
        let directions: String =
            self.directions.iter().map(|direction| format!("\n{}", direction.render())).collect();
        let trace = self.trace.as_ref().map(|trace| format!("\n{}", trace.render())).unwrap_or_default();
        format!("{}{directions}{trace}", self.render_headline())
    }

    fn remark_if_empty(&self) -> &'static str {
        // The headline is always there.
        ""
    }
}
