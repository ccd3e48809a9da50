//! What became of a packet in the kernel.

use proto::v1;
use serde::Serialize;

use crate::output::table;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trace {
    outcome: String,
    summary: String,
    differences: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    family: String,
    table: String,
    chain: String,
    /// 0 at the end of a chain.
    handle: u64,
    verdict: String,
    comment: String,
}

impl From<v1::Trace> for Trace {
    fn from(message: v1::Trace) -> Self {
        let v1::Trace { steps, outcome, summary, differences } = message;
        Self { outcome, summary, differences, steps: steps.into_iter().map(Step::from).collect() }
    }
}

impl From<v1::TraceStep> for Step {
    fn from(message: v1::TraceStep) -> Self {
        let v1::TraceStep { family, table, chain, handle, verdict, comment } = message;
        Self { family, table, chain, handle, verdict, comment }
    }
}

impl Trace {
    pub(super) fn render(&self) -> String {
        let headers = ["TABLE", "CHAIN", "RULE", "VERDICT", "COMMENT"];
        let steps = table::render(
            headers,
            self.steps.iter().map(|step| {
                [
                    format!("{} {}", step.family, step.table),
                    step.chain.clone(),
                    if step.handle == 0 { "end".to_owned() } else { step.handle.to_string() },
                    step.verdict.clone(),
                    step.comment.clone(),
                ]
            }),
        );
        let verdict = match self.differences.is_empty() {
            true => "The kernel does what the engine says".to_owned(),
            false => format!("THE KERNEL DIFFERS: {}", self.differences.join("; ")),
        };
        let lines: String = [format!("Traced in this node's kernel: {}", self.summary), verdict]
            .into_iter()
            .map(|line| table::clean(line) + "\n")
            .collect();
        format!("{lines}{steps}")
    }
}
