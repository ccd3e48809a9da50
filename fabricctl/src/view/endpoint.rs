//! `endpoints show`: an endpoint, and the rules in force on it in words.

use std::collections::BTreeMap;

use proto::v1;
use serde::Serialize;

use super::policy::Rule;
use crate::output::View;
use crate::output::table;

/// One endpoint.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Description {
    namespace: String,
    name: String,
    node: String,
    addresses: Vec<String>,
    host_interface: String,
    labels: BTreeMap<String, String>,
    state: String,
    directions: Vec<Rules>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rules {
    direction: String,
    open: bool,
    profile: String,
    generation: u32,
    tiers: Vec<Tier>,
    fallback: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tier {
    name: String,
    policies: Vec<String>,
    rules: Vec<InWords>,
    end: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InWords {
    rule: Option<Rule>,
    words: String,
}

impl From<v1::EndpointDescription> for Description {
    fn from(message: v1::EndpointDescription) -> Self {
        let v1::EndpointDescription {
            namespace,
            name,
            node,
            addresses,
            host_interface,
            labels,
            state,
            directions,
        } = message;
        let labels = labels.into_iter().collect();
        let directions = directions.into_iter().map(Rules::from).collect();
        Self { namespace, name, node, addresses, host_interface, labels, state, directions }
    }
}

impl From<v1::EndpointRules> for Rules {
    fn from(message: v1::EndpointRules) -> Self {
        let v1::EndpointRules { direction, open, profile, generation, tiers, fallback } = message;
        let tiers = tiers.into_iter().map(Tier::from).collect();
        Self { direction, open, profile, generation, tiers, fallback }
    }
}

impl From<v1::EndpointTier> for Tier {
    fn from(message: v1::EndpointTier) -> Self {
        let v1::EndpointTier { name, policies, rules, end } = message;
        let rules = rules
            .into_iter()
            .map(|v1::EndpointRule { rule, words }| InWords { rule: rule.map(Rule::from), words });
        Self { name, policies, rules: rules.collect(), end }
    }
}

impl Rules {
    fn render(&self) -> String {
        let mut lines = Vec::new();
        if self.open {
            lines.push(format!("{}: open, for no policy selects it", self.direction));
        } else {
            let generation = if self.generation == 0 {
                String::new()
            } else {
                format!(", generation {}", self.generation)
            };
            let profile = match self.profile.is_empty() {
                true => String::new(),
                false => format!(" (kernel chain {}{generation})", self.profile),
            };
            lines.push(format!("{}{profile}:", self.direction));
        }
        for tier in &self.tiers {
            lines.push(format!("  tier {}: {}", tier.name, tier.policies.join(", ")));
            for InWords { rule, words } in &tier.rules {
                let rule = rule.as_ref().map(Rule::render).unwrap_or_default();
                lines.push(format!("    {words} [{rule}]"));
            }
            lines.push(format!("    everything else is {}", tier.end));
        }
        if self.tiers.last().is_some_and(|tier| tier.end == "passed") {
            lines.push(format!("  what every tier passes is {}", self.fallback));
        }
        lines.into_iter().map(|line| table::clean(line) + "\n").collect()
    }
}

impl View for Description {
    fn render(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let fields = table::render_fields(&[
            ("Endpoint", format!("{}/{}", self.namespace, self.name)),
            ("Node", self.node.clone()),
            ("Addresses", table::join(&self.addresses)),
            ("Interface", self.host_interface.clone()),
            ("Labels", table::join(&labels)),
            ("State", self.state.clone()),
        ]);
        let directions: String =
            self.directions.iter().map(|rules| format!("\n{}", rules.render())).collect();
        format!("{fields}{directions}")
    }

    fn remark_if_empty(&self) -> &'static str {
        // An endpoint that is not there is an error.
        ""
    }
}
