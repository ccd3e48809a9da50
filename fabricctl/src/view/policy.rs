//! `policy …`: lists, one policy in full, explanations, differences.

mod diff;
mod explain;
mod list;
mod trace;

use proto::v1;
use serde::Serialize;

pub(crate) use diff::Difference;
pub(crate) use explain::Explanation;
pub(crate) use list::{Details, Policies};

/// One rule of one policy.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rule {
    kind: String,
    namespace: String,
    policy: String,
    direction: String,
    /// From 0, as in the object.
    rule: u32,
    name: String,
}

impl From<v1::RuleRef> for Rule {
    fn from(message: v1::RuleRef) -> Self {
        let v1::RuleRef { namespace, policy, direction, rule, kind, name } = message;
        Self { kind, namespace, policy, direction, rule, name }
    }
}

impl Rule {
    /// `shop/web rule 1 "from-gateway"`
    pub(crate) fn render(&self) -> String {
        let kind = match self.kind.as_str() {
            "NetworkPolicy" => String::new(),
            // As sentences call it.
            "FabricNetworkPolicy" => "fabric NetworkPolicy ".to_owned(),
            other => format!("{other} "),
        };
        let namespace =
            if self.namespace.is_empty() { String::new() } else { format!("{}/", self.namespace) };
        let name = if self.name.is_empty() { String::new() } else { format!(" {:?}", self.name) };
        format!("{kind}{namespace}{} rule {}{name}", self.policy, self.rule)
    }
}

/// `12 packets, 720 bytes`
fn render_count(packets: u64, bytes: u64) -> String {
    let plural = |count: u64, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!("{}, {}", plural(packets, "packet"), plural(bytes, "byte"))
}
